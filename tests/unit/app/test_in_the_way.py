"""A person's purchase that rests is in the way of the agent's exit: the exchange would refuse the sale."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from tests.unit.app.desks import BUY, HOLD, LEAVE, OPEN, Bench, failing
from ztrade.app.flatten import flatten
from ztrade.domain.ledger import Outcome, Wish
from ztrade.domain.messages import Severity
from ztrade.domain.types import Order, OrderRequest, OrderStatus, OrderType, Side, TimeInForce
from ztrade.errors import Rejected


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


def blocked(bench: Bench) -> None:
    """Let the account be one that may not trade, from now on."""
    account = bench.market.account
    bench.market.account = lambda: replace(account(), trading_blocked=True)  # type: ignore[method-assign]
    bench.exchange.before["submit"] = failing(Rejected("trading is restricted", status=403, code=40310000))


def test_an_account_that_may_not_trade_costs_no_stop() -> None:
    """The sale would be refused: a position that cannot be left keeps what protects it, and a person hears of it."""
    bench = Bench()
    assert bench.cycle(30, BUY).outcome is Outcome.ENTERED
    assert bench.cycle(35, HOLD).outcome is Outcome.HELD
    blocked(bench)
    for minutes in (40, 45):
        assert bench.cycle(minutes, LEAVE).outcome is Outcome.REJECTED
    wish = Wish("20220822T143500Z", flatten=True)
    for _ in range(3):
        assert "blocked" in flatten(bench.desk, wish, OPEN).why
    assert bench.market.orders(open_only=True)
    assert len(bench.journal.cycles(agent="spy")) == 4
    told = [message.title for message in bench.journal.messages() if message.severity is Severity.CRITICAL]
    assert told == ["spy: its account is blocked"]


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
