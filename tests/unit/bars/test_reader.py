"""The strict reader of our own layout."""

from __future__ import annotations

import gzip
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.bars.days import CALENDAR, MONDAY, OURS, PRICES, ours, stamp, starts, write
from ztrade.errors import DataError
from ztrade.exchange.bars import load_directory
from ztrade.exchange.bars.lines import unreadable

GOOD = f"SPY,2022-08-22T13:30:00Z,{PRICES}"
NEXT = f"SPY,2022-08-22T13:35:00Z,{PRICES}"


def test_one_file_may_hold_several_symbols(tmp_path: Path) -> None:
    """Rows of several symbols may follow each other or alternate."""
    lines = [line for pair in zip(ours(starts()), ours(starts(), "AAPL"), strict=True) for line in pair]
    tape = load_directory(write(tmp_path, "all.csv", OURS, lines), calendar=CALENDAR)
    assert tape.symbols() == ["AAPL", "SPY"]
    assert [len(tape.bars(symbol)) for symbol in tape.symbols()] == [78, 78]
    bars = tape.bars("SPY")
    assert (bars.start_at(0), bars.span) == (datetime(2022, 8, 22, 13, 30, tzinfo=UTC), timedelta(minutes=5))
    assert (bars.open[0], bars.high[0], bars.low[0], bars.close[0], bars.volume[0]) == (100, 101, 99, 100.5, 1000)


def test_a_directory_is_read_in_order_of_names(tmp_path: Path) -> None:
    """A symbol may be spread over files, as one a day; rejected rows of an import are passed over."""
    write(tmp_path, "SPY-1.csv", OURS, ours(starts(MONDAY)))
    write(tmp_path, "SPY-2.csv", OURS, ours(starts(date(2022, 8, 23))))
    write(tmp_path, "SPY.rejected.csv", "file,row", ["x,1"])
    (tmp_path / "README.md").write_text("about")
    assert len(load_directory(tmp_path).bars("SPY")) == 156


def test_gzip_mark_line_ends_and_optional_columns_are_taken(tmp_path: Path) -> None:
    """A byte order mark, CRLF, quotes, gzip, nanoseconds and the optional columns are no faults."""
    text = f'\ufeff{OURS},trade_count,vwap\r\n"SPY",2022-08-22T13:30:00.000000000Z,{PRICES},12,100.2\r\n'
    text += f"SPY,2022-08-22T13:35:00+00:00,{PRICES},,\r\n\r\n\r\n"
    with gzip.open(tmp_path / "SPY.csv.gz", "wb") as handle:
        handle.write(text.encode())
    assert len(load_directory(tmp_path).bars("SPY")) == 2


def test_minutes_make_a_tape_of_minutes(tmp_path: Path) -> None:
    """The span is seen from the stamps."""
    path = write(tmp_path, "SPY.csv", OURS, ours(starts(count=390, span=1)))
    assert load_directory(path).bars("SPY").span == timedelta(minutes=1)


def test_only_wanted_symbols_are_read(tmp_path: Path) -> None:
    """Other symbols stay out, and a wanted one that is missing is an error."""
    write(tmp_path, "SPY.csv", OURS, ours(starts()))
    write(tmp_path, "AAPL.csv", OURS, ours(starts(), "AAPL"))
    assert load_directory(tmp_path, ["SPY"]).symbols() == ["SPY"]
    with pytest.raises(DataError, match="has no bars of TSLA"):
        load_directory(tmp_path, ["SPY", "TSLA"])


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("SPY,2022-08-22T13:35:00Z,100,101,99", r"has 5 fields, the header has 7"),
        (f"spy,2022-08-22T13:35:00Z,{PRICES}", r"'spy' is no symbol; fix: write it in capitals"),
        (f"SPY,2022-08-22 13:35,{PRICES}", r"names no time zone; fix: write it in UTC"),
        (f"SPY,yesterday,{PRICES}", r"'yesterday' is no ISO time"),
        (f"SPY,2022-08-22T09:35:00-04:00,{PRICES}", r"is not in UTC; fix: write it as 2022-08-22T13:35:00Z"),
        (f"SPY,2022-08-22T13:35:07Z,{PRICES}", r"is no whole minute"),
        (f"SPY,0001-01-01T00:00:00Z,{PRICES}", r"another age"),
        ("SPY,2022-08-22T13:35:00Z,nan,101,99,100,5", r"open 'nan' is not a plain number"),
        ("SPY,2022-08-22T13:35:00Z,,101,99,100,5", r"open is empty"),
        ("SPY,2022-08-22T13:35:00Z,1_0,101,99,100,5", r"open '1_0' is not a plain number"),
        ("SPY,2022-08-22T13:35:00Z,100,1e999,99,100,5", r"high '1e999' is too large"),
        ("SPY,2022-08-22T13:35:00Z,100,99.5,99,100,5", r"high 99.5 is below"),
        ("SPY,2022-08-22T13:35:00Z,0,101,0,100,5", r"open 0 is not above zero"),
        (GOOD, r"a second bar of SPY .*\(SPY.csv row 2\).*ztrade bars import"),
        (f"SPY,2022-08-22T13:25:00Z,{PRICES}", r"older than the bar before it.*ztrade bars import"),
    ],
)
def test_a_bad_row_is_named_with_its_mend(tmp_path: Path, row: str, says: str) -> None:
    """File, row, what is wrong, and what would be right."""
    with pytest.raises(DataError, match=r"SPY\.csv, row 3: .*" + says):
        load_directory(write(tmp_path, "SPY.csv", OURS, [GOOD, row, NEXT]))


