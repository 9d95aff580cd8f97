"""The outbox in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ztrade.domain.messages import Message


class MemoryMessages:
    """Messages by their key, in the order in which they were written."""

    def __init__(self) -> None:
        self._all: dict[str, Message] = {}
        self._sent: dict[str, datetime] = {}

    def post(self, message: Message) -> bool:
        """Keep the message; False where one with its key is there."""
        if message.key in self._all:
            return False
        self._all[message.key] = message
        return True

    def listing(self, *, unsent: bool, limit: int) -> Sequence[Message]:
        """Return the oldest ``limit`` messages."""
        return [message for key, message in self._all.items() if not (unsent and key in self._sent)][:limit]

    def mark_sent(self, key: str, at: datetime) -> None:
        """Note when it was sent; the first time counts."""
        if key in self._all:
            self._sent.setdefault(key, at)
