"""Breakers: what makes an agent *reducing*, so that entries are refused while exits run. Pure.

A breaker looks at the past, a limit (:mod:`ztrade.domain.risk`) at the next order. It stays tripped until a person
releases it, and after a release everything is measured from the release on: a fall that a person has looked at must
not trip again by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum

from ztrade.domain import portfolio
from ztrade.domain.agent import AccountLimits, BreakerLimits, Limits
from ztrade.domain.ledger import RoundTrip

#: a breaker warns from this share of its limit on
NEAR = Decimal("0.8")
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Gauge:
    """How far one breaker is: it trips when ``value`` reaches ``limit``; both in the unit that ``words`` names."""

    name: str
    value: Decimal
    limit: Decimal
    words: str

    @property
    def tripped(self) -> bool:
        # a number that is none compares as false: it must trip, not pass
        return not self.value.is_finite() or self.value >= self.limit

    @property
    def near(self) -> bool:
        return not self.tripped and self.value >= NEAR * self.limit

    @property
    def share(self) -> Decimal:
        """How much of the limit is used: 1 where it trips."""
        return self.value / self.limit if self.value.is_finite() and self.limit else Decimal(1)


class Trouble(StrEnum):
    """What makes a cycle's view of the market doubtful, though each of them alone is only a hold."""

    STALE_DATA = "stale data"
    CLOCK_SKEW = "clock skew"


@dataclass(frozen=True, slots=True)
class History:
    """What an agent's past says, counted from its last release on where that is later.

    ``round_trips`` are oldest first; ``unknown`` are outcomes of this session; ``trouble`` is what the newest cycle
    met, and ``in_a_row`` how many cycles before it, and with it, met the same.
    """

    round_trips: Sequence[RoundTrip] = ()
    orders_last_hour: int = 0
    unknown: int = 0
    trouble: Trouble | None = None
    in_a_row: int = 0


@dataclass(frozen=True, slots=True)
class Curve:
    """Points of an equity curve that breakers need, in dollars: today's opening, the peak, and now."""

    day_open: Decimal | None
    peak: Decimal | None
    now: Decimal


def trips(gauges: Iterable[Gauge]) -> Sequence[Gauge]:
    """Return the gauges that have tripped, in order."""
    return [gauge for gauge in gauges if gauge.tripped]


def near(gauges: Iterable[Gauge]) -> Sequence[Gauge]:
    """Return the gauges that stand at 80 % of their limit or above, and have not tripped."""
    return [gauge for gauge in gauges if gauge.near]


def money_gauges(owner: str, curve: Curve, limits: Limits | AccountLimits) -> Iterator[Gauge]:
    """Yield daily loss and drawdown from the peak, open positions included; ``owner`` begins their words."""
    opened = curve.now if curve.day_open is None else curve.day_open
    lost = opened - curve.now
    yield Gauge(
        f"{owner}daily loss", lost, limits.max_daily_loss, f"{owner}daily loss {lost:.2f} of {limits.max_daily_loss}"
    )
    peak = curve.now if curve.peak is None else curve.peak
    fall = portfolio.drawdown(peak, curve.now) if curve.now.is_finite() and peak.is_finite() else curve.now
    words = f"{owner}drawdown {fall:.2%} from the peak {peak:.2f}, limit {limits.max_drawdown:.2%}"
    yield Gauge(f"{owner}drawdown", fall, limits.max_drawdown, words)


def history_gauges(limits: BreakerLimits, history: History) -> Iterator[Gauge]:
    """Yield loss streak, order rate, unknown outcomes, and the troubles that cycles met in a row."""
    yield _count("loss streak", loss_streak(history.round_trips), limits.loss_streak, "losing trades in a row")
    yield _count("order rate", history.orders_last_hour, limits.orders_per_hour, "orders within an hour")
    yield _count("unknown outcomes", history.unknown, limits.unknown_outcomes, "orders without an answer today")
    for trouble in Trouble:
        met = history.in_a_row if history.trouble is trouble else 0
        yield _count(trouble.value, met, limits.troubled_cycles, "cycles in a row")


def loss_streak(trips_made: Sequence[RoundTrip]) -> int:
    """Return how many of the newest round trips lost money in a row."""
    for length, trip in enumerate(reversed(trips_made)):
        if trip.pnl >= 0:
            return length
    return len(trips_made)


def _count(name: str, value: int, limit: int, what: str) -> Gauge:
    return Gauge(name, Decimal(value), Decimal(limit), f"{name}: {value} {what}, limit {limit}")
