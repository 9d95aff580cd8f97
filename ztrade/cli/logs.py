"""``ztrade logs``: what the programs wrote, wherever it is kept."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from ztrade.adapters.clock import SystemClock
from ztrade.cli.context import App, pass_app
from ztrade.cli.options import Ago
from ztrade.domain.agent import canonical_name
from ztrade.errors import ConfigError, TemporaryError
from ztrade.service import journal_reader
from ztrade.service.access_files import agent_names
from ztrade.service.log_reader import LEVELS, POLL_SECONDS, LogFile, Wanted, as_record, log_files, new_lines

if TYPE_CHECKING:
    from ztrade.config import Config
    from ztrade.service.units import Unit

#: lines that are shown where nobody said how many, nor since when
USUAL = 40
CLOSED = "the journal cannot be read; fix: be root, or a member of group systemd-journal, and log in again"


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for."""

    name: str | None
    wanted: Wanted
    follow: bool
    as_json: bool


@click.command()
@click.argument("name", required=False, metavar="[AGENT|worker|beat|flower|exchange|...]")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on, until Ctrl-C.")
@click.option("--since", type=Ago(SystemClock().now), help="From then on: 30m ago, an instant, a New York day.")
@click.option("-n", "--lines", type=click.IntRange(0, 1_000_000), help="The last N; 40 without --since.")
@click.option("-p", "--priority", type=click.Choice(LEVELS[1:]), help="This bad, or worse.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line, with the program's name.")
@pass_app
def logs(
    app: App,
    name: str | None,
    follow: bool,
    since: datetime | None,
    lines: int | None,
    priority: str | None,
    as_json: bool,
) -> int:
    """Show the last lines of a program's log, or of all of them: from the journal, or from files."""
    # what failed because of a file is read about here
    config = app.main_file()
    count = USUAL if lines is None and since is None else lines
    request = Request(name, Wanted(count, since, priority), follow, as_json)
    units = app.units(config)
    if units and config.log_dir is None:
        return _from_journal(config, units, request)
    return _from_files(config, request)


def _from_journal(config: Config, units: Sequence[Unit], request: Request) -> int:
    programs = _programs(request.name, config, units)
    if not journal_reader.is_readable():
        raise TemporaryError(CLOSED)
    wanted = request.wanted
    words = journal_reader.command(
        programs,
        units,
        lines=wanted.lines,
        since=wanted.since,
        priority=wanted.priority,
        follow=request.follow,
        as_json=request.as_json,
    )
    try:
        # as text it writes by itself, and ends when nobody reads any more
        code = _as_json(words) if request.as_json else subprocess.run(words, check=False).returncode  # noqa: S603
    except FileNotFoundError:
        raise TemporaryError("the units log to the journal, and there is no journalctl to read it") from None
    if code > 0:
        raise TemporaryError(CLOSED)
    return 0


def _as_json(words: Sequence[str]) -> int:
    with subprocess.Popen(words, stdout=subprocess.PIPE) as reader:  # noqa: S603
        assert reader.stdout is not None  # noqa: S101
        for line in lines_of(reader.stdout, nobody_reads):
            _say(json.dumps(journal_reader.record(line)))
        reader.terminate()
    # below 0 by our own signal: nobody read any more
    return reader.returncode


def lines_of(source: IO[bytes], enough: Callable[[], bool]) -> Iterator[str]:
    """Yield the lines of a program as they come, until it ends or there are enough."""
    data = b""
    while not enough():
        if not select.select([source], [], [], POLL_SECONDS)[0]:
            continue
        more = os.read(source.fileno(), 1 << 16)
        *lines, data = (data + more).split(b"\n")
        yield from (line.decode("utf-8", "replace") for line in lines)
        if not more:
            return


def nobody_reads() -> bool:
    """Tell whether whoever read our output has gone; without it we would notice with the next line, days later."""
    try:
        watch = select.poll()
        watch.register(sys.stdout.fileno(), 0)
        return bool(watch.poll(0))
    except (OSError, ValueError):
        return False


def _programs(name: str | None, config: Config, units: Sequence[Unit]) -> list[str]:
    """Return the programs of a name; none: all.

    Raises:
        ConfigError: there is no such program.
    """
    if name is None:
        return []
    if name == "worker":
        return ["worker-*"]
    # what ran to its end systemd has forgotten, and its lines are there
    known = (
        {"backup"}
        | {unit.name for unit in units if unit.exists}
        | {f"worker-{agent}" for agent in agent_names(config).values()}
    )
    for wanted in (name, f"worker-{canonical_name(name)}"):
        if wanted in known:
            return [wanted]
    names = ", ".join(sorted(one.removeprefix("worker-") for one in known if "." not in one))
    raise ConfigError("the journal", f"has no program {name!r}", fix=f"known: {names}")


def _from_files(config: Config, request: Request) -> int:
    folders = [folder for folder in (config.log_dir, config.state_dir / "logs") if folder is not None]
    paths = log_files(folders, request.name)
    shown = _json if request.as_json else _labelled if len(paths) > 1 else _plain
    with ExitStack() as opened:
        files = [opened.enter_context(LogFile(path)) for path in paths]
        for file in files:
            for line in file.last(request.wanted):
                _say(shown(file.path, line))
        for path, line in new_lines(files, nobody_reads) if request.follow else ():
            if request.wanted.passes(line):
                _say(shown(path, line))
    return 0


def _say(line: str) -> None:
    # at once, whoever reads: a pipe's buffer would hold back what -f is for
    click.echo(line)
    sys.stdout.flush()


def _plain(_path: Path, line: str) -> str:
    return line


def _labelled(path: Path, line: str) -> str:
    return f"{path.stem}: {line}"


def _json(path: Path, line: str) -> str:
    return json.dumps(as_record(path.stem, line))
