"""Where the exchange is, with which keys, and how long to wait for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal
from urllib.parse import urlsplit

from ztrade.errors import ConfigError

PAPER_URL = "https://paper-api.alpaca.markets"
LIVE_URL = "https://api.alpaca.markets"
DATA_URL = "https://data.alpaca.markets"

Feed = Literal["iex", "sip", "delayed_sip"]


@dataclass(frozen=True, slots=True)
class AlpacaSettings:
    """One account at one exchange, Alpaca's or the embedded one.

    Args:
        account: its name in the configuration; messages carry it.
        key_id: the key's public half.
        secret_key: its secret half; never shown.
        trading_url: base URL of the trading API, without a version.
        data_url: base URL of market data and news, without a version.
        feed: which consolidation of prices to ask for; None leaves it to the exchange. Alpaca's free plan has ``iex``.
        connect_timeout: for opening a connection.
        read_timeout: for silence on an open one.
        read_deadline: for a read with all its retries.
        submit_deadline: for sending one order and reading the answer.

    Raises:
        ConfigError: a URL or a key cannot be used; nothing was sent.
    """

    account: str
    key_id: str = field(repr=False)
    secret_key: str = field(repr=False)
    trading_url: str
    data_url: str
    feed: Feed | None = "iex"
    connect_timeout: timedelta = timedelta(seconds=3)
    read_timeout: timedelta = timedelta(seconds=8)
    read_deadline: timedelta = timedelta(seconds=20)
    submit_deadline: timedelta = timedelta(seconds=15)

    def __post_init__(self) -> None:
        for name in ("trading_url", "data_url"):
            object.__setattr__(self, name, _base_url(self.account, name, getattr(self, name)))
        for name in ("key_id", "secret_key"):
            _check_key(self.account, name, getattr(self, name))
        for name in ("connect_timeout", "read_timeout", "read_deadline", "submit_deadline"):
            if getattr(self, name) <= timedelta(0):
                raise ConfigError(f"account {self.account}: {name}", "is not above zero", fix="a duration like 3s")


def _base_url(account: str, name: str, url: str) -> str:
    where = f"account {account}: {name}"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or url != url.strip():
        # alpaca-py would take an empty string for "the real exchange"
        raise ConfigError(where, f"{url!r} is not a base URL", fix=f"like {PAPER_URL} or http://127.0.0.1:8765")
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ConfigError(where, f"{url!r} has more than scheme, host and port", fix="leave out the path, /v2 included")
    if parts.username or parts.password:
        raise ConfigError(where, "carries a login", "addresses end up in logs", "put the keys where keys belong")
    if parts.scheme == "http" and str(parts.hostname).endswith("alpaca.markets"):
        raise ConfigError(where, f"{url!r} would send the keys unencrypted", fix=f"https://{parts.hostname}")
    return url.rstrip("/")


def _check_key(account: str, name: str, key: str) -> None:
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        found = (
            "is empty" if not key else "has a character that no key has (a space, a line end, a quote from a web page)"
        )
        raise ConfigError(f"account {account}: {name}", found, fix="copy the key again from Alpaca's page")
