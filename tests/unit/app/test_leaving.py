"""Leaving a position while things go wrong: never more than is there, never without a stop for nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.unit.app.desks import BUY, HOLD, LEAVE, OPEN, Bench
from ztrade.app import books
from ztrade.app.run_cycle import run_cycle
from ztrade.app.standing import states
from ztrade.app.trade import exit_request
from ztrade.domain.ledger import CycleKind, Intent, IntentState, Outcome
from ztrade.domain.types import (
    CENT,
    Leg,
    Order,
    OrderClass,
    OrderRequest,
    OrderStatus,
    Side,
    TimeInForce,
)
from ztrade.errors import ExchangeUnavailable, OutcomeUnknown, RateLimited, Rejected


@pytest.fixture
def bench() -> Bench:
    """Return an agent with a position that its bracket protects."""
    bench = Bench()
    assert bench.cycle(30, BUY).outcome is Outcome.ENTERED
    assert bench.cycle(35, HOLD).outcome is Outcome.HELD
    return bench


def sells(bench: Bench) -> Decimal:
    """Return how many shares the agent asked to sell by itself."""
    return sum((request.qty for request in bench.exchange.submitted if request.side is Side.SELL), Decimal(0))


def stop_is_live(bench: Bench) -> bool:
    final = {OrderStatus.CANCELED, OrderStatus.FILLED}
    return any(leg.stop_price and leg.status not in final for leg in bench.orders()[0].legs)


def test_the_books_lag_behind_the_exit(bench: Bench) -> None:
    """The exchange's account book comes late: shares that are gone are not sold a second time, which would be short."""
    late = bench.market.activities()
    bench.exchange.activities = lambda **_: late  # type: ignore[attr-defined]
    assert bench.cycle(40, LEAVE).outcome is Outcome.EXITED
    held = sells(bench)
    bench.at(41)
    assert not bench.market.positions()
    bench.cycle(45, LEAVE)
    bench.cycle(50, HOLD)
    assert sells(bench) == held


def test_only_what_the_account_still_has_is_sold(bench: Bench) -> None:
    """A person sold a part by hand: the agent sells the rest."""
    for leg in bench.orders()[0].legs:
        bench.market.engine.cancel(leg.id)
        break
    bench.market.engine.close_position("SPY", qty=Decimal(4))
    bench.at(36)
    left = bench.market.positions()[0].qty
    assert bench.cycle(40, LEAVE).outcome is Outcome.EXITED
    assert sells(bench) == left
    bench.at(41)
    assert not bench.market.positions()


@pytest.fixture
def beside(bench: Bench) -> Bench:
    """Return the same with 7 shares that a person bought in the same symbol, which nothing protects."""
    request = OrderRequest(
        "by-hand", "SPY", Side.BUY, Decimal(7), order_class=OrderClass.BRACKET, time_in_force=TimeInForce.GTC,
        take_profit=Decimal(400), stop_loss=Decimal(50),
    )  # fmt: skip
    order = bench.market.submit(request)
    bench.at(37)
    bench.market.cancel(bench.market.order(order.id).legs[0].id)
    bench.cycle(40, HOLD)
    assert bench.journal.foreign("embedded") == {"SPY": Decimal(7)}
    return bench


def test_a_persons_shares_are_not_sold_for_those_that_the_stop_sold(beside: Bench) -> None:
    """The account book comes late: the journal says 24 are held, the account has 7, and they are nobody's."""
    late = beside.market.activities()
    beside.exchange.activities = lambda **_: late  # type: ignore[attr-defined]
    (stop,) = [leg.id for leg in beside.orders()[0].legs if leg.stop_price]
    beside.market.engine.replace(stop, stop_price=beside.market.quote("SPY").bid - CENT)
    beside.at(60 * 6)
    assert [position.qty for position in beside.market.positions()] == [7]
    record = beside.cycle(60 * 6 + 5, LEAVE)
    assert "nothing is left" in record.reason
    assert sells(beside) == 0


def test_a_persons_shares_are_not_sold_after_the_agents_own_exit(beside: Bench) -> None:
    """The same with a sale of the agent's, again and again."""
    late = beside.market.activities()
    beside.exchange.activities = lambda **_: late  # type: ignore[attr-defined]
    for minutes in (45, 50, 55):
        beside.cycle(minutes, LEAVE)
    assert [position.qty for position in beside.market.positions()] == [7]
    assert len(beside.exchange.submitted) == 2


