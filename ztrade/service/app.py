"""The Celery application and its tasks. Making it reads nothing; the configuration is read at its first use."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from celery import Celery, Task, signals
from celery.loaders.app import AppLoader
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from ztrade.config import Config
from ztrade.domain.agent import canonical_name
from ztrade.domain.ledger import CycleKind, CycleRecord
from ztrade.errors import ConfigError
from ztrade.service import broker, names, report, task_logs
from ztrade.service.context import Build, Context, build_runtime
from ztrade.service.planner import is_slot
from ztrade.service.routing import parse_slot, route
from ztrade.service.settings import limit, settings
from ztrade.service.unbroken import unbroken


class Loader(AppLoader):
    """Gives Celery its settings when it first needs one."""

    def read_configuration(self, env: str = "") -> Mapping[str, Any]:  # noqa: ARG002 Celery's signature
        context: Context = self.app.context
        config = context.config

        def router(name: str, args: Any, kwargs: Any, *_: Any, **__: Any) -> Any:
            return route(config, name, args or (), kwargs or {})

        return {**settings(config, context.role), "task_routes": (router,)}


class ZtradeTask(Task):
    """A task whose caller hears in one line that Redis is down."""

    def apply_async(self, *args: Any, **kwargs: Any) -> Any:
        """Send the task.

        Raises:
            ConfigError: the agent or the slot is wrong; nothing was sent.
            BrokerUnavailable: Redis does not answer; the message may or may not be there.
        """
        # Redis' lists know no times: how long the oldest message waits is told by what it carries
        sent = {names.SENT_AT: self.app.now().timestamp()}
        try:
            return super().apply_async(*args, **{**kwargs, "headers": {**(kwargs.get("headers") or {}), **sent}})
        except (OperationalError, RedisError, OSError) as error:
            raise broker.unavailable(self.app.context.config.redis_url, error) from None
        except RuntimeError as error:
            if "result store" not in str(error):
                raise
            # the result backend's words for: its connection broke, and did not come back in time
            raise broker.unavailable(self.app.context.config.redis_url, "the connection broke") from None


@dataclass(frozen=True, slots=True)
class Tasks:
    """The three tasks of an application."""

    trading_cycle: Task
    settle: Task
    test_task: Task


def create_app(config: Config | None = None, build: Build = build_runtime) -> Celery:
    """Return a new application with its tasks; see :class:`Context` for the arguments."""
    app = Celery(names.APP, loader=Loader, task_cls=ZtradeTask)
    app.context = Context(config, build)
    app.ztrade_tasks = _define(app)
    task_logs.connect()
    signals.worker_init.connect(limit, weak=False, dispatch_uid="ztrade.limits")
    return app


def tasks_of(app: Celery) -> Tasks:
    """Return the application's tasks."""
    tasks: Tasks = app.ztrade_tasks
    return tasks


def context_of(app: Celery) -> Context:
    """Return the application's context."""
    context: Context = app.context
    return context


def _define(app: Celery) -> Tasks:
    # not shared: a second application in one process (tests, doctor) has tasks with its own configuration
    @app.task(name=names.TRADING_CYCLE, bind=True, shared=False)
    def trading_cycle(
        self: Task, agent_id: str, dry_run: bool = True, manual: bool = True, slot: str | None = None
    ) -> dict[str, Any]:
        """Run the cycle of one slot, or without a slot an extra one now; arguments only tighten the agent's file."""
        with unbroken():
            return run_trading_cycle(context_of(app), agent_id, dry_run, manual, slot, _owner(self))

    @app.task(name=names.SETTLE, bind=True, shared=False)
    def settle(self: Task, agent_id: str, session_close: str, dry_run: bool = True) -> dict[str, Any]:
        """Take over the account book after a session's close."""
        with unbroken():
            return run_settle(context_of(app), agent_id, session_close, dry_run, _owner(self))

    @app.task(name=names.TEST_TASK, bind=True, shared=False)
    def test_task(self: Task) -> dict[str, Any]:
        """Say who runs tasks here, and when."""
        return answer_test(str(self.request.hostname))

    return Tasks(trading_cycle, settle, test_task)


def _owner(task: Task) -> str:
    return f"{task.request.hostname}/{os.getpid()}/{task.request.id}"


def run_trading_cycle(
    context: Context, agent_id: str, dry_run: bool, manual: bool, slot: str | None, owner: str
) -> dict[str, Any]:
    """Run one cycle in this process and return its small summary.

    Raises:
        ConfigError: unknown agent, or an instant that is not one of the agent's slots.
    """
    agent = context.config.agent(agent_id)
    at = None if slot is None else parse_slot(slot)
    runtime = context.runtime
    if at is not None and not is_slot(runtime.calendar, agent, at):
        raise ConfigError("slot", f"{slot} is no slot of agent {agent.name!r}", fix="leave it out for an extra cycle")
    with _told(context, agent.name):
        context.recover_once(agent.name, owner)
        record = runtime.run_cycle(
            agent.name, dry_run=agent.dry_run or dry_run, manual=agent.manual or manual, slot=at, owner=owner
        )
    return summary(record, agent.name, at)


@contextmanager
def _told(context: Context, agent: str) -> Iterator[None]:
    """Tell afterwards what this process has counted, however it ended."""
    try:
        yield
    finally:
        role = report.cycles(names.worker_role(agent))
        report.write(context.config.state_dir, role, context.runtime.metrics.told())


def run_settle(context: Context, agent_id: str, session_close: str, dry_run: bool, owner: str) -> dict[str, Any]:
    """Settle one agent in this process. Raises ConfigError as :func:`run_trading_cycle`."""
    agent = context.config.agent(agent_id)
    close = parse_slot(session_close)
    with _told(context, agent.name):
        record = context.runtime.settle(agent.name, dry_run=agent.dry_run or dry_run, session_close=close, owner=owner)
    return summary(record, agent.name, close)


def summary(record: CycleRecord | None, agent: str, slot: datetime | None) -> dict[str, Any]:
    """Return what a caller gets: ``outcome`` is None where another message has, or had, this slot."""
    if record is None:
        return {
            "cycle_id": None,
            "agent": agent,
            "slot": slot.isoformat() if slot else None,
            "outcome": None,
            "reason": "this slot is another message's, or already has its outcome",
            "order_ids": [],
        }
    return {
        "cycle_id": record.cycle_id,
        "agent": record.agent,
        "slot": None if record.kind is CycleKind.EXTRA else record.slot.isoformat(),
        "outcome": record.outcome.value if record.outcome else None,
        "reason": record.reason,
        "order_ids": list(record.order_ids),
    }


def answer_test(hostname: str) -> dict[str, Any]:
    """Return the test task's answer without touching journal or exchange: a worker answers with both down."""
    from ztrade.adapters.clock import SystemClock

    return {
        "worker": hostname,
        "agent": canonical_name(hostname.partition("@")[0]),
        "time": SystemClock().wall().isoformat(),
        "pid": os.getpid(),
    }
