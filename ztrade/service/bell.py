"""Rings through Redis: one message per due job, with an id that never changes, void after its window."""

from __future__ import annotations

from celery import Celery

from ztrade.config import Config
from ztrade.domain.ledger import CycleKind
from ztrade.service import names
from ztrade.service.app import tasks_of
from ztrade.service.planner import Job


class CeleryBell:
    """Sends jobs to the agents' queues; raises BrokerUnavailable where Redis does not answer."""

    def __init__(self, app: Celery, config: Config) -> None:
        self._app, self._config = app, config

    def ring(self, job: Job, wall_seconds: float) -> None:
        """Send one message. Raises BrokerUnavailable: it may or may not be there; sending again is harmless."""
        agent = self._config.agents[job.agent]
        tasks = tasks_of(self._app)
        if job.kind is CycleKind.SETTLE:
            task, arguments = tasks.settle, {"session_close": job.slot.isoformat(), "dry_run": agent.dry_run}
        else:
            arguments = {"dry_run": agent.dry_run, "manual": agent.manual, "slot": job.slot.isoformat()}
            task = tasks.trading_cycle
        task.apply_async(
            kwargs={"agent_id": job.agent, **arguments},
            task_id=names.task_id(job.kind, job.agent, job.slot),
            expires=wall_seconds,
            retry=False,  # the conductor tries again, and knows until when that makes sense
            ignore_result=True,  # the outcome is in the journal: Redis need not be there when the cycle ends
        )
