"""Sessions and slots. A slot is session open + k x every, k >= 1, strictly before the close, in UTC."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from ztrade.domain.agent import SessionKind
from ztrade.domain.types import aware_utc

NEW_YORK = ZoneInfo("America/New_York")


def market_day(at: datetime) -> date:
    """Return the exchange's day (New York) in which an instant lies."""
    return at.astimezone(NEW_YORK).date()


@dataclass(frozen=True, slots=True)
class Session:
    """One trading day of the exchange; instants are aware UTC.

    ``pre_open`` (04:00 New York) to ``open``, ``open`` to ``close`` (13:00 on a half day), ``close`` to ``post_close``
    (20:00; 17:00 on a half day).
    """

    day: date
    open: datetime
    close: datetime
    pre_open: datetime
    post_close: datetime

    def bounds(self, kind: SessionKind) -> tuple[datetime, datetime]:
        """Return the beginning (included) and the end (excluded) of one part of the day."""
        if kind is SessionKind.PRE_MARKET:
            return self.pre_open, self.open
        if kind is SessionKind.REGULAR:
            return self.open, self.close
        return self.close, self.post_close


def slots(session: Session, every: timedelta) -> Iterator[datetime]:
    """Yield the regular session's slots: 77 of 5 minutes on a full day, 41 on a half day; 6 and 3 of an hour.

    Raises:
        ValueError: ``every`` is not positive.
    """
    yield from _aligned(session.open, session.close, every)


def slots_of(session: Session, every: timedelta, kinds: Sequence[SessionKind]) -> list[datetime]:
    """Return the slots of the named parts of the day in order; each part is aligned to its own beginning."""
    found = [slot for kind in kinds for slot in _aligned(*session.bounds(kind), every)]
    return sorted(found)


def is_slot(session: Session, every: timedelta, kinds: Sequence[SessionKind], at: datetime) -> bool:
    """Tell whether ``at`` is one of the slots of the named parts of the day."""
    for kind in kinds:
        begin, end = session.bounds(kind)
        if begin < at < end and not (at - begin) % every:
            return True
    return False


def _aligned(begin: datetime, end: datetime, every: timedelta) -> Iterator[datetime]:
    if every <= timedelta(0):
        raise ValueError(f"slots need a positive distance, not {every}")
    slot = begin + every
    while slot < end:
        yield slot
        slot += every


def is_market_open(
    session: Session | None, at: datetime, *, pre_market: bool = False, after_hours: bool = False
) -> bool:
    """Tell whether the exchange trades at ``at``; ``session`` is that New York day's, None when it is closed all day.

    The beginning of a part belongs to it, its end does not.
    """
    if session is None:
        return False
    begin = session.pre_open if pre_market else session.open
    end = session.post_close if after_hours else session.close
    return begin <= at < end


@dataclass(frozen=True, slots=True)
class Schedule:
    """The exchange's hours, asked for by instant; ``session_of`` is a calendar's ``session``.

    ``Schedule(calendar.session).is_market_open(at)`` looks the New York day of ``at`` up, holidays, early closes and
    both clock changes included.
    """

    session_of: Callable[[date], Session | None]

    def is_market_open(self, at: datetime, *, pre_market: bool = False, after_hours: bool = False) -> bool:
        """Tell whether the exchange trades at ``at``, as :func:`is_market_open` does.

        Raises:
            ValueError: ``at`` has no time zone.
        """
        day = market_day(aware_utc(at))
        return is_market_open(self.session_of(day), at, pre_market=pre_market, after_hours=after_hours)


def next_slot(
    sessions: Sequence[Session], every: timedelta, kinds: Sequence[SessionKind], after: datetime
) -> datetime | None:
    """Return the first slot later than ``after`` in ``sessions`` (in order of time), None where there is none."""
    for session in sessions:
        if session.post_close <= after:
            continue
        for slot in slots_of(session, every, kinds):
            if slot > after:
                return slot
    return None
