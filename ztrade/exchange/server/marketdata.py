"""``/v2/stocks/...``: bars with paging, the latest bar, quote and trade, snapshots."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from ztrade.domain.types import Bars
from ztrade.exchange.core.refusal import Refusal
from ztrade.exchange.server.http import ApiError, Call, Json, Reply, Route, bad_parameter, number
from ztrade.exchange.server.params import Params
from ztrade.exchange.server.stamps import midnight, nanos, new_york_day, read_instant, seconds
from ztrade.exchange.server.timeframe import Candle, Timeframe, candles, read_timeframe
from ztrade.exchange.server.venue import Venue

FEEDS = ("sip", "iex", "otc", "boats", "delayed_sip", "overnight")
ADJUSTMENTS = frozenset({"raw", "split", "dividend", "spin-off", "all"})
MOST_BARS = 10_000
#: how far back the last bar and the day before are looked for: longer than any closing of the exchange
LOOK_BACK = timedelta(days=12)
TICK = timedelta(microseconds=1)
#: the tape says nothing about venues: prices are quoted on Nasdaq (Q), of tape C
VENUE, TAPE = "Q", "C"

_SYMBOL = re.compile(r"[A-Z][A-Z0-9]{0,9}([./-][A-Z0-9]{1,4})?\Z", re.ASCII)
DAY = Timeframe(1, "Day")


# -- bars ------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Page:
    """One page of bars that is asked for; ``after`` is the last bar of the page before, as (symbol, instant)."""

    timeframe: Timeframe
    start: datetime
    end: datetime
    limit: int
    descending: bool
    after: tuple[str, datetime] | None


def bars_of_many(venue: Venue, call: Call) -> Reply:
    params = Params(call, bad_parameter)
    found, token = _bars(venue, params, _wanted(params))
    return Reply(200, {"bars": found, "next_page_token": token})


def bars_of_one(venue: Venue, call: Call) -> Reply:
    params, symbol = Params(call, bad_parameter), _checked(call.parts["symbol"].upper())
    found, token = _bars(venue, params, [symbol])
    return Reply(200, {"bars": found.get(symbol) or None, "next_page_token": token, "symbol": symbol})


def _wanted(params: Params) -> list[str]:
    symbols = params.symbols()
    if not symbols:
        raise params.refuse("symbols", "query parameter 'symbols' is required")
    return sorted(_checked(symbol) for symbol in symbols)


def _checked(symbol: str) -> str:
    if _SYMBOL.match(symbol) is None:
        raise ApiError(400, f"invalid symbol: {symbol[:50]}")
    return symbol


def _check_feed(params: Params) -> None:
    params.choice("feed", FEEDS, "sip")
    currency = params.text("currency")
    if currency not in (None, "USD"):
        raise params.refuse("currency", "this exchange serves USD")


def _read_page(venue: Venue, params: Params) -> Page:
    _check_feed(params)
    unknown = set(params.listed("adjustment")) - ADJUSTMENTS
    if unknown:
        raise ApiError(400, f"invalid adjustment: {min(unknown)[:50]}")
    start = params.when("start") or midnight(new_york_day(venue.now))
    end = params.when("end", end_of_day=True) or max(venue.now, start)
    if end < start:
        raise ApiError(400, "end should not be before start")
    return Page(
        timeframe=_timeframe(params),
        start=start,
        end=end,
        limit=params.whole("limit", 1000, 1, MOST_BARS),
        descending=params.choice("sort", ("asc", "desc"), "asc") == "desc",
        after=_read_token(params.text("page_token")),
    )


def _timeframe(params: Params) -> Timeframe:
    text = params.text("timeframe")
    if text is None:
        raise params.refuse("timeframe", "query parameter 'timeframe' is required")
    try:
        return read_timeframe(text)
    except ValueError as error:
        raise ApiError(400, str(error)) from None


def _bars(venue: Venue, params: Params, symbols: Sequence[str]) -> tuple[dict[str, Json], str | None]:
    page = _read_page(venue, params)
    found: dict[str, list[Json]] = {}
    room, last = page.limit, ("", 0)
    for symbol in symbols:
        if page.after is not None and symbol < page.after[0]:
            continue
        for candle in _candles(venue, symbol, page):
            if room == 0:
                return dict(found), _token(*last)
            found.setdefault(symbol, []).append(_bar(candle))
            room, last = room - 1, (symbol, candle.start)
    return dict(found), None


def _candles(venue: Venue, symbol: str, page: Page) -> Iterator[Candle]:
    """Yield the symbol's bars of the page; nothing for a symbol that is not there, as Alpaca does."""
    page = _resumed(page, symbol)
    timeframe = page.timeframe
    first = datetime.fromtimestamp(timeframe.bucket(int(page.start.timestamp())), UTC)
    # a bar that began before `start` is left out, one that began before `end` is shown whole
    beyond = min(page.end + timedelta(days=367), venue.now + TICK)
    if first > beyond:
        return
    bars = _known(venue, symbol, first, max(beyond, first))
    _check_span(bars, timeframe)
    low, high = page.start.timestamp(), page.end.timestamp()
    rows = (candle for candle in candles(_until(bars, timeframe, page.end), timeframe) if low <= candle.start <= high)
    yield from reversed(list(rows)) if page.descending else rows