def test_a_persons_shares_are_not_sold_though_nobody_knows_of_them_yet(bench: Bench) -> None:
    """The purchase is not in the account book either; that the agent's own are gone, its order says."""
    late = bench.market.activities()
    bench.exchange.activities = lambda **_: late  # type: ignore[attr-defined]
    bench.cycle(40, LEAVE)
    bench.at(41)
    bench.market.submit(OrderRequest("by-hand", "SPY", Side.BUY, Decimal(7)))
    for minutes in (45, 50):
        bench.cycle(minutes, LEAVE)
    assert [position.qty for position in bench.market.positions()] == [7]


def test_a_persons_shares_are_not_sold_after_an_exit_that_arrived_late(beside: Bench) -> None:
    """It was taken for not sent, and what it sold counted as the person's first."""

    def lost() -> None:
        raise OutcomeUnknown("zt.spy.20220822T141500Z.exit1", "no answer")

    def refused() -> None:
        raise Rejected("no")

    beside.exchange.before["submit"] = lost
    assert beside.cycle(45, LEAVE).outcome is Outcome.UNKNOWN
    beside.wall_shift += timedelta(minutes=5)
    beside.exchange.before["submit"] = refused
    assert beside.cycle(50, LEAVE).outcome is Outcome.REJECTED
    beside.exchange.before.clear()
    beside.market.submit(beside.exchange.submitted[-2])
    beside.at(52)
    beside.cycle(55, LEAVE)
    beside.cycle(60, LEAVE)
    beside.at(62)
    assert [position.qty for position in beside.market.positions()] == [7]
    assert beside.journal.foreign("embedded") == {"SPY": Decimal(7)}


def test_shares_that_a_person_sold_again_hold_back_none_of_the_agents(beside: Bench) -> None:
    """Their sale is not in the account book yet: all of the agent's are sold."""
    late = beside.market.activities()
    beside.exchange.activities = lambda **_: late  # type: ignore[attr-defined]
    beside.market.engine.close_position("SPY", qty=Decimal(7))
    beside.at(42)
    assert beside.cycle(45, LEAVE).outcome is Outcome.EXITED
    beside.at(47)
    assert not beside.market.positions()


def halting(bench: Bench, name: str) -> Callable[[], None]:
    """Return a person who halts just when the exchange is called for the first time."""

    def halt() -> None:
        bench.exchange.before.pop(name)
        bench.halts.halt("spy", "person: stop")

    return halt


def test_a_halt_before_the_legs_are_ended_keeps_them(bench: Bench) -> None:
    """The stop still rests, so the halt is obeyed: nothing is cancelled, nothing is sold."""
    bench.exchange.before["quote"] = halting(bench, "quote")
    assert bench.cycle(40, LEAVE).outcome is Outcome.HALTED
    assert stop_is_live(bench)
    assert sells(bench) == 0


def test_a_halt_after_the_legs_were_ended_does_not_leave_the_position_bare(bench: Bench) -> None:
    """The stop is gone already: the sale is finished, because nothing would ever protect the position again."""
    bench.exchange.before["cancel"] = halting(bench, "cancel")
    assert bench.cycle(40, LEAVE).outcome is Outcome.EXITED
    bench.at(41)
    assert not bench.market.positions()
    assert bench.cycle(45, BUY).outcome is Outcome.HALTED


def test_a_worker_that_lost_its_claim_does_not_end_the_stop(bench: Bench) -> None:
    """It slept for longer than its claim held, and another took the slot over: it must leave everything alone."""

    def other_worker() -> None:
        bench.wall_shift += timedelta(hours=1)
        slot, wall = OPEN + timedelta(minutes=40), bench.market.wall()
        taken = bench.journal.claim(
            "spy", slot, CycleKind.SLOT, owner="other", now=slot, wall=wall, lease=timedelta(minutes=10)
        )
        assert taken is not None

    bench.exchange.before["quote"] = other_worker
    bench.strategy.say = LEAVE
    assert run_cycle(bench.desk, slot=bench.at(40)) is None
    assert stop_is_live(bench)
    assert sells(bench) == 0


