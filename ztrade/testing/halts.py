"""Halts in memory."""

from __future__ import annotations


class MemoryHalts:
    """Twin of the flag files: nobody is halted until somebody says so."""

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}

    def reason(self, agent: str) -> str | None:
        """Return why the agent, or everyone, is halted."""
        return self.reasons.get("ALL") or self.reasons.get(agent)

    def halt(self, agent: str, reason: str) -> None:
        """Stop the agent."""
        self.reasons[agent] = reason
