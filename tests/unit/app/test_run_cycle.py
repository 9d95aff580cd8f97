"""The cycle over the real matching core: outcomes, and what happens to money when something fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NoReturn, cast

import pytest
import structlog
from structlog.testing import capture_logs

from tests.unit.app.desks import AGENT, BUY, HOLD, LEAVE, MINUTE, OPEN, SELL, Bench
from ztrade.app.run_cycle import run_cycle
from ztrade.app.settle import settle
from ztrade.domain.agent import SessionKind
from ztrade.domain.decision import SourceReading
from ztrade.domain.identity import entry_id
from ztrade.domain.ledger import CycleKind, Intent, IntentState, Outcome
from ztrade.domain.types import Activity, Leg, OrderClass, OrderRequest, OrderStatus, Side, TimeInForce
from ztrade.errors import (
    AccessDenied,
    ConfigError,
    DuplicateOrderId,
    ExchangeUnavailable,
    InsufficientBuyingPower,
    JournalUnavailable,
    NotFound,
    OutcomeUnknown,
    RateLimited,
)
from ztrade.ports import Journal
from ztrade.testing.journal import MemoryJournal


@pytest.fixture
def bench() -> Bench:
    return Bench()


def failing(error: Exception) -> Callable[[], NoReturn]:
    def fail() -> NoReturn:
        raise error

    return fail


def unknown(bench: Bench, minutes: float) -> Callable[[], NoReturn]:
    return failing(OutcomeUnknown(entry_id("spy", OPEN + minutes * MINUTE), "timed out"))


def test_a_symbol_without_a_price_fails_the_slot_and_refuses_nothing(bench: Bench) -> None:
    """Before its first bar, or where the feed does not know it: no order was sent, so none was refused."""
    bench.exchange.before["quote"] = failing(NotFound("no price for symbol SPY", status=404))
    record = bench.cycle(30, BUY)
    assert record.outcome is Outcome.FAILED
    assert record.reason == "failed: there is no price of SPY; the next slot tries again"


# -- the plain course ------------------------------------------------------------------------------------------------


def test_entry_hold_exit_and_the_books_agree(bench: Bench) -> None:
    """A position is entered with a bracket, held, left; journal and exchange end equal to the cent."""
    entered = bench.cycle(30, BUY)
    assert entered.outcome is Outcome.ENTERED
    held = bench.cycle(35, HOLD)
    assert held.outcome is Outcome.HELD
    assert bench.market.positions()[0].qty == bench.journal.holdings()[0].qty > 0
    left = bench.cycle(40, SELL)
    assert left.outcome is Outcome.EXITED
    bench.cycle(45)
    bench.at(391)
    assert settle(bench.desk, OPEN + timedelta(minutes=390)) is not None
    assert not bench.market.positions()
    assert not bench.journal.holdings()
    assert bench.journal.account_state("embedded", OPEN).cash == bench.market.account().cash
    assert len(bench.journal.round_trips()) == 1


def test_an_entry_is_a_protected_bracket(bench: Bench) -> None:
    """Whole shares, good till cancelled, stop and target at the exchange before the cycle ends."""
    bench.cycle(30, BUY)
    request = bench.exchange.submitted[0]
    order = bench.orders()[0]
    assert (request.order_class, request.time_in_force) == (OrderClass.BRACKET, TimeInForce.GTC)
    assert request.qty == request.qty.to_integral_value()
    assert request.client_order_id == "zt.spy.20220822T140000Z.entry"
    assert {leg.stop_price or leg.limit_price for leg in order.legs} == {request.stop_loss, request.take_profit}
    assert {bench.journal.owner_of(leg.id) for leg in order.legs} == {("spy", Leg.STOP), ("spy", Leg.TARGET)}


def test_each_line_of_a_cycle_names_it(bench: Bench) -> None:
    """The cycle's id is bound for its time, and for no longer."""
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        record = bench.cycle(30, BUY)
    assert [(line["event"], line["cycle_id"]) for line in lines] == [("cycle_done", record.cycle_id)]
    assert "cycle_id" not in structlog.contextvars.get_contextvars()


def test_a_slot_runs_once(bench: Bench) -> None:
    """The same message again does nothing and answers None."""
    bench.cycle(30, BUY)
    assert run_cycle(bench.desk, slot=OPEN + 30 * MINUTE) is None
    assert len(bench.exchange.submitted) == 1


