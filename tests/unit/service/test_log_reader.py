"""Reading log files: which lines are wanted, and following a file through its rotations."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ztrade.errors import ConfigError
from ztrade.service.log_reader import LogFile, Wanted, log_files

NOON = datetime(2022, 8, 22, 12, tzinfo=UTC)


def line(event: str, level: str = "info", at: str = "2022-08-22T12:00:00Z") -> str:
    return json.dumps({"event": event, "level": level, "timestamp": at})


@pytest.mark.parametrize(
    ("wanted", "passes"),
    [
        (Wanted(), {"info", "error", "early", "plain"}),
        (Wanted(priority="warning"), {"error", "plain"}),
        (Wanted(since=NOON), {"info", "error", "plain"}),
        (Wanted(since=NOON, priority="error"), {"error", "plain"}),
    ],
)
def test_lines_are_chosen_by_time_and_level(wanted: Wanted, passes: set[str]) -> None:
    """Plain text says neither, and may be a traceback: it is always shown."""
    lines = {
        "info": line("a"),
        "error": line("b", "error"),
        "early": line("c", at="2022-08-22T11:59:59Z"),
        "plain": "Traceback (most recent call last):",
    }
    assert {name for name, text in lines.items() if wanted.passes(text)} == passes


def test_the_last_lines_are_the_last_of_those_that_are_wanted(tmp_path: Path) -> None:
    """`-n 1 -p error` is the last error, not the last line if it is one."""
    path = tmp_path / "a.log"
    path.write_text("\n".join([line("a", "error"), line("b", "error"), line("c")]) + "\n")
    with LogFile(path) as file:
        assert [json.loads(one)["event"] for one in file.last(Wanted(1, priority="error"))] == ["b"]


def test_of_two_folders_the_first_counts(tmp_path: Path) -> None:
    """The directory that the configuration names, before what supervisor caught of the same program."""
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "beat.log").touch()
    (tmp_path / "two" / "redis.log").touch()
    found = log_files([tmp_path / "one", tmp_path / "two"], None)
    assert found == [tmp_path / "one" / "beat.log", tmp_path / "two" / "redis.log"]
    with pytest.raises(ConfigError, match="known: beat, redis"):
        log_files([tmp_path / "one", tmp_path / "two"], "flower")


def test_followed_lines_are_whole(tmp_path: Path) -> None:
    """Half a line waits for its end, and what came between the last lines and the first look is not skipped."""
    path = tmp_path / "a.log"
    path.write_text("before\n")
    with LogFile(path) as file, path.open("a", buffering=1) as writer:
        assert list(file.last(Wanted())) == ["before"]
        writer.write("one\n")
        writer.write("tw")
        writer.flush()
        assert file.grown() == ["one"]
        writer.write("o\n")
        assert file.grown() == ["two"]


def test_a_followed_file_is_followed_through_its_rotation(tmp_path: Path) -> None:
    """What came before its writers noticed is in the renamed file, and is shown first."""
    path = tmp_path / "a.log"
    path.touch()
    with LogFile(path) as file, path.open("a", buffering=1) as writer:
        path.rename(tmp_path / "a.log.1")
        writer.write("late\n")
        assert file.grown() == ["late"]  # there is no new one yet
        writer.write("later\n")
        path.write_text("new\n")
        assert file.grown() == ["later", "new"]
        path.write_text("x\n")  # shorter: cut in place, as copytruncate does
        assert file.grown() == ["x"]


def test_a_last_line_without_an_end_is_shown(tmp_path: Path) -> None:
    """A program died in the middle of it."""
    path = tmp_path / "a.log"
    path.write_text("whole\nhalf")
    with LogFile(path) as file:
        assert list(file.last(Wanted())) == ["whole", "half"]
