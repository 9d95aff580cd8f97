"""Strategies, by the names that agent files use. Pure: numpy and TA-Lib only, no clock, no I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ztrade.errors import ConfigError
from ztrade.strategies import mean_reversion, momentum
from ztrade.strategies.strategy import Strategy

REGISTRY: Mapping[str, Callable[[Mapping[str, float]], Strategy]] = {
    "mean_reversion": mean_reversion.create,
    "momentum": momentum.create,
}


def create(name: str, parameters: Mapping[str, float]) -> Strategy:
    """Return the strategy of an agent file's ``[strategy]`` table.

    Raises:
        ConfigError: no strategy has this name, or a parameter is unknown or out of range; the allowed ones are named.
    """
    if name not in REGISTRY:
        raise ConfigError("strategy name", f"{name!r} is not a strategy", fix=f"one of {', '.join(sorted(REGISTRY))}")
    return REGISTRY[name](parameters)
