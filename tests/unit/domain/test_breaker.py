"""Breakers trip at their limit, warn at 80 % of it, and never let a number pass that is none."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from ztrade.domain.agent import AccountLimits, BreakerLimits, Limits
from ztrade.domain.breaker import Curve, Gauge, History, Trouble, history_gauges, loss_streak, money_gauges, near, trips
from ztrade.domain.ledger import RoundTrip

D = Decimal
AT = datetime(2022, 8, 22, 15, 0, tzinfo=UTC)
LIMITS = Limits(max_daily_loss=D(500), max_drawdown=D("0.20"))


def trip(pnl: int, number: int = 0) -> RoundTrip:
    at = AT + timedelta(minutes=number)
    return RoundTrip("spy", "SPY", D(1), at, at, D(100), D(100) + pnl, D(pnl), None)


def tripped(curve: Curve) -> list[str]:
    return [gauge.name for gauge in trips(money_gauges("", curve, LIMITS))]


def close(curve: Curve) -> list[str]:
    return [gauge.name for gauge in near(money_gauges("", curve, LIMITS))]


@pytest.mark.parametrize(
    ("now", "trips_now", "warns"),
    [
        (D(10_000), [], []),
        (D("9600.01"), [], []),
        (D(9600), [], ["daily loss"]),
        (D("9500.01"), [], ["daily loss"]),
        (D(9500), ["daily loss"], []),
        (D(8400), ["daily loss"], ["drawdown"]),
        (D(8000), ["daily loss", "drawdown"], []),
        (D(12_000), [], []),
    ],
)
def test_losses_warn_at_80_percent_and_trip_at_the_limit(now: Decimal, trips_now: list[str], warns: list[str]) -> None:
    """Daily loss 500 of 500, drawdown 20 % from the peak; a gain is no loss."""
    curve = Curve(day_open=D(10_000), peak=D(10_000), now=now)
    assert (tripped(curve), close(curve)) == (trips_now, warns)


@pytest.mark.parametrize(
    "history",
    [
        History(round_trips=[trip(-1, minute) for minute in range(4)]),
        History(orders_last_hour=4),
        History(unknown=4),
        History(trouble=Trouble.STALE_DATA, in_a_row=4),
        History(trouble=Trouble.CLOCK_SKEW, in_a_row=4),
    ],
)
def test_what_is_counted_warns_at_80_percent(history: History) -> None:
    """Four of five: each of them alone."""
    limits = BreakerLimits(loss_streak=5, orders_per_hour=5, unknown_outcomes=5, troubled_cycles=5)
    gauges = list(history_gauges(limits, history))
    assert len(near(gauges)) == 1
    assert not trips(gauges)


def test_without_a_first_point_nothing_is_lost() -> None:
    """An agent's first cycle has no opening and no peak."""
    assert tripped(Curve(None, None, D(10_000))) == []


@pytest.mark.parametrize("broken", ["now", "peak", "day_open"])
def test_a_number_that_is_none_trips(broken: str) -> None:
    """NaN compares as false everywhere: it must not read as under the limit."""
    curve = replace(Curve(D(10_000), D(10_000), D(10_000)), **{broken: D("NaN")})
    assert tripped(curve)


def test_a_gauge_says_both_numbers() -> None:
    """Whoever is woken reads the value and the limit."""
    (gauge, _) = money_gauges("account ", Curve(D(10_000), D(10_000), D(7_999)), AccountLimits(max_daily_loss=D(2000)))
    assert gauge.words == "account daily loss 2001.00 of 2000"
    assert gauge.share == D("1.0005")


@pytest.mark.parametrize(
    ("history", "name"),
    [
        (History(round_trips=[trip(5), trip(-1, 1), trip(-2, 2), trip(-1, 3)]), "loss streak"),
        (History(orders_last_hour=4), "order rate"),
        (History(unknown=2), "unknown outcomes"),
        (History(trouble=Trouble.STALE_DATA, in_a_row=3), "stale data"),
        (History(trouble=Trouble.CLOCK_SKEW, in_a_row=3), "clock skew"),
    ],
)
def test_each_count_trips_its_own_breaker_only(history: History, name: str) -> None:
    """At the limit it trips, one below it does not."""
    limits = BreakerLimits(loss_streak=3, orders_per_hour=4, unknown_outcomes=2, troubled_cycles=3)
    assert [gauge.name for gauge in trips(history_gauges(limits, history))] == [name]
    wider = BreakerLimits(loss_streak=4, orders_per_hour=5, unknown_outcomes=3, troubled_cycles=4)
    assert trips(history_gauges(wider, history)) == []


def test_a_win_ends_the_streak() -> None:
    """Only losses behind the newest win count; a trade that ends even is no loss."""
    assert loss_streak([trip(-1), trip(-1), trip(0), trip(-1)]) == 1
    assert loss_streak([trip(-1), trip(1)]) == 0
    assert loss_streak([]) == 0


def test_a_limit_of_zero_is_used_up() -> None:
    """A gauge without room has tripped, whatever its value."""
    assert Gauge("x", D(0), D(0), "").tripped
    assert Gauge("x", D(0), D(0), "").share == 1