def test_a_slot_of_the_future_stays_free(bench: Bench) -> None:
    """A message with a slot that is not due claims nothing; a clock that is a little behind is no obstacle."""
    bench.at(1)
    with pytest.raises(ConfigError, match="not due yet"):
        run_cycle(bench.desk, slot=OPEN + timedelta(minutes=5))
    assert bench.journal.cycles(agent="spy") == []
    assert bench.at(4.9) < OPEN + timedelta(minutes=5)
    record = run_cycle(bench.desk, slot=OPEN + timedelta(minutes=5))
    assert record is not None
    assert record.outcome is Outcome.HELD


def test_an_extra_cycle_never_fills_a_slot(bench: Bench) -> None:
    """A run by hand has an instant of its own; the slot is still to come."""
    bench.at(30)
    extra = run_cycle(bench.desk)
    assert extra is not None
    assert extra.kind is CycleKind.EXTRA
    assert run_cycle(bench.desk, slot=OPEN + 30 * MINUTE) is not None


def test_every_hold_says_why(bench: Bench) -> None:
    """The reason carries the numbers."""
    record = bench.cycle(30, HOLD)
    assert record.outcome is Outcome.HELD
    assert "0.30" in record.reason


def test_inputs_are_kept_so_that_the_decision_can_be_made_again(bench: Bench) -> None:
    """Bars, prices and position of the view are in the record, as JSON values."""
    record = bench.cycle(30, BUY)
    view = bench.strategy.views[-1]
    assert len(record.inputs["bars"]) == len(view.bars)  # type: ignore[arg-type]
    assert record.inputs["price"] == view.price


def test_the_strategy_sees_nothing_later_than_the_slot(bench: Bench) -> None:
    """Every bar it gets is complete."""
    bench.cycle(30)
    view = bench.strategy.views[-1]
    assert view.bars.end_at(len(view.bars) - 1) <= OPEN + 30 * MINUTE


# -- gates -----------------------------------------------------------------------------------------------------------


def test_a_halted_agent_asks_nothing_and_sends_nothing(bench: Bench) -> None:
    """A halt ends the cycle before the first request."""
    bench.halts.halt("spy", "person: looking")
    record = bench.cycle(30, BUY)
    assert record.outcome is Outcome.HALTED
    assert "person: looking" in record.reason
    assert bench.exchange.calls == []


def test_a_halt_between_decision_and_submit_stops_the_order(bench: Bench) -> None:
    """The flag is read again directly before the POST."""
    bench.exchange.before["quote"] = lambda: bench.halts.halt("ALL", "now")
    record = bench.cycle(30, BUY)
    assert record.outcome is Outcome.HALTED
    assert bench.exchange.submitted == []
    intent = bench.journal.intent(entry_id("spy", OPEN + 30 * MINUTE))
    assert intent is not None
    assert intent.state is IntentState.NOT_SENT


def test_a_cycle_that_comes_when_the_next_is_due_is_missed(bench: Bench) -> None:
    """A late message must not trade on an old slot."""
    bench.at(35)
    record = run_cycle(bench.desk, slot=OPEN + 30 * MINUTE)
    assert record is not None
    assert record.outcome is Outcome.MISSED


@pytest.mark.parametrize("minutes", [0, 7, 390, 600])
def test_an_instant_that_is_no_slot_is_closed(bench: Bench, minutes: int) -> None:
    """The open itself, an odd minute, the close, the night."""
    record = bench.cycle(minutes, BUY)
    assert record.outcome is Outcome.CLOSED
    assert bench.exchange.submitted == []


def test_an_extra_cycle_while_closed_says_when_it_opens(bench: Bench) -> None:
    """By hand at night: no order, a reason."""
    bench.at(500)
    record = run_cycle(bench.desk)
    assert record is not None
    assert record.outcome is Outcome.CLOSED


def test_where_calendar_and_exchange_disagree_nothing_is_sent(bench: Bench) -> None:
    """The exchange closes early today: its word gates acting."""
    bench.at(20)
    bench.market.engine.close_early(OPEN + 25 * MINUTE)
    record = bench.cycle(30, BUY)
    assert record.outcome is Outcome.CLOSED
    assert "the exchange says closed" in record.reason
    assert bench.exchange.submitted == []


