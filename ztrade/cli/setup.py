"""``ztrade setup``: agents, keys, Flower's login and units, each proved before anything is written."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ztrade.app.report import text
from ztrade.cli.context import App, pass_app
from ztrade.config import default_config_path
from ztrade.config_credentials import Keys, key_pair
from ztrade.errors import ConfigError, TemporaryError, ZtradeError

if TYPE_CHECKING:
    from ztrade.domain.ledger import Holding
    from ztrade.service.install.plan import Answers, Plan
    from ztrade.service.units import Unit

_ACCOUNTS = ("paper", "live")


@click.command()
@click.option("--demo", is_flag=True, help="The embedded exchange, dry runs, the three shipped agents.")
@click.option("--agents", metavar="A,B", help="Whose workers run; the files of others are kept, switched off.")
@click.option("--paper-key-id", metavar="ID", help="Alpaca paper keys; the secret is asked for.")
@click.option("--paper-secret-file", metavar="FILE|-", help="Read the paper secret here.")
@click.option("--live-key-id", metavar="ID", help="Alpaca live keys; the secret is asked for.")
@click.option("--live-secret-file", metavar="FILE|-", help="Read the live secret here.")
@click.option("--slack-url-file", metavar="FILE|-", help="Read Slack's webhook URL here.")
@click.option("--flower-user", metavar="NAME", help="Who opens Flower.")
@click.option("--flower-password-file", metavar="FILE|-", help="Read Flower's password here; one is made otherwise.")
@click.option("--encrypt/--plain", default=None, help="Keep keys encrypted with this machine's key (systemd-creds).")
@click.option("--yes", is_flag=True, help="Ask nothing.")
@pass_app
def setup(app: App, /, **given: object) -> None:
    """Write agents and keys under /etc/ztrade and enable the units; nothing is written unless all of it works.

    Secrets are asked for, or read from files or standard input (-), never from the command line.
    """
    from ztrade.service.install.plan import make_plan

    path = (app.config_path or default_config_path()).absolute()
    _check_root(path)
    said = any(given.values()) or given["encrypt"] is False
    answers = _told(given) if said or not sys.stdin.isatty() else _asked(path)
    plan = make_plan(path.parent, _credentials(path), answers, _system(path))
    units = _prove(app, path, plan, answers)
    _write(app, path, plan, units)


def _system(path: Path) -> Path:
    """Return where drop-ins go: systemd's folder for the installed configuration, beside any other one."""
    from ztrade.service.install.plan import SYSTEM

    return SYSTEM if path.parent == Path("/etc/ztrade") else path.parent / "systemd"


def _check_root(path: Path) -> None:
    if os.geteuid() != 0 and not os.access(path.parent, os.W_OK):
        raise ConfigError(str(path.parent), "is not yours to write", fix="run it as root: sudo ztrade setup")


def _credentials(path: Path) -> Path:
    """Return where the keys are kept, as the main file says."""
    from ztrade.config_files import read_toml

    return path.parent / str(read_toml(path).get("credentials", "credentials.toml"))


# -- answers -----------------------------------------------------------------------------------------------------------
def _told(given: Mapping[str, object]) -> Answers:
    from ztrade.service.install.plan import Answers

    keys = {}
    for account in _ACCOUNTS:
        key_id, file = given[f"{account}_key_id"], given[f"{account}_secret_file"]
        if key_id:
            secret = _secret(file, f"Secret key of the {account} account")
            keys[account] = key_pair({"key_id": key_id, "secret_key": secret}, f"keys of account {account}")
        elif file:
            raise ConfigError(f"--{account}-secret-file", "goes with a key id", fix=f"add --{account}-key-id ID")
    agents = given["agents"]
    return Answers(
        agents=None if agents is None else _names(str(agents)),
        demo=bool(given["demo"]),
        keys=keys,
        encrypt=None if given["encrypt"] is None else bool(given["encrypt"]),
        slack_url=_secret(given["slack_url_file"], "") if given["slack_url_file"] else "",
        flower_user=str(given["flower_user"] or ""),
        flower_password=_secret(given["flower_password_file"], "") if given["flower_password_file"] else None,
    )


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _secret(file: object, prompt: str) -> str:
    """Read a secret from a file, from standard input, or from a person who types unseen."""
    if file:
        where = "standard input" if file == "-" else str(file)
        try:
            text = sys.stdin.readline() if file == "-" else Path(str(file)).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(where, f"cannot be read: {error}") from None
        if not text.strip():
            raise ConfigError(where, "is empty", fix="put the secret there")
        return text.strip()
    if not sys.stdin.isatty():
        raise ConfigError(prompt, "is missing", fix="name a file with it, or - for standard input")
    return str(click.prompt(prompt, hide_input=True))


