"""A small market for the engine's tests: hand-made bars, whole-dollar prices, no spread unless asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from ztrade.domain.schedule import Session
from ztrade.domain.types import Bars, bars_from_rows, rows_of
from ztrade.exchange.core.engine import Engine
from ztrade.exchange.core.records import OrderSpec
from ztrade.exchange.core.settings import Settings
from ztrade.exchange.tape import ListTape

NEW_YORK = ZoneInfo("America/New_York")
DAY = date(2022, 8, 22)
FIVE = timedelta(minutes=5)
D = Decimal
#: open, high, low, close[, volume] of one bar
Shape = tuple[float, ...]
FREE = Settings(half_spread_bps=D(0), impact_bps=D(0), fees=())


def at(clock: str, day: date = DAY) -> datetime:
    """Return a New York wall time such as ``09:30`` or ``09:30:00.5`` as an instant."""
    hours, minutes, *seconds = clock.split(":")
    second = D(seconds[0]) if seconds else D(0)
    start = datetime(day.year, day.month, day.day, int(hours), int(minutes), tzinfo=NEW_YORK)
    return (start + timedelta(microseconds=int(second * 1_000_000))).astimezone(UTC)


def session(day: date, close: str = "16:00") -> Session:
    """Return one session."""
    return Session(day, at("09:30", day), at(close, day), at("04:00", day), at("20:00", day))


def weekdays(first: date, count: int) -> list[date]:
    """Return ``count`` days from ``first`` on, Saturdays and Sundays left out."""
    days = (first + timedelta(days=number) for number in range(count * 2 + 3))
    return [day for day in days if day.weekday() < 5][:count]


def bars(symbol: str, shapes: Iterable[Shape], start: datetime | None = None, span: timedelta = FIVE) -> Bars:
    """Return bars one after the other from ``start`` (the first day's open)."""
    begin = start or at("09:30")
    rows = []
    for number, (first, high, low, last, *volume) in enumerate(shapes):
        rows.append((begin + number * span, first, high, low, last, volume[0] if volume else 1e6))
    return bars_from_rows(symbol, span, rows)


def joined(*parts: Bars) -> Bars:
    """Return bars of several days as one series."""
    return bars_from_rows(parts[0].symbol, parts[0].span, [row for part in parts for row in rows_of(part)])


def flat(price: float, count: int = 78, volume: float = 1e6) -> list[Shape]:
    """Return bars that do not move."""
    return [(price, price, price, price, volume)] * count


def engine(
    shapes: Sequence[Shape] | dict[str, Bars],
    *,
    now: datetime | None = None,
    cash: str = "100000",
    settings: Settings = FREE,
    days: int = 5,
    **tape: Any,
) -> Engine:
    """Return an engine over symbol X (or the bars given) that stands five minutes before the open."""
    by_symbol = shapes if isinstance(shapes, dict) else {"X": bars("X", shapes)}
    sessions = [session(day) for day in weekdays(DAY, days)]
    return Engine(ListTape(by_symbol, **tape), sessions, now=now or at("09:25"), cash=D(cash), settings=settings)


def order(side: str = "buy", qty: str | None = "10", **fields: Any) -> OrderSpec:
    """Return an order in X; numbers given as text become decimals."""
    texts = {"symbol", "type", "time_in_force", "order_class", "client_order_id"}
    values: dict[str, Any] = {
        name: value if name in texts or not isinstance(value, str) else D(value) for name, value in fields.items()
    }
    values = {"symbol": "X", "side": side, "qty": None if qty is None else D(qty), **values}
    return OrderSpec(**values)


def bracket(target: str, stop: str, qty: str = "10", **fields: Any) -> OrderSpec:
    """Return a bracket entry, good till cancelled."""
    fields = {"time_in_force": "gtc", **fields}
    return order(qty=qty, order_class="bracket", take_profit=target, stop_loss=stop, **fields)
