"""Looks for traces of splits in prices; only reports, never changes a price."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from ztrade.exchange.bars.records import EXAMPLES, Finding, Kind, Row
from ztrade.exchange.bars.sessions import new_york

_RATIOS = (1.5, *range(2, 21), 25, 30, 40, 50, 100)
#: how far an overnight move may lie from the ratio itself: stocks also move on the day of their split
_NEAR = 0.06
#: US stocks trade in hundredths of a cent at the finest
_TICK = 0.0001
_EXACT = 1e-6
_ENOUGH = 20
#: seconds from late trading's end at 20:00 to the pre-market's beginning at 04:00
_NIGHT = 8 * 3600


def suspected_splits(rows: Sequence[Row]) -> list[Finding]:
    """Report overnight jumps by nearly a whole ratio.

    Args:
        rows: of one symbol, in order of time.
    """
    places = []
    for before, after in pairwise(rows):
        # a night is longer than any pause within a day; asking for the day of each bar would cost more than the import
        if after.start - before.start < _NIGHT or new_york(before.start).date() == new_york(after.start).date():
            continue
        if name := _ratio_name(before.prices.close, after.prices.open):
            places.append(
                f"{new_york(after.start).date()}: {before.prices.close:g} to {after.prices.open:g}, about {name}"
            )
    if not places:
        return []
    return [Finding(Kind.SPLIT_SUSPECTED, len(places), "overnight jumps look like splits", tuple(places[:EXAMPLES]))]


def _ratio_name(before: float, after: float) -> str:
    jump = max(before / after, after / before)
    near = [ratio for ratio in _RATIOS if abs(jump / ratio - 1) < _NEAR]
    if not near:
        return ""
    ratio = min(near, key=lambda one: abs(jump / one - 1))
    sides = "3:2" if ratio == 1.5 else f"{ratio}:1"
    return sides if before > after else f"{sides} reverse"


def adjusted_prices(rows: Sequence[Row]) -> list[Finding]:
    """Report prices finer than any exchange quotes: somebody divided them, mostly to adjust them for a later split."""
    fine = [row for row in rows if _is_fine(row.prices.close) or _is_fine(row.prices.open)]
    if not fine:
        return []
    last = new_york(fine[-1].start).date()
    detail = f"{len(fine)} bars up to {last} have prices finer than $0.0001{_divided(fine)}"
    places = tuple(f"{row.place}: close {row.prices.close!r}" for row in fine[:EXAMPLES])
    return [Finding(Kind.ADJUSTED_PRICES, len(fine), detail, places)]


def _is_fine(price: float) -> bool:
    ticks = price / _TICK
    return abs(ticks - round(ticks)) > 1e-4


def _divided(rows: Sequence[Row]) -> str:
    """Return the split that explains the prices: times its ratio, nearly all are whole ticks again."""
    if len(rows) < _ENOUGH:
        return ""
    for ratio in range(2, 21):
        whole = sum(_is_tick(row.prices.close * ratio) and _is_tick(row.prices.open * ratio) for row in rows)
        if whole > 0.95 * len(rows):
            return f": adjusted for a {ratio}:1 split after that day"
    return ": adjusted for splits or dividends after that day"


def _is_tick(price: float) -> bool:
    ticks = price / _TICK
    return abs(ticks - round(ticks)) < max(_EXACT, price * _EXACT)
