"""Chooses the column of a file that tells the time, and turns it into instants.

The rule: without ``--timestamp``, the column with the fewest unreadable stamps is used; of equals the one whose stamps
are instants (epochs, or with a zone), then the one further left. Columns that name other instants are reported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from ztrade.errors import DataError
from ztrade.exchange.bars.columns import Columns, TimeColumns
from ztrade.exchange.bars.guess import zone_by_agreement, zone_by_hours
from ztrade.exchange.bars.records import EXAMPLES, Finding, Kind, Options
from ztrade.exchange.bars.stamps import DateOrder, date_order, is_ambiguous, local_fault, read_stamp

#: row number and fields
Line = tuple[int, list[str]]
_MOST = 0.5


@dataclass(frozen=True, slots=True)
class Reading:
    """One column of times as read: ``stamps`` are aware, naive, or None where unreadable."""

    columns: TimeColumns
    texts: Sequence[str]
    stamps: Sequence[datetime | None]
    assumed_order: bool

    @property
    def unreadable(self) -> int:
        return sum(stamp is None for stamp in self.stamps)

    @property
    def is_naive(self) -> bool:
        return any(stamp is not None and stamp.tzinfo is None for stamp in self.stamps)


@dataclass(frozen=True, slots=True)
class Times:
    """The instants of a file's rows (aware UTC), or for each row that has none, why."""

    column: str
    zone: str
    instants: Sequence[datetime | None]
    faults: Sequence[tuple[Kind, str] | None]
    findings: Sequence[Finding]


def read_times(path: Path, columns: Columns, lines: Sequence[Line], options: Options) -> Times:
    """Return the instants of all rows.

    Raises:
        DataError: no stamp is readable, or stamps are local times and nobody said of which zone, or the zone is wrong.
    """
    readings = [_reading(column, lines, options) for column in columns.times]
    best = _best(readings)
    if best.unreadable == len(lines):
        raise _all_unreadable(path, best)
    if best.is_naive and options.zone is None:
        raise _no_zone(path, best, readings, _volumes(columns, lines))
    zone = options.zone or _agreed_zone(best, readings) or ZoneInfo("America/New_York")
    resolved = [_instant(stamp, text, zone) for stamp, text in zip(best.stamps, best.texts, strict=True)]
    instants = [instant for instant, _ in resolved]
    findings = [*_mangled(readings, best, lines), *_disagreements(path, best, readings, instants, zone, lines)]
    if best.assumed_order:
        findings.append(_order_finding(best))
    return Times(
        best.columns.name, str(zone) if best.is_naive else "", instants, [fault for _, fault in resolved], findings
    )


def _reading(column: TimeColumns, lines: Sequence[Line], options: Options) -> Reading:
    texts = [column.text(fields) if len(fields) > max(column.places) else "" for _, fields in lines]
    order = options.order or date_order(texts) or DateOrder.MONTH_FIRST
    assumed = options.order is None and is_ambiguous(texts)
    return Reading(column, texts, [read_stamp(text, order) for text in texts], assumed)


def _instant(stamp: datetime | None, text: str, zone: tzinfo) -> tuple[datetime | None, tuple[Kind, str] | None]:
    if stamp is None:
        return None, (Kind.MANGLED_STAMP, f"{text[:40]!r} is no time" if text else "the time is empty")
    if stamp.tzinfo is None:
        if fault := local_fault(stamp, zone):
            return None, (Kind.AMBIGUOUS_TIME, f"{text} {fault} in {zone}")
        stamp = stamp.replace(tzinfo=zone)
    return stamp.astimezone(UTC), None


def _all_unreadable(path: Path, best: Reading) -> DataError:
    text = next((text for text in best.texts if text), "")
    return DataError(
        f"{path}, column {best.columns.name!r}",
        f"no value is a time, like {text[:40]!r}",
        "a spreadsheet may have rounded the stamps" if "E+" in text.upper() or "#" in text else "",
        "name the column of times: --timestamp COLUMN",
    )


def _no_zone(path: Path, best: Reading, readings: Sequence[Reading], volumes: Sequence[float]) -> DataError:
    text = next(text for text, stamp in zip(best.texts, best.stamps, strict=True) if stamp is not None)
    zone, because = _suggested_zone(best, readings, volumes)
    return DataError(
        f"{path}, column {best.columns.name!r}",
        f"stamps like {text!r} name no time zone",
        "their instants cannot be known without one",
        f"add --tz {zone} (a guess: {because})" if zone else "add --tz and the zone they were written in",
    )


def guess_zone(columns: Columns, lines: Sequence[Line]) -> str | None:
    """Return the zone to suggest for a file; None if its stamps need none, or nothing speaks for one."""
    readings = [_reading(column, lines, Options()) for column in columns.times]
    best = _best(readings)
    return _suggested_zone(best, readings, _volumes(columns, lines))[0] if best.is_naive else None


def _best(readings: Sequence[Reading]) -> Reading:
    return min(readings, key=lambda one: (one.unreadable, one.is_naive))


