"""The loop runs the same schedule in one process, without Redis."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from tests.integration.celery_stage import OPEN, write_config
from ztrade.domain.ledger import CycleKind, CycleRecord
from ztrade.service.loop import ThreadBell, run_loop
from ztrade.service.planner import Job
from ztrade.testing.runtime import FileClock, FileRuntime


def test_a_stepped_half_day_of_two_agents(tmp_path: Path) -> None:
    """Every slot up to the end runs once, one agent after the other; then the loop returns."""
    config = write_config(tmp_path, agents={"spy": "5m", "aapl": "1h"})
    runtime = FileRuntime(config)
    FileClock(config.state_dir / "clock.json").write(OPEN, OPEN + timedelta(hours=3), None)
    run_loop(config, runtime, until_finished=True)
    ran = runtime.journal.ran()
    assert len(ran) == len(set(ran)) == 36 + 3
    assert {record.outcome for record in runtime.journal.cycles()} == {"held"}


class SlowRuntime(FileRuntime):
    """spy's cycle waits until it is let go; tsla's is at once."""

    gate: threading.Event

    def run_cycle(
        self, agent: str, *, dry_run: bool, manual: bool, slot: datetime | None, owner: str
    ) -> CycleRecord | None:
        if agent == "spy":
            self.gate.wait(10)
        return super().run_cycle(agent, dry_run=dry_run, manual=manual, slot=slot, owner=owner)


def test_a_slow_agent_does_not_delay_another(tmp_path: Path) -> None:
    """While spy's cycle hangs, tsla's runs; close() waits for spy's outcome."""
    config = write_config(tmp_path, agents={"spy": "5m", "tsla": "5m"})
    runtime = SlowRuntime(config)
    runtime.gate = threading.Event()
    FileClock(config.state_dir / "clock.json").write(OPEN, OPEN + timedelta(hours=3), None)
    bell = ThreadBell(config, runtime)
    at = datetime(2022, 8, 22, 13, 35, tzinfo=UTC)
    for name in ("spy", "tsla"):
        bell.ring(Job(name, CycleKind.SLOT, at, at, at + timedelta(minutes=5)), 60)
    deadline = time.monotonic() + 60
    while not runtime.journal.ran() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [agent for agent, _, _ in runtime.journal.ran()] == ["tsla"]
    runtime.gate.set()
    bell.close()
    assert [agent for agent, _, _ in runtime.journal.ran()] == ["tsla", "spy"]


def test_a_cycle_whose_time_is_over_is_not_begun(tmp_path: Path) -> None:
    """A job that waited past its window in its agent's thread is dropped."""
    config = write_config(tmp_path)
    runtime = FileRuntime(config)
    FileClock(config.state_dir / "clock.json").write(OPEN, OPEN + timedelta(hours=3), None)
    bell = ThreadBell(config, runtime)
    at = datetime(2022, 8, 22, 13, 35, tzinfo=UTC)
    bell.ring(Job("spy", CycleKind.SLOT, at, at, at), -1)
    bell.close()
    assert runtime.journal.ran() == []


class BoundRuntime(FileRuntime):
    """Keeps what a cycle's lines would carry."""

    bound: dict[str, object]

    def run_cycle(
        self, agent: str, *, dry_run: bool, manual: bool, slot: datetime | None, owner: str
    ) -> CycleRecord | None:
        self.bound = structlog.contextvars.get_contextvars()
        return super().run_cycle(agent, dry_run=dry_run, manual=manual, slot=slot, owner=owner)


def test_lines_of_a_cycle_carry_agent_and_slot(tmp_path: Path) -> None:
    """As a worker's do, so that one search finds both."""
    config = write_config(tmp_path)
    runtime = BoundRuntime(config)
    FileClock(config.state_dir / "clock.json").write(OPEN, OPEN + timedelta(hours=3), None)
    bell = ThreadBell(config, runtime)
    at = datetime(2022, 8, 22, 13, 35, tzinfo=UTC)
    bell.ring(Job("spy", CycleKind.SLOT, at, at, at + timedelta(minutes=5)), 60)
    bell.close()
    assert runtime.bound == {"agent": "spy", "slot": at}
