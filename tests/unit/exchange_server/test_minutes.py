"""One-minute bars made of longer ones."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from ztrade.domain.types import Bars, bars_from_rows
from ztrade.exchange.server.minutes import in_minutes
from ztrade.exchange.server.timeframe import Timeframe, candles
from ztrade.testing.exchange_server import ExchangeUrl, running

OPEN = datetime(2022, 8, 15, 13, 30, tzinfo=UTC)
KEYS = {"APCA-API-KEY-ID": "key", "APCA-API-SECRET-KEY": "secret"}
prices = st.lists(st.integers(9_000, 11_000).map(lambda cents: cents / 100), min_size=4, max_size=4)


def bar(four: list[float], volume: float = 1007.0, minutes: int = 5) -> Bars:
    first, last, one, two = four
    row = (OPEN, first, max(first, last, one, two), min(first, last, one, two), last, volume)
    return bars_from_rows("X", timedelta(minutes=minutes), [row])


@given(prices, st.integers(0, 10**6), st.sampled_from([2, 5, 15, 30]))
def test_minutes_add_up_to_their_bar(four: list[float], volume: int, minutes: int) -> None:
    """First, highest, lowest and last price and the volume of the minutes are the bar's, without gaps between them."""
    whole = bar(four, volume=float(volume), minutes=minutes)
    made = in_minutes(whole, OPEN.timestamp() + minutes * 60)
    assert len(made) == minutes
    (back,) = candles(made, Timeframe(30, "Min"))
    assert (back.open, back.high, back.low, back.close) == (whole.open[0], whole.high[0], whole.low[0], whole.close[0])
    assert back.volume == volume
    assert list(made.open[1:]) == list(made.close[:-1])
    assert all(Decimal(repr(price)) == round(Decimal(repr(price)), 2) for price in made.close)


def test_prices_finer_than_a_cent_stay_inside_their_bar() -> None:
    """Where a file has split-adjusted prices, what is rounded to the cent does not leave the bar's range."""
    made = in_minutes(bar([100.003, 100.004, 100.003, 100.0045]), OPEN.timestamp() + 300)
    assert (min(made.low), max(made.high)) == (100.003, 100.0045)


def test_a_minute_is_shown_when_it_is_over() -> None:
    """Nothing of the path beyond the clock is known."""
    whole = bar([100, 101, 99, 102])
    for seconds, many in ((0, 0), (59, 0), (60, 1), (299, 4), (300, 5)):
        assert len(in_minutes(whole, OPEN.timestamp() + seconds)) == many


@pytest.fixture(scope="module")
def url() -> Iterator[ExchangeUrl]:
    with running(start=OPEN) as served:
        served.advance(OPEN + timedelta(minutes=33))
        yield served


def shown(url: ExchangeUrl, **query: Any) -> list[dict[str, Any]]:
    """Return AAPL's bars of the day so far."""
    asked = {"start": OPEN.isoformat(), **query}
    answer = requests.get(f"{url}/v2/stocks/AAPL/bars", params=asked, headers=KEYS, timeout=20)
    assert answer.status_code == 200
    return answer.json()["bars"]  # type: ignore[no-any-return]


def paged(url: ExchangeUrl, **query: Any) -> list[dict[str, Any]]:
    """Return AAPL's bars of the day so far, taken in pages of two."""
    found: list[dict[str, Any]] = []
    token: str | None = ""
    while token is not None:
        asked = {"start": OPEN.isoformat(), "limit": 2, "page_token": token, **query}
        body = requests.get(f"{url}/v2/stocks/AAPL/bars", params=asked, headers=KEYS, timeout=20).json()
        found += body["bars"]
        token = body["next_page_token"]
    return found


def test_every_number_of_minutes_is_served(url: ExchangeUrl) -> None:
    """Of 5-minute bars minutes are made, so that no timeframe of Alpaca's is missing; they reach up to the clock."""
    assert [row["t"] for row in shown(url, timeframe="1Min")][-1] == "2022-08-15T14:02:00Z"
    for minutes in range(1, 60):
        assert shown(url, timeframe=f"{minutes}Min", start="2022-08-15T12:00:00Z")
    five = shown(url, timeframe="5Min")
    of_minutes = shown(url, timeframe="1Min")[:30]
    assert [row["o"] for row in of_minutes[::5]] == [row["o"] for row in five]
    assert sum(row["v"] for row in of_minutes) == sum(row["v"] for row in five)


@pytest.mark.parametrize("timeframe", ["1Min", "2Min", "7Min", "13Min"])
@pytest.mark.parametrize("sort", ["asc", "desc"])
def test_pages_of_minutes_are_the_whole(url: ExchangeUrl, timeframe: str, sort: str) -> None:
    """What is cut off at the edges of a page is whole in it."""
    assert paged(url, timeframe=timeframe, sort=sort) == shown(url, timeframe=timeframe, sort=sort)
