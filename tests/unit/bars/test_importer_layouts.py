"""Layouts of many programs: headers, columns, dates, encodings, symbols; what is unreadable is refused, and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.unit.bars.days import (
    CALENDAR,
    IN_NEW_YORK,
    NAIVE,
    OURS,
    PRICES,
    WEEK,
    all_findings,
    found,
    imported,
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
from ztrade.exchange.bars.importer import import_bars
from ztrade.exchange.bars.records import Kind, Options
from ztrade.exchange.bars.stamps import DateOrder, zone_named


def test_ambiguous_dates_are_read_month_first_and_reported(tmp_path: Path) -> None:
    """Only where no date of the column proves an order."""
    day = date(2022, 8, 2)
    path = write(tmp_path, "SPY.csv", NAIVE, naive(local(starts(day), form="%m/%d/%Y %H:%M")))
    assert found(imported(path, IN_NEW_YORK), Kind.DATE_ORDER).count == 78
    path = write(tmp_path, "SPY.csv", NAIVE, naive(local(starts(day), form="%d/%m/%Y %H:%M")))
    report = imported(path, replace(IN_NEW_YORK, order=DateOrder.DAY_FIRST))
    assert (report.is_clean, totals(report)) == (True, (78, 78, 0, 0))


LAYOUTS = {
    "date and time": ("SPY.csv", "Date,Time,Open,High,Low,Close,Volume", "%m/%d/%Y,%H:%M", PRICES, ""),
    "stooq": (
        "spy.us.txt",
        "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>",
        "SPY.US,5,%Y%m%d,%H%M%S",
        PRICES,
        ",0",
    ),
    "yahoo": (
        "SPY.csv",
        "Datetime,Adj Close,Open,High,Low,Close,Volume",
        "%Y-%m-%d %H:%M:%S%z,1.23",
        PRICES,
        "",
    ),
    "semicolons": (
        "SPY.csv",
        "Datum;time;Open;High;Low;Close;Volume",
        "%d.%m.%Y;%H:%M",
        "100,00;101,00;99,00;100,50;1.000",
        "",
    ),
    "tabs": ("SPY.tsv", "time\topen\thigh\tlow\tclose\tvolume", "%Y-%m-%d %H:%M", PRICES.replace(",", "\t"), ""),
    "quotes": (
        "SPY.csv",
        '"time","open","high","low","close","volume"',
        '"%Y-%m-%d %H:%M"',
        '"100","101","99","100.5","1,000"',
        "",
    ),
    "trailing comma": ("SPY.csv", "time,open,high,low,close,volume", "%Y-%m-%d %H:%M", PRICES, ","),
    "dollars": ("SPY.csv", "time,open,high,low,close,volume", "%Y-%m-%d %H:%M", "$100,$101,$99,$100.5,1000", ""),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_of_many_programs_come_through(tmp_path: Path, layout: str) -> None:
    """Names in any case, split dates, other marks: 78 bars with the same prices, and blank lines at the end."""
    name, header, form, prices, rest = LAYOUTS[layout]
    lines = [f"{at.astimezone(zone_named('America/New_York')):{form}}" for at in starts()]
    mark = next(one for one in ("\t", ";", ",") if one in header)
    path = write(tmp_path, name, header, [*(f"{text}{mark}{prices}{rest}" for text in lines), "", "  ", ""])
    report = imported(path, IN_NEW_YORK)
    assert (all_findings(report), totals(report)) == ([], (78, 78, 0, 0))
    (series,) = report.series
    assert (series.symbol, series.rows[0].start) == ("SPY", int(starts()[0].timestamp()))
    bar = series.rows[5].prices
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (100, 101, 99, 100.5, 1000)


def test_the_two_header_lines_of_a_download_are_rejected_not_lost(tmp_path: Path) -> None:
    """Rows of text under the header are listed like any unreadable row."""
    lines = ["Ticker,SPY,SPY,SPY,SPY,SPY", "Datetime,,,,,", *(f"{stamp(at)},100.5,101,99,100,1000" for at in starts())]
    report = imported(write(tmp_path, "SPY.csv", "Price,Close,High,Low,Open,Volume", lines))
    assert totals(report) == (80, 78, 0, 2)


def test_columns_may_be_named(tmp_path: Path) -> None:
    """A header in another language needs its names told."""
    lines = [f"{text},{PRICES}" for text in local(starts())]
    path = write(tmp_path, "SPY.csv", "Zeit,Eroeffnung,Hoch,Tief,Schluss,Stueck", lines)
    with pytest.raises(DataError, match="no column is known as open or high or low or close or volume"):
        imported(path, IN_NEW_YORK)
    roles = {"open": "Eroeffnung", "high": "hoch", "low": "Tief", "close": "Schluss", "volume": "Stueck"}
    assert totals(imported(path, replace(IN_NEW_YORK, wanted=Wanted(roles)))) == (78, 78, 0, 0)
    with pytest.raises(DataError, match="has no column 'Preis'"):
        imported(path, replace(IN_NEW_YORK, wanted=Wanted({**roles, "open": "Preis"})))


def test_a_file_without_a_header_needs_its_columns_named(tmp_path: Path) -> None:
    """The first bar is no header."""
    lines = naive(local(starts(), form="%Y%m%d %H%M%S"))
    path = write(tmp_path, "SPY.csv", lines[0], lines[1:])
    with pytest.raises(DataError, match=r"row 1: holds values .* --columns timestamp,open"):
        imported(path, IN_NEW_YORK)
    header = ("timestamp", "open", "high", "low", "close", "volume")
    assert totals(imported(path, replace(IN_NEW_YORK, wanted=Wanted(header=header)))) == (78, 78, 0, 0)


def test_commas_that_may_mean_either_are_refused(tmp_path: Path) -> None:
    """1,234 is a thousand or one and a bit: a person must say."""
    lines = [f"{stamp(at)};1,100;1,101;1,099;1,100;5" for at in starts()]
    path = write(tmp_path, "SPY.csv", "time;open;high;low;close;volume", lines)
    with pytest.raises(DataError, match="--decimal comma or --decimal point"):
        imported(path)
    assert imported(path, Options(comma=True)).series[0].rows[0].prices.open == 1.1
    assert imported(path, Options(comma=False)).series[0].rows[0].prices.open == 1100


@pytest.mark.parametrize(
    ("name", "symbol"),
    [("AAPL_5m.csv", "AAPL"), ("brk.b-5min.csv", "BRK.B"), ("spy.us.txt", "SPY"), ("5min.csv", ""), ("data_1.csv", "")],
)
def test_the_symbol_comes_from_the_file_name(tmp_path: Path, name: str, symbol: str) -> None:
    """Up to the first mark of the name; where that is no ticker, the person must say."""
    path = write(tmp_path, name, NAIVE, naive(local(starts())))
    if symbol:
        assert imported(path, IN_NEW_YORK).series[0].symbol == symbol
        return
    with pytest.raises(DataError, match="add --symbol SPY"):
        imported(path, IN_NEW_YORK)
    assert imported(path, replace(IN_NEW_YORK, symbol="SPY")).series[0].symbol == "SPY"


def test_rows_of_other_symbols_are_listed_where_one_is_asked_for(tmp_path: Path) -> None:
    """A symbol column is never overwritten by the option."""
    report = imported(
        write(tmp_path, "all.csv", OURS, [*ours(starts()), *ours(starts(), "AAPL")]), Options(symbol="SPY")
    )
    by_symbol = {one.symbol: (len(one.rows), len(one.rejected)) for one in report.series}
    assert by_symbol == {"SPY": (78, 0), "AAPL": (0, 78)}


def test_rows_without_a_symbol_are_kept_apart(tmp_path: Path) -> None:
    """They belong to no file of bars, and still are listed."""
    report = imported(write(tmp_path, "all.csv", OURS, [*ours(starts()), f",{stamp(starts()[0])},{PRICES}"]))
    assert [row.kind for row in report.loose] == [Kind.NO_SYMBOL]
    assert not report.is_clean


def test_several_files_of_a_symbol_become_one_series(tmp_path: Path) -> None:
    """Overlaps between files are duplicates like those within one."""
    write(tmp_path, "SPY_2.csv", OURS, ours(starts(WEEK[1])))
    write(tmp_path, "SPY_1.csv", OURS, [*ours(starts()), *ours(starts(WEEK[1])[:10])])
    (tmp_path / "notes.doc").write_text("x")
    report = import_bars([tmp_path], Options(), CALENDAR)
    assert totals(report) == (166, 156, 10, 0)
    assert [path.name for path in report.ignored] == ["notes.doc"]


def test_utf16_from_a_spreadsheet_is_read(tmp_path: Path) -> None:
    """Text with the mark of UTF-16 needs no conversion by hand."""
    path = tmp_path / "SPY.csv"
    path.write_text("\n".join([OURS, *ours(starts())]), encoding="utf-16")
    assert totals(imported(path)) == (78, 78, 0, 0)


@pytest.mark.parametrize(
    ("header", "lines", "says"),
    [
        ("date,open,high,low,close,volume", ["2022-08-22,1,2,1,2,5"], "these are daily bars"),
        ("open,high,low,close,volume", ["1,2,1,2,5"], "no column holds times"),
        ("t,o,h,l,c,v", ["30:00.0,1,2,1,2,5"], "column 't' holds '30:00.0', which is no time: a spreadsheet"),
        ("date,open,high,low,close,volume", ["1.64E+12,1,2,1,2,5"], "no value is a time, like '1.64E.12'.*spreadsheet"),
        ("time,open,high,low,close,volume", [], "holds a header and no bars"),
        ("time,open,high,low,close,volume", ["2022-08-22T13:30:00Z,1,2,1,2,5"], "has one bar only"),
        (
            "time,open,high,low,close,volume",
            [f"2022-08-22T{hour}:30:00Z,1,2,1,2,5" for hour in (13, 14, 15)],
            "its bars are 1:00:00 apart",
        ),
    ],
)
def test_unusable_files_are_refused_in_one_sentence(tmp_path: Path, header: str, lines: list[str], says: str) -> None:
    """What cannot be imported at all says so before anything is written."""
    with pytest.raises(DataError, match=says):
        imported(write(tmp_path, "SPY.csv", header, lines))


def test_the_span_may_be_said_and_must_be_right(tmp_path: Path) -> None:
    """One bar alone needs it; a wrong one is refused."""
    path = write(tmp_path, "SPY.csv", OURS, ours(starts()[:1]))
    assert totals(imported(path, Options(span=timedelta(minutes=5)))) == (1, 1, 0, 0)
    path = write(tmp_path, "SPY.csv", OURS, ours(starts()))
    with pytest.raises(DataError, match="its bars are 0:05:00 apart, not 0:01:00"):
        imported(path, Options(span=timedelta(minutes=1)))


def test_symbols_of_different_lengths_are_refused(tmp_path: Path) -> None:
    """They could not be read together afterwards."""
    write(tmp_path, "SPY.csv", OURS, ours(starts()))
    write(tmp_path, "TSLA.csv", OURS, ours(starts(count=390, span=1), "TSLA"))
    with pytest.raises(DataError, match=r"different lengths \(TSLA 0:01:00, SPY 0:05:00\)"):
        imported(tmp_path)


def test_a_header_in_the_middle_is_listed_as_a_row_without_a_symbol(tmp_path: Path) -> None:
    """Files joined by hand repeat their header."""
    lines = ours(starts())
    report = imported(write(tmp_path, "all.csv", OURS, [*lines[:9], OURS, *lines[9:]]))
    assert [row.number for row in report.loose] == [11]
    assert totals(report) == (78, 78, 0, 0)
