"""How a clock moves: standing until stepped, running at a speed, or the machine's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, cast

from ztrade.ports import Clock


@dataclass(frozen=True, slots=True)
class Pace:
    """One reading of a clock. ``speed`` is exchange seconds per wall second; ``stepped`` time moves only when told.

    ``start`` is where the exchange's time began: nothing was due before. ``until`` is where it ends.
    """

    now: datetime
    speed: float = 1.0
    stepped: bool = False
    finished: bool = False
    start: datetime | None = None
    until: datetime | None = None


class SteppedClock(Clock, Protocol):
    """A clock that can be driven."""

    def advance_to(self, at: datetime) -> datetime: ...


class _Status(Protocol):
    now: datetime
    stands: bool
    speed: float
    stepped: bool
    finished: bool
    start: datetime | None
    until: datetime | None


def read_pace(clock: Clock) -> Pace:
    """Return how the clock stands and moves now.

    Raises:
        ExchangeUnavailable: the embedded exchange does not answer.
    """
    status: Callable[[], _Status] | None = getattr(clock, "status", None)
    if status is None:
        return Pace(clock.now())
    seen = status()
    return Pace(seen.now, _speed(seen), seen.stepped, seen.finished, seen.start, seen.until)


def _speed(seen: _Status) -> float:
    # time that stands and is not ours to step is somebody's pause: look again after a wall second
    return seen.speed if seen.speed > 0 and not seen.stands else 1.0


def advance(clock: Clock, at: datetime) -> datetime:
    """Move a stepped clock on. Raises ExchangeUnavailable."""
    return cast("SteppedClock", clock).advance_to(at)
