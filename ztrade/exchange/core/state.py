"""Everything the engine knows, in one place, with a note of what changed since it was last written down."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from ztrade.exchange.core.records import LIVE, ZERO, ActivityRecord, OrderRecord


@dataclass(slots=True)
class Stake:
    """Shares held of one symbol, and the money paid for them (average cost)."""

    qty: Decimal = ZERO
    cost: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Rescale:
    """A split that took effect at ``at`` (microseconds): old prices x ``factor`` = new prices.

    ``tape``: bars from then on are still in old terms and are scaled by us.
    """

    symbol: str
    at: int
    factor: Decimal
    tape: bool


@dataclass(frozen=True, slots=True)
class Pending:
    """A corporate action that waits for its day: a split's ratio, or a dividend per share."""

    kind: str
    symbol: str
    day: date
    amount: Decimal
    scale_prices: bool = False


@dataclass(slots=True)
class State:
    """One account at one instant. Money is exact: cash is a Decimal that is never rounded."""

    now: int
    created: int
    cash: Decimal
    last_equity: Decimal
    close_equity: Decimal
    accrued: Decimal = ZERO
    orders: dict[str, OrderRecord] = field(default_factory=dict)
    by_client: dict[str, str] = field(default_factory=dict)
    live: dict[str, dict[str, OrderRecord]] = field(default_factory=dict)
    stakes: dict[str, Stake] = field(default_factory=dict)
    activities: list[ActivityRecord] = field(default_factory=list)
    #: orders ever made, per symbol
    counts: dict[str, int] = field(default_factory=dict)
    #: entries of the account book ever made without an order
    entries: int = 0
    #: per symbol: the bar of the last fill (microseconds) and the shares taken from its volume
    taken: dict[str, tuple[int, Decimal]] = field(default_factory=dict)
    #: per session row of the calendar by day: an early close on demand (microseconds)
    closes: dict[date, int] = field(default_factory=dict)
    halted: set[str] = field(default_factory=set)
    partials: list[tuple[str | None, Decimal]] = field(default_factory=list)
    rejects: list[tuple[str | None, str]] = field(default_factory=list)
    rescales: list[Rescale] = field(default_factory=list)
    pending: list[Pending] = field(default_factory=list)
    #: not written down: what changed
    dirty: dict[str, None] = field(default_factory=dict)
    drained: int = 0
    moved: bool = True

    def add(self, order: OrderRecord) -> None:
        """Take a new order in."""
        self.orders[order.id] = order
        self.by_client[order.client_order_id] = order.id
        self.touch(order)

    def touch(self, order: OrderRecord) -> None:
        """Note that an order changed, and keep the list of live ones right."""
        self.dirty[order.id] = None
        self.moved = True
        live = self.live.setdefault(order.symbol, {})
        if order.status in LIVE:
            live[order.id] = order
        else:
            live.pop(order.id, None)

    def next_count(self, symbol: str) -> int:
        """Return the number of the symbol's next order."""
        self.counts[symbol] = self.counts.get(symbol, 0) + 1
        return self.counts[symbol]

    def legs(self, order: OrderRecord) -> list[OrderRecord]:
        """Return the order's legs."""
        return [self.orders[leg] for leg in order.leg_ids]

    def group(self, order: OrderRecord) -> list[OrderRecord]:
        """Return the order, its parent and all legs of either."""
        head = order if order.parent_id is None else self.orders[order.parent_id]
        return [head, *self.legs(head)]

    def partners(self, order: OrderRecord) -> list[OrderRecord]:
        """Return the live orders of which one cancels the other with this one."""
        group = self.group(order)
        if order.order_class != "oco":
            group = group[1:] if order.parent_id is not None else []
        return [other for other in group if other is not order and other.is_live]

    def held_back(self, symbol: str) -> Decimal:
        """Return the shares that live sells hold; the two legs of a pair hold them once."""
        held: dict[str, Decimal] = {}
        for order in self.live.get(symbol, {}).values():
            if order.side == "sell" and order.is_armed:
                pair = order.parent_id or order.id
                held[pair] = max(held.get(pair, ZERO), order.estimate if order.qty is None else order.leaves)
        return sum(held.values(), ZERO)

    def available(self, symbol: str) -> Decimal:
        """Return the shares held that no live sell holds back."""
        stake = self.stakes.get(symbol)
        return ZERO if stake is None else max(stake.qty - self.held_back(symbol), ZERO)

    def reserved(self) -> Decimal:
        """Return the money that live buys reserve."""
        total = ZERO
        for orders in self.live.values():
            for order in orders.values():
                if order.side == "buy":
                    total += reserve_of(order)
        return total


def reserve_of(order: OrderRecord) -> Decimal:
    """Return the money that a live buy still needs."""
    if order.notional is not None:
        return order.notional - order.filled_value
    return order.leaves * order.reserve_price
