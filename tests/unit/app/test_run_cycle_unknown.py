"""The cycle where an answer is missing or odd: unknown outcomes, adoption, orders that died half-way."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import NoReturn

import pytest

from tests.unit.app.desks import BUY, HOLD, LEAVE, MINUTE, OPEN, Bench, entered, failing, unknown
from ztrade.app.run_cycle import run_cycle
from ztrade.domain.identity import entry_id
from ztrade.domain.ledger import CycleKind, Intent, IntentState, Outcome
from ztrade.domain.messages import Severity
from ztrade.domain.types import Leg, OrderRequest, Side
from ztrade.errors import (
    AccessDenied,
    DuplicateOrderId,
    ExchangeUnavailable,
    JournalUnavailable,
)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_an_order_that_landed_without_an_answer_is_adopted(bench: Bench) -> None:
    """504 after landing: unknown, then found by its id and taken over with its legs; never a second order."""
    bench.exchange.after_submit = unknown(bench, 30)
    record = bench.cycle(30, BUY)
    assert record.outcome is Outcome.UNKNOWN
    bench.exchange.after_submit = None
    assert bench.cycle(35, BUY).outcome is Outcome.HELD
    assert len(bench.orders()) == len(bench.exchange.submitted) == 1
    assert bench.journal.holdings()[0].qty == bench.market.positions()[0].qty


def test_nothing_new_before_the_exchange_has_said(bench: Bench) -> None:
    """A 404 right after a timeout is not "not sent": the agent waits until the sender's time is over."""
    bench.exchange.before["submit"] = unknown(bench, 30)
    assert bench.cycle(30, BUY).outcome is Outcome.UNKNOWN
    del bench.exchange.before["submit"]
    bench.desk = replace(bench.desk, unknown_grace=timedelta(minutes=7))
    waiting = bench.cycle(35, BUY)
    assert waiting.outcome is Outcome.BLOCKED
    assert "unanswered" in waiting.reason
    assert bench.cycle(40, BUY).outcome is Outcome.ENTERED
    assert len(bench.orders()) == 1


def test_a_late_landing_is_taken_over(bench: Bench) -> None:
    """The request was in flight while the exchange said 404, and arrives afterwards."""
    bench.exchange.before["submit"] = unknown(bench, 30)
    bench.cycle(30, BUY)
    del bench.exchange.before["submit"]
    bench.desk = replace(bench.desk, unknown_grace=timedelta(minutes=30))
    assert bench.cycle(35, BUY).outcome is Outcome.BLOCKED
    bench.market.submit(bench.exchange.submitted[0])
    assert bench.cycle(40, BUY).outcome is Outcome.HELD
    assert len(bench.orders()) == 1


def test_a_duplicate_id_is_read_and_adopted(bench: Bench) -> None:
    """422 must be unique: the first delivery landed."""

    def first_delivery() -> None:
        bench.market.submit(bench.exchange.submitted[0])

    bench.exchange.before["submit"] = first_delivery
    assert bench.cycle(30, BUY).outcome is Outcome.ENTERED
    assert len(bench.orders()) == 1


def test_another_order_under_our_id_halts_the_agent(bench: Bench) -> None:
    """The id is ours, the order is not: a person must look."""

    def steal() -> None:
        request = bench.exchange.submitted[0]
        bench.market.submit(OrderRequest(request.client_order_id, "SPY", Side.BUY, Decimal(1)))

    bench.exchange.before["submit"] = steal
    record = bench.cycle(30, BUY)
    assert record.outcome is Outcome.HALTED
    assert "instead of" in record.reason
    assert [(halt.agent, halt.by, halt.released_at) for halt in bench.journal.halts()] == [("spy", "test", None)]
    assert "instead of" in (bench.halts.reason("spy") or "")
    assert bench.cycle(35, BUY).outcome is Outcome.HALTED


def test_a_halt_of_itself_that_cannot_be_written_is_an_outcome_and_is_told(bench: Bench) -> None:
    """A state directory that is read-only: the slot ends, somebody hears, and no later slot sends anything."""
    bench.exchange.before["submit"] = unknown(bench, 30)
    assert bench.cycle(30, BUY).outcome is Outcome.UNKNOWN
    bench.market.submit(OrderRequest(entry_id("spy", OPEN + 30 * MINUTE), "SPY", Side.BUY, Decimal(1)))

    def refuse(*_args: object) -> NoReturn:
        raise OSError(30, "Read-only file system")

    bench.halts.halt = refuse  # type: ignore[assignment, method-assign]
    for minutes in (35, 40):
        assert bench.cycle(minutes, BUY).outcome is Outcome.HALTED
    assert len(bench.orders()) == 1
    told = [message for message in bench.journal.messages() if message.severity is Severity.CRITICAL]
    assert "Read-only file system" in told[0].text


def test_another_order_found_for_an_unanswered_one_halts_the_agent(bench: Bench) -> None:
    """Asked for by our id, the exchange shows an order that we did not mean: a person must look."""
    bench.exchange.before["submit"] = unknown(bench, 30)
    assert bench.cycle(30, BUY).outcome is Outcome.UNKNOWN
    bench.market.submit(OrderRequest(entry_id("spy", OPEN + 30 * MINUTE), "SPY", Side.BUY, Decimal(1)))
    record = bench.cycle(35, HOLD)
    assert record.outcome is Outcome.HALTED
    assert "instead of" in record.reason


