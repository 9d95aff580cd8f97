"""Checks of the configuration: files, secrets, limits, switches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from ztrade.config import Config, hard_time_limit
from ztrade.domain.durations import format_duration
from ztrade.service.doctor.evidence import FileFacts
from ztrade.service.doctor.findings import Finding
from ztrade.service.settings import visibility_timeout

#: the group of every service
OPERATORS = "ztrade-operators"
_OTHERS_READ, _OTHERS_WRITE, _GROUP = 0o004, 0o002, 0o070


def readable(config: Config) -> Iterator[Finding]:
    """Nothing more to say: one that cannot be read is this check's finding before it runs."""
    if not config.agents:
        yield Finding(
            f"{config.path.parent / config.main.agents_dir} has no agent files", "nothing will trade", "ztrade setup"
        )


def limits(config: Config) -> Iterator[Finding]:
    """A limit that never binds protects nobody."""
    for warning in config.warnings:
        yield Finding(
            warning, "a limit that can never bind protects nothing", "mend the file, then: ztrade config check"
        )


def secrets_in_config(config: Config, files: Sequence[FileFacts]) -> Iterator[Finding]:
    """A URL with a password, in a file that everybody reads."""
    has = any(urlsplit(url).password for url in (config.main.redis.url, config.main.journal.url))
    for file in files:
        if has and file.path == str(config.path) and file.mode & _OTHERS_READ:
            yield Finding(
                f"{file.path} holds a password, and everybody can read it",
                "whoever has the password can send orders through Redis, or change the journal",
                f"chmod 0640 {file.path} && chgrp ztrade-operators {file.path}",
            )


def file_modes(files: Sequence[FileFacts]) -> Iterator[Finding]:
    """Files that strangers can write, and secrets that others can read."""
    for file in files:
        if file.mode & _OTHERS_WRITE:
            yield Finding(
                f"everybody can write {file.path}",
                "any user of this machine could change what is traded",
                f"chmod o-w {file.path}",
            )
        if file.secret and file.mode & (_OTHERS_READ | _OTHERS_WRITE | _GROUP):
            yield Finding(
                f"{file.path} is a secret, and not its owner's alone (mode {file.mode:04o})",
                "whoever reads the keys trades with the money",
                f"chmod go= {file.path}",
            )


def unreadable(config: Config, files: Sequence[FileFacts], user: str) -> Iterator[Finding]:
    """What a person made whose umask hides it, or copied as root: ``user`` runs the services."""
    folder = config.path.parent / config.main.agents_dir
    folders = {str(config.path.parent), str(folder)}
    for file in files:
        needed = 5 if file.path in folders else 4
        wanted = needed == 5 or file.path == str(config.path) or Path(file.path).parent == folder
        if user and wanted and not _may(file, user, needed):
            bits = "rx" if needed == 5 else "r"
            yield Finding(
                f"the services run as {user} and cannot read {file.path} (mode {file.mode:04o}, of {file.owner})",
                "they go on until something restarts them, and do not come back then",
                f"chgrp {OPERATORS} {file.path} && chmod g+{bits} {file.path}",
            )


def _may(file: FileFacts, user: str, bits: int) -> bool:
    """Tell whether a service has these bits of a file: as its owner, by its group, or as everybody."""
    if file.owner == user:
        return file.mode >> 6 & bits == bits
    return (file.mode >> 3 if file.group in (user, OPERATORS) else file.mode) & bits == bits


def keys_present(config: Config) -> Iterator[Finding]:
    """Accounts that agents use, without keys."""
    for account in sorted({agent.account for agent in config.agents.values() if not agent.dry_run}):
        if config.lacks_keys(account):
            yield Finding(
                f"account {account} has no keys in {config.credentials_file}",
                "every cycle of its agents fails",
                "ztrade setup",
            )


def visibility(config: Config) -> Iterator[Finding]:
    """A message must not come back while its cycle may still run."""
    yield from visibility_over(
        visibility_timeout(config.agents.values()),
        {name: hard_time_limit(agent.every) for name, agent in config.agents.items()},
    )


def visibility_over(timeout: timedelta, hard: Mapping[str, timedelta]) -> Iterator[Finding]:
    """Compare the visibility timeout with each agent's hard time limit."""
    for agent, limit in hard.items():
        if timeout <= limit:
            yield Finding(
                f"{agent}: the visibility timeout {format_duration(timeout)} is not over its hard limit "
                f"{format_duration(limit)}",
                "Redis would hand a running cycle's message out a second time",
                "shorten schedule.every of that agent",
            )


def twins(config: Config, numbers: Mapping[str, str]) -> Iterator[Finding]:
    """Two agents on one symbol, in accounts of two names that are one at the exchange.

    ``numbers`` is by account its number there. Two agents in one account of one name do not start at all.
    """
    seen: dict[tuple[str, str], str] = {}
    for agent in config.agents.values():
        number = "" if agent.dry_run else numbers.get(agent.account, "")
        other = seen.setdefault((number, agent.symbol), agent.name) if number else agent.name
        if other != agent.name:
            yield Finding(
                f"{other} and {agent.name} both trade {agent.symbol} on account {number}",
                "resting orders of one make the other's orders wash trades, and each counts the other's shares",
                f"give {agent.name} another symbol, or other keys",
            )
