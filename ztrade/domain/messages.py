"""What a person is told: written into the journal first, sent later, so that a channel that is down delays nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Severity(StrEnum):
    """INFO is read when there is time, WARNING today, CRITICAL now."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Message:
    """One thing to tell. ``key`` names the event: told once, however often it is found; ``at`` is wall time."""

    key: str
    severity: Severity
    title: str
    text: str
    at: datetime
    agent: str | None = None
