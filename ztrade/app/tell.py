"""Telling a person: a line in the log, and a message in the journal for whoever sends it."""

from __future__ import annotations

import structlog

from ztrade.domain.messages import Message, Severity
from ztrade.errors import JournalUnavailable
from ztrade.ports import Clock, Journal

log = structlog.get_logger("ztrade.tell")

_LEVELS = {Severity.INFO: log.info, Severity.WARNING: log.warning, Severity.CRITICAL: log.error}


def tell(
    journal: Journal, clock: Clock, severity: Severity, key: str, title: str, text: str, agent: str | None = None
) -> bool:
    """Tell it once, however often it is found; returns whether it is new. Never raises: telling must stop nothing."""
    message = Message(key, severity, title, text, clock.wall(), agent)
    try:
        new = journal.post(message)
    except JournalUnavailable as error:
        log.warning("message_not_kept", key=key, error=str(error))
        new = True
    if new:
        _LEVELS[severity]("told", key=key, title=title, text=text, agent=agent)
    return new