def test_an_extended_session_observes_only() -> None:
    """Slots after hours look and never act."""
    bench = Bench(replace(AGENT, sessions=(SessionKind.PRE_MARKET, SessionKind.REGULAR, SessionKind.AFTER_HOURS)))
    record = bench.cycle(395, BUY)
    assert record.outcome is Outcome.OBSERVED
    assert bench.exchange.submitted == []


def test_a_late_slot_of_the_pre_market_observes_only() -> None:
    """An hour's slot that begins after the market has opened is still one of the pre-market."""
    hourly = replace(AGENT, sessions=(SessionKind.PRE_MARKET, SessionKind.REGULAR), every=timedelta(hours=1))
    bench = Bench(hourly)
    bench.strategy.say = BUY
    bench.at(25)
    record = run_cycle(bench.desk, slot=OPEN - 30 * MINUTE)
    assert record is not None
    assert record.outcome is Outcome.OBSERVED
    assert bench.exchange.submitted == []


# -- failures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["account", "positions", "orders", "quote", "bars"])
@pytest.mark.parametrize("error", [ExchangeUnavailable("refused"), RateLimited("429"), AccessDenied("wrong keys")])
def test_an_outage_is_never_nothing_there(bench: Bench, name: str, error: Exception) -> None:
    """Whatever cannot be read ends the cycle as failed; nothing is sent; the next slot tries again."""
    bench.exchange.before[name] = failing(error)
    record = bench.cycle(30, BUY)
    assert record.outcome is Outcome.FAILED
    assert str(error) in record.reason
    assert bench.exchange.submitted == []
    del bench.exchange.before[name]
    assert bench.cycle(35, BUY).outcome is Outcome.ENTERED


def test_an_unreachable_clock_still_gives_the_slot_its_outcome(bench: Bench) -> None:
    """With the exchange down, even the time is unknown: the slot ends failed at its own time."""

    class NoClock:
        def now(self) -> NoReturn:
            raise ExchangeUnavailable("connection refused")

        def wall(self) -> object:
            return OPEN

    bench.desk = replace(bench.desk, clock=NoClock())  # type: ignore[arg-type]
    record = run_cycle(bench.desk, slot=OPEN + 30 * MINUTE)
    assert record is not None
    assert record.outcome is Outcome.FAILED
    assert "connection refused" in record.reason


def test_a_bug_is_an_outcome_too(bench: Bench) -> None:
    """An unexpected exception must not leave a slot without one."""
    bench.exchange.before["quote"] = failing(ZeroDivisionError("oops"))
    record = bench.cycle(30, BUY)
    assert record.outcome is Outcome.FAILED
    assert "ZeroDivisionError" in record.reason


def test_without_a_journal_nothing_is_sent(bench: Bench) -> None:
    """An intent that cannot be written means no order."""

    class Broken:
        def __init__(self, inner: object) -> None:
            self._inner = inner

        def plan(self, *_args: object) -> NoReturn:
            raise JournalUnavailable("disk full")

        def __getattr__(self, name: str) -> object:
            return getattr(self._inner, name)

    bench.desk = replace(bench.desk, journal=Broken(bench.journal))  # type: ignore[arg-type]
    record = bench.cycle(30, BUY)
    assert record.outcome is Outcome.FAILED
    assert bench.exchange.submitted == []


def test_a_refusal_is_recorded_and_final(bench: Bench) -> None:
    """The exchange's own words are the reason."""
    bench.exchange.before["submit"] = failing(InsufficientBuyingPower("insufficient buying power"))
    record = bench.cycle(30, BUY)
    assert record.outcome is Outcome.REJECTED
    assert "insufficient buying power" in record.reason
    intent = bench.journal.intent(entry_id("spy", OPEN + 30 * MINUTE))
    assert intent is not None
    assert intent.state is IntentState.REJECTED


@pytest.mark.parametrize(
    "error", [InsufficientBuyingPower("no"), OutcomeUnknown("x", "reset"), ExchangeUnavailable("refused")], ids=str
)
def test_a_decision_is_kept_whatever_becomes_of_its_order(bench: Bench, error: Exception) -> None:
    """Action, quantity, stop, target and why: what a person asks first where an order went wrong."""
    bench.exchange.before["submit"] = failing(error)
    details = bench.cycle(30, BUY).details
    sent = bench.exchange.submitted[0]
    assert (details["action"], details["qty"]) == ("buy", str(sent.qty))
    assert (details["stop"], details["target"]) == (str(sent.stop_loss), str(sent.take_profit))
    assert "scripted buy" in str(details["rationale"])


