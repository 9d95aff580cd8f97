"""Who may run a slot, whatever dies, freezes or comes twice: a model says, and both journals must say the same."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import mkdtemp

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from tests.contract.journals import AND_SLOW, LEASE, at, intent, make, record
from ztrade.adapters.journal.rules import MAX_ATTEMPTS
from ztrade.domain.ledger import Claim, CycleKind, Outcome
from ztrade.errors import ClaimLost

OWNERS = ("one", "two", "three")
SLOTS = st.sampled_from([0, 5])
MINUTE = timedelta(minutes=1)


@dataclass
class Held:
    """What must be true of a slot: who runs it, until when, how often it was tried, and how it ended."""

    owner: str
    until: float
    token: int = 1
    attempt: int = 1
    outcome: Outcome | None = None


@dataclass
class World:
    """The model: minutes of wall time, processes that have died, slots, and every claim that was ever given."""

    wall: float = 60
    dead: set[str] = field(default_factory=set)
    held: dict[int, Held] = field(default_factory=dict)
    claims: list[tuple[int, Claim]] = field(default_factory=list)


class Claims(RuleBasedStateMachine):
    """Processes claim, finish, plan and die; time passes."""

    kind = "twin"

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(mkdtemp())
        self._made = make(self.kind, self.directory)
        self.journal = next(self._made)
        self.world = World()
        self.planned = 0

    def teardown(self) -> None:
        """Remove the database."""
        next(self._made, None)
        shutil.rmtree(self.directory)

    @rule(minutes=st.sampled_from([1, 4, 9.9, 10, 11]))
    def time_passes(self, minutes: float) -> None:
        """A lease is ten minutes."""
        self.world.wall += minutes

    @rule(owner=st.sampled_from(OWNERS))
    def dies(self, owner: str) -> None:
        """The machine knows that it is gone; a frozen one is not."""
        self.world.dead.add(owner)

    @rule(slot=SLOTS, owner=st.sampled_from(OWNERS))
    def claim(self, slot: int, owner: str) -> None:
        """Claim, as a worker does; who is dead comes back as a new process."""
        self.world.dead.discard(owner)
        wall = at(self.world.wall)
        got = self.journal.claim(
            "spy", at(slot), CycleKind.SLOT, owner=owner, now=at(slot), wall=wall, lease=LEASE,
            gone=lambda name: name in self.world.dead,
        )  # fmt: skip
        wanted = self._granted(slot, owner)
        assert (got.token if got else None) == wanted
        if got is not None:
            self.world.claims.append((slot, got))

    def _granted(self, slot: int, owner: str) -> int | None:
        """Return the token that must be given, None where none may be."""
        until = self.world.wall + LEASE / MINUTE
        held = self.world.held.get(slot)
        if held is None:
            self.world.held[slot] = Held(owner, until)
            return 1
        lapsed = self.world.wall >= held.until or held.owner in self.world.dead
        if held.outcome is not None or not lapsed:
            return None
        held.token += 1
        if held.attempt >= MAX_ATTEMPTS:
            held.outcome = Outcome.INTERRUPTED
            return None
        held.attempt, held.owner, held.until = held.attempt + 1, owner, until
        return held.token

    @precondition(lambda self: self.world.claims)
    @rule(data=st.data(), outcome=st.sampled_from([Outcome.HELD, Outcome.ENTERED, Outcome.FAILED]))
    def finish(self, data: st.DataObject, outcome: Outcome) -> None:
        """Finish with any claim that was ever given: only the newest of an open slot may."""
        slot, claim = data.draw(st.sampled_from(self.world.claims))
        held, may = self.world.held[slot], self._may(slot, claim)
        try:
            self.journal.finish(claim, record(claim, outcome, "because"))
        except ClaimLost:
            assert not may
        else:
            assert may
            held.outcome = outcome

    @precondition(lambda self: self.world.claims)
    @rule(data=st.data())
    def plan(self, data: st.DataObject) -> None:
        """Plan an order with any claim: who has lost it may not."""
        slot, claim = data.draw(st.sampled_from(self.world.claims))
        self.planned += 1
        name = f"zt.spy.{self.planned}.entry"
        try:
            self.journal.plan(claim, intent(claim, name))
        except ClaimLost:
            assert not self._may(slot, claim)
            assert self.journal.intent(name) is None
        else:
            assert self._may(slot, claim)

    def _may(self, slot: int, claim: Claim) -> bool:
        held = self.world.held[slot]
        return held.outcome is None and held.token == claim.token

    @rule(slot=SLOTS)
    def close(self, slot: int) -> None:
        """Give the slot away as missed: only where nobody ever claimed it."""
        free = slot not in self.world.held
        assert self.journal.close_slot("spy", at(slot), Outcome.MISSED, "missed", at(60)) is free
        if free:
            self.world.held[slot] = Held("", 0, token=0, attempt=0, outcome=Outcome.MISSED)

    @invariant()
    def every_slot_is_as_the_model_says(self) -> None:
        """One row a slot, its outcome once given for ever."""
        rows = {row.slot: row.outcome for row in self.journal.cycles(agent="spy", kind=CycleKind.SLOT)}
        assert rows == {at(slot): held.outcome for slot, held in self.world.held.items()}


@pytest.mark.parametrize("kind", AND_SLOW)
def test_a_slot_belongs_to_one(kind: str) -> None:
    """Two at once are refused, a lapsed claim is taken over, its late owner fenced off, a third attempt closed."""
    # not shrunk: on a database that takes minutes, and the story is short as it is
    options = settings(
        max_examples=60,
        stateful_step_count=25,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    machine = type("Claims", (Claims,), {"kind": kind})
    run_state_machine_as_test(machine, settings=options)
