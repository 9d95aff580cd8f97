"""A cycle that does not end is ended: by its agent's own limits, on real workers."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.integration.celery_stage import child_of, minutes, stage
from tests.waiting import wait_for
from ztrade.service import names, report
from ztrade.service.settings import time_limits
from ztrade.service.worker_facts import CAUSES

NONE = dict.fromkeys(CAUSES, 0)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("stack")]


def test_a_cycle_is_ended_by_its_agents_limits(tmp_path: Path) -> None:
    """One that hangs is told to write its outcome; one that does not even hear that is killed, and the next one runs.

    The limit is the worker's: one in the settings of whoever sends the message would count before it.
    """
    with stage(tmp_path, agents={"spy": "5s"}) as running:
        worker = running.worker()
        soft, hard = time_limits(running.config.agents["spy"])
        running.clock.write(minutes(0), minutes(30), None)
        running.seconds("spy", 100)
        with pytest.raises(Exception, match="SoftTimeLimitExceeded"):
            running.tasks.trading_cycle.delay("spy").get(timeout=soft + 15)
        first = child_of(worker)
        running.clock.write(minutes(1), minutes(30), None)
        running.tasks.trading_cycle.apply_async(args=["spy"], ignore_result=True)
        wait_for(lambda: len(running.journal.ran()) == 2, 10, "the second cycle")
        os.kill(first.pid, signal.SIGSTOP)
        wait_for(lambda: not first.is_running(), hard + 15, "its end")
        wait_for(lambda: _facts(running.config.state_dir)["deaths"] == {**NONE, "time_limit": 1}, 10, "its cause")
        running.seconds("spy", 0)
        running.clock.write(minutes(2), minutes(30), None)
        assert running.tasks.trading_cycle.delay("spy").get(timeout=90)["outcome"] == "held"


def _facts(state_dir: Path) -> dict[str, object]:
    told = report.read(state_dir, names.worker_role("spy"))
    return {} if told is None else dict(told.facts)
