"""What messages look like, whatever the channel."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from ztrade.domain.messages import Message, Severity

#: seen first on a phone
MARKS: Mapping[Severity, str] = {Severity.INFO: "🔵", Severity.WARNING: "🟠", Severity.CRITICAL: "🔴"}


def footer(message: Message) -> str:
    """Return when it was, and on which machine: a message may have waited, and several machines may tell."""
    return f"{message.at:%Y-%m-%d %H:%M:%S} UTC, {socket.gethostname()}"


def failure(error: BaseException) -> str:
    """Return what went wrong in plain words; those of libraries hold addresses that nobody may read."""
    reason = getattr(error, "reason", error)
    if isinstance(reason, OSError) and reason.strerror and not isinstance(reason, socket.gaierror):
        return str(reason.strerror)
    return {"TimeoutError": "timed out", "gaierror": "its name is not known"}.get(
        type(reason).__name__, type(reason).__name__
    )
