"""An exchange calendar for tests: every weekday is a session, unless told otherwise."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from ztrade.domain.schedule import Session

_NEW_YORK = ZoneInfo("America/New_York")


class PlainCalendar:
    """Twin of the packaged calendar: Monday to Friday, 09:30 to 16:00 New York.

    Args:
        holidays: weekdays on which the exchange stays closed.
        half_days: sessions that end at 13:00.
    """

    def __init__(self, holidays: Collection[date] = (), half_days: Collection[date] = ()) -> None:
        self._holidays, self._half_days = frozenset(holidays), frozenset(half_days)

    def session(self, day: date) -> Session | None:
        """Return the session of one New York day, None when the exchange is closed all day."""
        if day.weekday() >= 5 or day in self._holidays:
            return None
        half = day in self._half_days
        return Session(
            day,
            _utc(day, time(9, 30)),
            _utc(day, time(13) if half else time(16)),
            _utc(day, time(4)),
            _utc(day, time(17) if half else time(20)),
        )

    def sessions(self, first: date, last: date) -> Sequence[Session]:
        """Return the sessions from ``first`` to ``last``, both included, in order."""
        days = (first + timedelta(days=offset) for offset in range((last - first).days + 1))
        return [session for session in map(self.session, days) if session]


def _utc(day: date, at: time) -> datetime:
    return datetime.combine(day, at, _NEW_YORK).astimezone(UTC)
