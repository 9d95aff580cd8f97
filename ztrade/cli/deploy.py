"""``ztrade deploy``: the package's files without the package, for a virtual environment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ztrade.cli.options import PATH

if TYPE_CHECKING:
    from ztrade.service.install.changes import Changes

NEXT = {
    "systemd": "systemd-sysusers && systemd-tmpfiles --create && systemctl daemon-reload && {ztrade} setup",
    "supervisor": "adduser --system --group --home /var/lib/ztrade ztrade; addgroup --system ztrade-operators; "
    "install -d -o ztrade -g ztrade-operators -m 2770 "
    "/var/lib/ztrade /var/lib/ztrade/run /var/lib/ztrade/redis /var/lib/ztrade/halts /var/lib/ztrade/reducing "
    "/var/lib/ztrade/backups /var/log/ztrade; install -d -g ztrade -m 2750 /var/log/ztrade-out; supervisorctl update",
}


@click.command()
@click.argument("manager", type=click.Choice(sorted(NEXT)))
@click.option("--prefix", type=PATH, help="The virtual environment; the one that runs this otherwise.")
@click.option("--root", type=PATH, default="/", show_default=True, help="Write below this folder.")
@click.option("--yes", is_flag=True, help="Overwrite without asking.")
def deploy(manager: str, prefix: Path | None, root: Path, yes: bool) -> int:
    """Write units (systemd) or programs (supervisor) with the paths of a virtual environment.

    Shows what would change, and asks before it overwrites. An /etc/ztrade that is there is left alone.
    """
    from ztrade.service.install.changes import Changes
    from ztrade.service.install.files import Home, supervisor_files, systemd_files

    make = systemd_files if manager == "systemd" else supervisor_files
    home = Home.here(prefix)
    changes = Changes(make(home, root.absolute()))
    if not changes:
        click.echo("everything is as shipped already")
        return 0
    if changes.overwritten() and not _agreed(changes, yes):
        click.echo("nothing was written", err=True)
        return 1
    changes.apply()
    for path in changes.paths:
        click.echo(f"written: {path}")
    click.echo(f"next: {NEXT[manager].format(ztrade=home.prefix / 'bin' / 'ztrade')}")
    return 0


def _agreed(changes: Changes, yes: bool) -> bool:
    for line in changes.diff():
        click.echo(line)
    return yes or click.confirm(f"Overwrite {len(changes.overwritten())} of {len(changes.paths)} files?", default=False)
