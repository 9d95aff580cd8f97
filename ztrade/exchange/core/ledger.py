"""The account book: fills, fees and cash. Cash is exact; only a day's fees are rounded, up to the cent."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal
from functools import cache
from uuid import uuid5
from zoneinfo import ZoneInfo

from ztrade.domain.types import CENT
from ztrade.exchange.core.hours import instant
from ztrade.exchange.core.market import Market
from ztrade.exchange.core.records import NAMESPACE, ZERO, ActivityRecord, OrderRecord
from ztrade.exchange.core.settings import Settings
from ztrade.exchange.core.state import Stake, State

MILLION = Decimal(1_000_000)
_AVERAGE = Decimal("0.000001")


@cache
def _new_york() -> ZoneInfo:
    return ZoneInfo("America/New_York")


def entry_id(at: int, seed: str) -> str:
    """Return an activity's id: the New York wall time to the millisecond, ``::``, and a uuid made from ``seed``."""
    local = instant(at).astimezone(_new_york())
    return f"{local:%Y%m%d%H%M%S}{local.microsecond // 1000:03d}::{uuid5(NAMESPACE, seed)}"


def new_york_day(at: int) -> date:
    """Return the day that New York's calendar shows."""
    return instant(at).astimezone(_new_york()).date()


def equity(state: State, market: Market, at: int) -> Decimal:
    """Return cash and positions at the last price."""
    return state.cash + long_value(state, market, at)


def long_value(state: State, market: Market, at: int) -> Decimal:
    """Return the positions at the last price."""
    return sum((stake.qty * market.mark(symbol, at) for symbol, stake in state.stakes.items()), ZERO)


def book_fill(state: State, settings: Settings, order: OrderRecord, qty: Decimal, price: Decimal, done: bool) -> None:
    """Book one execution at the clock: order, position, cash, accrued fees, and the entry of the account book.

    ``done``: the order is complete with it.
    """
    value = qty * price
    _move_shares(state, order, qty, value)
    if order.side == "sell":
        state.accrued += _fees(settings, new_york_day(state.now), qty, value)
    _mark_filled(state, order, qty, value, done)
    state.activities.append(
        ActivityRecord(
            id=entry_id(state.now, f"{settings.account}:{order.id}:fill:{order.fills}"),
            type="FILL",
            at=instant(state.now),
            net_amount=-value if order.side == "buy" else value,
            symbol=order.symbol,
            order_id=order.id,
            side=order.side,
            qty=qty,
            price=price,
            cum_qty=order.filled_qty,
            leaves_qty=ZERO if done else order.leaves,
            fill_type="fill" if done else "partial_fill",
            order_status=order.status,
        )
    )


def _move_shares(state: State, order: OrderRecord, qty: Decimal, value: Decimal) -> None:
    stake = state.stakes.setdefault(order.symbol, Stake())
    if order.side == "buy":
        state.cash -= value
        stake.qty += qty
        stake.cost += value
        return
    state.cash += value
    left = stake.qty - qty
    if left < 0:
        raise AssertionError(f"{order.id} sold {qty} {order.symbol} of {stake.qty} held")
    stake.cost = ZERO if left == 0 else stake.cost - stake.cost * qty / stake.qty
    stake.qty = left
    if left == 0:
        del state.stakes[order.symbol]


def _mark_filled(state: State, order: OrderRecord, qty: Decimal, value: Decimal, done: bool) -> None:
    order.filled_qty += qty
    order.filled_value += value
    order.filled_avg_price = (order.filled_value / order.filled_qty).quantize(_AVERAGE, ROUND_HALF_EVEN)
    order.fills += 1
    order.updated_at = instant(state.now)
    order.status = "filled" if done else "partially_filled"
    if done:
        order.filled_at = order.updated_at
    state.touch(order)


def _fees(settings: Settings, day: date, qty: Decimal, value: Decimal) -> Decimal:
    rate = settings.fee_rate(day)
    return value * rate.sec / MILLION + min(qty * rate.taf, rate.taf_cap)


def book_fees(state: State, settings: Settings, day: date) -> None:
    """Book the day's fees as one entry, rounded up to the cent; nothing where there are none."""
    amount = state.accrued.quantize(CENT, ROUND_CEILING)
    state.accrued = ZERO
    if amount:
        book_entry(state, settings, "FEE", -amount, description=f"regulatory fees of {day.isoformat()} (SEC, TAF)")


def book_entry(
    state: State,
    settings: Settings,
    kind: str,
    amount: Decimal,
    *,
    symbol: str | None = None,
    qty: Decimal | None = None,
    per_share: Decimal | None = None,
    description: str = "",
) -> ActivityRecord:
    """Book an entry without an order at the clock, and its cash."""
    state.entries += 1
    state.cash += amount
    state.moved = True
    entry = ActivityRecord(
        id=entry_id(state.now, f"{settings.account}:entry:{state.entries}"),
        type=kind,
        at=instant(state.now),
        net_amount=amount,
        symbol=symbol,
        qty=qty,
        per_share_amount=per_share,
        description=description,
    )
    state.activities.append(entry)
    return entry
