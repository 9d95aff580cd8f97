"""Telling a person: a line in the log, and a message in the journal for whoever sends it."""

from __future__ import annotations

import structlog

from ztrade.domain.messages import Message, Severity
from ztrade.errors import JournalUnavailable
from ztrade.ports import Clock, Journal

log = structlog.get_logger("ztrade.tell")

#: names, not bound methods: those would be of the logger as it is before the process has configured its log
_LEVELS = {Severity.INFO: "info", Severity.WARNING: "warning", Severity.CRITICAL: "error"}


def tell(
    journal: Journal, clock: Clock, severity: Severity, key: str, title: str, text: str, agent: str | None = None
) -> bool:
    """Tell it once, however often it is found; returns whether it is new. Never raises: telling must stop nothing."""
    message = Message(key, severity, title, text, clock.wall(), agent)
    try:
        return say(journal, message)
    except JournalUnavailable as error:
        log.warning("message_not_kept", key=key, error=str(error))
        _log(message)
        return True


def say(journal: Journal, message: Message) -> bool:
    """Tell it once; returns whether it is new.

    Raises:
        JournalUnavailable: it is not kept, and has to be found again.
    """
    new = journal.post(message)
    if new:
        _log(message)
    return new


def _log(message: Message) -> None:
    write = getattr(log, _LEVELS[message.severity])
    write("told", key=message.key, title=message.title, text=message.text, agent=message.agent)
