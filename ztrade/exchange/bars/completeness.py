"""Says which bars of the calendar's sessions are missing, and which of those present look odd; takes none away."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from ztrade.domain.types import Bars
from ztrade.exchange.bars.figures import Prices
from ztrade.exchange.bars.prices import adjusted_prices, suspected_splits
from ztrade.exchange.bars.records import EXAMPLES, Finding, Kind, Row
from ztrade.exchange.bars.sessions import Hole, Sessions, holes, new_york, sessions_around
from ztrade.ports import Calendar

#: a session that lacks its end (or beginning) by this much was cut off, or one that lacks this share in one piece;
#: less is a gap
_CUT_OFF, _CUT_OUT = timedelta(minutes=30), 1 / 3
#: days named in a finding; more are only counted
_DAYS = 20


def check_bars(bars: Bars, calendar: Calendar) -> list[Finding]:
    """Return what is missing from, or odd about, bars that were read; rows are counted from 1."""
    columns = zip(bars.open, bars.high, bars.low, bars.close, bars.volume, strict=True)
    rows = [
        Row(bars.symbol, number, (), bars.symbol, bars.start[number - 1], Prices(*values), ())
        for number, values in enumerate(columns, start=1)
    ]
    sessions = sessions_around(calendar, bars.start)
    return [*missing_bars(rows, sessions, bars.span), *value_findings(rows, sessions)]


def missing_bars(rows: Sequence[Row], sessions: Sessions, span: timedelta) -> list[Finding]:
    """Report sessions without a bar, sessions cut off, and gaps; ``rows`` in order of time."""
    found = holes(sessions.all, [row.start for row in rows], span)
    whole = [hole for hole in found if hole.is_whole_day]
    cut = [hole for hole in found if not hole.is_whole_day and _is_cut(hole, span)]
    gaps = [hole for hole in found if not hole.is_whole_day and not _is_cut(hole, span)]
    return [*_missing_sessions(whole), *_truncated(cut, span), *_gaps(gaps)]


def _is_cut(hole: Hole, span: timedelta) -> bool:
    length, session = hole.count * span, hole.session
    return length >= (session.close - session.open) * _CUT_OUT or (
        length >= _CUT_OFF and (hole.at_end or hole.at_start)
    )


def _missing_sessions(found: Sequence[Hole]) -> list[Finding]:
    days = [hole.session.day.isoformat() for hole in found]
    if not days:
        return []
    return [
        Finding(
            Kind.MISSING_SESSION,
            len(days),
            _counted(len(days), "whole session has no bar", "whole sessions have no bar"),
            tuple(days[:_DAYS]),
        )
    ]


def _truncated(found: Sequence[Hole], span: timedelta) -> list[Finding]:
    if not found:
        return []
    places = tuple(_cut_text(hole, span) for hole in found[:_DAYS])
    return [
        Finding(
            Kind.TRUNCATED_DAY, len(found), _counted(len(found), "session is cut off", "sessions are cut off"), places
        )
    ]


def _cut_text(hole: Hole, span: timedelta) -> str:
    if hole.at_end:
        return f"{hole.session.day}: nothing from {new_york(hole.first):%H:%M}, {hole.count} bars missing"
    end = new_york(hole.first + int(span.total_seconds()) * hole.count)
    begin = "before" if hole.at_start else f"from {new_york(hole.first):%H:%M} to"
    return f"{hole.session.day}: nothing {begin} {end:%H:%M}, {hole.count} bars missing"


def _gaps(found: Sequence[Hole]) -> list[Finding]:
    if not found:
        return []
    per_day: dict[str, list[Hole]] = {}
    for hole in found:
        per_day.setdefault(hole.session.day.isoformat(), []).append(hole)
    bars = sum(hole.count for hole in found)
    places = tuple(_gap_text(day, day_holes) for day, day_holes in list(per_day.items())[:_DAYS])
    missing = _counted(bars, "bar is missing", "bars are missing")
    return [Finding(Kind.GAP, bars, f"{missing} within sessions, on {_counted(len(per_day), 'day', 'days')}", places)]


def _gap_text(day: str, found: Sequence[Hole]) -> str:
    starts = ", ".join(
        f"{new_york(hole.first):%H:%M}" + (f" (x{hole.count})" if hole.count > 1 else "") for hole in found[:5]
    )
    return f"{day}: {sum(hole.count for hole in found)} missing, at {starts}{', ...' if len(found) > 5 else ''}"


def value_findings(rows: Sequence[Row], sessions: Sessions) -> list[Finding]:
    """Report traces of splits, bars without volume, and bars outside regular sessions."""
    idle = [row for row in rows if not row.prices.volume]
    outside = [row for row in rows if sessions.fault(row.start)]
    found = [*suspected_splits(rows), *adjusted_prices(rows)]
    if idle:
        places = tuple(f"{row.place}: {new_york(row.start):%Y-%m-%d %H:%M} New York" for row in idle[:EXAMPLES])
        found.append(
            Finding(
                Kind.ZERO_VOLUME, len(idle), _counted(len(idle), "bar has no volume", "bars have no volume"), places
            )
        )
    if outside:
        places = tuple(f"{row.place}: {new_york(row.start):%Y-%m-%d %H:%M} New York" for row in outside[:EXAMPLES])
        found.append(Finding(Kind.KEPT_OFF_SESSION, len(outside), "bars outside regular sessions are kept", places))
    return found


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
