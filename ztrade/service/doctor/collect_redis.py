"""What Redis says of itself; a question that our user may not ask is left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError, ResponseError

from ztrade.config import Config
from ztrade.service import broker, doorbell, names
from ztrade.service.doctor.evidence import RedisFacts

SETTINGS = ("maxmemory-policy", "appendonly", "maxmemory", "timeout")
#: a Redis of our own holds a few dozen keys
_MOST_KEYS = 10_000


def redis_facts(config: Config, busy: Mapping[str, str]) -> RedisFacts:
    """Ask Redis.

    Raises:
        BrokerUnavailable: it does not answer.
        ConfigError: the URL is wrong.
    """
    url = config.redis_url
    bell = doorbell.look(url, set(config.agents) - set(busy))
    with closing(broker.client(url)) as connection:
        try:
            return RedisFacts(
                url=broker.shown(url),
                info={name: str(value) for name, value in _info(connection).items()},
                settings=_settings(connection),
                waiting=bell.waiting,
                busy=busy,
                queues=bell.queues,
                strange=sorted(_strange(connection, config.agents)),
                refused=sorted(_refused(connection)),
                socket_mode=_socket_mode(url),
                open_to_all=_open_to_all(connection),
            )
        except (RedisError, OSError) as error:
            raise broker.unavailable(url, error) from None


def _info(connection: Redis) -> Mapping[str, Any]:
    with suppress(ResponseError):
        found: Mapping[str, Any] = connection.info()
        return found
    return {}


def _settings(connection: Redis) -> Mapping[str, str]:
    with suppress(ResponseError):
        return {str(name): str(value) for name, value in connection.config_get(*SETTINGS).items()}
    return {}


def _strange(connection: Redis, agents: Iterable[str]) -> set[str]:
    ours = {queue for agent in agents for queue in names.queues(agent)}
    found: set[str] = set()
    with suppress(ResponseError):
        for number, key in enumerate(connection.scan_iter(match="agent.*", count=1000)):
            if number < _MOST_KEYS and key not in ours:
                found.add(key)
    return found


def _refused(connection: Redis) -> set[str]:
    with suppress(ResponseError):
        told: Any = connection.acl_log()
        return {str(entry.get("username", "")) for entry in told}
    return set()


def _socket_mode(url: str) -> int | None:
    path = broker.socket_path(url)
    if path is None:
        return None
    with suppress(OSError):
        return Path(path).stat().st_mode & 0o777
    return None


def _open_to_all(connection: Redis) -> bool:
    """Tell whether a stranger needs no password."""
    with suppress(RedisError, KeyError, TypeError):
        told: Any = connection.acl_getuser("default")
        return "nopass" in told["flags"]
    return False
