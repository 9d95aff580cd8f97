"""What a process tells of itself: whole, of its age, and harmless where it cannot be written or read."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.integration.celery_stage import write_config
from ztrade.service import report


def test_what_is_written_is_read_with_its_age(tmp_path: Path) -> None:
    report.write(tmp_path, "worker-spy", {"asked": 12.5, "memory": {"main": 1000}}, monotonic=lambda: 100.0)
    found = report.read(tmp_path, "worker-spy", monotonic=lambda: 103.0)
    assert found == report.Report(os.getpid(), 3.0, {"asked": 12.5, "memory": {"main": 1000}})
    assert found.fresh


def test_one_who_fell_silent_does_not_report_any_more(tmp_path: Path) -> None:
    report.write(tmp_path, "beat", {}, monotonic=lambda: 100.0)
    found = report.read(tmp_path, "beat", monotonic=lambda: 100.0 + report.FRESH + 1)
    assert found is not None
    assert not found.fresh


def test_the_two_processes_of_a_worker_report_apart(tmp_path: Path) -> None:
    report.write(tmp_path, "worker-spy", {"which": "main"})
    report.write(tmp_path, report.cycles("worker-spy"), {"which": "child"})
    found = [report.read(tmp_path, role) for role in ("worker-spy", report.cycles("worker-spy"))]
    assert [one and one.facts["which"] for one in found] == ["main", "child"]
    assert sorted(path.name for path in (tmp_path / "run" / "reports").iterdir()) == [
        "worker-spy.cycles.json",
        "worker-spy.json",
    ]


def test_none_was_ever_written(tmp_path: Path) -> None:
    assert report.read(tmp_path, "worker-spy") is None


def test_a_report_from_before_the_machines_start_is_none(tmp_path: Path) -> None:
    report.write(tmp_path, "beat", {}, monotonic=lambda: 90_000.0)
    assert report.read(tmp_path, "beat", monotonic=lambda: 20.0) is None


@pytest.mark.parametrize(
    "nonsense",
    ["", "{", "[]", '{"pid": 1}', '{"pid": "x", "at": 1, "facts": {}}', '{"pid": 1, "at": null, "facts": {}}',
     '{"pid": 1, "at": NaN, "facts": {}}', f'{{"pid": 1, "at": {10**400}, "facts": {{}}}}',
     '{"pid": Infinity, "at": 1, "facts": {}}', '{"pid": 1, "at": 1, "facts": 5}', "[" * 100_000, "\ud800"],
    ids=["empty", "cut", "a list", "little", "no pid", "no instant", "not a number", "huge", "endless", "no facts",
         "deep", "no text"],
)  # fmt: skip
def test_nonsense_is_no_report(tmp_path: Path, nonsense: str) -> None:
    path = report.report_file(tmp_path, "beat")
    path.parent.mkdir(parents=True)
    path.write_bytes(nonsense.encode("utf-8", "surrogatepass"))
    assert report.read(tmp_path, "beat", monotonic=lambda: 2.0) is None


def test_a_place_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("not a folder")
    report.write(tmp_path, "beat", {})
    assert report.read(tmp_path, "beat") is None


def test_a_report_is_replaced_whole(tmp_path: Path) -> None:
    report.write(tmp_path, "beat", {"long": "x" * 1000})
    report.write(tmp_path, "beat", {})
    assert json.loads(report.report_file(tmp_path, "beat").read_text())["facts"] == {}


def test_facts_that_cannot_be_gathered_leave_an_old_report(tmp_path: Path) -> None:
    def fails() -> dict[str, int]:
        raise RuntimeError("no")

    config = write_config(tmp_path)
    reporter = report.Reporter(config, "beat", fails)
    reporter.tell()
    reporter.tell()
    assert report.read(config.state_dir, "beat") is None


def test_a_loop_that_stands_is_told_from_one_that_turns(tmp_path: Path) -> None:
    now = [10.0]
    turns = report.Turns(lambda: {"published": 3.0}, monotonic=lambda: now[0])
    now[0] = 15.0
    turns.tick("sends what is due")
    now[0] = 60.0
    config = write_config(tmp_path)
    report.Reporter(config, "beat", turns).tell()
    found = report.read(config.state_dir, "beat")
    assert found is not None
    assert found.fresh
    read = {"files": dict(config.digests)}
    assert found.facts == {"turned": 15.0, "status": "sends what is due", "published": 3.0, **read}
