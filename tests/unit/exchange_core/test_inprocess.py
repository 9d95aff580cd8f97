"""The ports over an engine in this process."""

# a Decimal equals an int of its value, which mypy does not believe inside tuples
# mypy: disable-error-code="comparison-overlap"

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.unit.exchange_core.world import DAY, D, at, bars, engine, flat, joined, weekdays
from ztrade.domain.types import Bars, NewsItem, OrderClass, OrderRequest, OrderStatus, OrderType, Side, TimeInForce
from ztrade.errors import (
    DuplicateOrderId,
    ExchangeUnavailable,
    InsufficientBuyingPower,
    InsufficientQuantity,
    InvalidOrder,
    NotCancelable,
    NotFound,
    WashTrade,
)
from ztrade.exchange.inprocess import InProcess
from ztrade.ports import Clock, Exchange, MarketData, News

TUESDAY = weekdays(DAY, 2)[1]


def request(client_order_id: str = "a", **fields: object) -> OrderRequest:
    """Return a buy of ten X at market."""
    values = {"symbol": "X", "side": Side.BUY, "qty": D(10), **fields}
    return OrderRequest(client_order_id=client_order_id, **values)  # type: ignore[arg-type]


def test_it_is_the_ports() -> None:
    """One object is exchange, prices, news and clock."""
    whole = InProcess(engine(flat(100)))
    exchange: Exchange = whole
    data: MarketData = whole
    news: News = whole
    clock: Clock = whole
    assert clock.now() == clock.wall() == exchange.clock().now == at("09:25")
    assert (len(data.bars("X", at("09:00"), at("16:00"))), list(news.news("X", at("09:00"), at("16:00")))) == (0, [])


def test_an_entry_from_submit_to_position() -> None:
    """A bracket entry is pending when sent, filled later, and its legs are nested."""
    exchange = InProcess(engine(flat(100), now=at("10:00")))
    sent = exchange.submit(
        request(order_class=OrderClass.BRACKET, time_in_force=TimeInForce.GTC, take_profit=D("110"), stop_loss=D("90"))
    )
    assert (sent.status, sent.filled_qty, len(sent.legs)) == (OrderStatus.PENDING_NEW, 0, 2)
    exchange.advance(at("10:05"))
    filled = exchange.order_by_client_id("a")
    assert filled == exchange.order(sent.id)
    assert (filled.status, filled.filled_qty, filled.filled_avg_price) == (OrderStatus.FILLED, 10, 100)
    assert [(leg.type, leg.status) for leg in filled.legs] == [
        (OrderType.LIMIT, OrderStatus.NEW),
        (OrderType.STOP, OrderStatus.HELD),
    ]
    assert [held.symbol for held in exchange.positions()] == ["X"]
    assert [entry.order_id for entry in exchange.activities()] == [sent.id]
    assert exchange.activities(after=at("10:01")) == []
    assert exchange.account().cash == 99000
    # open: the target for itself, as Alpaca lists a filled bracket
    assert [listed.id for listed in exchange.orders(open_only=True)] == [filled.legs[0].id]
    assert [listed.id for listed in exchange.orders()] == [sent.id]
    assert (exchange.orders(symbol="Y"), exchange.orders(after=at("10:00"))) == ([], [])


def test_refusals_are_our_errors() -> None:
    """Each refusal of the engine is the error that the served exchange's answer would be."""
    exchange = InProcess(engine(flat(100), now=at("10:00"), cash="2000"))
    first = exchange.submit(request())
    for wrong, error in (
        (request(), DuplicateOrderId),
        (request("b"), InsufficientBuyingPower),
        (request("b", symbol="NOPE"), InvalidOrder),
        (request("b", qty=D(0)), InvalidOrder),
        (request("b", side=Side.SELL), WashTrade),
    ):
        with pytest.raises(error):
            exchange.submit(wrong)
    exchange.advance(at("10:01"))
    with pytest.raises(InsufficientQuantity):
        exchange.submit(request("b", side=Side.SELL, qty=D(11)))
    with pytest.raises(InvalidOrder):
        exchange.submit(request("b", type=OrderType.OTHER))
    exchange.submit(request("c", side=Side.SELL, type=OrderType.LIMIT, limit_price=D(120)))
    with pytest.raises(WashTrade):
        exchange.submit(request("d", qty=D(1)))
    with pytest.raises(NotCancelable):
        exchange.cancel(first.id)
    for ask in (exchange.order, exchange.order_by_client_id, exchange.cancel, exchange.quote):
        with pytest.raises(NotFound):
            ask("nobody")
    with pytest.raises(NotFound):
        exchange.bars("nobody", at("09:30"), at("16:00"))


