"""What happens in every run: one agent that buys in one slot, holds, and sells in another; and how fast."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from ztrade.domain.decision import MarketView, Signal

OPEN = datetime(2022, 8, 22, 13, 30, tzinfo=UTC)
EVERY = timedelta(minutes=5)
AGENT, SYMBOL = "spy", "SPY"
#: what the strategy says in each slot: it goes on saying so until the agent has, or has left, its position
SCRIPT = "hBBBBBhXXXXXh"
SLOTS = len(SCRIPT)
ENTRY, HOLD, EXIT = 2, 4, 8
UNTIL = OPEN + SLOTS * EVERY + timedelta(minutes=2)
LIMIT = Decimal(5000)

_SAYS = {
    "B": Signal(0.9, 0.9, ("scripted buy",)),
    "X": Signal(0.0, 0.0, (), exit_reason="scripted exit"),
    "h": Signal(0.0, 0.5, ("scripted hold",)),
}


def slot(number: int) -> datetime:
    """Return the instant of the ``number``-th slot, from 1 on."""
    return OPEN + number * EVERY


def number_of(at: datetime) -> int:
    """Return the number of the slot in which ``at`` lies."""
    return int((at - OPEN) / EVERY)


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
