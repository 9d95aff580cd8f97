"""``ztrade redis-acl`` and ``ztrade redis-cli``: the logins of ztrade's own Redis, made and used."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import click

from ztrade.cli.context import App, pass_app


@click.command("redis-acl", hidden=True)
@pass_app
def redis_acl(app: App) -> None:
    """Make the logins of ztrade's own Redis that are missing, and tell Redis who may do what; root's to call.

    Redis' unit and new agents' do so when they start.
    """
    from ztrade.config import default_config_path
    from ztrade.service.access_files import renew_deployed

    done = renew_deployed((app.config_path or default_config_path()).absolute())
    click.echo(f"{len(done.users)} users; new: {_names(done.made)}; told to the Redis that runs: {_names(done.told)}")


def _names(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


@click.command("redis-cli", hidden=True, context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@pass_app
def redis_cli(app: App, arguments: tuple[str, ...]) -> None:
    """Run redis-cli with ARGUMENTS at ztrade's Redis: with root's login where that may be read, else the operators'."""
    from ztrade.config import child_environment
    from ztrade.errors import ConfigError

    program = shutil.which("redis-cli")
    if program is None:
        raise ConfigError("redis-cli", "is not installed", fix="apt install redis-tools")
    config = app.config()
    command, secret = at(config.redis_url, config.path.parent / "credentials/redis/admin")
    os.execve(program, ["redis-cli", *command, *arguments], child_environment(secret))  # noqa: S606 no shell


def at(url: str, root_login: Path) -> tuple[Sequence[str], dict[str, str]]:
    """Return the options that lead redis-cli to a Redis, and the variable by which it takes the password."""
    from ztrade.config import redis_login
    from ztrade.config_credentials import login_in
    from ztrade.service.broker import socket_path

    parts, path = urlsplit(url), socket_path(url)
    where = ["-s", path] if path else ["-u", parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()]
    login = login_in(root_login, url) or redis_login(url)
    user, password = login.pair if login else (parts.username or "", parts.password or "")
    name = ["--user", user] if user else []
    return [*where, *name, "--no-auth-warning"], {"REDISCLI_AUTH": password} if password else {}
