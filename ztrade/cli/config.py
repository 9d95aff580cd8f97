"""``ztrade config check``: the effective configuration, with what is secret masked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from ztrade.cli.context import App, pass_app
from ztrade.cli.output import Record, columns_of, json_option, to_json
from ztrade.domain.agent import Agent
from ztrade.domain.durations import format_duration

if TYPE_CHECKING:
    from ztrade.config import Config
    from ztrade.config_alerts import ChannelSection


@click.group()
def config() -> None:
    """Check the configuration."""


@config.command()
@json_option
@pass_app
def check(app: App, as_json: bool) -> None:
    """Read every file as the services do; print what counts, and warnings. Exit 2 where something is wrong."""
    from ztrade.config_checks import check_channels

    loaded = app.config()
    check_channels(loaded)
    record = _record(loaded)
    if as_json:
        click.echo(to_json(record))
        return
    rows = [[key, _words(value)] for key, value in _flat(record) if not key.startswith("warnings")]
    click.echo(columns_of(rows))
    for warning in loaded.warnings:
        click.echo(f"warning: {warning}")
    click.echo(f"{loaded.path}: fine; agents: {len(loaded.agents)}, warnings: {len(loaded.warnings)}")


def _record(config: Config) -> Record:
    return {
        "path": str(config.path),
        "state_dir": str(config.state_dir),
        "allow_live": config.main.allow_live,
        "redis_url": masked(config.redis_url),
        "journal_url": masked(config.journal_url),
        "exchange_url": config.main.exchange.url,
        "accounts": {name: _account(config, name) for name in config.accounts},
        "limits": _plain(config.main.limits.model_dump()),
        "sentiment": _sentiment(config),
        "alerts": {name: _channel(channel) for name, channel in sorted(config.main.alerts.channels.items())},
        "agents": {name: _agent(agent) for name, agent in sorted(config.agents.items())},
        "warnings": list(config.warnings),
    }


def _sentiment(config: Config) -> Record:
    from ztrade.opinions import source_weights, sources_off

    off = sources_off(config)
    sources = {name: f"off: {off[name]}" if name in off else weight for name, weight in source_weights(config).items()}
    return {"scorer": config.main.sentiment.scorer, "sources": sources}


def _channel(channel: ChannelSection) -> Record:
    """Return what goes where; the webhook is a secret, the mail's addresses are not."""
    where = {"host": channel.host, "from": channel.sender, "to": list(channel.to)} if channel.kind == "email" else {}
    return {
        "kind": channel.kind,
        "severities": [str(severity) for severity in channel.severities],
        "agents": list(channel.agents) or "all",
        **where,
    }


def _account(config: Config, name: str) -> Record:
    account = config.accounts[name]
    keys = config.keys(name)
    return {
        "kind": account.kind,
        "trading_url": account.trading_url or f"Alpaca's for {account.kind}",
        "data_url": account.data_url or "Alpaca's",
        "keys": f"{keys.key_id[:4]}… and a secret" if keys else "none",
    }


def _agent(agent: Agent) -> Record:
    return {field.name: _plain(getattr(agent, field.name)) for field in fields(agent) if field.name != "name"}


def _plain(value: object) -> object:
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    return value if isinstance(value, str | int | float | Decimal | None) else str(value)


def _flat(value: object, key: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping) and value:
        for name, item in value.items():
            yield from _flat(item, f"{key}.{name}" if key else str(name))
    else:
        yield key, value


def _words(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else "-" if value == {} else str(value)


def masked(url: str) -> str:
    """Return the URL with its password hidden."""
    password = urlsplit(url).password
    return url.replace(f":{password}@", ":***@", 1) if password else url
