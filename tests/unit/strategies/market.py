"""Builders of bars and sessions for the tests of strategies."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta

from ztrade.domain.schedule import Session
from ztrade.domain.types import BarRow, Bars, bars_from_rows

FIVE = timedelta(minutes=5)
QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)
MONDAY = date(2022, 8, 22)


def session(day: date = MONDAY, hours: float = 6.5) -> Session:
    """Return a summer session: open at 13:30 UTC."""
    begin = datetime(day.year, day.month, day.day, 13, 30, tzinfo=UTC)
    end = begin + timedelta(hours=hours)
    return Session(day, begin, end, begin - timedelta(hours=5, minutes=30), end + timedelta(hours=4))


def week(days: int = 5, first: date = MONDAY) -> list[Session]:
    """Return sessions on the working days from ``first`` on."""
    found: list[Session] = []
    while len(found) < days:
        if first.weekday() < 5:
            found.append(session(first))
        first += timedelta(days=1)
    return found


def grid(sessions: Iterable[Session], span: timedelta) -> list[datetime]:
    """Return the start of every bar of the sessions."""
    return [each.open + k * span for each in sessions for k in range(math.ceil((each.close - each.open) / span))]


def bars_of(closes: Sequence[float], span: timedelta, sessions: Sequence[Session], spread: float = 0.1) -> Bars:
    """Return bars with these closes on the sessions' grid, as far as the closes last; each opens at the last close."""
    rows: list[BarRow] = []
    before = closes[0]
    for start, close in zip(grid(sessions, span), closes, strict=False):
        top, bottom = max(before, close) + spread, min(before, close) - spread
        rows.append((start, before, top, bottom, close, 1000.0))
        before = close
    return bars_from_rows("SPY", span, rows)


def random_walk(sessions: Sequence[Session], sigma: float, seed: int, price: float = 100.0) -> Bars:
    """Return 5-minute bars of a geometric random walk: ``sigma`` per bar (0.001 is 0.1 %), three times it overnight."""
    dice = random.Random(seed)
    opens = {each.open for each in sessions}
    rows: list[BarRow] = []
    for start in grid(sessions, FIVE):
        first = price * math.exp(dice.gauss(0, 3 * sigma)) if start in opens else price
        path = [first]
        for _ in range(4):
            path.append(path[-1] * math.exp(dice.gauss(0, sigma / 2)))
        price = path[-1]
        rows.append((start, first, max(path), min(path), price, dice.lognormvariate(10, 0.5)))
    return bars_from_rows("WALK", FIVE, rows)
