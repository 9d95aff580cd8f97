"""Past trades and quotes, and the newer clock and calendar, as Alpaca's clients ask the embedded exchange for them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

import pytest
import requests
from alpaca.common.enums import Sort
from alpaca.data.historical.stock import StockHistoricalDataClient
from alpaca.data.models import QuoteSet, TradeSet
from alpaca.data.requests import StockQuotesRequest, StockTradesRequest

from ztrade.testing.exchange_server import ExchangeUrl, running

OPEN = datetime(2022, 8, 15, 13, 30, tzinfo=UTC)
KEYS = {"APCA-API-KEY-ID": "key", "APCA-API-SECRET-KEY": "secret"}


@pytest.fixture
def url() -> Iterator[ExchangeUrl]:
    with running(start=OPEN) as served:
        served.advance(OPEN + timedelta(minutes=12))
        yield served


@pytest.fixture
def data(url: ExchangeUrl) -> Iterator[StockHistoricalDataClient]:
    client = StockHistoricalDataClient("key", "secret", url_override=str(url))
    yield client
    client._session.close()


def ask(url: ExchangeUrl, path: str, **query: Any) -> Any:
    """Return the body of a GET, refused or not."""
    return requests.get(f"{url}{path}", params=query, headers=KEYS, timeout=20).json()


def trades(data: StockHistoricalDataClient, **more: Any) -> TradeSet:
    request = StockTradesRequest(symbol_or_symbols=["AAPL", "SPY"], start=OPEN, **more)
    return cast("TradeSet", data.get_stock_trades(request))


def test_trades_of_a_bar_add_up_to_it(url: ExchangeUrl, data: StockHistoricalDataClient) -> None:
    """First, highest, lowest and last price and the volume of a bar's trades are those of the bar."""
    bar = ask(url, "/v2/stocks/AAPL/bars", timeframe="5Min", start=OPEN.isoformat())["bars"][0]
    made = [one for one in trades(data)["AAPL"] if one.timestamp < OPEN + timedelta(minutes=5)]
    prices = [one.price for one in made]
    assert (prices[0], max(prices), min(prices), prices[-1]) == (bar["o"], bar["h"], bar["l"], bar["c"])
    assert sum(one.size for one in made) == bar["v"]


def test_no_trade_is_shown_before_its_time(url: ExchangeUrl, data: StockHistoricalDataClient) -> None:
    """Of the bar that is running those prices are shown that the clock has reached, and a minute later the next."""
    end = OPEN + timedelta(days=1)
    shown = [one.timestamp for one in trades(data, end=end)["AAPL"]]
    assert OPEN + timedelta(minutes=10) <= shown[-1] <= OPEN + timedelta(minutes=12)
    url.advance(OPEN + timedelta(minutes=14))
    later = [one.timestamp for one in trades(data, end=end)["AAPL"]]
    assert later[: len(shown)] == shown
    assert len(later) == len(shown) + 1


def test_quotes_surround_the_trades(data: StockHistoricalDataClient) -> None:
    """There is a quote for each trade, the price between bid and ask."""
    request = StockQuotesRequest(symbol_or_symbols="AAPL", start=OPEN)
    quotes = cast("QuoteSet", data.get_stock_quotes(request))["AAPL"]
    made = trades(data)["AAPL"]
    assert [one.timestamp for one in quotes] == [one.timestamp for one in made]
    assert all(quote.bid_price <= trade.price <= quote.ask_price for quote, trade in zip(quotes, made, strict=True))


@pytest.mark.parametrize("sort", ["asc", "desc"])
def test_pages_of_trades_are_the_whole(url: ExchangeUrl, data: StockHistoricalDataClient, sort: str) -> None:
    """Pages of three, one after the other over the symbols, are what one page shows, in either direction."""
    whole = ask(url, "/v2/stocks/trades", symbols="AAPL,SPY", start=OPEN.isoformat(), sort=sort)["trades"]
    pages: dict[str, list[Any]] = {"AAPL": [], "SPY": []}
    token: str | None = ""
    while token is not None:
        page = ask(
            url, "/v2/stocks/trades", symbols="AAPL,SPY", start=OPEN.isoformat(), sort=sort, limit=3, page_token=token
        )
        for symbol, rows in page["trades"].items():
            pages[symbol] += rows
        token = page["next_page_token"]
    assert pages == whole
    assert len(trades(data, sort=Sort(sort), limit=5)["AAPL"]) == 5


def test_what_no_tape_has_is_refused_or_empty(url: ExchangeUrl) -> None:
    """An unknown symbol has no trades, an as-of date that is none is refused, and so is an unknown tick type."""
    assert ask(url, "/v2/stocks/trades", symbols="ZZZZ")["trades"] == {}
    assert "asof" in ask(url, "/v2/stocks/trades", symbols="AAPL", asof="soon")["message"]
    assert "ticktype" in ask(url, "/v2/stocks/meta/conditions/rumour", tape="A")["message"]
    assert "tape" in ask(url, "/v2/stocks/meta/conditions/trade")["message"]


