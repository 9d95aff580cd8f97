"""Slots and sessions against the packaged NYSE calendar."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from ztrade.adapters.calendar import NyseCalendar
from ztrade.domain.agent import SessionKind
from ztrade.domain.schedule import Schedule, Session, is_market_open, is_slot, market_day, next_slot, slots, slots_of

MINUTES = timedelta(minutes=1)


@pytest.fixture(scope="module")
def calendar() -> NyseCalendar:
    return NyseCalendar()


def day(calendar: NyseCalendar, text: str) -> Session:
    session = calendar.session(date.fromisoformat(text))
    assert session is not None
    return session


@pytest.mark.parametrize(
    ("text", "every", "count"),
    [
        ("2022-08-22", 5, 77),
        ("2022-11-25", 5, 41),
        ("2022-08-22", 60, 6),
        ("2022-11-25", 60, 3),
        ("2026-12-24", 5, 41),
    ],
)
def test_counts_of_slots(calendar: NyseCalendar, text: str, every: int, count: int) -> None:
    """A full day has 77 slots of 5 minutes and 6 of an hour, a half day 41 and 3."""
    assert len(list(slots(day(calendar, text), every * MINUTES))) == count


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("2026-03-06", "2026-03-06T14:35+00:00"),
        ("2026-03-09", "2026-03-09T13:35+00:00"),
        ("2026-10-30", "2026-10-30T13:35+00:00"),
        ("2026-11-02", "2026-11-02T14:35+00:00"),
    ],
)
def test_slots_follow_both_clock_changes(calendar: NyseCalendar, text: str, first: str) -> None:
    """09:35 New York is another UTC instant on either side of a clock change."""
    assert next(slots(day(calendar, text), 5 * MINUTES)) == datetime.fromisoformat(first)


def test_slots_lie_strictly_inside_the_session(calendar: NyseCalendar) -> None:
    """Neither the open nor the close is a slot, and 390 minutes of 30 end at 15:30."""
    session = day(calendar, "2022-08-22")
    found = list(slots(session, 30 * MINUTES))
    assert found[0] == session.open + 30 * MINUTES
    assert found[-1] == session.close - 30 * MINUTES


def test_slots_of_extended_sessions_are_aligned_to_their_own_beginning(calendar: NyseCalendar) -> None:
    """Pre-market slots count from 04:00, and all are in order."""
    session = day(calendar, "2022-08-22")
    found = slots_of(session, 60 * MINUTES, (SessionKind.REGULAR, SessionKind.PRE_MARKET))
    assert found == sorted(found)
    assert found[0] == session.pre_open + 60 * MINUTES
    assert sum(slot < session.open for slot in found) == 5


def test_no_distance_between_slots_is_refused(calendar: NyseCalendar) -> None:
    """A distance of zero would never end."""
    with pytest.raises(ValueError, match="positive distance"):
        list(slots(day(calendar, "2022-08-22"), timedelta(0)))


@pytest.mark.parametrize(
    ("clock", "regular", "pre", "after"),
    [
        ("03:59", False, False, False),
        ("04:00", False, True, False),
        ("09:29", False, True, False),
        ("09:30", True, True, True),
        ("15:59", True, True, True),
        ("16:00", False, False, True),
        ("19:59", False, False, True),
        ("20:00", False, False, False),
    ],
)
def test_market_open_with_its_variants(
    calendar: NyseCalendar, clock: str, regular: bool, pre: bool, after: bool
) -> None:
    """The beginning of a part of the day belongs to it, its end does not."""
    at = datetime.fromisoformat(f"2022-08-22T{clock}:00-04:00")
    session = calendar.session(market_day(at))
    schedule = Schedule(calendar.session)
    assert schedule.is_market_open(at) is regular
    assert schedule.is_market_open(at, pre_market=True) is pre
    assert schedule.is_market_open(at, after_hours=True) is after
    assert is_market_open(session, at) is regular
    assert is_market_open(session, at, pre_market=True) is pre
    assert is_market_open(session, at, after_hours=True) is after


def test_market_is_closed_on_a_holiday_and_a_weekend(calendar: NyseCalendar) -> None:
    """No session, not open, whatever the hour."""
    for text in ("2022-11-24", "2022-08-20", "2025-01-09"):
        at = datetime.fromisoformat(f"{text}T11:00:00-05:00")
        assert not is_market_open(calendar.session(market_day(at)), at, pre_market=True, after_hours=True)


def test_market_day_is_new_yorks(calendar: NyseCalendar) -> None:
    """Half past midnight UTC still belongs to the New York day before."""
    assert market_day(datetime(2022, 8, 23, 0, 30, tzinfo=UTC)) == date(2022, 8, 22)


def test_next_slot_skips_the_night_and_the_weekend(calendar: NyseCalendar) -> None:
    """After Friday's last slot comes Monday's first."""
    sessions = calendar.sessions(date(2022, 8, 19), date(2022, 8, 23))
    friday_last = datetime(2022, 8, 19, 19, 55, tzinfo=UTC)
    found = next_slot(sessions, 5 * MINUTES, (SessionKind.REGULAR,), friday_last)
    assert found == datetime(2022, 8, 22, 13, 35, tzinfo=UTC)
    assert next_slot(sessions, 5 * MINUTES, (SessionKind.REGULAR,), datetime(2022, 8, 24, tzinfo=UTC)) is None


@pytest.mark.parametrize("every", [5, 15, 60, 7])
def test_is_slot_agrees_with_the_list(calendar: NyseCalendar, every: int) -> None:
    """Asking for one instant gives the same answer as looking it up among all."""
    session, kinds = day(calendar, "2022-11-25"), tuple(SessionKind)
    listed = set(slots_of(session, every * MINUTES, kinds))
    instants = [session.pre_open + n * MINUTES for n in range(-60, 16 * 60)]
    assert {at for at in instants if is_slot(session, every * MINUTES, kinds, at)} == listed


def test_an_instant_without_a_zone_is_refused(calendar: NyseCalendar) -> None:
    """Nobody knows which instant 10:00 is; the older system took the machine's."""
    with pytest.raises(ValueError, match="no time zone"):
        Schedule(calendar.session).is_market_open(datetime(2022, 8, 22, 10))  # noqa: DTZ001 - that is the mistake
