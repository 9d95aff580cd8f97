"""Redis at one moment: which workers wait at their queues, and what waits there for them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from redis import Redis
from redis.exceptions import RedisError

from ztrade.service import broker, names

#: a worker asks again every second, and for an instant between two questions it is not seen waiting
LOOKS, PAUSE = 4, 0.05
_WORKER = names.client_name(names.worker_role(""))


@dataclass(frozen=True, slots=True)
class Consuming:
    """Whether a worker takes work, and how one knows."""

    yes: bool
    how: str


#: by agent whether its worker takes messages, and why nobody can tell
Taken = tuple[Mapping[str, Consuming], str]


@dataclass(frozen=True, slots=True)
class QueueState:
    """One queue with messages in it; ``oldest`` is the slot of the one that has waited longest, where it has one."""

    name: str
    length: int
    oldest: datetime | None = None


@dataclass(frozen=True, slots=True)
class Doorbell:
    """What Redis told."""

    waiting: frozenset[str]
    queues: Sequence[QueueState]


def look(url: str, agents: Iterable[str], *, looks: int = LOOKS, timeout: float = broker.ANSWER_TIMEOUT) -> Doorbell:
    """Look until every agent's worker was seen waiting, at most ``looks`` times.

    Raises:
        BrokerUnavailable: Redis does not answer, or refuses the question.
        ConfigError: the URL is wrong.
    """
    wanted = set(agents)
    with closing(broker.client(url, timeout=timeout)) as connection:
        try:
            queues = _queues(connection, sorted(wanted))
            seen = waiting(connection)
            for _ in range(looks - 1):
                if wanted <= seen:
                    break
                time.sleep(PAUSE)
                seen |= waiting(connection)
        except (RedisError, OSError) as error:
            raise broker.unavailable(url, error) from None
    return Doorbell(frozenset(seen), queues)


def waiting(connection: Redis) -> set[str]:
    """Return the agents whose workers block on their queues now. Raises RedisError, OSError."""
    clients: list[dict[str, str]] = connection.client_list()
    return {agent for agent in map(waits, clients) if agent is not None}


def waits(entry: Mapping[str, str]) -> str | None:
    """Return the agent whose worker blocks on its queues over this connection of CLIENT LIST, None where none does."""
    name = entry.get("name", "")
    blocks = name.startswith(_WORKER) and entry.get("cmd") == "brpop" and "b" in entry.get("flags", "")
    return name.removeprefix(_WORKER) if blocks else None


def taking(bell: Doorbell, agents: Iterable[str], busy: Mapping[str, str]) -> dict[str, Consuming]:
    """Tell for each agent's worker whether it takes messages.

    Args:
        bell: what Redis told.
        agents: the agents.
        busy: by agent, the cycle that runs: its worker rightly waits at no queue.
    """
    return {agent: _taking(agent in bell.waiting, busy.get(agent)) for agent in agents}


def _taking(waits: bool, cycle: str | None) -> Consuming:
    if waits:
        return Consuming(True, "waits at its queues")
    return Consuming(True, f"busy with {cycle}") if cycle else Consuming(False, "does not take messages")


def _queues(connection: Redis, agents: Sequence[str]) -> list[QueueState]:
    every = [queue for agent in agents for queue in (names.slot_queue(agent), names.control_queue(agent))]
    every.append(names.MAINTENANCE)
    pipe = connection.pipeline(transaction=False)
    for queue in every:
        pipe.llen(queue)
        pipe.lindex(queue, -1)
    answers = pipe.execute()
    pairs = zip(every, answers[::2], answers[1::2], strict=True)
    return [QueueState(queue, int(length), _slot(oldest)) for queue, length, oldest in pairs if length]


def _slot(message: str | None) -> datetime | None:
    """Return the slot that a message is for: it is part of its id."""
    with suppress(ValueError, KeyError, TypeError, AttributeError):
        stamp = json.loads(message or "")["headers"]["id"].rpartition(":")[2]
        return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return None
