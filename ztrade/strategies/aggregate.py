"""Base bars (5 minutes, or any other length) to the bars of an agent's timeframe.

Buckets are anchored at each session's open, not at whole hours: 09:30, 10:30, ... New York for an hour. The last bucket
of a session ends at its close, so it may be shorter (15:30 to 16:00). Alpaca's own hourly bars begin at whole hours and
mix the pre-market into the first one, which is why they are not used.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ztrade.domain.schedule import Session
from ztrade.domain.types import Bars

Integers = NDArray[np.int64]

_NO_BUCKETS: Integers = np.empty((2, 0), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Aggregated:
    """Complete bars of the timeframe, and what was not there to make them.

    ``session`` is the one that contains ``now``, or the last that began before it; None where none did. ``missing``
    counts the base bars that ``session`` lacks up to the end of its last complete bucket (for a feed without holes: 0).
    """

    bars: Bars
    session: Session | None
    missing: int = 0


def aggregate(
    bars: Bars, span: timedelta, sessions: Sequence[Session], now: datetime, most: int | None = None
) -> Aggregated:
    """Return the buckets of ``span`` that are complete at ``now``, oldest first; the last ``most`` of them.

    A bucket is complete once min(its start + span, its session's close) is not later than ``now``, whether or not all
    its base bars are there; a bucket without any is left out. Base bars outside ``sessions`` are left out, too.

    Args:
        bars: base bars, in order of time.
        span: the timeframe, a whole multiple of the base bars' span.
        sessions: the sessions that the bars come from, oldest first; ones without bars do no harm.
        now: aware instant.
        most: how many bars are wanted, at least 1; all of them where None.

    Raises:
        ValueError: ``span`` is not a whole multiple of the base bars' span.
    """
    base, size, at = int(bars.span.total_seconds()), int(span.total_seconds()), int(now.timestamp())
    if base <= 0 or size < base or size % base:
        raise ValueError(f"bars of {span} cannot be made from bars of {bars.span}: not a whole multiple")
    starts: Integers = np.frombuffer(bars.start, dtype=np.int64)
    grid = _grid(tuple(sessions), size)
    buckets = grid[:, : grid[1].searchsorted(at, side="right")]
    first, last = starts.searchsorted(buckets)
    filled = (last > first).nonzero()[0]
    if len(filled) and buckets[0, filled[0]] < starts[0]:
        # the bars begin inside this bucket: what a shorter history cut off must not change the bars that follow
        filled = filled[1:]
    filled = filled if most is None else filled[-most:]
    made = _reduce(bars, span, buckets[0][filled], first[filled], last[filled])
    today = next((session for session in reversed(sessions) if session.open <= now), None)
    return Aggregated(made, today, _missing(today, base, bars, buckets))


def held_bars(bars: Bars, opened_at: datetime) -> int:
    """Return how many of the bars were completed after ``opened_at``: the bar in which a position began counts."""
    starts: Integers = np.frombuffer(bars.start, dtype=np.int64)
    return len(starts) - int(starts.searchsorted(opened_at.timestamp() - bars.span.total_seconds(), side="right"))


@lru_cache(maxsize=64)
def _grid(sessions: tuple[Session, ...], size: int) -> Integers:
    """Return begins (row 0) and ends (row 1) of the sessions' buckets, in epoch seconds; the same all day long."""
    grids = [_grid_of(int(session.open.timestamp()), int(session.close.timestamp()), size) for session in sessions]
    return np.concatenate(grids, axis=1) if grids else _NO_BUCKETS


def _grid_of(opens: int, closes: int, size: int) -> Integers:
    begins = np.arange(opens, closes, size, dtype=np.int64)
    return np.stack((begins, np.minimum(begins + size, closes)))


def _reduce(bars: Bars, span: timedelta, begins: Integers, first: Integers, last: Integers) -> Bars:
    """Make one bar of each range of rows [first, last); the ranges are in order and none is empty."""
    if not len(begins):
        return Bars(bars.symbol, span, bars.start[:0], *(bars.close[:0] for _ in range(5)))
    opens, highs, lows, closes, volumes = (
        np.frombuffer(column) for column in (bars.open, bars.high, bars.low, bars.close, bars.volume)
    )
    # reduceat takes the odd ranges, those between the buckets, as well: they are dropped by the step of 2
    edges = np.empty(2 * len(first), dtype=np.int64)
    edges[::2], edges[1::2] = first, last
    edges = edges[:-1] if last[-1] == len(closes) else edges
    columns: tuple[NDArray[Any], ...] = (
        begins,
        opens[first],
        np.maximum.reduceat(highs, edges)[::2].copy(),
        np.minimum.reduceat(lows, edges)[::2].copy(),
        closes[last - 1],
        np.add.reduceat(volumes, edges)[::2].copy(),
    )
    return Bars(bars.symbol, span, *(column.data for column in columns))


def _missing(session: Session | None, base: int, bars: Bars, buckets: Integers) -> int:
    """Return how many base bars ``session`` lacks up to the end of its last complete bucket."""
    if session is None:
        return 0
    begin = int(session.open.timestamp())
    end = int(buckets[1, -1]) if buckets.size and buckets[0, -1] >= begin else begin
    there = bisect_left(bars.start, end) - bisect_left(bars.start, begin)
    return max(0, (end - begin) // base - there)
