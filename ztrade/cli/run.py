"""``ztrade run``: one cycle now, in this process."""

from __future__ import annotations

import os
import socket
from datetime import datetime

import click

from ztrade.app.report import text
from ztrade.cli.context import App, pass_app
from ztrade.cli.options import Instant
from ztrade.cli.output import json_option, to_json, warn
from ztrade.cli.records import cycle_record
from ztrade.domain.agent import Agent
from ztrade.domain.ledger import CycleRecord, Outcome
from ztrade.domain.schedule import market_day, slots_of
from ztrade.errors import ConfigError
from ztrade.ports import Calendar

#: outcomes that a person who asked for a cycle must look at
NOT_FINE = frozenset(
    {Outcome.UNKNOWN, Outcome.FAILED, Outcome.INTERRUPTED, Outcome.MISSED, Outcome.REJECTED, Outcome.HALTED, None}
)


def owner() -> str:
    """Return who claims the cycle: this process on this machine."""
    return f"cli@{socket.gethostname()}:{os.getpid()}"


@click.command()
@click.argument("agent")
@click.option("--slot", type=Instant(days=False), help="Fill this scheduled slot instead of making an extra cycle.")
@click.option("--manual/--no-manual", default=None, help="Propose instead of trading; only tightens the agent's file.")
@json_option
@pass_app
def run(app: App, agent: str, slot: datetime | None, manual: bool | None, as_json: bool) -> int:
    """Run one cycle of AGENT now, and say what came of it.

    Without --slot it is an extra cycle that never fills a scheduled slot.
    """
    config = app.config()
    one = config.agent(agent)
    if slot is not None:
        _check_slot(one, slot, app.calendar())
    warn(config.warnings)
    try:
        config.state_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(str(config.state_dir), f"the state directory cannot be made: {error.strerror}") from None
    with app.runtime(config) as runtime:
        record = runtime.run_cycle(
            one.name, dry_run=one.dry_run, manual=one.manual or bool(manual), slot=slot, owner=owner()
        )
    if record is None:
        click.echo(f"{one.name}: another process has this slot, or it has its outcome already")
        return 1
    click.echo(to_json(cycle_record(record)) if as_json else _line(record))
    return 1 if record.outcome in NOT_FINE else 0


def _check_slot(agent: Agent, slot: datetime, calendar: Calendar) -> None:
    """Refuse an instant that is no slot of the agent: it would fill one that nobody ever asks for."""
    session = calendar.session(market_day(slot))
    slots = slots_of(session, agent.every, agent.sessions) if session is not None else []
    if slot in slots:
        return
    near = min(slots, key=lambda one: abs(one - slot), default=None)
    raise ConfigError(
        "--slot", f"{agent.name} has no slot at {slot:%Y-%m-%dT%H:%M:%SZ}",
        why=f"the nearest of that day is {near:%H:%MZ}" if near else "the exchange is closed on that day",
        fix="name one of its slots, or leave --slot out for an extra cycle",
    )  # fmt: skip


def _line(record: CycleRecord) -> str:
    return f"{record.agent} {record.slot:%Y-%m-%d %H:%M:%SZ} {record.outcome}: {text.why(record)}"
