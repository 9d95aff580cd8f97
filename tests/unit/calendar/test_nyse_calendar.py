"""The packaged calendar: closings that only the real exchange has, and the edges of what it knows."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import pytest

from ztrade.adapters.calendar import NyseCalendar
from ztrade.adapters.calendar.nyse import FIRST_DAY, LAST_DAY, new_york_day
from ztrade.domain.schedule import slots
from ztrade.errors import ConfigError

CALENDAR = NyseCalendar()


@pytest.mark.parametrize(
    "day",
    [
        date(2025, 1, 9),  # day of mourning for President Carter
        date(2018, 12, 5),  # day of mourning for President Bush
        date(2022, 6, 20),  # Juneteenth fell on a Sunday
        date(2021, 12, 24),  # Christmas fell on a Saturday
        date(2026, 7, 3),  # Independence Day falls on a Saturday
        date(2027, 1, 1),
        date(2024, 3, 29),  # Good Friday
        date(2012, 10, 29),  # hurricane
    ],
)
def test_closed_all_day(day: date) -> None:
    """Regular, observed and exceptional holidays have no session."""
    assert CALENDAR.session(day) is None


@pytest.mark.parametrize("day", [date(2022, 11, 25), date(2026, 11, 27), date(2026, 12, 24), date(2024, 7, 3)])
def test_half_days(day: date) -> None:
    """A half day closes after three and a half hours; late trading ends four hours later."""
    session = CALENDAR.session(day)
    assert session is not None
    assert session.close - session.open == timedelta(hours=3, minutes=30)
    assert session.post_close - session.close == timedelta(hours=4)
    assert len(list(slots(session, timedelta(minutes=5)))) == 41


@pytest.mark.parametrize("day", [date(2021, 12, 31), date(2022, 10, 10), date(2022, 11, 11)])
def test_open_though_banks_rest(day: date) -> None:
    """The exchange trades on Columbus Day, Veterans Day, and a New Year's Eve whose holiday falls on a Saturday."""
    session = CALENDAR.session(day)
    assert session is not None
    assert len(list(slots(session, timedelta(minutes=5)))) == 77


@pytest.mark.parametrize(("year", "count"), [(2015, 252), (2019, 252), (2022, 251), (2024, 252), (2025, 250)])
def test_sessions_in_a_year(year: int, count: int) -> None:
    """The number of trading days is the one the exchange published."""
    assert len(CALENDAR.sessions(date(year, 1, 1), date(year, 12, 31))) == count


def test_every_session_is_in_order() -> None:
    """Over all years the four instants of a session are in order, and sessions do not overlap."""
    before = datetime(1999, 1, 1, tzinfo=UTC)
    for session in CALENDAR.sessions(FIRST_DAY, LAST_DAY):
        assert before <= session.pre_open < session.open < session.close < session.post_close
        assert new_york_day(session.open) == session.day
        before = session.post_close


@pytest.mark.parametrize("day", [FIRST_DAY - timedelta(days=1), LAST_DAY + timedelta(days=1), date.min, date.max])
def test_a_day_it_does_not_reach_is_an_error(day: date) -> None:
    """Outside the packaged years the answer is a ConfigError that names the range, never "closed"."""
    with pytest.raises(ConfigError, match=f"{FIRST_DAY} to {LAST_DAY}"):
        CALENDAR.session(day)
    with pytest.raises(ConfigError):
        CALENDAR.sessions(min(day, date(2024, 1, 1)), max(day, date(2024, 1, 1)))


def test_an_instant_is_not_a_day() -> None:
    """A datetime is refused: its UTC day need not be its New York day."""
    with pytest.raises(TypeError, match="New York day"):
        CALENDAR.session(datetime(2024, 7, 3, 1, tzinfo=UTC))


def test_new_york_day_of_an_instant() -> None:
    """Shortly after midnight UTC it is still the day before in New York."""
    assert new_york_day(datetime(2024, 7, 3, 3, 59, tzinfo=UTC)) == date(2024, 7, 2)
    assert new_york_day(datetime(2024, 7, 3, 4, tzinfo=UTC)) == date(2024, 7, 3)


def test_nothing_is_loaded_before_the_first_question() -> None:
    """Importing and building the calendar leaves pandas alone."""
    code = (
        "import sys; from ztrade.adapters.calendar import NyseCalendar; NyseCalendar();"
        "sys.exit('pandas' in sys.modules or 'exchange_calendars' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
