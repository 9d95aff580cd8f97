"""What a unit that failed makes systemd start."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.stage import Stage
from ztrade.cli import units
from ztrade.domain.messages import Severity

SPY = "ztrade-worker@spy.service"


@pytest.fixture(autouse=True)
def said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONITOR_UNIT", SPY)
    monkeypatch.setenv("MONITOR_SERVICE_RESULT", "exit-code")
    monkeypatch.setenv("MONITOR_EXIT_CODE", "exited")
    monkeypatch.setenv("MONITOR_EXIT_STATUS", "2")
    monkeypatch.setenv("MONITOR_INVOCATION_ID", "")


def test_it_is_told_once(tmp_path: Path) -> None:
    """A critical message with the cause, and a line for `journalctl -p err`."""
    stage = Stage(tmp_path)
    for _ in range(2):
        result = stage.run("unit-failed", SPY)
        assert result.exit_code == 0, result.output
    (message,) = stage.bench.journal.messages()
    assert message.severity is Severity.CRITICAL
    assert message.title == f"{SPY} has failed"
    assert message.text.startswith(f"{SPY}: exit-code (exited 2). It is not started again")


def test_a_mistake_in_an_agents_file_is_told_too(tmp_path: Path) -> None:
    """It is the likeliest reason for a unit to fail for good."""
    stage = Stage(tmp_path)
    (stage.path.parent / "agents" / "spy.toml").write_text("what = 1\n")
    assert stage.run("unit-failed", SPY).exit_code == 0
    assert [message.title for message in stage.bench.journal.messages()] == [f"{SPY} has failed"]


def test_a_journal_that_is_away_leaves_the_line(tmp_path: Path) -> None:
    """Telling must not fail: the unit's own failure would be followed by another."""
    stage = Stage(tmp_path)
    stage.broken.add("journal")
    assert stage.run("unit-failed", SPY).exit_code == 0


def test_without_an_invocation_there_are_no_lines() -> None:
    """A unit that never ran has none."""
    assert units.last_lines("") == []
