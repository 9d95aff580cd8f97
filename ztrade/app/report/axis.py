"""Scales: trading time without the closed hours, and round numbers for values."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ztrade.app.report.text import NEW_YORK
from ztrade.domain.schedule import Session


class TimeAxis:
    """Maps instants to x, one session after the other: nights and weekends take no room.

    Args:
        sessions: in order of time, at least one.
        left: x of the first open.
        right: x of the last close.
    """

    def __init__(self, sessions: Sequence[Session], left: float, right: float) -> None:
        self.sessions, self.left, self.right = tuple(sessions), left, right
        self._opens = [session.open for session in sessions]
        self._before = [timedelta(0)]
        for session in sessions:
            self._before.append(self._before[-1] + (session.close - session.open))

    def x(self, at: datetime) -> float:
        """Return the place of an instant; one outside every session sits at the nearest earlier close or first open."""
        row = bisect_right(self._opens, at) - 1
        if row < 0:
            return self.left
        session = self.sessions[row]
        passed = self._before[row] + min(at, session.close) - session.open
        return self.left + (self.right - self.left) * (passed / self._before[-1])

    def ticks(self) -> Iterator[tuple[datetime, str]]:
        """Yield instants with labels: hours within one session, days over several."""
        if len(self.sessions) > 1:
            yield from self._days()
            return
        session = self.sessions[0]
        at = session.open + timedelta(minutes=30)
        while at < session.close:
            yield at, f"{at.astimezone(NEW_YORK):%H:%M}"
            at += timedelta(hours=1)

    def _days(self) -> Iterator[tuple[datetime, str]]:
        step = math.ceil(len(self.sessions) / 10)
        for session in self.sessions[::step]:
            yield session.open, f"{session.open.astimezone(NEW_YORK):%a %d %b}"


@dataclass(frozen=True, slots=True)
class ValueAxis:
    """Maps values to y; the top of the picture has the smaller y."""

    low: float
    high: float
    top: float
    bottom: float

    def y(self, value: float) -> float:
        return self.bottom - (self.bottom - self.top) * ((value - self.low) / (self.high - self.low))

    def ticks(self, count: int = 4) -> list[float]:
        """Return about ``count`` round values inside the scale."""
        step = _round_step((self.high - self.low) / count)
        first = math.ceil(self.low / step)
        return [row * step for row in range(first, math.floor(self.high / step) + 1)]


def value_axis(values: Sequence[float], top: float, bottom: float) -> ValueAxis:
    """Return a scale that holds the values with a little air; finite values only, at least one."""
    low, high = min(values), max(values)
    air = (high - low) * 0.08 or max(abs(high) * 0.001, 0.01)
    return ValueAxis(low - air, high + air, top, bottom)


def _round_step(raw: float) -> float:
    unit = 10.0 ** math.floor(math.log10(raw))
    return next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= raw * 0.999)
