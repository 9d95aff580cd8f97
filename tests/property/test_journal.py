"""What holds for the journal whatever happens to it, in whatever order: database and twin agree, the book adds up."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, cast

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.contract.journals import (
    ACCOUNT,
    LEASE,
    OPEN,
    at,
    bracket,
    empty_sqlite,
    fill,
    intent,
    order,
    record,
    request,
    see_equity,
)
from ztrade.adapters.calendar import NyseCalendar
from ztrade.adapters.journal import open_journal
from ztrade.app.tally import Tally
from ztrade.domain.ledger import (
    Claim,
    CycleKind,
    Fill,
    Holding,
    IntentState,
    Outcome,
    Proposal,
    ProposalState,
    RoundTrip,
)
from ztrade.domain.messages import Message, Severity
from ztrade.domain.sla import Objectives
from ztrade.domain.types import Activity, Leg, Order, OrderStatus, Side
from ztrade.errors import ZtradeError
from ztrade.ports import Journal
from ztrade.testing.journal import MemoryJournal

AGENTS = st.sampled_from(["spy", "tsla"])
MINUTES = st.integers(0, 6).map(lambda n: n * 5)
KINDS = st.sampled_from(CycleKind)
#: intents, and the exchange's orders of them; few, so that they meet
NAMES = st.sampled_from(["a", "b", "c"])
ORDERS = st.sampled_from(["o1", "o2", "o3", "o1-stop", "o1-target", "o2-stop", "o3-target", "by-hand"])
STATUSES = st.sampled_from(
    [OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.REPLACED]
)
QTY = st.sampled_from(["1", "2.5", "3", "10"])
PRICES = st.sampled_from(["400", "399.99", "410.1234", "0.0731"])
CAPITALS = st.sampled_from([None, "10000", "20000.5"])
CASH = Decimal(100_000)


class BothJournals(RuleBasedStateMachine):
    """Does everything to both, and compares what they answer."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = mkdtemp()
        self.sql = open_journal(empty_sqlite(Path(self.directory)))
        self.twin = MemoryJournal()
        self.claims: list[Claim] = []
        self.booked: dict[str, Activity] = {}
        self.number = 0
        self.tally = new_tally()

    def teardown(self) -> None:
        """Remove the database. What was counted on the way is what counting everything at the end gives."""
        assert self.tally.look(self.sql.tallies)
        for journal in (self.sql, self.twin):
            anew = new_tally()
            assert anew.look(journal.tallies)
            assert counted(anew) == counted(self.tally)
        self.sql.close()
        shutil.rmtree(self.directory)

    def both(self, call: Callable[[Journal], object]) -> Any:
        """Call both; return the answer, or None where both refused in the same words."""
        answers = []
        for journal in (self.sql, self.twin):
            try:
                answers.append(call(journal))
            except (ZtradeError, ValueError) as error:
                answers.append(f"{type(error).__name__}: {error}")
        assert _plain(answers[0]) == _plain(answers[1])
        return None if isinstance(answers[0], str) else answers[0]

    @initialize(seen=st.booleans())
    def open(self, seen: bool) -> None:
        """Open the account, with or without shares from before."""
        before = [fill("f-before", "long-ago", -600, "10", "300")] if seen else []
        self.both(lambda journal: journal.open_account(ACCOUNT, CASH, OPEN, before))
        for agent in ("spy", "tsla"):
            self.claim(agent, 0, CycleKind.SLOT, 0)

    @rule(agent=AGENTS, minutes=MINUTES, kind=KINDS, wall=MINUTES)
    def claim(self, agent: str, minutes: int, kind: CycleKind, wall: int) -> None:
        """Claim a slot, perhaps one that is taken or whose lease is over."""
        now = at(minutes + wall)
        claim = self.both(
            lambda journal: journal.claim(agent, at(minutes), kind, owner="w", now=now, wall=now, lease=LEASE)
        )
        if claim is not None:
            self.claims.append(claim)

    @rule(data=st.data(), outcome=st.sampled_from(Outcome), reason=st.sampled_from(["", "because"]))
    def finish(self, data: st.DataObject, outcome: Outcome, reason: str) -> None:
        """Finish a cycle with any claim that was ever given, stale ones included."""
        claim = data.draw(st.sampled_from(self.claims))
        inputs = {"n": len(self.claims), "price": Decimal("1.10")}
        self.both(lambda journal: journal.finish(claim, record(claim, outcome, reason, inputs=inputs)))

    @rule()
    def count(self) -> None:
        """Count what is new."""
        assert self.tally.look(self.sql.tallies)

    @rule(agent=AGENTS, minutes=MINUTES)
    def close(self, agent: str, minutes: int) -> None:
        """Give a slot away."""
        self.both(lambda journal: journal.close_slot(agent, at(minutes), Outcome.MISSED, "missed", at(60)))

    @rule(
        data=st.data(), name=NAMES, leg=st.sampled_from([Leg.ENTRY, Leg.EXIT]), minutes=MINUTES, qty=st.integers(1, 2)
    )
    def plan(self, data: st.DataObject, name: str, leg: Leg, minutes: int, qty: int) -> None:
        """Plan, perhaps again, perhaps something else under the same id, which no other agent's order can have."""
        known = self.twin.intent(name)
        claim = data.draw(st.sampled_from([one for one in self.claims if known is None or one.agent == known.agent]))
        wanted = intent(claim, name, leg, minutes, request=request(name, qty=qty))
        self.both(lambda journal: journal.plan(claim, wanted))

    @rule(
        name=NAMES,
        state=st.sampled_from(IntentState),
        found=st.data(),
        reason=st.sampled_from(["", "words"]),
        wall=st.none() | MINUTES.map(at),
    )
    def resolve(self, name: str, state: IntentState, found: st.DataObject, reason: str, wall: datetime | None) -> None:
        """Write any answer, early, late or wrong."""
        answer = found.draw(st.none() | _orders(name))
        self.both(lambda journal: journal.resolve(name, state, order=answer, reason=reason, wall=wall))

    @rule(name=NAMES, channels=st.lists(st.sampled_from(["ops", "mail"]), unique=True), lost=st.booleans())
    def tell(self, name: str, channels: list[str], lost: bool) -> None:
        """Tell something over some channels, of which the first takes it, or never will."""
        self.number += 1
        key = f"{name}{self.number}"
        self.both(lambda journal: journal.post(Message(key, Severity.INFO, "title", "text", at(0))))
        self.both(lambda journal: journal.outbox.route({key: channels}, at(1)))
        first = channels[0] if channels else "nobody"
        if lost:
            self.both(lambda journal: journal.outbox.lose(first, [key], "no", at(2)))
        else:
            self.both(lambda journal: journal.outbox.taken(first, [key], at(2)))

    @rule(
        order_id=ORDERS,
        minutes=st.integers(-5, 40),
        qty=QTY,
        price=PRICES,
        side=st.sampled_from(Side),
        symbol=st.sampled_from(["SPY", "SPY", "TSLA"]),
    )
    def trade(self, order_id: str, minutes: int, qty: str, price: str, side: Side, symbol: str) -> None:
        """Book a fill, in or out of its order in time, ours or not, possible or not."""
        self.number += 1
        self.book([fill(f"f{self.number}", order_id, minutes, qty, price, side, symbol=symbol)])

    @rule(minutes=st.integers(-5, 40), change=st.sampled_from(["10", "-1", "0.5", "-100"]))
    def split(self, minutes: int, change: str) -> None:
        """Book a split."""
        self.number += 1
        self.book([Activity(f"s{self.number}", "SPLIT", at(minutes), Decimal(0), symbol="SPY", qty=Decimal(change))])

    @rule(data=st.data(), minutes=MINUTES)
    def page(self, data: st.DataObject, minutes: int) -> None:
        """Book a page that overlaps with what is there, in any order, and some cash."""
        self.number += 1
        known = list(self.booked.values())
        again = data.draw(st.lists(st.sampled_from(known), max_size=4)) if known else []
        self.book([*again, Activity(f"c{self.number}", "FEE", at(minutes), Decimal("-0.02"))])

    def book(self, page: list[Activity]) -> None:
        """Book a page in both."""
        self.both(lambda journal: journal.book(ACCOUNT, page))
        self.booked |= {entry.id: entry for entry in page}

    @rule(agent=AGENTS, minutes=MINUTES, value=st.sampled_from(["9999.99", "10000", "-3", "NaN"]), capital=CAPITALS)
    def value(self, agent: str, minutes: int, value: str, capital: str | None) -> None:
        """Write a point of equity."""
        self.both(lambda journal: see_equity(journal, f"agent:{agent}@{ACCOUNT}", minutes, value, capital))

    @rule(agent=AGENTS)
    def rebase(self, agent: str) -> None:
        """Let a peak begin anew."""
        self.both(lambda journal: journal.rebase(f"agent:{agent}@{ACCOUNT}"))

    @rule(data=st.data(), name=NAMES, minutes=MINUTES)
    def propose(self, data: st.DataObject, name: str, minutes: int) -> None:
        """Propose, perhaps again."""
        claim = data.draw(st.sampled_from(self.claims))
        wanted = Proposal(
            name, claim.agent, claim.cycle_id, Leg.ENTRY, request(name), "why", 0.5, at(minutes), at(minutes + 5)
        )
        self.both(lambda journal: journal.propose(claim, wanted))

    @rule(name=NAMES, state=st.sampled_from(ProposalState), minutes=MINUTES)
    def decide(self, name: str, state: ProposalState, minutes: int) -> None:
        """Decide, perhaps too late, perhaps twice."""
        self.both(lambda journal: journal.decide_proposal(name, state, by="ada", now=at(minutes)))

    @invariant()
    def they_hold_the_same(self) -> None:
        """Every listing and every state."""
        readings: list[Callable[[Journal], object]] = [
            lambda journal: journal.cycles(with_inputs=True),
            lambda journal: journal.intents(),
            lambda journal: journal.intents(agent="spy", unfinished=True),
            lambda journal: journal.orders(),
            lambda journal: journal.fills(),
            lambda journal: journal.round_trips(),
            lambda journal: journal.holdings(),
            lambda journal: journal.proposals(),
            lambda journal: journal.agent_state("spy", ACCOUNT, "SPY", OPEN),
            lambda journal: journal.agent_state("tsla", ACCOUNT, "SPY", at(10), Decimal(4_000)),
            lambda journal: journal.equity(f"agent:spy@{ACCOUNT}", None, Decimal(4_000)),
            lambda journal: journal.account_state(ACCOUNT, OPEN),
        ]
        for reading in readings:
            self.both(reading)

    @invariant()
    def cash_is_the_sum_of_the_book(self) -> None:
        """No entry is lost, none counts twice."""
        total = CASH + sum((entry.net_amount for entry in self.booked.values()), Decimal(0))
        assert self.twin.account_state(ACCOUNT, OPEN).cash in (total, None)


