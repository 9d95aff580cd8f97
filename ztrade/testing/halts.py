"""Halts in memory."""

from __future__ import annotations

from ztrade.domain.ledger import Wish


class MemoryHalts:
    """Twin of the flag files: nobody is stopped until somebody says so."""

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}
        self.reduced: dict[str, str] = {}
        self.wishes: dict[str, Wish] = {}

    def reason(self, agent: str) -> str | None:
        """Return why the agent, or everyone, is halted."""
        return self.reasons.get("ALL") or self.reasons.get(agent)

    def reducing(self, agent: str) -> str | None:
        """Return why the agent's, or everyone's, entries are refused."""
        return self.reduced.get("ALL") or self.reduced.get(agent)

    def halt(self, agent: str, reason: str, wish: Wish | None = None) -> None:
        """Stop the agent."""
        self.reasons[agent] = reason
        if wish is not None:
            self.wishes[agent] = wish

    def reduce(self, agent: str, reason: str) -> bool:
        """Refuse the agent's entries; False where they are refused already."""
        return self.reduced.setdefault(agent, reason) is reason

    def wish(self, agent: str) -> Wish | None:
        """Return what the agent's halt, or everyone's, orders besides."""
        return self.wishes.get(agent) or self.wishes.get("ALL")
