"""A short cut of the soak: the whole of it is ``make soak``, its results docs/reliability.md."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from tests.faults.catalogue import FAULTS
from tests.faults.soak.__main__ import plan
from tests.faults.soak.strikes import KINDS

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.xdist_group("stack")
def test_two_days_under_random_faults_end_equal_to_the_cent(tmp_path: Path) -> None:
    """Three agents, every slot one outcome, no leg twice, nothing unresolved, and somebody did trade."""
    results, page = tmp_path / "results.jsonl", tmp_path / "page.md"
    command = [sys.executable, "-m", "tests.faults.soak", "--seed", "3", "--days", "2"]
    command += ["--results", str(results), "--page", str(page), "--logs", str(tmp_path / "logs")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=220, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = map(json.loads, results.with_name("soaks.jsonl").read_text().splitlines())
    assert found["sound"]
    assert found["slots"] == 2 * (77 + 77 + 6)
    assert found["outcomes"]["entered"] >= 1
    assert sum(found["faults"].values()) >= 4
    assert "| 3 | 2 from 2024-11-01 |" in page.read_text()


def test_a_seed_says_what_strikes_and_a_longer_soak_begins_with_the_shorter() -> None:
    """So that a seed that failed is a test."""
    _, short, _ = plan(7, date(2024, 11, 1), 3, "")
    _, long, _ = plan(7, date(2024, 11, 1), 21, "")
    _, other, _ = plan(8, date(2024, 11, 1), 3, "")
    assert long[: len(short)] == short
    assert other != short
    assert {blow.kind for seed in range(20) for blow in plan(seed, date(2024, 11, 1), 21, "")[1]} >= {
        kind for kind in KINDS if not KINDS[kind].needs
    }


def test_a_soak_strikes_with_what_the_matrix_strikes_with() -> None:
    """Its own are those of time that goes on."""
    assert set(KINDS) - set(FAULTS) == {"second worker", "flatten"}
