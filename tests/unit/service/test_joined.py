"""Since when an agent is at work: kept over restarts, and forgotten where it says nothing any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.service.conftest import agent
from ztrade.service.joined import LONGEST, Joined

NOW = datetime(2022, 8, 22, 14, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def joined(tmp_path: Path) -> Joined:
    (tmp_path / "run").mkdir()
    return Joined(tmp_path)


def test_the_first_look_counts(joined: Joined, tmp_path: Path) -> None:
    """Also for another process."""
    assert joined(agent("spy"), NOW) == NOW
    assert Joined(tmp_path)(agent("spy"), NOW + HOUR) == NOW
    assert joined(agent("tsla"), NOW + HOUR) == NOW + HOUR


@pytest.mark.parametrize("later", [-HOUR, LONGEST + HOUR])
def test_an_agent_that_was_away_or_whose_clock_began_anew_begins_with_the_present(
    joined: Joined, later: timedelta
) -> None:
    """Else it would owe the slots of a month in which nobody wanted it to run."""
    joined(agent("spy"), NOW)
    assert joined(agent("spy"), NOW + later) == NOW + later
    assert joined(agent("spy"), NOW + later + HOUR) == NOW + later


def test_a_file_that_makes_no_sense_is_written_anew(joined: Joined, tmp_path: Path) -> None:
    """Killed in the middle of a write it would be whole; a person may have been there."""
    joined(agent("spy"), NOW)
    (file,) = (tmp_path / "run" / "joined").iterdir()
    for text in ("", "soon", "2022-08-22T14:00:00"):
        file.write_text(text)
        assert joined(agent("spy"), NOW) == NOW


def test_where_nothing_can_be_written_the_present_counts(tmp_path: Path) -> None:
    """A full disk, or no folder yet: nothing is stopped by that."""
    assert Joined(tmp_path / "not-there")(agent("spy"), NOW) == NOW
