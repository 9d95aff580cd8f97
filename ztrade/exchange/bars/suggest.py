"""Says which layout a file has that is not ours, and which command turns it into ours."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

from ztrade.errors import DataError
from ztrade.exchange.bars.columns import OURS, Columns, recognise
from ztrade.exchange.bars.guess import looks_like_ends
from ztrade.exchange.bars.lines import open_text, rows_in, table_files
from ztrade.exchange.bars.records import Options
from ztrade.exchange.bars.stamps import zone_named
from ztrade.exchange.bars.times import Line, guess_zone, read_times

#: enough rows for a few days of minutes: a guess needs no more
_LOOKED_AT = 3_000


def other_layout(file: Path, asked: Path) -> DataError:
    """Return the error of a file, or directory, whose layout is not ours, with the command that imports it.

    Args:
        file: the file (or directory) met.
        asked: the path that the person gave: the command imports all of it.
    """
    example = table_files(file)[0][0] if file.is_dir() else file
    try:
        columns = recognise(example)
    except DataError as error:
        return DataError(
            str(example),
            f"does not begin with {','.join(OURS)}",
            f"nor is it another table of bars: {error.what}",
            "give bars of 1 or 5 minutes; `ztrade bars import` reads many layouts of them",
        )
    return DataError(
        str(example),
        f"has the columns {','.join(columns.header)[:200]}, not {','.join(OURS)}",
        f"it looks like {_layout_name(columns)}",
        _import_command(asked, example, columns),
    )


def _layout_name(columns: Columns) -> str:
    plain = {name.lower().strip("<>") for name in columns.header}
    if {"ticker", "per"} <= plain:
        return "an export of stooq"
    if "adj close" in plain:
        return "an export of Yahoo Finance"
    times = " or ".join(repr(one.name) for one in columns.times)
    mark = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}[columns.delimiter]
    return f"bars split by {mark}, with their time in {times}"


def _import_command(asked: Path, example: Path, columns: Columns) -> str:
    """Return the command line that imports ``asked``; zone and label are guessed from ``example``."""
    name = asked.resolve().name.partition(".")[0]
    words = ["ztrade", "bars", "import", str(asked), "--out", f"{name}-imported"]
    guesses: list[str] = []
    try:
        lines = _sample(example, columns)
        zone = guess_zone(columns, lines)
        if zone:
            guesses += ["--tz", zone]
        times = read_times(example, columns, lines, replace(Options(), zone=zone_named(zone or "UTC")))
        if looks_like_ends([at for at in times.instants if at]):
            guesses += ["--label", "end"]
    except DataError:
        # the command still is the right one: the import itself will say what else it needs
        pass
    hint = f" (guessed, so check it: {' '.join(guesses)})" if guesses else ""
    return f"run: {shlex.join([*words, *guesses])}{hint}"


def _sample(path: Path, columns: Columns) -> list[Line]:
    lines: list[Line] = []
    with open_text(path) as handle:
        for line in rows_in(path, handle, columns.delimiter):
            lines.append(line)
            if len(lines) > _LOOKED_AT:
                break
    return lines[1:]