@pytest.mark.parametrize(
    ("time", "phase", "until"),
    [
        ("2022-11-25T13:00:00Z", "pre", "2022-11-25T09:30:00-05:00"),
        ("2022-11-25T14:30:00Z", "core", "2022-11-25T13:00:00-05:00"),
        ("2022-11-25T18:00:00Z", "post", "2022-11-25T17:00:00-05:00"),
        ("2022-11-25T22:00:00Z", "closed", "2022-11-28T04:00:00-05:00"),
    ],
)
def test_newer_clock_tells_the_phase(url: ExchangeUrl, time: str, phase: str, until: str) -> None:
    """The parts of a half day; each begins at its first moment."""
    (clock,) = ask(url, "/v3/clock", markets="XNYS", time=time)["clocks"]
    assert (clock["phase"], clock["phase_until"]) == (phase, until)
    assert (clock["market"]["acronym"], clock["is_market_day"]) == ("NYSE", True)


def test_newer_clock_is_the_exchanges_own(url: ExchangeUrl) -> None:
    """Without a time it is the same instant as the older clock's, for both markets; others are refused."""
    clocks, older = ask(url, "/v3/clock")["clocks"], ask(url, "/v2/clock")
    assert [clock["timestamp"] for clock in clocks] == [older["timestamp"]] * 2
    assert [clock["next_market_close"] for clock in clocks] == [older["next_close"]] * 2
    assert "invalid market" in ask(url, "/v3/clock", markets="LSE")["message"]


def test_newer_calendar_has_the_parts_of_a_day(url: ExchangeUrl) -> None:
    """A week from today where nobody says until when; a half day ends early."""
    body = ask(url, "/v3/calendar/NYSE", start="2022-11-24")
    days = [day["date"] for day in body["calendar"]]
    assert days == [f"2022-{day}" for day in ("11-25", "11-28", "11-29", "11-30", "12-01")]
    assert body["calendar"][0]["core_end"] == "2022-11-25T13:00:00-05:00"
    assert ask(url, "/v3/calendar/NYSE", timezone="UTC")["calendar"][0]["core_start"] == "2022-08-15T13:30:00Z"


@pytest.mark.parametrize(
    ("traded", "settled"),
    [
        ("2017-09-01", "2017-09-07"),
        ("2022-08-19", "2022-08-23"),
        ("2024-05-24", "2024-05-29"),
        ("2024-05-28", "2024-05-29"),
    ],
)
def test_trades_settle_as_the_rules_of_their_day_say(url: ExchangeUrl, traded: str, settled: str) -> None:
    """Three sessions later until 2017, two until May 2024, one since; the calendar is found by either date."""
    (day,) = ask(url, "/v2/calendar", start=traded, end=traded)
    assert day["settlement_date"] == settled
    assert day in ask(url, "/v2/calendar", start=settled, end=settled, date_type="SETTLEMENT")
    assert date.fromisoformat(settled) > date.fromisoformat(traded)


def test_answers_have_an_id_of_their_own(url: ExchangeUrl) -> None:
    """Clients show X-Request-ID in their errors; no two are alike, refusals have one too."""
    answers = [requests.get(f"{url}{path}", headers=KEYS, timeout=20) for path in ("/v2/clock", "/v2/clock", "/v2/no")]
    assert len({answer.headers["X-Request-ID"] for answer in answers}) == 3


def test_history_begins_with_what_the_account_had(url: ExchangeUrl) -> None:
    """Profit and loss count from before the first point: a loss in the first minutes is not lost."""
    order = {"symbol": "AAPL", "qty": "100", "side": "buy", "type": "market", "time_in_force": "day"}
    requests.post(f"{url}/v2/orders", json=order, headers=KEYS, timeout=20)
    url.advance(OPEN + timedelta(minutes=14))
    history = ask(url, "/v2/account/portfolio/history", period="1D", timeframe="15Min")
    assert history["base_value"] == 100_000
    assert history["profit_loss"][0] == pytest.approx(history["equity"][0] - 100_000, abs=0.01) != 0


def test_a_page_of_activities_follows_any_activity(url: ExchangeUrl) -> None:
    """A page_token may be an entry that the selection leaves out: what comes after it in time is shown."""
    for symbol in ("AAPL", "SPY"):
        order = {"symbol": symbol, "qty": "1", "side": "buy", "type": "market", "time_in_force": "day"}
        requests.post(f"{url}/v2/orders", json=order, headers=KEYS, timeout=20)
    url.advance(OPEN + timedelta(minutes=14))
    newest, oldest = ask(url, "/v2/account/activities")
    of_other = {"order_id": oldest["order_id"], "page_token": newest["id"]}
    assert ask(url, "/v2/account/activities", **of_other) == [oldest]
    assert ask(url, "/v2/account/activities", **of_other, direction="asc") == []
    assert "page_token" in ask(url, "/v2/account/activities", page_token="nothing")["message"]
