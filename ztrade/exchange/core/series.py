"""One symbol's bars with a cursor, so that a clock that only moves forward never searches."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from ztrade.domain.types import Bars
from ztrade.exchange.core.hours import Hours
from ztrade.exchange.core.path import Path, bar_path, first_touch, price_at

SECOND = 1_000_000
#: rows whose highest and lowest price are known at once
BLOCK = 64


@dataclass(frozen=True, slots=True)
class Want:
    """What an order waits for: the first price at ``level`` or beyond (any price where ``level`` is None)."""

    level: float | None
    below: bool
    extended: bool


class Series:
    """Bars as columns; instants in microseconds."""

    __slots__ = ("_cursor", "_highs", "_lows", "bars", "close", "high", "low", "open", "span", "starts", "volume")

    def __init__(self, bars: Bars) -> None:
        self.bars = bars
        self.span = int(bars.span.total_seconds()) * SECOND
        self.starts = array("q", (start * SECOND for start in bars.start))
        self.open, self.high, self.low, self.close = bars.open, bars.high, bars.low, bars.close
        self.volume = bars.volume
        blocks = range(0, len(self.starts), BLOCK)
        self._lows = [min(self.low[row : row + BLOCK]) for row in blocks]
        self._highs = [max(self.high[row : row + BLOCK]) for row in blocks]
        self._cursor = -1

    def row(self, at: int) -> int:
        """Return the row of the last bar that began at ``at`` or before, -1 where there is none."""
        row, starts = self._cursor, self.starts
        last = len(starts) - 1
        if row >= 0 and starts[row] <= at:
            for _ in range(3):
                if row == last or starts[row + 1] > at:
                    self._cursor = row
                    return row
                row += 1
        self._cursor = row = bisect_right(starts, at) - 1
        return row

    def path(self, row: int) -> Path:
        """Return the path of one bar."""
        return bar_path(self.starts[row], self.span, (self.open[row], self.high[row], self.low[row], self.close[row]))

    def price(self, at: int) -> tuple[float, int] | None:
        """Return the last price at ``at`` and when it was made; None before the first bar."""
        row = self.row(at)
        if row < 0:
            return None
        begin = self.starts[row]
        if at >= begin + self.span:
            return self.close[row], begin + self.span
        return (self.open[row] if at == begin else price_at(self.path(row), at)), at

    def complete(self, start: int, end: int, now: int) -> Bars:
        """Return the bars that begin in [start, end) and were complete at ``now``."""
        first = bisect_left(self.starts, start)
        last = min(bisect_left(self.starts, end), bisect_right(self.starts, now - self.span))
        return self.bars.slice(first, max(first, last))

    def find(self, want: Want, begin: int, hours: Hours) -> tuple[int, float] | None:
        """Return the first instant from ``begin`` on, in trading hours, at which ``want`` is met, and the price."""
        for row in self._candidates(want, max(bisect_right(self.starts, begin) - 1, 0)):
            found = self._in_bar(row, want, begin, hours)
            if found is not None:
                return found
        return None

    def _candidates(self, want: Want, first: int) -> Iterator[int]:
        """Yield the rows from ``first`` on whose range reaches the level; blocks that do not are skipped as a whole."""
        level, rows = want.level, len(self.starts)
        if level is None:
            yield from range(first, rows)
            return
        column, extremes = (self.low, self._lows) if want.below else (self.high, self._highs)
        for block in range(first // BLOCK, len(extremes)):
            if (extremes[block] <= level) if want.below else (extremes[block] >= level):
                for row in range(max(first, block * BLOCK), min(rows, (block + 1) * BLOCK)):
                    if (column[row] <= level) if want.below else (column[row] >= level):
                        yield row

    def _in_bar(self, row: int, want: Want, begin: int, hours: Hours) -> tuple[int, float] | None:
        start = max(self.starts[row], begin)
        end = self.starts[row] + self.span
        window = hours.window(start, want.extended) if start < end else None
        if window is None:
            return None
        if want.level is None:
            return start, price_at(self.path(row), start)
        return first_touch(self.path(row), want.level, want.below, start, min(end, window[1]))

    def scaled(self, since: int, price_factor: float) -> Series:
        """Return the series with the bars that begin at ``since`` or later in other terms (a split)."""
        first = bisect_left(self.starts, since)
        columns = [array("d", column) for column in (self.open, self.high, self.low, self.close, self.volume)]
        for number, column in enumerate(columns):
            factor = 1 / price_factor if number == 4 else price_factor
            for row in range(first, len(column)):
                column[row] *= factor
        return Series(Bars(self.bars.symbol, self.bars.span, self.bars.start, *columns))
