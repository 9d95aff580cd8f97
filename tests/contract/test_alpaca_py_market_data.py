"""The published alpaca-py reads bars, quotes, snapshots and news of the embedded exchange, typed models on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from alpaca.data.enums import Adjustment, DataFeed
from alpaca.data.models import BarSet, Quote, Snapshot, Trade
from alpaca.data.models.bars import Bar
from alpaca.data.models.news import NewsSet
from alpaca.data.requests import (
    NewsRequest,
    StockBarsRequest,
    StockLatestBarRequest,
    StockLatestQuoteRequest,
    StockLatestTradeRequest,
    StockSnapshotRequest,
)
from alpaca.data.timeframe import TimeFrame, TimeFrameUnit

from tests.contract.alpaca_py_world import OPEN, World, opened


@pytest.fixture
def world() -> Iterator[World]:
    with opened() as world:
        yield world


def bars(world: World, **more: Any) -> BarSet:
    request = StockBarsRequest(
        symbol_or_symbols=more.pop("symbols", ["AAPL", "SPY"]),
        timeframe=more.pop("timeframe", TimeFrame(5, TimeFrameUnit.Minute)),
        start=more.pop("start", OPEN - timedelta(days=3)),
        feed=DataFeed.IEX,
        adjustment=Adjustment.SPLIT,
        **more,
    )
    return cast("BarSet", world.data.get_stock_bars(request))


def test_bars_are_those_that_are_complete(world: World) -> None:
    """Five-minute bars end with the last complete one: the future is not shown."""
    world.wait(12)
    found = bars(world)
    assert set(found.data) == {"AAPL", "SPY"}
    assert found["AAPL"][0].timestamp == datetime(2022, 8, 12, 13, 30, tzinfo=UTC)
    assert found["AAPL"][-1].timestamp == OPEN + timedelta(minutes=5)
    assert found["AAPL"][0].open == 100.0
    assert found["SPY"][0].open == 200.0


def test_bars_are_aligned_as_alpaca_aligns_them(world: World) -> None:
    """Hours begin at whole UTC hours, days at midnight in New York, and the day before is whole."""
    world.wait(60)
    hour, since = TimeFrame(1, TimeFrameUnit.Hour), datetime(2022, 8, 12, tzinfo=UTC)
    hours = bars(world, timeframe=hour, symbols="AAPL", start=since)["AAPL"]
    assert [bar.timestamp.hour for bar in hours if bar.timestamp.day == 12] == [13, 14, 15, 16, 17, 18, 19]
    days = bars(world, timeframe=TimeFrame.Day, symbols="AAPL", start=since)["AAPL"]
    assert [bar.timestamp for bar in days] == [datetime(2022, 8, day, 4, tzinfo=UTC) for day in (12, 15)]
    assert days[0].volume == 78 * 10_000


def test_bars_page_over_symbols(world: World) -> None:
    """Pages that end within a symbol lose and double nothing, up and down."""
    everything = bars(world)
    keys = {"timeframe": "5Min", "symbols": "AAPL,SPY", "start": (OPEN - timedelta(days=3)).isoformat(), "limit": 7}
    for sort in ("asc", "desc"):
        token, times = None, dict[str, list[str]]()
        while True:
            page = cast("dict[str, Any]", world.data.get("/stocks/bars", {**keys, "sort": sort, "page_token": token}))
            for symbol, rows in page["bars"].items():
                times.setdefault(symbol, []).extend(row["t"] for row in rows)
            token = page["next_page_token"]
            if token is None:
                break
        for symbol in ("AAPL", "SPY"):
            expected = [f"{bar.timestamp:%Y-%m-%dT%H:%M:%SZ}" for bar in everything[symbol]]
            assert times[symbol] == (expected if sort == "asc" else expected[::-1])


def test_latest_bar_quote_trade_and_snapshot(world: World) -> None:
    """All four exist for every symbol of the tape, and agree about the price."""
    world.wait(30)
    quotes = cast(
        "dict[str, Quote]", world.data.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols="AAPL"))
    )
    trades = cast(
        "dict[str, Trade]", world.data.get_stock_latest_trade(StockLatestTradeRequest(symbol_or_symbols="AAPL"))
    )
    latest = cast("dict[str, Bar]", world.data.get_stock_latest_bar(StockLatestBarRequest(symbol_or_symbols="AAPL")))
    snapshots = cast(
        "dict[str, Snapshot]", world.data.get_stock_snapshot(StockSnapshotRequest(symbol_or_symbols=["AAPL", "NOPE"]))
    )
    quote, trade, bar, snapshot = quotes["AAPL"], trades["AAPL"], latest["AAPL"], snapshots["AAPL"]
    assert quote.bid_price < trade.price < quote.ask_price
    assert bar.timestamp == OPEN + timedelta(minutes=25)
    assert snapshot.daily_bar is not None
    assert snapshot.daily_bar.volume == 60_000
    assert snapshot.previous_daily_bar is not None
    assert snapshot.previous_daily_bar.volume == 780_000
    assert list(snapshots) == ["AAPL"]


def test_single_symbol_forms_of_the_data_routes(world: World) -> None:
    """The routes with the symbol in the path answer in the singular."""
    world.wait(30)
    for path, name in [("bars/latest", "bar"), ("quotes/latest", "quote"), ("trades/latest", "trade")]:
        answer = cast("dict[str, Any]", world.data.get(f"/stocks/AAPL/{path}"))
        assert answer["symbol"] == "AAPL"
        assert isinstance(answer[name], dict)
    snapshot = cast("dict[str, Any]", world.data.get("/stocks/AAPL/snapshot"))
    assert snapshot["latestTrade"]["p"] > 0
    found = cast("dict[str, Any]", world.data.get("/stocks/AAPL/bars", {"timeframe": "1Day", "start": "2022-08-12"}))
    assert [bar["t"] for bar in found["bars"]] == ["2022-08-12T04:00:00Z", "2022-08-15T04:00:00Z"]


def test_news_are_selected_and_paged(world: World) -> None:
    """Stories come newest first, filtered by any of the symbols, with entities in the text as Alpaca has them."""
    found = cast("NewsSet", world.news.get_news(NewsRequest(symbols="AAPL,TSLA", start=OPEN - timedelta(days=1))))
    stories = found.data["news"]
    assert [story.id for story in stories] == [1, 2, 3]
    assert stories[0].summary == "It&#39;s no 1"
    assert stories[1].symbols == ["AAPL", "SPY"]
    page = cast("dict[str, Any]", world.news.get("/news", {"limit": 1}))
    second = cast("dict[str, Any]", world.news.get("/news", {"limit": 1, "page_token": page["next_page_token"]}))
    assert [one["id"] for one in page["news"] + second["news"]] == [1, 2]
