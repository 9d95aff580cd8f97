"""Bars and quotes over the wire: paging, regular hours, and what is no price."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.unit.alpaca.doors import Door, door
from ztrade.adapters.alpaca import AlpacaMarketData
from ztrade.errors import ExchangeUnavailable, NotFound
from ztrade.testing.calendar import PlainCalendar
from ztrade.testing.scripted_server import Answer, Asked, Script, in_turn

OPEN = datetime(2022, 8, 22, 13, 30, tzinfo=UTC)
FIVE = timedelta(minutes=5)
CALENDAR = PlainCalendar(half_days=[date(2022, 11, 25)])


def bar(at: datetime, **changes: Any) -> dict[str, Any]:
    """Write a bar as the data API sends it: whole values are JSON integers."""
    stamp = at.isoformat().replace("+00:00", "Z")
    return {"t": stamp, "o": 177, "h": 178.5, "l": 176.25, "c": 177.1, "v": 12345, "n": 10, "vw": 177.0, **changes}


def bars_answer(*bars: dict[str, Any], token: str | None = None) -> Answer:
    """Write a page of bars."""
    return Answer(body={"bars": {"SPY": list(bars)}, "next_page_token": token})


@contextmanager
def data(script: Script, **changes: Any) -> Iterator[tuple[AlpacaMarketData, Door]]:
    """Serve the script and give the adapter in front of it."""
    with door(script, **changes) as opened:
        yield AlpacaMarketData(opened.gateway, CALENDAR), opened


def test_bars_become_columns() -> None:
    """Each field of the wire becomes a column of floats, starts whole epoch seconds."""
    with data(in_turn(bars_answer(bar(OPEN), bar(OPEN + FIVE, o=1.5)))) as (market, opened):
        bars = market.bars("SPY", OPEN, OPEN + 2 * FIVE)
        assert [bars.start_at(row) for row in range(2)] == [OPEN, OPEN + FIVE]
        assert (list(bars.open), list(bars.high), list(bars.low)) == ([177.0, 1.5], [178.5] * 2, [176.25] * 2)
        assert (list(bars.close), list(bars.volume), bars.span) == ([177.1] * 2, [12345.0] * 2, FIVE)
        assert opened.server.asked[0].query == {
            "symbols": "SPY",
            "timeframe": "5Min",
            "start": "2022-08-22T13:30:00Z",
            "end": "2022-08-22T13:40:00Z",
            "adjustment": "split",
            "sort": "asc",
            "limit": "10000",
            "feed": "iex",
        }


def test_the_feed_is_left_to_the_exchange_where_none_is_set() -> None:
    """The embedded exchange has one feed, and is not asked for another."""
    with data(in_turn(bars_answer()), feed=None) as (market, opened):
        market.bars("SPY", OPEN, OPEN + FIVE)
        assert "feed" not in opened.server.asked[0].query


def test_pages_are_followed() -> None:
    """All pages come, in order."""

    def script(asked: Asked) -> Answer:
        number = int(asked.query.get("page_token", "0"))
        return bars_answer(bar(OPEN + number * FIVE), token=str(number + 1) if number < 3 else None)

    with data(script) as (market, opened):
        assert len(market.bars("SPY", OPEN, OPEN + timedelta(hours=1))) == 4
        assert len(opened.asked) == 4


def test_a_token_that_repeats_is_an_outage() -> None:
    """A server that sends the same page for ever is not followed for ever."""
    with data(in_turn(bars_answer(token="again"))) as (market, _), pytest.raises(ExchangeUnavailable, match="circles"):
        market.bars("SPY", OPEN, OPEN + FIVE)


def test_only_regular_hours_stay() -> None:
    """Bars from before the open, from the close on, and from outside the range are left out."""
    close = OPEN + timedelta(hours=6.5)
    stamps = [OPEN - FIVE, OPEN, OPEN + FIVE, close - FIVE, close, close + FIVE, OPEN + timedelta(days=1)]
    with data(in_turn(bars_answer(*map(bar, stamps)))) as (market, _):
        bars = market.bars("SPY", OPEN + FIVE, OPEN + timedelta(days=2))
        kept = [bars.start_at(row) for row in range(len(bars))]
        assert kept == [OPEN + FIVE, close - FIVE, OPEN + timedelta(days=1)]


def test_a_half_day_ends_at_one() -> None:
    """On a half day the bars after 13:00 New York are after hours."""
    noon = datetime(2022, 11, 25, 17, 55, tzinfo=UTC)
    with data(in_turn(bars_answer(bar(noon), bar(noon + FIVE)))) as (market, _):
        assert len(market.bars("SPY", noon, noon + timedelta(hours=3))) == 1


def test_the_end_is_excluded_though_the_wire_includes_it() -> None:
    """Alpaca's end is inclusive; ours is not: the bar that begins at the slot is not complete."""
    with data(in_turn(bars_answer(bar(OPEN), bar(OPEN + FIVE)))) as (market, _):
        assert len(market.bars("SPY", OPEN, OPEN + FIVE)) == 1


