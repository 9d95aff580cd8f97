"""Recognises the columns of a file of bars by their names, and by their values where names say nothing."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ztrade.errors import DataError
from ztrade.exchange.bars.lines import first_line, first_rows
from ztrade.exchange.bars.stamps import read_clock, read_date, read_stamp

REQUIRED = ("open", "high", "low", "close", "volume")
OPTIONAL = ("trade_count", "vwap")
OURS = ("symbol", "timestamp", *REQUIRED)

#: names of columns without case, blanks, and marks
_NAMES: Mapping[str, tuple[str, ...]] = {
    "open": ("open", "o", "openprice", "1open", "first"),
    "high": ("high", "h", "highprice", "2high", "max"),
    "low": ("low", "l", "lowprice", "3low", "min"),
    "close": ("close", "c", "closeprice", "4close", "last", "latest", "closelast"),
    "volume": ("volume", "v", "vol", "5volume", "totalvolume"),
    "trade_count": ("tradecount", "trades", "n", "numtrades", "numberoftrades", "transactions"),
    "vwap": ("vwap", "vw", "wap"),
    "symbol": ("symbol", "ticker", "sym", "instrument"),
}
_TIMES = (
    "timestamp",
    "datetime",
    "date",
    "time",
    "t",
    "ts",
    "epoch",
    "unix",
    "unixtime",
    "opentime",
    "starttime",
    "bartime",
    "timeutc",
    "datetimeutc",
    "timestamputc",
    "gmttime",
    "localtime",
    "dateandtime",
    "datetimeet",
    "barstart",
    "tradedate",
    "timestampms",
)
_LOOKED_AT = 40
_NO_TABLE = ("{", "[", "<!doctype", "<html", "<?xml")


def plain_name(header: str) -> str:
    """Return a column's name without case, blanks and marks: ``<VOL>`` and ``vol`` are the same."""
    return re.sub(r"[^a-z0-9]", "", header.lower())


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the person said about the columns: role to header; ``timestamp`` may be two, a date and a clock."""

    roles: Mapping[str, str] = field(default_factory=dict)
    timestamp: tuple[str, ...] = ()
    #: names of the columns of a file that has no header
    header: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TimeColumns:
    """Where a time stands: one column, or a date and a clock in two."""

    name: str
    places: tuple[int, ...]

    def text(self, fields: Sequence[str]) -> str:
        return " ".join(fields[place].strip() for place in self.places)


@dataclass(frozen=True, slots=True)
class Columns:
    """How to read one file: the place of each role, and every column that may be its time."""

    header: tuple[str, ...]
    delimiter: str
    roles: Mapping[str, int]
    times: tuple[TimeColumns, ...]
    has_header: bool = True

    @property
    def is_ours(self) -> bool:
        """Tell whether the file has the layout that the reader takes."""
        return is_ours(self.header) and self.delimiter == ","


def is_ours(header: Sequence[str]) -> bool:
    """Tell whether a header is the layout of Alpaca's export, whatever the order of its columns."""
    return len(set(header)) == len(header) and set(OURS) <= set(header) <= {*OURS, *OPTIONAL}


def recognise(path: Path, wanted: Wanted | None = None) -> Columns:
    """Return how to read a file of bars.

    Raises:
        DataError: it is empty, has no header, or lacks a column.
    """
    wanted = wanted or Wanted()
    delimiter = _delimiter(path)
    rows = first_rows(path, delimiter, _LOOKED_AT)
    if not rows:
        raise DataError(str(path), "is empty", fix="give a CSV file with a header and one bar a line")
    header = tuple(name.strip() for name in (wanted.header or rows[0]))
    if not wanted.header:
        _check_header(path, header)
        rows = rows[1:]
    roles = _roles(path, header, wanted)
    times = _times(path, header, wanted, rows, set(roles.values()))
    return Columns(header, delimiter, roles, times, has_header=not wanted.header)


def _delimiter(path: Path) -> str:
    """Return the mark that splits the first line into most fields."""
    line = first_line(path)
    return max(",;\t|", key=lambda mark: len(next(csv.reader([line], delimiter=mark), [])))


def _check_header(path: Path, header: Sequence[str]) -> None:
    if header[0].lower().startswith(_NO_TABLE):
        raise DataError(f"{path}, row 1", "begins JSON or a web page, not a table", fix="give a CSV file of bars")
    if any(read_stamp(name) for name in header) or all(re.fullmatch(r"[\d.,:/ -]*", name) for name in header):
        raise DataError(
            f"{path}, row 1",
            f"holds values ({', '.join(header)[:80]}), not the names of columns",
            fix="add a header, or name the columns: --columns timestamp,open,high,low,close,volume",
        )


