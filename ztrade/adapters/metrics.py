"""Counters of one process, kept in memory until something exports them."""

from __future__ import annotations

import threading
from collections.abc import Mapping

#: name and sorted labels
Series = tuple[str, tuple[tuple[str, str], ...]]


class Counters:
    """Implements :class:`ztrade.ports.Metrics`; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[Series, float] = {}

    def count(self, name: str, value: float = 1, labels: Mapping[str, str] | None = None) -> None:
        """Add to one series."""
        series = (name, tuple(sorted((labels or {}).items())))
        with self._lock:
            self._values[series] = self._values.get(series, 0.0) + value

    def read(self) -> Mapping[Series, float]:
        """Return every series' value."""
        with self._lock:
            return dict(self._values)
