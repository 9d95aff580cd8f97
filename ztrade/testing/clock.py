"""A clock that tests set by hand."""

from __future__ import annotations

from datetime import datetime, timedelta

from ztrade.domain.types import aware_utc


class FakeClock:
    """Twin of the clocks: exchange time and wall time stand still until told.

    Args:
        now: exchange time, aware.
        wall: wall time, aware; the same as ``now`` where not given.
    """

    def __init__(self, now: datetime, wall: datetime | None = None) -> None:
        self._now = aware_utc(now)
        self._wall = aware_utc(wall or now)

    def now(self) -> datetime:
        """Return exchange time, aware UTC."""
        return self._now

    def wall(self) -> datetime:
        """Return wall time, aware UTC."""
        return self._wall

    def set(self, now: datetime) -> None:
        """Set exchange time; wall time stays."""
        self._now = aware_utc(now)

    def set_wall(self, wall: datetime) -> None:
        """Set wall time; exchange time stays."""
        self._wall = aware_utc(wall)

    def advance(self, by: timedelta) -> datetime:
        """Let both kinds of time pass and return exchange time."""
        self._now += by
        self._wall += by
        return self._now

    def advance_to(self, at: datetime) -> datetime:
        """Move exchange time forward to ``at``, as the embedded exchange does, and never back."""
        self._now = max(self._now, aware_utc(at))
        return self._now
