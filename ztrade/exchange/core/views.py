"""What the engine shows of its state: account, positions, clock, and lists of orders and entries."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from uuid import uuid5

from ztrade.domain.types import NewsItem
from ztrade.exchange.core.hours import Hours, instant, micros
from ztrade.exchange.core.ledger import long_value
from ztrade.exchange.core.market import Market
from ztrade.exchange.core.records import (
    NAMESPACE,
    ZERO,
    AccountView,
    ActivityRecord,
    ClockView,
    OrderRecord,
    PositionView,
)
from ztrade.exchange.core.refusal import malformed
from ztrade.exchange.core.settings import Settings
from ztrade.exchange.core.state import State


def clock_view(at: int, hours: Hours) -> ClockView:
    """Return the clock with the next open and close."""
    opens, closes = bisect_right(hours.open, at), bisect_right(hours.close, at)
    return ClockView(
        instant(at),
        hours.window(at, extended=False) is not None,
        hours.sessions[opens].open if opens < len(hours) else None,
        hours.sessions[closes].close if closes < len(hours) else None,
    )


@cache
def _account_ids(name: str) -> tuple[str, str]:
    return str(uuid5(NAMESPACE, f"account:{name}")), f"EX{uuid5(NAMESPACE, name).int % 10**9:09d}"


def account_view(state: State, market: Market, settings: Settings) -> AccountView:
    """Return the account at the clock."""
    value, reserved = long_value(state, market, state.now), state.reserved()
    account_id, number = _account_ids(settings.account)
    return AccountView(
        id=account_id,
        account_number=number,
        created_at=instant(state.created),
        cash=state.cash,
        equity=state.cash + value,
        last_equity=state.last_equity,
        buying_power=max(settings.multiplier * (state.cash + value) - value - reserved, ZERO),
        long_market_value=value,
        reserved=reserved,
        accrued_fees=state.accrued,
        multiplier=settings.multiplier,
    )


def position_view(state: State, market: Market, symbol: str) -> PositionView:
    """Return one open position."""
    stake, at = state.stakes[symbol], state.now
    return PositionView(
        symbol=symbol,
        qty=stake.qty,
        qty_available=stake.qty - state.held_back(symbol),
        avg_entry_price=stake.cost / stake.qty,
        cost_basis=stake.cost,
        current_price=market.mark(symbol, at),
        lastday_price=market.lastday(symbol, at),
    )


def list_orders(state: State, status: str, top_level: bool) -> list[OrderRecord]:
    """Return orders of one status by time of submission, then by symbol and number within it.

    Raises:
        Refusal: the status is not open, closed or all.
    """
    if status not in ("open", "closed", "all"):
        raise malformed(f"invalid status: {status}")
    found: Iterable[OrderRecord] = state.orders.values()
    if status == "open":
        live = (order for orders in state.live.values() for order in orders.values())
        heads = (_head(state, order, top_level) for order in live)
        found = {order.id: order for order in heads}.values()
    elif status == "closed":
        found = (order for order in found if not _is_open(state, order, top_level))
    if top_level:
        found = (order for order in found if order.parent_id is None)
    return sorted(found, key=lambda order: (order.submitted_at, order.symbol, order.seq))


def _head(state: State, order: OrderRecord, top_level: bool) -> OrderRecord:
    return order if order.parent_id is None or not top_level else state.orders[order.parent_id]


def _is_open(state: State, order: OrderRecord, top_level: bool) -> bool:
    return order.is_live or (top_level and any(leg.is_live for leg in state.legs(order)))


def submitted_between(
    orders: Iterable[OrderRecord], after: datetime | None, until: datetime | None
) -> list[OrderRecord]:
    """Return those submitted later than ``after`` and earlier than ``until``."""
    first = None if after is None else micros(after)
    last = None if until is None else micros(until)
    return [
        order
        for order in orders
        if (first is None or micros(order.submitted_at) > first) and (last is None or micros(order.submitted_at) < last)
    ]


def list_entries(
    state: State,
    types: Iterable[str] | None,
    after: datetime | None,
    until: datetime | None,
    order_id: str | None,
) -> list[ActivityRecord]:
    """Return entries of the account book later than ``after`` and earlier than ``until``."""
    kinds = None if types is None else frozenset(types)
    first = 0 if after is None else bisect_right(state.activities, after, key=lambda entry: entry.at)
    return [
        entry
        for entry in state.activities[first:]
        if (kinds is None or entry.type in kinds)
        and (until is None or entry.at < until)
        and (order_id is None or entry.order_id == order_id)
    ]


class Stories:
    """The tape's stories, oldest first, found by the instant at which they were published."""

    def __init__(self, stories: Iterable[NewsItem]) -> None:
        self._stories = tuple(stories)
        self._at = [story.at for story in self._stories]

    def between(self, start: datetime, end: datetime, now: datetime, symbols: Iterable[str] | None) -> list[NewsItem]:
        """Return stories published in [start, end) and not later than ``now``, tagged with one of ``symbols``."""
        wanted = None if symbols is None else frozenset(symbols)
        first = bisect_left(self._at, start)
        last = min(bisect_left(self._at, end), bisect_right(self._at, now))
        return [item for item in self._stories[first:last] if wanted is None or not wanted.isdisjoint(item.symbols)]
