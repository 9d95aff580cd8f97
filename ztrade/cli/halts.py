"""``ztrade halt`` and ``release``: a person's stop. The flag file decides; the journal's record is for the story."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ztrade.cli.context import App, pass_app
from ztrade.cli.output import visible
from ztrade.cli.proposals import whoami
from ztrade.config import EMBEDDED, default_config_path
from ztrade.domain.agent import canonical_name
from ztrade.domain.identity import stamp
from ztrade.domain.ledger import HaltRecord, Wish, agent_scope
from ztrade.domain.messages import Message, Severity
from ztrade.errors import ConfigError, ZtradeError
from ztrade.service.access_files import agent_names
from ztrade.service.units import STATE

if TYPE_CHECKING:
    from ztrade.adapters.halts import FileHalts
    from ztrade.config import Config
    from ztrade.ports import Journal

ALL = "ALL"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the flags are; a configuration that is ``broken`` (why, in words) must not keep anyone from halting.

    ``config`` is then without agents, and None where even the main file is wrong.
    """

    state: Path
    config: Config | None
    broken: str = ""


def _place(app: App, agent: str | None) -> tuple[_Place, str]:
    try:
        config = app.config()
    except ConfigError as error:
        return _among_the_broken(app, agent, error)
    name = config.agent(agent).name if agent is not None else ALL
    return _Place(config.state_dir, config), name


def _among_the_broken(app: App, agent: str | None, error: ConfigError) -> tuple[_Place, str]:
    """Find the flags without what is wrong: most often one agent's file, and what runs has read the one before."""
    name = ALL if agent is None else canonical_name(agent)
    try:
        config = app.main_file()
    except ConfigError:
        return _Place(_known_state(app, error), None, str(error)), name
    known = sorted(set(agent_names(config).values()))
    if agent is not None and known and name not in known:
        raise ConfigError(f"agent {agent!r}", "there is no such agent", fix=f"known agents: {', '.join(known)}")
    return _Place(config.state_dir, config, str(error)), name


def _known_state(app: App, error: ConfigError) -> Path:
    """Return where the flags are whatever the files say. Raises ConfigError: nobody can tell."""
    state = app.state or app.units_state((app.config_path or default_config_path()).absolute())
    if state is None:
        fix = f"{error.fix or 'mend it'}; or say where the flags are: ztrade --state DIR halt"
        raise ConfigError(error.where, error.what, error.why, fix) from None
    return state


def _warn_elsewhere(app: App, place: _Place, verb: str, agent: str | None) -> None:
    """Say that the machine's services do not see this: a checkout's ztrade.toml, or a state_dir of one's own."""
    if app.state_elsewhere(place.state):
        theirs = f"ztrade --config /etc/ztrade/ztrade.toml --state {STATE} {verb} {agent or ''}".rstrip()
        words = f"this machine's services look into {STATE}, and this is for {place.state}; for them: {theirs}"
        click.echo(f"warning: {words}", err=True)


def _write(app: App, place: _Place, write: Callable[[Journal], None]) -> None:
    """Write the journal's records; a failure is said, and changes nothing about the flag."""
    if place.broken:
        click.echo(f"warning: the configuration is broken: {place.broken}", err=True)
    if place.config is None:
        words = "nobody can tell whether there is such an agent, and the journal has no record of this"
        click.echo(f"warning: {words}", err=True)
        return
    try:
        with app.journal(place.config) as journal:
            write(journal)
    except ZtradeError as error:
        click.echo(f"warning: the journal has no record of this: {error}", err=True)


@click.command()
@click.argument("agent", required=False)
@click.option("--reason", default="halted by hand", show_default=True, help="Why; every cycle's outcome will say it.")
@click.option("--cancel-entries", is_flag=True, help="Also cancel entries that rest; positions keep their stops.")
@click.option("--flatten", is_flag=True, help="Also close the position; implies --cancel-entries.")
@click.option("--by", default=whoami, help="Who halts; you, unless said otherwise.")
@pass_app
def halt(app: App, agent: str | None, reason: str, cancel_entries: bool, flatten: bool, by: str) -> None:
    """Stop AGENT, or all agents, from sending anything until `ztrade release`.

    Works with Redis, the journal, and the exchange down. Stops and targets stay at the exchange. What is ordered
    besides is the keeper's to do, again and again until it is done.
    """
    from ztrade.adapters.clock import SystemClock
    from ztrade.adapters.halts import FileHalts

    place, name = _place(app, agent)
    at = SystemClock().wall()
    words = " ".join(reason.split()) or "halted by hand"
    wish = Wish(stamp(at.replace(microsecond=0)), flatten=flatten) if flatten or cancel_entries else None
    halts = FileHalts(place.state)
    try:
        halts.halt(name, f"{words} (by {by})", wish)
    except OSError as error:
        raise ConfigError(str(place.state), f"the halt flag cannot be written: {error.strerror}") from None
    click.echo(f"{_who(name)} halted: {words}")
    _warn_elsewhere(app, place, "halt", agent)
    _say_wish(halts, name, wish)
    record = HaltRecord(name, words, by, at)
    _write(app, place, lambda journal: _halted(journal, record, wish))


