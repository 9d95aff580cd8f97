"""The test task through every worker, end to end."""

from __future__ import annotations

import time
from dataclasses import dataclass

from celery.exceptions import TimeoutError as NoAnswer

from ztrade.config import Config
from ztrade.service import broker, names
from ztrade.service.app import create_app, tasks_of


@dataclass(frozen=True, slots=True)
class Answer:
    """One worker's answer; ``worker`` is empty where none came in time."""

    agent: str
    worker: str = ""
    seconds: float = 0.0
    detail: str = ""


def probe(config: Config, seconds: float) -> list[Answer]:
    """Send the test task to every worker at once and wait so long for all of them together.

    Raises:
        BrokerUnavailable: Redis does not answer.
    """
    broker.check(config.redis_url)
    app = create_app(config)
    task = tasks_of(app).test_task
    began = time.monotonic()
    try:
        sent = {
            name: task.apply_async(queue=names.control_queue(name), expires=seconds) for name in sorted(config.agents)
        }
        return [_answer(name, result, began, began + seconds) for name, result in sent.items()]
    finally:
        app.close()


def _answer(agent: str, result: object, began: float, deadline: float) -> Answer:
    try:
        got = result.get(timeout=max(deadline - time.monotonic(), 0.05))  # type: ignore[attr-defined]
    except NoAnswer:
        return Answer(agent, detail=f"no answer within {deadline - began:g} s")
    if got["agent"] != agent:
        return Answer(agent, detail=f"{got['worker']} answered for it")
    return Answer(agent, got["worker"], round(time.monotonic() - began, 3), f"pid {got['pid']} at {got['time']}")
