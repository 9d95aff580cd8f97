"""The embedded exchange without the wire: the ports over an engine in this process, for backtests and tests.

It says what the served exchange says, refusals included, so that a backtest and a served run take the same path. The
caller moves the clock with :meth:`InProcess.advance`. Nothing here sleeps or talks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from ztrade.domain.refusals import classify
from ztrade.domain.schedule import Session
from ztrade.domain.types import (
    Account,
    Activity,
    Bars,
    ExchangeClock,
    NewsItem,
    Order,
    OrderClass,
    OrderRequest,
    OrderStatus,
    OrderType,
    Position,
    Quote,
    Side,
    TimeInForce,
)
from ztrade.errors import ExchangeUnavailable
from ztrade.exchange.core.engine import Engine
from ztrade.exchange.core.records import ZERO, ActivityRecord, OrderRecord, OrderSpec
from ztrade.exchange.core.refusal import Refusal
from ztrade.exchange.regular import RegularBars

T = TypeVar("T")
_TICK = timedelta(microseconds=1)


class InProcess:
    """:class:`~ztrade.ports.Exchange`, ``MarketData``, ``News`` and ``Clock`` over an engine.

    Args:
        engine: the exchange; others may act on it too.
        wall: where wall time comes from; the exchange's own time where None, so that nothing is ever late.
    """

    def __init__(self, engine: Engine, wall: Callable[[], datetime] | None = None) -> None:
        self.engine = engine
        self._wall = wall
        self._regular: dict[str, tuple[Sequence[Session], RegularBars]] = {}

    # -- time --------------------------------------------------------------------------------------------------------
    def now(self) -> datetime:
        """Return exchange time, aware UTC."""
        return self.engine.now

    def wall(self) -> datetime:
        """Return wall time, aware UTC."""
        return self.engine.now if self._wall is None else self._wall()

    def advance(self, to: datetime) -> None:
        """Move the exchange's clock forward to ``to``; it never goes back."""
        if to > self.engine.now:
            self.engine.advance(to)

    def clock(self) -> ExchangeClock:
        """Return the exchange's own word on the time. Raises ExchangeUnavailable after the calendar's last session."""
        view = self.engine.clock()
        if view.next_open is None or view.next_close is None:
            raise ExchangeUnavailable("the exchange's calendar ends here: it knows no next session")
        return ExchangeClock(view.now, view.is_open, view.next_open, view.next_close)

    # -- money and orders --------------------------------------------------------------------------------------------
    def account(self) -> Account:
        """Return the account's money."""
        view = self.engine.account()
        return Account(
            cash=view.cash,
            equity=view.equity,
            buying_power=view.buying_power,
            last_equity=view.last_equity,
            status=view.status,
            account_number=view.account_number,
        )

    def positions(self) -> Sequence[Position]:
        """Return the open positions, by symbol."""
        return [
            Position(
                symbol=view.symbol,
                qty=view.qty,
                avg_entry_price=view.avg_entry_price,
                market_value=view.market_value,
                current_price=view.current_price,
                qty_available=view.qty_available,
            )
            for view in self.engine.positions()
        ]

    def orders(
        self, *, open_only: bool = False, after: datetime | None = None, symbol: str | None = None
    ) -> Sequence[Order]:
        """Return top-level orders with nested legs, oldest first, submitted later than ``after``.

        Among open orders a filled bracket's target stands for itself, as Alpaca lists it.
        """
        rows = self.engine.orders(
            status="open" if open_only else "all",
            symbols=None if symbol is None else [symbol],
            after=after,
            top_level=False,
        )
        listed = {row.id for row in rows}
        return [
            self._order(row)
            for row in rows
            if row.parent_id not in listed and (row.parent_id is None or row.status != "held")
        ]

    def order(self, order_id: str) -> Order:
        """Return one order, with its legs, by the exchange's id. Raises NotFound."""
        return self._order(_asked(lambda: self.engine.order(order_id)))

    def order_by_client_id(self, client_order_id: str) -> Order:
        """Return one order, with its legs, by our id. Raises NotFound."""
        return self._order(_asked(lambda: self.engine.order_by_client_id(client_order_id)))

    def submit(self, request: OrderRequest) -> Order:
        """Send the order. Raises a Rejected when the exchange refuses it."""
        return self._order(_asked(lambda: self.engine.submit(spec_of(request))))

    def cancel(self, order_id: str) -> None:
        """Ask for the order's end. Raises NotFound, NotCancelable."""
        _asked(lambda: self.engine.cancel(order_id))

    def activities(self, *, after: datetime | None = None) -> Sequence[Activity]:
        """Return the account book's entries later than ``after``, oldest first."""
        return [activity_of(record) for record in self.engine.activities(after=after)]

    def _order(self, record: OrderRecord) -> Order:
        return order_of(record, self.engine.legs(record))

    # -- prices and news ---------------------------------------------------------------------------------------------
    def bars(self, symbol: str, start: datetime, end: datetime) -> Bars:
        """Return the complete 5-minute bars of regular hours that begin in [start, end), as views. Raises NotFound."""
        whole = _asked(lambda: self.engine.tape_bars(symbol))
        sessions = self.engine.sessions()
        kept = self._regular.get(symbol)
        if kept is None or kept[0] is not sessions or kept[1].source is not whole:
            kept = self._regular[symbol] = (sessions, RegularBars(whole, sessions))
        return kept[1].complete(start, end, self.engine.now)

    def quote(self, symbol: str) -> Quote:
        """Return the latest quote. Raises NotFound for a symbol that is not there."""
        view = _asked(lambda: self.engine.quote(symbol))
        return Quote(view.symbol, view.bid, view.ask, view.at, view.bid_size, view.ask_size)

    def news(self, symbol: str, start: datetime, end: datetime, limit: int = 50) -> Sequence[NewsItem]:
        """Return stories tagged with ``symbol`` published in [start, end], newest first."""
        # the engine's end is excluded, the port's and Alpaca's is not: a story of the very slot is known at the slot
        found = self.engine.news(start, end + _TICK, [symbol])
        return found[::-1][: max(limit, 0)]


