"""Files and directories that are not quite tables of bars: read where they can be, named where they cannot."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.unit.bars.days import OURS, PRICES, imported, kinds, local, ours, starts, totals, write
from ztrade.errors import DataError
from ztrade.exchange.bars.records import Kind, Options


@pytest.mark.parametrize("above", ["sep=,", "# exported by somebody\n# New York time", "\n# a remark\n"])
def test_remarks_above_the_header_are_passed_over(tmp_path: Path, above: str) -> None:
    """What programs write above a header is no row; rows keep the numbers that an editor shows."""
    lines = [OURS, *ours(starts()), "SPY,yesterday,100,101,99,100.5,1000"]
    report = imported(write(tmp_path, "SPY.csv", above, lines))
    assert totals(report) == (79, 78, 0, 1)
    assert report.series[0].rejected[0].number == above.count("\n") + 1 + len(lines)


@pytest.mark.parametrize("again", ["close", "Close", "VOLUME"])
def test_two_columns_of_one_name_are_refused(tmp_path: Path, again: str) -> None:
    """Joined tables have two closes: nobody knows whose prices the agent would trade on."""
    path = write(tmp_path, "SPY.csv", f"{OURS},{again}", [f"{line},7" for line in ours(starts())])
    with pytest.raises(DataError, match="row 1: has 2 columns"):
        imported(path)


@pytest.mark.parametrize("text", ['{"bars": [', "<!DOCTYPE html>", "<html>"])
def test_json_and_web_pages_are_called_what_they_are(tmp_path: Path, text: str) -> None:
    """A download that failed is a page, not a table without known columns."""
    with pytest.raises(DataError, match="begins JSON or a web page"):
        imported(write(tmp_path, "SPY.csv", text, ["x"]))


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    """Files are read more than once; of a pipe the first rows would be gone, without a word."""
    os.mkfifo(tmp_path / "SPY.csv")
    with pytest.raises(DataError, match="is no file but a pipe"):
        imported(tmp_path / "SPY.csv")


def test_whatever_lies_in_the_directory_is_read_or_named(tmp_path: Path) -> None:
    """Folders and other files are listed as not read; a link that leads nowhere is an error."""
    write(tmp_path, "SPY.csv", OURS, ours(starts()))
    (tmp_path / "2023").mkdir()
    (tmp_path / "notes.md").touch()
    assert [path.name for path in imported(tmp_path).ignored] == ["2023", "notes.md"]
    (tmp_path / "TSLA.csv").symlink_to(tmp_path / "gone.csv")
    with pytest.raises(DataError, match=r"TSLA\.csv: does not exist"):
        imported(tmp_path)


def test_a_wrong_zone_is_not_taken_for_the_ends_of_bars(tmp_path: Path) -> None:
    """New York's times read as Pacific reach to 18:55: a day that goes on after 16:00 does not end there."""
    lines = [f"{text},{PRICES}" for text in local(starts())]
    path = write(tmp_path, "SPY.csv", "date,open,high,low,close,volume", lines)
    report = imported(path, Options(zone=ZoneInfo("America/Los_Angeles")))
    assert Kind.AFTER_CLOSE in kinds(report)


def test_a_stock_that_hardly_trades_has_the_length_that_the_person_says(tmp_path: Path) -> None:
    """Bars at odd minutes can be of one minute, of which most are missing; bars on a coarser grid cannot."""
    sparse = [at for minute, at in enumerate(starts(count=390, span=1)) if minute % 13 in {0, 2, 4, 9}]
    path = write(tmp_path, "SPY.csv", OURS, ours(sparse))
    with pytest.raises(DataError, match="say --span 1m"):
        imported(path)
    assert totals(imported(path, Options(span=timedelta(minutes=1)))) == (120, 120, 0, 0)
    quarters = write(tmp_path, "QQQ.csv", OURS, ours(starts()[::3], "QQQ"))
    with pytest.raises(DataError, match="0:15:00 apart"):
        imported(quarters, Options(span=timedelta(minutes=5)))
