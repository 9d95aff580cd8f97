"""Log lines: a fixed event name and fields, JSON where a program reads, colours where a person does.

Our lines, Celery's and any library's go through the same formatter, each with one write; a log call never raises and
never shows a secret. Under systemd they go to the journal with their fields; with ``log.directory`` to a file.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from structlog.typing import Processor

from ztrade.config import Config, journal_stream
from ztrade.service.journald import JournalSocket, is_journal
from ztrade.service.log_lines import FileHandler, JournalHandler, LineHandler

#: Celery says "received" and "succeeded" for every message; our own line has the outcome
QUIET = ("celery.worker.strategy", "celery.app.trace", "tornado.access", "alembic")
_PASSWORD = re.compile(r"(://[^:/@\s]*):[^@/\s]+@")
_SECRET_KEY = re.compile(r"(?i)(secret|password|passwd|token|api_?key|key_id|authorization)")
#: the fencing number of a claim is called token, and is no secret
_NO_SECRET = (int, float, bool, type(None))


@dataclass(frozen=True, slots=True)
class Place:
    """Who writes, and into which directory; ``directory`` None: to the journal or a descriptor."""

    program: str = "ztrade"
    directory: Path | None = None


#: this process's: Celery sets logging up a second time, and knows nothing of it
_place = Place()


def start(config: Config, program: str) -> None:
    """Send all log lines of this process where the configuration says.

    Args:
        program: ``worker-spy``, ``beat``: the name of its log file, and with ``ztrade-`` before it the journal's
            identifier.
    """
    configure(config.main.log.level, place=Place(program, config.log_dir))


def configure(level: str = "info", *, fd: int = 1, for_person: bool | None = None, place: Place | None = None) -> None:
    """Send all log lines of this process to the place's directory, else to ``fd``.

    Args:
        level: debug, info, warning or error.
        for_person: readable lines; None: where ``fd`` is a terminal.
        place: None: the one that was told before.
    """
    global _place
    _place = place or _place
    person = os.isatty(fd) if for_person is None else for_person
    shared = _shared()
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers[:] = [_handler(fd, shared, person)]
    root.setLevel(level.upper())
    logging.captureWarnings(True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING if level != "debug" else logging.DEBUG)


def _handler(fd: int, shared: list[Processor], person: bool) -> logging.Handler:
    if _place.directory is not None:
        path = _place.directory / f"{_place.program}.log"
        return FileHandler(path, _formatter(shared, person=False), fallback=fd)
    if is_journal(fd, journal_stream()):
        return JournalHandler(fd, _formatter(shared, person=False), f"ztrade-{_place.program}", JournalSocket())
    return LineHandler(fd, _formatter(shared, person))


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
