"""Counting a journal: what is new is counted once, what has not ended is looked at again, another journal anew."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.contract.journals import at, bracket, claim, intent, order, record, send
from ztrade.adapters.calendar import NyseCalendar
from ztrade.app import tally as counting
from ztrade.app.tally import Tally
from ztrade.domain.ledger import DONE, LATE, RULES, CycleKind, CycleRecord, IntentState, Outcome
from ztrade.domain.messages import Message, Severity
from ztrade.domain.missed import Cause, Why, missed
from ztrade.domain.sla import Objective, Objectives
from ztrade.domain.types import Leg, OrderStatus
from ztrade.errors import JournalUnavailable
from ztrade.testing.journal import MemoryJournal
from ztrade.testing.tallies import MemoryTallies


def tally(*agents: str) -> Tally:
    return Tally(agents or ("spy",), Objectives(), NyseCalendar().session)


@pytest.fixture
def journal() -> MemoryJournal:
    return MemoryJournal()


def run(
    journal: MemoryJournal, minutes: float, outcome: Outcome = Outcome.HELD, agent: str = "spy", **more: Any
) -> None:
    held = claim(journal, minutes, agent=agent)
    journal.finish(held, record(held, outcome, **more))


def test_slots_are_counted_once(journal: MemoryJournal) -> None:
    found = tally()
    run(journal, 5, timings={LATE: 0.2, DONE: 45.0})
    journal.close_slot("spy", at(10), Outcome.MISSED, missed(Why.BEAT_DOWN), at(15))
    for _ in range(2):
        assert found.look(journal.tallies)
    run(journal, 15, Outcome.BLOCKED, details={RULES: ["cooldown", "collar"]})
    assert found.look(journal.tallies)
    spy = found.agents["spy"]
    assert spy.outcomes == {Outcome.HELD: 1, Outcome.MISSED: 1, Outcome.BLOCKED: 1}
    assert spy.missed == {Cause.BEAT: 1}
    assert spy.refusals == {"cooldown": 1, "collar": 1}
    assert (sum(spy.late.counts), spy.done.total) == (1, 45.0)
    assert (spy.first, spy.good) == (at(5), at(15))
    scores = found.scores("spy", at(20))
    assert [(scores[one].events, scores[one].bad) for one in Objective] == [(3, 2), (3, 1), (0, 0)]


def test_extra_cycles_are_no_slots_but_their_refusals_count(journal: MemoryJournal) -> None:
    held, refused = claim(journal, 7, CycleKind.EXTRA), claim(journal, 8, CycleKind.EXTRA)
    journal.finish(held, record(held, Outcome.UNKNOWN, details={RULES: ["stop"]}))
    journal.finish(refused, record(refused, Outcome.REJECTED))
    found = tally()
    found.look(journal.tallies)
    assert (found.agents["spy"].outcomes, found.agents["spy"].unknown) == ({}, 1)
    assert found.agents["spy"].refusals == {"stop": 1}
    assert found.agents["spy"].ended == {OrderStatus.REJECTED: 1}


def test_of_an_agent_that_nobody_configured_nothing_is_counted(journal: MemoryJournal) -> None:
    run(journal, 5, agent="gone")
    send(journal, "o1", "x1", agent="tsla")
    found = tally()
    assert found.look(journal.tallies)
    assert set(found.agents) == {"spy"}
    assert found.agents["spy"].outcomes == {}
    assert found.unresolved == []


def test_pages_add_up(journal: MemoryJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "PAGE", 3)
    for minutes in range(5, 55, 5):
        send(journal, f"o{minutes}", f"x{minutes}", minutes)
        journal.resolve(
            f"o{minutes}", IntentState.SENT, order=bracket(f"x{minutes}", f"o{minutes}", status=OrderStatus.FILLED)
        )
        journal.post(Message(f"m{minutes}", Severity.INFO, "t", "x", at(minutes)))
        journal.outbox.route({f"m{minutes}": ["ops", "mail"]}, at(minutes))
    found = tally()
    found.look(journal.tallies)
    assert found.agents["spy"].outcomes == {Outcome.ENTERED: 10}
    assert +found.agents["spy"].ended == {OrderStatus.FILLED: 10}
    assert found.waiting == {"ops": 10, "mail": 10}


class Breaking(MemoryTallies):
    """One that fails when asked for the second page of cycles."""

    def cycles(self, after: int, limit: int) -> Sequence[tuple[int, CycleRecord]]:
        if after >= 3:
            raise JournalUnavailable("locked")
        return super().cycles(after, limit)


def test_a_journal_that_fails_half_way_is_not_counted_twice(
    journal: MemoryJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "PAGE", 3)
    for minutes in range(5, 35, 5):
        run(journal, minutes)
    found, whole = tally(), journal.tallies
    broken = Breaking(journal._cycles, journal._intents, journal._books, journal._messages)
    with pytest.raises(JournalUnavailable):
        found.look(broken)
    assert found.look(whole)
    assert found.agents["spy"].outcomes == {Outcome.HELD: 6}


def test_another_journal_in_its_place_is_told(journal: MemoryJournal) -> None:
    """A restored copy is shorter, or has something else where counting stopped."""
    found = tally()
    for minutes in (5, 10):
        run(journal, minutes)
    assert found.look(journal.tallies)
    shorter, other = MemoryJournal(), MemoryJournal()
    run(shorter, 5)
    for minutes in (5, 15, 20):
        run(other, minutes)
    assert not found.look(shorter.tallies)
    assert not found.look(other.tallies)


def test_an_order_counts_when_it_has_ended(journal: MemoryJournal) -> None:
    """Its slippage too, against a decision that is written only when the cycle ends."""
    found = tally()
    held = claim(journal)
    journal.plan(held, intent(held, "o1"))
    filled: dict[str, Any] = {
        "status": OrderStatus.FILLED,
        "filled_qty": Decimal(10),
        "filled_avg_price": Decimal("400.4"),
    }
    journal.resolve("o1", IntentState.SENT, order=bracket("x1", "o1", **filled))
    found.look(journal.tallies)
    assert sum(found.agents["spy"].ended.values()) == 0
    journal.finish(held, record(held, Outcome.ENTERED, details={"price": "400"}))
    for _ in range(2):
        found.look(journal.tallies)
    spy = found.agents["spy"]
    assert +spy.ended == {OrderStatus.FILLED: 1}
    assert spy.slippage.total == pytest.approx(0.001)
    assert next(bound for bound, count in spy.slippage.cumulated if count) == "0.001"


def test_an_order_planned_again_is_timed_once(journal: MemoryJournal) -> None:
    """It never left at first, and was known at once when it did."""
    found = tally()
    held = claim(journal)
    journal.plan(held, intent(held, "o1", Leg.EXIT))
    journal.resolve("o1", IntentState.NOT_SENT, reason="halted")
    found.look(journal.tallies)
    assert sum(found.agents["spy"].answers.counts) == 0
    journal.plan(held, intent(held, "o1", Leg.EXIT))
    journal.resolve(
        "o1", IntentState.SENT, order=order("x1", "o1", side=intent(held, "o1", Leg.EXIT).request.side), wall=at(5.5)
    )
    for _ in range(2):
        found.look(journal.tallies)
    assert (sum(found.agents["spy"].answers.counts), found.agents["spy"].answers.total) == (1, 30.0)


def test_an_order_without_an_answer_is_bad_when_its_time_is_over_and_once(journal: MemoryJournal) -> None:
    found = tally()
    held = claim(journal)
    journal.plan(held, intent(held, "o1"))
    journal.resolve("o1", IntentState.UNKNOWN)
    found.look(journal.tallies)
    assert [row.wall_at for row in found.unresolved] == [at(5)]

    def known(after: float) -> tuple[int, int]:
        score = found.scores("spy", at(5) + timedelta(seconds=after))[Objective.ORDER_KNOWN]
        return score.events, score.bad

    assert (known(60), known(61)) == ((0, 0), (1, 1))
    journal.resolve("o1", IntentState.SENT, order=order("x1", "o1"), wall=at(5) + timedelta(seconds=70))
    found.look(journal.tallies)
    assert (known(71), found.unresolved) == ((1, 1), [])


def test_a_message_counts_on_each_channel_when_it_ended_there(journal: MemoryJournal) -> None:
    found = tally()
    journal.post(Message("m1", Severity.INFO, "t", "x", at(1)))
    journal.outbox.route({"m1": ["ops", "mail"]}, at(1))
    journal.outbox.taken("ops", ["m1"], at(2))
    for _ in range(2):
        found.look(journal.tallies)
    assert (found.waiting, dict(found.deliveries)) == ({"mail": 1}, {"ops": {"sent": 1}})
    journal.outbox.lose("mail", ["m1"], "no", at(3))
    found.look(journal.tallies)
    assert (found.waiting, dict(found.deliveries)) == ({}, {"ops": {"sent": 1}, "mail": {"lost": 1}})
