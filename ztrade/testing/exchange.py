"""The exchange in memory: the embedded exchange's own engine, with failures on demand."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from ztrade.domain.types import (
    Account,
    Activity,
    Bars,
    ExchangeClock,
    NewsItem,
    Order,
    OrderRequest,
    Position,
    Quote,
)
from ztrade.exchange.core.engine import Engine
from ztrade.exchange.core.settings import Settings
from ztrade.exchange.inprocess import InProcess
from ztrade.exchange.tape import Tape
from ztrade.ports import Calendar
from ztrade.testing.calendar import PlainCalendar
from ztrade.testing.tapes import wave_tape

T = TypeVar("T")

#: the first session of the tape that is traded when a test does not care
FIRST_DAY = date(2022, 8, 1)
LAST_DAY = date(2022, 8, 26)


@dataclass(frozen=True, slots=True)
class _Failure:
    error: Exception
    landed: bool


class MemoryExchange(InProcess):
    """Twin of the ports Exchange, MarketData, News and Clock over one engine: one fill model everywhere.

    ``calls`` holds the name of every method called, in order; :meth:`fail` makes the next calls fail.
    """

    def __init__(self, engine: Engine, wall: Callable[[], datetime] | None = None) -> None:
        super().__init__(engine, wall)
        self.calls: list[str] = []
        self._failures: dict[str, deque[_Failure]] = defaultdict(deque)

    def fail(self, method: str, error: Exception, *, times: int = 1, landed: bool = False) -> None:
        """Make the next ``times`` calls of ``method`` raise ``error``.

        Args:
            method: a method of the ports, such as ``submit``.
            error: what to raise.
            times: for how many calls.
            landed: do what was asked first, as when only the answer was lost.
        """
        self._failures[method].extend([_Failure(error, landed)] * times)

    def _do(self, method: str, act: Callable[[], T]) -> T:
        self.calls.append(method)
        if not self._failures[method]:
            return act()
        failure = self._failures[method].popleft()
        if failure.landed:
            act()
        raise failure.error

    def clock(self) -> ExchangeClock:
        return self._do("clock", super().clock)

    def account(self) -> Account:
        return self._do("account", super().account)

    def positions(self) -> Sequence[Position]:
        return self._do("positions", super().positions)

    def orders(
        self, *, open_only: bool = False, after: datetime | None = None, symbol: str | None = None
    ) -> Sequence[Order]:
        ask = super().orders
        return self._do("orders", lambda: ask(open_only=open_only, after=after, symbol=symbol))

    def order(self, order_id: str) -> Order:
        ask = super().order
        return self._do("order", lambda: ask(order_id))

    def order_by_client_id(self, client_order_id: str) -> Order:
        ask = super().order_by_client_id
        return self._do("order_by_client_id", lambda: ask(client_order_id))

    def submit(self, request: OrderRequest) -> Order:
        send = super().submit
        return self._do("submit", lambda: send(request))

    def cancel(self, order_id: str) -> None:
        send = super().cancel
        self._do("cancel", lambda: send(order_id))

    def activities(self, *, after: datetime | None = None) -> Sequence[Activity]:
        ask = super().activities
        return self._do("activities", lambda: ask(after=after))

    def bars(self, symbol: str, start: datetime, end: datetime) -> Bars:
        ask = super().bars
        return self._do("bars", lambda: ask(symbol, start, end))

    def quote(self, symbol: str) -> Quote:
        ask = super().quote
        return self._do("quote", lambda: ask(symbol))

    def news(self, symbol: str, start: datetime, end: datetime, limit: int = 50) -> Sequence[NewsItem]:
        ask = super().news
        return self._do("news", lambda: ask(symbol, start, end, limit))


def memory_exchange(
    tape: Tape | None = None,
    *,
    now: datetime | None = None,
    cash: Decimal = Decimal(100_000),
    calendar: Calendar | None = None,
    sessions: tuple[date, date] = (FIRST_DAY, LAST_DAY),
    settings: Settings | None = None,
    wall: Callable[[], datetime] | None = None,
) -> MemoryExchange:
    """Return an exchange in memory.

    Args:
        tape: prices and news; regular waves of AAPL, SPY and TSLA where not given.
        now: where its clock begins; the third session's first half hour where not given, so that there are bars.
        cash: dollars at the beginning.
        calendar: every weekday is a session where not given.
        sessions: the first and last day that the calendar is asked for.
        settings: how to fill and charge.
        wall: wall time; exchange time where not given.
    """
    calendar = calendar or PlainCalendar()
    days = calendar.sessions(*sessions)
    begin = now or days[min(2, len(days) - 1)].open + timedelta(minutes=30)
    return MemoryExchange(
        Engine(tape or wave_tape(calendar), days, now=begin, cash=cash, settings=settings),
        wall,
    )
