"""Addresses and keys that cannot be used are told before anything is sent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ztrade.adapters.alpaca import DATA_URL, LIVE_URL, PAPER_URL, AlpacaSettings
from ztrade.errors import ConfigError


def made(**changes: Any) -> AlpacaSettings:
    """Make settings for the paper account, with changes."""
    usual: dict[str, Any] = {
        "account": "paper",
        "key_id": "PKABC",
        "secret_key": "S3CR3T",
        "trading_url": PAPER_URL,
        "data_url": DATA_URL,
    }
    return AlpacaSettings(**{**usual, **changes})


@pytest.mark.parametrize(
    "url", [PAPER_URL, LIVE_URL, "http://127.0.0.1:8765", "http://localhost:1/", "http://[::1]:80"]
)
def test_base_urls(url: str) -> None:
    """Scheme, host and port are a base URL; a slash at the end is taken away."""
    assert made(trading_url=url).trading_url == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "",
        " ",
        "paper-api.alpaca.markets",
        "ftp://host",
        "https://",
        "http://host:port",
        "http://host:99999",
        f" {PAPER_URL}",
        f"{PAPER_URL}/v2",
        f"{PAPER_URL}?x=1",
        f"{PAPER_URL}#x",
        "https://user:pass@host",
        "http://paper-api.alpaca.markets",
    ],
)
@pytest.mark.parametrize("name", ["trading_url", "data_url"])
def test_no_base_url(name: str, url: str) -> None:
    """Anything else names account and key, and says what would be right. An empty URL never means the real exchange."""
    with pytest.raises(ConfigError, match=f"account paper: {name}"):
        made(**{name: url})


@pytest.mark.parametrize("key", ["", "with space", "line\n", "\tTAB", "kéy", "“quoted”", "nul\0"])
@pytest.mark.parametrize("name", ["key_id", "secret_key"])
def test_no_key(name: str, key: str) -> None:
    """A key that no key can be is told without showing it."""
    with pytest.raises(ConfigError, match=f"account paper: {name}") as caught:
        made(**{name: key})
    assert not key.strip() or key not in str(caught.value)


def test_patience_is_above_zero() -> None:
    """A timeout of zero would refuse everything."""
    with pytest.raises(ConfigError, match="read_timeout"):
        made(read_timeout=timedelta(0))


def test_keys_are_not_shown() -> None:
    """The representation can be logged."""
    assert "PKABC" not in repr(made())
    assert "S3CR3T" not in repr(made())
