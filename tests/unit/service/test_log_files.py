"""Log files that somebody else rotates: no line is lost, and no stray file is left."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from ztrade.service.log_lines import GRACE, FileHandler


class Hand:
    """A handler on a clock that is set by hand."""

    def __init__(self, path: Path) -> None:
        self.now = 0.0
        self.handler = FileHandler(path, logging.Formatter(), monotonic=lambda: self.now)

    def say(self, text: str) -> None:
        self.handler.emit(logging.LogRecord("a", logging.INFO, "", 1, text, (), None))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "beat.log"


@pytest.fixture
def hand(path: Path) -> Hand:
    return Hand(path)


def test_it_goes_on_in_the_new_file(hand: Hand, path: Path) -> None:
    """Rename and create, as logrotate does: what was before is in the old file, what comes after in the new one."""
    hand.say("before")
    path.rename(path.with_suffix(".1"))
    path.touch(0o640)
    hand.say("after")
    assert path.with_suffix(".1").read_text() == "before\n"
    assert path.read_text() == "after\n"


def test_between_rename_and_create_the_old_file_takes_the_lines(hand: Hand, path: Path) -> None:
    """A file made by us in that moment would be moved aside by logrotate, under a name that it never removes."""
    path.rename(path.with_suffix(".1"))
    hand.say("between")
    assert not path.exists()
    assert path.with_suffix(".1").read_text() == "between\n"
    path.touch(0o640)
    hand.say("after")
    assert path.read_text() == "after\n"


def test_a_file_that_nobody_makes_again_is_made(hand: Hand, path: Path) -> None:
    """Somebody removed it: after a moment there is one again, and a later rotation is waited for as the first was."""
    path.unlink()
    hand.say("lost with the file")
    hand.now += GRACE + 0.1
    hand.say("kept")
    assert path.read_text() == "kept\n"
    assert path.stat().st_mode & 0o777 == 0o640
    path.unlink()
    hand.say("lost, too")
    assert not path.exists()


def test_lines_that_no_file_takes_go_to_the_descriptor(tmp_path: Path) -> None:
    """A directory that is not there, or not ours, costs no line; once it is there its file is used."""
    with (tmp_path / "out").open("wb") as out:
        handler = FileHandler(tmp_path / "none" / "x.log", logging.Formatter(), fallback=out.fileno())
        record = logging.LogRecord("a", logging.INFO, "", 1, "kept", (), None)
        handler.emit(record)
        assert (tmp_path / "out").read_text() == "kept\n"
        (tmp_path / "none").mkdir()
        handler.emit(record)
    assert (tmp_path / "none" / "x.log").read_text() == "kept\n"
