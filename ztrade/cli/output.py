"""How results are printed: aligned columns for people, JSON with stable keys for programs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import click

from ztrade.errors import ConfigError

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON; the keys are documented and stable.")

Record = Mapping[str, object]


def plain(value: object) -> object:
    """Turn a value into what JSON knows: decimals as exact text, instants in UTC with ``Z``."""
    if isinstance(value, Decimal):
        return _exact(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def _exact(value: Decimal) -> str:
    """Return every digit and no zeros after the last: equal numbers are equal texts, wherever they come from."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def check_writable(path: Path) -> None:
    """Refuse to work for minutes for a file that cannot be written afterwards.

    Raises:
        ConfigError: it is a directory, is in none, or is not ours to write.
    """
    folder = path.absolute().parent
    if path.is_dir() or not folder.is_dir():
        what = "is a directory" if path.is_dir() else "its directory does not exist"
        raise ConfigError(str(path), what, fix="name a file in a directory that exists")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise ConfigError(str(path), "cannot be written: Permission denied", fix="name a file that you may write")


def to_json(value: object) -> str:
    """Return indented JSON of records.

    Raises:
        TypeError: a value has no exact JSON form.
    """
    return json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False)


def show(records: Sequence[Record], columns: Sequence[str], *, as_json: bool, empty: str) -> None:
    """Print records: all keys as JSON, or the named columns as a table; ``empty`` is said where there are none."""
    if as_json:
        click.echo(to_json(records))
    elif not records:
        click.echo(empty)
    else:
        click.echo(columns_of([columns, *([_cell(record.get(key)) for key in columns] for record in records)]))


def warn(warnings: Iterable[str]) -> None:
    """Say on stderr what does not stop a start, and should be known: limits that can never bind."""
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)


def columns_of(rows: Iterable[Sequence[str]]) -> str:
    """Align rows of text, two blanks between columns; nothing is cut, so that pipes get everything."""
    rows = [list(map(visible, row)) for row in rows]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(lines)


def _cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, list | tuple):
        return ",".join(map(str, value)) or "-"
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def visible(text: str) -> str:
    """Return text without line breaks and escape codes: a message from outside must not redraw the terminal."""
    return "".join(char if char.isprintable() else " " for char in text)