@pytest.mark.parametrize("leg", [Leg.ENTRY, Leg.EXIT])
def test_the_intent_is_in_the_journal_before_the_order_leaves(bench: Bench, leg: Leg) -> None:
    """A process that dies in the submit leaves behind what its successor has to ask for."""
    if leg is Leg.EXIT:
        entered(bench)

    def look() -> None:
        found = bench.journal.intent(bench.exchange.submitted[-1].client_order_id)
        assert found is not None
        assert (found.leg, found.state) == (leg, IntentState.PLANNED)
        assert found.request == bench.exchange.submitted[-1]

    bench.exchange.before["submit"] = look
    outcome = bench.cycle(40, BUY if leg is Leg.ENTRY else LEAVE).outcome
    assert outcome is (Outcome.ENTERED if leg is Leg.ENTRY else Outcome.EXITED)


def test_a_cycle_that_died_after_planning_is_finished_not_repeated(bench: Bench) -> None:
    """The second attempt of a slot finds the intent and closes the slot with it."""
    slot = bench.at(30)
    wall = bench.market.wall()
    lease = timedelta(seconds=1)
    claim = bench.journal.claim("spy", slot, CycleKind.SLOT, owner="dead", now=slot, wall=wall, lease=lease)
    assert claim is not None
    request = OrderRequest(entry_id("spy", slot), "SPY", Side.BUY, Decimal(5))
    intent = Intent("spy", "embedded", claim.cycle_id, Leg.ENTRY, request, IntentState.PLANNED, slot, wall)
    bench.journal.plan(claim, intent)
    bench.market.submit(request)
    bench.wall_shift = timedelta(minutes=2)
    record = bench.cycle(30, BUY)
    assert record.outcome is Outcome.INTERRUPTED
    assert len(bench.orders()) == 1


@pytest.mark.parametrize("halted", [False, True])
def test_a_slot_that_died_with_its_order_sent_is_never_called_missed(bench: Bench, halted: bool) -> None:
    """Taken over when the next one is due, or when a person has halted: its outcome names the order all the same."""

    def killed() -> NoReturn:
        raise KeyboardInterrupt

    bench.exchange.after_submit = killed
    with pytest.raises(KeyboardInterrupt):
        bench.cycle(30, BUY)
    bench.exchange.after_submit = None
    bench.wall_shift = timedelta(minutes=20)
    if halted:
        bench.halts.halt("spy", "person: stop")
    bench.at(30 if halted else 36)
    record = run_cycle(bench.desk, slot=OPEN + 30 * MINUTE)
    assert record is not None
    assert (record.outcome, record.order_ids) == (Outcome.INTERRUPTED, (entry_id("spy", OPEN + 30 * MINUTE),))


def test_an_exit_that_never_left_is_tried_again_by_the_second_attempt(bench: Bench) -> None:
    """Its process died between the intent and the sale; the intent is known not to be there, the position is."""
    entered(bench)
    bench.exchange.before["submit"] = failing(KeyboardInterrupt())  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        bench.cycle(40, LEAVE)
    del bench.exchange.before["submit"]
    bench.wall_shift = timedelta(minutes=20)
    assert bench.cycle(40, LEAVE).outcome is Outcome.EXITED
    bench.at(41)
    assert bench.market.positions() == []


@pytest.mark.parametrize("error", [JournalUnavailable("journal: disk full"), RuntimeError("time is up")])
def test_an_order_that_the_journal_could_not_be_told_of_is_unknown(bench: Bench, error: Exception) -> None:
    """When the answer came the disk was full, or the cycle's time was up: the outcome names the order.

    The next cycle takes it over.
    """
    resolve = bench.journal.resolve

    def full(*_args: object, **_options: object) -> NoReturn:
        bench.journal.resolve = resolve  # type: ignore[method-assign]
        raise error

    bench.exchange.after_submit = lambda: setattr(bench.journal, "resolve", full)
    record = bench.cycle(30, BUY)
    bench.exchange.after_submit = None
    assert (record.outcome, record.order_ids) == (Outcome.UNKNOWN, (entry_id("spy", OPEN + 30 * MINUTE),))
    assert "could not be written down" in record.reason
    assert bench.cycle(35).outcome is Outcome.HELD
    assert bench.journal.holdings()[0].qty == bench.market.positions()[0].qty


@pytest.mark.parametrize("error", [KeyError("id"), RuntimeError("time is up")])
def test_a_bug_while_an_order_is_sent_is_no_proof_that_it_was_not(bench: Bench, error: Exception) -> None:
    """Whatever the submit dies of, the outcome names the order that may be there."""
    bench.exchange.after_submit = failing(error)
    record = bench.cycle(30, BUY)
    bench.exchange.after_submit = None
    assert (record.outcome, record.order_ids) == (Outcome.UNKNOWN, (entry_id("spy", OPEN + 30 * MINUTE),))
    assert bench.cycle(35).outcome is Outcome.HELD


def test_a_taken_id_whose_order_does_not_show_is_unknown(bench: Bench) -> None:
    """The exchange says that it has an order under our id, and is down when it is asked for it."""
    bench.exchange.before["submit"] = failing(DuplicateOrderId("client_order_id must be unique"))
    bench.exchange.before["order_by_client_id"] = failing(ExchangeUnavailable("refused"))
    record = bench.cycle(30, BUY)
    assert (record.outcome, record.order_ids) == (Outcome.UNKNOWN, (entry_id("spy", OPEN + 30 * MINUTE),))


def test_refused_keys_send_nothing_and_leave_no_question(bench: Bench) -> None:
    """The submit was read and refused: the intent is not at the exchange, and the next slot is free."""
    bench.exchange.before["submit"] = failing(AccessDenied("wrong keys"))
    assert bench.cycle(30, BUY).outcome is Outcome.FAILED
    intent = bench.journal.intent(entry_id("spy", OPEN + 30 * MINUTE))
    assert intent is not None
    assert intent.state is IntentState.NOT_SENT
