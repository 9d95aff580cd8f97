"""Bars and quotes from Alpaca's market data API, or the embedded exchange's."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from math import inf
from zoneinfo import ZoneInfo

from ztrade.adapters.alpaca import parsing
from ztrade.adapters.alpaca.fields import UnreadableAnswer
from ztrade.adapters.alpaca.gateway import Api, Gateway
from ztrade.domain.types import Bars, Quote
from ztrade.errors import ExchangeUnavailable, InvalidOrder, NotFound
from ztrade.ports import Calendar

SPAN = timedelta(minutes=5)
PAGE = 10_000
MOST_PAGES = 200
_NEW_YORK = ZoneInfo("America/New_York")


class AlpacaMarketData:
    """:class:`~ztrade.ports.MarketData` over Alpaca's market data API. Safe to share between threads.

    Bars are adjusted for splits (not for dividends), so that an overnight split is no crash to an indicator, while
    prices of today stay those that orders are placed at.

    Args:
        gateway: the account's way out.
        calendar: tells regular hours from the rest.
    """

    def __init__(self, gateway: Gateway, calendar: Calendar) -> None:
        self._gateway, self._drift, self._calendar = gateway, gateway.drift, calendar

    def bars(self, symbol: str, start: datetime, end: datetime) -> Bars:
        """Return the 5-minute bars of regular hours that begin in [start, end), oldest first; may be empty.

        What the exchange sends from before the open or after the close is left out.

        Raises:
            UnreadableAnswer: a bar without a price, with a price that is none, or out of order.
        """
        if start >= end:
            return _columns(symbol, ())
        first, last = (at.astimezone(_NEW_YORK).date() for at in (start, end))
        hours = [
            (max(int(session.open.timestamp()), _ceil(start)), min(int(session.close.timestamp()), _ceil(end)))
            for session in self._calendar.sessions(first, last)
        ]
        return _columns(symbol, _during(self._rows(symbol, start, end), hours))

    def _rows(self, symbol: str, start: datetime, end: datetime) -> Iterator[object]:
        params: dict[str, object] = {
            "symbols": symbol,
            "timeframe": "5Min",
            "start": _stamp(start),
            "end": _stamp(end),
            "adjustment": "split",
            "sort": "asc",
            "limit": PAGE,
            **self._feed(),
        }
        for _ in range(MOST_PAGES):
            raw = self._ask("/stocks/bars", params)
            yield from _of_symbol(raw, "bars", symbol)
            token = raw.get("next_page_token")
            if not token:
                return
            if token == params.get("page_token"):
                break
            params["page_token"] = token
        raise UnreadableAnswer(f"bars {symbol}: paging goes in circles")

    def quote(self, symbol: str) -> Quote:
        """Return the latest quote. Raises NotFound for a symbol that is not there."""
        raw = self._ask("/stocks/quotes/latest", {"symbols": symbol, **self._feed()})
        quotes = raw.get("quotes")
        if not isinstance(quotes, dict):
            raise UnreadableAnswer(f"quote {symbol}: quotes is {quotes!r:.120}")
        if symbol not in quotes:
            raise NotFound(f"no quote for {symbol}", status=404)
        return parsing.quote(symbol, quotes[symbol], self._drift)

    def _ask(self, path: str, params: dict[str, object]) -> dict[str, object]:
        try:
            raw = self._gateway.get(Api.DATA, path, params)
        except (InvalidOrder, NotFound) as refusal:
            if "symbol" in str(refusal).lower() or "no quote" in str(refusal).lower():
                raise NotFound(str(refusal), status=refusal.status, code=refusal.code) from refusal
            raise ExchangeUnavailable(f"{path} refused: {refusal}") from refusal
        if not isinstance(raw, dict):
            raise UnreadableAnswer(f"{path}: expected an object, got {raw!r:.120}")
        return raw

    def _feed(self) -> dict[str, object]:
        feed = self._gateway.settings.feed
        return {} if feed is None else {"feed": feed}


def _of_symbol(raw: dict[str, object], key: str, symbol: str) -> Sequence[object]:
    """Return one symbol's list; the key must be there, its null and a symbol that is not in it mean "none"."""
    if key not in raw:
        raise UnreadableAnswer(f"{key} {symbol}: the answer has no {key}")
    by_symbol = {} if raw[key] is None else raw[key]
    found = by_symbol.get(symbol) if isinstance(by_symbol, dict) else by_symbol
    if found is None:
        return ()
    if not isinstance(by_symbol, dict) or not isinstance(found, list):
        raise UnreadableAnswer(f"{key} {symbol}: expected lists by symbol, got {by_symbol!r:.120}")
    return found


#: epoch seconds, open, high, low, close, volume
_Row = tuple[int, float, float, float, float, float]


def _during(raw: Iterator[object], hours: Sequence[tuple[int, int]]) -> Iterator[_Row]:
    """Read the bars and keep those that begin in one of the spans ``hours``, which are in order."""
    spans = iter(hours)
    opens, closes = next(spans, (0, 0))
    before = 0
    for entry in raw:
        row = _row(entry)
        if row[0] <= before:
            raise UnreadableAnswer(f"bars: {entry!r:.120} is not later than the one before it")
        before = row[0]
        while row[0] >= closes and closes:
            opens, closes = next(spans, (0, 0))
        if opens <= row[0] < closes:
            yield row


def _row(entry: object) -> _Row:
    try:
        at = datetime.fromisoformat(entry["t"])  # type: ignore[index]
        numbers = [entry[name] for name in "ohlcv"]  # type: ignore[index]
        first, high, low, last, volume = map(float, numbers)
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableAnswer(f"bars: {error!r} in {entry!r:.120}") from error
    # written out, because a NaN fails every comparison but slips through min and max
    fits = 0 < first < inf and 0 < high < inf and 0 < low < inf and 0 < last < inf and 0 <= volume < inf
    if not fits or at.tzinfo is None:
        raise UnreadableAnswer(f"bars: a number or a stamp is none in {entry!r:.120}")
    return int(at.timestamp()), first, high, low, last, volume


def _columns(symbol: str, rows: Iterator[_Row] | tuple[()]) -> Bars:
    columns = list(zip(*rows, strict=True)) or [()] * 6
    return Bars(symbol, SPAN, array("q", columns[0]), *(array("d", column) for column in columns[1:]))


def _ceil(at: datetime) -> int:
    return int(-(-at.timestamp() // 1))


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
