"""A real worker whose threads hold a lock just when it makes the process that runs its cycles."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.celery_stage import stage
from tests.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("stack")]
#: each report holds a lock for a second, and the pool's process is made just then; it says whether it has the lock
PROGRAM = """
import sys, threading, time
from pathlib import Path
from celery import signals
from ztrade.config import load_config
from ztrade.service import report
from ztrade.service.worker import run_worker
from ztrade.testing.runtime import FileRuntime

lock, write = threading.Lock(), report.write

def slowly(*arguments):
    with lock:
        time.sleep(1)
        write(*arguments)

def meanwhile(**_):
    while not lock.locked():
        time.sleep(0.01)

def tell(**_):
    Path(sys.argv[2]).write_text("free" if lock.acquire(timeout=5) else "held")

report.write = slowly
signals.worker_before_create_process.connect(meanwhile, weak=False)
signals.worker_process_init.connect(tell, weak=False)
run_worker(load_config(Path(sys.argv[1])), "spy", build=FileRuntime)
"""


def test_a_workers_child_starts_without_the_locks_of_its_threads(tmp_path: Path) -> None:
    """Else it would wait in its first cycle for a lock that nobody holds, until the time limit ends it."""
    said = tmp_path / "said"
    with stage(tmp_path) as running:
        command = [sys.executable, "-c", PROGRAM, str(running.config.path), str(said)]
        with (tmp_path / "forks.log").open("wb") as log:
            worker = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True, env={**os.environ, "PYTHONDEVMODE": ""}
            )
        try:
            wait_for(said.exists, 40, "the child")
            wait_for(lambda: said.read_text() != "", 5, "its word")
        finally:
            worker.terminate()
            worker.wait(90)
    assert said.read_text() == "free"
