"""``/v2/stocks/trades`` and ``/quotes``: past trades and quotes, made from the bars, and what their letters mean.

The tape has bars and no trades. Of each bar the four prices of its path are shown, a quarter of the volume each: so the
trades of a bar add up to the bar. None is shown before the clock has reached it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from ztrade.domain.types import Bars, to_price
from ztrade.exchange.core.hours import instant, micros
from ztrade.exchange.core.market import ONE, to_tick
from ztrade.exchange.core.path import bar_path
from ztrade.exchange.core.refusal import Refusal
from ztrade.exchange.server.http import ApiError, Call, Json, Reply, Route, bad_parameter
from ztrade.exchange.server.marketdata import quote_row, trade_row
from ztrade.exchange.server.pages import Range, checked, one_page, read_range, wanted
from ztrade.exchange.server.params import Params
from ztrade.exchange.server.venue import Venue

SECOND = 1_000_000
#: a bar's close is its last trade, this long before the next bar begins
LAST_MOMENT = 1_000

EXCHANGES = {"Q": "NASDAQ"}
CONDITIONS = {"trade": {"@": "Regular Sale"}, "quote": {"R": "Regular Market Maker Open"}}


@dataclass(frozen=True, slots=True)
class Tick:
    """One price of a bar's path: ``at`` in epoch microseconds, ``size`` the volume that is said to be made at it."""

    at: int
    price: float
    size: int


#: shows a tick as a trade or a quote
Show = Callable[[Venue, str, Tick], dict[str, Json]]


def _ticks(venue: Venue, symbol: str, part: Range) -> Iterator[Tick]:
    """Yield the symbol's ticks of the range up to the clock; nothing for a symbol that is not there."""
    try:
        bars = venue.engine.tape_bars(symbol)
    except Refusal:
        return
    low, high = micros(part.start), min(micros(part.end), micros(venue.now))
    first = bisect_right(bars.start, low // SECOND - int(bars.span.total_seconds()))
    rows = range(first, bisect_left(bars.start, high // SECOND + 1))
    for row in reversed(rows) if part.descending else rows:
        inside = [tick for tick in _of_bar(bars, row) if low <= tick.at <= high]
        yield from reversed(inside) if part.descending else inside


def _of_bar(bars: Bars, row: int) -> Iterator[Tick]:
    span, volume = int(bars.span.total_seconds()) * SECOND, int(bars.volume[row])
    if volume < 1:
        return
    prices = (bars.open[row], bars.high[row], bars.low[row], bars.close[row])
    *before, (end, close) = bar_path(int(bars.start[row]) * SECOND, span, prices)
    share = volume // 4
    yield from (Tick(at, price, share) for at, price in before)
    yield Tick(end - LAST_MOMENT, close, volume - 3 * share)


def _trade(_venue: Venue, _symbol: str, tick: Tick) -> dict[str, Json]:
    return trade_row(instant(tick.at), to_price(tick.price), tick.size, tick.at)


def _quote(venue: Venue, symbol: str, tick: Tick) -> dict[str, Json]:
    mid, half = Decimal(repr(tick.price)), venue.plan.engine.half_spread(symbol)
    bid, ask = to_tick(mid * (ONE - half), ROUND_FLOOR), to_tick(mid * (ONE + half), ROUND_CEILING)
    return quote_row(instant(tick.at), bid, ask)


def _pages(venue: Venue, params: Params, symbols: list[str], show: Show) -> tuple[dict[str, list[Json]], str | None]:
    def rows(symbol: str, part: Range) -> Iterator[tuple[datetime, Json]]:
        for tick in _ticks(venue, symbol, part):
            yield instant(tick.at), show(venue, symbol, tick)

    return one_page(symbols, read_range(venue, params), rows)


def _many(name: str, show: Show) -> Callable[[Venue, Call], Reply]:
    def handler(venue: Venue, call: Call) -> Reply:
        params = Params(call, bad_parameter)
        found, token = _pages(venue, params, wanted(params), show)
        return Reply(200, {name: found, "next_page_token": token})

    return handler


def _single(name: str, show: Show) -> Callable[[Venue, Call], Reply]:
    def handler(venue: Venue, call: Call) -> Reply:
        symbol = checked(call.parts["symbol"].upper())
        found, token = _pages(venue, Params(call, bad_parameter), [symbol], show)
        return Reply(200, {name: found.get(symbol, []), "next_page_token": token, "symbol": symbol})

    return handler


def exchanges(_venue: Venue, _call: Call) -> Reply:
    return Reply(200, EXCHANGES)


def conditions(_venue: Venue, call: Call) -> Reply:
    kind, params = call.parts["ticktype"], Params(call, bad_parameter)
    if params.choice("tape", ("a", "b", "c", "n", "o"), "") == "":
        raise params.refuse("tape", "query parameter 'tape' is required")
    if kind not in CONDITIONS:
        raise ApiError(400, f"invalid ticktype: {kind[:50]} (it is trade or quote)")
    return Reply(200, CONDITIONS[kind])


ROUTES: tuple[Route[Venue], ...] = (
    Route("GET", "/v2/stocks/trades", _many("trades", _trade)),
    Route("GET", "/v2/stocks/quotes", _many("quotes", _quote)),
    Route("GET", "/v2/stocks/meta/exchanges", exchanges),
    Route("GET", "/v2/stocks/meta/conditions/{ticktype}", conditions),
    Route("GET", "/v2/stocks/{symbol}/trades", _single("trades", _trade)),
    Route("GET", "/v2/stocks/{symbol}/quotes", _single("quotes", _quote)),
)
