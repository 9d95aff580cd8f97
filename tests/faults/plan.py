"""What happens in every run: one agent that buys in one slot, holds, and sells in another; and how fast."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from ztrade.domain.decision import MarketView, Signal

OPEN = datetime(2022, 8, 22, 13, 30, tzinfo=UTC)
DAY = timedelta(days=1)
EVERY = timedelta(minutes=5)
AGENT, SYMBOL = "spy", "SPY"
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


class Hour:
    """The slots of a run: its first hour, or, ``overnight``, the end of one session and the beginning of the next.

    A run is a process of its own, so it may choose for itself.
    """

    def __init__(self, *, overnight: bool = False) -> None:
        # 77 slots a session, the last five minutes before the close
        first = range(71, 78) if overnight else range(1, SLOTS + 1)
        second = range(1, SLOTS + 1 - len(first)) if overnight else range(0)
        self.slots = [*(OPEN + k * EVERY for k in first), *(OPEN + DAY + k * EVERY for k in second)]


_CHOSEN = [Hour()]


def choose(hour: Hour) -> None:
    """Let this process' run be of that hour."""
    _CHOSEN[0] = hour


def slot(number: int) -> datetime:
    """Return the instant of the ``number``-th slot, from 1 on."""
    return _CHOSEN[0].slots[number - 1]


def number_of(at: datetime) -> int:
    """Return the number of the slot in which ``at`` lies, 0 before the first."""
    return bisect_right(_CHOSEN[0].slots, at)


def start() -> datetime:
    """Return where exchange time begins."""
    return slot(1) - timedelta(minutes=4)


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
