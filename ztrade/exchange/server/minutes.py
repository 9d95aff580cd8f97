"""One-minute bars out of longer ones: where the path inside a bar, on which orders fill, is at each minute."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

from ztrade.domain.types import Bars, to_price
from ztrade.exchange.core.path import Path, bar_path, price_at

MINUTE = 60
SECOND = 1_000_000
#: where a minute begins, its open, high, low, close and volume
Row = tuple[int, float, float, float, float, float]


def in_minutes(bars: Bars, until: float) -> Bars:
    """Return the bars as one-minute bars, those that are complete at the epoch second ``until``.

    The minutes of a bar add up to it: first open, highest high, lowest low, last close, and its volume.
    """
    made = Bars(bars.symbol, timedelta(minutes=1), array("q"))
    columns = (made.start, made.open, made.high, made.low, made.close, made.volume)
    for number in range(len(bars)):
        for row in _of_bar(bars, number):
            if row[0] + MINUTE <= until:
                for column, value in zip(columns, row, strict=True):
                    column.append(value)  # type: ignore[union-attr, arg-type]
    return made


def _of_bar(bars: Bars, number: int) -> Iterator[Row]:
    start, span = int(bars.start[number]), int(bars.span.total_seconds())
    prices = (bars.open[number], bars.high[number], bars.low[number], bars.close[number])
    path, many, volume = bar_path(start * SECOND, span * SECOND, prices), span // MINUTE, int(bars.volume[number])
    edges = [(start + minute * MINUTE, _price(path, (start + minute * MINUTE) * SECOND)) for minute in range(many + 1)]
    share = volume // many
    for (begin, first), (end, last) in pairwise(edges):
        seen = [first, last, *(price for at, price in path if begin * SECOND < at < end * SECOND)]
        yield (
            begin,
            first,
            max(seen),
            min(seen),
            last,
            float(share if end < start + span else volume - share * (many - 1)),
        )


def _price(path: Path, at: int) -> float:
    """Return the price on the tick, inside the bar's range, or as the tape has it where the path turns."""
    for moment, price in path:
        if moment == at:
            return price
    known = [price for _, price in path]
    return min(max(float(to_price(price_at(path, at))), min(known)), max(known))