def test_a_submit_that_never_left_may_be_tried_at_the_next_slot(bench: Bench) -> None:
    """Connection refused: not sent, surely; the next slot has an id of its own."""
    bench.exchange.before["submit"] = failing(ExchangeUnavailable("refused"))
    assert bench.cycle(30, BUY).outcome is Outcome.FAILED
    del bench.exchange.before["submit"]
    assert bench.cycle(35, BUY).outcome is Outcome.ENTERED
    assert len(bench.orders()) == 1


# -- unknown outcomes ------------------------------------------------------------------------------------------------


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


def test_an_order_that_the_journal_could_not_be_told_of_is_unknown(bench: Bench) -> None:
    """The disk was full when the answer came: the outcome names the order, and the next cycle takes it over."""
    resolve = bench.journal.resolve

    def full(*_args: object, **_options: object) -> NoReturn:
        bench.journal.resolve = resolve  # type: ignore[method-assign]
        raise JournalUnavailable("journal: disk full")

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


# -- leaving ---------------------------------------------------------------------------------------------------------


def entered(bench: Bench) -> None:
    assert bench.cycle(30, BUY).outcome is Outcome.ENTERED
    assert bench.cycle(35, HOLD).outcome is Outcome.HELD


def test_leaving_ends_the_legs_first(bench: Bench) -> None:
    """The bracket's legs hold the shares: they are cancelled, then the position is sold."""
    entered(bench)
    assert bench.cycle(40, LEAVE).outcome is Outcome.EXITED
    bench.cycle(45)
    assert not bench.market.positions()
    entry = bench.orders()[0]
    assert {leg.status for leg in entry.legs} == {OrderStatus.CANCELED}


def test_no_limit_keeps_a_position_open(bench: Bench) -> None:
    """Trades used up, loss over its limit, stale quote: the exit leaves all the same."""
    entered(bench)
    bench.with_agent(limits=replace(AGENT.limits, max_daily_trades=1, max_daily_loss=Decimal("0.01")))
    assert bench.cycle(40, LEAVE).outcome is Outcome.EXITED


def test_an_exit_whose_answer_was_lost_is_not_sent_twice(bench: Bench) -> None:
    """The exit's own id is asked for before anything else happens."""
    entered(bench)
    bench.exchange.after_submit = failing(OutcomeUnknown("zt.spy.20220822T141000Z.exit1", "reset"))
    assert bench.cycle(40, LEAVE).outcome is Outcome.UNKNOWN
    bench.exchange.after_submit = None
    bench.cycle(45, LEAVE)
    sells = [order for order in bench.orders() if order.side is Side.SELL]
    assert len(sells) == 1
    assert not bench.market.positions()


def test_an_interrupted_exit_goes_on_at_the_next_slot(bench: Bench) -> None:
    """The legs are gone, the sell did not leave: the position has no stop, so the next cycle sells."""
    entered(bench)
    bench.exchange.before["submit"] = failing(ExchangeUnavailable("refused"))
    assert bench.cycle(40, LEAVE).outcome is Outcome.FAILED
    assert bench.orders()[0].legs[0].status is OrderStatus.CANCELED
    del bench.exchange.before["submit"]
    record = bench.cycle(45, HOLD)
    assert record.outcome is Outcome.EXITED
    assert "no stop protects" in record.reason


def test_a_stop_that_a_person_cancelled_leaves_no_open_risk(bench: Bench) -> None:
    """Legs cancelled by hand: the next cycle closes the position."""
    entered(bench)
    for leg in bench.orders()[0].legs:
        if leg.stop_price is not None:
            bench.market.cancel(leg.id)
    assert bench.cycle(40, HOLD).outcome is Outcome.EXITED