def _roles(path: Path, header: Sequence[str], wanted: Wanted) -> dict[str, int]:
    plain = [plain_name(name) for name in header]
    found = {role: _first(plain, names) for role, names in _NAMES.items()}
    _check_single(
        path, header, [place for role, place in found.items() if place is not None and role not in wanted.roles]
    )
    found |= {role: _named(path, header, name, role) for role, name in wanted.roles.items()}
    missing = [role for role in REQUIRED if found[role] is None]
    if missing:
        raise DataError(
            f"{path}, row 1",
            f"no column is known as {' or '.join(missing)} among {', '.join(header)[:200]}",
            fix="name it: " + " ".join(f"--{role} COLUMN" for role in missing),
        )
    return {role: place for role, place in found.items() if place is not None}


def _check_single(path: Path, header: Sequence[str], places: Sequence[int]) -> None:
    """Refuse two columns of one name, as joined tables have them: nobody knows which one is right."""
    plain = [plain_name(name) for name in header]
    for place in places:
        count = plain.count(plain[place])
        if count > 1:
            raise DataError(
                f"{path}, row 1", f"has {count} columns {header[place]!r}", fix="rename or remove all but the right one"
            )


def _first(plain: Sequence[str], names: Sequence[str]) -> int | None:
    return next((plain.index(name) for name in names if name in plain), None)


def _named(path: Path, header: Sequence[str], name: str, role: str) -> int:
    places = [place for place, known in enumerate(header) if known.lower() == name.lower()]
    if len(places) != 1:
        what = f"has no column {name!r}" if not places else f"has {len(places)} columns {name!r}"
        raise DataError(f"{path}, --{role}", what, fix=f"give one of {', '.join(header)[:200]}")
    return places[0]


def _times(
    path: Path, header: Sequence[str], wanted: Wanted, rows: Sequence[Sequence[str]], taken: set[int]
) -> tuple[TimeColumns, ...]:
    if wanted.timestamp:
        places = tuple(_named(path, header, name, "timestamp") for name in wanted.timestamp)
        return (TimeColumns("+".join(header[place] for place in places), places),)
    free = [place for place in range(len(header)) if place not in taken]
    named = [place for place in free if plain_name(header[place]) in _TIMES]
    found = time_candidates(header, rows, named) or time_candidates(header, rows, free)
    if not found:
        raise _no_time(path, header, rows, named)
    return tuple(found)


def time_candidates(header: Sequence[str], rows: Sequence[Sequence[str]], places: Sequence[int]) -> list[TimeColumns]:
    """Return every column, or date and clock, that may be the time; mangled stamps may have good ones below them."""
    whole = [TimeColumns(header[place], (place,)) for place in places if any(map(read_stamp, _values(rows, place)))]
    return [*whole, *([] if whole else _pairs(header, rows, places)), *_mangled_times(header, rows, places)]


def _mangled_times(header: Sequence[str], rows: Sequence[Sequence[str]], places: Sequence[int]) -> list[TimeColumns]:
    return [
        TimeColumns(header[place], (place,))
        for place in places
        if (values := _values(rows, place)) and all(re.fullmatch(r"\d(\.\d+)?E\+\d+|#+", text) for text in values)
    ]


def _pairs(header: Sequence[str], rows: Sequence[Sequence[str]], places: Sequence[int]) -> list[TimeColumns]:
    days = [place for place in places if any(map(read_date, _values(rows, place)))]
    clocks = [place for place in places if place not in days and any(map(read_clock, _values(rows, place)))]
    if not days or not clocks:
        return []
    return [TimeColumns(f"{header[days[0]]}+{header[clocks[0]]}", (days[0], clocks[0]))]


def _values(rows: Sequence[Sequence[str]], place: int) -> list[str]:
    return [row[place].strip() for row in rows if len(row) > place and row[place].strip()]


def _no_time(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]], named: Sequence[int]) -> DataError:
    days = [header[place] for place in named if any(map(read_date, _values(rows, place)))]
    if days:
        return DataError(
            str(path),
            f"column {days[0]!r} names days without a time of day: these are daily bars",
            "ztrade trades within the day",
            "give bars of 1 or 5 minutes",
        )
    if not rows:
        return DataError(str(path), "holds a header and no bars", fix="give a file with bars in it")
    odd = next((f"{header[place]!r} holds {text[:40]!r}" for place in named for text in _values(rows, place)), "")
    return DataError(
        f"{path}, row 1",
        f"no column holds times among {', '.join(header)[:200]}",
        f"column {odd}, which is no time: a spreadsheet may have changed it" if odd else "",
        "name it: --timestamp COLUMN (twice for a date and a clock in two columns), or give the original file",
    )
