"""Redis as ztrade needs it: connections for questions, and one clear line when it is not there."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote, urlsplit

from redis import Redis
from redis.exceptions import RedisError

from ztrade.errors import ConfigError, TemporaryError

#: seconds
CONNECT_TIMEOUT = 3.0
ANSWER_TIMEOUT = 5.0


class BrokerUnavailable(TemporaryError):
    """Redis does not answer; a message that was on its way may or may not be there."""


def shown(url: str) -> str:
    """Return the URL without its password."""
    parts = urlsplit(url)
    if not parts.password:
        return url
    netloc = f"{parts.username or ''}:***@{parts.netloc.rpartition('@')[2]}"
    return parts._replace(netloc=netloc).geturl()


def client(url: str, *, timeout: float = ANSWER_TIMEOUT) -> Redis:
    """Return a client for a URL in Celery's spelling; nothing is connected yet.

    Raises:
        ConfigError: the URL cannot be one of a Redis.
    """
    try:
        return Redis.from_url(
            to_redis_py(url), socket_timeout=timeout, socket_connect_timeout=CONNECT_TIMEOUT, decode_responses=True
        )
    except (ValueError, TypeError) as error:
        raise ConfigError(
            "redis.url", f"{shown(url)} is no Redis URL: {error}", fix="redis://HOST:6379/0 or redis+socket:///PATH"
        ) from None


def to_redis_py(url: str) -> str:
    """Return redis-py's spelling of a URL: a unix socket is ``unix://`` there and ``redis+socket://`` in Celery."""
    if not url.startswith("redis+socket://"):
        return url
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    if host or not parts.path:
        raise ValueError("a socket needs three slashes and an absolute path")
    db = parse_qs(parts.query).get("virtual_host", ["0"])[0].lstrip("/")
    login = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    return f"unix://{login}{parts.path}?db={int(db)}"


def socket_path(url: str) -> str | None:
    """Return the unix socket's path, None for a URL with a host."""
    return unquote(urlsplit(url).path) if url.startswith("redis+socket://") else None


def check(url: str) -> None:
    """Ask for one PING.

    Raises:
        ConfigError: the URL is wrong.
        BrokerUnavailable: no answer, with the reason in one line.
    """
    connection = client(url)
    try:
        connection.ping()
    except TypeError as error:
        # redis-py hands what the query says to its connection as arguments, when it opens one
        raise ConfigError("redis.url", f"{shown(url)} has an option that Redis' client lacks: {error}") from None
    except (RedisError, OSError) as error:
        raise unavailable(url, error) from None
    finally:
        connection.close()


def unavailable(url: str, error: object) -> BrokerUnavailable:
    """Return the error that says which Redis does not answer and why."""
    return BrokerUnavailable(f"Redis at {shown(url)} does not answer: {one_line(error)}")


def one_line(error: object) -> str:
    """Return an error's text on one line."""
    text = " ".join(str(error).split())
    return text or type(error).__name__
