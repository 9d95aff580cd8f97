"""Timestamps as Alpaca writes them, and as its clients send them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")

_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)\Z", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d\Z", re.ASCII)


def nanos(at: datetime) -> str:
    """Return ``2022-08-22T13:35:00.000000417Z``: UTC, nine digits.

    Datetimes end at microseconds. The last three digits are made up from the instant (never 000), because a client
    that cannot read nanoseconds must fail here and not at Alpaca; cut to microseconds the value is exact.
    """
    utc = at.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond:06d}{_last_digits(utc):03d}Z"


def _last_digits(utc: datetime) -> int:
    return 1 + (int(utc.timestamp()) * 7919 + utc.microsecond) % 999


def seconds(at: datetime) -> str:
    """Return ``2022-08-22T13:35:00Z``, with a fraction only where there is one."""
    utc = at.astimezone(UTC)
    fraction = f".{utc.microsecond:06d}".rstrip("0") if utc.microsecond else ""
    return f"{utc:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def eastern(at: datetime) -> str:
    """Return ``2022-08-22T16:00:00-04:00``, as the clock writes openings and closings."""
    return at.astimezone(NEW_YORK).replace(microsecond=0).isoformat()


def eastern_nanos(at: datetime) -> str:
    """Return ``2022-08-22T14:53:54.905548592-04:00``, as the clock writes its own time."""
    local = at.astimezone(NEW_YORK)
    offset = local.isoformat()[-6:]
    return f"{local:%Y-%m-%dT%H:%M:%S}.{local.microsecond:06d}{_last_digits(at.astimezone(UTC)):03d}{offset}"


def read_instant(text: str) -> datetime:
    """Read RFC 3339 with up to nanoseconds; what is finer than a microsecond is cut.

    Raises:
        ValueError: the text is not that, has no zone, or names no instant of the calendar.
    """
    match = _RFC3339.match(text)
    if match is None:
        raise ValueError(f"error parsing '{text}' as RFC3339")
    day, clock, fraction, zone = match.groups()
    micros = (fraction or "0").ljust(6, "0")[:6]
    offset = "+00:00" if zone in "Zz" else zone
    try:
        return datetime.fromisoformat(f"{day}T{clock}.{micros}{offset}").astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"error parsing '{text}' as RFC3339: {error}") from None


def read_day(text: str) -> date | None:
    """Read ``2022-08-22``; None where the text has another form.

    Raises:
        ValueError: the text has the form of a day that no calendar has.
    """
    return date.fromisoformat(text) if _DAY.match(text) else None


def read_when(text: str, *, end_of_day: bool = False) -> datetime:
    """Read RFC 3339 or a day; a day means its first (or with ``end_of_day`` its last) moment in New York.

    Raises:
        ValueError: it is neither.
    """
    try:
        day = read_day(text)
        if day is None:
            return read_instant(text)
        return _last_moment(day) if end_of_day else midnight(day)
    except (ValueError, OverflowError):
        raise ValueError(f"error parsing '{text}' as RFC3339 or 2006-01-02 time") from None


def midnight(day: date) -> datetime:
    """Return the first moment of a New York day, in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=NEW_YORK).astimezone(UTC)


def _last_moment(day: date) -> datetime:
    return midnight(day + timedelta(days=1)) - timedelta(microseconds=1)


def new_york_day(at: datetime) -> date:
    """Return the New York day that contains the instant."""
    return at.astimezone(NEW_YORK).date()
