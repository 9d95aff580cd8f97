"""The engine: one account at one exchange. See the package's docstring for the rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from ztrade.domain.schedule import Session
from ztrade.domain.types import Bars, NewsItem
from ztrade.exchange.core.codec import activity_row, meta_row, order_row, state_of
from ztrade.exchange.core.corporate import Corporate
from ztrade.exchange.core.desk import Desk
from ztrade.exchange.core.hours import Hours, instant, micros
from ztrade.exchange.core.ledger import book_entry, new_york_day
from ztrade.exchange.core.market import Market
from ztrade.exchange.core.matcher import Matcher
from ztrade.exchange.core.records import (
    AccountView,
    ActivityRecord,
    Asset,
    Changes,
    ClockView,
    Closing,
    OrderRecord,
    OrderSpec,
    PositionView,
    QuoteView,
    TradeView,
    cents,
)
from ztrade.exchange.core.refusal import Refusal, forbidden, malformed, missing
from ztrade.exchange.core.settings import Settings
from ztrade.exchange.core.state import Pending, State
from ztrade.exchange.core.views import (
    Stories,
    account_view,
    clock_view,
    list_entries,
    list_orders,
    position_view,
    submitted_between,
)
from ztrade.exchange.tape import Tape


class Engine:
    """Orders, positions and cash of one account, on one tape, at one clock.

    Args:
        tape: bars and news; ``refresh_tape`` after it has grown.
        sessions: the calendar's sessions in order, covering the tape.
        now: where the clock begins, aware.
        cash: dollars at the beginning.
        settings: how to fill and charge.
        assets: what may be traded; every symbol of the tape, fractionable, where None.
    """

    def __init__(
        self,
        tape: Tape,
        sessions: Sequence[Session],
        *,
        now: datetime,
        cash: Decimal,
        settings: Settings | None = None,
        assets: Iterable[Asset] | None = None,
    ) -> None:
        hours = Hours(sessions)
        begin = micros(now)
        self._setup(tape, hours, State(begin, begin, cash, cash, cash), settings or Settings(), assets)

    def _setup(
        self, tape: Tape, hours: Hours, state: State, settings: Settings, assets: Iterable[Asset] | None
    ) -> None:
        self._tape, self._state, self._hours, self._settings = tape, state, hours, settings
        self._market = Market(tape, hours, settings)
        for rescale in state.rescales:
            self._market.rescale(rescale)
        known = assets if assets is not None else (Asset(symbol, symbol) for symbol in self._market.symbols())
        self._assets = {asset.symbol: asset for asset in known if asset.symbol in self._market.series}
        for day, at in state.closes.items():
            row = hours.row_of(day)
            if row is not None and hours.sessions[row].day == day:
                hours.close_early(row, at)
        self._matcher = Matcher(state, self._market, hours, settings)
        self._desk = Desk(state, self._market, hours, settings, self._matcher, self._assets)
        self._corporate = Corporate(state, self._market, hours, settings, self._matcher)
        self._matcher.on_begin = self._corporate.begin
        self._news: Stories | None = None

    # -- time --------------------------------------------------------------------------------------------------------
    @property
    def now(self) -> datetime:
        """The clock, aware UTC."""
        return instant(self._state.now)

    def advance(self, to: datetime) -> None:
        """Move the clock; everything due up to ``to`` (included) happens. An earlier ``to`` raises ValueError."""
        at = micros(to)
        if at < self._state.now:
            raise ValueError(f"the clock is at {self.now.isoformat()} and does not go back to {to.isoformat()}")
        if at >= self._matcher.due:
            self._matcher.run(at)
        self._state.now = at

    def clock(self) -> ClockView:
        return clock_view(self._state.now, self._hours)

    def sessions(self) -> Sequence[Session]:
        """Return the calendar with today's overrides (early close) in it."""
        return self._hours.sessions

    # -- orders ------------------------------------------------------------------------------------------------------
    def submit(self, spec: OrderSpec) -> OrderRecord:
        """Take an order, or raise Refusal."""
        return self._desk.submit(spec)

    def replace(
        self,
        order_id: str,
        *,
        qty: Decimal | None = None,
        limit_price: Decimal | None = None,
        stop_price: Decimal | None = None,
        time_in_force: str | None = None,
        client_order_id: str | None = None,
    ) -> OrderRecord:
        """Replace a resting order by a new one and return that, or raise Refusal."""
        return self._desk.replace(
            self.order(order_id),
            qty=qty,
            limit_price=limit_price,
            stop_price=stop_price,
            time_in_force=time_in_force,
            client_order_id=client_order_id,
        )

    def cancel(self, order_id: str) -> None:
        """Cancel a live order (and what hangs on it) at once; Refusal 404 unknown, 422 final."""
        self._desk.cancel(self.order(order_id))

    def cancel_all(self) -> list[OrderRecord]:
        """Cancel every live order and return the cancelled top-level ones."""
        cancelled = self.orders(status="open")
        for order in cancelled:
            self._desk.cancel(order)
        return cancelled

    def order(self, order_id: str) -> OrderRecord:
        """Return one order, or raise Refusal 404."""
        found = self._state.orders.get(order_id)
        if found is None:
            raise missing(f"order not found for {order_id}")
        return found

    def order_by_client_id(self, client_order_id: str) -> OrderRecord:
        """Return one order, or raise Refusal 404."""
        found = self._state.by_client.get(client_order_id)
        if found is None:
            raise missing(f"order not found for {client_order_id}")
        return self._state.orders[found]

    def legs(self, order: OrderRecord) -> list[OrderRecord]:
        """Return the order's legs, target before stop."""
        return self._state.legs(order)

    def orders(
        self,
        *,
        status: str = "all",
        symbols: Iterable[str] | None = None,
        side: str | None = None,
        after: datetime | None = None,
        until: datetime | None = None,
        top_level: bool = True,
    ) -> list[OrderRecord]:
        """Return orders, oldest first; ``status`` open, closed or all; ``after``, ``until`` exclusive, on submitted_at.

        With ``top_level`` (Alpaca's ``nested``) legs are left out, and an order counts as open while one of its legs
        is; without it legs are listed as orders of their own.
        """
        wanted = None if symbols is None else frozenset(symbols)
        return [
            order
            for order in submitted_between(list_orders(self._state, status, top_level), after, until)
            if (wanted is None or order.symbol in wanted) and (side is None or order.side == side)
        ]

    # -- positions and money -----------------------------------------------------------------------------------------
    def positions(self) -> list[PositionView]:
        """Return open positions, sorted by symbol."""
        return [position_view(self._state, self._market, symbol) for symbol in sorted(self._state.stakes)]

    def position(self, symbol: str) -> PositionView:
        """Return one position, or raise Refusal 404 ``position does not exist``."""
        if symbol not in self._state.stakes:
            raise missing("position does not exist")
        return position_view(self._state, self._market, symbol)

    def close_position(
        self, symbol: str, *, qty: Decimal | None = None, percentage: Decimal | None = None
    ) -> OrderRecord:
        """Sell a position (or a part) at market; resting sells that hold the shares refuse it, as at Alpaca."""
        return self._desk.submit(self._desk.closing_spec(symbol, qty, percentage))

    def close_all(self, *, cancel_orders: bool = False) -> list[Closing]:
        """Sell every position at market, one result each."""
        if cancel_orders:
            self.cancel_all()
        return [self._closing(symbol) for symbol in sorted(self._state.stakes)]

    def _closing(self, symbol: str) -> Closing:
        try:
            return Closing(symbol, 200, order=self.close_position(symbol))
        except Refusal as refusal:
            return Closing(symbol, refusal.status, refusal=refusal.body())

    def account(self) -> AccountView:
        return account_view(self._state, self._market, self._settings)

    def activities(
        self,
        *,
        types: Iterable[str] | None = None,
        after: datetime | None = None,
        until: datetime | None = None,
        order_id: str | None = None,
    ) -> list[ActivityRecord]:
        """Return entries of the account book, oldest first; ``after`` and ``until`` exclusive."""
        return list_entries(self._state, types, after, until, order_id)

    # -- prices ------------------------------------------------------------------------------------------------------
    def assets(self) -> list[Asset]:
        """Return what can be traded, sorted by symbol."""
        return [self._assets[symbol] for symbol in sorted(self._assets)]

    def asset(self, symbol_or_id: str) -> Asset:
        """Return one asset, or raise Refusal 404."""
        for asset in self._assets.values():
            if symbol_or_id in (asset.symbol, asset.id):
                return asset
        raise missing(f"asset not found for {symbol_or_id}")

    def quote(self, symbol: str) -> QuoteView:
        """Return bid and ask now, or raise Refusal 404 where there is no price yet."""
        return self._market.quote(symbol, self._state.now)

    def last_trade(self, symbol: str) -> TradeView:
        """Return the last price, or raise Refusal 404 where there is none yet."""
        return self._market.trade(symbol, self._state.now)

    def bars(self, symbol: str, start: datetime, end: datetime) -> Bars:
        """Return the bars that begin in [start, end) and are complete by now, at the tape's span, as views.

        Raises Refusal 404 for an unknown symbol.
        """
        self.tape_bars(symbol)
        return self._market.series[symbol].complete(micros(start), micros(end), self._state.now)

    def tape_bars(self, symbol: str) -> Bars:
        """Return all bars, past and future, or raise Refusal 404: for views that cut at the clock themselves."""
        if symbol not in self._market.series:
            raise missing(f"asset not found for {symbol}")
        return self._market.series[symbol].bars

    def news(self, start: datetime, end: datetime, symbols: Iterable[str] | None = None) -> list[NewsItem]:
        """Return stories published in [start, end) and not later than now, oldest first."""
        if self._news is None:
            self._news = Stories(self._tape.news())
        return self._news.between(start, end, self.now, symbols)

    # -- corporate actions and cash ----------------------------------------------------------------------------------
    def split(
        self,
        symbol: str,
        ratio_new: Decimal,
        ratio_old: Decimal,
        ex_date: date | None = None,
        *,
        scale_prices: bool = False,
    ) -> None:
        """Split the stock before ``ex_date``'s session (now where None).

        Prices on the tape from then on are already in new terms; with ``scale_prices`` the engine scales them itself.
        """
        self._known(symbol)
        if not (ratio_new.is_finite() and ratio_old.is_finite() and ratio_new > 0 and ratio_old > 0):
            raise ValueError(f"a split is of positive numbers of shares, not {ratio_new} for {ratio_old}")
        day = ex_date or new_york_day(self._state.now)
        self._corporate.plan(Pending("split", symbol, day, ratio_new / ratio_old, scale_prices), ex_date)

    def dividend(self, symbol: str, per_share: Decimal, ex_date: date | None = None) -> None:
        """Pay a dividend on the shares held before ``ex_date``'s session (now where None)."""
        self._known(symbol)
        if not per_share.is_finite() or per_share <= 0:
            raise ValueError(f"a dividend is a positive amount per share, not {per_share}")
        day = ex_date or new_york_day(self._state.now)
        self._corporate.plan(Pending("dividend", symbol, day, per_share), ex_date)

    def _known(self, symbol: str) -> None:
        if symbol not in self._market.series:
            raise ValueError(f"{symbol} is not on the tape")

    def cash_transfer(self, amount: Decimal, *, kind: str | None = None, description: str = "") -> ActivityRecord:
        """Book money in (CSD) or out (CSW), or as ``kind`` (JNLC); Refusal 403 where the cash is not there."""
        if not amount.is_finite() or amount == 0 or amount != cents(amount):
            raise malformed("amount must be dollars and cents, and not zero")
        if self._state.cash + amount < 0:
            raise forbidden("insufficient balance")
        kind = kind or ("CSD" if amount > 0 else "CSW")
        return book_entry(self._state, self._settings, kind, amount, description=description)

    # -- faults on demand --------------------------------------------------------------------------------------------
    def force_partial_fill(self, fraction: Decimal, symbol: str | None = None) -> None:
        """Let the next fill (of the symbol) take only this fraction of what is left of the order, for one bar."""
        if not 0 < fraction < 1:
            raise ValueError(f"a part of an order is between 0 and 1, not {fraction}")
        self._state.partials.append((symbol, fraction))
        self._state.moved = True

    def reject_next_order(self, reason: str = "rejected on demand", symbol: str | None = None) -> None:
        """Accept the next order (of the symbol), then let it end as ``rejected`` on arrival."""
        self._state.rejects.append((symbol, reason or "rejected on demand"))
        self._state.moved = True

    def close_early(self, at: datetime) -> None:
        """End today's session at ``at``. Raises ValueError where that is past or in no session."""
        self._matcher.close_early(micros(at))

    def halt(self, symbol: str) -> None:
        """Stop trading in a symbol: nothing fills until ``resume``."""
        self._known(symbol)
        self._state.halted.add(symbol)
        self._state.moved = True

    def resume(self, symbol: str) -> None:
        """End a halt made by :meth:`halt`."""
        self._state.halted.discard(symbol)
        self._state.moved = True

    def is_halted(self, symbol: str) -> bool:
        """Tell whether the symbol is halted now, by the tape or by :meth:`halt`."""
        self._known(symbol)
        return symbol in self._state.halted or self._market.halted(symbol, self._state.now)

    def refresh_tape(self) -> None:
        """Take notice that the tape has grown (a live feed)."""
        self._news = None
        self._market.refresh()
        self._matcher.rebuild()

    # -- persistence -------------------------------------------------------------------------------------------------
    def drain_changes(self) -> Changes:
        """Return what changed since the last call; empty (false) where nothing did."""
        state = self._state
        if not state.moved and not state.dirty and state.drained == len(state.activities):
            return Changes()
        changes = Changes(
            {order_id: order_row(state.orders[order_id]) for order_id in state.dirty},
            tuple(activity_row(entry) for entry in state.activities[state.drained :]),
            meta_row(state),
        )
        state.dirty.clear()
        state.drained, state.moved = len(state.activities), False
        return changes

    def snapshot(self) -> dict[str, object]:
        """Return the whole state, JSON-able: ``{"orders": {...}, "activities": [...], "meta": {...}}``."""
        state = self._state
        return {
            "orders": {order.id: order_row(order) for order in state.orders.values()},
            "activities": [activity_row(entry) for entry in state.activities],
            "meta": meta_row(state),
        }

    @classmethod
    def restore(
        cls,
        tape: Tape,
        sessions: Sequence[Session],
        state: Mapping[str, Any],
        *,
        settings: Settings | None = None,
        assets: Iterable[Asset] | None = None,
    ) -> Engine:
        """Make the engine again from a snapshot, or from drained changes put together the same way.

        Raises ValueError where the state is not one.
        """
        hours = Hours(sessions)
        known = state_of(state.get("meta", {}), state.get("orders", {}), state.get("activities", ()))
        unknown = sorted({order.symbol for order in known.orders.values()} - set(tape.symbols()))
        if unknown:
            raise ValueError(f"the exchange's state has orders in {', '.join(unknown)}, which the tape lacks")
        engine = cls.__new__(cls)
        engine._setup(tape, hours, known, settings or Settings(), assets)
        return engine
