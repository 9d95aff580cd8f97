"""Objectives: what is an event, what is bad, and how much of the budget is left."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from ztrade.adapters.calendar import NyseCalendar
from ztrade.domain.ledger import DONE, CycleKind, CycleRecord, IntentState, Outcome
from ztrade.domain.sla import Objective, Objectives, Score, in_market_hours, judge_order, judge_slot, scores, worst

OPEN = datetime(2022, 8, 22, 13, 30, tzinfo=UTC)
USUAL = Objectives()
CALENDAR = NyseCalendar()
IN_TIME, NOT_MISSED, KNOWN = Objective


def slot(
    outcome: Outcome, done: float | None = 0.5, minutes: float = 5, kind: CycleKind = CycleKind.SLOT
) -> CycleRecord:
    at = OPEN + timedelta(minutes=minutes)
    timings = {} if done is None else {DONE: done}
    return CycleRecord(f"c{minutes}", "spy", at, kind, outcome, f"{outcome}: so", at, at, timings=timings)


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_is_judged(outcome: Outcome) -> None:
    """A person's halt is an answer, and a refusal of the exchange too."""
    bad = {
        Outcome.MISSED: {IN_TIME, NOT_MISSED},
        Outcome.FAILED: {IN_TIME},
        Outcome.INTERRUPTED: {IN_TIME},
        Outcome.UNKNOWN: {IN_TIME},
    }
    assert set(judge_slot(slot(outcome), USUAL)) == bad.get(outcome, set())


@pytest.mark.parametrize(("done", "bad"), [(30.0, False), (30.1, True), (None, False)])
def test_a_slot_must_be_done_in_time(done: float | None, bad: bool) -> None:
    """Where time moves in steps there is no late."""
    assert (IN_TIME in judge_slot(slot(Outcome.HELD, done), USUAL)) is bad


def test_only_slots_in_market_hours_count() -> None:
    """Not extra cycles, not the pre-market, not a holiday."""
    session_of = CALENDAR.session
    assert in_market_hours(session_of, slot(Outcome.HELD))
    assert not in_market_hours(session_of, slot(Outcome.HELD, kind=CycleKind.EXTRA))
    assert not in_market_hours(session_of, slot(Outcome.OBSERVED, minutes=-5))
    assert not in_market_hours(session_of, slot(Outcome.CLOSED, minutes=5 - 24 * 60))


@pytest.mark.parametrize(
    ("state", "answered", "seconds", "bad"),
    [
        (IntentState.SENT, 0.4, 100, False),
        (IntentState.DONE, 60.5, 100, True),
        (IntentState.UNKNOWN, None, 59, None),
        (IntentState.UNKNOWN, None, 61, True),
        (IntentState.PLANNED, None, 61, True),
        (IntentState.NOT_SENT, None, 61, None),
    ],
)
def test_an_order_is_an_event_once_it_is_known_or_too_late(
    state: IntentState, answered: float | None, seconds: float, bad: bool | None
) -> None:
    assert judge_order(state, OPEN, answered, OPEN + timedelta(seconds=seconds), USUAL) is bad


def test_the_budget_is_what_the_objective_leaves() -> None:
    """5 bad of 1000 are allowed at 99.5 %, not 6; without events nothing was missed."""
    assert Score(1000, 5).met(USUAL.done_in_time)
    assert not Score(1000, 6).met(USUAL.done_in_time)
    assert Score(1000, 5).allowed(USUAL.done_in_time) == 5
    assert Score(1000, 5).achieved() == Decimal("0.995")
    assert Score().met(USUAL.not_missed)
    assert Score().achieved() is None
    assert not Score(10, 1).met(USUAL.order_known)


def test_scores_and_worst_slots() -> None:
    records = [
        slot(Outcome.HELD, minutes=5),
        slot(Outcome.HELD, done=45.0, minutes=10),
        slot(Outcome.ENTERED, done=90.0, minutes=15),
        slot(Outcome.MISSED, None, minutes=20),
    ]
    found = scores((judge_slot(record, USUAL) for record in records), [True, False, None])
    assert [(found[one].events, found[one].bad) for one in Objective] == [(4, 3), (4, 1), (2, 1)]
    assert [(record.slot.minute, words) for record, words in worst(records, USUAL, 2)] == [
        (50, "missed: so"),
        (45, "done 90.0 s after it was due: entered: so"),
    ]
