"""Turns files of bars of other layouts into ours: reads, checks, and accounts for every row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ztrade.errors import DataError
from ztrade.exchange.bars.lines import table_files
from ztrade.exchange.bars.records import Label, Options, Rejected, Report, Row, Series, Source
from ztrade.exchange.bars.series import check_series
from ztrade.exchange.bars.source import SYMBOL, read_source
from ztrade.ports import Calendar


def import_bars(paths: Sequence[Path], options: Options, calendar: Calendar) -> Report:
    """Read files, or directories of files, and return what can be written and everything found; writes nothing.

    Rows of one symbol from several files become one series. Each row read is in ``series.rows``, in
    ``series.rejected`` or in ``loose``.

    Raises:
        DataError: a file, or all bars of a symbol, cannot be used.
    """
    files, ignored = _files(paths)
    names = _short_names(files)
    sources = [read_source(path, options, names[path]) for path in files]
    by_symbol = _by_symbol(sources)
    lost = _lost_by_symbol(sources)
    series = [
        check_series(symbol, by_symbol.get(symbol, ()), lost.get(symbol, ()), options, calendar)
        for symbol in sorted(set(by_symbol) | set(lost))
        if symbol
    ]
    _check_lengths(series)
    return Report(sources, series, lost.get("", ()), ignored, options.label or Label.START)


def _check_lengths(series: Sequence[Series]) -> None:
    """Refuse symbols of different bar lengths: what is written together must be readable together."""
    by_span = {one.span: one.symbol for one in series if one.rows}
    if len(by_span) > 1:
        found = ", ".join(f"{symbol} {span}" for span, symbol in sorted(by_span.items()))
        raise DataError(
            "the sources",
            f"hold bars of different lengths ({found})",
            "all symbols of one market share one length",
            "import the files of each length by themselves, into directories of their own",
        )


def _files(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    files: list[Path] = []
    ignored: list[Path] = []
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        tables, others = table_files(path)
        if not tables:
            raise no_tables(path, others)
        files += tables
        ignored += others
    return list(dict.fromkeys(files)), ignored


def no_tables(folder: Path, others: Sequence[Path]) -> DataError:
    """Return the error of a directory without a file that may hold bars."""
    names = ", ".join(item.name for item in others[:5])
    what = f"holds no .csv file (found {names})" if names else "is an empty directory"
    return DataError(str(folder), what, fix="give a directory with CSV files of bars")


def _short_names(files: Sequence[Path]) -> dict[Path, str]:
    """Return the files' names, or their paths where two names are the same."""
    names = [path.name for path in files]
    return {path: path.name if names.count(path.name) == 1 else str(path) for path in files}


def _by_symbol(sources: Sequence[Source]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for source in sources:
        for row in source.rows:
            found.setdefault(row.symbol, []).append(row)
    return found


def _lost_by_symbol(sources: Sequence[Source]) -> dict[str, list[Rejected]]:
    found: dict[str, list[Rejected]] = {}
    for source in sources:
        for row in source.rejected:
            found.setdefault(row.symbol if SYMBOL.fullmatch(row.symbol) else "", []).append(row)
    return found
