"""A cut of the fault matrix: the whole of it is ``make faults``, its results docs/reliability.md."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.catalogue import FAULTS
from tests.faults.matrix import COVER, CUT, PAIRS
from tests.faults.page import read
from tests.faults.safeguards import GUARDS, Guard, copy_without

ROOT = Path(__file__).parents[2]


def run_matrix(folder: Path, *arguments: str) -> tuple[list[dict[str, object]], str]:
    """Run the matrix as ``make faults`` does; return its results and what it said."""
    results, page = folder / "results.jsonl", folder / "page.md"
    command = [sys.executable, "-m", "tests.faults", *arguments, "--results", str(results), "--page", str(page)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert page.read_text().startswith("# Reliability"), done.stderr
    return read(results), done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.xdist_group("fault matrix")
def test_no_fault_doubles_or_loses_an_order(tmp_path: Path) -> None:
    """Processes that die, freeze or come twice, an order whose answer is lost, a halt: every run is sound."""
    found, said = run_matrix(tmp_path, "--cut", "--runs", "1", "--naive", "0")
    assert [result["pair"] for result in found if not result.get("sound")] == [], said
    assert {result["pair"] for result in found} == {pair.name for pair in CUT}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.xdist_group("fault matrix")
def test_the_naive_version_is_seen_to_double(tmp_path: Path) -> None:
    """The harness is not blind: what is acknowledged late and has no id of its own sends its order twice."""
    (found,), said = run_matrix(tmp_path, "--pairs", "post> kill child", "--runs", "0", "--naive", "1")
    assert found["doubled"], said


def test_the_cover_has_every_point_and_every_fault_in_fewer_pairs() -> None:
    """``--cover`` leaves out pairs, but no point, no fault, and none of either that the catalogue names."""
    assert {pair.fault for pair in COVER} == {pair.fault for pair in PAIRS} == set(FAULTS)
    assert {pair.point for pair in COVER} == {pair.point for pair in PAIRS}
    assert len(set(COVER)) == len(COVER) < 0.6 * len(PAIRS)
    assert sum(pair.point.startswith(("plan", "post", "resolve", "sell", "cancel")) for pair in COVER) > len(COVER) / 2


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_every_safeguard_can_still_be_taken_out(guard: Guard, tmp_path: Path) -> None:
    """The texts that the copies without a safeguard are made by are where they were."""
    copy_without(guard, tmp_path)
