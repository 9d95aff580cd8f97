"""What an import works on and tells: rows, rows not written and why, and what was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta, tzinfo
from enum import StrEnum
from pathlib import Path

from ztrade.exchange.bars.columns import Wanted
from ztrade.exchange.bars.figures import Prices
from ztrade.exchange.bars.stamps import DateOrder

EXAMPLES = 5


class Kind(StrEnum):
    """What can be wrong with a file of bars; the values are the names in tables, in JSON, and in rejected rows."""

    # about single rows, which are then not written
    EXACT_DUPLICATE = "exact duplicate"
    CONFLICTING_DUPLICATE = "conflicting duplicate"
    MANGLED_STAMP = "mangled stamp"
    AMBIGUOUS_TIME = "ambiguous local time"
    OFF_GRID = "off the grid"
    BEFORE_OPEN = "before the open"
    AFTER_CLOSE = "after the close"
    AFTER_EARLY_CLOSE = "after the early close"
    WEEKEND = "weekend"
    HOLIDAY = "holiday"
    OUT_OF_CALENDAR = "outside the calendar"
    OHLC = "OHLC violation"
    NOT_A_NUMBER = "not a number"
    WRONG_FIELDS = "wrong number of fields"
    NO_SYMBOL = "no symbol"
    OTHER_SYMBOL = "other symbol"
    # about the whole, where nothing is taken away
    DISORDER = "disorder"
    GAP = "gap"
    MISSING_SESSION = "missing session"
    TRUNCATED_DAY = "truncated day"
    SPLIT_SUSPECTED = "split suspected"
    ADJUSTED_PRICES = "adjusted prices suspected"
    COLUMNS_DISAGREE = "time columns disagree"
    DATE_ORDER = "date order assumed"
    LABEL_SUSPECTED = "bar label suspected"
    ZERO_VOLUME = "zero volume"
    KEPT_OFF_SESSION = "off-session bar kept"


class Label(StrEnum):
    """What a bar's stamp names: its beginning or its end."""

    START = "start"
    END = "end"


class Conflict(StrEnum):
    """Which of several rows with one stamp and other values is written."""

    FIRST = "first"
    LAST = "last"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of fault: how often, said in a sentence, with a few places to look at."""

    kind: Kind
    count: int
    detail: str
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One bar as read. ``start`` is its stamp in epoch seconds; ``texts`` its five numbers as
    they will be written."""

    file: str
    number: int
    fields: tuple[str, ...]
    symbol: str
    start: int
    prices: Prices
    texts: tuple[str, ...]
    #: trade_count and vwap as they will be written, where the file has them
    extras: Mapping[str, str] = field(default_factory=dict)

    @property
    def place(self) -> str:
        return f"{self.file} row {self.number}"


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that is not written, and why."""

    file: str
    number: int
    fields: tuple[str, ...]
    symbol: str
    kind: Kind
    detail: str

    @property
    def place(self) -> str:
        return f"{self.file} row {self.number}"


def reject(row: Row, kind: Kind, detail: str) -> Rejected:
    """Return the row as one that is not written."""
    return Rejected(row.file, row.number, row.fields, row.symbol, kind, detail)


@dataclass(frozen=True, slots=True)
class Options:
    """What the person said about the sources.

    ``zone`` reads stamps that name none; ``label`` None takes starts unless the stamps look like ends; ``span`` None
    takes the most frequent distance; ``comma`` is whether the decimal mark is a comma, None to see it from the file.
    """

    zone: tzinfo | None = None
    label: Label | None = None
    symbol: str | None = None
    wanted: Wanted = field(default_factory=Wanted)
    span: timedelta | None = None
    keep_off_session: bool = False
    conflict: Conflict = Conflict.FIRST
    order: DateOrder | None = None
    comma: bool | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """One file as read: every row of it is in ``rows`` or in ``rejected``."""

    path: Path
    time_column: str
    zone: str
    rows: Sequence[Row]
    rejected: Sequence[Rejected]
    findings: Sequence[Finding] = ()

    @property
    def rows_in(self) -> int:
        return len(self.rows) + len(self.rejected)


@dataclass(frozen=True, slots=True)
class Series:
    """One symbol after all checks: ``rows`` in order of time, ready to be written, with bar starts."""

    symbol: str
    span: timedelta
    rows: Sequence[Row]
    rejected: Sequence[Rejected]
    findings: Sequence[Finding]

    @property
    def rows_in(self) -> int:
        return len(self.rows) + len(self.rejected)

    @property
    def duplicates(self) -> int:
        """Rows that repeat another one exactly; conflicting ones count as rejected."""
        return sum(1 for row in self.rejected if row.kind is Kind.EXACT_DUPLICATE)


@dataclass(frozen=True, slots=True)
class Report:
    """What an import found. ``loose`` are rejected rows that belong to no symbol."""

    sources: Sequence[Source]
    series: Sequence[Series]
    loose: Sequence[Rejected] = ()
    ignored: Sequence[Path] = field(default_factory=tuple)
    label: Label = Label.START

    @property
    def is_clean(self) -> bool:
        found = [one.findings for one in self.sources] + [one.findings for one in self.series]
        return not (self.loose or any(found))


def findings_of(rejected: Sequence[Rejected]) -> list[Finding]:
    """Return one finding for each kind of rejected row, with the first places."""
    counts = Counter(row.kind for row in rejected)
    return [_finding(kind, count, [row for row in rejected if row.kind is kind]) for kind, count in counts.items()]


def _finding(kind: Kind, count: int, rows: Sequence[Rejected]) -> Finding:
    fate = "left out" if kind is Kind.EXACT_DUPLICATE else "rejected"
    places = tuple(f"{row.place}: {row.detail}" for row in rows[:EXAMPLES])
    return Finding(kind, count, f"{count} {'row' if count == 1 else 'rows'} {fate}", places)