def _suggested_zone(best: Reading, readings: Sequence[Reading], volumes: Sequence[float]) -> tuple[str | None, str]:
    """Return the zone that a person may want to give, and what speaks for it."""
    if zone := _agreed_name(best, readings):
        return zone, "with it the stamps agree with those of another column"
    naive = [
        (stamp, volume)
        for stamp, volume in zip(best.stamps, volumes, strict=True)
        if stamp is not None and stamp.tzinfo is None
    ]
    zone = zone_by_hours([stamp for stamp, _ in naive], [volume for _, volume in naive])
    return zone, "with it the busiest hours are 09:30 to 16:00 in New York"


def _volumes(columns: Columns, lines: Sequence[Line]) -> list[float]:
    place = columns.roles["volume"]
    return [_volume(fields[place]) if len(fields) > place else 0.0 for _, fields in lines]


def _volume(text: str) -> float:
    return float(text) if text.isdecimal() and len(text) < 16 else 0.0


def _pairs(naive: Reading, aware: Reading) -> list[tuple[datetime, datetime]]:
    return [
        (local, instant)
        for local, instant in zip(naive.stamps, aware.stamps, strict=True)
        if local is not None and instant is not None and local.tzinfo is None and instant.tzinfo is not None
    ]


def _agreed_name(naive: Reading, readings: Sequence[Reading]) -> str | None:
    names = (zone_by_agreement(_pairs(naive, other)) for other in readings if other is not naive)
    return next((name for name in names if name), None)


def _agreed_zone(best: Reading, readings: Sequence[Reading]) -> tzinfo | None:
    """Return the zone in which a naive column beside a column of instants means the same; only to compare the two."""
    names = (_agreed_name(other, [best]) for other in readings if other is not best and other.is_naive)
    return next((ZoneInfo(name) for name in names if name), None)


def _mangled(readings: Sequence[Reading], best: Reading, lines: Sequence[Line]) -> list[Finding]:
    """Report unreadable stamps of the columns not used; those of the used one are reported with the rejected rows."""
    return [
        Finding(
            Kind.MANGLED_STAMP,
            one.unreadable,
            f"column {one.columns.name!r}: {one.unreadable} of {len(lines)} stamps are no times; "
            f"column {best.columns.name!r} is used",
            _unreadable_places(one, lines),
        )
        for one in readings
        if one is not best and one.unreadable
    ]


def _unreadable_places(reading: Reading, lines: Sequence[Line]) -> tuple[str, ...]:
    rows = [row for row, stamp in enumerate(reading.stamps) if stamp is None]
    return tuple(f"row {lines[row][0]}: {reading.texts[row][:40]!r}" for row in rows[:EXAMPLES])


def _disagreements(
    path: Path,
    best: Reading,
    readings: Sequence[Reading],
    instants: Sequence[datetime | None],
    zone: tzinfo,
    lines: Sequence[Line],
) -> list[Finding]:
    found = []
    for other in readings:
        if other is best:
            continue
        apart = _distances(other, instants, zone)
        if best.is_naive and not other.is_naive:
            _check_zone(path, best, other, apart, zone)
        rows = [row for row, distance in apart.items() if distance]
        if rows:
            found.append(_disagreement(best, other, rows, lines, len(apart)))
    return found


def _distances(other: Reading, instants: Sequence[datetime | None], zone: tzinfo) -> dict[int, timedelta]:
    """Return by how much the other column is later, for each row in which both are readable."""
    found = {}
    for row, (stamp, instant) in enumerate(zip(other.stamps, instants, strict=True)):
        if stamp is not None and instant is not None:
            found[row] = (stamp if stamp.tzinfo else stamp.replace(tzinfo=zone)) - instant
    return found


def _check_zone(path: Path, best: Reading, other: Reading, apart: dict[int, timedelta], zone: tzinfo) -> None:
    """Refuse a zone that puts most local times hours away from the instants beside them."""
    if not apart:
        return
    ((distance, count),) = Counter(apart.values()).most_common(1)
    if not distance or count <= len(apart) * _MOST:
        return
    right = _agreed_name(best, [other])
    raise DataError(
        f"{path}, column {best.columns.name!r}",
        f"read in {zone}, {count} stamps lie {distance} before those of column {other.columns.name!r}"
        if distance > timedelta(0)
        else f"read in {zone}, {count} stamps lie {-distance} after those of column {other.columns.name!r}",
        "so that zone is wrong, or the other column is",
        f"give --tz {right}" if right else f"say which to believe: --timestamp {best.columns.name!r}",
    )


def _disagreement(best: Reading, other: Reading, rows: Sequence[int], lines: Sequence[Line], compared: int) -> Finding:
    return Finding(
        Kind.COLUMNS_DISAGREE,
        len(rows),
        f"{len(rows)} of {compared} stamps of column {other.columns.name!r} name another instant; "
        f"column {best.columns.name!r} is used",
        tuple(f"row {lines[row][0]}: {best.texts[row]!r}, {other.texts[row]!r}" for row in rows[:EXAMPLES]),
    )


def _order_finding(best: Reading) -> Finding:
    return Finding(
        Kind.DATE_ORDER,
        len(best.stamps),
        f"dates like {best.texts[0]!r} are read month first; if they are not, add --date-order dmy",
    )
