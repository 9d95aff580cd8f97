"""Where an agent stands in its day: open, silent, and what its clock does not say is absent."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.service.conftest import agent
from ztrade.domain.agent import Agent, SessionKind
from ztrade.errors import ExchangeUnavailable
from ztrade.service.exporter.hours import Hours, Paces, values
from ztrade.service.pace import Pace
from ztrade.testing.calendar import PlainCalendar
from ztrade.testing.clock import FakeClock

OPEN = datetime(2022, 8, 22, 13, 30, tzinfo=UTC)
SPY = agent("spy")
HALF = date(2022, 8, 23)
HOURS = Hours(PlainCalendar(half_days=[HALF]))


def at(minutes: float) -> datetime:
    return OPEN + timedelta(minutes=minutes)


class Silent:
    """A clock that answers until it is silenced."""

    def __init__(self, now: datetime) -> None:
        self.inner, self.silent = FakeClock(now), False

    def status(self) -> Any:
        if self.silent:
            raise ExchangeUnavailable("refused")
        now = self.inner.now()
        return SimpleNamespace(
            now=now, stands=False, speed=60.0, stepped=False, finished=False, start=at(-60), until=None
        )


class Runtime:
    def __init__(self, clock: Any) -> None:
        self._clock = clock

    def clock(self, dry_run: bool) -> Any:
        return self._clock


def told(one: Agent, paces: Paces) -> dict[str, float]:
    return {name.removeprefix("ztrade_agent_"): float(value) for name, _, value in values(one, HOURS, paces)}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("minutes", "is_open"),
    [(0, False), (4.9, False), (5, True), (389, True), (390, False), (24 * 60 + 209, True), (24 * 60 + 210, False)],
)
def test_the_market_is_open_from_the_first_slot_to_the_close(minutes: float, is_open: bool) -> None:
    """Half days end early."""
    assert HOURS.is_open(SPY, at(minutes)) is is_open


def test_weekends_and_extended_sessions() -> None:
    early = replace(SPY, name="early", sessions=(SessionKind.PRE_MARKET, SessionKind.REGULAR))
    assert not HOURS.is_open(SPY, at(-2 * 24 * 60 + 60))
    assert HOURS.is_open(early, at(-300))
    assert not HOURS.is_open(SPY, at(-300))
    last = HOURS.last_session(at(-24 * 60))
    assert last is not None
    assert last.day == date(2022, 8, 19)


@pytest.mark.parametrize(
    ("minutes", "since", "count"),
    [
        (5.4, -60, 0),  # due, and not late yet
        (5.5, -60, 1),
        (20.5, 10, 2),
        (20.4, 10, 1),
        (400, 10, 0),  # the market has closed
        (20.5, 20, 0),
    ],
)
def test_slots_without_success_are_those_that_are_late(minutes: float, since: float, count: int) -> None:
    assert HOURS.without_success(SPY, Pace(at(minutes)), at(since)) == count


@pytest.mark.parametrize(
    ("minutes", "since", "count"),
    [
        (240.4, -4 * 24 * 60, 0),  # Monday's is not late yet, and says nothing of Friday's
        (240.5, -4 * 24 * 60 + 240, 2),
        (240.5, -2 * 24 * 60, 1),  # Friday's ended well
        (240.5, 240, 0),
        (24 * 60 + 200, 0, 0),  # a half day has none
    ],
)
def test_one_slot_a_day_is_silent_on_the_second_day(minutes: float, since: float, count: int) -> None:
    """Else nobody would ever be told of an agent whose slots are four hours apart."""
    seldom = replace(SPY, name="seldom", every=timedelta(hours=4))
    assert HOURS.without_success(seldom, Pace(at(minutes)), at(since)) == count


def test_what_is_late_is_a_matter_of_wall_time() -> None:
    """At 60 times the speed 30 s are half an hour, so half of the interval counts; the delay is not late."""
    fast = Pace(at(7.4), speed=60.0)
    assert HOURS.without_success(SPY, fast, at(0)) == 0
    assert HOURS.without_success(SPY, replace(fast, now=at(7.5)), at(0)) == 1
    slow = replace(SPY, name="slow", delay=timedelta(minutes=2))
    assert HOURS.without_success(slow, Pace(at(7.4)), at(0)) == 0
    assert HOURS.without_success(slow, Pace(at(7.5)), at(0)) == 1


def test_a_silent_clock_says_nothing_and_its_speed_is_remembered() -> None:
    """Rules take their durations from the interval, also for the alert that the exchange is away."""
    clock, now = Silent(at(6)), [0.0]
    paces = Paces(Runtime(clock), lambda: now[0])  # type: ignore[arg-type]
    found = told(SPY, paces)
    assert found == {"interval_seconds": 5.0, "market_open": 1.0, "next_slot_seconds": 240.0}
    clock.silent = True
    assert told(SPY, paces) == found, "asked a moment ago"
    now[0] = 10.0
    assert told(SPY, paces) == {"interval_seconds": 5.0}
    last = paces.last(dry_run=True)
    assert last is not None
    assert last.now == at(6)


def test_a_clock_that_never_answered_is_unknown() -> None:
    clock = Silent(at(6))
    clock.silent = True
    assert told(SPY, Paces(Runtime(clock))) == {}  # type: ignore[arg-type]
