"""Is a worker really taking work? A process that lives and answers pings has been deaf before."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from redis.exceptions import RedisError

from ztrade.config import Config
from ztrade.service import broker
from ztrade.service.doorbell import Consuming, waiting

#: between two waits of a second a worker's connection is for an instant not waiting
LOOKS, PAUSE = 6, 0.25
#: wall seconds for a busy worker to say what it does
ANSWER = 1.0


def consuming(config: Config, agents: Sequence[str], *, looks: int = LOOKS) -> Mapping[str, Consuming]:
    """Tell for each agent's worker whether it waits at its queues, or is busy with a task.

    Raises:
        BrokerUnavailable: Redis does not answer.
        ConfigError: the Redis URL is wrong.
    """
    found: dict[str, Consuming] = {}
    missing = set(agents)
    for look in range(looks):
        if look:
            time.sleep(PAUSE)
        seen = _waiting(config.redis_url)
        found |= {name: Consuming(True, "waits at its queues") for name in missing & seen}
        missing -= seen
        if not missing:
            return found
    busy = _busy(config)
    for name in missing:
        found[name] = (
            Consuming(True, f"busy with {busy[name]}") if name in busy else Consuming(False, "does not take messages")
        )
    return found


def _waiting(url: str) -> set[str]:
    """Return the agents whose workers block on their queues now."""
    with closing(broker.client(url)) as connection:
        try:
            return waiting(connection)
        except (RedisError, OSError) as error:
            raise broker.unavailable(url, error) from None


def _busy(config: Config) -> dict[str, str]:
    """Ask all workers what they run: one that runs something rightly waits at no queue."""
    from ztrade.service.app import create_app  # Celery costs 80 ms, which who only looks need not pay

    app = create_app(config)
    try:
        answer: dict[str, list[dict[str, Any]]] = app.control.inspect(timeout=ANSWER).active() or {}
    except (RedisError, OSError) as error:
        raise broker.unavailable(config.redis_url, error) from None
    finally:
        app.close()
    return {node.partition("@")[0]: str(tasks[0].get("id")) for node, tasks in answer.items() if tasks}
