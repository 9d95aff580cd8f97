"""What happens while the clock moves: arrivals, triggers, fills, expiries, and the beginning and end of sessions.

Every event has an instant that follows from the tape and from the commands alone; advancing the clock only decides how
many of them happen. Events of one instant happen in the order: session begins, expiries, session ends, orders by symbol
and then by their number within the symbol: so it does not matter in which order different symbols' orders came.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_FLOOR, Decimal
from heapq import heapify, heappop, heappush

from ztrade.exchange.core.hours import Hours, instant, micros
from ztrade.exchange.core.ledger import book_fees, book_fill, equity
from ztrade.exchange.core.market import Market
from ztrade.exchange.core.records import ZERO, OrderRecord
from ztrade.exchange.core.settings import Settings
from ztrade.exchange.core.state import State

NANO = Decimal("0.000000001")
ONE = Decimal(1)
PENDING = frozenset({"pending_new", "accepted"})
_BEGIN, _EXPIRE, _END, _ORDER = range(4)
#: instant, kind, symbol, number within the symbol (session row for sessions), order id
Event = tuple[int, int, str, int, str]
NEVER = 2**63


def _nothing(row: int) -> None:
    """Take no notice of a session's beginning."""


class Matcher:
    """The queue of events, and what each does to the state."""

    def __init__(self, state: State, market: Market, hours: Hours, settings: Settings) -> None:
        self._state, self._market, self._hours, self._settings = state, market, hours, settings
        self._queue: list[Event] = []
        #: live orders' next instant, and the price then (0 for an arrival)
        self._next: dict[str, tuple[int, float]] = {}
        #: called at the beginning of each session, with its row
        self.on_begin: Callable[[int], None] = _nothing
        self.rebuild()

    @property
    def due(self) -> int:
        """The instant of the next event."""
        return self._queue[0][0] if self._queue else NEVER

    def run(self, to: int) -> None:
        """Let everything happen that is due up to ``to``, included."""
        queue = self._queue
        while queue and queue[0][0] <= to:
            self._happen(*heappop(queue))
            queue = self._queue

    def rebuild(self) -> None:
        """Work every event out anew: after the tape, the hours or prices changed."""
        self._queue.clear()
        self._next.clear()
        for row, begin in enumerate(self._hours.pre):
            if begin > self._state.now:
                self._queue.append((begin, _BEGIN, "", row, ""))
        for row, end in enumerate(self._hours.close):
            if end > self._state.now:
                self._queue.append((end, _END, "", row, ""))
        heapify(self._queue)
        for orders in self._state.live.values():
            for order in orders.values():
                self.schedule(order)

    def close_early(self, end: int) -> None:
        """End the running session at ``end``, with the orders that are good until its close.

        Raises:
            ValueError: ``end`` is past, or not in a session.
        """
        window = self._hours.window(end, extended=False)
        if window is None or end <= self._state.now:
            raise ValueError(f"{instant(end).isoformat()} is not in the rest of a session")
        row = self._hours.open.index(window[0])
        self._hours.close_early(row, end)
        self._state.closes[self._hours.sessions[row].day] = end
        self._state.moved = True
        for order in [order for orders in self._state.live.values() for order in orders.values()]:
            if order.expires_at == instant(window[1]):
                order.expires_at = instant(end)
                self._state.touch(order)
        self.rebuild()

    def schedule(self, order: OrderRecord) -> None:
        """Put a live order's expiry and its next event into the queue."""
        if order.expires_at is not None:
            heappush(self._queue, (micros(order.expires_at), _EXPIRE, order.symbol, order.seq, order.id))
        if not order.is_armed:
            return
        if order.status in PENDING:
            self._push(order, order.watch_from, 0.0)
        else:
            self._watch(order)

    def _watch(self, order: OrderRecord) -> None:
        found = self._market.series[order.symbol].find(self._market.want(order), order.watch_from, self._hours)
        if found is None:
            self._next.pop(order.id, None)
        else:
            self._push(order, *found)

    def _watch_from(self, order: OrderRecord, at: int) -> None:
        order.watch_from = at
        self._state.touch(order)
        self._watch(order)

    def _push(self, order: OrderRecord, at: int, price: float) -> None:
        self._next[order.id] = (at, price)
        heappush(self._queue, (at, _ORDER, order.symbol, order.seq, order.id))

    # -- events ------------------------------------------------------------------------------------------------------
    def _happen(self, at: int, kind: int, _symbol: str, row: int, order_id: str) -> None:
        self._state.now = max(at, self._state.now)
        if kind == _BEGIN:
            self._begin(row)
        elif kind == _END:
            self._end(row)
        elif kind == _EXPIRE:
            self._expire(self._state.orders[order_id], at)
        else:
            self._turn(self._state.orders[order_id], at)

    def _begin(self, row: int) -> None:
        self._state.last_equity = self._state.close_equity
        self._state.moved = True
        self.on_begin(row)

    def _end(self, row: int) -> None:
        book_fees(self._state, self._settings, self._hours.sessions[row].day)
        self._state.close_equity = equity(self._state, self._market, self._state.now)
        self._state.moved = True

    def _expire(self, order: OrderRecord, at: int) -> None:
        if not order.is_live or order.expires_at is None or micros(order.expires_at) != at:
            return
        if order.time_in_force == "gtc":
            self.cancel(order)
        else:
            order.expired_at = instant(at)
            self._finish(order, "expired")

    def _turn(self, order: OrderRecord, at: int) -> None:
        moment = self._next.get(order.id)
        if moment is None or moment[0] != at or not order.is_live:
            return
        if order.status in PENDING:
            self._arrive(order, at)
        else:
            self._match(order, at, moment[1])

    # -- an order's life ---------------------------------------------------------------------------------------------
    def _arrive(self, order: OrderRecord, at: int) -> None:
        if order.doomed:
            order.failed_at = instant(self._state.now)
            self._finish(order, "rejected")
            self._cancel_all(self._state.legs(order))
            return
        order.status = "new"
        order.updated_at = instant(self._state.now)
        if order.order_class == "oco":
            self._arm(order, at)
        self._watch_from(order, at)

    def _arm(self, parent: OrderRecord, at: int) -> None:
        """Wake the legs. Of a pair the stop stays ``held`` for the eyes, as at Alpaca, and is watched all the same.

        Shares that were sold, or are held by other orders, since a part of the entry was filled, are not covered twice.
        """
        legs = [leg for leg in self._state.legs(parent) if leg.is_live]
        free = None if parent.order_class == "oco" else self._state.available(parent.symbol)
        for leg in legs:
            if free is not None and leg.qty is not None:
                leg.qty = min(leg.qty, free.quantize(ONE, ROUND_FLOOR))
            if leg.leaves <= 0:
                self.cancel(leg)
                continue
            leg.watch_from = at
            leg.updated_at = instant(self._state.now)
            if leg.stop_price is None or (len(legs) == 1 and parent.order_class == "oto"):
                leg.status = "new"
            self._state.touch(leg)
            self.schedule(leg)

    def _match(self, order: OrderRecord, at: int, mid: float) -> None:
        series = self._market.series[order.symbol]
        row = series.row(at)
        next_bar = series.starts[row] + series.span
        if order.symbol in self._state.halted or self._market.halted(order.symbol, at):
            self._watch_from(order, next_bar)
            return
        if order.stop_price is not None and not order.triggered:
            self._trigger(order)
            if order.limit_price is not None:
                self._watch_from(order, at)
                return
        self._fill(order, row, mid)
        if order.is_live:
            self._watch_from(order, next_bar)

    def _trigger(self, order: OrderRecord) -> None:
        order.triggered = True
        order.updated_at = instant(self._state.now)
        if order.status == "held":
            order.status = "new"
        self._state.touch(order)

    def _fill(self, order: OrderRecord, row: int, mid: float) -> None:
        """Take what the bar's volume allows; the rest waits for the next bar."""
        bar = self._market.series[order.symbol].starts[row]
        budget = self._market.budget(order.symbol, row)
        taken = self._state.taken.get(order.symbol, (0, ZERO))
        used = taken[1] if taken[0] == bar else ZERO
        room = self._limited(order, budget - used)
        if room <= 0:
            return
        qty, price, done = self._execution(order, mid, room, budget)
        if qty <= 0:
            return
        self._state.taken[order.symbol] = (bar, used + qty)
        book_fill(self._state, self._settings, order, qty, price, done)
        self._after_fill(order, qty)

    def _execution(
        self, order: OrderRecord, mid: float, room: Decimal, budget: Decimal
    ) -> tuple[Decimal, Decimal, bool]:
        """Return quantity, price and whether the order is complete with it."""
        if order.qty is not None:
            qty = min(order.leaves, room)
            if order.qty == order.qty.to_integral_value():
                qty = qty.quantize(ONE, ROUND_FLOOR)
            return qty, self._market.execution_price(order, mid, qty, budget), qty == order.leaves
        return self._by_notional(order, mid, room, budget)

    def _by_notional(
        self, order: OrderRecord, mid: float, room: Decimal, budget: Decimal
    ) -> tuple[Decimal, Decimal, bool]:
        money = (order.notional or ZERO) - order.filled_value
        rough = min(room, money / Decimal(repr(mid)))
        price = self._market.execution_price(order, mid, rough, budget)
        wanted = (money / price).quantize(NANO, ROUND_FLOOR)
        if order.side == "sell":
            stake = self._state.stakes.get(order.symbol)
            others = self._state.held_back(order.symbol) - order.estimate
            wanted = min(wanted, (stake.qty if stake else ZERO) - others)
        qty = min(wanted, room)
        return qty, price, qty == wanted

    def _limited(self, order: OrderRecord, room: Decimal) -> Decimal:
        """Apply the next partial fill on demand, if it is for this symbol."""
        for number, (symbol, fraction) in enumerate(self._state.partials):
            if symbol in (None, order.symbol) and room > 0:
                del self._state.partials[number]
                share = (order.leaves if order.qty is not None else room) * fraction
                return min(room, max(share.quantize(ONE, ROUND_FLOOR), ONE))
        return room

    def _after_fill(self, order: OrderRecord, qty: Decimal) -> None:
        if order.qty is None:
            order.estimate = max(order.estimate - qty, ZERO)
        if order.status == "filled" and order.order_class in ("bracket", "oto") and order.parent_id is None:
            self._arm(order, self._state.now)
        for partner in self._state.partners(order):
            self._make_room(partner, order, qty)

    def _make_room(self, partner: OrderRecord, order: OrderRecord, qty: Decimal) -> None:
        """One of a pair was filled: the other shrinks by as much, and ends when nothing is left or a stop ran off."""
        at_market = order.triggered and order.limit_price is None
        if partner.qty is None or order.status == "filled" or at_market or partner.leaves <= qty:
            self.cancel(partner)
            return
        partner.qty -= qty
        partner.updated_at = instant(self._state.now)
        self._state.touch(partner)

    def cancel(self, order: OrderRecord) -> None:
        """End a live order as canceled, at the clock."""
        order.canceled_at = instant(self._state.now)
        self._finish(order, "canceled")

    def _cancel_all(self, orders: list[OrderRecord]) -> None:
        for order in orders:
            if order.is_live:
                self.cancel(order)

    def _finish(self, order: OrderRecord, status: str) -> None:
        order.status = status
        order.updated_at = instant(self._state.now)
        self._next.pop(order.id, None)
        self._state.touch(order)
