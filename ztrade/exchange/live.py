"""A tape that grows while it plays: each quote of the real market becomes a small bar for the engine to match on.

The engine sees one-second bars at the moments of the quotes. What clients ask for as bars is the real market's own
5-minute history, kept beside them.
"""

from __future__ import annotations

import logging
from array import array
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ztrade.domain.types import Bars, NewsItem, Quote, rows_of
from ztrade.errors import NotFound, TemporaryError
from ztrade.ports import MarketData, News

log = logging.getLogger(__name__)

SECOND = timedelta(seconds=1)
FIVE_MINUTES = timedelta(minutes=5)
HISTORY = timedelta(days=30)
NEWS_BACK = timedelta(days=3)
#: how often quotes are asked for, and after how many of those the history and the news are
EVERY = timedelta(seconds=5)
SLOW = 12
#: shares that a quote without sizes stands for
UNKNOWN_SIZE = 10_000.0
#: quotes kept for each symbol: three sessions
MOST_QUOTES = 15_000


@dataclass(slots=True)
class Fetched:
    """What one round of asking brought; whatever failed is simply not in it."""

    quotes: dict[str, Quote] = field(default_factory=dict)
    history: dict[str, Bars] = field(default_factory=dict)
    stories: list[NewsItem] = field(default_factory=list)


class LiveTape:
    """:class:`~ztrade.exchange.tape.Tape` over the ports of a real market.

    :meth:`fetch` asks and may block: call it on a thread. :meth:`take` changes the tape: call it where the engine runs.

    Args:
        market: quotes and bars.
        news: stories.
        symbols: what is traded.
        wall: wall time, aware UTC.
    """

    def __init__(self, market: MarketData, news: News, symbols: Sequence[str], wall: Callable[[], datetime]) -> None:
        self.every = EVERY
        self._market, self._source, self._wall = market, news, wall
        self._symbols = sorted(symbols)
        self._history: dict[str, Bars] = {}
        self._ticks = {symbol: _Ticks() for symbol in self._symbols}
        self._stories: dict[str, NewsItem] = {}
        self._round = 0

    # -- the tape ----------------------------------------------------------------------------------------------------
    def symbols(self) -> Sequence[str]:
        return self._symbols

    def bars(self, symbol: str) -> Bars:
        return self._ticks[symbol].bars(symbol)

    def news(self) -> Sequence[NewsItem]:
        return sorted(self._stories.values(), key=lambda story: (story.at, story.id))

    def halted(self, symbol: str, at: datetime) -> bool:
        """Return False: the ports do not tell of halts; a halted stock is one whose quotes stand still."""
        _ = symbol, at
        return False

    def history(self, symbol: str, start: datetime, end: datetime) -> Bars:
        """Return the complete 5-minute bars that begin in [start, end). Raises KeyError for an unknown symbol."""
        bars = self._history[symbol]
        complete = min(end, self._wall() - FIVE_MINUTES + SECOND)
        first, last = (bisect_left(bars.start, at.timestamp()) for at in (start, complete))
        return bars.slice(first, max(first, last))

    # -- growing -----------------------------------------------------------------------------------------------------
    def load(self) -> None:
        """Ask for the history, the news and the first quotes.

        Raises:
            TemporaryError: the market does not answer.
            AccessDenied: the keys are wrong.
            NotFound: a symbol is not there.
        """
        now = self._wall()
        for symbol in self._symbols:
            self._history[symbol] = self._market.bars(symbol, now - HISTORY, now)
            self._ticks[symbol].begin(self._history[symbol])
        stories = {symbol: self._source.news(symbol, now - NEWS_BACK, now) for symbol in self._symbols}
        quotes = {symbol: self._market.quote(symbol) for symbol in self._symbols}
        for symbol, quote in quotes.items():
            self._ticks[symbol].add(int(quote.at.timestamp()), quote)
        self.take(Fetched(stories=[story for found in stories.values() for story in found]))

    def fetch(self) -> Fetched:
        """Ask for what is new; a market that does not answer leaves prices as old as they are."""
        self._round += 1
        found, now = Fetched(), self._wall()
        for symbol in self._symbols:
            try:
                found.quotes[symbol] = self._market.quote(symbol)
                if self._round % SLOW == 0:
                    found.history[symbol] = self._market.bars(symbol, now - timedelta(days=1), now)
                    found.stories.extend(self._source.news(symbol, now - timedelta(hours=1), now))
            except (TemporaryError, NotFound) as error:
                log.warning("exchange.feed_failed: %s: %s", symbol, error)
        return found

    def take(self, found: Fetched) -> None:
        """Put what was fetched on the tape, at the next second: the past of a tape does not change."""
        second = int(self._wall().timestamp()) + 1
        for symbol, quote in found.quotes.items():
            self._ticks[symbol].add(second, quote)
        for symbol, bars in found.history.items():
            self._history[symbol] = _joined(self._history[symbol], bars)
        self._stories.update((story.id, story) for story in found.stories)


class _Ticks:
    """One-second bars of one symbol."""

    def __init__(self) -> None:
        self._start = array("q")
        self._price = array("d")
        self._volume = array("d")
        self._quoted: datetime | None = None

    def begin(self, history: Bars) -> None:
        """Take the closes of the history as the first ticks, so that yesterday's close is known."""
        for start, *_, close, volume in rows_of(history):
            self._append(int((start + history.span - SECOND).timestamp()), close, volume)

    def add(self, second: int, quote: Quote) -> None:
        """Add a quote that is newer than the last; the same one again is a price that grows old, not a new price."""
        if quote.bid <= 0 or quote.ask <= 0 or (self._quoted is not None and quote.at <= self._quoted):
            return
        self._quoted = quote.at
        self._append(second, float(quote.mid), float(quote.bid_size + quote.ask_size) or UNKNOWN_SIZE)

    def _append(self, second: int, price: float, volume: float) -> None:
        if self._start and second <= self._start[-1]:
            return
        for column, value in ((self._price, price), (self._volume, volume)):
            column.append(value)
        self._start.append(second)
        for grown in (self._start, self._price, self._volume):
            del grown[: max(len(grown) - MOST_QUOTES, 0)]

    def bars(self, symbol: str) -> Bars:
        price = array("d", self._price)
        return Bars(symbol, SECOND, array("q", self._start), price, price, price, price, array("d", self._volume))


def _joined(old: Bars, new: Bars) -> Bars:
    """Return the old bars up to where the new ones begin, and the new ones."""
    if not len(new):
        return old
    keep = bisect_left(old.start, new.start[0])
    columns: Mapping[str, array[float]] = {
        name: array("d", [*getattr(old, name)[:keep], *getattr(new, name)])
        for name in ("open", "high", "low", "close", "volume")
    }
    return Bars(old.symbol, old.span, array("q", [*old.start[:keep], *new.start]), **columns)
