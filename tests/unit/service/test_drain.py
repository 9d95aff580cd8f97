"""Draining real processes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from ztrade.service import drain

POLITE = "import signal,time,sys; signal.signal(15, lambda *_: (time.sleep(0.3), sys.exit(0)))"
DEAF = "import signal; signal.signal(15, signal.SIG_IGN)"
STUBBORN = DEAF + "; signal.signal(3, signal.SIG_IGN)"


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    running: list[subprocess.Popen[bytes]] = []
    yield running
    for process in running:
        process.kill()
        process.wait(5)


def start(running: list[subprocess.Popen[bytes]], program: str) -> subprocess.Popen[bytes]:
    code = f"{program}; import time; print(flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-S", "-c", code], stdout=subprocess.PIPE)
    running.append(process)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    return process


def test_a_process_that_finishes_is_waited_for(started: list[subprocess.Popen[bytes]]) -> None:
    """Until it has ended, and not longer."""
    process = start(started, POLITE)
    began = time.monotonic()
    assert drain.drain(process.pid, grace=20.0)
    assert 0.3 <= time.monotonic() - began < 10
    assert process.wait(5) == 0


@pytest.mark.parametrize(
    ("program", "last", "ended"),
    [(DEAF, 20.0, -signal.SIGQUIT), (STUBBORN, 0.5, -signal.SIGKILL)],
    ids=["deaf", "stubborn"],
)
def test_one_that_does_not_is_asked_to_give_up_then_killed(
    started: list[subprocess.Popen[bytes]], program: str, last: float, ended: int
) -> None:
    """systemd's own kill would wait the whole stop timeout once more."""
    process = start(started, program)
    assert drain.drain(process.pid, grace=0.2, last=last)
    assert process.wait(5) == ended


def test_the_command(started: list[subprocess.Popen[bytes]]) -> None:
    """As the unit calls it: the process named by systemd, none where it has just died."""
    process = start(started, POLITE)
    assert drain.main([str(process.pid), "20"]) == 0
    assert process.wait(5) == 0
    assert drain.main([str(process.pid)]) == 0, "gone already"
    assert drain.main(["spy"]) == 2


def test_no_main_process_is_nothing_to_do() -> None:
    """systemd leaves $MAINPID out where the service has ended by itself."""
    assert drain.main([]) == 0
