"""What could not be read explains the slots whose whole time it was away, and no others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ztrade.domain.ledger import CycleKind
from ztrade.domain.missed import Cause, cause_of
from ztrade.errors import ExchangeUnavailable, JournalUnavailable, TemporaryError
from ztrade.service.gaps import Gaps
from ztrade.service.planner import Job

OPEN = datetime(2022, 8, 22, 13, 30, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return OPEN + timedelta(minutes=minutes)


def job(minutes: float) -> Job:
    return Job("spy", CycleKind.SLOT, at(minutes), at(minutes), at(minutes + 5))


def gaps(error: TemporaryError) -> Gaps:
    """Return what was seen at 4 and at 16 minutes, with an error between."""
    found = Gaps()
    found.seen(at(4))
    found.lost(error)
    found.lost(TemporaryError("and more"))
    found.seen(at(16))
    return found


@pytest.mark.parametrize(
    ("error", "cause"),
    [(ExchangeUnavailable("refused"), Cause.EXCHANGE), (JournalUnavailable("locked"), Cause.JOURNAL)],
)
def test_a_slot_whose_time_it_was_away_is_explained(error: TemporaryError, cause: Cause) -> None:
    found = gaps(error)
    assert cause_of(f"missed: {found.why(job(5))}") is cause
    assert found.why(job(10)).endswith(str(error))
    assert found.why(job(0)) == "", "it could begin before"
    assert found.why(job(15)) == "", "it can begin still"


def test_what_nobody_saw_begin_explains_nothing() -> None:
    found = Gaps()
    found.lost(ExchangeUnavailable("refused"))
    found.seen(at(16))
    assert found.why(job(5)) == ""


def test_another_trouble_is_no_gap() -> None:
    assert gaps(TemporaryError("Redis")).why(job(5)) == ""
