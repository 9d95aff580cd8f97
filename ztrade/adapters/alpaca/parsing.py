"""Alpaca's JSON objects as the domain's values."""

from __future__ import annotations

from datetime import UTC, datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

from ztrade.adapters.alpaca.fields import Drift, Row, UnreadableAnswer, rows
from ztrade.domain.portfolio import cash_change
from ztrade.domain.types import (
    Account,
    Activity,
    ExchangeClock,
    Order,
    OrderClass,
    OrderStatus,
    OrderType,
    Position,
    Quote,
    Side,
    TimeInForce,
)

ZERO = Decimal(0)
#: added to a price: market data writes 184.1, and a reason that a person reads should not depend on who wrote it
_CENTS = Decimal("0.00")
_TENTH_MILLS = Decimal("0.0000")
_NEW_YORK = ZoneInfo("America/New_York")
#: activities that move shares and need not name an amount of money
_SHARES_ONLY = frozenset({"SPLIT", "SPIN", "JNLS", "ACATS", "REORG", "MA", "NC", "SSP", "SSO"})
_ENDINGS = ("canceled_at", "expired_at", "failed_at", "replaced_at")


def account(raw: object, drift: Drift) -> Account:
    """Read the account; the day-trading fields that Alpaca removed in 2026 are not looked at."""
    row = Row("account", raw, drift)
    blocked = [row.flag_or("trading_blocked", default=False), row.flag_or("account_blocked", default=False)]
    if row.raw.get("trade_suspended_by_user") is True:
        blocked.append(True)
    return Account(
        cash=row.number("cash"),
        equity=row.number("equity"),
        buying_power=row.number("buying_power"),
        last_equity=row.number_or_none("last_equity"),
        status=row.text_or("status", "UNKNOWN"),
        trading_blocked=any(blocked),
        account_number=row.text_or("account_number"),
    )


def clock(raw: object, drift: Drift) -> ExchangeClock:
    """Read the exchange's clock."""
    row = Row("clock", raw, drift)
    return ExchangeClock(
        row.instant("timestamp"), row.flag("is_open"), row.instant("next_open"), row.instant("next_close")
    )


def position(row: Row) -> Position:
    """Read one position; a short is negative even where only ``side`` says so."""
    qty = row.number("qty")
    if row.raw.get("side") == "short":
        qty = -qty.copy_abs()
    return Position(
        symbol=row.text("symbol"),
        qty=qty,
        avg_entry_price=row.number("avg_entry_price", least=ZERO),
        market_value=row.number_or_none("market_value"),
        current_price=row.number_or_none("current_price", above=ZERO),
        qty_available=row.number_or_none("qty_available"),
    )


def orders(raw: object, drift: Drift) -> list[Order]:
    """Read a list of orders; multi-leg option orders, which have no symbol of their own, are counted and left out."""
    found = []
    for row in rows("order", raw, drift):
        if row.raw.get("order_class") == "mleg":
            drift.note("order", "order_class", "mleg")
        else:
            found.append(order(row, drift))
    return found


def order(row: Row, drift: Drift) -> Order:
    """Read one order with its legs."""
    legs = row.raw.get("legs")
    return Order(
        id=row.text("id"),
        client_order_id=row.text("client_order_id"),
        symbol=row.text("symbol"),
        side=_side(row),
        type=row.member("type" if row.raw.get("type") else "order_type", OrderType, OrderType.OTHER),
        order_class=_order_class(row),
        time_in_force=row.member("time_in_force", TimeInForce, TimeInForce.OTHER),
        qty=_order_qty(row),
        filled_qty=row.number("filled_qty", least=ZERO),
        status=row.member("status", OrderStatus, OrderStatus.OTHER),
        filled_avg_price=row.number_or_none("filled_avg_price", above=ZERO),
        limit_price=row.number_or_none("limit_price"),
        stop_price=row.number_or_none("stop_price"),
        submitted_at=row.instant_or_none("submitted_at"),
        filled_at=row.instant_or_none("filled_at"),
        ended_at=next(filter(None, map(row.instant_or_none, _ENDINGS)), None),
        replaced_by=row.text_or("replaced_by") or None,
        replaces=row.text_or("replaces") or None,
        legs=() if legs is None else tuple(orders(legs, drift)),
    )


def _order_qty(row: Row) -> Decimal:
    if row.raw.get("qty") is None and row.raw.get("notional") is not None:
        # an order for an amount of money, a person's: how many shares it will be is known only once it is filled
        return row.number("filled_qty", least=ZERO)
    return row.number("qty", above=ZERO)


def _order_class(row: Row) -> OrderClass:
    if row.raw.get("order_class") in (None, "", "simple"):
        return OrderClass.SIMPLE
    return row.member("order_class", OrderClass, OrderClass.OTHER)


def _side(row: Row) -> Side:
    """Read a side that must be known: guessing it would turn a sale into a purchase."""
    value = row.text("side").lower()
    if value in {"sell", "sell_short"}:
        return Side.SELL
    if value == "buy":
        return Side.BUY
    raise UnreadableAnswer(f"{row.kind} {row.raw.get('id')}: side is {value!r}")


def activity(row: Row) -> Activity:
    """Read one entry of the account book."""
    if row.text("activity_type") == "FILL":
        return _fill(row)
    kind = row.text("activity_type")
    if row.raw.get("status") not in (None, "executed"):
        row.note("status")
    amount = row.number_or_none("net_amount") if kind in _SHARES_ONLY else row.number("net_amount")
    return Activity(
        id=row.text("id"),
        kind=kind,
        at=booked_at(row) or _day(row),
        net_amount=ZERO if amount is None else amount,
        symbol=row.text_or("symbol") or None,
        qty=row.number_or_none("qty"),
        price=row.number_or_none("price"),
        description=row.text_or("description"),
    )


def _fill(row: Row) -> Activity:
    side, qty, price = _side(row), row.number("qty", above=ZERO), row.number("price", above=ZERO)
    return Activity(
        id=row.text("id"),
        kind="FILL",
        at=row.instant("transaction_time"),
        net_amount=cash_change(side, qty, price),
        symbol=row.text("symbol"),
        order_id=row.text("order_id"),
        side=side,
        qty=qty,
        price=price,
        description=row.text_or("type"),
    )


def booked_at(row: Row) -> datetime | None:
    """Return the instant by which the exchange files an entry, None where it tells only the day."""
    return row.instant_or_none("transaction_time") or row.instant_or_none("created_at")


def _day(row: Row) -> datetime:
    day = row.text("date")
    try:
        return datetime.combine(datetime.fromisoformat(day).date(), time(), _NEW_YORK).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UnreadableAnswer(f"{row.kind} {row.raw.get('id')}: date is {day!r}") from None


def quote(symbol: str, raw: object, drift: Drift) -> Quote:
    """Read a quote. A side without an offer is zero, as the exchange says it; sizes are shares."""
    row = Row("quote", raw, drift)
    return Quote(
        symbol=symbol,
        bid=_on_tick(row.number("bp", least=ZERO)),
        ask=_on_tick(row.number("ap", least=ZERO)),
        at=row.instant("t"),
        bid_size=row.number_or_none("bs") or ZERO,
        ask_size=row.number_or_none("as") or ZERO,
    )


def _on_tick(price: Decimal) -> Decimal:
    """Return the price with the zeros of its tick, which JSON's numbers lose: reasons name 148.40, and 0.4400."""
    return price + (_CENTS if price >= 1 or not price else _TENTH_MILLS)
