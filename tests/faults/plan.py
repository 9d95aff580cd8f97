"""What happens in every run: one agent that buys in one slot, holds, and sells in another; and how fast."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from ztrade.domain.decision import MarketView, Signal

OPEN = datetime(2022, 8, 22, 13, 30, tzinfo=UTC)
DAY = timedelta(days=1)
EVERY = timedelta(minutes=5)
AGENT, SYMBOL = "spy", "SPY"
#: the agent beside it, where a fault is to spare one
NEIGHBOUR, ITS_SYMBOL = "qqq", "QQQ"
#: what the strategy says in each slot: it goes on saying so until the agent has, or has left, its position
SCRIPT = "hBBBBBhXXXXXh"
SLOTS = len(SCRIPT)
ENTRY, HOLD, EXIT = 2, 4, 8
LIMIT = Decimal(5000)

_SAYS = {
    "B": Signal(0.9, 0.9, ("scripted buy",)),
    "X": Signal(0.0, 0.0, (), exit_reason="scripted exit"),
    "h": Signal(0.0, 0.5, ("scripted hold",)),
}


#: the day before a holiday's weekend, which closes at 13:00, and the next session
EARLY = datetime(2022, 11, 25, 14, 30, tzinfo=UTC)
#: seconds of exchange time in one, where time runs: a slot takes as long as two leases
SPEED = 40.0


@dataclass(frozen=True, slots=True)
class Hour:
    """The slots of a run, and how its time passes; a run is a process of its own, so it may choose for itself.

    ``opens`` is the open of each of its sessions, ``slots`` those of all of them; ``speed`` None is stepped.
    """

    opens: tuple[datetime, ...]
    slots: tuple[datetime, ...]
    speed: float | None = None


def _two_days(first: datetime, second: datetime, last: int) -> Hour:
    """Return the last seven slots of a session that has so many, and the first of the next session."""
    slots = [first + k * EVERY for k in range(last - 6, last + 1)]
    slots += [second + k * EVERY for k in range(1, SLOTS + 1 - len(slots))]
    return Hour((first, second), tuple(slots))


_DAY = Hour((OPEN,), tuple(OPEN + k * EVERY for k in range(1, SLOTS + 1)))
#: by what a fault needs of time; the first hour of a session where it needs nothing
HOURS = {
    "night": _two_days(OPEN, OPEN + DAY, 77),
    "early": _two_days(EARLY, EARLY + 3 * DAY, 41),
    "running": replace(_DAY, speed=SPEED),
}
_CHOSEN = [_DAY]


def choose(needs: str) -> Hour:
    """Let this process' run be of the hour that a fault needs, and return it."""
    _CHOSEN[0] = HOURS.get(needs, _DAY)
    return _CHOSEN[0]


def days() -> tuple[date, date]:
    """Return the first and the last day that the exchange must have prices of: a few before the run's own."""
    hour = _CHOSEN[0]
    return hour.opens[0].date() - 21 * DAY, hour.opens[-1].date() + 3 * DAY


def slot(number: int) -> datetime:
    """Return the instant of the ``number``-th slot, from 1 on."""
    return _CHOSEN[0].slots[number - 1]


def number_of(at: datetime) -> int:
    """Return the number of the slot in which ``at`` lies, 0 before the first."""
    return bisect_right(_CHOSEN[0].slots, at)


def start() -> datetime:
    """Return where exchange time begins; where it runs, early enough for everything to have started."""
    return slot(1) - timedelta(minutes=12 if _CHOSEN[0].speed else 4)


def until() -> datetime:
    """Return where it ends."""
    return slot(SLOTS) + timedelta(minutes=2)


def word(at: datetime) -> str:
    """Return what the script says at an instant."""
    number = number_of(at)
    return SCRIPT[number - 1] if 1 <= number <= SLOTS else "h"


@dataclass
class Scripted:
    """A strategy that reads the script."""

    name: str = "scripted"
    min_bars: int = 1
    lookback: int = 5

    def __call__(self, view: MarketView) -> Signal:
        return _SAYS[word(view.at)]
