"""News from a list."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ztrade.domain.types import NewsItem


class ListNews:
    """Twin of the news adapter.

    Args:
        items: all stories there are.
        down: raised by every question, as when the source is down.
    """

    def __init__(self, items: Sequence[NewsItem] = (), down: Exception | None = None) -> None:
        self.items = list(items)
        self.down = down

    def news(self, symbol: str, start: datetime, end: datetime, limit: int = 50) -> Sequence[NewsItem]:
        """Return stories tagged with ``symbol`` published in [start, end], newest first."""
        if self.down is not None:
            raise self.down
        found = [item for item in self.items if symbol in item.symbols and start <= item.at <= end]
        return sorted(found, key=lambda item: item.at, reverse=True)[: max(limit, 0)]
