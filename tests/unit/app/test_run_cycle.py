"""The cycle over the real matching core: outcomes, and what happens to money when something fails."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import NoReturn

import pytest
import structlog
from structlog.testing import capture_logs

from tests.unit.app.desks import AGENT, BUY, HOLD, MINUTE, OPEN, SELL, Bench, failing
from ztrade.app.run_cycle import run_cycle
from ztrade.app.settle import settle
from ztrade.domain.agent import SessionKind
from ztrade.domain.identity import entry_id
from ztrade.domain.ledger import CycleKind, IntentState, Outcome
from ztrade.domain.types import Leg, OrderClass, TimeInForce
from ztrade.errors import (
    AccessDenied,
    ConfigError,
    ExchangeUnavailable,
    InsufficientBuyingPower,
    JournalUnavailable,
    NotFound,
    OutcomeUnknown,
    RateLimited,
)


@pytest.fixture
def bench() -> Bench:
    return Bench()


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
    events = ["order_leaves", "order_taken", "cycle_done"]
    assert [(line["event"], line["cycle_id"]) for line in lines] == [(event, record.cycle_id) for event in events]
    assert [line.get("order_id") for line in lines] == [*record.order_ids, *record.order_ids, None]
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


def test_a_halt_while_the_exchange_is_asked_before_the_submit_stops_the_order(bench: Bench) -> None:
    """An order that did not leave is asked for once more before the next entry, which may take seconds."""
    bench.exchange.before["submit"] = failing(RateLimited("429"))
    assert bench.cycle(30, BUY).outcome is Outcome.FAILED
    del bench.exchange.before["submit"]
    bench.exchange.before["order_by_client_id"] = lambda: bench.halts.halt("ALL", "now")
    assert bench.cycle(35, BUY).outcome is Outcome.HALTED
    assert bench.orders() == []


@pytest.mark.parametrize("planned_at", [389.95, 390.2])
def test_an_entry_that_would_arrive_after_the_close_is_not_sent(bench: Bench, planned_at: float) -> None:
    """The day's last slot ran late: at the exchange the order would wait, and buy at tomorrow's open at any price."""
    bench.at(389.5)
    bench.strategy.say = BUY

    def slow() -> None:
        bench.at(planned_at)

    bench.exchange.before["quote"] = slow
    record = run_cycle(bench.desk, slot=OPEN + 385 * MINUTE)
    assert record is not None
    assert record.outcome is Outcome.FAILED
    assert "the market closes" in record.reason
    assert bench.orders() == []


def test_an_entry_in_the_last_minute_is_sent(bench: Bench) -> None:
    """It arrives while the market is open."""
    bench.at(389.5)
    bench.strategy.say = BUY
    record = run_cycle(bench.desk, slot=OPEN + 385 * MINUTE)
    assert record is not None
    assert record.outcome is Outcome.ENTERED


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
    """The exchange closes early today: its word gates acting. It is told once, for all else looks well."""
    bench.at(20)
    bench.market.engine.close_early(OPEN + 25 * MINUTE)
    for minutes in (30, 35):
        record = bench.cycle(minutes, BUY)
        assert record.outcome is Outcome.CLOSED
        assert "the exchange says closed" in record.reason
    assert bench.exchange.submitted == []
    titles = [message.title for message in bench.journal.messages()]
    assert titles == ["embedded: the exchange is closed, the calendar says open: nobody trades"]


def test_a_cycle_that_lasts_into_the_close_contradicts_nobody(bench: Bench) -> None:
    """It began before, and the exchange is rightly closed when it asks."""
    bench.desk = replace(bench.desk, max_clock_skew=timedelta(days=1))
    bench.market.engine.close_early(OPEN + 25 * MINUTE)
    bench.clock_skew = timedelta(hours=7)
    assert bench.cycle(30, BUY).outcome is Outcome.CLOSED
    assert bench.journal.messages() == []


def test_clocks_that_differ_by_seconds_at_the_close_are_no_contradiction(bench: Bench) -> None:
    """A last slot that runs late meets an exchange whose clock is some seconds ahead."""
    bench.at(20)
    bench.market.engine.close_early(OPEN + 389 * MINUTE)
    bench.at(389.8)
    record = run_cycle(bench.desk, slot=OPEN + 385 * MINUTE)
    assert record is not None
    assert record.outcome is Outcome.CLOSED
    assert not bench.journal.messages()


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
