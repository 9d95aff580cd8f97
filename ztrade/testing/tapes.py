"""Tapes for tests: prices so regular that a test can say beforehand what an order will get."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from ztrade.domain.schedule import Session
from ztrade.domain.types import BarRow, Bars, NewsItem, bars_from_rows
from ztrade.exchange.tape import ListTape
from ztrade.ports import Calendar

FIVE_MINUTES = timedelta(minutes=5)
#: bars from the bottom of the wave to its top
HALF_WAVE = 12


def wave_tape(
    calendar: Calendar,
    symbols: Sequence[str] = ("AAPL", "SPY", "TSLA"),
    *,
    first: date = date(2022, 8, 1),
    last: date = date(2022, 8, 26),
    stories: Sequence[NewsItem] = (),
) -> ListTape:
    """Return 5-minute bars of regular hours that go up a dime a bar for an hour, then down a dime a bar, for ever.

    The first symbol moves between $100 and about $101.20, the second between $200 and $201.20, and so on; each bar has
    10,000 shares.
    """
    sessions = calendar.sessions(first, last)
    return ListTape({name: _wave(name, 100.0 * n, sessions) for n, name in enumerate(symbols, 1)}, stories)


def _wave(symbol: str, base: float, sessions: Sequence[Session]) -> Bars:
    return bars_from_rows(symbol, FIVE_MINUTES, _rows(base, sessions))


def _rows(base: float, sessions: Sequence[Session]) -> Iterator[BarRow]:
    for session in sessions:
        at, number = session.open, 0
        while at < session.close:
            opened, closed = base + _height(number), base + _height(number + 1)
            low, high = min(opened, closed) - 0.02, max(opened, closed) + 0.02
            yield at, round(opened, 2), round(high, 2), round(low, 2), round(closed, 2), 10_000.0
            at, number = at + FIVE_MINUTES, number + 1


def _height(number: int) -> float:
    place = number % (2 * HALF_WAVE)
    return 0.1 * min(place, 2 * HALF_WAVE - place)
