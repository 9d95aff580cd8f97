"""What a worker's main process knows of itself and nobody else can see: memory, its reader, the ends of its child."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from billiard.exceptions import TimeLimitExceeded
from celery import signals
from celery.worker.consumer import Consumer

from ztrade.service.progress import Seen
from ztrade.service.watchdog import Verdict

#: causes of a child's end
CAUSES = ("exit", "signal", "memory", "time_limit")
#: what no configured task has: a message that cannot be read, or is for a task that is not there
UNKNOWN = "unknown"
#: adding up its pages takes the kernel a millisecond or two; wall seconds
_MEMORY = 10.0
_PROC = Path("/proc")
_GROUPS = Path("/sys/fs/cgroup")


def memory(pid: int | str, proc: Path = _PROC) -> int | None:
    """Return a process's proportional set size in bytes; None where it cannot be read."""
    try:
        text = (proc / str(pid) / "smaps_rollup").read_text(encoding="ascii")
        return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))
    except (OSError, ValueError, StopIteration, IndexError):
        return None


def killed_for_memory(proc: Path = _PROC, groups: Path = _GROUPS) -> int:
    """Return how often the kernel killed something in this process's control group; 0 where it does not say."""
    try:
        path = (proc / "self" / "cgroup").read_text(encoding="utf-8").strip().rpartition("::")[2]
        events = (groups / path.lstrip("/") / "memory.events").read_text(encoding="ascii")
        return next(int(line.split()[1]) for line in events.splitlines() if line.startswith("oom_kill "))
    except (OSError, ValueError, StopIteration, IndexError):
        return 0


class Deaths:
    """Counts the ends of the pool's processes by cause.

    Args:
        out_of_memory: how often the kernel has killed for memory.
    """

    def __init__(self, out_of_memory: Callable[[], int] = killed_for_memory) -> None:
        self.counts = dict.fromkeys(CAUSES, 0)
        self._known: dict[int, Any] = {}
        self._limits = 0
        self._out_of_memory, self._killed = out_of_memory, out_of_memory()

    def limit(self) -> None:
        """Hear that a task ran into its hard limit: its process is killed next."""
        self._limits += 1

    def look(self, processes: Iterable[Any]) -> None:
        """Look at the pool's processes, as billiard has them; their owner has waited for those that ended."""
        self._known |= {process.pid: process for process in processes}
        for pid, process in list(self._known.items()):
            # not exitcode: asking would wait for it, which is its owner's to do
            code = getattr(process._popen, "returncode", None)
            if code is not None:
                del self._known[pid]
                self.counts[self._cause(code)] += 1

    def _cause(self, code: int) -> str:
        if code >= 0:
            return "exit"
        if self._limits:
            self._limits -= 1
            return "time_limit"
        if code == -signal.SIGKILL and self._out_of_memory() > self._killed:
            self._killed += 1
            return "memory"
        return "signal"


class TellingConsumer(Consumer):
    """Celery's, which drops a message that it cannot decode without a signal: this one sends the one for refusals."""

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Drop the message, and tell of it."""
        super().on_decode_error(message, exc)
        signals.task_rejected.send(sender=self, message=message, exc=exc)


class Messages:
    """Counts, by task, the messages that came again, and those that the worker refused."""

    def __init__(self, tasks: Iterable[str]) -> None:
        self._tasks = frozenset(tasks)
        self.redelivered: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()

    def take(self, request: Any) -> None:
        """Hear of a message that was taken."""
        if (request.delivery_info or {}).get("redelivered"):
            self.redelivered[request.name if request.name in self._tasks else UNKNOWN] += 1

    def refuse(self) -> None:
        """Hear of a message that was refused: whatever it says it is for, it is not."""
        self.rejected[UNKNOWN] += 1


class WorkerFacts:
    """Gathers what the worker's report says.

    Args:
        worker: Celery's.
        tasks: names of our tasks; others are counted together.
        look: takes a look at the main loop.
        judge: the watchdog's judgement.
        started: when the process started, Unix time.
    """

    def __init__(
        self,
        worker: Any,
        *,
        tasks: Iterable[str],
        look: Callable[[], Seen],
        judge: Callable[[], Verdict],
        started: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._worker, self._look, self._judge, self._started = worker, look, judge, started
        self._deaths, self._messages, self._monotonic = Deaths(), Messages(tasks), monotonic
        self._memory: Mapping[str, int] = {}
        self._weighed: tuple[float, Sequence[int]] = (float("-inf"), ())

    def listen(self) -> None:
        """Hear Celery's signals from now on."""
        signals.task_received.connect(lambda request=None, **_: self._messages.take(request), weak=False)
        signals.task_rejected.connect(lambda **_: self._messages.refuse(), weak=False)
        signals.task_unknown.connect(lambda **_: self._messages.refuse(), weak=False)
        signals.task_failure.connect(self._failed, weak=False)

    def _failed(self, exception: object = None, **_: Any) -> None:
        if isinstance(exception, TimeLimitExceeded):
            self._deaths.limit()

    def __call__(self) -> Mapping[str, Any]:
        """Return what is to be told, as JSON; from any thread."""
        processes = list(getattr(getattr(self._worker.pool, "_pool", None), "_pool", None) or ())
        self._deaths.look(processes)
        self._weigh([process.pid for process in processes])
        seen, verdict = self._look(), self._judge()
        return {
            "started": self._started,
            "asked": seen.asked,
            "running": bool(seen.tasks),
            "healthy": verdict.alive,
            "status": verdict.status,
            "memory": self._memory,
            "reconnects": max(getattr(self._worker.consumer, "restart_count", 0), 0),
            "deaths": self._deaths.counts,
            "redelivered": dict(self._messages.redelivered),
            "rejected": dict(self._messages.rejected),
        }

    def _weigh(self, children: Sequence[int]) -> None:
        at, before = self._weighed
        if before == children and self._monotonic() - at < _MEMORY:
            return
        self._weighed = (self._monotonic(), children)
        sizes = [size for size in map(memory, children) if size is not None]
        main = memory("self")
        self._memory = ({} if main is None else {"main": main}) | ({"child": sum(sizes)} if sizes else {})
