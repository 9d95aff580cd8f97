"""The import: every fault is found, every row is accounted for."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.bars.days import (
    FRIDAY_HALF,
    IN_NEW_YORK,
    NAIVE,
    OURS,
    PRICES,
    WEEK,
    found,
    imported,
    kinds,
    local,
    naive,
    ours,
    stamp,
    starts,
    totals,
    write,
)
from ztrade.errors import DataError
from ztrade.exchange.bars.columns import Wanted
from ztrade.exchange.bars.records import Conflict, Kind, Label, Options


def test_a_clean_file_has_no_findings(tmp_path: Path) -> None:
    """Bars that are already ours come through as they are."""
    report = imported(write(tmp_path, "SPY.csv", OURS, ours(starts())))
    assert (report.is_clean, totals(report)) == (True, (78, 78, 0, 0))


def test_exact_duplicates_are_left_out_and_listed(tmp_path: Path) -> None:
    """A repeated row is counted apart from rejected ones, and names the row it repeats."""
    lines = ours(starts())
    report = imported(write(tmp_path, "SPY.csv", OURS, [*lines[:3], lines[2], *lines[3:]]))
    assert totals(report) == (79, 78, 1, 0)
    finding = found(report, Kind.EXACT_DUPLICATE)
    assert finding.examples == ("SPY.csv row 5: 2022-08-22T13:40Z repeats SPY.csv row 4",)


@pytest.mark.parametrize(
    ("conflict", "close", "rejected"), [(Conflict.FIRST, 100.5, 1), (Conflict.LAST, 100.6, 1), (Conflict.NONE, None, 2)]
)
def test_conflicting_duplicates_are_settled_as_told(
    tmp_path: Path, conflict: Conflict, close: float | None, rejected: int
) -> None:
    """Of rows with one stamp and other values one is written, or none; the others are listed."""
    other = "SPY,2022-08-22T13:30:00Z,100,101,99,100.6,1000"
    path = write(tmp_path, "SPY.csv", OURS, [*ours(starts()), other])
    report = imported(path, Options(conflict=conflict))
    assert totals(report) == (79, 79 - rejected, 0, rejected)
    written = [row.prices.close for row in report.series[0].rows if row.start == int(starts()[0].timestamp())]
    assert written == ([] if close is None else [close])
    assert found(report, Kind.CONFLICTING_DUPLICATE).count == rejected


def test_a_gap_is_counted_in_bars_and_placed_in_new_york(tmp_path: Path) -> None:
    """Missing bars within a session are reported a day."""
    lines = ours(starts())
    report = imported(write(tmp_path, "SPY.csv", OURS, [*lines[:10], *lines[12:20], *lines[21:]]))
    finding = found(report, Kind.GAP)
    assert finding.count == 3
    assert finding.examples == ("2022-08-22: 3 missing, at 10:20 (x2), 11:10",)


def test_a_missing_session_is_named(tmp_path: Path) -> None:
    """A whole day without a bar is more than a gap; weekends and holidays are not missing."""
    days = [date(2022, 9, 1), date(2022, 9, 2), date(2022, 9, 6), date(2022, 9, 8)]
    report = imported(write(tmp_path, "SPY.csv", OURS, [line for day in days for line in ours(starts(day))]))
    assert found(report, Kind.MISSING_SESSION).examples == ("2022-09-07",)
    assert kinds(report) == {Kind.MISSING_SESSION}


@pytest.mark.parametrize(
    ("first", "last", "says"),
    [
        (0, 43, "2022-08-23: nothing from 13:05, 35 bars missing"),
        (12, 78, "2022-08-23: nothing before 10:30, 12 bars missing"),
    ],
)
def test_a_truncated_day_is_named(tmp_path: Path, first: int, last: int, says: str) -> None:
    """A session that lacks its end or beginning was cut off."""
    lines = [*ours(starts()), *ours(starts(WEEK[1])[first:last]), *ours(starts(WEEK[2]))]
    report = imported(write(tmp_path, "SPY.csv", OURS, lines))
    assert found(report, Kind.TRUNCATED_DAY).examples == (says,)


def test_a_session_that_lacks_its_middle_is_cut_too(tmp_path: Path) -> None:
    """A few stray bars at the end do not make a day whole."""
    lines = [*ours(starts()), *ours(starts(WEEK[1])[:45]), *ours(starts(WEEK[1])[75:])]
    finding = found(imported(write(tmp_path, "SPY.csv", OURS, lines)), Kind.TRUNCATED_DAY)
    assert finding.examples == ("2022-08-23: nothing from 13:15 to 15:45, 30 bars missing",)


@pytest.mark.parametrize(
    ("at", "kind"),
    [
        (starts()[0] - timedelta(minutes=5), Kind.BEFORE_OPEN),
        (starts()[-1] + timedelta(minutes=5), Kind.AFTER_CLOSE),
        (starts(date(2022, 8, 27))[0], Kind.WEEKEND),
        (starts(date(2022, 9, 5))[0], Kind.HOLIDAY),
        (starts(FRIDAY_HALF)[42], Kind.AFTER_EARLY_CLOSE),
        (starts()[0] + timedelta(minutes=2), Kind.OFF_GRID),
    ],
)
def test_off_session_bars_are_rejected_by_kind(tmp_path: Path, at: datetime, kind: Kind) -> None:
    """Bars when the exchange does not trade say when that was."""
    lines = [*ours(starts()), *ours(starts(FRIDAY_HALF, 42)), f"SPY,{stamp(at)},{PRICES}"]
    report = imported(write(tmp_path, "SPY.csv", OURS, lines))
    assert found(report, kind).count == 1
    assert totals(report)[1:] == (120, 0, 1)


def test_extended_hours_are_written_where_asked(tmp_path: Path) -> None:
    """Pre-market bars are kept and reported; bars of closed days are never written."""
    early = [at - timedelta(hours=1) for at in starts(count=12)]
    lines = [*ours(early), *ours(starts()), *ours(starts(date(2022, 8, 27), 1))]
    report = imported(write(tmp_path, "SPY.csv", OURS, lines), Options(keep_off_session=True))
    assert totals(report) == (91, 90, 0, 1)
    assert found(report, Kind.KEPT_OFF_SESSION).count == 12
    assert found(report, Kind.WEEKEND).count == 1


def test_a_file_with_the_newest_row_first_is_turned_round(tmp_path: Path) -> None:
    """The whole file is one disorder, not 77."""
    report = imported(write(tmp_path, "SPY.csv", OURS, ours(starts())[::-1]))
    assert "newest first" in found(report, Kind.DISORDER).detail
    rows = [row.start for row in report.series[0].rows]
    assert rows == sorted(rows)
    assert totals(report) == (78, 78, 0, 0)


def test_disorder_is_counted_where_stamps_go_back(tmp_path: Path) -> None:
    """Rows out of place are sorted, and each step back is a finding."""
    lines = ours(starts())
    report = imported(write(tmp_path, "SPY.csv", OURS, [*lines[:5], lines[6], lines[5], *lines[7:]]))
    assert found(report, Kind.DISORDER).count == 1
    assert found(report, Kind.DISORDER).examples[0].startswith("SPY.csv row 8:")


@pytest.mark.parametrize(
    ("prices", "kind"),
    [
        ("100,99,98,99,5", Kind.OHLC),
        ("100,101,100.5,100.7,5", Kind.OHLC),
        ("0,101,99,100,5", Kind.OHLC),
        ("-1,101,-2,100,5", Kind.OHLC),
        ("100,101,99,100,-5", Kind.OHLC),
        ("NaN,101,99,100,5", Kind.NOT_A_NUMBER),
        ("100,,99,100,5", Kind.NOT_A_NUMBER),
        ("100,101,99,abc,5", Kind.NOT_A_NUMBER),
        ("100,101,99,100,", Kind.NOT_A_NUMBER),
        ("100,101,99", Kind.WRONG_FIELDS),
        ("100,101,99,100,5,6", Kind.WRONG_FIELDS),
    ],
)
def test_impossible_bars_are_rejected_and_listed(tmp_path: Path, prices: str, kind: Kind) -> None:
    """No bar that contradicts itself is written, and none vanishes."""
    at = starts()
    lines = [*ours(at[:9]), *ours(at[9:10], prices=prices), *ours(at[10:])]
    report = imported(write(tmp_path, "SPY.csv", OURS, lines))
    assert totals(report) == (78, 77, 0, 1)
    assert found(report, kind).examples[0].startswith("SPY.csv row 11: ")


def test_bars_without_volume_are_written_and_reported(tmp_path: Path) -> None:
    """A bar without volume is odd, not impossible."""
    at = starts()
    lines = [*ours(at[:9]), *ours(at[9:10], prices="100,101,99,100,0"), *ours(at[10:])]
    report = imported(write(tmp_path, "SPY.csv", OURS, lines))
    assert totals(report) == (78, 78, 0, 0)
    assert found(report, Kind.ZERO_VOLUME).count == 1


def test_mangled_stamps_are_rejected_where_no_other_column_tells(tmp_path: Path) -> None:
    """The stamps that a spreadsheet rounded are listed with their text."""
    lines = [f"{int(at.timestamp()) * 1000},{PRICES}" for at in starts()]
    lines[3] = f"1.64E+12,{PRICES}"
    report = imported(write(tmp_path, "SPY.csv", NAIVE, lines))
    assert found(report, Kind.MANGLED_STAMP).examples == ("SPY.csv row 5: '1.64E+12' is no time",)
    assert totals(report) == (78, 77, 0, 1)


def test_the_column_with_readable_stamps_is_used(tmp_path: Path) -> None:
    """A mangled column is reported, and the other one tells the time."""
    at = starts()
    lines = [f"{text},{PRICES},1.64E+12" for text in local(at)]
    report = imported(write(tmp_path, "SPY.csv", f"{NAIVE},datetime", lines), IN_NEW_YORK)
    assert report.sources[0].time_column == "date"
    assert "78 of 78 stamps are no times" in found(report, Kind.MANGLED_STAMP).detail
    assert totals(report) == (78, 78, 0, 0)


def test_time_columns_that_disagree_are_reported(tmp_path: Path) -> None:
    """Instants win over local times, and rows in which both name different ones are shown."""
    at = starts()
    texts = local(at)
    texts[7] = "2022-08-22 15:00:00"
    lines = [f"{text},{PRICES},{int(one.timestamp()) * 1000}" for text, one in zip(texts, at, strict=True)]
    report = imported(write(tmp_path, "SPY.csv", f"{NAIVE},epoch", lines), IN_NEW_YORK)
    assert report.sources[0].time_column == "epoch"
    assert found(report, Kind.COLUMNS_DISAGREE).count == 1
    assert totals(report) == (78, 78, 0, 0)
    options = replace(IN_NEW_YORK, wanted=Wanted(timestamp=("date",)))
    told = imported(write(tmp_path, "SPY.csv", f"{NAIVE},epoch", lines), options)
    assert told.sources[0].time_column == "date"


def test_a_zone_that_contradicts_another_column_is_refused(tmp_path: Path) -> None:
    """Where the local column must be used, the instants that remain prove a wrong zone."""
    at = starts()
    epochs = ["1.64E+12" if bar < 40 else str(int(one.timestamp()) * 1000) for bar, one in enumerate(at)]
    texts = local(at, "America/Los_Angeles")
    lines = [f"{text},{PRICES},{epoch}" for text, epoch in zip(texts, epochs, strict=True)]
    path = write(tmp_path, "SPY.csv", f"{NAIVE},epoch", lines)
    with pytest.raises(DataError, match=r"lie 3:00:00 before those of column 'epoch'.*--tz America/Los_Angeles"):
        imported(path, IN_NEW_YORK)


@pytest.mark.parametrize("zone", ["America/New_York", "America/Los_Angeles", "UTC", "Europe/Berlin", "Asia/Tokyo"])
def test_local_times_without_a_zone_are_refused_with_a_guess(tmp_path: Path, zone: str) -> None:
    """Nobody's clock is assumed; the hours of trading suggest which it may be."""
    lines = [line for day in WEEK for line in naive(local(starts(day), zone))]
    with pytest.raises(DataError, match=rf"name no time zone; .*add --tz {zone} \(a guess"):
        imported(write(tmp_path, "SPY.csv", NAIVE, lines))


