"""Holds bars against the exchange's calendar: which lie in a session, which of a session's bars are missing."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from ztrade.domain.schedule import Session
from ztrade.errors import ConfigError
from ztrade.exchange.bars.records import Kind
from ztrade.ports import Calendar

NEW_YORK = ZoneInfo("America/New_York")
#: sessions that close earlier are half days
_FULL_CLOSE = time(16)
_SATURDAY = 5


def new_york(start: int) -> datetime:
    """Return the New York time of an instant in epoch seconds."""
    return datetime.fromtimestamp(start, NEW_YORK)


@dataclass(frozen=True, slots=True)
class Sessions:
    """The sessions around some bars. ``first`` and ``last`` are the days that the calendar was asked about."""

    all: Sequence[Session]
    first: date
    last: date
    _begins: array[int]

    def at(self, start: int) -> Session | None:
        """Return the last session whose pre-market has begun at ``start``, None before the first."""
        place = bisect_right(self._begins, start) - 1
        return self.all[place] if place >= 0 else None

    def fault(self, start: int, keep_off_session: bool = False) -> tuple[Kind, str] | None:
        """Return why a bar that starts at ``start`` is not one of a regular session; None when it is one.

        With ``keep_off_session`` bars from 04:00 to 20:00 New York (17:00 on half days) are not faults.
        """
        session = self.at(start)
        if session and session.open.timestamp() <= start < session.close.timestamp():
            return None
        if session and keep_off_session and start < session.post_close.timestamp():
            return None
        return self._off_session(start, session)

    def _off_session(self, start: int, session: Session | None) -> tuple[Kind, str]:
        local = new_york(start)
        shown = f"{local:%a %Y-%m-%d %H:%M} New York"
        today = next((one for one in (session, self.of(local.date())) if one and one.day == local.date()), None)
        if today is None:
            if not self.first <= local.date() <= self.last:
                return Kind.OUT_OF_CALENDAR, f"{shown}: the calendar does not reach this day"
            return (Kind.WEEKEND if local.weekday() >= _SATURDAY else Kind.HOLIDAY), f"{shown}: the exchange is closed"
        if start < today.open.timestamp():
            return Kind.BEFORE_OPEN, f"{shown}: the exchange opens at {today.open.astimezone(NEW_YORK):%H:%M}"
        close = today.close.astimezone(NEW_YORK)
        kind = Kind.AFTER_EARLY_CLOSE if close.time() < _FULL_CLOSE else Kind.AFTER_CLOSE
        return kind, f"{shown}: the exchange closes at {close:%H:%M}"

    def of(self, day: date) -> Session | None:
        """Return the session of a New York day, None where there is none."""
        found = self.at(int(datetime.combine(day, time(12), NEW_YORK).timestamp()))
        return found if found and found.day == day else None


def sessions_around(calendar: Calendar, starts: Sequence[int]) -> Sessions:
    """Return the sessions of the days of these bars, as far as the calendar reaches."""
    days = sorted({datetime.fromtimestamp(start // 86_400 * 86_400, UTC).date() for start in starts})
    around = sorted({day + timedelta(days=shift) for day in days for shift in (-1, 0, 1)})
    first = _reached(calendar, around)
    last = _reached(calendar, around[::-1])
    if first is None or last is None:
        return Sessions((), date.max, date.min, array("q"))
    found = calendar.sessions(first, last)
    return Sessions(found, first, last, array("q", (int(one.pre_open.timestamp()) for one in found)))


def _reached(calendar: Calendar, days: Sequence[date]) -> date | None:
    """Return the first of the days that the calendar knows."""
    for day in days:
        try:
            calendar.session(day)
        except ConfigError:
            continue
        return day
    return None


@dataclass(frozen=True, slots=True)
class Hole:
    """Bars that a session lacks, one after another: from ``first`` (epoch seconds), ``count`` bars."""

    session: Session
    first: int
    count: int
    #: the session has other bars, but none after this hole (or before, at its beginning)
    at_end: bool
    at_start: bool

    @property
    def is_whole_day(self) -> bool:
        return self.at_end and self.at_start


def holes(sessions: Sequence[Session], starts: Sequence[int], span: timedelta) -> list[Hole]:
    """Return the bars that are missing from the sessions between the first and the last bar's day.

    Args:
        sessions: in order of time.
        starts: bar starts in epoch seconds, sorted, on the grid of ``span``.
        span: length of a bar.
    """
    if not starts:
        return []
    known, step = set(starts), int(span.total_seconds())
    first, last = new_york(starts[0]).date(), new_york(starts[-1]).date()
    return [hole for one in sessions if first <= one.day <= last for hole in _holes_of(one, known, step)]


def _holes_of(session: Session, known: set[int], step: int) -> list[Hole]:
    begin, end = int(session.open.timestamp()), int(session.close.timestamp())
    missing = [start for start in range(begin, end, step) if start not in known]
    runs: list[list[int]] = []
    for start in missing:
        if runs and runs[-1][-1] == start - step:
            runs[-1].append(start)
        else:
            runs.append([start])
    return [Hole(session, run[0], len(run), run[-1] + step >= end, run[0] == begin) for run in runs]
