"""Counters of one process, kept in memory until something tells them."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from ztrade.domain.spread import Spread

#: name and sorted labels
Series = tuple[str, tuple[tuple[str, str], ...]]


class Counters:
    """Implements :class:`ztrade.ports.Metrics`; safe to use from several threads.

    Args:
        bounds: the upper bounds of each histogram's buckets, by its name.
    """

    def __init__(self, bounds: Mapping[str, tuple[float, ...]] | None = None) -> None:
        self._lock = threading.Lock()
        self._values: dict[Series, float] = {}
        self._bounds, self._spreads = bounds or {}, dict[Series, Spread]()

    def count(self, name: str, value: float = 1, labels: Mapping[str, str] | None = None) -> None:
        """Add to one series."""
        series = _series(name, labels)
        with self._lock:
            self._values[series] = self._values.get(series, 0.0) + value

    def observe(self, name: str, value: float, labels: Mapping[str, str] | None = None) -> None:
        """Put a value into one series' buckets."""
        if name not in self._bounds:
            return
        series = _series(name, labels)
        with self._lock:
            self._spreads.setdefault(series, Spread(self._bounds[name])).add(value)

    def told(self) -> Mapping[str, Sequence[object]]:
        """Return everything as JSON has it: ``counts`` of name, labels and value, ``spreads`` with counts and total."""
        with self._lock:
            counts = [[name, dict(labels), value] for (name, labels), value in self._values.items()]
            spreads = [[name, dict(labels), list(s.counts), s.total] for (name, labels), s in self._spreads.items()]
        return {"counts": counts, "spreads": spreads}


def _series(name: str, labels: Mapping[str, str] | None) -> Series:
    return name, tuple(sorted((labels or {}).items()))
