"""Sending a slot's message once more, as a broker does that delivers twice."""

from __future__ import annotations

from celery import Celery

from tests.faults import naive, plan
from tests.faults.process import RunFailed, fork, wait_for
from tests.faults.stack import Stack
from ztrade.config import load_config
from ztrade.service.app import create_app, tasks_of
from ztrade.service.names import slot_queue


def again(stack: Stack, slot: int, times: int) -> None:
    """Send the message so many times, from a process that ends. Raises RunFailed."""
    made = fork("publisher", stack.folder / "publisher.log", lambda: _send(stack, slot, times))
    wait_for("the messages", lambda: not made.alive(), 30)
    if made.status:
        raise RunFailed((stack.folder / "publisher.log").read_text())


def _send(stack: Stack, slot: int, times: int) -> None:
    at = plan.slot(slot).isoformat()
    if stack.is_naive:
        app: Celery = naive.make_app(stack)
        for _ in range(times):
            app.send_task(naive.TASK, (at,))
        return
    tasks = tasks_of(create_app(load_config(stack.config)))
    for _ in range(times):
        tasks.trading_cycle.apply_async(
            kwargs={"agent_id": plan.AGENT, "dry_run": True, "manual": False, "slot": at},
            queue=slot_queue(plan.AGENT),
            ignore_result=True,
        )
