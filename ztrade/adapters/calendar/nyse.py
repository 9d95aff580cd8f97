"""Sessions of the New York Stock Exchange, from the rules that exchange_calendars packages."""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

from ztrade.adapters.calendar.table import Table, load
from ztrade.domain.schedule import Session
from ztrade.errors import ConfigError

NEW_YORK = ZoneInfo("America/New_York")

#: days that can be asked for; past the end the rules are still computed, but nobody has announced those closings yet
FIRST_DAY = date(2000, 1, 1)
LAST_DAY = date(2040, 12, 31)

PRE_OPEN = time(4)
POST_CLOSE = time(20)
#: Nasdaq and NYSE Arca end late trading at 17:00 New York on days that close at 13:00
HALF_DAY_POST_CLOSE = time(17)
HALF_DAY_ENDS_BEFORE = time(16)


_load = lru_cache(maxsize=4)(load)


class NyseCalendar:
    """:class:`~ztrade.ports.Calendar` of the NYSE, holidays, early closes and both clock changes included.

    Nothing is loaded before the first question. Safe to share between threads.

    Args:
        first: the first New York day that can be asked for.
        last: the last one.
        kept: a directory in which the answer is kept for the next process, whose first question then takes a
            millisecond instead of a second; for commands that only show, because others may write there.
    """

    def __init__(self, first: date = FIRST_DAY, last: date = LAST_DAY, kept: Path | None = None) -> None:
        self._first, self._last, self._kept = first, last, kept
        self._lock = threading.Lock()

    def session(self, day: date) -> Session | None:
        """Return the session of one New York day, None when the exchange is closed all day.

        Raises:
            ConfigError: the packaged calendar does not reach that day, so nobody knows whether it trades.
        """
        found = self.sessions(day, day)
        return found[0] if found else None

    def sessions(self, first: date, last: date) -> Sequence[Session]:
        """Return the sessions from ``first`` to ``last``, both included, in order; empty when ``first > last``.

        Raises:
            ConfigError: the packaged calendar does not reach one of the days.
        """
        begin, end = self._ordinal(first), self._ordinal(last)
        with self._lock:
            return _between(_load(self._first, self._last, kept=self._kept), begin, end)

    def _ordinal(self, day: date) -> int:
        plain = _plain_day(day)
        if not self._first <= plain <= self._last:
            raise ConfigError(
                "exchange calendar",
                f"{plain} lies outside {self._first} to {self._last}",
                "the packaged calendar does not say whether the exchange trades on that day",
                "ask for a day inside that range; if the machine's date is wrong, set it",
            )
        return plain.toordinal()


def _plain_day(day: date) -> date:
    # a datetime is a date too, and would be taken for its UTC day without a word
    if isinstance(day, datetime):
        raise TypeError(f"a New York day is needed, not the instant {day.isoformat()}")
    return day


@lru_cache(maxsize=64)
def _between(table: Table, begin: int, end: int) -> Sequence[Session]:
    """Return the sessions of some ordinal days; every cycle of a day asks for the same ones."""
    rows = range(bisect_left(table.days, begin), bisect_right(table.days, end))
    return tuple(_session(table.days[row], table.opens[row], table.closes[row]) for row in rows)


@lru_cache(maxsize=512)
def _session(ordinal: int, opens: int, closes: int) -> Session:
    day = date.fromordinal(ordinal)
    close = datetime.fromtimestamp(closes, UTC)
    half_day = close.astimezone(NEW_YORK).time() < HALF_DAY_ENDS_BEFORE
    return Session(
        day=day,
        open=datetime.fromtimestamp(opens, UTC),
        close=close,
        pre_open=_new_york(day, PRE_OPEN),
        post_close=_new_york(day, HALF_DAY_POST_CLOSE if half_day else POST_CLOSE),
    )


def _new_york(day: date, at: time) -> datetime:
    return datetime.combine(day, at, NEW_YORK).astimezone(UTC)


def new_york_day(at: datetime) -> date:
    """Return the New York day of an instant: the day to ask the calendar for."""
    return at.astimezone(NEW_YORK).date()
