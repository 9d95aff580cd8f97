"""What every Exchange promises, on each exchange there is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from tests.contract.venues import ALL, BEGIN, STEPPED, Venue
from ztrade.domain.types import (
    Order,
    OrderClass,
    OrderRequest,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
)
from ztrade.errors import (
    DuplicateOrderId,
    InsufficientBuyingPower,
    InsufficientQuantity,
    InvalidOrder,
    NotCancelable,
    NotFound,
    Rejected,
    WashTrade,
)

MINUTE = timedelta(minutes=1)
LIVE = {
    OrderStatus.PENDING_NEW,
    OrderStatus.ACCEPTED,
    OrderStatus.NEW,
    OrderStatus.PARTIALLY_FILLED,
    OrderStatus.PENDING_CANCEL,
}


@pytest.fixture(params=ALL.values(), ids=list(ALL))
def venue(request: pytest.FixtureRequest) -> Iterator[Venue]:
    """Give each exchange in turn."""
    with request.param() as made:
        yield made


@pytest.fixture(params=STEPPED.values(), ids=list(STEPPED))
def stepped(request: pytest.FixtureRequest) -> Iterator[Venue]:
    """Give each exchange whose clock the test moves, with AAPL around $100 and SPY around $200."""
    with request.param() as made:
        yield made


def wait(venue: Venue, by: timedelta = MINUTE) -> None:
    """Let exchange time pass."""
    assert venue.step is not None
    venue.step(by)


def buy(symbol: str = "AAPL", qty: str = "10", **more: object) -> OrderRequest:
    """Write a market buy under a new id."""
    request = OrderRequest(f"contract-{uuid4().hex}", symbol, Side.BUY, Decimal(qty))
    return replace(request, **more)  # type: ignore[arg-type]


def far_below() -> OrderRequest:
    """Write a limit buy that nobody will fill."""
    return buy(qty="1", type=OrderType.LIMIT, limit_price=Decimal("10.00"))


def bracket() -> OrderRequest:
    """Write a market buy with a target far above and a stop far below."""
    return buy(
        order_class=OrderClass.BRACKET,
        time_in_force=TimeInForce.GTC,
        take_profit=Decimal("150.00"),
        stop_loss=Decimal("50.00"),
    )


def test_the_account_has_money(venue: Venue) -> None:
    """The account tells cash, equity and buying power."""
    account = venue.exchange.account()
    assert account.equity > 0
    assert account.buying_power >= 0
    assert account.status == "ACTIVE"
    assert not account.trading_blocked


def test_the_clock_tells_where_the_session_is(venue: Venue) -> None:
    """While it is open it closes before it opens again; while it is closed it opens before it closes."""
    clock = venue.exchange.clock()
    assert clock.now < min(clock.next_open, clock.next_close)
    assert clock.is_open == (clock.next_close < clock.next_open)


def test_an_order_is_taken_found_and_cancelled(venue: Venue) -> None:
    """A resting order can be read by both ids and in the lists, and ends when it is cancelled."""
    request = far_below()
    sent = venue.exchange.submit(request)
    try:
        assert (sent.client_order_id, sent.symbol, sent.side) == (request.client_order_id, "AAPL", Side.BUY)
        assert (sent.type, sent.qty, sent.limit_price) == (OrderType.LIMIT, Decimal(1), Decimal(10))
        assert (sent.filled_qty, sent.filled_avg_price, sent.legs) == (Decimal(0), None, ())
        assert sent.status in LIVE
        assert venue.exchange.order(sent.id).client_order_id == request.client_order_id
        assert venue.exchange.order_by_client_id(request.client_order_id).id == sent.id
        assert sent.id in {order.id for order in venue.exchange.orders(open_only=True)}
        assert sent.id in {order.id for order in venue.exchange.orders(open_only=True, symbol="AAPL")}
        assert sent.id not in {order.id for order in venue.exchange.orders(open_only=True, symbol="SPY")}
    finally:
        venue.exchange.cancel(sent.id)


def test_a_cancelled_order_is_over(stepped: Venue) -> None:
    """After the cancel the order has ended without a fill, and cannot be cancelled again."""
    sent = stepped.exchange.submit(far_below())
    wait(stepped)
    stepped.exchange.cancel(sent.id)
    wait(stepped)
    over = stepped.exchange.order(sent.id)
    assert over.status is OrderStatus.CANCELED
    assert over.ended_at is not None
    assert stepped.exchange.orders(open_only=True) == []
    assert [order.id for order in stepped.exchange.orders()] == [sent.id]
    with pytest.raises(NotCancelable):
        stepped.exchange.cancel(sent.id)


def test_an_id_is_taken_once(venue: Venue) -> None:
    """A second order under the same id is refused as such, while the first rests and after it ended."""
    request = far_below()
    sent = venue.exchange.submit(request)
    try:
        with pytest.raises(DuplicateOrderId):
            venue.exchange.submit(request)
    finally:
        venue.exchange.cancel(sent.id)
    with pytest.raises(DuplicateOrderId):
        venue.exchange.submit(request)


def test_what_is_not_there_is_not_found(venue: Venue) -> None:
    """Unknown ids are NotFound, for reading and for cancelling."""
    nobody = str(uuid4())
    for ask in (venue.exchange.order, venue.exchange.cancel, venue.exchange.order_by_client_id):
        with pytest.raises(NotFound):
            ask(nobody)


@pytest.mark.parametrize(
    ("request_made", "error"),
    [
        (buy(symbol="NOSUCHSYMBOL"), Rejected),
        (buy(qty="1", type=OrderType.LIMIT), InvalidOrder),
        (buy(qty="1", type=OrderType.LIMIT, limit_price=Decimal("10.001")), InvalidOrder),
        (buy(qty="100000000", type=OrderType.LIMIT, limit_price=Decimal("10.00")), InsufficientBuyingPower),
        (buy(qty="1.5", order_class=OrderClass.BRACKET, take_profit=Decimal(150), stop_loss=Decimal(50)), InvalidOrder),
        (buy(client_order_id="x" * 129), InvalidOrder),
    ],
    ids=["unknown symbol", "no price", "sub-penny", "too dear", "fractional bracket", "id too long"],
)
def test_a_refused_order_is_not_there(venue: Venue, request_made: OrderRequest, error: type[Rejected]) -> None:
    """A refusal says what is wrong, and leaves nothing behind."""
    with pytest.raises(error):
        venue.exchange.submit(request_made)
    if len(request_made.client_order_id) <= 128:
        with pytest.raises(NotFound):
            venue.exchange.order_by_client_id(request_made.client_order_id)


def test_selling_what_is_not_held_is_refused(stepped: Venue) -> None:
    """Agents are long only, and so is the account."""
    with pytest.raises(Rejected):
        stepped.exchange.submit(replace(buy(), side=Side.SELL))


def filled(venue: Venue, request: OrderRequest) -> Order:
    """Submit and wait until it is filled."""
    sent = venue.exchange.submit(request)
    wait(venue)
    order = venue.exchange.order(sent.id)
    assert order.status is OrderStatus.FILLED
    return order


def test_a_market_order_is_filled_and_booked(stepped: Venue) -> None:
    """Order, position, account book and cash tell the same story, to the cent."""
    cash = stepped.exchange.account().cash
    order = filled(stepped, buy())
    assert order.filled_qty == 10
    assert order.filled_avg_price is not None
    assert order.filled_at is not None
    assert order.filled_at > BEGIN
    (position,) = stepped.exchange.positions()
    assert (position.symbol, position.qty, position.avg_entry_price) == ("AAPL", Decimal(10), order.filled_avg_price)
    fills = [entry for entry in stepped.exchange.activities() if entry.kind == "FILL"]
    assert {entry.order_id for entry in fills} == {order.id}
    assert sum(entry.qty or 0 for entry in fills) == 10
    booked = sum((entry.net_amount for entry in stepped.exchange.activities()), Decimal(0))
    assert booked < 0
    assert stepped.exchange.account().cash == cash + booked


def test_a_bracket_has_two_legs_from_the_start(stepped: Venue) -> None:
    """The answer to the submit carries target and stop, with ids; by id and by our id they come nested."""
    request = bracket()
    sent = stepped.exchange.submit(request)
    assert [(leg.type, leg.side, leg.qty) for leg in sent.legs] == [
        (OrderType.LIMIT, Side.SELL, Decimal(10)),
        (OrderType.STOP, Side.SELL, Decimal(10)),
    ]
    assert (sent.legs[0].limit_price, sent.legs[1].stop_price) == (Decimal(150), Decimal(50))
    ids = [leg.id for leg in sent.legs]
    assert [leg.id for leg in stepped.exchange.order(sent.id).legs] == ids
    assert [leg.id for leg in stepped.exchange.order_by_client_id(request.client_order_id).legs] == ids
    assert [order.id for order in stepped.exchange.orders()] == [sent.id], "legs are not orders of their own"


def test_a_filled_bracket_is_protected(stepped: Venue) -> None:
    """Once the entry is filled, the target rests, the stop is held, and both hold the shares."""
    entry = filled(stepped, bracket())
    target, stop = stepped.exchange.order(entry.id).legs
    assert target.status is OrderStatus.NEW
    assert stop.status is OrderStatus.HELD
    (position,) = stepped.exchange.positions()
    assert position.qty_available == 0
    assert [order.id for order in stepped.exchange.orders(open_only=True)] == [target.id]
    with pytest.raises((InsufficientQuantity, WashTrade)):
        stepped.exchange.submit(replace(buy(), side=Side.SELL))


def test_cancelling_a_filled_bracket_frees_the_shares(stepped: Venue) -> None:
    """After the legs are cancelled the position can be sold."""
    entry = filled(stepped, bracket())
    stepped.exchange.cancel(stepped.exchange.order(entry.id).legs[0].id)
    wait(stepped)
    assert {leg.status for leg in stepped.exchange.order(entry.id).legs} == {OrderStatus.CANCELED}
    filled(stepped, replace(buy(), side=Side.SELL))
    assert stepped.exchange.positions() == []


def test_lists_are_oldest_first_and_after_is_exclusive(stepped: Venue) -> None:
    """Orders and the account book come oldest first, and only what is later than asked for."""
    orders = [filled(stepped, buy(qty="1")) for _ in range(3)]
    listed = stepped.exchange.orders()
    assert [order.id for order in listed] == [order.id for order in orders]
    second = listed[1].submitted_at
    assert second is not None
    assert [order.id for order in stepped.exchange.orders(after=second)] == [orders[2].id]
    entries = [entry for entry in stepped.exchange.activities() if entry.kind == "FILL"]
    assert [entry.order_id for entry in entries] == [order.id for order in orders]
    assert [e.order_id for e in stepped.exchange.activities(after=entries[1].at) if e.kind == "FILL"] == [orders[2].id]
    assert stepped.exchange.activities(after=entries[-1].at + MINUTE) == []


def test_lists_are_whole_beyond_a_page(stepped: Venue) -> None:
    """More orders, and more entries, than a page holds all come, once each, though many share an instant."""
    sent = {stepped.exchange.submit(buy(qty="1")).id for _ in range(60)}
    wait(stepped)
    sent |= {stepped.exchange.submit(buy(qty="1")).id for _ in range(60)}
    wait(stepped)
    listed = [order.id for order in stepped.exchange.orders()]
    assert len(listed) == 120
    assert set(listed) == sent
    entries = [entry for entry in stepped.exchange.activities() if entry.kind == "FILL"]
    assert len({entry.id for entry in entries}) == len(entries) >= 120
    assert {entry.order_id for entry in entries} == sent


def test_nothing_there_is_empty(stepped: Venue) -> None:
    """A fresh account has no positions, no orders and no fills."""
    assert stepped.exchange.positions() == []
    assert stepped.exchange.orders() == []
    assert [entry for entry in stepped.exchange.activities() if entry.kind == "FILL"] == []
