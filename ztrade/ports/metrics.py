"""What a process counts of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Metrics(Protocol):
    """Counters, gauges and spreads of one process, by the names of the exporter's catalogue; never raises."""

    def count(self, name: str, value: float = 1, labels: Mapping[str, str] | None = None) -> None:
        """Add to a counter."""
        ...

    def observe(self, name: str, value: float, labels: Mapping[str, str] | None = None) -> None:
        """Put a value into a histogram, whose bounds the adapter was made with; one that it does not know is lost."""
        ...