@pytest.mark.parametrize("body", [{"bars": {}}, {"bars": None}, {"bars": {"SPY": None}}, {"bars": {"SPY": []}}])
def test_no_bars_are_no_bars(body: object) -> None:
    """The ways in which the API says that there are none."""
    with data(in_turn(Answer(body=body))) as (market, _):
        assert len(market.bars("SPY", OPEN, OPEN + FIVE)) == 0


@pytest.mark.parametrize(
    "body",
    [{}, {"bar": {}}, {"bars": []}, {"bars": {"SPY": {}}}, {"bars": {"SPY": [None]}}, {"bars": "none"}, [], None],
)
def test_an_answer_that_is_no_bars_is_an_outage(body: object) -> None:
    """Anything else is not "none"."""
    with data(in_turn(Answer(body=body))) as (market, _), pytest.raises(ExchangeUnavailable):
        market.bars("SPY", OPEN, OPEN + FIVE)


@pytest.mark.parametrize("field", ["t", "o", "h", "l", "c", "v"])
@pytest.mark.parametrize("value", [None, "NaN", float("nan"), float("inf"), -1, "x", [], "missing"])
def test_a_bar_with_nonsense_is_refused(field: str, value: object) -> None:
    """A price, a volume or a stamp that is none makes the answer an outage, not a gap."""
    odd = bar(OPEN, **{field: value})
    if value == "missing":
        del odd[field]
    with data(in_turn(bars_answer(odd))) as (market, _), pytest.raises(ExchangeUnavailable):
        market.bars("SPY", OPEN, OPEN + FIVE)


def test_a_price_of_zero_is_none() -> None:
    """Zero is no price; a volume of zero is one."""
    with data(in_turn(bars_answer(bar(OPEN, v=0)))) as (market, _):
        assert len(market.bars("SPY", OPEN, OPEN + FIVE)) == 1
    with data(in_turn(bars_answer(bar(OPEN, l=0)))) as (market, _), pytest.raises(ExchangeUnavailable):
        market.bars("SPY", OPEN, OPEN + FIVE)


@pytest.mark.parametrize("step", [timedelta(0), -FIVE])
def test_bars_out_of_order_are_refused(step: timedelta) -> None:
    """Duplicates and disorder would be read as price jumps."""
    answer = bars_answer(bar(OPEN + FIVE), bar(OPEN + FIVE + step))
    with data(in_turn(answer)) as (market, _), pytest.raises(ExchangeUnavailable, match="not later"):
        market.bars("SPY", OPEN, OPEN + timedelta(hours=1))


def test_an_empty_range_asks_nobody() -> None:
    """A range that ends where it begins holds nothing."""
    with data(in_turn(bars_answer())) as (market, opened):
        assert len(market.bars("SPY", OPEN, OPEN)) == 0
        assert opened.asked == []


def test_a_quote_of_another_symbol_only() -> None:
    """An answer without the symbol means that it is not there."""
    with data(in_turn(Answer(body={"quotes": {}}))) as (market, _), pytest.raises(NotFound):
        market.quote("SPY")


@pytest.mark.parametrize("status", [400, 404, 422])
def test_an_invalid_symbol_is_not_there(status: int) -> None:
    """However the data API refuses a symbol, it is NotFound."""
    refused = Answer(status, {"message": "invalid symbol: NO SUCH"})
    with data(in_turn(refused)) as (market, _), pytest.raises(NotFound):
        market.quote("NO SUCH")


def test_another_refusal_of_a_question_is_an_outage() -> None:
    """A refused question is our fault or theirs, but never a rejected order."""
    with data(in_turn(Answer(400, {"message": "invalid feed"}))) as (market, _), pytest.raises(ExchangeUnavailable):
        market.bars("SPY", OPEN, OPEN + FIVE)
