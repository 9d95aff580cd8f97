"""Equity curves in memory. Part of the journal's twin."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from ztrade.adapters.journal.rules import with_capital


@dataclass(slots=True)
class Curve:
    """An equity curve: points in order of time, the highest value ever recorded, and the capital that they contain."""

    at: list[datetime] = field(default_factory=list)
    value: list[Decimal] = field(default_factory=list)
    peak: Decimal | None = None
    capital: Decimal | None = None
    newest_capital: Decimal | None = None

    def put(self, at: datetime, value: Decimal, capital: Decimal | None) -> None:
        value = self._as_kept(value, capital)
        place = bisect_left(self.at, at)
        if place < len(self.at) and self.at[place] == at:
            self.value[place] = value
        else:
            self.at.insert(place, at)
            self.value.insert(place, value)
        self.peak = value if self.peak is None else max(self.peak, value)

    def _as_kept(self, value: Decimal, capital: Decimal | None) -> Decimal:
        if capital is None:
            return value
        if self.capital is None:
            self.capital = capital
        self.newest_capital = capital
        return with_capital(value, capital, self.capital)

    def opening(self, since: datetime, capital: Decimal | None = None) -> Decimal | None:
        """Return the last value before ``since``, or else the first one after it."""
        place = bisect_left(self.at, since)
        return self._seen(self.value[max(place - 1, 0)], capital) if self.at else None

    def highest(self, capital: Decimal | None = None) -> Decimal | None:
        """Return the peak."""
        return None if self.peak is None else self._seen(self.peak, capital)

    def points(self, since: datetime | None, capital: Decimal | None) -> Sequence[tuple[datetime, Decimal]]:
        """Return the points from ``since`` on."""
        first = 0 if since is None else bisect_left(self.at, since)
        found = zip(self.at[first:], self.value[first:], strict=True)
        return [(at, self._seen(value, capital)) for at, value in found]

    def _seen(self, value: Decimal, capital: Decimal | None) -> Decimal:
        return with_capital(value, self.capital, capital)

    def rebase(self) -> None:
        """Let the peak begin anew at the newest point."""
        self.peak = self.value[-1] if self.value else None


NO_CURVE = Curve()
