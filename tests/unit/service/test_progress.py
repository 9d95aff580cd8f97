"""Working, waiting for Redis, and stuck: told apart."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ztrade.service.progress import FRESH, MARGIN, RECONNECT, Progress, Seen
from ztrade.service.watchdog import START, Verdict

HARD, LIMIT = 240.0, 45.0


class Worker:
    """A worker whose looks a test sets; time passes by hand."""

    def __init__(self) -> None:
        self.now, self.redis = 1000.0, ""
        self.pings = 0
        self.seen = Seen(turned=1000.0)
        self.progress = Progress(
            lambda: self.seen, waits="agent.spy", hard=HARD, limit=LIMIT, redis=self._ping, monotonic=lambda: self.now
        )

    def _ping(self) -> str:
        self.pings += 1
        return self.redis

    def works(self) -> None:
        self.seen = replace(self.seen, turned=self.now, asked=self.now)

    def judge(self, later: float = 0.0) -> Verdict:
        self.now += later
        return self.progress.judge()


@pytest.fixture
def worker() -> Worker:
    return Worker()


def test_a_worker_is_ready_when_it_asks_for_messages(worker: Worker) -> None:
    """Loaded and connected is not enough."""
    worker.seen = Seen(turned=1000.0)
    assert not worker.judge().ready
    worker.works()
    assert worker.judge() == Verdict(True, "consumes agent.spy")
    assert worker.pings == 0, "Redis is not asked as long as the worker asks it"


def test_a_start_without_redis_is_ready_and_says_what_for(worker: Worker) -> None:
    """`systemctl start` does not hang in an outage."""
    worker.redis = "connection refused"
    assert worker.judge(FRESH + 1) == Verdict(True, "waits for Redis: connection refused")


def test_a_start_on_a_busy_machine_has_its_time(worker: Worker) -> None:
    """systemd's own limit for starts follows a little later."""
    assert worker.judge(START) == Verdict(True, "connects to Redis", ready=False)
    assert not worker.judge(1.0).alive


def test_an_outage_of_any_length_is_no_reason(worker: Worker) -> None:
    """And the way back has its time from the moment that Redis answers."""
    worker.works()
    worker.redis = "connection refused"
    for _ in range(100):
        assert worker.judge(60.0).alive
    worker.redis = ""
    assert worker.judge(LIMIT) == Verdict(True, "connects to Redis")
    assert worker.judge(1.0) == Verdict(False, f"stuck: Redis answers, and nothing was consumed for {LIMIT + 1:.0f} s")


def test_a_cycle_is_finished_before_a_deaf_worker_is_ended(worker: Worker) -> None:
    """Its reader is lost while a task runs: the watchdog's abort would kill the cycle half-way."""
    worker.works()
    worker.seen = replace(worker.seen, tasks=("t1",))
    for _ in range(3):
        worker.now += LIMIT
        worker.seen = replace(worker.seen, turned=worker.now)
        assert worker.judge() == Verdict(True, "runs t1, and takes no more")
    worker.seen = replace(worker.seen, tasks=())
    assert not worker.judge().alive


def test_the_pause_before_the_next_attempt_is_waited_out() -> None:
    """However short a drop-in makes the manager's patience: Celery sleeps up to half a minute between attempts."""
    now = [0.0]
    seen = Seen(turned=0.0, asked=0.0, reconnects=True)
    progress = Progress(lambda: seen, waits="agent.spy", hard=HARD, limit=3.0, redis=str, monotonic=lambda: now[0])
    now[0] = RECONNECT
    assert progress.judge().alive
    now[0] = RECONNECT + 1
    assert not progress.judge().alive


@pytest.mark.parametrize("stands", ["turned", "asked"])
def test_deaf_while_redis_answers_is_stuck(worker: Worker, stands: str) -> None:
    """Whether the whole loop stands, or turns and has lost its reader."""
    worker.works()
    assert worker.judge().alive
    for _ in range(9):
        before = getattr(worker.seen, stands)
        worker.works()
        worker.seen = replace(worker.seen, **{stands: before})
        worker.judge(FRESH + 1)
    assert not worker.judge().alive


def test_a_busy_worker_rightly_asks_for_nothing(worker: Worker) -> None:
    """Its loop turns, its child works."""
    worker.works()
    for _ in range(20):
        worker.now += 10.0
        worker.seen = replace(worker.seen, turned=worker.now, busy=True, tasks=("cycle:spy:1",))
        assert worker.judge() == Verdict(True, "runs cycle:spy:1")


def test_a_task_past_its_hard_limit_is_stuck_even_in_an_outage(worker: Worker) -> None:
    """The pool should have ended it; where the loop stands, nobody does."""
    worker.redis = "connection refused"
    worker.seen = replace(worker.seen, tasks=("cycle:spy:1",))
    assert worker.judge().alive
    assert worker.judge(HARD + MARGIN).alive
    assert worker.judge(1.0) == Verdict(False, "stuck: cycle:spy:1 runs past its hard limit")


def test_a_stop_finishes_the_cycle(worker: Worker) -> None:
    """The main thread stands in the pool's join: no turn is expected of it, for as long as a cycle may last."""
    worker.works()
    worker.seen = replace(worker.seen, tasks=("cycle:spy:1",), stopping=True)
    assert worker.judge() == Verdict(True, "stopping: finishes cycle:spy:1", stopping=True)
    worker.seen = replace(worker.seen, tasks=())
    assert worker.judge(HARD + MARGIN).alive
    assert not worker.judge(1.0).alive
