"""A person who may not look, or has not logged in since joining the group: told so in one line, and never a crash."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.unit.cli.stage import Stage
from ztrade.adapters.halts import FileHalts
from ztrade.adapters.journal import open_journal
from ztrade.errors import ConfigError, JournalUnavailable
from ztrade.service.log_reader import LogFile, log_files

NOBODY = 65534


@contextmanager
def stranger() -> Iterator[None]:
    """Be somebody else for a moment, where that is possible; a mode of 0 keeps anybody but root out anyway."""
    root = os.geteuid() == 0
    if root:
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
            os.setegid(0)


@pytest.fixture
def passage() -> Iterator[Path]:
    """A folder that others may enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """A state directory with everything in it, shut."""
    folder = tmp_path / "state"
    for name in ("logs", "halts"):
        (folder / name).mkdir(parents=True)
    (folder / "logs" / "worker-spy.log").write_text("x\n")
    open_journal(f"sqlite:///{folder}/journal.db").close()
    assert FileHalts(folder).active() == {}
    folder.chmod(0)
    yield folder
    folder.chmod(0o700)


def _opens(state: Path) -> object:
    return open_journal(f"sqlite:///{state}/journal.db", create=False)


def _lists(state: Path) -> object:
    return log_files([state / "logs"], None)


def _reads(state: Path) -> object:
    return LogFile(state / "logs" / "worker-spy.log")


@pytest.mark.parametrize("look", [_opens, _lists, _reads])
def test_who_may_not_look_is_told_how_to(state: Path, look: Callable[[Path], object]) -> None:
    """In words, with the mend: not "unexpected PermissionError", and not "there are no logs"."""
    with stranger(), pytest.raises((ConfigError, JournalUnavailable), match="log in again"):
        look(state)


def test_flags_that_nobody_can_look_at_count_for_all(state: Path) -> None:
    """`ztrade status` and `doctor` show it, and go on with the rest."""
    with stranger():
        assert "Permission denied" in FileHalts(state).active()["ALL"]


def test_the_doctor_goes_on(passage: Path) -> None:
    """What a stranger may not see costs its own checks, and no others; that the journal is shut is a finding."""
    stage = Stage(passage)
    stage.state.mkdir()
    looks = [("doctor", "--verbose"), ("status", "--json")]
    for words in looks:
        stage.run(*words)  # whoever is somebody else for a moment cannot load modules
    stage.state.chmod(0)
    stage.broken.add("journal")  # the twin is not in the folder
    try:
        with stranger():
            doctor, status = (stage.run(*words) for words in looks)
    finally:
        stage.state.chmod(0o700)
    assert "unexpected" not in doctor.output + status.output
    assert "skipped: backup: this user may not look at" in doctor.stdout
    assert "fine: limits" in doctor.stdout
    assert '"ALL": "the flags in' in status.stdout


def test_a_folder_in_a_logs_place_is_one_line(tmp_path: Path) -> None:
    """Whoever made it."""
    (tmp_path / "worker-spy.log").mkdir()
    with pytest.raises(ConfigError, match="Is a directory"):
        LogFile(log_files([tmp_path], "spy")[0])
