"""The values that the engine takes and gives. Money and quantities are Decimal, instants aware UTC datetimes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import NAMESPACE_DNS, uuid5

from ztrade.domain.types import CENT

ZERO = Decimal(0)
#: root of every id that the engine makes
NAMESPACE = uuid5(NAMESPACE_DNS, "exchange.ztrade")

#: statuses of orders that can still change
LIVE = frozenset({"pending_new", "accepted", "new", "held", "partially_filled"})


def asset_id(symbol: str) -> str:
    """Return the symbol's asset id, the same in every engine."""
    return str(uuid5(NAMESPACE, f"asset:{symbol}"))


@dataclass(frozen=True, slots=True)
class Asset:
    """One tradable thing."""

    symbol: str
    name: str = ""
    exchange: str = "NASDAQ"
    tradable: bool = True
    fractionable: bool = True

    @property
    def id(self) -> str:
        return asset_id(self.symbol)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSpec:
    """An order as a client asks for it, not yet checked; text fields as Alpaca spells them.

    ``take_profit`` is the target leg's limit price; ``stop_loss`` the stop leg's stop price, and ``stop_loss_limit``
    its limit price where it is a stop-limit. ``order_class`` "simple" is the same as "".
    """

    symbol: str
    side: str
    type: str = "market"
    qty: Decimal | None = None
    notional: Decimal | None = None
    time_in_force: str = "day"
    order_class: str = ""
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None
    stop_loss_limit: Decimal | None = None
    client_order_id: str | None = None
    extended_hours: bool = False


@dataclass(slots=True, kw_only=True)
class OrderRecord:
    """An order as the engine has it. Fields named as in Alpaca's JSON mean the same.

    ``leg_ids`` are its legs (bracket: target, stop; OCO: stop, the order itself being the target; OTO: the one leg).
    The fields from ``seq`` on are the engine's own.
    """

    id: str
    client_order_id: str
    symbol: str
    side: str
    type: str
    order_class: str
    time_in_force: str
    status: str
    qty: Decimal | None
    created_at: datetime
    updated_at: datetime
    submitted_at: datetime
    notional: Decimal | None = None
    filled_qty: Decimal = ZERO
    filled_avg_price: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    extended_hours: bool = False
    filled_at: datetime | None = None
    expired_at: datetime | None = None
    canceled_at: datetime | None = None
    failed_at: datetime | None = None
    replaced_at: datetime | None = None
    expires_at: datetime | None = None
    replaced_by: str | None = None
    replaces: str | None = None
    parent_id: str | None = None
    leg_ids: tuple[str, ...] = ()
    #: number of the order among its symbol's, in order of submission
    seq: int = 0
    #: money of the fills so far, exact
    filled_value: Decimal = ZERO
    #: number of fills so far
    fills: int = 0
    #: a stop that has been touched: from then on a market or limit order
    triggered: bool = False
    #: epoch microseconds from which the path is watched for this order
    watch_from: int = 0
    #: price per share at which an open buy reserves buying power
    reserve_price: Decimal = ZERO
    #: shares that an open sell by notional holds back
    estimate: Decimal = ZERO
    #: the exchange will reject it on arrival (a fault on demand), with this reason
    doomed: str = ""

    @property
    def is_live(self) -> bool:
        return self.status in LIVE

    @property
    def is_armed(self) -> bool:
        """False for a leg whose parent has not been filled: it neither fills nor holds shares."""
        return self.parent_id is None or self.watch_from > 0

    @property
    def leaves(self) -> Decimal:
        """Shares still to be filled; for an order by notional it is not known and zero."""
        return ZERO if self.qty is None else self.qty - self.filled_qty


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityRecord:
    """One entry of the account book.

    ``type`` is Alpaca's activity type (FILL, FEE, DIV, SPLIT, CSD, CSW, JNLC); for a FILL ``fill_type`` is ``fill`` or
    ``partial_fill``. ``net_amount`` is the change of cash in dollars, exact, for a FILL too.
    """

    id: str
    type: str
    at: datetime
    net_amount: Decimal
    symbol: str | None = None
    order_id: str | None = None
    side: str | None = None
    qty: Decimal | None = None
    price: Decimal | None = None
    cum_qty: Decimal | None = None
    leaves_qty: Decimal | None = None
    fill_type: str = ""
    order_status: str = ""
    per_share_amount: Decimal | None = None
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionView:
    """A long position with its marks: ``lastday_price`` is the previous session's close."""

    symbol: str
    qty: Decimal
    qty_available: Decimal
    avg_entry_price: Decimal
    cost_basis: Decimal
    current_price: Decimal
    lastday_price: Decimal

    @property
    def market_value(self) -> Decimal:
        return self.qty * self.current_price

    @property
    def unrealized_pl(self) -> Decimal:
        return self.market_value - self.cost_basis


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    """The account's money in dollars, exact (the server rounds to what Alpaca shows).

    ``buying_power`` is what new buys may cost: multiplier x equity - long market value - what open buys reserve.
    """

    id: str
    account_number: str
    created_at: datetime
    cash: Decimal
    equity: Decimal
    last_equity: Decimal
    buying_power: Decimal
    long_market_value: Decimal
    reserved: Decimal
    accrued_fees: Decimal
    multiplier: Decimal
    status: str = "ACTIVE"


@dataclass(frozen=True, slots=True)
class QuoteView:
    """Bid and ask on the tick; ``at`` is when the price was made, older than the clock where bars are missing."""

    symbol: str
    bid: Decimal
    ask: Decimal
    at: datetime
    bid_size: Decimal
    ask_size: Decimal


@dataclass(frozen=True, slots=True)
class TradeView:
    """The last price on the tick and when it was made."""

    symbol: str
    price: Decimal
    at: datetime
    size: Decimal


@dataclass(frozen=True, slots=True)
class ClockView:
    """The exchange's clock; ``next_open`` and ``next_close`` are None after the calendar's last session."""

    now: datetime
    is_open: bool
    next_open: datetime | None
    next_close: datetime | None


@dataclass(frozen=True, slots=True)
class Closing:
    """What became of one position or order in a close-all or cancel-all: HTTP status and the order or the refusal."""

    symbol: str
    status: int
    order: OrderRecord | None = None
    refusal: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """Everything that changed since the last drain, JSON-able: write all of it in one transaction.

    ``orders`` maps order id to its full state, ``activities`` are new entries in order, ``meta`` the small rest (clock,
    cash, positions, counters, faults), None where nothing of it changed.
    """

    orders: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    activities: tuple[Mapping[str, object], ...] = ()
    meta: Mapping[str, object] | None = None

    def __bool__(self) -> bool:
        return bool(self.orders or self.activities or self.meta is not None)


def money_text(value: Decimal) -> str:
    """Return a Decimal as Alpaca writes numbers: plain digits, no exponent, no trailing zeros."""
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def cents(value: Decimal) -> Decimal:
    """Return the amount rounded to the cent."""
    return value.quantize(CENT)
