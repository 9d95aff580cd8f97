"""Reads bars from disk in the layout of Alpaca's export, strictly: a file is right in every row, or it is refused."""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ztrade.domain.types import Bars
from ztrade.errors import DataError
from ztrade.exchange.bars.columns import OPTIONAL, OURS, REQUIRED, is_ours
from ztrade.exchange.bars.figures import Prices, price_fault
from ztrade.exchange.bars.importer import no_tables
from ztrade.exchange.bars.lines import open_text, rows_in, table_files
from ztrade.exchange.bars.series import span_of
from ztrade.exchange.bars.sessions import sessions_around
from ztrade.exchange.bars.source import SYMBOL
from ztrade.exchange.bars.stamps import FIRST_YEAR, LAST_YEAR
from ztrade.exchange.bars.suggest import other_layout
from ztrade.exchange.tape import ListTape
from ztrade.ports import Calendar

_NUMBER = re.compile(r"\d+(\.\d+)?([eE][-+]?\d+)?")


class _Column:
    """The bars of one symbol while they are read, and where the last one stood."""

    def __init__(self) -> None:
        self.start = array("q")
        self.values = tuple(array("d") for _ in REQUIRED)
        self.place = ""


def load_directory(path: Path, symbols: Sequence[str] | None = None, calendar: Calendar | None = None) -> ListTape:
    """Return the bars of a file, or of all ``.csv`` and ``.csv.gz`` files of a directory in order of their names.

    Args:
        path: a file or directory; ``*.rejected.csv`` and files of other kinds are passed over.
        symbols: the ones wanted, all where None; rows of others are not read.
        calendar: where given, each bar must start between 04:00 and 20:00 New York on a day of trading.

    Raises:
        DataError: naming file, row, what is wrong and what would be right; also where a wanted symbol has no bars.
        ConfigError: the calendar does not reach the bars' days.
    """
    wanted = None if symbols is None else frozenset(symbols)
    columns: dict[str, _Column] = {}
    for file in _files(path):
        _read_file(file, path, wanted, columns)
    _check_symbols(path, wanted, columns)
    span = _span(path, columns)
    if calendar:
        _check_sessions(path, calendar, columns)
    return ListTape({symbol: _bars(symbol, span, column) for symbol, column in columns.items()})


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    tables, others = table_files(path, (".csv", ".csv.gz"))
    if tables:
        return tables
    raise other_layout(path, path) if table_files(path)[0] else no_tables(path, others)


def _read_file(file: Path, asked: Path, wanted: frozenset[str] | None, columns: dict[str, _Column]) -> None:
    with open_text(file) as handle:
        rows = rows_in(file, handle)
        _, header = next(rows, (0, []))
        if not header:
            raise DataError(str(file), "is empty", fix=f"give a file that begins with {','.join(OURS)}")
        header = [name.strip() for name in header]
        if not is_ours(header):
            raise other_layout(file, asked)
        reader = _FileReader(file, header, wanted, columns)
        for number, fields in rows:
            reader.take(number, fields)
    if not reader.rows:
        raise DataError(str(file), "holds a header and no bars", fix="give a file with bars in it, or remove it")


class _FileReader:
    """Takes the rows of one file into the columns of their symbols, or raises at the first that is wrong."""

    def __init__(
        self, file: Path, header: Sequence[str], wanted: frozenset[str] | None, columns: dict[str, _Column]
    ) -> None:
        self._file, self._width, self._wanted, self._columns = file, len(header), wanted, columns
        self._symbol, self._stamp = header.index("symbol"), header.index("timestamp")
        self._places = [header.index(name) for name in REQUIRED]
        self._extras = [(name, header.index(name)) for name in OPTIONAL if name in header]
        self.rows = 0

    def take(self, number: int, fields: Sequence[str]) -> None:
        """Add one row.

        Raises:
            DataError: it is no bar, or not later than the one before.
        """
        self.rows += 1
        try:
            self._take(number, fields)
        except ValueError as error:
            what, _, fix = str(error).partition("\0")
            raise DataError(f"{self._file}, row {number}", what, fix=fix or _IMPORT) from None

    def _take(self, number: int, fields: Sequence[str]) -> None:
        if len(fields) != self._width:
            raise ValueError(f"has {len(fields)} fields, the header has {self._width}")
        symbol = fields[self._symbol]
        if self._wanted is not None and symbol not in self._wanted:
            return
        column = self._columns.get(symbol) or self._new_column(symbol)
        start = _start(fields[self._stamp])
        if column.start and start <= column.start[-1]:
            raise ValueError(_not_later(symbol, fields[self._stamp], start == column.start[-1], column.place))
        values = [_number(name, fields[place]) for name, place in zip(REQUIRED, self._places, strict=True)]
        if fault := price_fault(Prices(*values)):
            raise ValueError(fault)
        self._check_extras(fields)
        self._add(column, number, start, values)

    def _add(self, column: _Column, number: int, start: int, values: Sequence[float]) -> None:
        column.start.append(start)
        column.place = f"{self._file.name} row {number}"
        for target, value in zip(column.values, values, strict=True):
            target.append(value)

    def _new_column(self, symbol: str) -> _Column:
        if not SYMBOL.fullmatch(symbol):
            raise ValueError(f"{symbol[:40]!r} is no symbol\0write it in capitals, like SPY or BRK.B")
        return self._columns.setdefault(symbol, _Column())

    def _check_extras(self, fields: Sequence[str]) -> None:
        for name, place in self._extras:
            if fields[place]:
                _number(name, fields[place])


