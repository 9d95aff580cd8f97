"""``ztrade logs``: what the programs of the stack wrote."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from ztrade.cli.context import App, pass_app
from ztrade.domain.agent import canonical_name
from ztrade.errors import ConfigError

POLL_SECONDS = 0.25


@click.command()
@click.argument("name", required=False, metavar="[AGENT|worker|beat|flower|exchange|...]")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on, until Ctrl-C.")
@click.option("-n", "--lines", type=click.IntRange(0, 1_000_000), default=40, show_default=True, help="The last N.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line, with the program's name.")
@pass_app
def logs(app: App, name: str | None, follow: bool, lines: int, as_json: bool) -> None:
    """Show the last lines of a program's log, or of all of them."""
    files = log_files(app.config().state_dir / "logs", name)
    shown = _json if as_json else _labelled if len(files) > 1 else _plain
    for path in files:
        for line in _tail(path, lines):
            click.echo(shown(path, line))
    if follow:
        for path, line in _new_lines(files):
            click.echo(shown(path, line))


def _plain(_path: Path, line: str) -> str:
    return line


def _labelled(path: Path, line: str) -> str:
    return f"{path.stem}: {line}"


def _json(path: Path, line: str) -> str:
    """Return the line as an object; what another program wrote as plain text is its ``event``."""
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    return json.dumps({"program": path.stem, **(found if isinstance(found, dict) else {"event": line})})


def log_files(folder: Path, name: str | None) -> list[Path]:
    """Return the log files of one program (an agent's name means its worker), of every ``worker``, or all.

    Raises:
        ConfigError: there is none of that name.
    """
    found = {path.stem: path for path in sorted(folder.glob("*.log"))}
    if name is None and found:
        return list(found.values())
    workers = [path for stem, path in found.items() if stem.startswith("worker-")]
    if name == "worker" and workers:
        return workers
    for wanted in (name, f"worker-{canonical_name(name or '')}"):
        if wanted in found:
            return [found[wanted]]
    known = ", ".join(stem.removeprefix("worker-") for stem in found)
    what = f"has no log of {name!r}" if known else "holds no logs: no stack has run with this state directory"
    raise ConfigError(str(folder), what, fix=f"known: {known}" if known else "`ops/celery_control.sh start`")


def _tail(path: Path, count: int) -> Sequence[str]:
    with path.open(encoding="utf-8", errors="replace") as file:
        return deque((line.rstrip("\n") for line in file), maxlen=count)


def _new_lines(files: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """Yield complete lines as they are appended; a file that became shorter was rotated, and begins again."""
    places = {path: path.stat().st_size for path in files}
    while True:
        for path in files:
            lines, places[path] = _grown(path, places[path])
            yield from ((path, line) for line in lines)
        time.sleep(POLL_SECONDS)


def _grown(path: Path, place: int) -> tuple[list[str], int]:
    try:
        if path.stat().st_size < place:
            place = 0
        with path.open("rb") as file:
            file.seek(place)
            data = file.read()
    except FileNotFoundError:
        return [], 0
    whole = data[: data.rfind(b"\n") + 1]
    return whole.decode("utf-8", "replace").splitlines(), place + len(whole)