def test_no_zone_is_guessed_where_none_fits(tmp_path: Path) -> None:
    """Bars round the clock, busy at no hour, give no hint."""
    lines = naive([f"2022-08-{20 + bar // 96} {bar // 4 % 24:02}:{bar % 4 * 15:02}:00" for bar in range(192)])
    with pytest.raises(DataError, match="add --tz and the zone"):
        imported(write(tmp_path, "SPY.csv", NAIVE, lines))


def test_hours_that_happen_twice_or_never_are_rejected(tmp_path: Path) -> None:
    """A local time at the clock change names no instant."""
    odd = naive(["2022-11-06 01:30:00", "2022-03-13 02:30:00"])
    report = imported(write(tmp_path, "SPY.csv", NAIVE, [*naive(local(starts())), *odd]), IN_NEW_YORK)
    assert found(report, Kind.AMBIGUOUS_TIME).count == 2
    assert totals(report) == (80, 78, 0, 2)


def test_bar_ends_become_starts(tmp_path: Path) -> None:
    """09:35 to 16:00 is 09:30 to 15:55."""
    ends = [at + timedelta(minutes=5) for at in starts()]
    path = write(tmp_path, "SPY.csv", NAIVE, naive(local(ends)))
    with pytest.raises(DataError, match="add --label end"):
        imported(path, IN_NEW_YORK)
    report = imported(path, replace(IN_NEW_YORK, label=Label.END))
    assert (report.is_clean, totals(report)) == (True, (78, 78, 0, 0))
    insisted = imported(path, replace(IN_NEW_YORK, label=Label.START))
    assert {Kind.LABEL_SUSPECTED, Kind.AFTER_CLOSE} <= kinds(insisted)


