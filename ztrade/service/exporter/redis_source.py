"""Redis, and what it knows of queues and connections: one question, one answer, and no worker is asked for anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

import structlog
from kombu.transport.redis import PRIORITY_STEPS
from redis import Redis
from redis.exceptions import RedisError

from ztrade.config import Config
from ztrade.ports import Clock
from ztrade.service import broker, names
from ztrade.service.exporter.presence import Presence
from ztrade.service.exporter.source import Value
from ztrade.service.exporter.waiting import Waiting

log = structlog.get_logger("ztrade.exporter")

#: between a queue's name and a priority, where kombu keeps messages that have one
SEPARATOR = "\x06\x16"
OTHER = "other"
_INFO = {
    "used_memory": "ztrade_redis_memory_bytes",
    "maxmemory": "ztrade_redis_memory_limit_bytes",
    "evicted_keys": "ztrade_redis_evicted_keys_total",
    "blocked_clients": "ztrade_redis_blocked_clients",
}


def lists(queue: str) -> Sequence[str]:
    """Return the lists of Redis that make up a queue; our own messages have no priority, another's may."""
    return [queue, *(f"{queue}{SEPARATOR}{step}" for step in PRIORITY_STEPS if step)]


class RedisSource:
    """Implements :class:`ztrade.service.exporter.source.Source`.

    Args:
        presence: hears who is connected.
    """

    name, every = "redis", 5.0

    def __init__(self, config: Config, presence: Presence, clock: Clock) -> None:
        self._url, self._presence, self._clock = config.redis_url, presence, clock
        self._agents = sorted(config.agents)
        self._queues = sorted({queue for agent in self._agents for queue in names.queues(agent)} | {names.MAINTENANCE})
        self._waiting = Waiting()
        self._odd: set[str] = set()

    def look(self) -> Iterator[Value]:
        """Return what Redis tells; what our user may not ask is left out. Raises RedisError, OSError."""
        with closing(broker.client(self._url, role=names.EXPORTER, as_text=False)) as connection:
            connection.ping()
            yield "ztrade_redis_up", (), 1.0
            yield from self._server(connection)
            yield from self._messages(connection)

    def blind(self) -> Iterator[Value]:
        """Say that Redis is down; of queues nothing is known."""
        yield "ztrade_redis_up", (), 0.0

    def _now(self) -> float:
        return self._clock.wall().timestamp()

    # -- the server ----------------------------------------------------------------------------------------------------
    def _server(self, connection: Redis) -> Iterator[Value]:
        pipe = connection.pipeline(transaction=False)
        pipe.info()
        pipe.client_list()
        info, clients = pipe.execute(raise_on_error=False)
        if not isinstance(info, RedisError):
            yield from self._info(info)
        if not isinstance(clients, RedisError):
            self._presence.see(clients)
            yield from self._clients(clients)

    def _info(self, info: Mapping[str, Any]) -> Iterator[Value]:
        yield from ((metric, (), float(info[key])) for key, metric in _INFO.items() if key in info)
        yield "ztrade_redis_safe", (), float(is_safe(info))
        if "rdb_last_save_time" in info:
            yield "ztrade_redis_last_save_age_seconds", (), max(self._now() - float(info["rdb_last_save_time"]), 0.0)

    def _clients(self, clients: Sequence[Mapping[str, str]]) -> Iterator[Value]:
        roles = [names.worker_role(agent) for agent in self._agents]
        found = {names.client_name(role): 0 for role in (*roles, *names.ROLES)} | {OTHER: 0}
        for entry in clients:
            name = entry.get("name", "")
            found[name if name in found else OTHER] += 1
        yield from (("ztrade_redis_clients", (name,), float(count)) for name, count in found.items())

    # -- messages ------------------------------------------------------------------------------------------------------
    def _messages(self, connection: Redis) -> Iterator[Value]:
        pipe = connection.pipeline(transaction=False)
        for queue in self._queues:
            for each in lists(queue):
                pipe.llen(each)
        for agent in self._agents:
            keys = names.unacked_keys(names.worker_role(agent))
            pipe.hlen(keys["unacked_key"])
            pipe.zrange(keys["unacked_index_key"], 0, 0, withscores=True)
        answers: Iterator[Any] = iter(pipe.execute(raise_on_error=False))
        lengths = {each: next(answers) for queue in self._queues for each in lists(queue)}
        known = {each: int(count) for each, count in lengths.items() if not self._refused(each, count)}
        yield from self._queued(known, self._oldest(connection, [each for each, count in known.items() if count]))
        for agent in self._agents:
            count, first = next(answers), next(answers)
            if not (self._refused(f"unacked of {agent}", count) or self._refused(f"unacked index of {agent}", first)):
                yield from self._unacked(agent, int(count), first)

    def _refused(self, what: str, answer: object) -> bool:
        """Tell whether Redis refused one question: a key that is no list, or not ours to read; the others stand."""
        if not isinstance(answer, RedisError):
            self._odd.discard(what)
            return False
        if what not in self._odd:
            log.warning("queue_not_read", key=what, reason=broker.one_line(answer))
        self._odd.add(what)
        return True

    @staticmethod
    def _oldest(connection: Redis, filled: Sequence[str]) -> Mapping[str, bytes]:
        pipe = connection.pipeline(transaction=False)
        for each in filled:
            pipe.lindex(each, -1)
        found = zip(filled, pipe.execute() if filled else [], strict=True)
        # one that was taken meanwhile is not there
        return {each: message for each, message in found if message is not None}

    def _queued(self, lengths: Mapping[str, int], oldest: Mapping[str, bytes]) -> Iterator[Value]:
        ages = self._waiting.ages(oldest, self._now())
        for queue in self._queues:
            if not all(each in lengths for each in lists(queue)):
                continue
            yield "ztrade_queue_messages", (queue,), float(sum(lengths[each] for each in lists(queue)))
            age = max((ages.get(each, 0.0) for each in lists(queue)), default=0.0)
            yield "ztrade_queue_oldest_message_age_seconds", (queue,), age

    def _unacked(self, agent: str, count: int, first: Sequence[tuple[bytes, float]]) -> Iterator[Value]:
        yield "ztrade_unacked_messages", (agent,), float(count)
        age = max(self._now() - first[0][1], 0.0) if first else 0.0
        yield "ztrade_unacked_oldest_age_seconds", (agent,), age


def is_safe(info: Mapping[str, Any]) -> bool:
    """Tell from INFO whether Redis forgets nothing: it evicts nothing, and its append-only file is on and in order."""
    return (
        info.get("maxmemory_policy") == "noeviction"
        and str(info.get("aof_enabled")) == "1"
        and info.get("aof_last_write_status") == "ok"
        and info.get("rdb_last_bgsave_status", "ok") == "ok"
    )
