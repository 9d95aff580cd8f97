"""A tape's bars as the strategies read them: 5 minutes, regular hours, complete."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta
from math import ceil

from ztrade.domain.schedule import Session
from ztrade.domain.types import Bars

SPAN = 300
#: decimals of a price, as the served exchange writes them; a split-adjusted file may have more, and a decision at a
#: threshold must not depend on them
PLACES = 6


class RegularBars:
    """The 5-minute bars of regular hours of one tape, made once and shown up to the clock.

    Bars of a smaller span are put together by their 5 minutes; where parts are missing, of those that are there.
    Prices and volumes are rounded as the served exchange writes them.

    Raises:
        ValueError: the tape's span does not divide 5 minutes.
    """

    def __init__(self, source: Bars, sessions: Sequence[Session]) -> None:
        span = int(source.span.total_seconds())
        if span < 1 or SPAN % span:
            raise ValueError(f"{source.symbol}: bars of {source.span} cannot be put together to 5 minutes")
        self.source = source
        self._bars = _regular(source, span, sessions)
        # a search in a list makes no new numbers
        self._starts = list(self._bars.start)

    def complete(self, start: datetime, end: datetime, now: datetime) -> Bars:
        """Return the bars that begin in [start, end) and were complete at ``now``, as views."""
        starts = self._starts
        first = bisect_left(starts, ceil(start.timestamp()))
        last = min(bisect_left(starts, ceil(end.timestamp())), bisect_right(starts, now.timestamp() - SPAN))
        return self._bars.slice(first, max(first, last))


def _regular(source: Bars, span: int, sessions: Sequence[Session]) -> Bars:
    rows: dict[int, list[float]] = {}
    for session in sessions:
        first = bisect_left(source.start, int(session.open.timestamp()))
        last = bisect_right(source.start, int(session.close.timestamp()) - span)
        for row in range(first, last):
            _put_together(rows, source, row)
    places = (PLACES, PLACES, PLACES, PLACES, 0)
    columns = [array("d", [round(row[n], places[n]) for row in rows.values()]) for n in range(5)]
    return Bars(source.symbol, timedelta(seconds=SPAN), array("q", rows), *columns)


def _put_together(rows: dict[int, list[float]], source: Bars, row: int) -> None:
    """Put one bar into its 5 minutes."""
    start = source.start[row] - source.start[row] % SPAN
    high, low, close, volume = source.high[row], source.low[row], source.close[row], source.volume[row]
    kept = rows.get(int(start))
    if kept is None:
        rows[int(start)] = [source.open[row], high, low, close, volume]
    else:
        kept[1:] = [max(kept[1], high), min(kept[2], low), close, kept[4] + volume]
