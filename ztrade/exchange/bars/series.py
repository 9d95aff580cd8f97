"""Checks all rows of one symbol against each other and against the calendar, and puts them in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from ztrade.errors import DataError
from ztrade.exchange.bars.completeness import missing_bars, value_findings
from ztrade.exchange.bars.guess import looks_like_ends
from ztrade.exchange.bars.records import (
    EXAMPLES,
    Conflict,
    Finding,
    Kind,
    Label,
    Options,
    Rejected,
    Row,
    Series,
    findings_of,
    reject,
)
from ztrade.exchange.bars.sessions import Sessions, sessions_around
from ztrade.ports import Calendar

MINUTE = timedelta(minutes=1)
FIVE_MINUTES = timedelta(minutes=5)
SPANS = (MINUTE, FIVE_MINUTES)
#: bars of a day needed to tell by its grid that it has another span than the rest
_ENOUGH_BARS = 12
#: the longest bars within a day, and the share of bars on one grid from which on that grid is their length
_LONGEST, _ON_GRID = timedelta(hours=1), 0.8


def span_of(symbol: str, starts: Iterable[int], said: timedelta | None = None) -> timedelta:
    """Return the length of the bars: the most frequent distance of neighbours.

    Raises:
        DataError: it is neither 1 nor 5 minutes, differs from what the person said, or differs between days.
    """
    ordered = sorted(set(starts))
    distances = Counter(later - sooner for sooner, later in pairwise(ordered))
    if not distances:
        return _only_bar(symbol, said)
    span = timedelta(seconds=min(distances, key=lambda distance: (-distances[distance], distance)))
    if said and said < span and _is_sparse(ordered, span, said):
        return said
    if span not in SPANS:
        raise DataError(
            symbol,
            f"its bars are {span} apart",
            "ztrade trades on 1 or 5 minutes",
            "give such bars; if these are some and most are missing, say --span 1m or --span 5m",
        )
    if said and said != span:
        raise DataError(
            symbol, f"its bars are {span} apart, not {said}", fix="leave --span out, or give the right file"
        )
    if other := _other_span_day(ordered, span):
        raise DataError(
            symbol,
            f"on {other} its bars have another length than the {span} of most days",
            "one symbol has bars of one length",
            "import the files of each length by themselves",
        )
    return span


def _is_sparse(ordered: Sequence[int], span: timedelta, said: timedelta) -> bool:
    """Tell whether these can be bars of ``said`` of which most are missing: a stock that hardly trades.

    Bars that all stand on the grid of ``span`` are bars of that length: read as shorter ones, each would be known
    before it has ended. No bar within a day is longer than an hour.
    """
    step, longer = int(said.total_seconds()), int(span.total_seconds())
    if any(start % step for start in ordered):
        return False
    on_grid = max(Counter(start % longer for start in ordered).values())
    return span > _LONGEST or on_grid < len(ordered) * _ON_GRID


def _only_bar(symbol: str, said: timedelta | None) -> timedelta:
    if said in SPANS:
        return said
    raise DataError(symbol, "has one bar only, which does not show its length", fix="add --span 1m or --span 5m")


def _other_span_day(ordered: Sequence[int], span: timedelta) -> str:
    """Return a day whose bars are all of the other length, empty where there is none."""
    by_day: dict[int, list[int]] = {}
    for start in ordered:
        by_day.setdefault(start // 86_400, []).append(start)
    for day, starts in by_day.items():
        if len(starts) < _ENOUGH_BARS:
            continue
        closest = min(later - sooner for sooner, later in pairwise(starts))
        if closest != span.total_seconds() and timedelta(seconds=closest) in SPANS and _regular(starts, closest):
            return datetime.fromtimestamp(day * 86_400, UTC).date().isoformat()
    return ""


def _regular(starts: Sequence[int], closest: int) -> bool:
    """Tell whether most neighbours are ``closest`` apart: a stray bar does not make another span."""
    near = sum(later - sooner == closest for sooner, later in pairwise(starts))
    return near * 2 > len(starts)


def check_series(
    symbol: str, rows: Sequence[Row], rejected: Sequence[Rejected], options: Options, calendar: Calendar
) -> Series:
    """Return the rows that can be written, in order, and everything found.

    Args:
        symbol: of all rows.
        rows: in the order of their files.
        rejected: rows of the symbol that were unreadable.
        options: label, span, and what to do with conflicts and off-session bars.
        calendar: of the exchange.

    Raises:
        DataError: the bars' length is unusable, or their stamps look like ends and nobody said which they are.
    """
    if not rows:
        return Series(symbol, FIVE_MINUTES, (), list(rejected), findings_of(rejected))
    span = span_of(symbol, (row.start for row in rows), options.span)
    findings = [*_disorder(rows), *_label_findings(symbol, rows, span, options)]
    if options.label is Label.END:
        rows = [replace(row, start=row.start - int(span.total_seconds())) for row in rows]
    sessions = sessions_around(calendar, [row.start for row in rows])
    single, doubles = _without_duplicates(rows, options.conflict)
    kept, misplaced = _in_session(single, sessions, span, options)
    kept.sort(key=lambda row: row.start)
    lost = [*rejected, *doubles, *misplaced]
    findings += [*findings_of(lost), *missing_bars(kept, sessions, span), *value_findings(kept, sessions)]
    return Series(symbol, span, kept, sorted(lost, key=lambda row: (row.file, row.number)), findings)


def _disorder(rows: Sequence[Row]) -> list[Finding]:
    pairs = list(pairwise(rows))
    back = [(sooner, later) for sooner, later in pairs if later.start < sooner.start]
    if not back:
        return []
    if all(later.start <= sooner.start for sooner, later in pairs):
        return [
            Finding(Kind.DISORDER, len(rows), f"the whole file is newest first ({len(rows)} rows): it is turned round")
        ]
    places = tuple(
        f"{later.place}: {_utc(later.start)} after {_utc(sooner.start)}" for sooner, later in back[:EXAMPLES]
    )
    times = "once" if len(back) == 1 else f"{len(back)} times"
    return [Finding(Kind.DISORDER, len(back), f"stamps go back {times}: the rows are sorted", places)]


def _utc(start: int) -> str:
    return f"{datetime.fromtimestamp(start, UTC):%Y-%m-%dT%H:%MZ}"


def _label_findings(symbol: str, rows: Sequence[Row], span: timedelta, options: Options) -> list[Finding]:
    ends = looks_like_ends([datetime.fromtimestamp(row.start, UTC) for row in rows])
    if ends is None or ends is (options.label is Label.END):
        return []
    if options.label is None:
        raise DataError(
            f"{symbol}, from {rows[0].file}",
            "its stamps look like the ends of bars: days have one at 16:00 and none at 09:30 New York",
            f"read as starts, every bar would be known {span} before it happened",
            "add --label end (or --label start if they are starts)",
        )
    other = Label.END if ends else Label.START
    return [
        Finding(Kind.LABEL_SUSPECTED, len(rows), f"read as --label {options.label}, but the stamps look like {other}s")
    ]


def _without_duplicates(rows: Sequence[Row], conflict: Conflict) -> tuple[list[Row], list[Rejected]]:
    groups: dict[int, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.start, []).append(row)
    single, lost = [], []
    for group in groups.values():
        kept, doubles = _settled(group, conflict)
        single += kept
        lost += doubles
    return single, lost


def _settled(group: Sequence[Row], conflict: Conflict) -> tuple[list[Row], list[Rejected]]:
    """Return what is written of rows with one stamp, and what is not."""
    different, lost = [group[0]], []
    for row in group[1:]:
        twin = next((one for one in different if one.prices == row.prices), None)
        if twin:
            lost.append(reject(row, Kind.EXACT_DUPLICATE, f"{_utc(row.start)} repeats {twin.place}"))
        else:
            different.append(row)
    if len(different) == 1:
        return different, lost
    chosen = {Conflict.FIRST: different[:1], Conflict.LAST: different[-1:], Conflict.NONE: []}[conflict]
    for row in different:
        if row not in chosen:
            other = next(one for one in different if one is not row)
            lost.append(reject(row, Kind.CONFLICTING_DUPLICATE, f"{_utc(row.start)} has other values in {other.place}"))
    return chosen, lost


def _in_session(
    rows: Sequence[Row], sessions: Sessions, span: timedelta, options: Options
) -> tuple[list[Row], list[Rejected]]:
    kept, lost = [], []
    for row in rows:
        fault = _misplaced(row.start, sessions, span, options)
        if fault:
            lost.append(reject(row, *fault))
        else:
            kept.append(row)
    return kept, lost


def _misplaced(start: int, sessions: Sessions, span: timedelta, options: Options) -> tuple[Kind, str] | None:
    if start % int(span.total_seconds()):
        return Kind.OFF_GRID, f"{datetime.fromtimestamp(start, UTC):%Y-%m-%dT%H:%M:%SZ} is no multiple of {span}"
    return sessions.fault(start, options.keep_off_session)