def _asked(path: Path) -> Answers:
    """Ask a person; an empty answer leaves as it is."""
    from ztrade.service.install.plan import Answers, agent_files

    click.echo("An empty answer leaves things as they are.")
    known = ",".join(sorted(agent_files(path.parent)))
    agents = _names(click.prompt("Agents", default=known))
    keys = _ask_keys("paper")
    slack = click.prompt("Slack webhook URL (not shown)", default="", hide_input=True, show_default=False)
    user = click.prompt("Flower user", default="", show_default=False)
    return Answers(agents=agents, keys=keys, slack_url=slack, flower_user=user)


def _ask_keys(account: str) -> dict[str, Keys]:
    key_id = click.prompt(f"Alpaca {account} key id", default="", show_default=False)
    if not key_id:
        return {}
    secret = click.prompt("Its secret (not shown)", hide_input=True)
    return {account: key_pair({"key_id": key_id, "secret_key": secret}, f"keys of account {account}")}


# -- doing -------------------------------------------------------------------------------------------------------------
def _prove(app: App, path: Path, plan: Plan, answers: Answers) -> list[str]:
    """Use what was given, and return the units that shall be enabled. Raises ConfigError."""
    from ztrade.service.install.plan import units_of
    from ztrade.service.install.proof import keys_work, rehearsal, slack_works

    app.quiet()
    with rehearsal(path, plan.files) as config:
        for account in answers.keys:
            click.echo(f"keys of account {account} work: {keys_work(config, account, app.make_runtime)}")
        if answers.slack_url:
            slack_works(answers.slack_url)
            click.echo("Slack took a greeting")
        return units_of(config)


def _write(app: App, path: Path, plan: Plan, units: list[str]) -> None:
    from ztrade.service.install.changes import Changes
    from ztrade.service.install.enabling import enable

    changes = Changes(plan.files)
    written = changes.paths
    back = changes.apply()
    try:
        known = _units(app, path)
        enabled, disabled = enable(units, known) if known else ((), ())
    except TemporaryError:
        back.apply()
        raise
    gone = [path for path in written if not path.exists()]
    _say("written", [path for path in written if path.exists()])
    _say("removed", gone)
    _say("enabled", enabled)
    _say("disabled", disabled)
    if not (written or enabled or disabled):
        click.echo("everything is as asked already")
    _warn_of_positions(app, path, plan)
    if plan.flower_password:
        click.echo(f"Flower's password, shown once: {plan.flower_password}")
    click.echo(_next(known))


def _warn_of_positions(app: App, path: Path, plan: Plan) -> None:
    """Name what agents that are switched off still hold; a journal that cannot be read names nothing."""
    with suppress(ZtradeError), app.journal(app.load(path)) as journal:
        for one in journal.holdings():
            if one.agent not in plan.agents:
                click.echo(f"warning: {_left_behind(one)}", err=True)


def _left_behind(one: Holding) -> str:
    name = one.agent
    return (
        f"{name} is off and holds {text.quantity(one.qty)} {one.symbol}: nothing but its stop and target ends that; "
        f"to end it, switch {name} on, `ztrade halt {name} --flatten`, then off"
    )


def _say(word: str, names: Sequence[object]) -> None:
    for name in names:
        click.echo(f"{word}: {name}")


def _next(known: Sequence[Unit]) -> str:
    if not known:
        return "systemd does not run ztrade here: nothing was enabled"
    runs = any(unit.id == "ztrade.target" and unit.active == "active" for unit in known)
    return f"next: systemctl {'restart' if runs else 'start'} ztrade.target"


def _units(app: App, path: Path) -> Sequence[Unit]:
    return app.units(app.load(path))
