"""Breakers, however a person changes an agent's capital: as if what it is now had been there all along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tests.contract.journals import LEASE, OPEN, record
from tests.unit.app.desks import AGENT, CALENDAR
from ztrade.app import guard
from ztrade.app.standing import PlainBook, states
from ztrade.domain.agent import AccountLimits
from ztrade.domain.breaker import Gauge
from ztrade.domain.ledger import CycleKind, Observed, agent_scope
from ztrade.testing.journal import MemoryJournal

SPY = agent_scope("spy", "paper")
#: profit in dollars, capital by the file, and whether a person releases the agent afterwards
STEP = st.tuples(st.decimals(-1500, 1500, places=2), st.sampled_from([2_000, 10_000, 10_500, 40_000]), st.booleans())
#: a slot after 100 minutes each: a few of a session, then the next one's
EVERY = timedelta(minutes=100)
SESSIONS = CALENDAR.sessions(OPEN.date(), OPEN.date() + timedelta(days=10))
SLOTS = [session.open + k * EVERY for session in SESSIONS for k in range(1, 4)]


class Curve:
    """A journal in which an agent's cycles record its equity, and what its breakers say of it."""

    def __init__(self) -> None:
        self.journal = MemoryJournal()

    def step(self, number: int, profit: Decimal, capital: int, released: bool) -> None:
        """Record a point; perhaps a person looks at it."""
        at, journal = SLOTS[number], self.journal
        held = journal.claim("spy", at, CycleKind.SLOT, owner="w", now=at, wall=at, lease=LEASE)
        assert held is not None
        seen = Observed(at, "SPY", {SPY: capital + profit}, capitals={SPY: Decimal(capital)})
        journal.finish(held, record(held), seen)
        if released:
            journal.rebase(SPY)
            journal.release("spy")

    def gauges(self, number: int, capital: int) -> Sequence[Gauge]:
        """Return every breaker's state for a process whose file says this capital."""
        now = SLOTS[number]
        session = CALENDAR.session(now.date())
        assert session is not None
        book = PlainBook(replace(AGENT, capital=Decimal(capital)), "paper", self.journal, AccountLimits())
        return list(guard.used(book, session, now, states(book, session.open)))


@given(st.lists(STEP, min_size=1, max_size=12))
def test_breakers_stand_as_if_the_capital_of_now_had_been_there_all_along(
    steps: Sequence[tuple[Decimal, int, bool]],
) -> None:
    """At every step, for whoever has the file of that step, and for one who still has the first."""
    changing = Curve()
    for number, step in enumerate(steps):
        changing.step(number, *step)
        for capital in {step[1], steps[0][1]}:
            same = Curve()
            for earlier, (profit, _, released) in enumerate(steps[: number + 1]):
                same.step(earlier, profit, capital, released)
            assert changing.gauges(number, capital) == same.gauges(number, capital)
