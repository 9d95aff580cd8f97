"""``ztrade backup`` and ``restore``: copies of the journal, checked when made, put back with everything stopped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ztrade.cli.context import App, pass_app
from ztrade.cli.options import PATH
from ztrade.cli.output import check_writable
from ztrade.cli.proposals import whoami
from ztrade.errors import ConfigError

if TYPE_CHECKING:
    from ztrade.config import Config

PREFIX = "journal-"
#: longer than any copy takes: the evening's and a person's may run at once
ENDED = timedelta(hours=6)


@click.command()
@click.option("--to", "folder", type=PATH, help="The folder; `backups` in the state directory unless said otherwise.")
@click.option("--keep", type=click.IntRange(1, 10_000), default=14, show_default=True, help="How many copies stay.")
@pass_app
def backup(app: App, folder: Path | None, keep: int) -> None:
    """Copy the journal while it is in use, check the copy by reading all of it, and print its name."""
    from ztrade.adapters.clock import SystemClock
    from ztrade.adapters.journal.backup import copy

    # a mistake in an agent's file is no reason to lose the nightly copy
    config = app.main_file()
    place = folder or config.state_dir / "backups"
    now = SystemClock().wall()
    target = place / f"{PREFIX}{now:%Y%m%dT%H%M%SZ}.db"
    _make(place)
    for left in _left_behind(place, now):
        left.unlink(missing_ok=True)
    copy(config.journal_url, target)
    click.echo(str(target))
    for old in sorted(place.glob(f"{PREFIX}*.db"))[:-keep]:
        old.unlink()


def _left_behind(place: Path, now: datetime) -> Iterator[Path]:
    """Yield what copies that were ended half-way left, each as large as the journal; not one that is being made."""
    with suppress(FileNotFoundError):
        for left in place.glob(f".{PREFIX}*"):
            if now.timestamp() - left.stat().st_mtime > ENDED.total_seconds():
                yield left


def _make(place: Path) -> None:
    try:
        place.mkdir(parents=True, exist_ok=True, mode=0o770)
    except OSError as error:
        raise ConfigError(str(place), f"cannot be made: {error.strerror}", fix="name another with --to") from None
    check_writable(place / "probe")


@click.command()
@click.argument("file", type=PATH)
@click.option("--by", default=whoami, help="Who restores; you, unless said otherwise.")
@pass_app
def restore(app: App, file: Path, by: str) -> None:
    """Make FILE the journal again. All services must be stopped; all agents are halted until `ztrade release`.

    What was traded since the copy is at the exchange and not in it: the keeper adopts what is ours by the orders' ids
    and tells the rest, and a person looks before anything trades on.
    """
    from ztrade.adapters.halts import ALL, FileHalts
    from ztrade.adapters.journal.backup import check, journal_file, put_back, users

    config = app.main_file()
    check(file)
    journal = journal_file(config.journal_url)
    if in_use := [*_running(config), *(f"process {pid}" for pid in users(journal))]:
        raise ConfigError(
            f"journal {journal}", f"is in use: {', '.join(in_use)}",
            why="what they write now would be lost",
            fix="systemctl stop ztrade.target 'ztrade-*.service', or ops/celery_control.sh stop",
        )  # fmt: skip
    FileHalts(config.state_dir).halt(ALL, f"the journal was restored from {file.name} (by {by})")
    aside = put_back(file, config.journal_url)
    click.echo(f"{journal} is {file.name} now; all agents are halted" + (f"; the old one is {aside}" if aside else ""))
    click.echo("next: start ztrade, look at `ztrade status` and `ztrade positions`, then `ztrade release`")


def _running(config: Config) -> Sequence[str]:
    """Return the services that run on this state, by systemd or by supervisor."""
    from ztrade.service import units
    from ztrade.service.supervisor import Supervisor

    if Supervisor(config.state_dir).held():
        return ["the stack of supervisord"]
    if not units.runs_here() or config.state_dir != units.STATE:
        return []
    writers = [unit for unit in units.look(config.agents) if unit.name not in ("redis", "exchange")]
    return [unit.id for unit in writers if unit.active not in ("inactive", "failed")]
