"""Stories from a file that somebody else keeps writing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from ztrade.domain.types import NewsItem
from ztrade.errors import DataError, ExchangeUnavailable


class FileNews:
    """:class:`~ztrade.ports.News` over a file of stories, which is read again when it has changed.

    Args:
        path: the file.
        load: reads it.
    """

    def __init__(self, path: Path, load: Callable[[Path], Sequence[NewsItem]]) -> None:
        self._path, self._load = path, load
        self._lock = threading.Lock()
        self._read: tuple[tuple[int, int], Sequence[NewsItem]] | None = None

    def news(self, symbol: str, start: datetime, end: datetime, limit: int = 50) -> Sequence[NewsItem]:
        """Return the file's stories of [start, end] on the symbol, newest first. Raises TemporaryError: unreadable."""
        found = [item for item in self._stories() if symbol in item.symbols and start <= item.at <= end]
        return sorted(found, key=lambda item: item.at, reverse=True)[: max(limit, 0)]

    def _stories(self) -> Sequence[NewsItem]:
        with self._lock:
            try:
                state = self._path.stat()
                stamp = (state.st_mtime_ns, state.st_size)
                if self._read is None or self._read[0] != stamp:
                    self._read = (stamp, self._load(self._path))
            except (OSError, DataError, UnicodeError) as error:
                raise ExchangeUnavailable(f"{self._path.name}: {error}") from error
            return self._read[1]