def test_each_attempt_for_one_cause_has_an_id_of_its_own(bench: Bench) -> None:
    """An id that was used is never used for another order, however often leaving is tried."""
    now = bench.at(40)
    claim = bench.journal.claim(
        "spy", now, CycleKind.EXTRA, owner="test", now=now, wall=now, lease=timedelta(minutes=10)
    )
    assert claim is not None
    names = []
    for _ in range(3):
        request = exit_request(bench.desk, "halt", Decimal(1))
        intent = Intent("spy", "embedded", claim.cycle_id, Leg.EXIT, request, IntentState.PLANNED, now, now)
        bench.journal.plan(claim, intent)
        names.append(request.client_order_id)
    assert names == [f"zt.spy.halt.exit{attempt}" for attempt in (1, 2, 3)]


@pytest.mark.parametrize("asked_before", [1, 2], ids=["the stop rests", "the stop was ended"])
def test_without_an_answer_on_the_position_nothing_is_sold(bench: Bench, asked_before: int) -> None:
    """An outage is never "no position", and never "all of it": the next slot goes on."""
    calls = iter(range(10))

    def down_then() -> None:
        if next(calls) >= asked_before:
            raise ExchangeUnavailable("refused")

    bench.exchange.before["positions"] = down_then
    assert bench.cycle(40, LEAVE).outcome is Outcome.FAILED
    assert sells(bench) == 0
    assert bool(bench.market.orders(open_only=True)) is (asked_before == 1)
    del bench.exchange.before["positions"]
    assert bench.cycle(45, LEAVE if asked_before == 1 else HOLD).outcome is Outcome.EXITED
    assert sells(bench) == 24


def test_a_waiting_proposal_does_not_hold_an_exit_back(bench: Bench) -> None:
    """A run by hand proposed the exit; the agent, who needs not ask, leaves at its next slot all the same."""
    bench.desk = replace(bench.desk, agent=replace(bench.desk.agent, proposal_ttl=timedelta(hours=1)))
    assert bench.cycle(40, LEAVE, manual=True).outcome is Outcome.PROPOSED
    assert bench.cycle(45, LEAVE).outcome is Outcome.EXITED


def stop_of(bench: Bench) -> Order:
    return next(leg for leg in bench.orders()[0].legs if leg.stop_price is not None)


def test_a_stop_that_was_moved_by_hand_still_protects(bench: Bench) -> None:
    """The agent holds, knows the new stop for its own, and trades again after it was hit."""
    bench.market.engine.replace(stop_of(bench).id, stop_price=Decimal("200.40"))
    assert bench.cycle(40).outcome is Outcome.HELD
    assert bench.cycle(120).outcome is Outcome.HELD
    assert not bench.journal.holdings()
    assert bench.journal.agent_state("spy", "embedded", "SPY", OPEN).last_stop_at is not None
    assert bench.cycle(180, BUY).outcome is Outcome.ENTERED


def test_a_moved_stop_that_was_cancelled_protects_no_more(bench: Bench) -> None:
    """What the journal last heard of the first stop is not taken for a stop that rests."""
    bench.market.engine.replace(stop_of(bench).id, stop_price=Decimal(190))
    assert bench.cycle(40).outcome is Outcome.HELD
    bench.market.cancel(stop_of(bench).id)
    assert bench.cycle(45).outcome is Outcome.EXITED


def short_stop(bench: Bench) -> None:
    """Let the stop be for ten shares: a split that the exchange did not carry over to it, say."""
    real = bench.market.order

    def smaller(order_id: str) -> Order:
        order = real(order_id)
        legs = tuple(replace(leg, qty=Decimal(10)) if leg.stop_price else leg for leg in order.legs)
        return replace(order, legs=legs)

    bench.market.order = smaller  # type: ignore[method-assign]


def test_a_stop_for_a_part_of_the_shares_does_not_protect_the_position(bench: Bench) -> None:
    """What is bare is open risk."""
    short_stop(bench)
    record = bench.cycle(40, HOLD)
    assert (record.outcome, "stops protect only 10 of the position" in record.reason) == (Outcome.EXITED, True)
    bench.at(42)
    assert not bench.market.positions()


def test_an_exit_that_is_still_at_the_exchange_is_waited_for(bench: Bench) -> None:
    """Asked again before it was filled, the agent says so and sends no second one."""
    assert bench.cycle(40, LEAVE).outcome is Outcome.EXITED
    again = run_cycle(bench.desk)
    assert again is not None
    assert again.outcome is Outcome.HELD
    assert "exit1 is still at the exchange" in again.reason


