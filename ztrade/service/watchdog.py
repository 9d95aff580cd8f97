"""Tells systemd that a service works, for as long as somebody has seen that it does, and no longer.

A thread that only sleeps and feeds stays green while the loop beside it hangs; a loop that feeds is shot in every
outage of Redis, and the running cycle with it. So here a thread judges, and feeds by what it finds.
"""

from __future__ import annotations

import faulthandler
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from ztrade.config import Supervision
from ztrade.service import notify
from ztrade.service.forks import at_work
from ztrade.service.notify import Notifier

log = structlog.get_logger("ztrade.watchdog")

#: wall seconds between two judgements before the service is ready, and the longest between two later ones
EARLY, SELDOM = 0.1, 2.0
#: how much of the manager's patience a loop may stand before its service counts as stuck
SHARE = 0.75
#: where systemd does not watch: wall seconds for the same
USUAL_PATIENCE = 45.0
#: wall seconds that a start may take whatever the manager's patience is: its own limit for starts is a little longer
START = 100.0
#: what a stop that makes progress asks for, each time anew; wall seconds
MORE_TIME = 30.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a service does.

    Args:
        alive: it works, or knows what it waits for.
        status: what it does, or what is wrong, in words.
        ready: it does what it was started for, or knowingly waits.
        stopping: it was asked to end, and ends what is under way.
    """

    alive: bool
    status: str
    ready: bool = True
    stopping: bool = False


class Watchdog(threading.Thread):
    """Judges every so often and tells the service manager.

    Args:
        judge: looks at the service; called in this thread, so it may ask Redis, for a second or two.
        dump: leaves a trace of what all threads do, once each time the service is found stuck.
    """

    def __init__(
        self,
        supervision: Supervision,
        judge: Callable[[], Verdict],
        *,
        dump: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(name="watchdog", daemon=True)
        self._notifier, self._judge, self._dump = Notifier(supervision.notify), judge, dump or dump_threads
        self._watched = supervision.watchdog is not None
        every = SELDOM if supervision.watchdog is None else supervision.watchdog.total_seconds() / 4
        self._every = min(every, SELDOM)
        self._ready = self._stuck = False
        self._told = ""
        self._over = threading.Event()

    def run(self) -> None:
        """Judge until :meth:`close`."""
        while not self._over.wait(self.look()):
            pass

    def look(self) -> float:
        """Judge once, tell, and return the wall seconds until the next time."""
        with at_work():
            self._tell(self._judged())
        return self._every if self._ready else EARLY

    def _tell(self, verdict: Verdict) -> None:
        lines = list(self._lines(verdict))
        if lines:
            self._notifier.tell(*lines)
        if not verdict.alive and not self._stuck:
            log.error("stuck", reason=verdict.status)
            self._dump()
        self._stuck = not verdict.alive

    def close(self) -> None:
        """End the thread; nothing is told any more."""
        self._over.set()

    def _judged(self) -> Verdict:
        try:
            return self._judge()
        except Exception as error:  # a look that fails has seen no life; one missed sign kills nobody
            log.exception("watchdog_failed")
            return Verdict(False, f"cannot be judged: {error!r}", ready=False)

    def _lines(self, verdict: Verdict) -> list[str]:
        lines = []
        if verdict.ready and not self._ready:
            self._ready = True
            lines.append(notify.READY)
        if verdict.alive and self._watched:
            lines.append(notify.ALIVE)
        if verdict.stopping:
            lines += [notify.STOPPING, *([notify.extend(MORE_TIME)] if verdict.alive else [])]
        if verdict.status != self._told:
            self._told = verdict.status
            lines.append(notify.status(verdict.status))
        return lines


def dump_threads() -> None:
    """Write what every thread does to stderr."""
    faulthandler.dump_traceback(file=sys.__stderr__ or 2, all_threads=True)


def patience(supervision: Supervision) -> float:
    """Return how many wall seconds a loop may stand: silence then begins, and the manager's own patience follows."""
    return USUAL_PATIENCE if supervision.watchdog is None else supervision.watchdog.total_seconds() * SHARE


def watch(supervision: Supervision, judge: Callable[[], Verdict]) -> Watchdog | None:
    """Start a watchdog where a service manager listens; a SIGABRT from it leaves a trace too."""
    if not supervision.notify:
        return None
    faulthandler.enable()
    watchdog = Watchdog(supervision, judge)
    watchdog.start()
    return watchdog


class Pace:
    """The pace of a service's main loop: ticked by it, judged by the watchdog.

    Args:
        limit: wall seconds without a tick after which it counts as stuck.
        excuse: what the loop may rightly wait for, in words, empty where nothing; asked only when it stands.
    """

    def __init__(
        self,
        limit: float,
        excuse: Callable[[], str] = str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit, self._excuse, self._monotonic = limit, excuse, monotonic
        self._last: float | None = None
        self._began = monotonic()
        self._status = "starting"

    def tick(self, status: str = "running") -> None:
        """Say that the loop has come round, and what it does."""
        self._status, self._last = status or "running", self._monotonic()

    def judge(self) -> Verdict:
        """Tell whether the loop goes round, or rightly waits."""
        last = self._last
        since = self._began if last is None else last
        if self._monotonic() - since <= self._limit:
            return Verdict(True, self._status, ready=last is not None)
        excuse = self._excuse()
        if excuse:
            self._began = self._monotonic()
            self._last = None if last is None else self._began
            return Verdict(True, f"waits: {excuse}")
        if last is None and self._monotonic() - since <= START:
            return Verdict(True, self._status, ready=False)
        return Verdict(False, f"stuck: nothing done for {self._monotonic() - since:.0f} s", ready=last is not None)
