"""Reads times as files of bars write them: epochs, ISO, spreadsheets, separate dates and clocks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ztrade.errors import ConfigError

#: no file of bars or news lies outside
FIRST_YEAR, LAST_YEAR = 1990, 2099
#: the same in epoch seconds: a number outside is no epoch
_FIRST, _LAST = 631_152_000, 4_102_444_800
_UNITS = (1, 1_000, 1_000_000, 1_000_000_000)
#: an epoch in milliseconds that ends in whole minutes needs about this many digits to be exact
_EXACT_DIGITS = 8

_INTEGER = re.compile(r"\d{9,19}(\.0*)?")
_SCIENTIFIC = re.compile(r"(\d)(?:\.(\d+))?[eE]\+?(\d{1,2})")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.0*)?)?\s*([AaPp]\.?[Mm]\.?)?")
_COMPACT_CLOCK = re.compile(r"\d{3,6}")
_YEAR_FIRST = re.compile(r"(\d{4})([-/.]?)(\d{1,2})\2(\d{1,2})")
_YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2})")
_SLASHED = re.compile(r"(\d{1,2})([-/])(\d{1,2})\2(\d{4}|\d{2})")
_NAMED = ("%d-%b-%Y", "%d %b %Y", "%b %d %Y", "%b %d, %Y", "%d-%b-%y")
_OFFSET = r"[-+](?:0\d|1[0-4])(?::?[0-5]\d)?"
_ZONE = re.compile(rf"\s*(Z|UTC|GMT|{_OFFSET})$", re.IGNORECASE)
_NAMED_ZONE = re.compile(r"(.*\d(?:\s*[AaPp]\.?[Mm]\.?)?)\s*\[?\b(ET|EST|EDT|[A-Z][A-Za-z]+/[A-Za-z_/]+)\]?")
#: what US exports call New York's time; other letters mean one zone here and another there
_EASTERN = {"ET": "America/New_York", "EST": "-05:00", "EDT": "-04:00"}
_DAY_AND_CLOCK = re.compile(r"(.*\d)[T ;,]+(\d.*)")


class DateOrder(StrEnum):
    """What comes first in 2/3/2022."""

    MONTH_FIRST = "mdy"
    DAY_FIRST = "dmy"


def date_order(texts: Iterable[str]) -> DateOrder | None:
    """Return the order that a column's dates prove; None where they could be read either way or have another form.

    A column that proves both orders is read month first, so that the rows of the other order stand out as unreadable.
    """
    pairs = [(int(found[1]), int(found[3])) for text in texts if (found := _SLASHED.match(text))]
    if any(second > 12 for _, second in pairs):
        return DateOrder.MONTH_FIRST
    return DateOrder.DAY_FIRST if any(first > 12 for first, _ in pairs) else None


def is_ambiguous(texts: Iterable[str]) -> bool:
    """Tell whether the column has dates like 2/3/2022, and none that says which part is the month."""
    texts = list(texts)
    return date_order(texts) is None and any(_SLASHED.match(text) for text in texts)


def read_stamp(text: str, order: DateOrder = DateOrder.MONTH_FIRST) -> datetime | None:
    """Return the instant (aware), or the local time (naive) where the text names no zone; None if it is unreadable.

    A date without a clock is unreadable here: it is no time of a bar within a day. Reads seconds, milli-, micro- and
    nanoseconds since 1970; ``1.64E+12``, an epoch that a spreadsheet rounded, is unreadable.
    """
    found = _iso(text) or _epoch(text) or _written(text, order) or _zoned(text, order)
    return found if found and FIRST_YEAR <= found.year <= LAST_YEAR else None


def _iso(text: str) -> datetime | None:
    if len(text) < 16 or text[4] != "-" or text[7] != "-":
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _epoch(text: str) -> datetime | None:
    if _INTEGER.fullmatch(text):
        return _from_epoch(int(text.partition(".")[0]))
    found = _SCIENTIFIC.fullmatch(text)
    digits, power = (found[1] + (found[2] or ""), int(found[3])) if found else ("", 0)
    # zeros at the end are digits too, where somebody wrote them out
    if len(digits) <= _EXACT_DIGITS and len(digits.rstrip("0")) < _EXACT_DIGITS:
        return None
    if len(digits) - 1 > power:
        return None
    return _from_epoch(int(digits) * 10 ** (power - len(digits) + 1))


def _from_epoch(value: int) -> datetime | None:
    for unit in _UNITS:
        if _FIRST <= value // unit < _LAST:
            return datetime.fromtimestamp(value // unit, UTC) + timedelta(microseconds=value % unit * 1_000_000 // unit)
    return None


def _written(text: str, order: DateOrder) -> datetime | None:
    zone = _ZONE.search(text) if ":" in text else None
    local = text[: zone.start()] if zone else text
    if re.fullmatch(r"\d{12}|\d{14}", local):
        local = f"{local[:8]} {local[8:]}"
    parts = _DAY_AND_CLOCK.fullmatch(local)
    day = read_date(parts[1], order) if parts else None
    clock = read_clock(parts[2]) if parts else None
    if day is None or clock is None:
        return None
    return datetime.combine(day, clock, _offset(zone[1]) if zone else None)


def _zoned(text: str, order: DateOrder) -> datetime | None:
    """Return the instant of a time that names its zone in words, as Interactive Brokers and Java write it."""
    found = _NAMED_ZONE.fullmatch(text)
    local = (_iso(found[1]) or _written(found[1], order)) if found else None
    if found is None or local is None or local.tzinfo is not None:
        return local
    try:
        zone = zone_named(_EASTERN.get(found[2], found[2]))
    except ConfigError:
        return None
    return None if local_fault(local, zone) else local.replace(tzinfo=zone)


def _offset(text: str) -> tzinfo:
    if text[0] not in "+-":
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)


def read_date(text: str, order: DateOrder = DateOrder.MONTH_FIRST) -> date | None:
    """Return the day that a text without a clock names; None if it names none."""
    if found := _YEAR_FIRST.fullmatch(text):
        return _date(int(found[1]), int(found[3]), int(found[4]))
    if found := _YEAR_LAST.fullmatch(text):
        first, second = int(found[1]), int(found[3])
        year = int(found[4]) + (2000 if len(found[4]) == 2 else 0)
        # 14.02.2022 is how Germans and Russians write; nobody writes 02.14.2022
        day_first = order is DateOrder.DAY_FIRST or found[2] == "."
        return _date(year, second, first) if day_first else _date(year, first, second)
    return _named_date(text)


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _named_date(text: str) -> date | None:
    if not any(letter.isalpha() for letter in text):
        return None
    for form in _NAMED:
        try:
            return datetime.strptime(text, form).date()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            continue
    return None


def read_clock(text: str) -> time | None:
    """Return the time of day: 9:30, 09:30:00, 9:30 AM, 093000, 930; None if it is none."""
    if found := _CLOCK.fullmatch(text):
        hour, minute, second = int(found[1]), int(found[2]), int(found[3] or 0)
        return _time(_hour(hour, found[4]), minute, second)
    if _COMPACT_CLOCK.fullmatch(text):
        digits = text.zfill(6) if len(text) > 4 else text.zfill(4) + "00"
        return _time(int(digits[:2]), int(digits[2:4]), int(digits[4:]))
    return None


def _hour(hour: int, half: str | None) -> int:
    if half is None:
        return hour
    if not 1 <= hour <= 12:
        return 99
    return hour % 12 + (12 if half[0] in "pP" else 0)


def _time(hour: int, minute: int, second: int) -> time | None:
    try:
        return time(hour, minute, second)
    except ValueError:
        return None


def zone_named(name: str, where: str = "--tz") -> tzinfo:
    """Return the time zone of an IANA name (America/New_York) or a fixed offset (-05:00).

    Raises:
        ConfigError: there is no such zone.
    """
    if re.fullmatch(_OFFSET, name):
        return _offset(name)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(
            where, f"{name!r} is no time zone", fix="give an IANA name such as America/New_York, or an offset as -05:00"
        ) from error


def local_fault(local: datetime, zone: tzinfo) -> str:
    """Return why a naive local time does not name one instant; empty when it does."""
    first, second = local.replace(tzinfo=zone, fold=0), local.replace(tzinfo=zone, fold=1)
    before, after = first.utcoffset(), second.utcoffset()
    if before == after or before is None or after is None:
        return ""
    if before > after:
        return "happens twice on that day, when the clocks go back"
    return "does not exist on that day: the clocks go forward over it"
