"""Splits and dividends.

A split multiplies shares, keeps their cost, and adjusts every resting order: shares not yet filled x ratio (whole ones
where the order is in whole shares), prices / ratio, to the tick. Alpaca documents that it adjusts gtc limit orders and
leaves complex orders as they are, which would let a bracket's stop fire at the first price in new terms; here all of
them are adjusted. A fraction of a share that a reverse split leaves stays in the position. As at Alpaca a split is two
entries of the account book: all old shares go, the new ones come.
"""

from __future__ import annotations

from datetime import date
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

from ztrade.domain.types import to_price
from ztrade.exchange.core.hours import Hours, instant
from ztrade.exchange.core.ledger import book_entry
from ztrade.exchange.core.market import ONE, Market
from ztrade.exchange.core.matcher import NANO, PENDING, Matcher
from ztrade.exchange.core.records import ZERO, OrderRecord, cents, money_text
from ztrade.exchange.core.settings import Settings
from ztrade.exchange.core.state import Pending, Rescale, State


class Corporate:
    """Corporate actions: at once, or at the beginning of the session of their day."""

    def __init__(self, state: State, market: Market, hours: Hours, settings: Settings, matcher: Matcher) -> None:
        self._state, self._market, self._hours, self._settings = state, market, hours, settings
        self._matcher = matcher

    def plan(self, action: Pending, day: date | None) -> None:
        """Do the action now, or keep it for the session of ``day`` if that has not begun."""
        row = None if day is None else self._hours.row_of(day)
        if row is not None and self._hours.pre[row] > self._state.now:
            self._state.pending.append(action)
            self._state.moved = True
            return
        self._do(action)

    def begin(self, row: int) -> None:
        """Do what waited for this session."""
        day = self._hours.sessions[row].day
        due = [action for action in self._state.pending if action.day <= day]
        self._state.pending = [action for action in self._state.pending if action.day > day]
        for action in due:
            self._do(action)

    def _do(self, action: Pending) -> None:
        if action.kind == "split":
            self._split(action.symbol, action.amount, action.scale_prices)
        else:
            self._dividend(action.symbol, action.amount)

    def _dividend(self, symbol: str, per_share: Decimal) -> None:
        stake = self._state.stakes.get(symbol)
        if stake is None:
            return
        amount = cents(stake.qty * per_share)
        book_entry(
            self._state, self._settings, "DIV", amount, symbol=symbol, qty=stake.qty, per_share=per_share,
            description=f"cash dividend of {money_text(per_share)} on {money_text(stake.qty)} {symbol}",
        )  # fmt: skip

    def _split(self, symbol: str, ratio: Decimal, scale_prices: bool) -> None:
        rescale = Rescale(symbol, self._state.now, ONE / ratio, scale_prices)
        self._state.rescales.append(rescale)
        self._market.rescale(rescale)
        self._split_position(symbol, ratio)
        for order in list(self._state.live.get(symbol, {}).values()):
            self._split_order(order, ratio)
        self._state.moved = True
        self._matcher.rebuild()

    def _split_position(self, symbol: str, ratio: Decimal) -> None:
        stake = self._state.stakes.get(symbol)
        if stake is None:
            return
        old, new = stake.qty, (stake.qty * ratio).quantize(NANO, ROUND_FLOOR)
        stake.qty = new
        for word, qty in (("REMOVE", -old), ("ADD", new)):
            text = f"{word}, From QTY:{money_text(old)}, To QTY:{money_text(new)}"
            book_entry(self._state, self._settings, "SPLIT", ZERO, symbol=symbol, qty=qty, description=text)

    def _split_order(self, order: OrderRecord, ratio: Decimal) -> None:
        if order.qty is not None:
            unit = ONE if order.qty == order.qty.to_integral_value() else NANO
            order.qty = order.filled_qty + (order.leaves * ratio).quantize(unit, ROUND_FLOOR)
        order.estimate = (order.estimate * ratio).quantize(NANO, ROUND_FLOOR)
        order.limit_price = _split_price(order.limit_price, ratio)
        order.stop_price = _split_price(order.stop_price, ratio)
        order.reserve_price /= ratio
        order.updated_at = instant(self._state.now)
        if order.qty is not None and order.leaves <= 0:
            self._matcher.cancel(order)
            return
        if order.watch_from and order.status not in PENDING:
            order.watch_from = max(order.watch_from, self._state.now)
        self._state.touch(order)


def _split_price(price: Decimal | None, ratio: Decimal) -> Decimal | None:
    if price is None:
        return None
    return to_price((price / ratio).quantize(Decimal("0.000001"), ROUND_HALF_EVEN))