def test_a_position_closed_by_hand_is_seen(bench: Bench) -> None:
    """A person sells the shares: the agent's book does not claim them for ever, and it does not sell again."""
    entered(bench)
    bench.market.engine.cancel_all()
    bench.market.engine.close_all()
    bench.cycle(40, LEAVE)
    bench.cycle(45, LEAVE)
    ours = [request for request in bench.exchange.submitted if request.side is Side.SELL]
    assert bench.market.positions() == []
    assert bench.journal.holdings() == []
    assert bench.cycle(50, BUY).outcome is Outcome.ENTERED
    assert len([order for order in bench.orders() if order.side is Side.SELL]) <= 1 + len(ours)


# -- sentiment -------------------------------------------------------------------------------------------------------


class Source:
    """A source of sentiment that says one thing, or fails."""

    name = "news"

    def __init__(self, score: float | None) -> None:
        self._score = score

    def read(self, *_args: object) -> SourceReading:
        if self._score is None:
            raise ExchangeUnavailable("news is down")
        return SourceReading("news", self._score, 0.9)


def test_bad_news_can_keep_an_agent_out() -> None:
    """The same technicals enter without news and hold with bad news."""
    assert Bench(sources=[Source(-0.9)]).cycle(30, BUY).outcome is Outcome.HELD
    assert Bench(sources=[]).cycle(30, BUY).outcome is Outcome.ENTERED


def test_a_source_that_is_down_costs_only_its_weight() -> None:
    """Without its only source the technicals weigh 1, and the record says why it was without."""
    record = Bench(sources=[Source(None)]).cycle(30, BUY)
    assert record.outcome is Outcome.ENTERED
    assert record.details["sources_down"] == {"news": "ExchangeUnavailable: news is down"}


def test_what_the_sources_said_is_kept() -> None:
    """One sentiment per cycle, with each source's own reading."""
    bench = Bench(sources=[Source(0.4)])
    record = bench.cycle(30, BUY)
    assert isinstance(bench.journal, MemoryJournal)
    (kept,) = bench.journal.sentiments()
    assert (kept.cycle_id, kept.sentiment.score) == (record.cycle_id, 0.4)
    assert [(reading.source, reading.score) for reading in kept.sentiment.readings] == [("news", 0.4)]
    assert "sources_down" not in record.details


# -- what a cycle costs ----------------------------------------------------------------------------------------------


class Counted:
    """A journal that writes down what it is asked."""

    def __init__(self, inner: Journal) -> None:
        self.inner, self.asked = inner, list[str]()

    def __getattr__(self, name: str) -> Any:
        self.asked.append(name)
        return getattr(self.inner, name)


def test_a_hold_asks_the_journal_four_times(bench: Bench) -> None:
    """Each question is a transaction on a disk: the claim, one look at agent and account, the outcome with all else."""
    bench.cycle(30)
    counted = Counted(bench.journal)
    bench.desk = replace(bench.desk, journal=cast("Journal", counted))
    assert bench.cycle(35).outcome is Outcome.HELD
    assert counted.asked == ["claim", "agent_state", "account_state", "finish"]
    assert [at for at, _ in bench.journal.equity("account:embedded")][-1] == OPEN + timedelta(minutes=35)


# -- limits in a running day -----------------------------------------------------------------------------------------


def test_trades_a_day_are_counted_and_start_anew(bench: Bench) -> None:
    """One entry a day: the second is blocked, the next session's is not."""
    bench.with_agent(limits=replace(AGENT.limits, max_daily_trades=1))
    bench.cycle(30, BUY)
    bench.cycle(35, SELL)
    bench.cycle(40)
    blocked = bench.cycle(45, BUY)
    assert blocked.outcome is Outcome.BLOCKED
    assert "1 trades today of 1" in blocked.reason
    assert bench.cycle(24 * 60 + 30, BUY).outcome is Outcome.ENTERED


def test_a_quote_without_a_bid_is_no_measure_of_the_days_loss(bench: Bench) -> None:
    """IEX often has one side only: a bid of zero must not become the day's opening equity."""
    bench.cycle(30, BUY)
    bench.cycle(385)
    day = 24 * 60
    quote = bench.market.quote
    bench.exchange.quote = lambda symbol: replace(quote(symbol), bid=Decimal(0))  # type: ignore[attr-defined]
    bench.cycle(day + 5)
    del bench.exchange.quote
    state = bench.journal.agent_state("spy", "embedded", "SPY", OPEN + timedelta(days=1))
    assert state.day_open_equity is not None
    assert state.day_open_equity > Decimal(9_000)
    lowest = min(equity for _, equity in bench.journal.equity("agent:spy@embedded"))
    assert lowest > Decimal(9_000)