def minutes() -> Bars:
    """Return one-minute bars from before the open to after the close, each of its own price, one missing."""
    begin, count = at("09:25"), 6 * 60 + 45
    one = timedelta(minutes=1)
    parts = [
        bars("X", [(100 + n, 101 + n, 99 + n, 100.5 + n, 10)], begin + n * one, one) for n in range(count) if n != 12
    ]
    return joined(*parts)


def test_minutes_become_five_minutes_of_regular_hours() -> None:
    """Bars of one minute are put together, without what lies outside the session, and only when complete."""
    exchange = InProcess(engine({"X": minutes()}, now=at("09:34:59.9")))
    assert len(exchange.bars("X", at("04:00"), at("20:00"))) == 0
    exchange.advance(at("09:39:59"))
    shown = exchange.bars("X", at("04:00"), at("20:00"))
    assert (len(shown), shown.start_at(0), shown.span) == (1, at("09:30"), timedelta(minutes=5))
    assert (shown.open[0], shown.high[0], shown.low[0], shown.close[0], shown.volume[0]) == (105, 110, 104, 109.5, 50)
    exchange.advance(at("19:00"))
    whole = exchange.bars("X", at("04:00"), at("20:00"))
    assert (len(whole), whole.end_at(77), whole.volume[1]) == (78, at("16:00"), 40)
    assert len(exchange.bars("X", at("09:31"), at("09:40"))) == 1


def test_an_early_close_on_demand_ends_the_bars_too() -> None:
    """Bars after a session that was cut short are not of regular hours."""
    exchange = InProcess(engine(flat(100), now=at("10:00")))
    assert len(exchange.bars("X", at("09:30"), at("16:00"))) == 6
    exchange.engine.close_early(at("13:00"))
    exchange.advance(at("16:30"))
    assert len(exchange.bars("X", at("09:30"), at("16:00"))) == 42


def test_bars_of_an_odd_span_are_refused() -> None:
    """Bars that do not divide five minutes cannot be put together."""
    exchange = InProcess(engine({"X": bars("X", flat(100, 5), span=timedelta(minutes=3))}))
    with pytest.raises(ValueError, match="cannot be put together"):
        exchange.bars("X", at("09:30"), at("16:00"))


def test_news_newest_first_up_to_the_clock() -> None:
    """Stories later than the clock are not there yet."""
    stories = [NewsItem(str(hour), at(f"{hour}:00"), "x", symbols=("X",)) for hour in (12, 10, 11)]
    other = NewsItem("9", at("10:30"), "y", symbols=("Y",))
    exchange = InProcess(engine(flat(100), now=at("11:00"), stories=[*stories, other]))
    assert [item.id for item in exchange.news("X", at("09:00"), at("20:00"))] == ["11", "10"]
    assert [item.id for item in exchange.news("X", at("09:00"), at("11:00"))] == ["11", "10"], "the end counts"
    assert [item.id for item in exchange.news("X", at("09:00"), at("10:59"))] == ["10"]
    assert [item.id for item in exchange.news("X", at("09:00"), at("20:00"), limit=1)] == ["11"]


def test_the_clock_only_moves_forward() -> None:
    """An advance to where the clock is, or before, changes nothing."""
    exchange = InProcess(engine(flat(100), now=at("10:00")), wall=lambda: at("12:00"))
    exchange.advance(at("09:00"))
    assert (exchange.now(), exchange.wall()) == (at("10:00"), at("12:00"))


def test_the_end_of_the_calendar_is_an_outage() -> None:
    """After the last session the clock cannot name the next one, and says so."""
    exchange = InProcess(engine(flat(100), days=1))
    exchange.advance(at("10:00", TUESDAY))
    with pytest.raises(ExchangeUnavailable):
        exchange.clock()
