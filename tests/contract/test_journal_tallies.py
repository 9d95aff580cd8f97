"""What every journal promises to those who count: what is new, in the order in which it came, and nothing twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.contract.journals import (
    ACCOUNT,
    KINDS,
    OPEN,
    AnyJournal,
    at,
    bracket,
    claim,
    fill,
    intent,
    make,
    order,
    record,
    send,
)
from ztrade.domain.ledger import CycleKind, IntentState, Outcome
from ztrade.domain.messages import Message, Severity
from ztrade.domain.types import Leg, OrderStatus, Side
from ztrade.ports import Tallies, nobody_is_gone
from ztrade.ports.tallies import DeliveryRow, OrderRow

MANY = 100


@pytest.fixture(params=KINDS)
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyJournal]:
    """Give each journal in turn, empty."""
    yield from make(request.param, tmp_path)


def ended(tallies: Tallies, after: int = 0, limit: int = MANY) -> list[tuple[int, str, str]]:
    return [(number, one.agent, str(one.outcome)) for number, one in tallies.cycles(after, limit)]


# -- cycles ------------------------------------------------------------------------------------------------------------
def test_cycles_are_numbered_in_the_order_in_which_they_ended(journal: AnyJournal) -> None:
    """Not in that of their slots; one that runs has no number yet."""
    running = claim(journal, 5)
    late = claim(journal, 10, agent="tsla")
    journal.finish(late, record(late, Outcome.BLOCKED, details={"rules": ["confidence"]}, timings={"done": 0.5}))
    assert journal.close_slot("aapl", at(5), Outcome.MISSED, "missed: beat was down", at(12))
    assert ended(journal.tallies) == [(1, "tsla", "blocked"), (2, "aapl", "missed")]
    journal.finish(running, record(running))
    assert ended(journal.tallies, 2) == [(3, "spy", "held")]
    assert ended(journal.tallies, 0, 1) == [(1, "tsla", "blocked")]
    first = journal.tallies.cycles(0, 1)[0][1]
    assert (first.details, first.timings, first.inputs) == ({"rules": ["confidence"]}, {"done": 0.5}, {})


def test_a_cycle_whose_process_died_twice_ends_too(journal: AnyJournal) -> None:
    for attempt in (0, 20):
        claim(journal, 5, wall=at(5 + attempt))
    third = journal.claim(
        "spy", at(5), CycleKind.SLOT, owner="third", now=at(50), wall=at(50), lease=timedelta(minutes=1)
    )
    assert third is None
    assert ended(journal.tallies) == [(1, "spy", "interrupted")]


# -- intents -----------------------------------------------------------------------------------------------------------
def answers(journal: AnyJournal, after: int = 0, also: tuple[int, ...] = ()) -> list[tuple[str, float | None]]:
    return [(str(row.state), row.answered) for row in journal.tallies.intents(after, also, MANY)]


def test_the_first_word_on_an_order_is_timed(journal: AnyJournal) -> None:
    """Asking for it without an answer is no word; what is heard of it later changes nothing."""
    held = claim(journal)
    journal.plan(held, intent(held, "o1"))
    assert answers(journal) == [("planned", None)]
    (row,) = journal.tallies.intents(0, (), MANY)
    assert (row.agent, row.account, row.wall_at) == ("spy", ACCOUNT, at(5))
    journal.resolve("o1", IntentState.UNKNOWN, wall=at(5.5))
    assert answers(journal) == [("unknown", None)]
    journal.resolve("o1", IntentState.SENT, order=bracket("x1", "o1"), wall=at(6))
    journal.resolve("o1", IntentState.DONE, wall=at(9))
    assert answers(journal) == [("done", 60.0)]
    found = journal.intent("o1")
    assert found is not None
    assert found.answered == 60.0


def test_an_order_that_never_left_has_no_answer_and_one_planned_again_keeps_its_first(journal: AnyJournal) -> None:
    held = claim(journal)
    for name, wall in (("o1", None), ("o2", at(5.25))):
        journal.plan(held, intent(held, name, Leg.EXIT))
        journal.resolve(name, IntentState.NOT_SENT, reason="halted", wall=wall)
        journal.plan(held, intent(held, name, Leg.EXIT))
    assert answers(journal) == [("planned", None), ("planned", 15.0)]


def test_rows_come_by_their_number(journal: AnyJournal) -> None:
    held = claim(journal)
    for name in ("o1", "o2", "o3"):
        journal.plan(held, intent(held, name, Leg.EXIT))
    first, second, _ = (row.seq for row in journal.tallies.intents(0, (), MANY))
    assert [row.seq for row in journal.tallies.intents(0, (), 2)] == [first, second]
    assert len(journal.tallies.intents(second, (), MANY)) == 1
    assert next(row.seq for row in journal.tallies.intents(second, (first,), MANY)) == first
    assert len(journal.tallies.intents(second, tuple(range(2000)), MANY)) == 4


# -- orders ------------------------------------------------------------------------------------------------------------
def test_orders_come_with_the_price_that_was_decided(journal: AnyJournal) -> None:
    """Legs as rows of their own; the decision is known once its cycle has ended."""
    held = claim(journal)
    journal.plan(held, intent(held, "o1"))
    filled = bracket("x1", "o1", status=OrderStatus.FILLED, filled_qty=Decimal(10), filled_avg_price=Decimal("400.2"))
    journal.resolve("o1", IntentState.SENT, order=filled)
    entry = journal.tallies.orders(0, (), MANY)[0]
    assert (entry.leg, entry.status, entry.price) == (Leg.ENTRY, OrderStatus.FILLED, Decimal("400.2"))
    assert (entry.decided, entry.settled) == (None, False)
    journal.finish(held, record(held, Outcome.ENTERED, details={"price": "400.10"}))
    entry, stop, target = journal.tallies.orders(0, (), MANY)
    assert (entry.decided, entry.settled) == (Decimal("400.10"), True)
    assert stop == OrderRow(stop.seq, "spy", Leg.STOP, OrderStatus.HELD, None, None, settled=True)
    assert target.leg is Leg.TARGET
    assert [row.seq for row in journal.tallies.orders(stop.seq, (), MANY)] == [target.seq]


@pytest.mark.parametrize("price", ["much", "nan", "-1", None, []])
def test_a_decision_without_a_price_is_none(journal: AnyJournal, price: object) -> None:
    held = claim(journal)
    journal.plan(held, intent(held, "o1"))
    journal.resolve("o1", IntentState.SENT, order=order("x1", "o1"))
    journal.finish(held, record(held, Outcome.ENTERED, details={"price": price}))
    assert journal.tallies.orders(0, (), MANY)[0].decided is None


# -- fills, messages ---------------------------------------------------------------------------------------------------
def test_executions_are_counted_by_agent_and_side(journal: AnyJournal) -> None:
    """Nobody's are not: of a foreign order, or before the journal knew whose they are."""
    journal.open_account(ACCOUNT, Decimal(100_000), OPEN, [])
    send(journal, "o1", "x1")
    journal.book(ACCOUNT, [fill("f1", "x1", 6, qty="4"), fill("f2", "x1", 7, qty="6"), fill("f3", "by-hand", 8)])
    journal.book(ACCOUNT, [fill("f4", "x1-stop", 9, side=Side.SELL)])
    assert dict(journal.tallies.fills()) == {("spy", Side.BUY): 2, ("spy", Side.SELL): 1}
    journal.book(ACCOUNT, [fill("f5", "x1-stop", 10, side=Side.SELL)])
    assert journal.fills()[-1].problem, "more than it holds"
    assert dict(journal.tallies.fills()) == {("spy", Side.BUY): 2, ("spy", Side.SELL): 2}


def test_deliveries_come_by_their_message(journal: AnyJournal) -> None:
    """All of one message together, whatever the limit."""
    assert list(journal.tallies.deliveries(0, (), MANY)) == []
    for number in (1, 2, 3):
        journal.post(Message(f"m{number}", Severity.INFO, "t", "x", at(number)))
    journal.outbox.route({"m1": ["mail", "ops"], "m2": [], "m3": ["ops"]}, at(4))
    rows = journal.tallies.deliveries(0, (), MANY)
    assert [(row.channel, row.state) for row in rows] == [("mail", "waiting"), ("ops", "waiting"), ("ops", "waiting")]
    first, last = rows[0].seq, rows[2].seq
    assert len(journal.tallies.deliveries(0, (), 1)) == 2
    assert journal.outbox.begin("ops", ["m1"], owner="k", at=at(5), lease=timedelta(1), gone=nobody_is_gone)
    journal.outbox.taken("ops", ["m1"], at(5))
    journal.outbox.lose("mail", ["m1"], "no", at(6))
    assert list(journal.tallies.deliveries(last, (first,), MANY)) == [
        DeliveryRow(first, "mail", "lost"),
        DeliveryRow(first, "ops", "sent"),
    ]
