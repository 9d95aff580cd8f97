"""Made-up days of bars for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from ztrade.exchange.bars.importer import import_bars
from ztrade.exchange.bars.records import Finding, Kind, Options, Report
from ztrade.exchange.bars.stamps import zone_named
from ztrade.testing.calendar import PlainCalendar

NEW_YORK = ZoneInfo("America/New_York")
MONDAY = date(2022, 8, 22)
FRIDAY_HALF = date(2022, 11, 25)
CALENDAR = PlainCalendar(holidays=[date(2022, 9, 5)], half_days=[FRIDAY_HALF])
OURS = "symbol,timestamp,open,high,low,close,volume"
PRICES = "100,101,99,100.5,1000"

#: rows whose times have no zone
NAIVE = "date,open,high,low,close,volume"
IN_NEW_YORK = Options(zone=zone_named("America/New_York"))
WEEK = [MONDAY + timedelta(days=shift) for shift in range(5)]


def naive(at: list[str], prices: str = PRICES) -> list[str]:
    """Return rows under :data:`NAIVE`."""
    return [f"{one},{prices}" for one in at]


def starts(day: date = MONDAY, count: int = 78, span: int = 5) -> list[datetime]:
    """Return the first bar starts of a session, aware UTC."""
    first = datetime.combine(day, time(9, 30), NEW_YORK).astimezone(UTC)
    return [first + timedelta(minutes=span) * bar for bar in range(count)]


def stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def ours(at: Iterable[datetime], symbol: str = "SPY", prices: str = PRICES) -> list[str]:
    """Return lines in our layout."""
    return [f"{symbol},{stamp(one)},{prices}" for one in at]


def local(at: Iterable[datetime], zone: str = "America/New_York", form: str = "%Y-%m-%d %H:%M:%S") -> list[str]:
    """Return local times without a zone."""
    return [one.astimezone(ZoneInfo(zone)).strftime(form) for one in at]


def write(folder: Path, name: str, header: str, lines: Iterable[str]) -> Path:
    """Write a table and return its path."""
    path = folder / name
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def imported(path: Path, options: Options | None = None) -> Report:
    return import_bars([path], options or Options(), CALENDAR)


def found(report: Report, kind: Kind) -> Finding:
    """Return the only finding of a kind."""
    (one,) = [finding for finding in all_findings(report) if finding.kind is kind]
    return one


def all_findings(report: Report) -> list[Finding]:
    parts = [one.findings for one in report.sources] + [one.findings for one in report.series]
    return [finding for findings in parts for finding in findings]


def kinds(report: Report) -> set[Kind]:
    return {finding.kind for finding in all_findings(report)}


def totals(report: Report) -> Sequence[int]:
    """Return rows in, written, duplicates and rejected of the only symbol."""
    (one,) = report.series
    return one.rows_in, len(one.rows), one.duplicates, len(one.rejected) - one.duplicates
