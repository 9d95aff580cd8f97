"""Chance, and the walks that it takes through trends, swings and quiet hours."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import Enum

#: the square root of 3: four uniform numbers have a variance of a third
_ROOT_3 = 1.7320508075688772
#: share of bars with a move out of proportion, and how far out
_SHOCKS, _SHOCK = 0.004, 3.0
#: a night moves as much as this many bars; some nights more
_NIGHT, _WILD_NIGHTS, _WILD = 4.0, 0.06, 3.0
#: how fast a trend that took the walk far from home becomes unlikely to go on
_HOMESICK = 1.5


class Draw:
    """Chance from a text: the same numbers for the same text, on every machine."""

    def __init__(self, key: str) -> None:
        # not for secrets: a market must be the same again
        self.uniform = random.Random(key).random  # noqa: S311

    def whole(self, first: int, last: int) -> int:
        """Return a whole number from ``first`` to ``last``, both included."""
        return first + int(self.uniform() * (last - first + 1))

    def bell(self) -> float:
        """Return a number of mean 0 and variance 1, bell-shaped, within +/-3.5."""
        uniform = self.uniform
        return _ROOT_3 * (uniform() + uniform() + uniform() + uniform() - 2)


def smile(bar: int, bars: int) -> float:
    """Return how lively a bar of the session is beside the day's mean: about 1.8 at the ends, 0.7 at noon."""
    away = (2 * bar + 1) / bars - 1
    return 0.65 + 1.15 * away * away


class _Mood(Enum):
    TREND = 0
    SWING = 1
    QUIET = 2


@dataclass(slots=True)
class Walk:
    """A walk of moves as fractions. ``move`` is its typical size over one bar; ``index`` where it stands, from 1."""

    move: float
    index: float = 1.0
    _mood: _Mood = _Mood.QUIET
    _left: int = 0
    _drift: float = 0.0
    _anchor: float = 1.0

    def night(self, draw: Draw) -> float:
        """Return the move between two sessions."""
        wild = _WILD if draw.uniform() < _WILD_NIGHTS else 1.0
        return self._moved(draw.bell() * self.move * _NIGHT * wild)

    def step(self, draw: Draw, level: float) -> float:
        """Return the move of one bar; ``level`` is the smile's."""
        if self._left <= 0:
            self._change(draw)
        self._left -= 1
        shock = _SHOCK if draw.uniform() < _SHOCKS else 1.0
        chance = draw.bell() * self.move * level * shock
        if self._mood is _Mood.TREND:
            return self._moved(self._drift + chance * 0.8)
        if self._mood is _Mood.SWING:
            return self._moved(chance * 1.2 - 0.12 * (self.index / self._anchor - 1))
        return self._moved(chance * 0.6)

    def _change(self, draw: Draw) -> None:
        turn = draw.uniform()
        self._mood = _Mood.TREND if turn < 0.45 else _Mood.SWING if turn < 0.85 else _Mood.QUIET
        self._left = draw.whole(24, 96)
        self._anchor = self.index
        homesick = min(0.4, max(-0.4, (1 - self.index) * _HOMESICK))
        up = draw.uniform() < 0.5 + homesick
        self._drift = self.move * (0.2 + 0.25 * draw.uniform()) * (1 if up else -1)

    def _moved(self, move: float) -> float:
        self.index *= 1 + move
        return move