def test_starts_read_as_ends_are_suspected(tmp_path: Path) -> None:
    """The wrong label the other way round is reported as well."""
    report = imported(write(tmp_path, "SPY.csv", OURS, ours(starts())), Options(label=Label.END))
    assert {Kind.LABEL_SUSPECTED, Kind.BEFORE_OPEN} <= kinds(report)


@pytest.mark.parametrize(("ratio", "name"), [(3, "3:1"), (1.5, "3:2"), (0.1, "10:1 reverse")])
def test_a_jump_over_night_by_a_ratio_is_suspected_as_a_split(tmp_path: Path, ratio: float, name: str) -> None:
    """Prices are never changed, only the day is named."""
    after = ",".join(f"{value / ratio:.2f}" for value in (101, 102, 100, 101.5)) + ",1000"
    lines = [*ours(starts()), *ours(starts(WEEK[1]), prices=after)]
    finding = found(imported(write(tmp_path, "SPY.csv", OURS, lines)), Kind.SPLIT_SUSPECTED)
    assert finding.examples[0].startswith("2022-08-23: ")
    assert finding.examples[0].endswith(f"about {name}")


def test_prices_that_were_divided_are_suspected_as_adjusted(tmp_path: Path) -> None:
    """Prices finer than any quote, whole again times three, were adjusted for a 3:1 split."""
    lines = []
    for bar, at in enumerate(starts()):
        close = (301 + bar) / 3
        lines.append(f"SPY,{stamp(at)},{close!r},{close + 1!r},{close - 1!r},{close!r},5")
    lines += ours(starts(WEEK[1]))
    finding = found(imported(write(tmp_path, "SPY.csv", OURS, lines)), Kind.ADJUSTED_PRICES)
    assert "up to 2022-08-22" in finding.detail
    assert "3:1" in finding.detail
