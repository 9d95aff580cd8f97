"""``/v2/stocks/...``: bars with paging, the latest bar, quote and trade, snapshots."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from ztrade.domain.types import Bars
from ztrade.exchange.core.hours import micros
from ztrade.exchange.core.market import LOT
from ztrade.exchange.core.refusal import Refusal
from ztrade.exchange.server.http import ApiError, Call, Json, Reply, Route, bad_parameter, number
from ztrade.exchange.server.minutes import in_minutes
from ztrade.exchange.server.pages import TICK, Range, check_feed, checked, one_page, read_range, wanted
from ztrade.exchange.server.params import Params
from ztrade.exchange.server.stamps import nanos, seconds
from ztrade.exchange.server.timeframe import Candle, Timeframe, candles, read_timeframe
from ztrade.exchange.server.venue import HasHistory, Venue

ADJUSTMENTS = frozenset({"raw", "split", "dividend", "spin-off", "all"})
#: how far back the last bar and the day before are looked for: longer than any closing of the exchange
LOOK_BACK = timedelta(days=12)
#: the tape says nothing about venues: prices are quoted on Nasdaq (Q), of tape C
VENUE, TAPE = "Q", "C"

DAY = Timeframe(1, "Day")


# -- bars ------------------------------------------------------------------------------------------------------------
def bars_of_many(venue: Venue, call: Call) -> Reply:
    params = Params(call, bad_parameter)
    found, token = _bars(venue, params, wanted(params))
    return Reply(200, {"bars": found, "next_page_token": token})


def bars_of_one(venue: Venue, call: Call) -> Reply:
    params, symbol = Params(call, bad_parameter), checked(call.parts["symbol"].upper())
    found, token = _bars(venue, params, [symbol])
    return Reply(200, {"bars": found.get(symbol, []), "next_page_token": token, "symbol": symbol})


def _timeframe(params: Params) -> Timeframe:
    text = params.text("timeframe")
    if text is None:
        raise params.refuse("timeframe", "query parameter 'timeframe' is required")
    try:
        return read_timeframe(text)
    except ValueError as error:
        raise ApiError(400, str(error)) from None


def _bars(venue: Venue, params: Params, symbols: Sequence[str]) -> tuple[dict[str, list[Json]], str | None]:
    unknown = set(params.listed("adjustment")) - ADJUSTMENTS
    if unknown:
        raise ApiError(400, f"invalid adjustment: {min(unknown)[:50]}")
    asked, timeframe = read_range(venue, params), _timeframe(params)

    def rows(symbol: str, part: Range) -> Iterator[tuple[datetime, Json]]:
        for candle in _candles(venue, symbol, part, timeframe):
            yield datetime.fromtimestamp(candle.start, UTC), _bar(candle)

    return one_page(symbols, asked, rows)


def _candles(venue: Venue, symbol: str, part: Range, timeframe: Timeframe) -> Iterator[Candle]:
    """Yield the symbol's bars of the range; nothing for a symbol that is not there, as Alpaca does."""
    first = datetime.fromtimestamp(timeframe.bucket(int(part.start.timestamp())), UTC)
    # a bar that began before `start` is left out, one that began before `end` is shown whole
    beyond = min(part.end + timedelta(days=367), venue.now + TICK)
    if first > beyond:
        return
    bars = _fine_enough(venue, _known(venue, symbol, first, max(beyond, first)), part, timeframe)
    low, high = part.start.timestamp(), part.end.timestamp()
    rows = (candle for candle in candles(_until(bars, timeframe, part.end), timeframe) if low <= candle.start <= high)
    yield from reversed(list(rows)) if part.descending else rows


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


def _fine_enough(venue: Venue, bars: Bars, part: Range, timeframe: Timeframe) -> Bars:
    """Return bars that the timeframe can be made of: those of the tape, or minutes where they are too long for it."""
    minutes, base = timeframe.minutes, int(bars.span.total_seconds() // 60) or 1
    if minutes is None or minutes % base == 0:
        return bars
    if isinstance(venue.plan.tape, HasHistory):
        raise ApiError(400, f"invalid timeframe: the prices here are {base}-minute bars, {minutes}Min cannot be made")
    tape, now = venue.engine.tape_bars(bars.symbol), venue.now.timestamp()
    first = bisect_right(tape.start, part.start.timestamp() // 60 * 60 - base * 60 - minutes * 60)
    last = bisect_right(tape.start, min(part.end.timestamp() + minutes * 60, now))
    # no more than a page can take with what is cut off at its edges
    most = (part.limit + 2) * (minutes // base + 2) if minutes > base else (part.limit + 2) // (base // minutes) + 3
    first, last = (max(first, last - most), last) if part.descending else (first, min(last, first + most))
    return in_minutes(tape.slice(first, max(first, last)), now)


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
    return quote_row(quote.at + venue.skew, quote.bid, quote.ask)


def quote_row(at: datetime, bid: Decimal, ask: Decimal) -> dict[str, Json]:
    """Return one quote, of a round lot on both sides."""
    return {
        "ap": number(ask),
        "as": int(LOT),
        "ax": VENUE,
        "bp": number(bid),
        "bs": int(LOT),
        "bx": VENUE,
        "c": ["R"],
        "t": nanos(at),
        "z": TAPE,
    }


def _trade(venue: Venue, symbol: str) -> dict[str, Json] | None:
    try:
        trade = venue.engine.last_trade(symbol)
    except Refusal:
        return None
    at = trade.at + venue.skew
    return trade_row(at, trade.price, int(trade.size), micros(at))


def trade_row(at: datetime, price: Decimal, size: int, trade_id: int) -> dict[str, Json]:
    """Return one trade."""
    return {
        "c": ["@"],
        "i": trade_id,
        "p": number(price),
        "s": max(size, 1),
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
    check_feed(params)
    found = {symbol: latest(venue, symbol) for symbol in wanted(params)}
    return {symbol: value for symbol, value in found.items() if value is not None}


def _of_one(venue: Venue, call: Call, latest: Latest, what: str) -> tuple[str, Mapping[str, Json]]:
    check_feed(Params(call, bad_parameter))
    symbol = checked(call.parts["symbol"].upper())
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
