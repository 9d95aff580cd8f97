"""All agents in one process, without Redis: the same conductor, ringing for threads instead of queues."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

import structlog

from ztrade.config import Config
from ztrade.domain.ledger import CycleKind
from ztrade.service.beat import conductors
from ztrade.service.context import Runtime
from ztrade.service.planner import Job

log = structlog.get_logger("ztrade.loop")


class ThreadBell:
    """Runs each agent's jobs in a thread of its own: a slow agent never delays another."""

    def __init__(self, config: Config, runtime: Runtime) -> None:
        self._config, self._runtime = config, runtime
        self._owner = f"loop@{socket.gethostname()}/{os.getpid()}"
        self._threads = {name: ThreadPoolExecutor(1, thread_name_prefix=f"agent-{name}") for name in config.agents}

    def ring(self, job: Job, wall_seconds: float) -> None:
        """Queue the job for its agent's thread; it is dropped there when its time is over."""
        self._threads[job.agent].submit(self._run, job, time.monotonic() + wall_seconds)

    def _run(self, job: Job, deadline: float) -> None:
        if time.monotonic() > deadline:
            return
        with structlog.contextvars.bound_contextvars(agent=job.agent, slot=job.slot):
            try:
                self._cycle(job)
            except Exception as error:  # the next slot must run whatever this one died of
                log.exception("cycle_died", reason=str(error))

    def _cycle(self, job: Job) -> None:
        agent = self._config.agents[job.agent]
        if job.kind is CycleKind.SETTLE:
            self._runtime.settle(job.agent, dry_run=agent.dry_run, session_close=job.slot, owner=self._owner)
            return
        self._runtime.run_cycle(job.agent, dry_run=agent.dry_run, manual=agent.manual, slot=job.slot, owner=self._owner)

    def close(self) -> None:
        """Finish what runs and take nothing more."""
        for thread in self._threads.values():
            thread.shutdown(wait=True, cancel_futures=True)


def run_loop(config: Config, runtime: Runtime, *, until_finished: bool = False) -> None:
    """Run until SIGTERM or Ctrl-C; running cycles are finished first.

    Args:
        until_finished: return when the embedded exchange's time has ended.
    """
    bell = ThreadBell(config, runtime)
    steppers = conductors(config, runtime, bell)
    log.info("loop_started", agents=sorted(config.agents))
    with contextlib.suppress(KeyboardInterrupt), _sigterm_interrupts():
        while not (until_finished and all(stepper.finished for stepper in steppers)):
            time.sleep(min((stepper.step() for stepper in steppers), default=1.0))
    bell.close()
    log.info("loop_ended")


@contextlib.contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
