"""Jobs and plans are pure functions of calendar, time and outcomes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.service.conftest import agent
from ztrade.domain.ledger import CycleKind
from ztrade.service.planner import Job, is_slot, jobs, plan, session_jobs
from ztrade.testing.calendar import PlainCalendar

CALENDAR = PlainCalendar(half_days=[date(2022, 11, 25)])


def of_day(day: date, every: str = "5m") -> list[Job]:
    session, following = CALENDAR.session(day), CALENDAR.session(day + timedelta(days=3))
    assert session is not None
    assert following is not None
    return list(session_jobs(agent("spy", every), session, following))


def test_slots_of_full_and_half_days() -> None:
    """77 and 41 of five minutes, 6 and 3 of an hour, and one settlement each."""
    assert [len(of_day(date(2022, 11, day), every)) for day in (22, 25) for every in ("5m", "1h")] == [78, 7, 42, 4]


def test_slots_follow_new_york_through_both_clock_changes() -> None:
    """The first slot is 09:35 New York: 14:35 UTC before 13 March 2022, 13:35 after; back again after 6 November."""
    firsts = [of_day(day)[0].slot.hour for day in (date(2022, 3, 11), date(2022, 3, 14))]
    assert firsts == [14, 13]
    firsts = [of_day(day)[0].slot.hour for day in (date(2022, 11, 4), date(2022, 11, 7))]
    assert firsts == [13, 14]


def test_windows_do_not_overlap_and_end_with_the_session() -> None:
    """A slot's window ends where the next slot begins; the last one's at the close."""
    day = [job for job in of_day(date(2022, 8, 22)) if job.kind is CycleKind.SLOT]
    assert all(first.until == second.slot for first, second in pairwise(day))
    assert day[-1].until == datetime(2022, 8, 22, 20, tzinfo=UTC)


def test_a_delay_over_the_close_leaves_the_last_slot_a_window() -> None:
    """7m with a delay of 6m: the last slot, 15:55, is due at 16:01; its cycle says that the market is closed."""
    session, following = CALENDAR.session(date(2022, 8, 22)), CALENDAR.session(date(2022, 8, 23))
    assert session is not None
    assert following is not None
    day = [job for job in session_jobs(agent("spy", "7m", delay=360), session, following) if job.kind is CycleKind.SLOT]
    assert day[-1].due > session.close
    assert all(job.due < job.until for job in day)


def test_closed_days_have_no_jobs() -> None:
    """From Friday's close to Monday's open only Friday's settlement is there."""
    friday = datetime(2022, 8, 26, 20, tzinfo=UTC)
    spy = agent("spy")
    found = list(jobs(CALENDAR, [spy], lambda _: friday, friday + timedelta(days=1)))
    assert [job.kind for job in found if job.slot < friday + timedelta(days=2)] == [CycleKind.SETTLE]


@given(minute=st.integers(0, 60 * 24 * 7), finished=st.sets(st.integers(0, 400)))
def test_every_job_is_in_one_place(minute: int, finished: set[int]) -> None:
    """Whatever the time and the outcomes: a job is done, due, missed or later, never two of them."""
    begin = datetime(2022, 8, 22, tzinfo=UTC)
    now = begin + timedelta(minutes=minute)
    known = list(jobs(CALENDAR, [agent("spy"), agent("aapl", "1h", delay=60)], lambda _: begin, now))
    done = {known[index] for index in finished if index < len(known)}
    seen = plan(now, known, done.__contains__)
    assert not set(seen.due) & set(seen.missed)
    assert not (set(seen.due) | set(seen.missed)) & done
    assert all(job.due <= now < job.until for job in seen.due)
    assert all(job.until <= now for job in seen.missed)
    assert seen.next_due is None or seen.next_due > now


def test_next_due_skips_closed_hours() -> None:
    """On Saturday the next due instant is Monday's first slot."""
    saturday = datetime(2022, 8, 27, 12, tzinfo=UTC)
    known = jobs(CALENDAR, [agent("spy")], lambda _: saturday, saturday)
    assert plan(saturday, known, lambda _: False).next_due == datetime(2022, 8, 29, 13, 35, tzinfo=UTC)


def test_only_aligned_instants_of_sessions_are_slots() -> None:
    """13:35 is one, 13:36, the open itself, the close and a Sunday are none."""
    spy = agent("spy")
    instants = [(22, 13, 35), (22, 13, 36), (22, 13, 30), (22, 20, 0), (21, 13, 35)]
    found = [is_slot(CALENDAR, spy, datetime(2022, 8, day, hour, minute, tzinfo=UTC)) for day, hour, minute in instants]
    assert found == [True, False, False, False, False]
