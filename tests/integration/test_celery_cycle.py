"""Slots through real beat, real Valkey and real prefork workers."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.integration.celery_stage import Stage, child_of, minutes, stage
from tests.waiting import wait_for
from ztrade.domain.ledger import CycleKind
from ztrade.service.bell import CeleryBell
from ztrade.service.planner import Job

#: whole stacks share one of the test processes: two at once would measure each other
pytestmark = pytest.mark.xdist_group("stack")


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as made:
        yield made


def job(minute: int, agent: str = "spy") -> Job:
    return Job(agent, CycleKind.SLOT, minutes(minute), minutes(minute), minutes(minute + 5))


def test_a_run_by_hand_returns_the_small_dict(one: Stage) -> None:
    """``trading_cycle.delay("agent_spy", ...)`` makes an extra cycle without a slot; arguments only tighten."""
    one.clock.write(minutes(7), minutes(60), None)
    one.worker()
    answer = one.tasks.trading_cycle.delay("agent_spy", dry_run=False, manual=True).get(timeout=90)
    assert set(answer) == {"cycle_id", "agent", "slot", "outcome", "reason", "order_ids"}
    assert (answer["agent"], answer["slot"], answer["outcome"]) == ("spy", None, "held")
    assert answer["reason"] == "held: dry_run=True manual=True"
    assert one.ran() == []


def test_a_message_delivered_many_times_runs_once(one: Stage) -> None:
    """Ten copies of one slot's message: one cycle."""
    one.clock.write(minutes(5), minutes(60), None)
    bell = CeleryBell(one.app, one.config)
    for _ in range(10):
        bell.ring(job(5), 60)
    one.worker()
    wait_for(lambda: one.ran() == [("spy", "13:35")])
    one.tasks.test_task.apply_async(queue="agent.spy").get(timeout=90)
    assert one.ran() == [("spy", "13:35")]


def test_an_expired_message_is_not_run(one: Stage) -> None:
    """A slot's message that waited past its window is dropped, a later one runs."""
    one.clock.write(minutes(5), minutes(60), None)
    bell = CeleryBell(one.app, one.config)
    bell.ring(job(5), 0.2)
    time.sleep(0.5)
    bell.ring(job(10), 60)
    one.worker()
    wait_for(lambda: one.ran() != [])
    assert one.ran() == [("spy", "13:40")]


def test_the_control_queue_is_served_first(one: Stage) -> None:
    """With a slot and a test task both waiting behind a running cycle, the test task comes next."""
    one.clock.write(minutes(5), minutes(60), None)
    one.worker()
    one.seconds("spy", 1.0)
    bell = CeleryBell(one.app, one.config)
    bell.ring(job(5), 60)
    wait_for(lambda: one.ran() == [("spy", "13:35")])
    bell.ring(job(10), 60)
    answered = one.tasks.test_task.apply_async(queue="agent.spy.ctl")
    answered.get(timeout=90)
    assert one.ran() == [("spy", "13:35")]
    wait_for(lambda: len(one.ran()) == 2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_to_the_whole_group_finishes_the_cycle(one: Stage, number: signal.Signals) -> None:
    """What a supervisor with stopasgroup, or a closed terminal, sends: the child that runs the cycle gets it too."""
    one.clock.write(minutes(5), minutes(60), None)
    worker = one.worker()
    one.seconds("spy", 2.0)
    CeleryBell(one.app, one.config).ring(job(5), 60)
    wait_for(lambda: one.ran() == [("spy", "13:35")])
    os.killpg(worker.pid, number)
    wait_for(lambda: one.reasons()["spy", "13:35"].startswith("held"), 15, "the outcome")
    if number is signal.SIGTERM:  # Celery's main process takes a SIGHUP as the wish to start anew
        assert worker.wait(15) == 0


def test_stop_in_mid_cycle_finishes_the_cycle(one: Stage) -> None:
    """SIGTERM to the worker while a cycle runs: the outcome is written, the worker exits 0, nothing new is taken."""
    one.clock.write(minutes(5), minutes(60), None)
    worker = one.worker()
    one.seconds("spy", 2.0)
    bell = CeleryBell(one.app, one.config)
    bell.ring(job(5), 60)
    bell.ring(job(10), 60)
    wait_for(lambda: one.ran() == [("spy", "13:35")])
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(15) == 0
    assert one.reasons()["spy", "13:35"].startswith("held")
    assert one.ran() == [("spy", "13:35")]


def test_a_killed_child_is_replaced_and_the_next_slot_runs(one: Stage) -> None:
    """kill -9 of the pool process in a cycle: its slot is not run again by Redis, the next one runs."""
    one.clock.write(minutes(5), minutes(60), None)
    worker = one.worker()
    one.seconds("spy", 5.0)
    bell = CeleryBell(one.app, one.config)
    bell.ring(job(5), 60)
    wait_for(lambda: one.ran() == [("spy", "13:35")])
    child_of(worker).kill()
    one.seconds("spy", 0.0)
    bell.ring(job(10), 60)
    wait_for(lambda: len(one.ran()) == 2, 30)
    assert one.ran() == [("spy", "13:35"), ("spy", "13:40")]


def test_a_worker_outlives_a_redis_that_is_full(one: Stage) -> None:
    """One that starts meanwhile and one that connects anew meanwhile wait, and work once there is room."""
    one.clock.write(minutes(5), minutes(60), None)
    client = redis.Redis(unix_socket_path=str(one.redis.socket))
    running = one.worker()
    client.config_set("maxmemory", 1)
    waiting = one.start("worker", "spy")
    client.client_kill_filter(_type="normal", skipme=True)
    wait_for(lambda: one.output().count("command not allowed when used memory") >= 10)
    assert (running.poll(), waiting.poll()) == (None, None), one.output()
    client.config_set("maxmemory", 0)
    client.close()
    CeleryBell(one.app, one.config).ring(job(5), 60)
    wait_for(lambda: one.ran() == [("spy", "13:35")])


def test_a_slow_agent_does_not_delay_another(tmp_path: Path) -> None:
    """While spy's cycle takes 15 s, tsla's slots run at once."""
    with stage(tmp_path, agents={"spy": "5m", "tsla": "5m"}) as two:
        two.clock.write(minutes(5), minutes(60), None)
        two.start("worker", "spy")
        two.worker("tsla")
        two.worker("spy")
        two.seconds("spy", 15.0)
        bell = CeleryBell(two.app, two.config)
        bell.ring(job(5), 60)
        wait_for(lambda: ("spy", "13:35") in two.ran())
        began = time.monotonic()
        bell.ring(job(5, "tsla"), 60)
        wait_for(lambda: ("tsla", "13:35") in two.ran(), 4)
        assert time.monotonic() - began < 12


def test_a_worker_for_an_unknown_agent_is_refused(one: Stage) -> None:
    """The process ends at once, saying which agents there are."""
    worker = one.start("worker", "nobody")
    assert worker.wait(90) != 0
    assert "known agents: spy" in one.output()


def test_every_line_of_a_worker_is_json(one: Stage) -> None:
    """Celery's own lines and ours go through one formatter; a task's lines carry its id, agent and slot."""
    import json

    one.clock.write(minutes(5), minutes(60), None)
    one.worker()
    CeleryBell(one.app, one.config).ring(job(5), 60)
    wait_for(lambda: one.ran() == [("spy", "13:35")])
    lines = [json.loads(line) for line in one.output().splitlines()]
    assert {"event", "level", "timestamp", "logger"} <= set(lines[0])
    assert any(line["event"] == "worker_starts" for line in lines)
