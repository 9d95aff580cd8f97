"""Instants as whole microseconds, and which of them belong to a session.

Inside the core an instant is an integer count of microseconds since 1970: exact, cheap to compare, and the same
whatever route the clock took to it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from ztrade.domain.schedule import Session

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO = timedelta(microseconds=1)


def micros(at: datetime) -> int:
    """Return an aware instant as microseconds since 1970.

    Raises:
        ValueError: the datetime is naive.
    """
    if at.tzinfo is None:
        raise ValueError(f"{at.isoformat()} has no time zone")
    return (at - EPOCH) // _MICRO


@lru_cache(maxsize=256)  # one moment is asked for from all sides
def instant(us: int) -> datetime:
    """Return microseconds since 1970 as an aware UTC datetime."""
    return EPOCH + timedelta(microseconds=us)


class Hours:
    """The calendar's sessions, with early closes on demand."""

    def __init__(self, sessions: Sequence[Session]) -> None:
        self.sessions: tuple[Session, ...] = tuple(sorted(sessions, key=lambda session: session.open))
        self._index()

    def _index(self) -> None:
        self.pre = [micros(session.pre_open) for session in self.sessions]
        self.open = [micros(session.open) for session in self.sessions]
        self.close = [micros(session.close) for session in self.sessions]
        self.post = [micros(session.post_close) for session in self.sessions]

    def __len__(self) -> int:
        return len(self.sessions)

    def window(self, at: int, extended: bool) -> tuple[int, int] | None:
        """Return the trading hours that contain ``at`` as [begin, end), None where the exchange is closed."""
        begins, ends = (self.pre, self.post) if extended else (self.open, self.close)
        row = bisect_right(begins, at) - 1
        if row < 0 or at >= ends[row]:
            return None
        return begins[row], ends[row]

    def serving(self, at: int, extended: bool) -> int | None:
        """Return the row of the session in which an order given at ``at`` is good; None after the last one."""
        row = bisect_right(self.post if extended else self.close, at)
        return row if row < len(self.sessions) else None

    def row_of(self, day: date) -> int | None:
        """Return the row of the session on ``day``, or of the first one after it."""
        for row, session in enumerate(self.sessions):
            if session.day >= day:
                return row
        return None

    def close_early(self, row: int, at: int) -> None:
        """Let one session end at ``at``."""
        session = self.sessions[row]
        shorter = replace(session, close=instant(at), post_close=max(session.post_close, instant(at)))
        self.sessions = (*self.sessions[:row], shorter, *self.sessions[row + 1 :])
        self._index()