def new_tally() -> Tally:
    """Return one that counts nothing yet, of one of the two agents and somebody who never was."""
    return Tally(["spy", "nobody"], Objectives(), NyseCalendar().session)


def counted(tally: Tally) -> object:
    """Return all that it counted, to be compared."""
    agents = {name: vars(one) | {"last": one.last and one.last.cycle_id} for name, one in tally.agents.items()}
    states = [(row.agent, row.state, row.wall_at) for row in tally.unresolved]
    return agents, dict(tally.deliveries), tally.waiting, tally.fills, states, tally.scores("spy", at(30))


def _plain(answer: object) -> object:
    return list(answer) if isinstance(answer, list | tuple) and not hasattr(answer, "_fields") else answer


@st.composite
def _orders(draw: st.DrawFn, name: str) -> Order:
    """Return an order for the intent: mostly its own, at times a replacement, at times nonsense."""
    number = {"a": "o1", "b": "o2", "c": "o3"}[name]
    filled = Decimal(draw(st.integers(0, 3)))
    values: dict[str, Any] = {"status": draw(STATUSES), "filled_qty": filled, "submitted_at": at(draw(MINUTES))}
    shape = draw(st.sampled_from(["bracket", "bracket", "plain", "replaced", "replacement", "stranger"]))
    if shape == "bracket":
        found = bracket(number, name, **values)
        return replace(found, legs=tuple(replace(leg, status=draw(STATUSES)) for leg in found.legs))
    if shape == "replaced":
        return order(number, name, **(values | {"status": OrderStatus.REPLACED, "replaced_by": "by-hand"}))
    if shape == "replacement":
        return order(f"{number}-new", "hand", replaces=draw(st.sampled_from([number, "by-hand"])), **values)
    return order(number if shape == "plain" else "o1", name if shape == "plain" else "x", **values)