#: ordered, and not yet done: the keeper says what it has done
_ORDERED = {True: "\nOrdered: close the positions.", False: "\nOrdered: cancel the entries."}


def _halted(journal: Journal, record: HaltRecord, wish: Wish | None) -> None:
    """Write the halt down, and tell everybody else who gets messages."""
    journal.record_halt(record)
    more = "" if wish is None else _ORDERED[wish.flatten]
    agent = None if record.agent == ALL else record.agent
    text = f"{record.reason}{more}\nNothing is sent until: ztrade release {agent or ''}".rstrip()
    key, title = f"halt:{record.agent}:{record.at.isoformat()}", f"{agent or 'all agents'} halted by {record.by}"
    journal.post(Message(key, Severity.WARNING, title, text, record.at, agent))


def _say_wish(halts: FileHalts, name: str, wish: Wish | None) -> None:
    if wish is None:
        if halts.wish(name) is not None:
            click.echo("what an earlier halt ordered besides stands until `ztrade release`")
        return
    if halts.wish(name) != wish:
        click.echo("warning: the disk is full: halted, but nothing could be ordered besides", err=True)
    else:
        what = "to close positions and cancel entries" if wish.flatten else "to cancel entries"
        click.echo(f"ordered {what}: the keeper does it, `ztrade status` shows how far it is")


@click.command()
@click.argument("agent", required=False)
@pass_app
def release(app: App, agent: str | None) -> int:
    """Take back the halt of AGENT, or the one of all agents, and what a breaker tripped; shows both."""
    from ztrade.adapters.clock import SystemClock
    from ztrade.adapters.halts import FileHalts

    # not without the agents, as a halt: their breakers would trip again by what they measured before
    config = app.config()
    place, halts = _Place(config.state_dir, config), FileHalts(config.state_dir)
    name = ALL if agent is None else _stopped(config, halts, agent)
    try:
        found = halts.release(name)
    except OSError as error:
        raise ConfigError(str(place.state), f"the flag cannot be removed: {error.strerror}; it still stands") from None
    _warn_elsewhere(app, place, "release", agent)
    if not found:
        click.echo(f"{_who(name)} not halted, and not reducing")
        return 1
    for kind, reason in found.items():
        click.echo(visible(f"{_who(name)} was {kind}: {reason}"))
    click.echo(f"{_who(name)} released")
    _write(app, place, lambda journal: _released(journal, config, name, SystemClock().wall(), found))
    for more in (halts.reason(name), halts.reducing(name)):
        if name != ALL and more:
            click.echo(visible(f"but all agents are stopped: {more}; `ztrade release` takes that back"))
    return 0


def _stopped(config: Config, halts: FileHalts, agent: str) -> str:
    """Return whom to release: an agent, or one that is no more and whose flag is still there. Raises ConfigError."""
    name = canonical_name(agent)
    return name if name in {*halts.active(), *halts.active_reducing()} else config.agent(agent).name


def _released(journal: Journal, config: Config, name: str, at: datetime, found: Mapping[str, str]) -> None:
    """Write the release down, tell of it, and let the agents' breakers measure anew from here."""
    for record in journal.halts():
        if record.agent == name:
            journal.record_halt(replace(record, released_at=at))
    for agent in config.agents.values():
        if name in {ALL, agent.name}:
            account = EMBEDDED if agent.dry_run else agent.account
            journal.release(agent.name)
            journal.rebase(agent_scope(agent.name, account))
            journal.rebase(f"account:{account}")
    whose = None if name == ALL else name
    text = "\n".join(f"was {kind}: {reason}" for kind, reason in found.items())
    key, title = f"release:{name}:{at.isoformat()}", f"{whose or 'all agents'} released by {whoami()}"
    journal.post(Message(key, Severity.INFO, title, text, at, whose))


def _who(name: str) -> str:
    return "all agents:" if name == ALL else f"{name}:"
