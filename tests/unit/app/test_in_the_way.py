"""A person's purchase that rests is in the way of the agent's exit: the exchange would refuse the sale."""

from __future__ import annotations

from decimal import Decimal

from tests.unit.app.desks import BUY, HOLD, LEAVE, OPEN, Bench
from ztrade.app.flatten import flatten
from ztrade.domain.ledger import Outcome, Wish
from ztrade.domain.messages import Severity
from ztrade.domain.types import Order, OrderRequest, OrderStatus, OrderType, Side, TimeInForce


def by_hand(bench: Bench) -> Order:
    """Let a person's purchase rest, placed before the agent's entry as the exchange asks for."""
    return bench.market.submit(
        OrderRequest("by-hand", "SPY", Side.BUY, Decimal(1), type=OrderType.LIMIT, limit_price=Decimal(100),
                     time_in_force=TimeInForce.GTC)
    )  # fmt: skip


def test_an_order_by_hand_that_is_in_the_way_of_the_exit_costs_no_stop() -> None:
    """The exchange would refuse the sale as a wash trade: nothing is ended for it, and a person is asked to cancel."""
    bench = Bench()
    hand = by_hand(bench)
    assert bench.cycle(30, BUY).outcome is Outcome.ENTERED
    assert bench.cycle(35, HOLD).outcome is Outcome.HELD
    for minutes in (40, 45):
        record = bench.cycle(minutes, LEAVE)
        assert record.outcome is Outcome.REJECTED
        assert "buy order by-hand of 1 SPY rests" in record.reason
    assert all(request.side is Side.BUY for request in bench.exchange.submitted)
    entry = next(order for order in bench.orders() if order.legs)
    assert any(leg.stop_price and leg.status is OrderStatus.HELD for leg in entry.legs)
    told = [message.title for message in bench.journal.messages() if message.severity is Severity.CRITICAL]
    assert told == ["spy: an order by hand is in the way of its exit"]
    bench.market.cancel(hand.id)
    assert bench.cycle(50, LEAVE).outcome is Outcome.EXITED
    bench.at(52)
    assert not bench.market.positions()


def test_a_flattening_names_the_order_that_is_in_its_way() -> None:
    """The stop rests, and the next try after it was cancelled sells."""
    bench = Bench()
    hand = by_hand(bench)
    bench.cycle(30, BUY)
    bench.cycle(35, HOLD)
    wish = Wish("20220822T143500Z", flatten=True)
    bench.halts.halt("spy", "stop", wish)
    left = flatten(bench.desk, wish, OPEN)
    assert left.qty > 0
    assert "buy order by-hand" in left.why
    assert all(request.side is Side.BUY for request in bench.exchange.submitted)
    bench.market.cancel(hand.id)
    flatten(bench.desk, wish, OPEN)
    bench.at(38)
    assert flatten(bench.desk, wish, OPEN).flat
