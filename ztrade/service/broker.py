"""Redis as ztrade needs it: connections for questions, and one clear line when it is not there."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote, urlsplit

from redis import Redis
from redis.credentials import CredentialProvider
from redis.exceptions import AuthenticationError, AuthorizationError, NoPermissionError, RedisError

from ztrade.config import redis_login
from ztrade.errors import ConfigError, TemporaryError
from ztrade.service import names

#: seconds
CONNECT_TIMEOUT = 3.0
ANSWER_TIMEOUT = 5.0
REFUSED = (AuthenticationError, AuthorizationError, NoPermissionError)


class BrokerUnavailable(TemporaryError):
    """Redis does not answer; a message that was on its way may or may not be there."""


class GivenLogin(CredentialProvider):
    """The login that this process was given, read anew for each connection; so that no URL holds a password.

    Celery answers whoever asks what its URL is, Flower among them.
    """

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """Return user and password."""
        login = redis_login()
        return login.pair if login else ("",)

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        """Return the same to Flower, whose client is another."""
        return self.get_credentials()


def is_given(url: str) -> bool:
    """Tell whether this process was given a login for the Redis at the URL."""
    return redis_login(url) is not None


def celery_url(url: str) -> str:
    """Return the URL as Celery takes it: naming who knows the login, where one was given for it."""
    if not is_given(url):
        return url
    provider = f"credential_provider={GivenLogin.__module__}:{GivenLogin.__qualname__}"
    return f"{url}{'&' if '?' in url else '?'}{provider}"


def shown(url: str) -> str:
    """Return the URL without its password."""
    parts = urlsplit(url)
    if not parts.password:
        return url
    netloc = f"{parts.username or ''}:***@{parts.netloc.rpartition('@')[2]}"
    return parts._replace(netloc=netloc).geturl()


def client(url: str, *, timeout: float = ANSWER_TIMEOUT, role: str = "", as_text: bool = True) -> Redis:
    """Return a client for a URL in Celery's spelling; nothing is connected yet.

    Args:
        timeout: wall seconds for an answer.
        role: whose connection CLIENT LIST shows it to be; nobody's where empty.
        as_text: answers are text; else bytes, for what others may have written.

    Raises:
        ConfigError: the URL cannot be one of a Redis.
    """
    login = {"credential_provider": GivenLogin()} if is_given(url) else {}
    waits = {"socket_timeout": timeout, "socket_connect_timeout": CONNECT_TIMEOUT}
    try:
        whose = {"client_name": names.client_name(role)} if role else {}
        return Redis.from_url(to_redis_py(url), decode_responses=as_text, **waits, **login, **whose)
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


def check(url: str, *, timeout: float = ANSWER_TIMEOUT) -> None:
    """Ask for one PING.

    Args:
        timeout: wall seconds for the answer.

    Raises:
        ConfigError: the URL is wrong.
        BrokerUnavailable: no answer, with the reason in one line.
    """
    connection = client(url, timeout=timeout)
    try:
        connection.ping()
    except TypeError as error:
        # redis-py hands what the query says to its connection as arguments, when it opens one
        raise ConfigError("redis.url", f"{shown(url)} has an option that Redis' client lacks: {error}") from None
    except (RedisError, OSError) as error:
        raise unavailable(url, error) from None
    finally:
        connection.close()


def silence(url: str) -> str:
    """Return why Redis gives no quick sign of life, empty when it does."""
    try:
        check(url, timeout=1.0)
    except BrokerUnavailable as error:
        return str(error)
    return ""


def unavailable(url: str, error: object) -> BrokerUnavailable:
    """Return the error that says which Redis does not answer and why."""
    if isinstance(error, REFUSED):
        # who has no login is no operator; who has a wrong one has it from before it was made anew
        mend = "be in group ztrade-operators, or as root: ztrade redis-acl, and restart what is refused"
        return BrokerUnavailable(f"Redis at {shown(url)} refuses this login: {one_line(error)}; fix: {mend}")
    return BrokerUnavailable(f"Redis at {shown(url)} does not answer: {one_line(error)}")


def one_line(error: object) -> str:
    """Return an error's text on one line."""
    text = " ".join(str(error).split())
    return text or type(error).__name__
