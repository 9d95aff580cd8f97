"""What every Clock promises, held by the system clock, the follower of the embedded exchange, and the twin."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from ztrade.adapters.clock import EmbeddedClock, SystemClock
from ztrade.ports import Clock
from ztrade.testing.clock import FakeClock
from ztrade.testing.scripted_server import Answer, in_turn, scripted

BODY = {"now": "2022-08-22T09:30:00-04:00", "mode": "stepped"}


@pytest.fixture(params=["system", "embedded", "twin"])
def clock(request: pytest.FixtureRequest) -> Iterator[Clock]:
    """Give each implementation in turn."""
    if request.param == "system":
        yield SystemClock()
    elif request.param == "twin":
        yield FakeClock(datetime(2022, 8, 22, 13, 30, tzinfo=UTC))
    else:
        with scripted(in_turn(Answer(body=BODY))) as server:
            yield EmbeddedClock(server.url)


def test_both_times_are_aware_utc(clock: Clock) -> None:
    """Exchange time and wall time are both in UTC."""
    for at in (clock.now(), clock.wall()):
        assert at.tzinfo is UTC
        assert at.utcoffset() == timedelta(0)


def test_time_does_not_run_backwards(clock: Clock) -> None:
    """A later question never gets an earlier instant."""
    assert clock.now() <= clock.now()
    assert clock.wall() <= clock.wall()


def test_the_twin_moves_only_when_told() -> None:
    """advance moves both times, set and advance_to exchange time alone, and advance_to never back."""
    start = datetime(2022, 8, 22, 13, 30, tzinfo=UTC)
    twin = FakeClock(start)
    assert twin.now() == twin.now() == start
    assert twin.advance(timedelta(minutes=1)) == twin.wall() == start + timedelta(minutes=1)
    assert twin.advance_to(start) == start + timedelta(minutes=1)
    twin.set(start + timedelta(days=1))
    assert twin.wall() == start + timedelta(minutes=1)
