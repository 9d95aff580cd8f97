"""The exchange's time: stepped by whoever asks, or running at a multiple of wall time. It never goes backwards."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum

#: returns wall time, aware UTC
Wall = Callable[[], datetime]


class Mode(StrEnum):
    STEPPED = "stepped"
    RUNNING = "running"


class ClockRefused(Exception):
    """The clock cannot do that; the message says why."""


class VenueClock:
    """Exchange time.

    Args:
        wall: wall time.
        start: where exchange time begins.
        speed: how many seconds pass in one second of wall time; None is stepped: time stands until told.
        until: exchange time stops here; None is no end.
    """

    def __init__(self, wall: Wall, start: datetime, *, speed: float | None, until: datetime | None = None) -> None:
        self.wall, self.speed, self.until = wall, speed, until
        self.start = start
        self.paused = False
        self._base, self._since = start, wall()

    @property
    def mode(self) -> Mode:
        return Mode.STEPPED if self.speed is None else Mode.RUNNING

    @property
    def finished(self) -> bool:
        return self.until is not None and self.now() >= self.until

    def now(self) -> datetime:
        """Return exchange time, aware UTC, never beyond ``until``, never earlier than before."""
        if self.speed is None or self.paused:
            return self._base
        wall = self.wall()
        passed = max((wall - self._since) / timedelta(seconds=1), 0.0)
        # moved along in steps: wall time that is set back costs nothing but the step in which it happens
        self._base, self._since = self._capped(self._base, passed * self.speed), wall
        return self._base

    def _capped(self, base: datetime, seconds: float) -> datetime:
        ahead = base + timedelta(seconds=seconds)
        return ahead if self.until is None or ahead < self.until else max(self.until, base)

    def resume_at(self, at: datetime) -> None:
        """Take time up where an earlier life of the server left it."""
        self._base, self._since = at, self.wall()

    def advance(self, to: datetime) -> datetime:
        """Go to ``to`` and return the time then; a moment that has passed already changes nothing.

        Raises:
            ClockRefused: ``to`` lies beyond ``until``.
        """
        if self.until is not None and to > self.until:
            raise ClockRefused(f"cannot advance to {to.isoformat()}: the end is {self.until.isoformat()}")
        now = self.now()
        if to > now:
            self.resume_at(to)
        return max(to, now)

    def pause(self, paused: bool) -> None:
        """Stop or go on; in stepped mode time stands anyway.

        Raises:
            ClockRefused: stepped time cannot be made to run.
        """
        if self.speed is None and not paused:
            raise ClockRefused("stepped time does not run: advance it with advance_to, or start with --speed N")
        self.resume_at(self.now())
        self.paused = paused


class LiveClock(VenueClock):
    """Wall time itself, for prices that happen now."""

    def __init__(self, wall: Wall) -> None:
        super().__init__(wall, wall(), speed=1.0)

    def now(self) -> datetime:
        return self.wall()

    def resume_at(self, at: datetime) -> None:
        """Wall time needs nobody to take it up."""

    def advance(self, to: datetime) -> datetime:
        """Raises ClockRefused unless ``to`` has passed: nobody advances the real time."""
        if to > self.now():
            raise ClockRefused("the live feed runs in real time: it cannot be advanced")
        return self.now()

    def pause(self, paused: bool) -> None:  # noqa: ARG002
        """Raises ClockRefused: nobody stops the real time."""
        raise ClockRefused("the live feed runs in real time: it cannot be paused")
