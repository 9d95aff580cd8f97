"""The values that cross every border of ztrade.

Money, prices and quantities are :class:`~decimal.Decimal`; instants are aware UTC datetimes; ratios are fractions
(0.02 is 2 %). Bars are columns of floats, because indicators read hundreds of them: prices that become money are
converted at the border with :func:`to_price`.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum

CENT = Decimal("0.01")
TENTH_MILL = Decimal("0.0001")


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"


class OrderType(StrEnum):
    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    #: whatever the exchange may invent: read, counted, never sent
    OTHER = "other"


class OrderClass(StrEnum):
    SIMPLE = ""
    BRACKET = "bracket"
    OCO = "oco"
    OTO = "oto"
    OTHER = "other"


class TimeInForce(StrEnum):
    DAY = "day"
    GTC = "gtc"
    OTHER = "other"


class OrderStatus(StrEnum):
    """Alpaca's order statuses, and OTHER for one that Alpaca may add."""

    PENDING_NEW = "pending_new"
    ACCEPTED = "accepted"
    NEW = "new"
    HELD = "held"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    PENDING_CANCEL = "pending_cancel"
    PENDING_REPLACE = "pending_replace"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    REPLACED = "replaced"
    DONE_FOR_DAY = "done_for_day"
    STOPPED = "stopped"
    SUSPENDED = "suspended"
    CALCULATED = "calculated"
    ACCEPTED_FOR_BIDDING = "accepted_for_bidding"
    OTHER = "other"


class Leg(StrEnum):
    """What an order is for: the agent's own entry or exit, or a protective leg that the exchange made of a bracket."""

    ENTRY = "entry"
    EXIT = "exit"
    STOP = "stop"
    TARGET = "target"


@dataclass(frozen=True, slots=True)
class Account:
    """The exchange's view of the money, in dollars."""

    cash: Decimal
    equity: Decimal
    buying_power: Decimal
    last_equity: Decimal | None = None
    status: str = "ACTIVE"
    trading_blocked: bool = False
    account_number: str = ""


@dataclass(frozen=True, slots=True)
class Position:
    """Shares held of one symbol; ``qty`` is negative for a short."""

    symbol: str
    qty: Decimal
    avg_entry_price: Decimal
    market_value: Decimal | None = None
    current_price: Decimal | None = None
    qty_available: Decimal | None = None


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """An order as we want to send it. ``stop_loss`` and ``take_profit`` are the bracket's legs."""

    client_order_id: str
    symbol: str
    side: Side
    qty: Decimal
    type: OrderType = OrderType.MARKET
    time_in_force: TimeInForce = TimeInForce.DAY
    order_class: OrderClass = OrderClass.SIMPLE
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """An order as the exchange has it; ``legs`` are the protective orders of a bracket or OCO."""

    id: str
    client_order_id: str
    symbol: str
    side: Side
    type: OrderType
    order_class: OrderClass
    time_in_force: TimeInForce
    qty: Decimal
    filled_qty: Decimal
    status: OrderStatus
    filled_avg_price: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    submitted_at: datetime | None = None
    filled_at: datetime | None = None
    #: end of the order's life without a complete fill: cancelled, expired, rejected or replaced
    ended_at: datetime | None = None
    replaced_by: str | None = None
    replaces: str | None = None
    legs: tuple[Order, ...] = ()


@dataclass(frozen=True, slots=True)
class Activity:
    """One entry of the exchange's own account book.

    ``kind`` is Alpaca's activity type (FILL, DIV, FEE, SPLIT, CSD, CSW, JNLC, ...). ``net_amount`` is the change of
    cash in dollars; for a FILL it is computed from side, qty and price.
    """

    id: str
    kind: str
    at: datetime
    net_amount: Decimal
    symbol: str | None = None
    order_id: str | None = None
    side: Side | None = None
    qty: Decimal | None = None
    price: Decimal | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Quote:
    """The best bid and ask, with sizes in shares; ``at`` is when the exchange made it."""

    symbol: str
    bid: Decimal
    ask: Decimal
    at: datetime
    bid_size: Decimal = Decimal(0)
    ask_size: Decimal = Decimal(0)

    @property
    def mid(self) -> Decimal:
        """The price between the sides; the other side's where one is empty, for half of it would be a crash."""
        return (self.bid + self.ask) / 2 if self.bid and self.ask else self.bid or self.ask