def test_what_is_lost_over_night_counts_today(bench: Bench) -> None:
    """The daily loss is measured from the last close: a gap through the stop is gone before the first slot."""
    bench.cycle(30, BUY)
    bench.cycle(385)
    yesterday = bench.journal.equity("agent:spy@embedded")[-1][1]
    bench.cycle(24 * 60 + 5)
    state = bench.journal.agent_state("spy", "embedded", "SPY", OPEN + timedelta(days=1))
    assert state.day_open_equity == yesterday


def test_a_settlement_waits_for_the_exchange(bench: Bench) -> None:
    """While the exchange is down nothing is claimed, so the next ring settles the day; wrong keys are an outcome."""
    bench.cycle(30, BUY)
    bench.at(391)
    close = OPEN + timedelta(minutes=390)
    for name in ("clock", "account"):
        bench.exchange.before[name] = failing(ExchangeUnavailable("refused"))
    with pytest.raises(ExchangeUnavailable):
        settle(bench.desk, close)
    bench.exchange.before.clear()
    record = settle(bench.desk, close)
    assert record is not None
    assert record.outcome is Outcome.SETTLED
    for name in ("clock", "account"):
        bench.exchange.before[name] = failing(AccessDenied("wrong keys"))
    record = settle(bench.desk, close + timedelta(days=1))
    assert record is not None
    assert record.outcome is Outcome.FAILED


def test_a_fee_that_is_booked_days_later_is_not_lost(bench: Bench) -> None:
    """It carries the day of the trade, which lies before fills that are in the books already."""
    bench.cycle(30, BUY)
    late: list[Activity] = []
    theirs = bench.market.activities

    def activities(after: datetime | None = None) -> list[Activity]:
        return [entry for entry in (*late, *theirs()) if after is None or entry.at > after]

    bench.exchange.activities = activities  # type: ignore[attr-defined]
    bench.cycle(40, LEAVE)
    later = 4 * 24 * 60
    bench.cycle(later + 30, BUY)
    bench.cycle(later + 35)
    late.append(Activity("fee", "FEE", OPEN, Decimal("-0.07"), description="TAF"))
    bench.at(later + 391)
    settle(bench.desk, OPEN + timedelta(minutes=later + 390))
    cash = bench.journal.account_state("embedded", OPEN).cash
    assert cash == bench.market.account().cash - Decimal("0.07")


@pytest.mark.parametrize("off", [45, -45])
def test_a_clock_that_is_off_blocks(bench: Bench, off: int) -> None:
    """Staleness, sessions and expiry are measured with our clock: where the exchange's differs, nothing is sent."""

    class Off:
        def now(self) -> datetime:
            return bench.market.now() + timedelta(seconds=off)

        def wall(self) -> datetime:
            return bench.market.wall()

    bench.desk = replace(bench.desk, clock=Off())
    bench.at(31)
    bench.strategy.say = BUY
    record = run_cycle(bench.desk, slot=OPEN + 30 * MINUTE)
    assert record is not None
    assert record.outcome is Outcome.BLOCKED
    assert "45 s off ours" in record.reason
    assert bench.exchange.submitted == []


def test_an_account_that_was_reset_is_called_so(bench: Bench) -> None:
    """The exchange knows nothing of an order that the journal has: nothing is traded, and the reason says why."""
    entered(bench)
    fresh = Bench()
    bench.exchange.inner = fresh.market
    fresh.at(40)
    record = bench.cycle(40, LEAVE)
    assert record.outcome is Outcome.FAILED
    assert "was the account reset?" in record.reason
    assert "a name, or a state directory, of its own" in record.reason


def test_an_account_worth_nothing_is_no_measure_of_the_days_loss(bench: Bench) -> None:
    """The exchange answers nonsense once: the day's loss is still measured from what the account was worth."""
    account = bench.market.account()
    bench.exchange.account = lambda: replace(account, equity=Decimal(0))  # type: ignore[attr-defined]
    assert bench.cycle(30, BUY).outcome is Outcome.BLOCKED
    del bench.exchange.account
    bench.cycle(35)
    assert bench.journal.account_state("embedded", OPEN).day_open_equity == account.equity
