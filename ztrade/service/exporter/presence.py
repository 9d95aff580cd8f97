"""Who is connected to Redis, and who waits there for messages: found by one source, used by another."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from ztrade.service import names
from ztrade.service.doorbell import waits

#: wall seconds: what was seen longer ago is not known any more
KNOWN = 15.0
#: wall seconds without a word on a connection after which its process counts as gone: a worker speaks every two
IDLE = 15.0


class Presence:
    """What CLIENT LIST told last."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._at = float("-inf")
        self._here: frozenset[str] = frozenset()
        self._waited: Mapping[str, float] = {}

    def see(self, clients: Iterable[Mapping[str, str]]) -> None:
        """Take a look's answer: name, idle, cmd, flags of each connection."""
        entries, now = list(clients), self._monotonic()
        self._here = frozenset(entry.get("name", "") for entry in entries if _speaks(entry))
        self._at, self._waited = now, {**self._waited, **{agent: now for agent in map(waits, entries) if agent}}

    def here(self, role: str) -> bool | None:
        """Tell whether a role is connected, and speaks; None where Redis was not seen lately."""
        if self._monotonic() - self._at > KNOWN:
            return None
        return names.client_name(role) in self._here

    def waited(self, agent: str) -> float | None:
        """Return when the agent's worker was last seen waiting for messages, monotonic; None where it never was."""
        return self._waited.get(agent)


def _speaks(entry: Mapping[str, str]) -> bool:
    idle = entry.get("idle", "")
    return idle.isdigit() and int(idle) <= IDLE