@dataclass(frozen=True, slots=True)
class ExchangeClock:
    """The exchange's own word on the time and on whether it trades now."""

    now: datetime
    is_open: bool
    next_open: datetime
    next_close: datetime


@dataclass(frozen=True, slots=True)
class NewsItem:
    """One story: ``headline`` and ``summary`` are plain text (no HTML); ``symbols`` are the tags the source gave."""

    id: str
    at: datetime
    headline: str
    summary: str = ""
    source: str = ""
    symbols: tuple[str, ...] = ()
    url: str = ""


def _column() -> array[float]:
    return array("d")


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars of one symbol as columns of equal length, oldest first.

    ``start`` holds the bars' beginnings in whole epoch seconds; ``span`` is the length of one bar. Columns are
    ``array('d')`` or memoryviews of doubles, so a slice copies nothing and numpy reads them in place.
    """

    symbol: str
    span: timedelta
    start: array[int] | memoryview
    open: array[float] | memoryview = field(default_factory=_column)
    high: array[float] | memoryview = field(default_factory=_column)
    low: array[float] | memoryview = field(default_factory=_column)
    close: array[float] | memoryview = field(default_factory=_column)
    volume: array[float] | memoryview = field(default_factory=_column)

    def __len__(self) -> int:
        return len(self.start)

    def slice(self, first: int, last: int) -> Bars:
        """Return rows ``first`` (included) to ``last`` (excluded) as views on the same columns."""
        columns = (self.start, self.open, self.high, self.low, self.close, self.volume)
        return Bars(self.symbol, self.span, *(memoryview(column)[first:last] for column in columns))

    def start_at(self, row: int) -> datetime:
        """Return when the bar of ``row`` begins."""
        return datetime.fromtimestamp(self.start[row], UTC)

    def end_at(self, row: int) -> datetime:
        """Return when the bar of ``row`` is complete."""
        return self.start_at(row) + self.span


#: one bar as a row: start, open, high, low, close, volume
BarRow = tuple[datetime, float, float, float, float, float]


def bars_from_rows(symbol: str, span: timedelta, rows: Iterable[BarRow]) -> Bars:
    """Build :class:`Bars` from rows that are already in order of time."""
    bars = Bars(symbol, span, array("q"), _column(), _column(), _column(), _column(), _column())
    columns = (bars.open, bars.high, bars.low, bars.close, bars.volume)
    for start, *values in rows:
        bars.start.append(int(start.timestamp()))  # type: ignore[union-attr]
        for column, value in zip(columns, values, strict=True):
            column.append(value)  # type: ignore[union-attr]
    return bars


def rows_of(bars: Bars) -> Iterator[BarRow]:
    """Iterate the bars as rows."""
    for row in range(len(bars)):
        yield (
            bars.start_at(row),
            bars.open[row],
            bars.high[row],
            bars.low[row],
            bars.close[row],
            bars.volume[row],
        )


def to_price(value: float | Decimal | str) -> Decimal:
    """Round to the tick that US stocks trade at: a cent from $1 on, a hundredth of a cent below (SEC rule 612).

    Raises:
        ValueError: the value is not a finite number.
    """
    price = value if isinstance(value, Decimal) else Decimal(repr(value) if isinstance(value, float) else value)
    if not price.is_finite():
        raise ValueError(f"{value!r} is not a price")
    return price.quantize(CENT if abs(price) >= 1 else TENTH_MILL, ROUND_HALF_EVEN)


def aware_utc(at: datetime) -> datetime:
    """Return the instant in UTC.

    Raises:
        ValueError: the datetime is naive, so nobody can know which instant it means.
    """
    if at.tzinfo is None:
        raise ValueError(f"{at.isoformat()} has no time zone")
    return at.astimezone(UTC)
