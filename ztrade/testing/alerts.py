"""An alert channel in memory."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from ztrade.domain.messages import Message
from ztrade.errors import ChannelDown, MessageRefused


class MemoryChannel:
    """Twin of the alert channels: keeps what it took; ``down`` and ``refuses`` say why it takes nothing.

    ``missed`` are receivers whom nothing reaches, and why.
    """

    def __init__(self) -> None:
        self.got: list[Message] = []
        self.down = self.refuses = ""
        self.rest: timedelta | None = None
        self.missed: dict[str, str] = {}

    def send(self, message: Message) -> Mapping[str, str]:
        """Take the message, or raise what the real channels do."""
        if self.down:
            raise ChannelDown(self.down, self.rest)
        if self.refuses:
            raise MessageRefused(self.refuses)
        self.got.append(message)
        return self.missed
