"""Alpaca's own Python client against the embedded exchange, with typed parsing: it must not be able to tell."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from alpaca.common.enums import Sort
from alpaca.common.exceptions import APIError
from alpaca.trading.enums import (
    AssetStatus,
    OrderClass,
    OrderSide,
    OrderStatus,
    OrderType,
    QueryOrderStatus,
    TimeInForce,
)
from alpaca.trading.models import (
    AccountConfiguration,
    Asset,
    Clock,
    ClosePositionResponse,
    Order,
    PortfolioHistory,
    Position,
    TradeAccount,
)
from alpaca.trading.models import Calendar as CalendarDay
from alpaca.trading.requests import (
    ClosePositionRequest,
    GetAssetsRequest,
    GetCalendarRequest,
    GetPortfolioHistoryRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
    StopLimitOrderRequest,
    StopLossRequest,
    StopOrderRequest,
    TakeProfitRequest,
)

from tests.contract.alpaca_py_world import OPEN, World, opened, refusal


@pytest.fixture
def world() -> Iterator[World]:
    with opened() as world:
        yield world


# -- account ---------------------------------------------------------------------------------------------------------
def test_account_is_read_and_lacks_what_alpaca_took_out(world: World) -> None:
    """The account parses, its money is text, and pattern day trading is not mentioned."""
    account = cast("TradeAccount", world.trading.get_account())
    assert (account.cash, account.equity, account.buying_power) == ("100000", "100000", "100000")
    assert account.pattern_day_trader is None
    assert account.daytrade_count is None


def test_account_configuration_can_suspend_trading(world: World) -> None:
    """suspend_trade refuses new orders until it is taken back."""
    configuration = cast("AccountConfiguration", world.trading.get_account_configurations())
    configuration.suspend_trade = True
    changed = cast("AccountConfiguration", world.trading.set_account_configurations(configuration))
    assert changed.suspend_trade
    with pytest.raises(APIError) as error:
        world.buy()
    assert refusal(error)[0] == 403
    configuration.suspend_trade = False
    world.trading.set_account_configurations(configuration)
    assert world.buy().status is OrderStatus.PENDING_NEW


def test_portfolio_history_follows_the_account(world: World) -> None:
    """Equity is flat before the first fill and ends where the account is."""
    world.buy(qty=100)
    world.wait(60)
    history = cast(
        "PortfolioHistory",
        world.trading.get_portfolio_history(GetPortfolioHistoryRequest(period="1D", timeframe="5Min")),
    )
    account = cast("TradeAccount", world.trading.get_account())
    assert history.timeframe == "5Min"
    assert history.equity[-1] == pytest.approx(float(account.equity or 0), abs=0.01)
    assert history.equity[-1] > 100_000
    assert len(history.timestamp) == len(history.equity) == len(history.profit_loss) == len(history.profit_loss_pct)


# -- assets, clock, calendar -----------------------------------------------------------------------------------------
def test_assets_are_listed_and_found_by_symbol_and_id(world: World) -> None:
    """Every symbol of the tape is an active asset, and an unknown one is a 404."""
    found = cast("list[Asset]", world.trading.get_all_assets(GetAssetsRequest(status=AssetStatus.ACTIVE)))
    assert [asset.symbol for asset in found] == ["AAPL", "SPY", "TSLA"]
    by_id = cast("Asset", world.trading.get_asset(str(found[1].id)))
    assert by_id.symbol == "SPY"
    with pytest.raises(APIError) as error:
        world.trading.get_asset("NOPE")
    assert refusal(error)[:2] == (404, 40410000)


def test_clock_tells_exchange_time_in_new_york(world: World) -> None:
    """The clock is aware, open at the open, and names the next open and close."""
    clock = cast("Clock", world.trading.get_clock())
    assert clock.timestamp == OPEN
    assert clock.timestamp.utcoffset() == timedelta(hours=-4)
    assert clock.is_open
    assert clock.next_close == datetime(2022, 8, 15, 20, tzinfo=UTC)
    assert clock.next_open == datetime(2022, 8, 16, 13, 30, tzinfo=UTC)


def test_calendar_has_holidays_and_early_closes(world: World) -> None:
    """Thanksgiving is missing and the day after ends at 13:00."""
    days = cast(
        "list[CalendarDay]",
        world.trading.get_calendar(GetCalendarRequest(start=date(2022, 11, 23), end=date(2022, 11, 25))),
    )
    assert [day.date for day in days] == [date(2022, 11, 23), date(2022, 11, 25)]
    assert days[1].close.isoformat() == "2022-11-25T13:00:00"


# -- orders ----------------------------------------------------------------------------------------------------------
def test_market_order_is_pending_then_filled(world: World) -> None:
    """The answer to a POST never holds a fill; time brings it."""
    order = world.buy()
    assert order.status is OrderStatus.PENDING_NEW
    assert (order.filled_qty, order.filled_avg_price, order.order_class) == ("0", None, OrderClass.SIMPLE)
    world.wait()
    filled = world.read(order)
    assert filled.status is OrderStatus.FILLED
    assert filled.filled_qty == "10"
    assert float(filled.filled_avg_price or 0) == pytest.approx(100.0, abs=0.5)


def test_every_order_type_is_taken(world: World) -> None:
    """Limit, stop and stop-limit orders rest with their prices as text."""
    common: dict[str, Any] = {"symbol": "AAPL", "qty": 1, "side": OrderSide.BUY, "time_in_force": TimeInForce.DAY}
    requests = [
        LimitOrderRequest(**common, limit_price=95.5),
        StopOrderRequest(**common, stop_price=120),
        StopLimitOrderRequest(**common, stop_price=120, limit_price=121),
    ]
    orders = [cast("Order", world.trading.submit_order(request)) for request in requests]
    assert [order.type for order in orders] == [OrderType.LIMIT, OrderType.STOP, OrderType.STOP_LIMIT]
    assert [(order.limit_price, order.stop_price) for order in orders] == [
        ("95.5", None),
        (None, "120"),
        ("121", "120"),
    ]


def test_notional_and_fractional_orders_are_taken(world: World) -> None:
    """A notional order has no quantity; a fraction of a share is bought."""
    order = cast(
        "Order",
        world.trading.submit_order(
            MarketOrderRequest(symbol="AAPL", notional=150.5, side=OrderSide.BUY, time_in_force=TimeInForce.DAY)
        ),
    )
    assert (order.qty, order.notional) == (None, "150.5")
    world.buy(qty=0.25)
    world.wait()
    assert 1.7 < float(world.positions()[0].qty) < 1.8


def test_bracket_lives_as_recorded_at_alpaca(world: World) -> None:
    """Legs are held, then the target is new while the stop stays held; shares are held; the parent cancels the legs."""
    order = world.bracket()
    assert [(leg.type, leg.status) for leg in order.legs or []] == [
        (OrderType.LIMIT, OrderStatus.HELD),
        (OrderType.STOP, OrderStatus.HELD),
    ]
    world.wait()
    legs = world.read(order).legs or []
    assert [leg.status for leg in legs] == [OrderStatus.NEW, OrderStatus.HELD]
    assert world.positions()[0].qty_available == "0"
    listed = world.orders(status=QueryOrderStatus.OPEN, nested=True)
    assert [one.id for one in listed] == [legs[0].id]
    with pytest.raises(APIError) as error:
        world.trading.close_position("AAPL")
    assert refusal(error)[:2] == (403, 40310000)
    assert "insufficient qty available for order" in refusal(error)[2]
    world.trading.cancel_order_by_id(order.id)
    assert {leg.status for leg in world.read(order).legs or []} == {OrderStatus.CANCELED}


def test_unfilled_bracket_is_listed_once_with_its_legs(world: World) -> None:
    """Nested, a resting bracket is one entry; not nested, its legs are entries of their own."""
    request = LimitOrderRequest(
        symbol="AAPL",
        qty=1,
        side=OrderSide.BUY,
        time_in_force=TimeInForce.GTC,
        limit_price=50,
        order_class=OrderClass.BRACKET,
        take_profit=TakeProfitRequest(limit_price=60),
        stop_loss=StopLossRequest(stop_price=40),
    )
    order = cast("Order", world.trading.submit_order(request))
    world.wait()
    nested = world.orders(nested=True)
    assert [one.id for one in nested] == [order.id]
    assert len(nested[0].legs or []) == 2
    assert len(world.orders()) == 3
    assert world.read(order, nested=False).legs is None


def test_oco_protects_a_position(world: World) -> None:
    """An OCO of target and stop rests on shares that are held."""
    world.buy()
    world.wait()
    request = LimitOrderRequest(
        symbol="AAPL",
        qty=10,
        side=OrderSide.SELL,
        time_in_force=TimeInForce.GTC,
        limit_price=110,
        order_class=OrderClass.OCO,
        take_profit=TakeProfitRequest(limit_price=110),
        stop_loss=StopLossRequest(stop_price=90),
    )
    order = cast("Order", world.trading.submit_order(request))
    assert order.order_class is OrderClass.OCO
    world.wait()
    assert world.positions()[0].qty_available == "0"


def test_order_is_found_by_either_id(world: World) -> None:
    """Both ids lead to the order; ids that nobody has lead to 404."""
    order = world.buy(client_order_id="mine:1/entry")
    assert cast("Order", world.trading.get_order_by_client_id("mine:1/entry")).id == order.id
    with pytest.raises(APIError) as error:
        world.trading.get_order_by_client_id("nobody's")
    assert refusal(error) == (404, 40410000, "order not found for nobody's")
    with pytest.raises(APIError) as error:
        world.trading.get_order_by_id(uuid4())
    assert refusal(error)[:2] == (404, 40410000)


def test_client_order_id_is_taken_once(world: World) -> None:
    """A second order with the id is refused, even after the first has filled."""
    world.buy(client_order_id="once")
    world.wait()
    with pytest.raises(APIError) as error:
        world.buy(client_order_id="once")
    assert refusal(error) == (422, 40010001, "client_order_id must be unique")


@pytest.mark.parametrize(
    ("more", "status", "words"),
    [
        ({"qty": 1e6}, 403, "insufficient buying power"),
        ({"symbol": "NOPE"}, 422, 'asset "NOPE"'),
        ({"client_order_id": "x" * 129}, 422, "client_order_id must be no more than 128 characters"),
        ({"time_in_force": TimeInForce.IOC}, 422, "invalid time_in_force"),
    ],
)
def test_wrong_orders_are_refused_in_alpacas_words(world: World, more: dict[str, Any], status: int, words: str) -> None:
    """Status and text are those that clients classify by."""
    with pytest.raises(APIError) as error:
        world.buy(**more)
    assert error.value.status_code == status
    assert words in error.value.message


def test_listing_filters_and_pages(world: World) -> None:
    """Status, symbols, side, direction, limit, after and until select as documented."""
    ids = []
    for symbol in ("AAPL", "SPY", "TSLA"):
        ids.append(world.limit(50, symbol).id)
        world.wait(1)
    world.trading.cancel_order_by_id(ids[0])
    assert [one.id for one in world.orders()] == [ids[2], ids[1]]
    assert [one.id for one in world.orders(status=QueryOrderStatus.CLOSED)] == [ids[0]]
    everything = world.orders(status=QueryOrderStatus.ALL, direction=Sort.ASC)
    assert [one.id for one in everything] == ids
    assert [one.id for one in world.orders(symbols=["TSLA", "AAPL"])] == [ids[2]]
    assert world.orders(side=OrderSide.SELL) == []
    assert [one.id for one in world.orders(status=QueryOrderStatus.ALL, limit=1)] == [ids[2]]
    later = world.orders(status=QueryOrderStatus.ALL, after=everything[0].submitted_at, direction=Sort.ASC)
    assert [one.id for one in later] == ids[1:]
    earlier = world.orders(status=QueryOrderStatus.ALL, until=everything[1].submitted_at)
    assert [one.id for one in earlier] == [ids[0]]


def test_order_is_replaced(world: World) -> None:
    """The new order replaces the old one, which says so."""
    order = world.limit(50)
    world.wait(1)
    new = cast("Order", world.trading.replace_order_by_id(order.id, ReplaceOrderRequest(qty=2, limit_price=51)))
    world.wait(1)
    assert (new.qty, new.limit_price, new.replaces) == ("2", "51", order.id)
    old = world.read(order)
    assert (old.status, old.replaced_by) == (OrderStatus.REPLACED, new.id)


def test_orders_are_cancelled_one_by_one_and_all_at_once(world: World) -> None:
    """One cancel answers nothing, all of them answer one status each; a filled order cannot be cancelled."""
    first, second = world.limit(50), world.limit(51, "SPY")
    world.wait(1)
    world.trading.cancel_order_by_id(first.id)
    assert world.read(first).status is OrderStatus.CANCELED
    results = world.trading.cancel_orders()
    assert [(str(one.id), one.status) for one in cast("list[Any]", results)] == [(str(second.id), 200)]
    filled = world.buy()
    world.wait()
    with pytest.raises(APIError) as error:
        world.trading.cancel_order_by_id(filled.id)
    assert error.value.status_code == 422


# -- positions -------------------------------------------------------------------------------------------------------
def test_positions_are_read_and_closed(world: World) -> None:
    """A position is closed in part by quantity or percentage, in whole, and with all others."""
    world.buy("AAPL", 10)
    world.buy("SPY", 4)
    world.wait()
    position = cast("Position", world.trading.get_open_position("AAPL"))
    assert (position.qty, position.qty_available, position.side.value) == ("10", "10", "long")
    assert cast("Position", world.trading.get_open_position(position.asset_id)).symbol == "AAPL"
    world.trading.close_position("AAPL", ClosePositionRequest(qty="3"))
    world.trading.close_position("SPY", ClosePositionRequest(percentage="50"))
    world.wait()
    assert [one.qty for one in world.positions()] == ["7", "2"]
    world.limit(50)
    closed = cast("list[ClosePositionResponse]", world.trading.close_all_positions(cancel_orders=True))
    assert [(one.symbol, one.status) for one in closed] == [("AAPL", 200), ("SPY", 200)]
    assert all(isinstance(one.body, Order) for one in closed)
    world.wait()
    assert world.positions() == []
    with pytest.raises(APIError) as error:
        world.trading.get_open_position("AAPL")
    assert refusal(error) == (404, 40410000, "position does not exist")


def test_selling_more_than_held_is_refused(world: World) -> None:
    """The refusal names what is held, what is free, and the symbol."""
    world.buy()
    world.wait()
    request = MarketOrderRequest(symbol="AAPL", qty=11, side=OrderSide.SELL, time_in_force=TimeInForce.DAY)
    with pytest.raises(APIError) as error:
        world.trading.submit_order(request)
    assert refusal(error) == (
        403,
        40310000,
        "insufficient qty available for order (requested: 11, available: 10)",
    )


# -- the account book ------------------------------------------------------------------------------------------------
def test_activities_are_listed_with_paging(world: World) -> None:
    """Fills come newest first in pages that continue after the last id; other kinds do not mix in."""
    for _ in range(3):
        world.buy()
        world.wait()
    fills = cast("list[dict[str, Any]]", world.trading.get("/account/activities/FILL"))
    assert len(fills) == 3
    assert all(fill["activity_type"] == "FILL" and fill["order_status"] == "filled" for fill in fills)
    first = cast(
        "list[dict[str, Any]]", world.trading.get("/account/activities", {"page_size": 2, "activity_types": "FILL"})
    )
    rest = cast(
        "list[dict[str, Any]]",
        world.trading.get("/account/activities", {"page_token": first[-1]["id"], "activity_types": "FILL"}),
    )
    assert [fill["id"] for fill in first + rest] == [fill["id"] for fill in fills]
    stamp, _, unique = fills[0]["id"].partition("::")
    assert stamp.startswith("2022081509")
    assert UUID(unique)