def _asked(call: Callable[[], T]) -> T:
    """Call the engine and raise its refusal as our error."""
    try:
        return call()
    except Refusal as refusal:
        raise classify(refusal.status, refusal.code, refusal.message) from refusal


def spec_of(request: OrderRequest) -> OrderSpec:
    """Return the request as the engine takes it."""
    return OrderSpec(
        symbol=request.symbol,
        side=request.side.value,
        type=request.type.value,
        qty=request.qty,
        time_in_force=request.time_in_force.value,
        order_class=request.order_class.value,
        limit_price=request.limit_price,
        stop_price=request.stop_price,
        take_profit=request.take_profit,
        stop_loss=request.stop_loss,
        client_order_id=request.client_order_id,
    )


def order_of(record: OrderRecord, legs: Sequence[OrderRecord] = ()) -> Order:
    """Return the engine's order as a value of ours; an order by notional has the quantity that it has filled."""
    return Order(
        id=record.id,
        client_order_id=record.client_order_id,
        symbol=record.symbol,
        side=Side(record.side),
        type=OrderType(record.type),
        order_class=OrderClass(record.order_class),
        time_in_force=TimeInForce(record.time_in_force),
        qty=record.filled_qty if record.qty is None else record.qty,
        filled_qty=record.filled_qty,
        status=OrderStatus(record.status),
        filled_avg_price=record.filled_avg_price,
        limit_price=record.limit_price,
        stop_price=record.stop_price,
        submitted_at=record.submitted_at,
        filled_at=record.filled_at,
        ended_at=next(_endings(record), None),
        replaced_by=record.replaced_by,
        replaces=record.replaces,
        legs=tuple(order_of(leg) for leg in legs),
    )


def _endings(record: OrderRecord) -> Iterator[datetime]:
    stamps = (record.canceled_at, record.expired_at, record.failed_at, record.replaced_at)
    return (stamp for stamp in stamps if stamp is not None)


def activity_of(record: ActivityRecord) -> Activity:
    """Return the engine's entry as a value of ours."""
    price: Decimal | None = record.price
    return Activity(
        id=record.id,
        kind=record.type,
        at=record.at,
        net_amount=record.net_amount or ZERO,
        symbol=record.symbol,
        order_id=record.order_id,
        side=None if record.side is None else Side(record.side),
        qty=record.qty,
        price=price,
        description=record.fill_type or record.description,
    )
