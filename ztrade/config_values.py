"""Kinds of values that the configuration's files hold; each says in plain words what would be right."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import SplitResult, parse_qs, urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from ztrade.domain.durations import parse_duration

#: a unix socket's path has at most so many bytes
_SOCKET_PATH = 107
#: a request that waits longer outlives its cycle
_LONGEST_WAIT = timedelta(minutes=5)
#: more often, the test tasks alone would keep the workers busy
_SHORTEST_REST = timedelta(seconds=1)
_TICKER = re.compile(r"[A-Z][A-Z0-9]{0,9}(\.[A-Z]{1,2})?")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?")


class Section(BaseModel):
    """A table of a file: unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _duration(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError('a duration is text like "5m"')
    return parse_duration(value)


def _lasting(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("must be longer than nothing")
    return value


def _wait(value: timedelta) -> timedelta:
    if value > _LONGEST_WAIT:
        raise ValueError("must be at most 5m")
    return value


def _rest(value: object) -> object:
    """Read how often, or empty for never."""
    if value == "":
        return timedelta(0)
    rest = _duration(value)
    if isinstance(rest, timedelta) and rest < _SHORTEST_REST:
        raise ValueError('must be at least 1s, or "" for never')
    return rest


def _finite(value: object) -> object:
    if isinstance(value, bool):
        # pydantic would read true as 1
        raise ValueError("must be a number, not true or false")
    if isinstance(value, float | Decimal) and not Decimal(value).is_finite():
        raise ValueError("must be a finite number")
    return value


def _share(value: Decimal) -> Decimal:
    if value > 1:
        raise ValueError("must be at most 1: it is a share, and 0.995 is 99.5 %")
    return value


def _switch(value: object) -> object:
    """Read a switch; pydantic would take "off", "n" and 0 as well, and a misread switch costs money."""
    words = {"true": True, "false": False}  # as the environment spells them
    if not isinstance(value, bool) and not (isinstance(value, str) and value in words):
        raise ValueError("must be true or false")
    return value if isinstance(value, bool) else words[value]


def _symbol(value: str) -> str:
    if not _TICKER.fullmatch(value):
        raise ValueError("is no symbol like SPY or BRK.B, in capitals")
    return value


def _path(value: str) -> str:
    if not value.isprintable():
        raise ValueError("has characters that no path should have")
    return value


def _named(value: str) -> str:
    if not value:
        raise ValueError("must not be empty")
    return _path(value)


def _socket(value: str) -> str:
    if value and not value.startswith("/"):
        raise ValueError("must be an absolute path")
    if len(value.encode()) > _SOCKET_PATH:
        raise ValueError(f"is too long: a unix socket's path has at most {_SOCKET_PATH} bytes")
    return _path(value)


def _host(value: str) -> str:
    try:
        ip_address(value)
    except ValueError:
        if not _HOST.fullmatch(value) or not re.search("[A-Za-z]", value):
            raise ValueError("is no host name and no IP address") from None
    return value


def _contact(value: str) -> str:
    if value and not re.fullmatch(r"[ -~]*[^@\s]+@[^@\s]+\.[^@\s]+[ -~]*", value, re.ASCII):
        raise ValueError("must be a name and an e-mail address on one line")
    return value


def _address(value: str) -> str:
    # in a header or an SMTP command, anything else would be another header or command
    if not re.fullmatch(r"[A-Za-z0-9._%+'=/-]+@[A-Za-z0-9.-]+", value, re.ASCII) or value.startswith("-"):
        raise ValueError("must be a plain e-mail address, like ann@example.com")
    return value


def webhook_url(url: str) -> str:
    """Check the address of a webhook, which is a secret: no message shows it.

    Raises:
        ValueError: it cannot be one, or it would travel in the clear.
    """
    parts = _split(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path in ("", "/") or "@" in parts.netloc:
        raise ValueError("must look like https://hooks.slack.com/services/...")
    if parts.scheme == "http" and not _is_here(_host(parts.hostname)):
        raise ValueError("must begin with https://: whoever reads it on the way can write to the channel")
    return url


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _split(url: str) -> SplitResult:
    """Take a URL apart that every library takes apart in the same way."""
    # what urllib drops or moves (blanks, \\) others do not: the host that is checked must be the one that is called
    if not url.isascii() or not url.isprintable() or re.search(r"[\s\\]", url):
        raise ValueError("has blanks or characters that a URL spells with %")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError("names no port that exists: 1 to 65535")
    return parts


def base_url(url: str) -> str:
    """Check the address of an HTTP API; empty stays empty.

    Raises:
        ValueError: it is more than scheme, host and port, or less.
    """
    if not url:
        return url
    parts = _split(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must look like http://127.0.0.1:8642 or https://HOST")
    if parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("must be scheme, host and port, and nothing else")
    _host(parts.hostname)
    return url


def exchange_url(url: str) -> str:
    """Check where dry runs trade: never at Alpaca.

    Raises:
        ValueError: it is empty, no address, or one of Alpaca's.
    """
    host = (urlsplit(base_url(url)).hostname or "").rstrip(".")
    if not host:
        raise ValueError("must look like http://127.0.0.1:8642")
    if host.endswith("alpaca.markets"):
        raise ValueError("is Alpaca's: this is the embedded exchange, where dry runs trade")
    return url


def redis_url(url: str) -> str:
    """Check the address of a Redis in Celery's spelling; empty stays empty.

    Raises:
        ValueError: it cannot be one, or its connection would not be verified.
    """
    if not url:
        return url
    if not url.startswith(("redis://", "redis+socket://", "rediss://")):
        raise ValueError("must begin with redis://, rediss:// or redis+socket://")
    parts = _split(url)
    if parts.scheme == "redis+socket":
        if parts.hostname or parts.path in ("", "/"):
            raise ValueError("a socket is named like redis+socket:///PATH")
    elif not parts.hostname:
        raise ValueError("names no host: redis://HOST:6379/0")
    elif not re.fullmatch(r"(/\d{0,4})?", parts.path, re.ASCII):
        raise ValueError("must end with the number of a database: redis://HOST:6379/0")
    elif parts.scheme == "rediss" and parse_qs(parts.query).get("ssl_cert_reqs") != ["required"]:
        # without it kombu connects unverified and only logs a line (kombu/connection.py)
        raise ValueError("a TLS url needs ?ssl_cert_reqs=required&ssl_ca_certs=FILE")
    return url


def journal_url(url: str) -> str:
    """Check the address of a database; empty stays empty.

    Raises:
        ValueError: its kind is not supported, or several processes could not share it.
    """
    if not url:
        return url
    if not url.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://")):
        raise ValueError("must begin with sqlite:/// or postgresql://")
    if not url.startswith("sqlite:"):
        _split(url)
    elif not url.startswith("sqlite:////") or "?" in url or url.endswith("/"):
        # each process would find a relative path, or :memory:, somewhere else
        raise ValueError("must name a file by its absolute path: sqlite:////PATH")
    else:
        _path(url)
    return url


def url_prefix(text: str) -> str:
    """Check the path under which a proxy serves something, and return it without its slashes.

    Raises:
        ValueError: it is no plain path.
    """
    plain = text.strip("/")
    if not re.fullmatch(r"([A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*)?", plain, re.ASCII):
        raise ValueError("must be a path of letters, digits, - and _, like /flower")
    return plain


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Span = Annotated[timedelta, BeforeValidator(_duration), AfterValidator(_lasting)]
Wait = Annotated[Span, AfterValidator(_wait)]
Rest = Annotated[timedelta, BeforeValidator(_rest)]
Switch = Annotated[bool, BeforeValidator(_switch)]
Count = Annotated[int, BeforeValidator(_finite)]
#: the journal keeps money in millionths, in 64 bits
Money = Annotated[Decimal, BeforeValidator(_finite), Field(gt=0, le=10**12, decimal_places=6)]
Ratio = Annotated[Decimal, BeforeValidator(_finite), Field(gt=0, lt=1, decimal_places=6)]
Share = Annotated[Decimal, BeforeValidator(_finite), Field(gt=0, decimal_places=6), AfterValidator(_share)]
Unit = Annotated[float, BeforeValidator(_finite), Field(ge=0, le=1)]
Symbol = Annotated[str, AfterValidator(_symbol)]
PathText = Annotated[str, AfterValidator(_path)]
NamedPath = Annotated[str, AfterValidator(_named)]
SocketPath = Annotated[str, AfterValidator(_socket)]
#: the SEC wants to know who asks
Contact = Annotated[str, Field(max_length=200), AfterValidator(_contact)]
Address = Annotated[str, Field(max_length=254), AfterValidator(_address)]
Host = Annotated[str, AfterValidator(_host)]
Url = Annotated[str, AfterValidator(base_url)]
ExchangeUrl = Annotated[str, AfterValidator(exchange_url)]
RedisUrl = Annotated[str, AfterValidator(redis_url)]
JournalUrl = Annotated[str, AfterValidator(journal_url)]
UrlPrefix = Annotated[str, AfterValidator(url_prefix)]
