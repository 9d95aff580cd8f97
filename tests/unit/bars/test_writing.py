"""What an import leaves on disk."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.unit.bars.days import CALENDAR, OURS, imported, ours, starts, write
from ztrade.errors import DataError
from ztrade.exchange.bars import load_directory
from ztrade.exchange.bars.writing import write_report


def test_what_is_written_can_be_read_again(tmp_path: Path) -> None:
    """The reader takes the import's output, digits, optional columns and all."""
    lines = [f"{line},7,100.25" for line in ours(starts(), prices="100.125,101,99,309.393333333333,1000")]
    lines = [line.replace("101,99", "401,99") for line in lines]
    report = imported(write(tmp_path, "SPY.csv", f"{OURS},trade_count,vwap", lines))
    (path,) = write_report(report, tmp_path / "out")
    assert path.read_text().splitlines()[:2] == [f"{OURS},trade_count,vwap", lines[0]]
    assert load_directory(tmp_path / "out", calendar=CALENDAR).bars("SPY").close[0] == 309.393333333333


def test_every_row_is_written_or_listed(tmp_path: Path) -> None:
    """Rejected rows stand beside the output with file, row, reason and their content."""
    lines = [*ours(starts()), *ours(starts()[:2]), 'SPY,"no, time",1,2,1,2,5', ",2022-08-22T13:30:00Z,1,2,1,2,5"]
    report = imported(write(tmp_path, "in.csv", OURS, lines))
    out = tmp_path / "out"
    names = [path.name for path in write_report(report, out)]
    assert names == ["SPY.csv", "SPY.rejected.csv", "UNKNOWN.rejected.csv"]
    with (out / "SPY.rejected.csv").open() as handle:
        rejected = list(csv.DictReader(handle))
    assert [(row["file"], row["row"], row["reason"]) for row in rejected] == [
        ("in.csv", "80", "exact duplicate"),
        ("in.csv", "81", "exact duplicate"),
        ("in.csv", "82", "mangled stamp"),
    ]
    assert rejected[2]["content"] == 'SPY,"no, time",1,2,1,2,5'
    written = len((out / "SPY.csv").read_text().splitlines()) - 1
    assert written + len(rejected) + 1 == len(lines)
    assert sorted(path.name for path in out.iterdir()) == names


def test_nothing_is_overwritten_without_force(tmp_path: Path) -> None:
    """A second import into the same place says what is there, and changes nothing."""
    out = tmp_path / "out"
    first = imported(write(tmp_path, "SPY.csv", OURS, [*ours(starts()), *ours(starts()[:1])]))
    write_report(first, out)
    before = (out / "SPY.csv").read_bytes()
    second = imported(write(tmp_path, "SPY.csv", OURS, ours(starts()[:40])))
    with pytest.raises(DataError, match=r"already holds SPY.csv, SPY.rejected.csv; fix: .*--force"):
        write_report(second, out)
    assert (out / "SPY.csv").read_bytes() == before
    write_report(second, out, force=True)
    assert [path.name for path in out.iterdir()] == ["SPY.csv"], "a stale list of rejected rows would lie"


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """A file where the directory should be is one clear error."""
    (tmp_path / "out").write_text("in the way")
    report = imported(write(tmp_path, "SPY.csv", OURS, ours(starts())))
    with pytest.raises(DataError, match="cannot be written"):
        write_report(report, tmp_path / "out")