def test_optional_columns_are_checked_too(tmp_path: Path) -> None:
    """A vwap that is no number is a bad row like any other."""
    path = write(tmp_path, "SPY.csv", f"{OURS},vwap", [f"{GOOD},100", f"{NEXT},?"])
    with pytest.raises(DataError, match=r"row 3: vwap '\?' is not a plain number"):
        load_directory(path)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("SPY.csv", b"", "is empty"),
        ("SPY.csv", f"{OURS}\n".encode(), "holds a header and no bars"),
        ("SPY.csv", b"\x00\x01\x02binary", "holds binary data"),
        ("SPY.csv", f"{OURS}\nSPY,\xe9".encode("latin-1"), "is not utf-8"),
        ("SPY.csv", f"{OURS}\n{'x' * 30_000}\n".encode(), "row 2: is longer than 20000 characters"),
        ("SPY.csv", f'{OURS}\n"SPY,2022\n'.encode(), "cannot be split into fields"),
        ("SPY.csv", b"PK\x03\x04\x00\x00", "holds binary data"),
        ("SPY.csv.gz", b"no gzip", "is not a whole gzip file"),
        ("SPY.csv.gz", gzip.compress(f"{OURS}\n{GOOD}\n{NEXT}\n".encode(), mtime=0)[:-9], "is not a whole gzip file"),
        ("SPY.csv", f"{OURS}\n{GOOD}\n".encode(), "has one bar only"),
    ],
)
def test_a_file_that_is_no_table_is_refused_in_one_sentence(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    """Whatever the file is, the message names it and says why it will not do."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=says) as caught:
        load_directory(tmp_path)
    assert name in str(caught.value) or "SPY" in str(caught.value)


def test_a_stock_that_hardly_trades_has_the_length_of_the_others(tmp_path: Path) -> None:
    """One bar a day, or one every half hour or so, shows no length of its own."""
    write(tmp_path, "SPY.csv", OURS, ours(starts()))
    write(tmp_path, "ILL.csv", OURS, ours([at for n, at in enumerate(starts()) if n % 13 in {0, 2, 7}], "ILL"))
    write(tmp_path, "ONE.csv", OURS, ours([starts(day)[30] for day in (date(2022, 8, 22), date(2022, 8, 23))], "ONE"))
    write(tmp_path, "TWO.csv", OURS, ours(starts(count=1), "TWO"))
    tape = load_directory(tmp_path)
    assert {tape.bars(symbol).span for symbol in tape.symbols()} == {timedelta(minutes=5)}


def test_a_missing_or_empty_directory_is_said(tmp_path: Path) -> None:
    """No bars is an error, never an empty market."""
    with pytest.raises(DataError, match="does not exist"):
        load_directory(tmp_path / "nowhere")
    with pytest.raises(DataError, match="is an empty directory"):
        load_directory(tmp_path)
    (tmp_path / "2022").mkdir()
    with pytest.raises(DataError, match=r"holds no \.csv file \(found 2022\)"):
        load_directory(tmp_path)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (PermissionError(13, "Permission denied"), "may not be read by this user"),
        (IsADirectoryError(21, "Is a directory"), "is a directory, not a file"),
        (OSError(5, "Input/output error"), "cannot be read: Input/output error"),
    ],
)
def test_what_the_system_refuses_is_said_in_plain_words(error: OSError, says: str) -> None:
    """Missing rights and broken disks are named as such; root may read everything, so the errors are handed in."""
    assert says in str(unreadable(Path("SPY.csv"), error))


def test_mixed_lengths_are_refused(tmp_path: Path) -> None:
    """Bars of a minute and of five cannot be one market, in two symbols or in one."""
    write(tmp_path, "SPY.csv", OURS, ours(starts()))
    write(tmp_path, "TSLA.csv", OURS, ours(starts(count=390, span=1), "TSLA"))
    with pytest.raises(DataError, match=r"mixes bars of different lengths \(TSLA 0:01:00, SPY 0:05:00\)"):
        load_directory(tmp_path)
    path = write(tmp_path, "SPY.csv", OURS, [*ours(starts()), *ours(starts(date(2022, 8, 23), 390, 1))])
    with pytest.raises(DataError, match="another length"):
        load_directory(path)


def test_hours_are_no_base_bars(tmp_path: Path) -> None:
    """Bars of an hour are refused, they cannot be cut into five minutes."""
    path = write(tmp_path, "SPY.csv", OURS, ours(starts(count=7, span=60)))
    with pytest.raises(DataError, match="its bars are 1:00:00 apart"):
        load_directory(path)


@pytest.mark.parametrize("day", [date(2022, 9, 5), date(2022, 8, 27)])
def test_bars_of_closed_days_are_refused_with_the_calendar(tmp_path: Path, day: date) -> None:
    """Bars on a holiday or weekend mean that the stamps are wrong."""
    path = write(tmp_path, "SPY.csv", OURS, [*ours(starts()), *ours(starts(day))])
    assert len(load_directory(path).bars("SPY")) == 156
    with pytest.raises(DataError, match="the exchange is closed"):
        load_directory(path, calendar=CALENDAR)


def test_extended_hours_are_kept_and_the_night_is_not(tmp_path: Path) -> None:
    """Alpaca's exports hold the pre-market; a bar at 03:00 New York points to a wrong zone."""
    early = [at - timedelta(hours=1) for at in starts(count=12)]
    path = write(tmp_path, "SPY.csv", OURS, [*ours(early), *ours(starts())])
    assert len(load_directory(path, calendar=CALENDAR).bars("SPY")) == 90
    night = [at - timedelta(hours=7) for at in starts(count=12)]
    path = write(tmp_path, "SPY.csv", OURS, [*ours(night), *ours(starts())])
    with pytest.raises(DataError, match=r"before the open.*02:30"):
        load_directory(path, calendar=CALENDAR)


def test_another_layout_is_named_with_the_command_that_imports_it(tmp_path: Path) -> None:
    """The person can copy the command; what it guesses is said to be guessed."""
    lines = [f"{stamp(at)[:10]} {at - timedelta(hours=7):%H:%M:%S},{PRICES}" for at in starts()]
    write(tmp_path, "SPY_5m.csv", "date,open,high,low,close,volume", lines)
    with pytest.raises(DataError) as caught:
        load_directory(tmp_path)
    command = f"run: ztrade bars import {tmp_path} --out {tmp_path.name}-imported --tz America/Los_Angeles (guessed"
    assert command in str(caught.value)
    assert "has the columns date,open,high,low,close,volume" in str(caught.value)


def test_bar_ends_are_seen_in_the_suggestion(tmp_path: Path) -> None:
    """Stamps from 09:35 to 16:00 are ends."""
    lines = [f"{at + timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ},{PRICES}" for at in starts()]
    write(tmp_path, "SPY_5m.csv", "time,open,high,low,close,volume", lines)
    with pytest.raises(DataError, match=r"--label end \(guessed"):
        load_directory(tmp_path)


def test_a_table_that_holds_no_bars_is_not_sent_to_the_import(tmp_path: Path) -> None:
    """Daily bars and other tables are said to be what they are."""
    write(tmp_path, "SPY.csv", "Date,Open,High,Low,Close,Volume", [f"2022-08-22,{PRICES}"])
    with pytest.raises(DataError, match="these are daily bars"):
        load_directory(tmp_path)


def test_a_year_of_bars_loads_within_a_second(tmp_path: Path) -> None:
    """27,000 rows, measured in processor time, so that a busy machine does not matter."""
    days = [MONDAY + timedelta(days=shift) for shift in range(346)]
    path = write(tmp_path, "SPY.csv", OURS, [line for day in days for line in ours(starts(day))])
    begin = time.process_time()
    assert len(load_directory(path).bars("SPY")) == 26_988
    assert time.process_time() - begin < 1.0
