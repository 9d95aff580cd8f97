"""Where the price is inside a bar.

A bar says four prices and not in which order they came. We assume the shortest path that visits all of them, in three
straight pieces of equal time: open, low, high, close where the bar rises (close >= open), otherwise open, high, low,
close. That is a modelling assumption, the usual one of bar-based simulators; a rising bar dips first, so on it a long
position's stop is met before its target.

Instants are whole microseconds, and whether a level has been reached at an instant is decided by comparing instants,
never by comparing interpolated prices: so the answer does not depend on where the clock stopped in between.
"""

from __future__ import annotations

from itertools import pairwise
from math import ceil, floor

#: (instant in microseconds, price), four of them in order of time
Path = tuple[tuple[int, float], tuple[int, float], tuple[int, float], tuple[int, float]]


def bar_path(begin: int, span: int, prices: tuple[float, float, float, float]) -> Path:
    """Return the path of a bar with ``prices`` open, high, low, close; ``begin`` and ``span`` in microseconds."""
    first, high, low, last = prices
    one, two = (low, high) if last >= first else (high, low)
    return (begin, first), (begin + span // 3, one), (begin + 2 * span // 3, two), (begin + span, last)


def price_at(path: Path, at: int) -> float:
    """Return the price at an instant of the bar; at its beginning exactly its open, at its end its close."""
    for (t0, p0), (t1, p1) in pairwise(path):
        if at < t1:
            return p0 if at <= t0 else p0 + (p1 - p0) * ((at - t0) / (t1 - t0))
    return path[3][1]


def first_touch(path: Path, level: float, below: bool, begin: int, end: int) -> tuple[int, float] | None:
    """Return the first instant in [begin, end) at which the price is at the level or beyond it, and that price.

    ``below``: beyond means lower, otherwise higher.
    """
    for (t0, p0), (t1, p1) in pairwise(path):
        if t1 <= begin:
            continue
        if t0 >= end:
            return None
        found = _touch_in(t0, p0 - level, t1, p1 - level, below)
        if found is None or found[1] < begin:
            continue
        at = max(found[0], begin)
        if at < end:
            beyond = at != found[0] or t0 == at
            return at, price_at(path, at) if beyond else level
    return None


def _touch_in(t0: int, gap0: float, t1: int, gap1: float, below: bool) -> tuple[int, int] | None:
    """Return the first and last instant of one piece at which the level is reached; gaps are price - level."""
    if not below:
        gap0, gap1 = -gap0, -gap1
    if gap0 <= 0:
        return t0, t1 if gap1 <= 0 else t0 + floor(gap0 / (gap0 - gap1) * (t1 - t0))
    if gap1 > 0:
        return None
    return t0 + ceil(gap0 / (gap0 - gap1) * (t1 - t0)), t1
