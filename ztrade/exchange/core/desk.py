"""The order desk: takes, replaces and cancels orders, and checks them against money and shares.

Long only: nothing is sold short. Of a pair (bracket's legs, OCO) the shares are held once. A buy reserves its worst
price: its limit, or ask or stop plus a collar. An order whose opposite rests is a potential wash trade and refused,
unless it is a complex order itself; two limit orders that cannot meet may rest together. A taken client_order_id is
refused before money and shares are looked at, so that sending an order twice always says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import ROUND_FLOOR, Decimal
from uuid import uuid5

from ztrade.exchange.core.hours import Hours, instant
from ztrade.exchange.core.ledger import long_value
from ztrade.exchange.core.market import ONE, Market
from ztrade.exchange.core.matcher import NANO, PENDING, Matcher
from ztrade.exchange.core.records import NAMESPACE, ZERO, Asset, OrderRecord, OrderSpec, cents, money_text
from ztrade.exchange.core.refusal import forbidden, invalid, malformed, missing
from ztrade.exchange.core.rules import check_asset, check_base, check_shape
from ztrade.exchange.core.settings import Settings
from ztrade.exchange.core.state import State, reserve_of


class Desk:
    """Where orders come in."""

    def __init__(
        self,
        state: State,
        market: Market,
        hours: Hours,
        settings: Settings,
        matcher: Matcher,
        assets: Mapping[str, Asset],
    ) -> None:
        self._state, self._market, self._hours, self._settings = state, market, hours, settings
        self._matcher, self._assets = matcher, assets

    # -- taking ------------------------------------------------------------------------------------------------------
    def submit(self, spec: OrderSpec) -> OrderRecord:
        """Take an order with its legs, or raise Refusal; nothing is changed by a refusal."""
        if spec.order_class == "simple":
            spec = replace(spec, order_class="")
        check_shape(spec)
        check_asset(spec, self._assets.get(spec.symbol))
        self._check_new_id(spec.client_order_id)
        self._check_price(spec)
        order = self._draft(spec)
        self._check_wash(order, ())
        self._check_funds(order, ())
        self._enter(order, [*self._legs(spec, order)])
        return order

    def _enter(self, order: OrderRecord, legs: list[OrderRecord]) -> None:
        order.doomed = self._doom(order.symbol)
        order.leg_ids = tuple(leg.id for leg in legs)
        for entry in (order, *legs):
            self._state.add(entry)
            self._matcher.schedule(entry)

    def _doom(self, symbol: str) -> str:
        for number, (wanted, reason) in enumerate(self._state.rejects):
            if wanted in (None, symbol):
                del self._state.rejects[number]
                return reason
        return ""

    def _draft(self, spec: OrderSpec) -> OrderRecord:
        """Return the order as it will enter; the state is not touched but for the symbol's count."""
        now = instant(self._state.now)
        number = self._state.counts.get(spec.symbol, 0) + 1
        seed = f"{spec.symbol}:{number}" if spec.client_order_id is None else f"client:{spec.client_order_id}"
        order_id = self._id(seed)
        limit = spec.take_profit if spec.order_class == "oco" else spec.limit_price
        order = OrderRecord(
            id=order_id,
            client_order_id=spec.client_order_id or self._id(f"auto:{order_id}"),
            symbol=spec.symbol,
            side=spec.side,
            type=spec.type,
            order_class=spec.order_class,
            time_in_force=spec.time_in_force,
            status="pending_new",
            qty=spec.qty,
            notional=spec.notional,
            limit_price=limit,
            stop_price=spec.stop_price,
            extended_hours=spec.extended_hours,
            created_at=now,
            updated_at=now,
            submitted_at=now,
            seq=number,
        )
        self._place_in_time(order)
        self._price(order)
        return order

    def _id(self, seed: str) -> str:
        return str(uuid5(NAMESPACE, f"{self._settings.account}:{seed}"))

    def _place_in_time(self, order: OrderRecord) -> None:
        """Set when the order reaches the book, when it ends, and whether it waits for a session."""
        now, extended = self._state.now, order.extended_hours
        arrival = now + self._settings.latency // _MICRO
        row = self._hours.serving(now, extended)
        begins, ends = (self._hours.pre, self._hours.post) if extended else (self._hours.open, self._hours.close)
        order.status = "pending_new" if self._hours.window(now, extended) else "accepted"
        order.watch_from = arrival if row is None else max(arrival, begins[row])
        order.expires_at = None
        if order.time_in_force == "gtc":
            row = self._hours.serving(now + self._settings.gtc_life // _MICRO, extended=False)
        if row is not None:
            order.expires_at = instant(ends[row])

    def _price(self, order: OrderRecord) -> None:
        """Set what an open buy reserves per share, and the shares that a sell by notional holds back."""
        if order.side == "buy" and order.limit_price is not None:
            order.reserve_price = order.limit_price
        elif order.side == "buy" and order.notional is None:
            base = order.stop_price or self._market.quote(order.symbol, self._state.now).ask
            order.reserve_price = base * (
                ONE + (self._settings.collar if base >= 50 else self._settings.collar_under_50)
            )
        elif order.notional is not None:
            quote = self._market.quote(order.symbol, self._state.now)
            if order.side == "sell":
                order.estimate = (order.notional / quote.bid).quantize(NANO)

    def _legs(self, spec: OrderSpec, parent: OrderRecord) -> Iterable[OrderRecord]:
        if spec.order_class in ("bracket", "oto") and spec.take_profit is not None:
            yield self._leg(parent, "target", 1, "limit", spec.take_profit, None)
        if spec.stop_loss is not None:
            kind = "stop" if spec.stop_loss_limit is None else "stop_limit"
            yield self._leg(parent, "stop", 2, kind, spec.stop_loss_limit, spec.stop_loss)
        self._state.counts[spec.symbol] = parent.seq + (2 if spec.order_class else 0)

    def _leg(
        self, parent: OrderRecord, name: str, number: int, kind: str, limit: Decimal | None, stop: Decimal | None
    ) -> OrderRecord:
        leg_id = self._id(f"{parent.id}:{name}")
        return OrderRecord(
            id=leg_id,
            client_order_id=self._id(f"auto:{leg_id}"),
            symbol=parent.symbol,
            side="sell",
            type=kind,
            order_class=parent.order_class,
            time_in_force=parent.time_in_force,
            status="held",
            qty=parent.qty,
            limit_price=limit,
            stop_price=stop,
            created_at=parent.created_at,
            updated_at=parent.created_at,
            submitted_at=parent.created_at,
            expires_at=parent.expires_at,
            parent_id=parent.id,
            seq=parent.seq + number,
        )

    # -- checks ------------------------------------------------------------------------------------------------------
    def _check_new_id(self, client_order_id: str | None) -> None:
        if client_order_id is not None and client_order_id in self._state.by_client:
            raise malformed("client_order_id must be unique")

    def _check_price(self, spec: OrderSpec) -> None:
        """Refuse what needs the market's price where there is none yet, and legs too near to it."""
        if not spec.order_class and spec.type != "market":
            return
        if self._market.price(spec.symbol, self._state.now) is None:
            raise invalid(f'no market price for asset "{spec.symbol}" yet')
        if spec.order_class:
            check_base(spec, self._market.trade(spec.symbol, self._state.now).price)

    def _check_wash(self, order: OrderRecord, leaving: tuple[OrderRecord, ...]) -> None:
        if order.order_class:
            return
        for other in self._state.live.get(order.symbol, {}).values():
            if other.side == order.side or not other.is_armed or other in leaving:
                continue
            reason = _clash(order, other)
            if reason:
                raise forbidden(
                    "potential wash trade detected. use complex orders",
                    {"existing_order_id": other.id, "reject_reason": reason},
                )

    def _check_funds(self, order: OrderRecord, leaving: tuple[OrderRecord, ...]) -> None:
        if order.side == "sell":
            self._check_shares(order, leaving)
            return
        freed = sum((reserve_of(other) for other in leaving if other.side == "buy"), ZERO)
        cost, power = reserve_of(order), self.buying_power() + freed
        if cost > power:
            extra = {"buying_power": money_text(_down(power)), "cost_basis": money_text(cents(cost))}
            raise forbidden("insufficient buying power", extra)

    def _check_shares(self, order: OrderRecord, leaving: tuple[OrderRecord, ...]) -> None:
        stake = self._state.stakes.get(order.symbol)
        if stake is None:
            raise invalid(f'asset "{order.symbol}" cannot be sold short')
        wanted = order.estimate if order.qty is None else order.leaves
        pairs = {other.parent_id or other.id: other.leaves for other in leaving}
        held = self._state.held_back(order.symbol) - sum(pairs.values(), ZERO)
        available = max(stake.qty - held, ZERO)
        if wanted > available:
            raise forbidden(
                f"insufficient qty available for order (requested: {money_text(wanted)}, "
                f"available: {money_text(available)})",
                {
                    "available": money_text(available),
                    "existing_qty": money_text(stake.qty),
                    "held_for_orders": money_text(held),
                    "symbol": order.symbol,
                },
            )

    def buying_power(self) -> Decimal:
        """Return what new buys may cost: multiplier x equity - long market value - reserves, at least zero."""
        value = long_value(self._state, self._market, self._state.now) if self._settings.multiplier != 1 else ZERO
        margin = self._settings.multiplier * (self._state.cash + value) - value
        return max(margin - self._state.reserved(), ZERO)

    # -- cancelling --------------------------------------------------------------------------------------------------
    def cancel(self, order: OrderRecord) -> None:
        """Cancel an order and everything that hangs on it, or raise Refusal 422 where nothing of it is live."""
        if not order.is_live and not any(leg.is_live for leg in self._state.legs(order)):
            raise invalid(f'order is already in "{order.status}" state')
        for member in self._state.group(order):
            if member.is_live:
                self._matcher.cancel(member)

    # -- replacing ---------------------------------------------------------------------------------------------------
    def replace(
        self,
        old: OrderRecord,
        *,
        qty: Decimal | None,
        limit_price: Decimal | None,
        stop_price: Decimal | None,
        time_in_force: str | None,
        client_order_id: str | None,
    ) -> OrderRecord:
        """Put a new order in the old one's place, or raise Refusal.

        ``qty`` is the total wished for, what the old order has filled included: the new order is for the rest.
        """
        self._check_replaceable(old, qty, time_in_force)
        spec = OrderSpec(
            symbol=old.symbol,
            side=old.side,
            type=old.type,
            qty=(qty if qty is not None else old.qty or ZERO) - old.filled_qty,
            time_in_force=time_in_force or old.time_in_force,
            limit_price=_newer(limit_price, old.limit_price),
            stop_price=_newer(stop_price, old.stop_price),
            client_order_id=client_order_id or self._id(f"replaces:{old.id}"),
            extended_hours=old.extended_hours,
        )
        check_shape(spec)
        self._check_new_id(spec.client_order_id)
        new = self._draft(spec)
        self._inherit(new, old)
        self._check_wash(new, (old, *self._state.partners(old)))
        if new.is_armed:
            self._check_funds(new, (old, *self._state.partners(old)))
        self._swap(old, new)
        return new

    def _check_replaceable(self, old: OrderRecord, qty: Decimal | None, time_in_force: str | None) -> None:
        if not old.is_live:
            raise invalid(f'order is already in "{old.status}" state')
        if old.status in PENDING or (old.status == "held" and not old.is_armed):
            raise invalid(f"unable to replace order, order status is {old.status}")
        if old.qty is None:
            raise invalid("notional orders cannot be replaced")
        if qty is not None and qty <= old.filled_qty:
            raise invalid("qty must be greater than the quantity already filled")
        if old.order_class and (qty not in (None, old.qty) or time_in_force not in (None, old.time_in_force)):
            raise invalid("only prices of complex orders can be replaced")

    def _inherit(self, new: OrderRecord, old: OrderRecord) -> None:
        """Give the new order the old one's place in its group and in time."""
        new.replaces, new.order_class, new.parent_id = old.id, old.order_class, old.parent_id
        new.leg_ids = old.leg_ids
        if old.order_class:
            new.expires_at = old.expires_at
        if old.triggered:
            new.triggered = True
        if old.status == "held":
            new.status = "held"

    def _swap(self, old: OrderRecord, new: OrderRecord) -> None:
        now = instant(self._state.now)
        self._state.counts[new.symbol] = new.seq
        old.status, old.replaced_by, old.replaced_at, old.updated_at = "replaced", new.id, now, now
        self._state.touch(old)
        for leg in self._state.legs(new):
            leg.parent_id = new.id
            self._state.touch(leg)
        if old.parent_id is not None:
            parent = self._state.orders[old.parent_id]
            parent.leg_ids = tuple(new.id if leg == old.id else leg for leg in parent.leg_ids)
            self._state.touch(parent)
        self._state.add(new)
        self._matcher.schedule(new)

    # -- closing -----------------------------------------------------------------------------------------------------
    def closing_spec(self, symbol: str, qty: Decimal | None, percentage: Decimal | None) -> OrderSpec:
        """Return the market order that sells a position or a part of it, or raise Refusal."""
        stake = self._state.stakes.get(symbol)
        if stake is None:
            raise missing("position does not exist")
        if qty is not None and percentage is not None:
            raise malformed("qty and percentage are mutually exclusive")
        if percentage is not None:
            if not percentage.is_finite() or not 0 < percentage <= 100:
                raise malformed("percentage must be between 0 and 100")
            unit = ONE if stake.qty == stake.qty.to_integral_value() else NANO
            qty = (stake.qty * percentage / 100).quantize(unit, ROUND_FLOOR)
        return OrderSpec(symbol=symbol, side="sell", qty=stake.qty if qty is None else qty)


_MICRO = timedelta(microseconds=1)


def _newer(new: Decimal | None, old: Decimal | None) -> Decimal | None:
    return old if new is None else new


def _down(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), ROUND_FLOOR)


def _clash(order: OrderRecord, other: OrderRecord) -> str:
    """Return Alpaca's reason why two opposite orders might trade with each other, empty where they cannot."""
    if other.type != "limit":
        return "opposite side market/stop order exists"
    buy, sell = (order, other) if order.side == "buy" else (other, order)
    if order.type == "limit" and buy.limit_price is not None and sell.limit_price is not None:
        return "opposite side limit order exists" if buy.limit_price >= sell.limit_price else ""
    return "opposite side limit order exists"
