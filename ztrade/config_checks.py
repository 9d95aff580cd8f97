"""What no file says alone: whether the main file, the agents and the credentials fit together."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ztrade.config_credentials import Unreadable
from ztrade.errors import ConfigError

if TYPE_CHECKING:
    from ztrade.config import Config
    from ztrade.domain.agent import Agent

#: the account name under which the journal keeps what happens on the embedded exchange
EMBEDDED = "embedded"
#: where Alpaca trades real money
LIVE_HOST = "api.alpaca.markets"
_THIS_MACHINE = ("127.0.0.1", "localhost", "::1")


def check(config: Config) -> None:
    """Refuse what would trade wrongly, or could not work. Raises ConfigError."""
    _check_accounts(config)
    _check_scorer(config)
    _check_alerts(config)
    _check_ports(config)


def _check_scorer(config: Config) -> None:
    section = config.main.sentiment
    if section.scorer in ("ztrade", "vader"):
        return
    if not section.model:
        raise ConfigError(f"{config.path}: sentiment.model", "names no model", fix="the provider's name of one")
    with contextlib.suppress(Unreadable):
        if config.secrets(section.scorer) is not None:
            return
        where = f"{config.credentials_file}: [{section.scorer}]"
        raise ConfigError(where, "api_key is missing", fix='put it there, or set scorer = "ztrade"')


def _check_alerts(config: Config) -> None:
    for key, name in config.main.alerts.strangers(config.agents):
        raise ConfigError(f"{config.path}: {key}", f"{name!r} is no agent", fix=f"one of: {', '.join(config.agents)}")


def _check_ports(config: Config) -> None:
    main, exchange = config.main, urlsplit(config.main.exchange.url)
    taken = {exchange.port: "exchange.url"} if exchange.hostname in _THIS_MACHINE else {}
    for key, port in (("flower.port", main.flower.port), ("exporter.port", main.exporter.port)):
        if port in taken:
            raise ConfigError(f"{config.path}: {key}", f"{port} is {taken[port]}'s", fix="give each a port of its own")
        taken[port] = key


def check_channels(config: Config) -> None:
    """Refuse alert channels that could not be used: where a person starts or checks, and in no service.

    A worker that dies at night must come back, whatever was done to a channel meanwhile.

    Raises:
        ConfigError: a file is missing; a secret is missing, malformed, or nobody's.
    """
    for name in config.main.alerts.channels:
        config.ca_file(name)
    with contextlib.suppress(Unreadable):
        config.alert_secrets()


def _check_accounts(config: Config) -> None:
    for section in config.accounts.values():
        host = (urlsplit(section.trading_url).hostname or "").rstrip(".")
        if section.kind == "paper" and host == LIVE_HOST:
            raise ConfigError(
                f"{config.path}: accounts.{section.name}.trading_url",
                f"{section.trading_url!r} trades real money, and the account is of kind paper",
                fix="leave trading_url out, or make it an account of kind live with its switches",
            )
    seen: dict[tuple[str, str], str] = {}
    for agent in config.agents.values():
        account = EMBEDDED if agent.dry_run else agent.account
        other = seen.setdefault((account, agent.symbol), agent.name)
        if other != agent.name:
            raise ConfigError(
                f"agents {other!r} and {agent.name!r}",
                f"both trade {agent.symbol} on account {account}",
                "resting orders of one make the other's orders wash trades",
                "give them different symbols or accounts",
            )
        if not agent.dry_run and config.accounts[agent.account].kind == "live":
            _check_live(config, agent)


def _check_live(config: Config, agent: Agent) -> None:
    missing = []
    if agent.account != "live":
        missing.append('account = "live" in the agent file (live accounts carry that name)')
    if not config.main.allow_live:
        missing.append("allow_live = true in ztrade.toml")
    if config.lacks_keys(agent.account):
        missing.append(f"[{agent.account}] key_id and secret_key in {config.main.credentials}")
    if missing:
        raise ConfigError(
            f"agent {agent.name!r}", "live money is not switched on", fix="missing: " + "; ".join(missing)
        )
