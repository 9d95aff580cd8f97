"""Celery's logging taken over: its lines look like ours, and lines of a task say whose they are.

``task_id``, ``agent`` and ``slot`` are bound once per task.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from celery import signals
from structlog.contextvars import bind_contextvars, clear_contextvars

from ztrade.domain.agent import canonical_name
from ztrade.service import logs, names
from ztrade.service.routing import slot_argument


def connect() -> None:
    """Take over Celery's logging, and bind the task's context around each task."""
    signals.setup_logging.connect(_on_setup, weak=False, dispatch_uid="ztrade.logs.setup")
    signals.task_prerun.connect(_on_prerun, weak=False, dispatch_uid="ztrade.logs.prerun")
    signals.task_postrun.connect(_on_postrun, weak=False, dispatch_uid="ztrade.logs.postrun")


def _on_setup(loglevel: Any = None, **_: Any) -> None:
    name = loglevel.lower() if isinstance(loglevel, str) else logging.getLevelName(loglevel or logging.INFO).lower()
    logs.configure(name if name in ("debug", "info", "warning", "error") else "info")


def _on_prerun(task_id: str = "", task: Any = None, args: Any = (), kwargs: Any = None, **_: Any) -> None:
    clear_contextvars()
    bind_contextvars(task_id=task_id, **_subject(task, args or (), kwargs or {}))


def _on_postrun(**_: Any) -> None:
    clear_contextvars()


def _subject(task: Any, args: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    name = getattr(task, "name", "")
    if name not in (names.TRADING_CYCLE, names.SETTLE):
        return {"task": name}
    agent = args[0] if args else kwargs.get("agent_id", "")
    slot = slot_argument(args, kwargs) if name == names.TRADING_CYCLE else kwargs.get("session_close")
    return {"agent": canonical_name(str(agent))} | ({"slot": slot} if slot else {})
