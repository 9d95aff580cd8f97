"""What every strategy is, and how its parameters are checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ztrade.domain.decision import MarketView, Signal
from ztrade.errors import ConfigError


class Strategy(Protocol):
    """A pure function from what the market shows to a signal, with its needs.

    ``lookback`` is how many complete bars of the timeframe it reads: fewer are fine down to ``min_bars``, more change
    nothing.
    """

    @property
    def name(self) -> str: ...

    @property
    def min_bars(self) -> int: ...

    @property
    def lookback(self) -> int: ...

    def __call__(self, view: MarketView) -> Signal: ...


@dataclass(frozen=True, slots=True)
class Parameter:
    """One number of an agent file's ``[strategy]`` table: its default, its range, and whether it counts something."""

    default: float
    low: float
    high: float
    whole: bool = False
    meaning: str = ""


#: parameters of every strategy: how much may be missing before it refuses to look
COMMON: Mapping[str, Parameter] = {
    "max_hole": Parameter(2, 0, 50, True, "bars of the timeframe that may be missing in a row in the last session"),
    "max_missing": Parameter(6, 0, 500, True, "base bars that may be missing in the last session"),
}


def checked(strategy: str, allowed: Mapping[str, Parameter], given: Mapping[str, float]) -> dict[str, float]:
    """Return every parameter's value: the given one, or its default.

    Raises:
        ConfigError: an unknown name, or a value that is no number or out of its range.
    """
    for name, value in given.items():
        where = f"strategy {strategy}, parameter {name}"
        if name not in allowed:
            raise ConfigError(where, "there is no such parameter", fix=f"one of {', '.join(sorted(allowed))}")
        problem = _problem(allowed[name], value)
        if problem:
            spec = allowed[name]
            raise ConfigError(where, problem, fix=f"{spec.low:g} to {spec.high:g} ({spec.meaning})")
    return {name: float(given.get(name, spec.default)) for name, spec in allowed.items()}


def _problem(spec: Parameter, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return f"{value!r} is not a number"
    if not spec.low <= value <= spec.high:
        return f"{value:g} is out of range"
    if spec.whole and value != int(value):
        return f"{value:g} is not a whole number"
    return ""


def clip(value: float, low: float = -1.0, high: float = 1.0) -> float:
    """Return the value, kept within [low, high]."""
    return min(max(value, low), high)


def time_stop(view: MarketView, bars: int) -> str | None:
    """Return the reason to close a position that has been open for ``bars`` bars; it needs no indicator."""
    if view.held_qty > 0 and view.held_bars >= bars:
        return f"time stop: open for {view.held_bars} bars, {bars} allowed"
    return None