_IMPORT = "mend the row, or let `ztrade bars import` sort out the rows that are wrong"


def _start(text: str) -> int:
    """Return the epoch seconds of a stamp in UTC."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"timestamp {text[:40]!r} is no ISO time\0write it as 2022-08-22T13:30:00Z") from None
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise ValueError(f"timestamp {text!r} is in another age\0give {FIRST_YEAR} to {LAST_YEAR}")
    if at.tzinfo is None:
        raise ValueError(f"timestamp {text!r} names no time zone\0write it in UTC, as 2022-08-22T13:30:00Z")
    if at.utcoffset():
        raise ValueError(f"timestamp {text!r} is not in UTC\0write it as {at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")
    if at.second or at.microsecond:
        raise ValueError(f"timestamp {text!r} is no whole minute\0give the minute in which the bar starts")
    return int(at.timestamp())


def _not_later(symbol: str, text: str, same: bool, before: str) -> str:
    what = f"a second bar of {symbol} at {text}" if same else f"{symbol} at {text} is older than the bar before it"
    return f"{what} ({before})\0run `ztrade bars import`, which sorts the rows and settles duplicates"


def _number(name: str, text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{name} {text[:40]!r} is not a plain number" if text else f"{name} is empty")
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{name} {text[:40]!r} is too large")
    return value


def _check_symbols(path: Path, wanted: frozenset[str] | None, columns: dict[str, _Column]) -> None:
    missing = sorted((wanted or frozenset()) - columns.keys())
    if missing:
        raise DataError(
            str(path), f"has no bars of {', '.join(missing)}", fix="add them, or leave out the agents that trade them"
        )


def _span(path: Path, columns: dict[str, _Column]) -> timedelta:
    """Return the one length of all bars."""
    starts = {symbol: column.start for symbol, column in columns.items()}
    shown = {symbol: span for symbol in starts if (span := _shown_span(symbol, starts[symbol]))}
    shortest = min(shown.values(), default=None)
    # a stock that hardly trades shows no length of its own, or a longer one: it has the length of the others
    spans = {
        symbol: _shown_span(symbol, starts[symbol], shortest)
        or shown.get(symbol)
        or span_of(f"{path}, {symbol}", starts[symbol])
        for symbol in starts
    }
    lengths = sorted(set(spans.values()))
    if len(lengths) > 1:
        examples = ", ".join(f"{next(s for s in spans if spans[s] == one)} {one}" for one in lengths)
        raise DataError(
            str(path),
            f"mixes bars of different lengths ({examples})",
            "all symbols of one market share one length",
            "keep bars of 1 and of 5 minutes in different directories",
        )
    return lengths[0]


def _shown_span(symbol: str, starts: Sequence[int], said: timedelta | None = None) -> timedelta | None:
    """Return the length that the bars show, or can have where ``said`` is theirs; None where they show none."""
    try:
        return span_of(symbol, starts, said)
    except DataError:
        return None


def _check_sessions(path: Path, calendar: Calendar, columns: dict[str, _Column]) -> None:
    for symbol, column in columns.items():
        sessions = sessions_around(calendar, column.start)
        for start in column.start:
            if fault := sessions.fault(start, keep_off_session=True):
                raise DataError(
                    str(path),
                    f"{symbol} has a bar at {datetime.fromtimestamp(start, UTC):%Y-%m-%dT%H:%MZ}, {fault[0]}",
                    fault[1],
                    "are the stamps UTC? `ztrade bars import` finds and takes out such rows",
                )


def _bars(symbol: str, span: timedelta, column: _Column) -> Bars:
    return Bars(symbol, span, column.start, *column.values)
