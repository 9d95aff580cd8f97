"""What every Calendar promises, held by the packaged one and by its twin."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from ztrade.adapters.calendar import NyseCalendar
from ztrade.ports import Calendar
from ztrade.testing.calendar import PlainCalendar


@pytest.fixture(params=["packaged", "twin"])
def calendar(request: pytest.FixtureRequest) -> Calendar:
    """Give each implementation in turn; the twin is told the closings of the days the tests ask for."""
    if request.param == "packaged":
        return NyseCalendar()
    return PlainCalendar(holidays=[date(2024, 7, 4)], half_days=[date(2024, 7, 3), date(2022, 11, 25)])


def utc(*parts: int) -> datetime:
    """Write an instant in UTC."""
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


def test_a_full_day(calendar: Calendar) -> None:
    """A summer session runs 13:30 to 20:00 UTC, with early trading from 08:00 and late trading to midnight."""
    session = calendar.session(date(2022, 8, 22))
    assert session is not None
    assert session.day == date(2022, 8, 22)
    assert (session.open, session.close) == (utc(2022, 8, 22, 13, 30), utc(2022, 8, 22, 20))
    assert (session.pre_open, session.post_close) == (utc(2022, 8, 22, 8), utc(2022, 8, 23, 0))


def test_a_half_day(calendar: Calendar) -> None:
    """The day after Thanksgiving closes at 13:00 New York, and late trading ends at 17:00."""
    session = calendar.session(date(2022, 11, 25))
    assert session is not None
    assert (session.open, session.close) == (utc(2022, 11, 25, 14, 30), utc(2022, 11, 25, 18))
    assert (session.pre_open, session.post_close) == (utc(2022, 11, 25, 9), utc(2022, 11, 25, 22))


@pytest.mark.parametrize("day", [date(2024, 7, 4), date(2022, 8, 27), date(2022, 8, 28)])
def test_a_closed_day_has_no_session(calendar: Calendar, day: date) -> None:
    """Holidays, Saturdays and Sundays give None."""
    assert calendar.session(day) is None


def test_sessions_include_both_ends_in_order(calendar: Calendar) -> None:
    """A range gives each session once, oldest first, both ends included."""
    found = calendar.sessions(date(2024, 7, 1), date(2024, 7, 5))
    assert [session.day.day for session in found] == [1, 2, 3, 5]
    assert found[2] == calendar.session(date(2024, 7, 3))


def test_a_range_without_sessions_is_empty(calendar: Calendar) -> None:
    """A weekend, and a range that ends before it begins, hold no sessions."""
    assert list(calendar.sessions(date(2022, 8, 27), date(2022, 8, 28))) == []
    assert list(calendar.sessions(date(2022, 8, 28), date(2022, 8, 22))) == []


@pytest.mark.parametrize(
    ("before", "after", "shift"),
    [(date(2024, 3, 8), date(2024, 3, 11), -1), (date(2024, 11, 1), date(2024, 11, 4), 1)],
)
def test_both_clock_changes(calendar: Calendar, before: date, after: date, shift: int) -> None:
    """Over the change of the clocks the session keeps its New York hours, so it moves by an hour in UTC."""
    friday, monday = calendar.session(before), calendar.session(after)
    assert friday is not None
    assert monday is not None
    for name in ("open", "close", "pre_open", "post_close"):
        moved = getattr(monday, name) - getattr(friday, name)
        assert moved == timedelta(days=3, hours=shift), name
