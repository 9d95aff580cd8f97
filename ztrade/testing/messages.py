"""Messages, and the outbox, in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from threading import RLock

from ztrade.domain.messages import Delivery, Health, Message, Severity
from ztrade.testing.cycles import check_aware


class MemoryMessages:
    """Messages by their key, in the order in which they were written, and their deliveries by channel."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._all: dict[str, Message] = {}
        self._sent: dict[str, datetime] = {}
        self._ways: dict[str, dict[str, Delivery]] = {}
        self._held: dict[str, tuple[str, datetime]] = {}
        self._health: dict[str, Health] = {}

    def post(self, message: Message) -> bool:
        """Keep the message; False where one with its key is there."""
        with self._lock:
            if message.key in self._all:
                return False
            self._all[message.key] = message
            return True

    def listing(self, *, unsent: bool, limit: int) -> Sequence[Message]:
        """Return the oldest ``limit`` messages."""
        with self._lock:
            return [message for key, message in self._all.items() if not (unsent and key in self._sent)][:limit]

    def unrouted(self, limit: int) -> Sequence[Message]:
        with self._lock:
            new = (message for key, message in self._all.items() if key not in self._sent and key not in self._ways)
            return list(islice(new, limit))

    def route(self, wanted: Mapping[str, Collection[str]], at: datetime) -> None:
        check_aware(at)
        with self._lock:
            for key, names in wanted.items():
                if key not in self._all or key in self._sent or key in self._ways:
                    continue
                if names:
                    self._ways[key] = {name: Delivery(self._all[key], name) for name in sorted(names)}
                else:
                    self._sent[key] = at

    def posts(self, channel: str, since: datetime, *, critical: bool) -> int:
        check_aware(since)
        with self._lock:
            of_one = self._of(channel, critical)
            return len({one.ended_at for one in of_one if one.ended_at and one.ended_at > since and not one.lost})

    def waiting(self, channel: str, *, critical: bool, limit: int) -> Sequence[Delivery]:
        with self._lock:
            return list(islice((one for one in self._of(channel, critical) if one.ended_at is None), limit))

    def _of(self, channel: str, critical: bool) -> Iterator[Delivery]:
        for key, message in self._all.items():
            found = self._ways.get(key, {}).get(channel)
            if found is not None and (message.severity is Severity.CRITICAL) is critical:
                yield found

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
        check_aware(at)
        with self._lock:
            holder, until = self._held.get(channel, ("", at))
            if holder != owner and until > at and not gone(holder):
                return False
            found = [self._ways.get(key, {}).get(channel) for key in keys]
            if any(one is None or one.ended_at is not None for one in found):
                return False
            self._held[channel] = (owner, at + lease)
            self._health.setdefault(channel, Health())
            for one in found:
                self._change(one, attempts=one.attempts + 1 if one else 0, trouble="")
            return True

    def _change(self, one: Delivery | None, **values: object) -> None:
        if one is not None and one.ended_at is None:
            self._ways[one.message.key][one.channel] = replace(one, **values)  # type: ignore[arg-type]

    def _end(self, channel: str, keys: Collection[str], at: datetime, **values: object) -> None:
        for key in keys:
            ways = self._ways.get(key, {})
            self._change(ways.get(channel), ended_at=at, **values)
            if ways and all(one.ended_at is not None for one in ways.values()):
                self._sent.setdefault(key, at)

    def taken(self, channel: str, keys: Collection[str], at: datetime) -> None:
        check_aware(at)
        with self._lock:
            self._end(channel, keys, at)
            self._health[channel] = Health()

    def put_off(self, channel: str, keys: Collection[str], trouble: str, at: datetime, resume: datetime) -> None:
        check_aware(at, resume)
        with self._lock:
            for key in keys:
                self._change(self._ways.get(key, {}).get(channel), trouble=trouble)
            found = self._health.get(channel, Health())
            self._health[channel] = Health(found.failures + 1, found.since or at, trouble, resume)

    def lose(self, channel: str, keys: Collection[str], trouble: str, at: datetime) -> None:
        check_aware(at)
        with self._lock:
            self._end(channel, keys, at, lost=True, trouble=trouble)

    def give_up(self, before: datetime, at: datetime) -> Mapping[str, int]:
        check_aware(before, at)
        with self._lock:
            waiting = [one for ways in self._ways.values() for one in ways.values() if one.ended_at is None]
            old = [one for one in waiting if one.message.at < before]
            for one in old:
                self._end(one.channel, [one.message.key], at, lost=True)
            return dict(Counter(one.channel for one in old))

    def health(self) -> Mapping[str, Health]:
        with self._lock:
            return dict(sorted(self._health.items()))

    def lost(self) -> Mapping[str, int]:
        with self._lock:
            return Counter(one.channel for ways in self._ways.values() for one in ways.values() if one.lost)

    def ways(self) -> Sequence[tuple[int, Sequence[Delivery]]]:
        """Return each message's place in the order of writing, and its deliveries."""
        with self._lock:
            keys = enumerate(self._all, start=1)
            return [(number, list(self._ways.get(key, {}).values())) for number, key in keys]

    def deliveries(self, limit: int) -> Sequence[tuple[Message, Sequence[Delivery]]]:
        with self._lock:
            newest = list(self._all.values())[-limit:]
            return [(message, list(self._ways.get(message.key, {}).values())) for message in newest]