def _resumed(page: Page, symbol: str) -> Page:
    if page.after is None or page.after[0] != symbol:
        return page
    if page.descending:
        return replace(page, end=min(page.end, page.after[1] - TICK))
    return replace(page, start=max(page.start, page.after[1] + TICK))


def _until(bars: Bars, timeframe: Timeframe, end: datetime) -> Bars:
    """Leave out the rows whose bucket begins after ``end``."""
    rows, low, high = end.timestamp(), 0, len(bars)
    while low < high:
        middle = (low + high) // 2
        if timeframe.bucket(bars.start[middle]) <= rows:
            low = middle + 1
        else:
            high = middle
    return bars.slice(0, low)


def _known(venue: Venue, symbol: str, start: datetime, end: datetime) -> Bars:
    try:
        return venue.bars(symbol, start, end)
    except (Refusal, KeyError):
        return Bars(symbol, timedelta(minutes=1), memoryview(b"").cast("q"))


def _check_span(bars: Bars, timeframe: Timeframe) -> None:
    minutes, base = timeframe.minutes, int(bars.span.total_seconds() // 60) or 1
    if minutes is not None and minutes % base:
        raise ApiError(400, f"invalid timeframe: the prices here are {base}-minute bars, {minutes}Min cannot be made")


@lru_cache(maxsize=100_000)
def _stamp(start: int) -> str:
    return seconds(datetime.fromtimestamp(start, UTC))


def _bar(candle: Candle) -> dict[str, Json]:
    return {
        "c": number(candle.close),
        "h": number(candle.high),
        "l": number(candle.low),
        "n": candle.trades,
        "o": number(candle.open),
        "t": _stamp(candle.start),
        "v": round(candle.volume),
        "vw": number(candle.vwap),
    }


def _token(symbol: str, start: int) -> str:
    at = datetime.fromtimestamp(start, UTC)
    return base64.urlsafe_b64encode(f"{symbol}|M|{at:%Y-%m-%dT%H:%M:%S}.000000000Z".encode()).decode()


def _read_token(text: str | None) -> tuple[str, datetime] | None:
    if text is None:
        return None
    try:
        symbol, _, at = base64.b64decode(text, altchars=b"-_", validate=True).decode("ascii").split("|")
        return symbol, read_instant(at)
    except (binascii.Error, UnicodeError, ValueError):
        raise ApiError(400, "invalid page token") from None


# -- latest ----------------------------------------------------------------------------------------------------------
#: returns what is asked for of one symbol, None where there is nothing
Latest = Callable[[Venue, str], "dict[str, Json] | None"]


def _last_bar(venue: Venue, symbol: str) -> dict[str, Json] | None:
    bars = _known(venue, symbol, venue.now - LOOK_BACK, venue.now + TICK)
    if not len(bars):
        return None
    return _bar(next(candles(bars.slice(len(bars) - 1, len(bars)), Timeframe(1, "Min"))))


def _quote(venue: Venue, symbol: str) -> dict[str, Json] | None:
    try:
        quote = venue.engine.quote(symbol)
    except Refusal:
        return None
    return {
        "ap": number(quote.ask),
        "as": int(quote.ask_size),
        "ax": VENUE,
        "bp": number(quote.bid),
        "bs": int(quote.bid_size),
        "bx": VENUE,
        "c": ["R"],
        "t": nanos(quote.at + venue.skew),
        "z": TAPE,
    }


def _trade(venue: Venue, symbol: str) -> dict[str, Json] | None:
    try:
        trade = venue.engine.last_trade(symbol)
    except Refusal:
        return None
    at = trade.at + venue.skew
    return {
        "c": ["@"],
        "i": int(at.timestamp()),
        "p": number(trade.price),
        "s": max(int(trade.size), 1),
        "t": nanos(at),
        "x": VENUE,
        "z": TAPE,
    }


def _snapshot(venue: Venue, symbol: str) -> dict[str, Json] | None:
    trade, quote = _trade(venue, symbol), _quote(venue, symbol)
    days = list(candles(_known(venue, symbol, venue.now - LOOK_BACK, venue.now + TICK), DAY))
    if trade is None or quote is None or not days:
        return None
    found: dict[str, Json] = {
        "dailyBar": _bar(days[-1]),
        "latestQuote": quote,
        "latestTrade": trade,
        "minuteBar": _last_bar(venue, symbol),
    }
    return found | ({"prevDailyBar": _bar(days[-2])} if len(days) > 1 else {})


def _of_many(venue: Venue, call: Call, latest: Latest) -> dict[str, Json]:
    params = Params(call, bad_parameter)
    _check_feed(params)
    found = {symbol: latest(venue, symbol) for symbol in _wanted(params)}
    return {symbol: value for symbol, value in found.items() if value is not None}


def _of_one(venue: Venue, call: Call, latest: Latest, what: str) -> tuple[str, Mapping[str, Json]]:
    _check_feed(Params(call, bad_parameter))
    symbol = _checked(call.parts["symbol"].upper())
    found = latest(venue, symbol)
    if found is None:
        raise ApiError(404, f"no {what} found for {symbol}")
    return symbol, found


def _many(name: str, latest: Latest) -> Callable[[Venue, Call], Reply]:
    return lambda venue, call: Reply(200, {name: _of_many(venue, call, latest)})


def _single(name: str, latest: Latest) -> Callable[[Venue, Call], Reply]:
    def handler(venue: Venue, call: Call) -> Reply:
        symbol, found = _of_one(venue, call, latest, name)
        return Reply(200, {name: found, "symbol": symbol})

    return handler


def snapshots(venue: Venue, call: Call) -> Reply:
    """Answer with the symbols at the top, as Alpaca does (its other answers name what they hold)."""
    return Reply(200, _of_many(venue, call, _snapshot))


def snapshot(venue: Venue, call: Call) -> Reply:
    symbol, found = _of_one(venue, call, _snapshot, "snapshot")
    return Reply(200, {"symbol": symbol, **found})


ROUTES: tuple[Route[Venue], ...] = (
    Route("GET", "/v2/stocks/bars", bars_of_many),
    Route("GET", "/v2/stocks/bars/latest", _many("bars", _last_bar)),
    Route("GET", "/v2/stocks/quotes/latest", _many("quotes", _quote)),
    Route("GET", "/v2/stocks/trades/latest", _many("trades", _trade)),
    Route("GET", "/v2/stocks/snapshots", snapshots),
    Route("GET", "/v2/stocks/{symbol}/bars", bars_of_one),
    Route("GET", "/v2/stocks/{symbol}/bars/latest", _single("bar", _last_bar)),
    Route("GET", "/v2/stocks/{symbol}/quotes/latest", _single("quote", _quote)),
    Route("GET", "/v2/stocks/{symbol}/trades/latest", _single("trade", _trade)),
    Route("GET", "/v2/stocks/{symbol}/snapshot", snapshot),
)
