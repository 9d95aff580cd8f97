"""Reads one file of bars of whatever layout: every row becomes a bar, or is rejected with its reason."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from ztrade.errors import DataError
from ztrade.exchange.bars.columns import OPTIONAL, REQUIRED, Columns, recognise
from ztrade.exchange.bars.figures import Prices, decimal_comma, price_fault, read_number
from ztrade.exchange.bars.lines import open_text, rows_in
from ztrade.exchange.bars.records import Kind, Options, Rejected, Row, Source
from ztrade.exchange.bars.times import Line, Times, read_times

SYMBOL = re.compile(r"[A-Z][A-Z0-9]{0,9}([./-][A-Z0-9]{1,5})?")
_TICKER = re.compile(r"[A-Z]{1,5}(\.[A-Z]{1,2})?")
#: words that begin the names of files and look like tickers
_NO_TICKERS = {
    "BAR",
    "BARS",
    "DATA",
    "DAILY",
    "HIST",
    "MIN",
    "OHLC",
    "OHLCV",
    "PRICE",
    "STOCK",
    "US",
    "CSV",
    "RAW",
    "NEWS",
}


def read_source(path: Path, options: Options, name: str | None = None) -> Source:
    """Return every row of a file, read or rejected. ``name`` is what rows call the file.

    Raises:
        DataError: the file as a whole cannot be used.
    """
    columns = recognise(path, options.wanted)
    lines = _lines(path, columns)
    times = read_times(path, columns, lines, options)
    comma = _comma(path, columns, lines, options)
    reader = _RowReader(name or path.name, columns, comma, _symbol(path, columns, options), options.symbol)
    facts = zip(lines, times.instants, times.faults, strict=True)
    read = [reader.row(line, instant, fault) for line, instant, fault in facts]
    return _source(path, times, read)


def _source(path: Path, times: Times, read: Sequence[Row | Rejected]) -> Source:
    return Source(
        path,
        times.column,
        times.zone,
        [row for row in read if isinstance(row, Row)],
        [row for row in read if isinstance(row, Rejected)],
        times.findings,
    )


def _lines(path: Path, columns: Columns) -> list[Line]:
    with open_text(path) as handle:
        lines = list(rows_in(path, handle, columns.delimiter))
    if columns.has_header:
        lines = lines[1:]
    if not lines:
        raise DataError(str(path), "holds a header and no bars", fix="give a file with bars in it")
    return lines


def _comma(path: Path, columns: Columns, lines: Sequence[Line], options: Options) -> bool:
    if options.comma is not None:
        return options.comma
    places = [columns.roles[role] for role in REQUIRED[:4]]
    comma = decimal_comma(fields[place].strip() for _, fields in lines for place in places if place < len(fields))
    if comma is None:
        raise DataError(
            str(path),
            "its prices have commas that could stand before decimals or between thousands",
            fix="say which: --decimal comma or --decimal point",
        )
    return comma


def _symbol(path: Path, columns: Columns, options: Options) -> str:
    """Return the symbol of rows that name none: the option's, or the file name's up to its first mark."""
    if options.symbol:
        return options.symbol
    if "symbol" in columns.roles or symbol_of_name(path):
        return symbol_of_name(path)
    raise DataError(
        str(path),
        "neither a column nor the file's name gives the symbol",
        "a name like AAPL_5m.csv would",
        "add --symbol SPY",
    )


def symbol_of_name(path: Path) -> str:
    """Return the ticker that begins a file's name, as in ``AAPL_5m.csv`` or ``spy.us.txt``; empty if none does."""
    stem = path.name.upper().removesuffix(".GZ").rpartition(".")[0]
    first = re.split(r"[_\-\s]", stem, maxsplit=1)[0].removesuffix(".US")
    return first if _TICKER.fullmatch(first) and first not in _NO_TICKERS else ""


class _RowReader:
    """Turns the fields of one file's rows into bars."""

    def __init__(self, file: str, columns: Columns, comma: bool, symbol: str, only: str | None) -> None:
        self._file, self._columns, self._comma, self._default, self._only = file, columns, comma, symbol, only
        self._numeric = [(role, columns.roles[role]) for role in (*REQUIRED, *OPTIONAL) if role in columns.roles]

    def row(self, line: Line, instant: datetime | None, fault: tuple[Kind, str] | None) -> Row | Rejected:
        number, fields = line
        symbol = self._symbol_of(fields)
        problem = self._misfit(fields) or fault or self._symbol_fault(symbol)
        if problem or instant is None:
            return self._rejected(line, symbol, *(problem or (Kind.MANGLED_STAMP, "no time")))
        try:
            numbers = [self._number(role, fields[place]) for role, place in self._numeric]
        except ValueError as error:
            return self._rejected(line, symbol, Kind.NOT_A_NUMBER, str(error))
        prices = Prices(*(value for value, _ in numbers[:5]))
        if wrong := price_fault(prices):
            return self._rejected(line, symbol, Kind.OHLC, wrong)
        if instant.microsecond:
            return self._rejected(line, symbol, Kind.OFF_GRID, "the time is no whole second")
        texts = tuple(text for _, text in numbers)
        extras = {role: text for (role, _), text in zip(self._numeric[5:], texts[5:], strict=True)} if texts[5:] else {}
        return Row(self._file, number, tuple(fields), symbol, int(instant.timestamp()), prices, texts[:5], extras)

    def _number(self, role: str, text: str) -> tuple[float, str]:
        text = text.strip().removeprefix("$")
        if not text and role in OPTIONAL:
            return 0.0, ""
        try:
            return read_number(text, self._comma)
        except ValueError as error:
            raise ValueError(f"{role} {error}") from None

    def _symbol_of(self, fields: Sequence[str]) -> str:
        place = self._columns.roles.get("symbol")
        if place is None or place >= len(fields):
            return self._default
        if fields[place].strip() == self._columns.header[place]:
            # the header once more, where files were joined: no symbol is called "symbol"
            return ""
        return fields[place].strip().upper().removesuffix(".US")

    def _symbol_fault(self, symbol: str) -> tuple[Kind, str] | None:
        if not SYMBOL.fullmatch(symbol):
            return Kind.NO_SYMBOL, f"{symbol[:40]!r} is no symbol" if symbol else "no column or name gives a symbol"
        if self._only and symbol != self._only:
            return Kind.OTHER_SYMBOL, f"{symbol} is not {self._only}"
        return None

    def _misfit(self, fields: Sequence[str]) -> tuple[Kind, str] | None:
        wanted = len(self._columns.header)
        if len(fields) < wanted or any(field.strip() for field in fields[wanted:]):
            return Kind.WRONG_FIELDS, f"has {len(fields)} fields, the header {wanted}"
        return None

    def _rejected(self, line: Line, symbol: str, kind: Kind, detail: str) -> Rejected:
        return Rejected(self._file, line[0], tuple(line[1]), symbol, kind, detail)
