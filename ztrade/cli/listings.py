"""Listings of what the journal holds: cycles, orders, positions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from ztrade.app.report import text
from ztrade.cli.books import beside
from ztrade.cli.context import App, pass_app
from ztrade.cli.options import agent_option, since_option, until_option
from ztrade.cli.output import Record, json_option, show
from ztrade.cli.records import cycle_record, order_record
from ztrade.domain.agent import Agent
from ztrade.errors import HaltError, TemporaryError

if TYPE_CHECKING:
    from ztrade.bootstrap import Runtime
    from ztrade.config import Config

limit_option = click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="The newest N.")


def known(config: Config, agent: str | None) -> str | None:
    """Return the agent's canonical name, None where none was asked for. Raises ConfigError for one that is not."""
    return config.agent(agent).name if agent is not None else None


@click.command()
@agent_option
@since_option
@until_option
@limit_option
@json_option
@pass_app
def cycles(
    app: App, agent: str | None, since: datetime | None, until: datetime | None, limit: int, as_json: bool
) -> None:
    """List what each slot did, and why; the newest last."""
    config = app.config()
    name = known(config, agent)
    with app.journal(config) as journal:
        found = journal.cycles(agent=name, since=since, until=until, limit=limit)
    columns = ("slot", "agent", "kind", "outcome", "reason")
    records = [cycle_record(cycle) for cycle in found]
    if not as_json:  # the outcome has a column of its own
        records = [{**record, "reason": text.why(cycle)} for record, cycle in zip(records, found, strict=True)]
    show(records, columns, as_json=as_json, empty="no cycles")


@click.command()
@agent_option
@since_option
@limit_option
@json_option
@pass_app
def orders(app: App, agent: str | None, since: datetime | None, limit: int, as_json: bool) -> None:
    """List the orders that the journal knows, legs of brackets included; the newest last."""
    config = app.config()
    name = known(config, agent)
    with app.journal(config) as journal:
        found = list(journal.orders(agent=name, since=since))[-limit:]
    columns = ("submitted_at", "agent", "client_order_id", "side", "qty", "type", "status", "filled_qty",
               "filled_avg_price")  # fmt: skip
    show([order_record(order, owner) for owner, order in found], columns, as_json=as_json, empty="no orders")


@click.command()
@agent_option
@json_option
@pass_app
def positions(app: App, agent: str | None, as_json: bool) -> int:
    """List positions, the journal's beside the exchange's; exit 1 where they differ or the exchange is silent."""
    config = app.config()
    name = known(config, agent)
    with app.runtime(config) as runtime:
        rows = [row for account, agents in accounts(config, name).items() for row in _rows(runtime, account, agents)]
    columns = ("account", "symbol", "agents", "qty", "avg_entry_price", "exchange_qty", "exchange_avg", "note")
    show(rows, columns, as_json=as_json, empty="no positions")
    return 0 if all(row["same"] for row in rows) else 1


def accounts(config: Config, name: str | None = None) -> dict[str, list[Agent]]:
    """Return the agents (or the named one) by the journal's name of the account that they trade."""
    from ztrade.config import EMBEDDED

    found: dict[str, list[Agent]] = {}
    for agent in config.agents.values():
        if name in (None, agent.name):
            found.setdefault(EMBEDDED if agent.dry_run else agent.account, []).append(agent)
    return found


def _rows(runtime: Runtime, account: str, agents: Sequence[Agent]) -> list[Record]:
    """Return one row per symbol that the journal or the exchange holds; the exchange's silence is said, not guessed."""
    names, symbols = {agent.name for agent in agents}, {agent.symbol for agent in agents}
    held = [holding for holding in runtime.journal.holdings(account) if holding.agent in names]
    try:
        there = runtime.venue(agents[0]).exchange.positions()
    except (TemporaryError, HaltError) as error:
        return [{"account": account, **row} for row in beside(held, None, silent=str(error))]
    return [{"account": account, **row} for row in beside(held, [p for p in there if p.symbol in symbols])]
