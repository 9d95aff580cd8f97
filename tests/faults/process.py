"""Processes of the driver: forked, watched, killed with all that they started."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

_PR_SET_PDEATHSIG = 1
#: wall seconds for anything that is merely waited for
PATIENCE = 60.0


class RunFailed(Exception):
    """The run could not be judged: something of the harness itself did not happen."""


def wait_for(what: str, condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait until the condition holds. Raises RunFailed."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise RunFailed(f"{what} did not happen within {seconds:g} s")
        time.sleep(0.02)


def end_with_parent() -> None:
    """Let this process be killed when the one that started it ends, however it ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass
class Program:
    """One process that the driver started, in a session of its own."""

    name: str
    pid: int
    status: int | None = None

    def alive(self) -> bool:
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = status if pid else None
        return self.status is None

    def signal(self, number: signal.Signals) -> None:
        if self.alive():
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill this process alone, at once; its children go on."""
        self.signal(signal.SIGKILL)
        wait_for(f"the end of {self.name}", lambda: not self.alive(), 10)

    def kill_all(self) -> None:
        """Kill the process and everything it started, as a unit's control group is."""
        family = self.family()
        self.kill()
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        wait_for(f"the end of {self.name}'s children", lambda: not any(map(_runs, family)), 10)

    def family(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(self.pid).children(recursive=True)
        return []


def _runs(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False


def fork(name: str, log: Path, run: Callable[[], object]) -> Program:
    """Run a program in a new process; it has loaded already what it needs, so it starts in an instant."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return Program(name, pid)
    code = 1
    try:
        os.setsid()
        end_with_parent()
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(out, 1)
        os.dup2(out, 2)
        run()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 a forked copy of the driver must not go on as the driver
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)
