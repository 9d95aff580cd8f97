"""A service that ended badly and was started again is told of."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ztrade.service import ended
from ztrade.service.ended import Ended

SPY = "ztrade-worker@spy.service"


def test_a_note_is_found_once(tmp_path: Path) -> None:
    """In the order of what happened."""
    for status in ("KILL", "ABRT"):
        ended.note(Ended(SPY, "signal", "killed", status), tmp_path)
    (tmp_path / ".half").write_text("{")
    (tmp_path / "0-nonsense").write_text("[1]")
    assert [one.status for one in ended.take(tmp_path)] == ["KILL", "ABRT"]
    assert list(ended.take(tmp_path)) == []


@pytest.mark.parametrize(
    "said", [[SPY, "success", "exited", "0"], [SPY, "exit-code", "exited", "2"], [SPY]], ids=["well", "mistake", "odd"]
)
def test_what_needs_no_telling_leaves_no_note(
    tmp_path: Path, said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A stop that was asked for; a mistake in the configuration, which another unit tells; nothing said."""
    assert ended.main(said, tmp_path) == 0
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().err == ""


def test_the_journal_gets_a_line_of_priority_err(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The note besides; and without a place for it the line alone."""
    for folder in (tmp_path, tmp_path / "none"):
        assert ended.main([SPY, "watchdog", "killed", "ABRT"], folder) == 0
        assert (
            capsys.readouterr().err
            == f"<3>{SPY} ended: watchdog (killed ABRT); it is started again unless it was being stopped\n"
        )
    assert [one.result for one in ended.take(tmp_path)] == ["watchdog"]


def test_nothing_heavy_is_loaded() -> None:
    """The restart waits for it."""
    heavy = "('pydantic', 'celery', 'structlog')"
    code = f"import sys; import ztrade.service.ended; print(*[m for m in sys.modules if m in {heavy}])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == ""
