"""The outbox: which message goes to which channel, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from ztrade.domain.messages import Delivery, Health, Message


class Outbox(Protocol):
    """Deliveries in the journal. All instants are wall time; each call is one transaction.

    Every method may raise :class:`~ztrade.errors.JournalUnavailable`.
    """

    def unrouted(self, limit: int) -> Sequence[Message]:
        """Return the oldest messages of which nobody has said yet where they go."""
        ...

    def route(self, wanted: Mapping[str, Collection[str]], at: datetime) -> None:
        """Say to which channels each message goes, by its key; to none: it is done. The first word stands."""
        ...

    def posts(self, channel: str, since: datetime, *, critical: bool) -> int:
        """Return how many posts the channel took after ``since``; messages of one digest are one post."""
        ...

    def waiting(self, channel: str, *, critical: bool, limit: int) -> Sequence[Delivery]:
        """Return the oldest deliveries that wait for the channel."""
        ...

    def begin(
        self,
        channel: str,
        keys: Collection[str],
        *,
        owner: str,
        at: datetime,
        lease: timedelta,
        gone: Callable[[str], bool],
    ) -> bool:
        """Take or keep the right to send on the channel, and note that these are about to be sent.

        False, and nothing noted, where another has the right, whose lease runs and who is not surely gone, or where one
        of these waits no more.
        """
        ...

    def taken(self, channel: str, keys: Collection[str], at: datetime) -> None:
        """Note that the channel took these, in one post; it is well again."""
        ...

    def put_off(self, channel: str, keys: Collection[str], trouble: str, at: datetime, resume: datetime) -> None:
        """Note that the channel did not take these, and is to be left alone until ``resume``."""
        ...

    def lose(self, channel: str, keys: Collection[str], trouble: str, at: datetime) -> None:
        """Give these up."""
        ...

    def give_up(self, before: datetime, at: datetime) -> Mapping[str, int]:
        """Give up what was written before ``before`` and still waits; returns how many, by channel."""
        ...

    def health(self) -> Mapping[str, Health]:
        """Return how each channel does that was ever used."""
        ...

    def lost(self) -> Mapping[str, int]:
        """Return how many messages were given up, by channel."""
        ...

    def deliveries(self, limit: int) -> Sequence[tuple[Message, Sequence[Delivery]]]:
        """Return the newest messages, oldest first, each with its deliveries."""
        ...
