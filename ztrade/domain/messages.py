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


@dataclass(frozen=True, slots=True)
class Route:
    """What one channel is for.

    ``agents`` empty: all of them. What concerns no single agent (a unit, an account) goes by its severity alone: it
    must not be that nobody hears of it. ``limit``: posts within :data:`WINDOW`; CRITICAL ones have a limit of their own
    of the same size, so that no flood of fills holds one back.
    """

    channel: str
    severities: frozenset[Severity]
    agents: frozenset[str] = frozenset()
    limit: int = 20

    def wants(self, message: Message) -> bool:
        """Tell whether the message goes to this channel."""
        if message.severity not in self.severities:
            return False
        return not self.agents or message.agent is None or message.agent in self.agents


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message on its way over one channel.

    Args:
        attempts: how often it was begun.
        trouble: why the last one failed; empty with attempts: nobody knows how that one ended.
        ended_at: when the channel took it, or it was given up; None while it waits.
        lost: it was given up.
    """

    message: Message
    channel: str
    attempts: int = 0
    trouble: str = ""
    ended_at: datetime | None = None
    lost: bool = False

    @property
    def state(self) -> str:
        if self.ended_at is None:
            return "waiting"
        return "lost" if self.lost else "sent"

    @property
    def doubtful(self) -> bool:
        """Whether it may have been taken already: its sender died between sending and noting it."""
        return self.attempts > 0 and not self.trouble and self.ended_at is None


@dataclass(frozen=True, slots=True)
class Health:
    """How a channel does: ``failures`` in a row, since when, why, and until when it is left alone."""

    failures: int = 0
    since: datetime | None = None
    trouble: str = ""
    resume: datetime | None = None
