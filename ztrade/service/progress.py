"""Does a worker take work, or know why not? Looked at from a thread beside Celery's main loop.

Celery's own answers do not tell: a worker whose reader was lost in a reconnect answers every ping, and one that waits
for Redis answers none. What does tell is when the loop last turned, and when it last asked Redis for a message.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from celery.worker import state

from ztrade.service.watchdog import START, Verdict

#: wall seconds: the loop turns, and asks Redis, every second
FRESH = 5.0
#: what the pool itself may take to end a task at its hard limit
MARGIN = 30.0
#: kombu's longest pause between two attempts to reach Redis, and the attempt
RECONNECT = 32.0 + 10.0


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at a worker; instants are monotonic wall seconds.

    Args:
        turned: when the main loop last came round.
        asked: when it last asked Redis for a message, None before the first time.
        busy: it rightly asks for none: a task fills it.
        tasks: ids of the tasks that run.
        stopping: it was asked to end.
        reconnects: an attempt to reach Redis has failed, and the next one is due in a while.
    """

    turned: float
    asked: float | None = None
    busy: bool = False
    tasks: Sequence[str] = field(default_factory=tuple)
    stopping: bool = False
    reconnects: bool = False


class Loop:
    """Celery's worker as :class:`Seen`; ``worker`` is made and not yet started."""

    def __init__(self, worker: Any, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._worker, self._monotonic = worker, monotonic
        self._turned = monotonic()
        worker.timer.call_repeatedly(1.0, self._turn)

    def _turn(self) -> None:
        self._turned = self._monotonic()

    def look(self) -> Seen:
        """Look now; from any thread."""
        # gone while it is being replaced after a lost connection
        channel = getattr(getattr(self._worker.consumer, "task_consumer", None), "channel", None)
        stopping = any(wish is not None and wish is not False for wish in (state.should_stop, state.should_terminate))
        return Seen(
            turned=self._turned,
            asked=getattr(channel, "_brpop_sent_at", None),
            busy=channel is not None and not channel.qos.can_consume(),
            tasks=[request.id for request in list(state.active_requests)],
            stopping=stopping,
            reconnects=bool(getattr(self._worker.consumer, "broker_connection_retry_attempt", 0)),
        )


class Progress:
    """Judges a worker.

    Args:
        look: takes one look.
        waits: says what waits at the queues, like ``agent.spy``.
        hard: a task's hard limit, in wall seconds.
        limit: how long it may take nothing while Redis answers; reconnecting after an outage takes its time.
        redis: asks Redis for a sign of life; returns why there is none, empty when there is.
    """

    def __init__(
        self,
        look: Callable[[], Seen],
        *,
        waits: str,
        hard: float,
        limit: float,
        redis: Callable[[], str],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look, self._waits, self._hard, self._limit = look, waits, hard + MARGIN, limit
        self._redis, self._monotonic = redis, monotonic
        self._good = monotonic()
        self._began: Mapping[str, float] = {}
        self._stopped: float | None = None
        self._ready = False

    def judge(self) -> Verdict:
        """Tell whether the worker works, or rightly waits."""
        now, seen = self._monotonic(), self._look()
        self._began = {task: self._began.get(task, now) for task in seen.tasks}
        self._ready = self._ready or seen.asked is not None
        late = [task for task, began in self._began.items() if now - began > self._hard]
        if late:
            return Verdict(False, f"stuck: {late[0]} runs past its hard limit", self._ready, seen.stopping)
        return self._stopping(seen, now) if seen.stopping else self._running(seen, now)

    def _patience(self, seen: Seen) -> float:
        if not self._ready:
            return max(self._limit, START)
        return max(self._limit, RECONNECT) if seen.reconnects else self._limit

    def _stopping(self, seen: Seen, now: float) -> Verdict:
        self._stopped = now if self._stopped is None else self._stopped
        words = f"stopping: finishes {seen.tasks[0]}" if seen.tasks else "stopping"
        return Verdict(now - self._stopped <= self._hard, words, stopping=True)

    def _running(self, seen: Seen, now: float) -> Verdict:
        if now - seen.turned <= FRESH and (seen.busy or now - (seen.asked or now) <= FRESH):
            self._good = now
            return Verdict(True, f"runs {seen.tasks[0]}" if seen.tasks else f"consumes {self._waits}", self._ready)
        down = self._redis()
        if down:
            self._good, self._ready = now, True
            return Verdict(True, f"waits for Redis: {down}")
        if seen.tasks and now - seen.turned <= FRESH:
            # deaf, and to be ended for it once the cycle is over, which its hard limit bounds
            return Verdict(True, f"runs {seen.tasks[0]}, and takes no more", self._ready)
        if now - self._good <= self._patience(seen):
            return Verdict(True, "connects to Redis", self._ready)
        return Verdict(False, f"stuck: Redis answers, and nothing was consumed for {now - self._good:.0f} s")