BothJournals.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestBothJournals = BothJournals.TestCase


@st.composite
def _histories(draw: st.DrawFn) -> list[Activity]:
    """Return fills and splits of two agents and a stranger in one stock, possible or not."""
    entries = []
    for number in range(draw(st.integers(1, 12))):
        minutes = draw(st.integers(0, 6))
        if draw(st.integers(0, 5)) == 0:
            change = Decimal(draw(st.sampled_from(["10", "-1", "0.5"])))
            entries.append(Activity(f"{number}", "SPLIT", at(minutes), Decimal(0), symbol="SPY", qty=change))
        else:
            where, side = draw(ORDERS), draw(st.sampled_from(Side))
            entries.append(fill(f"{number}", where, minutes, draw(QTY), draw(PRICES), side))
    return entries


#: a journal is told of these two orders, somewhere among the entries
_SENT = [("spy", "a", "o1"), ("tsla", "b", "o2")]


def _told(events: list[object]) -> list[object]:
    """Return what a journal holds that heard of entries and orders one by one, in this order."""
    journal = MemoryJournal()
    journal.open_account(ACCOUNT, CASH, OPEN, [])
    for agent, name, _ in _SENT:
        held = journal.claim(agent, OPEN, CycleKind.SLOT, owner="w", now=OPEN, wall=OPEN, lease=LEASE)
        assert held is not None
        journal.plan(held, intent(held, name))
    for event in events:
        if isinstance(event, Activity):
            journal.book(ACCOUNT, [event])
        else:
            _, name, number = cast("tuple[str, str, str]", event)
            journal.resolve(name, IntentState.SENT, order=bracket(number, name))
    states = [journal.agent_state(agent, ACCOUNT, "SPY", at(3)) for agent, _, _ in _SENT]
    return [
        list(journal.fills()),
        list(journal.round_trips()),
        list(journal.holdings()),
        journal.account_state(ACCOUNT, OPEN),
        [(state.holding, state.realized_today, state.last_stop_at) for state in states],
    ]


