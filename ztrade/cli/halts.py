"""``ztrade halt`` and ``release``: a person's stop. The flag file decides; the journal's record is for the story."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ztrade.cli.context import App, pass_app
from ztrade.cli.proposals import whoami
from ztrade.domain.ledger import HaltRecord
from ztrade.errors import ConfigError, ZtradeError

if TYPE_CHECKING:
    from ztrade.config import Config
    from ztrade.ports import Journal

ALL = "ALL"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the flags are; ``config`` is None where it is broken, which must not keep anyone from halting."""

    state: Path
    config: Config | None


def _place(app: App, agent: str | None) -> tuple[_Place, str]:
    try:
        config = app.config()
    except ConfigError:
        if app.state is None or agent is not None:
            raise
        return _Place(app.state, None), ALL
    name = config.agent(agent).name if agent is not None else ALL
    return _Place(config.state_dir, config), name


def _write(app: App, place: _Place, write: Callable[[Journal], None]) -> None:
    """Write the journal's records; a failure is said, and changes nothing about the flag."""
    if place.config is None:
        click.echo("warning: the configuration is broken, so the journal has no record of this", err=True)
        return
    try:
        with app.journal(place.config) as journal:
            write(journal)
    except ZtradeError as error:
        click.echo(f"warning: the journal has no record of this: {error}", err=True)


def _released(journal: Journal, agent: str, at: datetime) -> None:
    for record in journal.halts():
        if record.agent == agent:
            journal.record_halt(replace(record, released_at=at))


@click.command()
@click.argument("agent", required=False)
@click.option("--reason", default="halted by hand", show_default=True, help="Why; every cycle's outcome will say it.")
@click.option("--by", default=whoami, help="Who halts; you, unless said otherwise.")
@pass_app
def halt(app: App, agent: str | None, reason: str, by: str) -> None:
    """Stop AGENT, or all agents, from sending anything until `ztrade release`.

    Works with Redis, the journal, and the exchange down. Stops and targets stay at the exchange.
    """
    from ztrade.adapters.clock import SystemClock
    from ztrade.adapters.halts import FileHalts

    place, name = _place(app, agent)
    words = " ".join(reason.split()) or "halted by hand"
    try:
        FileHalts(place.state).halt(name, f"{words} (by {by})")
    except OSError as error:
        raise ConfigError(str(place.state), f"the halt flag cannot be written: {error.strerror}") from None
    click.echo(f"{_who(name)} halted: {words}")
    record = HaltRecord(name, words, by, SystemClock().wall())
    _write(app, place, lambda journal: journal.record_halt(record))


@click.command()
@click.argument("agent", required=False)
@pass_app
def release(app: App, agent: str | None) -> int:
    """Take back the halt of AGENT, or the one of all agents."""
    from ztrade.adapters.clock import SystemClock
    from ztrade.adapters.halts import FileHalts

    place, name = _place(app, agent)
    halts = FileHalts(place.state)
    if not halts.release(name):
        click.echo(f"{_who(name)} not halted")
        return 1
    click.echo(f"{_who(name)} released")
    _write(app, place, lambda journal: _released(journal, name, SystemClock().wall()))
    if name != ALL and halts.reason(name):
        click.echo(f"but all agents are halted: {halts.reason(name)}; `ztrade release` takes that back")
    return 0


def _who(name: str) -> str:
    return "all agents:" if name == ALL else f"{name}:"
