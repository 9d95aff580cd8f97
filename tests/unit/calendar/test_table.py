"""The calendar's table: the same whoever computes it."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from ztrade.adapters.calendar import table

DAYS = (date(2022, 11, 20), date(2022, 11, 30))


def columns(made: table.Table) -> tuple[list[int], ...]:
    return list(made.days), list(made.opens), list(made.closes)


def test_a_child_hands_over_what_this_process_would_compute() -> None:
    """Thanksgiving week, its half day included: the same numbers from both, and pandas stays away from the asker."""
    code = (
        "import sys; from datetime import date; from ztrade.adapters.calendar.table import load;"
        f"t = load(date({DAYS[0]:%Y, %m, %d}), date({DAYS[1]:%Y, %m, %d}));"
        "assert 'pandas' not in sys.modules; print(list(t.days), list(t.opens), list(t.closes))"
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    computed = columns(table.compute(*DAYS))
    assert said.stdout.strip() == " ".join(map(str, computed))
    assert len(computed[0]) == 7


@pytest.mark.parametrize("script", ["exit 1", "true", "printf 12345", "exec sleep 9"])
def test_a_child_that_fails_is_done_without(tmp_path: Path, script: str) -> None:
    """No such program, an error, silence, half a number, no end: this process computes by itself."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    assert table._elsewhere(*DAYS, str(python), seconds=0.5) is None
    assert table._elsewhere(*DAYS, str(tmp_path / "nowhere"), seconds=0.5) is None


def test_what_is_kept_is_never_written_through_a_link(tmp_path: Path) -> None:
    """Operators write in the folder, and root looks: `ztrade status` would overwrite whatever the link leads to."""
    kept, mine = tmp_path / "run", tmp_path / "mine"
    kept.mkdir()
    mine.write_text("precious")
    first, last = date(2022, 8, 1), date(2022, 8, 31)
    table.load(first, last, kept=kept)
    (name,) = (path.name for path in kept.iterdir())
    (kept / name).unlink()
    (kept / f"{name}.{os.getpid()}").symlink_to(mine)
    assert table.load(first, last, kept=kept).days
    assert mine.read_text() == "precious"