@settings(max_examples=150, deadline=None)
@given(history=_histories(), data=st.data())
def test_the_order_of_arrival_does_not_matter(history: list[Activity], data: st.DataObject) -> None:
    """Entries out of order, and orders that are found after their fills: the journal ends the same."""
    in_order = [*_SENT, *sorted(history, key=lambda entry: (entry.at, entry.id))]
    arrival = data.draw(st.permutations(in_order))
    assert _told(list(arrival)) == _told(list(in_order))


@settings(max_examples=150, deadline=None)
@given(history=_histories())
def test_shares_are_never_made_up(history: list[Activity]) -> None:
    """What the agents hold is no more than they bought and were split; nobody is short; profit adds up.

    To the last cent, but for what a stranger sold of theirs: that is a part of what strangers sold.
    """
    fills, trips, holdings, _, states = _told([*_SENT, *history])
    assert all(held.qty > 0 and held.cost >= 0 for held in cast("list[Holding]", holdings))
    booked = [fill for fill in cast("list[Fill]", fills) if fill.agent is not None]
    paid = sum((fill.qty * fill.price * (1 if fill.side is Side.SELL else -1) for fill in booked), Decimal(0))
    kept = sum((held.cost for held in cast("list[Holding]", holdings)), Decimal(0))
    held_and_flat = cast("list[tuple[Holding, Decimal, object]]", states)
    realized = sum((holding.realized for holding, _, _ in held_and_flat), Decimal(0))
    strangers = [f for f in cast("list[Fill]", fills) if f.agent is None and not f.problem and f.side is Side.SELL]
    by_hand = sum((fill.qty * fill.price for fill in strangers), Decimal(0))
    assert -Decimal("1e-12") < realized - paid - kept < by_hand + Decimal("1e-12")
    flat = sum((trip.pnl for trip in cast("list[RoundTrip]", trips)), Decimal(0))
    if not holdings:
        assert abs(flat - realized) < Decimal("1e-12")
