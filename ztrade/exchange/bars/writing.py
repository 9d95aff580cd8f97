"""Writes imported bars: one file a symbol, rejected rows beside it, each file whole or not at all."""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ztrade.errors import DataError
from ztrade.exchange.bars.columns import OPTIONAL, OURS
from ztrade.exchange.bars.lines import REJECTED_SUFFIX
from ztrade.exchange.bars.records import Rejected, Report, Row, Series

REJECTED_COLUMNS = ("file", "row", "symbol", "reason", "detail", "content")
#: rejected rows without a symbol
LOOSE = "UNKNOWN"


def bars_file(folder: Path, symbol: str) -> Path:
    """Return where a symbol's bars are written."""
    return folder / f"{_file_name(symbol)}.csv"


def rejected_file(folder: Path, symbol: str) -> Path:
    """Return where a symbol's rejected rows are written."""
    return folder / f"{_file_name(symbol or LOOSE)}{REJECTED_SUFFIX}"


def _file_name(symbol: str) -> str:
    return symbol.replace("/", "-")


def write_report(report: Report, folder: Path, *, force: bool = False) -> list[Path]:
    """Write the bars and the rejected rows, and return the files written.

    Every file is written under another name first, so that a reader never meets half of one.

    Raises:
        DataError: a file is there already and ``force`` is not given, or the directory cannot be written.
    """
    tables = dict(_tables(report, folder))
    stale = [rejected_file(folder, one.symbol) for one in report.series]
    present = sorted(path for path in {*tables, *stale} if path.exists())
    if present and not force:
        names = ", ".join(path.name for path in present[:5])
        raise DataError(str(folder), f"already holds {names}", fix="give another --out, or --force to overwrite")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_all(folder, tables)
        for path in stale:
            if path not in tables:
                path.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(
            str(folder), f"cannot be written: {error.strerror or error}", fix="give a --out that this user may write"
        ) from error
    return sorted(tables)


def _tables(report: Report, folder: Path) -> Iterator[tuple[Path, Iterable[Sequence[str]]]]:
    for one in report.series:
        if one.rows:
            yield bars_file(folder, one.symbol), _bar_lines(one)
        if one.rejected:
            yield rejected_file(folder, one.symbol), _rejected_lines(one.rejected)
    if report.loose:
        yield rejected_file(folder, ""), _rejected_lines(report.loose)


def _bar_lines(series: Series) -> Iterator[Sequence[str]]:
    extras = [role for role in OPTIONAL if any(role in row.extras for row in series.rows)]
    yield [*OURS, *extras]
    for row in series.rows:
        yield [row.symbol, _stamp(row), *row.texts, *(row.extras.get(role, "") for role in extras)]


def _stamp(row: Row) -> str:
    return f"{datetime.fromtimestamp(row.start, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _rejected_lines(rejected: Sequence[Rejected]) -> Iterator[Sequence[str]]:
    yield REJECTED_COLUMNS
    for row in rejected:
        yield [row.file, str(row.number), row.symbol, row.kind, row.detail, _content(row.fields)]


def _content(fields: Sequence[str]) -> str:
    """Return the fields as one CSV line in one field, so that rows of any width fit the table."""
    return ",".join(
        f'"{field.replace(chr(34), chr(34) * 2)}"' if set(field) & set(',"\n\r') else field for field in fields
    )


def _write_all(folder: Path, tables: dict[Path, Iterable[Sequence[str]]]) -> None:
    with tempfile.TemporaryDirectory(prefix=".import-", dir=folder) as scratch:
        for path, lines in tables.items():
            _write(Path(scratch) / path.name, lines)
        for path in tables:
            (Path(scratch) / path.name).replace(path)


def _write(path: Path, lines: Iterable[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle, lineterminator="\n").writerows(lines)
        handle.flush()
        os.fsync(handle.fileno())
