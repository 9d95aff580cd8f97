"""Log lines: a fixed event name and fields, JSON where a program reads, colours where a person does.

Our lines, Celery's and any library's go through the same formatter, each with one write; a log call never raises and
never shows a secret. ``task_id``, ``agent`` and ``slot`` are bound once per task.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog
from celery import signals
from structlog.contextvars import bind_contextvars, clear_contextvars
from structlog.typing import Processor

from ztrade.domain.agent import canonical_name
from ztrade.service import names
from ztrade.service.routing import slot_argument

#: Celery says "received" and "succeeded" for every message; our own line has the outcome
QUIET = ("celery.worker.strategy", "celery.app.trace", "tornado.access", "alembic")
_PASSWORD = re.compile(r"(://[^:/@\s]*):[^@/\s]+@")
_SECRET_KEY = re.compile(r"(?i)(secret|password|passwd|token|api_?key|key_id|authorization)")
#: the fencing number of a claim is called token, and is no secret
_NO_SECRET = (int, float, bool, type(None))


def configure(level: str = "info", *, fd: int = 1, for_person: bool | None = None) -> None:
    """Send all log lines of this process to ``fd``.

    Args:
        level: debug, info, warning or error.
        for_person: readable lines; None: where ``fd`` is a terminal.
    """
    person = os.isatty(fd) if for_person is None else for_person
    shared = _shared()
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers[:] = [LineHandler(fd, _formatter(shared, person))]
    root.setLevel(level.upper())
    logging.captureWarnings(True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING if level != "debug" else logging.DEBUG)


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        hide_secrets,
    ]


def _formatter(shared: list[Processor], person: bool) -> logging.Formatter:
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=True) if person else structlog.processors.JSONRenderer(serializer=dumps)
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )


def hide_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace values under names of secrets, and passwords inside URLs."""
    for key, value in event.items():
        if _SECRET_KEY.search(str(key)) and not isinstance(value, _NO_SECRET):
            event[key] = "***"
        elif isinstance(value, str):
            event[key] = _PASSWORD.sub(r"\1:***@", value)
    return event


def dumps(event: Mapping[str, Any], **_options: Any) -> str:
    """Return one line of JSON whatever the values are."""
    try:
        return json.dumps(event, default=_shown, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return json.dumps({str(key): _shown(value) for key, value in event.items()}, ensure_ascii=False)


def _shown(value: object) -> str:
    try:
        return value.isoformat() if hasattr(value, "isoformat") else repr(value)
    except Exception:  # noqa: BLE001 a broken __repr__ must not stop a trade
        return f"<{type(value).__name__} that cannot be shown>"


class LineHandler(logging.Handler):
    """Writes each line with one system call, so that lines of several processes never mix."""

    def __init__(self, fd: int, formatter: logging.Formatter) -> None:
        super().__init__()
        self._fd = fd
        self.setFormatter(formatter)

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record; what cannot be formatted is written as it is, what cannot be written is lost."""
        try:
            line = self.format(record)
        except Exception as error:  # noqa: BLE001 logging never raises
            line = json.dumps({"event": "log_line_failed", "logger": record.name, "error": _shown(error)})
        try:
            os.write(self._fd, (line + "\n").encode("utf-8", "backslashreplace"))
        except OSError:
            return


# -- Celery ------------------------------------------------------------------------------------------------------------
def connect() -> None:
    """Take over Celery's logging, and bind the task's context around each task."""
    signals.setup_logging.connect(_on_setup, weak=False, dispatch_uid="ztrade.logs.setup")
    signals.task_prerun.connect(_on_prerun, weak=False, dispatch_uid="ztrade.logs.prerun")
    signals.task_postrun.connect(_on_postrun, weak=False, dispatch_uid="ztrade.logs.postrun")


def _on_setup(loglevel: Any = None, **_: Any) -> None:
    name = loglevel.lower() if isinstance(loglevel, str) else logging.getLevelName(loglevel or logging.INFO).lower()
    configure(name if name in ("debug", "info", "warning", "error") else "info")


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
