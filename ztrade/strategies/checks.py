"""Why a strategy has nothing to say: warm-up, stale or missing bars, broken numbers, a market that does not move.

Every rule answers with a sentence for a person, or None where it finds nothing wrong.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np

from ztrade.domain.decision import MarketView
from ztrade.strategies.indicators import KEPT, Columns

#: a longer break between sessions than this is an outage: the longest since 2001 is Friday to Wednesday (Sandy, 2012)
LONGEST_BREAK = timedelta(days=5)
#: a close that is this many times the one before (or the reverse) is a split that was not adjusted, or a wrong print
JUMP = 1.4
#: dollars: the smallest tick there is, and far above the highest price ever paid for a share; shares in one bar
LOWEST, HIGHEST, MOST_SHARES = 1e-4, 1e9, 1e15


def why_not_ready(view: MarketView, data: Columns, *, min_bars: int, max_hole: int, max_missing: int) -> str | None:
    """Return why no signal can be made of the view, None when it can.

    Args:
        view: what the strategy sees.
        data: its last bars.
        min_bars: bars that the strategy needs.
        max_hole: bars of the timeframe that may be missing in a row in the last session.
        max_missing: base bars that may be missing in the last session.
    """
    if len(view.bars) < min_bars:
        return f"warm-up: {len(view.bars)} of {min_bars} bars"
    return (
        _broken(view.price, data)
        or _untimely(view, data)
        or _hole(view.bars.span, data, max_hole)
        or _incomplete(view, max_missing)
        or _still(data)
    )


def _broken(price: float, data: Columns) -> str | None:
    if not LOWEST <= price <= HIGHEST:
        return f"the price {price} is not a price"
    flaw, worst = _flaw(data)
    last = price / float(data.close[-1]) if not flaw else 1.0
    worst = max(worst, last, 1 / last)
    if flaw or worst <= JUMP:
        return flaw
    return f"the price jumped by a factor of {worst:.2f}: an unadjusted split or a wrong print"


@lru_cache(maxsize=KEPT)
def _flaw(data: Columns) -> tuple[str | None, float]:
    """Return what is wrong with the numbers, and the largest factor between a close and the one before."""
    prices = np.concatenate((data.open, data.high, data.low, data.close))
    # negated: a comparison with NaN is false, and the largest of anything and NaN is NaN
    if not (float(prices.max()) <= HIGHEST and float(data.volume.max()) <= MOST_SHARES):
        return "a bar is not a number", 1.0
    if float(prices.min()) < LOWEST or float(data.volume.min()) < 0:
        return "a bar has a price of zero or less, or a negative volume", 1.0
    if float((data.high - data.low).min()) < 0:
        return "a bar's high is under its low", 1.0
    step = data.close[1:] / data.close[:-1]
    return None, max(float(step.max()), 1 / float(step.min()))


def _untimely(view: MarketView, data: Columns) -> str | None:
    if _steps(data)[0] <= 0:
        return "the bars are not in order of time"
    end, expected = _end(view), _expected_end(view)
    if end > view.at:
        return f"the last bar ends at {_clock(end)}, after the present"
    if end < expected:
        return f"stale bars: the last one ends at {_clock(end)}, expected one until {_clock(expected)}"
    return None


@lru_cache(maxsize=KEPT)
def _steps(data: Columns) -> tuple[int, int]:
    """Return the least seconds from one bar to the next, and the most within the last session.

    Regular hours keep a session within one day of UTC.
    """
    steps = data.start[1:] - data.start[:-1]
    first = int(data.start.searchsorted(data.start[-1] // 86_400 * 86_400))
    return int(steps.min()), int(steps[first:].max(initial=0))


def _expected_end(view: MarketView) -> datetime:
    """Return the earliest end that the last bar may have at ``view.at``."""
    session, span = view.session, view.bars.span
    if session is None:
        same_day = view.bars.start_at(len(view.bars) - 1).date() == view.at.astimezone(UTC).date()
        return view.at - (span if same_day else LONGEST_BREAK)
    if view.at >= session.close:
        return session.close
    complete = (view.at - session.open) // span
    return session.open + complete * span if complete > 0 else view.at - LONGEST_BREAK


def _end(view: MarketView) -> datetime:
    """Return the end of the last bar, which is not later than its session's close."""
    last, session = len(view.bars) - 1, view.session
    end = view.bars.end_at(last)
    if session is not None and view.bars.start_at(last) < session.close:
        return min(end, session.close)
    return end


def _hole(span: timedelta, data: Columns, allowed: int) -> str | None:
    longest = _steps(data)[1] // int(span.total_seconds()) - 1
    return f"{longest} bars in a row are missing in this session, {allowed} may be" if longest > allowed else None


def _incomplete(view: MarketView, allowed: int) -> str | None:
    if view.missing > allowed:
        return f"{view.missing} base bars are missing in this session, {allowed} may be"
    return None


@lru_cache(maxsize=KEPT)
def _still(data: Columns) -> str | None:
    if data.volume[-1] == 0:
        return "no share was traded in the last bar: halted?"
    if float(data.high[-20:].max()) == float(data.low[-20:].min()):
        return "the price did not move for 20 bars"
    return None


def _clock(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
