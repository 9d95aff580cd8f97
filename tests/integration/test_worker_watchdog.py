"""A real worker under a service manager's eyes: what it says, and when it falls silent."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.celery_stage import Stage, child_of, minutes, stage
from tests.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stack")]

#: seconds; what a unit calls WatchdogSec=
WATCHDOG = 4.0
#: a worker that turns, answers pings, and has lost its reader: what reconnects have done to Celery's
DEAF = """
import sys
from pathlib import Path
from kombu.transport import redis
from ztrade.config import load_config
from ztrade.service.worker import run_worker
from ztrade.testing.runtime import FileRuntime
asks = redis.Channel._brpop_start
def deaf(self, *arguments, **options):
    if not Path(sys.argv[2]).exists():
        asks(self, *arguments, **options)
redis.Channel._brpop_start = deaf
run_worker(load_config(Path(sys.argv[1])), "spy", build=FileRuntime)
"""
#: a worker whose pool does not end a task at its hard limit, as when its main process waits for something else
LATE = """
import sys
from pathlib import Path
from celery.concurrency.asynpool import AsynPool
from ztrade.config import load_config
from ztrade.service import progress
from ztrade.service.worker import run_worker
from ztrade.testing.runtime import FileRuntime
AsynPool._on_hard_timeout = lambda *_: None
progress.MARGIN = 0.5
run_worker(load_config(Path(sys.argv[1])), "spy", build=FileRuntime)
"""


class Manager:
    """Hears what a service says, and when it said last that it lives."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        self.said: list[str] = []
        self.status, self.fed = "", float("-inf")

    def listen(self) -> None:
        """Take what has been said."""
        while True:
            try:
                lines = self._socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                return
            self.said += [line for line in lines if line != "WATCHDOG=1"]
            self.fed = time.monotonic() if "WATCHDOG=1" in lines else self.fed
            self.status = next((line for line in reversed(self.said) if line.startswith("STATUS=")), "")

    def hears(self, words: str) -> Callable[[], bool]:
        """Return a condition: something like this was said."""

        def heard() -> bool:
            self.listen()
            return any(re.search(words, line) for line in self.said)

        return heard

    def silent(self) -> bool:
        """Tell whether systemd would have lost its patience."""
        self.listen()
        return time.monotonic() - self.fed > WATCHDOG

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    made = Manager(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", str(made.path))
    monkeypatch.setenv("WATCHDOG_USEC", str(int(WATCHDOG * 1_000_000)))
    yield made
    made.close()


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as made:
        yield made


def test_an_outage_of_three_patiences_is_lived_through(stack: Stage, manager: Manager) -> None:
    """Fed all the time, the status says why, and the worker consumes again when Redis is back."""
    stack.worker()
    wait_for(manager.hears("READY=1"), what="ready")
    assert manager.hears("STATUS=consumes agent.spy")()
    stack.redis.stop()
    wait_for(manager.hears("STATUS=waits for Redis: .*does not answer"), what="the status")
    over = time.monotonic() + 3 * WATCHDOG
    while time.monotonic() < over:
        assert not manager.silent(), manager.said
        time.sleep(0.2)
    stack.redis.start()

    def consumes() -> bool:
        assert not manager.silent(), manager.said
        return manager.status == "STATUS=consumes agent.spy"

    wait_for(consumes, 30, "consuming again")
    assert not any("stuck" in line for line in manager.said)


def test_a_start_without_redis_is_ready_and_says_so(stack: Stage, manager: Manager) -> None:
    """And no earlier than it knows."""
    stack.redis.stop()
    stack.start("worker", "spy")
    wait_for(manager.hears("READY=1"), 30, "ready")
    assert manager.status.startswith("STATUS=waits for Redis")


def test_a_worker_that_lost_its_reader_falls_silent_and_leaves_a_trace(
    stack: Stage, manager: Manager, tmp_path: Path
) -> None:
    """It answers every ping: only what it asks Redis tells."""
    deaf, log = tmp_path / "deaf", (tmp_path / "deaf.log").open("wb")
    process = subprocess.Popen([sys.executable, "-c", DEAF, str(stack.config.path), str(deaf)], stdout=log, stderr=log)
    try:
        wait_for(manager.hears("READY=1"), 30, "ready")
        deaf.touch()
        wait_for(manager.silent, 30, "silence")
        assert "stuck: Redis answers, and nothing was consumed" in manager.status
        assert stack.app.control.ping(timeout=2.0), "Celery's own check is green"
        trace = (tmp_path / "deaf.log").read_text()
        assert "stuck" in trace
        assert "most recent call first" in trace
        assert "celery/worker/loops.py" in trace
    finally:
        process.kill()
        process.wait(90)
        log.close()


def test_a_task_past_its_hard_limit_that_nobody_ends_is_silence(tmp_path: Path, manager: Manager) -> None:
    """Its process hears nothing any more, and the pool does not kill it: only the watchdog is left."""
    with stage(tmp_path, agents={"spy": "5s"}) as stack:
        stack.clock.write(minutes(7), minutes(60), None)
        stack.seconds("spy", 100)
        log = (tmp_path / "late.log").open("wb")
        command = [sys.executable, "-c", LATE, str(stack.config.path)]
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            wait_for(manager.hears("READY=1"), 30, "ready")
            stack.tasks.trading_cycle.apply_async(args=["spy"], ignore_result=True)
            wait_for(lambda: stack.journal.ran(), 10, "the cycle")
            child = child_of(process)
            child.send_signal(signal.SIGSTOP)
            wait_for(manager.hears("STATUS=stuck: .* runs past its hard limit"), 20, "the verdict")
            fed = manager.fed
            time.sleep(1)
            manager.listen()
            assert manager.fed == fed, "not fed any more"
            assert child.is_running()
            assert "most recent call first" in (tmp_path / "late.log").read_text()
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(90)
            log.close()


def test_a_stopped_process_says_nothing(stack: Stage, manager: Manager) -> None:
    """SIGSTOP stands for whatever freezes a process."""
    process = stack.worker()
    wait_for(manager.hears("READY=1"), what="ready")
    process.send_signal(signal.SIGSTOP)
    manager.listen()
    wait_for(manager.silent, 20, "silence")
    process.send_signal(signal.SIGCONT)


def test_a_stop_in_a_cycle_asks_for_time_and_finishes_it(stack: Stage, manager: Manager) -> None:
    """Drained as the unit does it."""
    stack.clock.write(minutes(7), minutes(60), None)
    stack.seconds("spy", 4)
    process = stack.worker()
    stack.tasks.trading_cycle.delay("agent_spy", dry_run=False, manual=True)
    wait_for(manager.hears("STATUS=runs "), what="the cycle")
    child = child_of(process)
    drained = subprocess.run([sys.executable, "-m", "ztrade.service.drain", str(process.pid), "60"], timeout=60)
    assert drained.returncode == 0
    assert process.wait(5) == 0
    assert not child.is_running()
    assert manager.hears("STOPPING=1")()
    assert manager.hears("EXTEND_TIMEOUT_USEC=30000000")()
    assert manager.hears("STATUS=stopping: finishes ")()
    assert [str(record.outcome) for record in stack.journal.cycles()] == ["held"], "the cycle was finished"
