"""What all questions about past prices have in common: symbols, a feed, a range of time, and pages of it."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ztrade.exchange.server.http import ApiError, Json
from ztrade.exchange.server.params import Params
from ztrade.exchange.server.stamps import midnight, new_york_day, read_day, read_instant
from ztrade.exchange.server.venue import Venue

FEEDS = ("sip", "iex", "otc", "boats", "delayed_sip", "overnight")
MOST_ROWS = 10_000
TICK = timedelta(microseconds=1)

_SYMBOL = re.compile(r"[A-Z][A-Z0-9]{0,9}([./-][A-Z0-9]{1,4})?\Z", re.ASCII)


# -- symbols and feeds -----------------------------------------------------------------------------------------------
def wanted(params: Params) -> list[str]:
    """Return the symbols that are asked for, sorted. Raises ApiError where there is none, or a bad one."""
    symbols = params.symbols()
    if not symbols:
        raise params.refuse("symbols", "query parameter 'symbols' is required")
    return sorted(checked(symbol) for symbol in symbols)


def checked(symbol: str) -> str:
    """Return what may be a symbol. Raises ApiError for anything else."""
    if _SYMBOL.match(symbol) is None:
        raise ApiError(400, f"invalid symbol: {symbol[:50]}")
    return symbol


def check_feed(params: Params) -> None:
    """Refuse a feed that Alpaca has not, and another currency than dollars."""
    params.choice("feed", FEEDS, "sip")
    currency = params.text("currency")
    if currency not in (None, "USD"):
        raise params.refuse("currency", "this exchange serves USD")


def _check_asof(params: Params) -> None:
    text = params.text("asof")
    try:
        known = text in (None, "-") or read_day(text or "") is not None
    except ValueError:
        known = False
    if not known:
        raise params.refuse("asof", f"'{text}' is neither a day like 2022-08-22 nor -")


# -- a range and its pages -------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Range:
    """One page of a range that is asked for; ``after`` is the last row of the page before, as (symbol, instant)."""

    start: datetime
    end: datetime
    limit: int
    descending: bool
    after: tuple[str, datetime] | None

    def resumed(self, symbol: str) -> Range:
        """Return what is left of it for one symbol."""
        if self.after is None or self.after[0] != symbol:
            return self
        if self.descending:
            return replace(self, end=min(self.end, self.after[1] - TICK))
        return replace(self, start=max(self.start, self.after[1] + TICK))


def read_range(venue: Venue, params: Params) -> Range:
    """Read the range and page of a query. Raises ApiError."""
    check_feed(params)
    _check_asof(params)
    start = params.when("start") or midnight(new_york_day(venue.now))
    end = params.when("end", end_of_day=True) or max(venue.now, start)
    if end < start:
        raise ApiError(400, "end should not be before start")
    return Range(
        start=start,
        end=end,
        limit=params.whole("limit", 1000, 1, MOST_ROWS),
        descending=params.choice("sort", ("asc", "desc"), "asc") == "desc",
        after=_read_token(params.text("page_token")),
    )


#: yields one symbol's rows of a range in the order asked for, each with its instant
Rows = Callable[[str, Range], Iterator[tuple[datetime, Json]]]


def one_page(symbols: Sequence[str], asked: Range, rows: Rows) -> tuple[dict[str, list[Json]], str | None]:
    """Return the page's rows by symbol, and the token of the next page, None after the last one."""
    found: dict[str, list[Json]] = {}
    room, last = asked.limit, ("", asked.start)
    for symbol in symbols:
        if asked.after is not None and symbol < asked.after[0]:
            continue
        for at, row in rows(symbol, asked.resumed(symbol)):
            if room == 0:
                return found, _token(*last)
            found.setdefault(symbol, []).append(row)
            room, last = room - 1, (symbol, at)
    return found, None


def _token(symbol: str, at: datetime) -> str:
    return base64.urlsafe_b64encode(f"{symbol}|M|{at:%Y-%m-%dT%H:%M:%S.%f}000Z".encode()).decode()


def _read_token(text: str | None) -> tuple[str, datetime] | None:
    if text is None:
        return None
    try:
        symbol, _, at = base64.b64decode(text, altchars=b"-_", validate=True).decode("ascii").split("|")
        return symbol, read_instant(at)
    except (binascii.Error, UnicodeError, ValueError):
        raise ApiError(400, "invalid page token") from None