@pytest.mark.parametrize(("reads", "outcome"), [(3, Outcome.EXITED), (99, Outcome.FAILED)])
def test_nothing_is_sold_before_the_legs_are_over(bench: Bench, reads: int, outcome: Outcome) -> None:
    """A cancel takes its time, in which the legs hold the shares; where it does not end, the next slot goes on."""
    asked: set[str] = set()
    left = iter(range(reads))

    def order(order_id: str) -> Order:
        if asked and next(left, None) is None:
            bench.market.cancel(asked.pop())
        return bench.market.order(order_id)

    def cancel(order_id: str) -> None:
        if stop_is_live(bench):  # else it is gone with its sibling
            asked.add(order_id)

    bench.exchange.cancel = cancel  # type: ignore[attr-defined]
    bench.exchange.order = order  # type: ignore[attr-defined]
    assert bench.cycle(40, LEAVE).outcome is outcome
    assert (sells(bench) > 0) is (outcome is Outcome.EXITED)
    assert stop_is_live(bench) is (outcome is Outcome.FAILED)


@pytest.mark.parametrize("error", [ExchangeUnavailable("refused"), RateLimited("too many")])
def test_a_sale_that_did_not_leave_is_tried_again_at_once(bench: Bench, error: Exception) -> None:
    """The stop is gone already: an hour until the next slot is too long. Each try has an id of its own."""
    tries = iter(range(10))

    def refused_twice() -> None:
        if next(tries) < 2:
            raise error

    bench.exchange.before["submit"] = refused_twice
    record = bench.cycle(40, LEAVE)
    assert (record.outcome, record.order_ids) == (Outcome.EXITED, ("zt.spy.20220822T141000Z.exit3",))
    bench.at(41)
    assert not bench.market.positions()


def test_a_halted_agent_says_that_its_position_is_bare(bench: Bench) -> None:
    """The stop was ended, the sale did not leave, then a person halted: nothing is sent, and the outcome tells."""

    def down() -> None:
        raise ExchangeUnavailable("refused")

    bench.exchange.before["submit"] = down
    assert bench.cycle(40, LEAVE).outcome is Outcome.FAILED
    bench.halts.halt("spy", "person: stop")
    record = bench.cycle(45)
    assert record.outcome is Outcome.HALTED
    assert record.reason.startswith("halted: person: stop; no stop protects ")


def test_a_halted_agent_says_how_much_of_its_position_is_bare(bench: Bench) -> None:
    """Some of it has a stop: "none" would send a person to sell all of it by hand, beside the stop."""
    short_stop(bench)
    books.refresh(bench.desk, states(bench.desk, OPEN))
    bench.halts.halt("spy", "person: stop")
    reason = bench.cycle(40).reason
    assert reason.startswith("halted: person: stop; stops protect only 10 of the position of ")


def test_a_halted_agent_with_its_stop_says_nothing_more(bench: Bench) -> None:
    """The stop rests at the exchange."""
    bench.halts.halt("spy", "person: stop")
    assert bench.cycle(40).reason == "halted: person: stop"


@pytest.mark.parametrize("side", ["bid", "ask"])
def test_a_quote_with_an_empty_side_keeps_no_position(bench: Bench, side: str) -> None:
    """Sold at the market all the same; and the strategy is shown the other side's price, not half of it."""
    quote = bench.market.quote("SPY")
    odd = replace(quote, bid=Decimal(0)) if side == "bid" else replace(quote, ask=Decimal(0))
    bench.exchange.quote = lambda _symbol: odd  # type: ignore[attr-defined]
    assert bench.cycle(40, LEAVE).outcome is Outcome.EXITED
    assert bench.strategy.views[-1].price == float(quote.ask if side == "bid" else quote.bid)


def test_a_part_sold_by_hand_is_not_claimed_any_more(bench: Bench) -> None:
    """The journal follows: the agent holds the rest, sells that, and is flat on both sides."""
    bench.market.engine.cancel(bench.orders()[0].legs[0].id)
    bench.market.engine.close_position("SPY", qty=Decimal(4))
    bench.at(36)
    left = bench.market.positions()[0].qty
    assert bench.cycle(40, LEAVE).outcome is Outcome.EXITED
    assert sells(bench) == left
    bench.cycle(45)
    assert bench.journal.holdings() == []
    assert bench.market.positions() == []
