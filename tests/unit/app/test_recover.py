"""What a process that starts finds: cycles that died, orders without answers, proposals that nobody answered."""

from __future__ import annotations

from dataclasses import replace as changed
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.unit.app.desks import BUY, HOLD, OPEN, Bench
from ztrade.app.recover import recover
from ztrade.app.run_cycle import run_cycle
from ztrade.domain.identity import entry_id
from ztrade.domain.ledger import CycleKind, IntentState, Outcome, ProposalState
from ztrade.errors import AdoptionMismatch, OutcomeUnknown


class Died(BaseException):
    """The process ends here: nothing of ours catches it."""


def dying(bench: Bench, minutes: float, *, landed: bool) -> None:
    """Run a cycle whose process dies as it sends, before or after the order arrived."""

    def die() -> None:
        raise Died

    if landed:
        bench.exchange.after_submit = die
    else:
        bench.exchange.before["submit"] = die
    try:
        bench.cycle(minutes, BUY)
    except Died:
        pass
    else:
        raise AssertionError("the cycle was to die")
    bench.exchange.after_submit = None
    bench.exchange.before.clear()


def later(bench: Bench, minutes: float) -> None:
    """Let time pass, the lease's and the grace's too."""
    bench.at(minutes)
    bench.wall_shift += timedelta(minutes=20)


def outcomes(bench: Bench) -> list[tuple[Outcome | None, str]]:
    return [(record.outcome, record.reason) for record in bench.journal.cycles(agent="spy")]


def test_a_cycle_that_died_after_its_order_landed_is_closed_with_the_order() -> None:
    """The order is adopted; the cycle says what became of it; nothing is sent again."""
    bench = Bench()
    dying(bench, 30, landed=True)
    later(bench, 40)
    (record,) = recover(bench.desk)
    name = entry_id("spy", OPEN + timedelta(minutes=30))
    assert (record.outcome, record.order_ids) == (Outcome.INTERRUPTED, (name,))
    assert record.reason == f"interrupted: its process died; {name} is sent"
    assert len(bench.exchange.submitted) == 1
    assert bench.journal.holdings("embedded")[0].qty == bench.exchange.submitted[0].qty


def test_a_cycle_that_died_before_its_order_left_is_closed_without_one() -> None:
    """Its sender is gone, and the exchange has no such order."""
    bench = Bench()
    dying(bench, 30, landed=False)
    later(bench, 40)
    (record,) = recover(bench.desk)
    assert record.reason.endswith("entry is not_sent")
    assert recover(bench.desk) == []
    assert bench.orders() == []


def test_an_order_stays_unknown_while_its_sender_may_still_send() -> None:
    """A frozen process on a host that nobody can ask; long after any lease it counts as not sent."""
    bench = Bench()
    dying(bench, 30, landed=False)
    bench.desk = changed(bench.desk, end=lambda _owner: False)
    bench.at(33)
    recover(bench.desk)
    name = entry_id("spy", OPEN + timedelta(minutes=30))
    intent = bench.journal.intent(name)
    assert intent is not None
    assert intent.state is IntentState.UNKNOWN
    bench.wall_shift += timedelta(minutes=20)
    recover(bench.desk)
    intent = bench.journal.intent(name)
    assert intent is not None
    assert intent.state is IntentState.NOT_SENT


def test_the_sender_is_ended_before_its_order_counts_as_not_sent() -> None:
    """And not while its own timeouts still run: it may be waiting for the answer."""
    bench = Bench()
    dying(bench, 30, landed=False)
    ended: list[str] = []

    def end(owner: str) -> bool:
        ended.append(owner)
        return True

    bench.desk = changed(bench.desk, end=end)
    bench.at(30.5)
    recover(bench.desk)
    assert ended == []
    later(bench, 40)
    recover(bench.desk)
    assert ended == ["test"]


def test_an_order_that_leaves_before_its_sender_is_ended_is_taken_over() -> None:
    """A sender that thaws between the question and its end: the exchange is asked again after it."""
    bench = Bench()
    dying(bench, 30, landed=False)

    def end(_owner: str) -> bool:
        (intent,) = bench.journal.intents(agent="spy")
        bench.market.submit(intent.request)
        return True

    bench.desk = changed(bench.desk, end=end)
    later(bench, 40)
    recover(bench.desk)
    (intent,) = bench.journal.intents(agent="spy")
    assert intent.state is IntentState.SENT


def test_the_sender_is_ended_though_another_process_took_its_cycle_over() -> None:
    """Who planned the order is who sends it: the successor's end would leave a frozen sender to send when it thaws."""
    bench = Bench()
    bench.desk = changed(bench.desk, owner="frozen", lease=timedelta(seconds=1))
    dying(bench, 30, landed=False)
    ended: list[str] = []

    def end(owner: str) -> bool:
        ended.append(owner)
        return True

    bench.desk = changed(bench.desk, owner="successor", end=end)
    bench.wall_shift += timedelta(seconds=10)
    taken_over = run_cycle(bench.desk, slot=OPEN + timedelta(minutes=30))
    assert taken_over is not None
    assert taken_over.outcome is Outcome.BLOCKED
    assert ended == []
    later(bench, 35)
    recover(bench.desk)
    assert ended == ["frozen"]


def test_a_slot_that_may_still_run_is_left_to_its_own_next_attempt() -> None:
    """Its window lasts: the next claim takes it over and finds the order."""
    bench = Bench()
    dying(bench, 30, landed=True)
    bench.at(31)
    bench.wall_shift += timedelta(minutes=20)
    assert recover(bench.desk) == []
    assert outcomes(bench)[0][0] is None
    record = run_cycle(bench.desk, slot=OPEN + timedelta(minutes=30))
    assert record is not None
    assert record.outcome is Outcome.INTERRUPTED
    assert len(bench.exchange.submitted) == 1


def test_a_cycle_that_still_runs_is_left_alone() -> None:
    """Its lease lasts."""
    bench = Bench()
    slot = bench.at(30)
    bench.journal.claim(
        "spy", slot, CycleKind.SLOT, owner="another", now=slot, wall=bench.market.wall(), lease=timedelta(minutes=30)
    )
    bench.at(40)
    assert recover(bench.desk) == []


def test_an_extra_cycle_that_died_is_closed() -> None:
    """A run by hand whose process was killed; while its lease lasts it may still run."""
    bench = Bench()
    now = bench.at(30)
    bench.journal.claim(
        "spy", now, CycleKind.EXTRA, owner="ann", now=now, wall=bench.market.wall(), lease=timedelta(minutes=10)
    )
    recover(bench.desk)
    assert outcomes(bench)[0][0] is None
    later(bench, 41)
    recover(bench.desk)
    assert outcomes(bench)[0][0] is Outcome.INTERRUPTED


def test_proposals_that_nobody_answered_expire() -> None:
    """In time they wait, later they do not."""
    bench = Bench()
    bench.cycle(30, BUY, manual=True)
    recover(bench.desk)
    assert [p.state for p in bench.journal.proposals()] == [ProposalState.PENDING]
    bench.at(36)
    recover(bench.desk)
    assert [p.state for p in bench.journal.proposals()] == [ProposalState.EXPIRED]


def test_an_account_never_seen_has_nothing_to_recover() -> None:
    """Nothing is asked of an exchange that may not even be there."""
    bench = Bench()
    assert recover(bench.desk) == []
    assert bench.exchange.calls == []


def test_recovering_twice_changes_nothing() -> None:
    """Two processes that start at once are harmless."""
    bench = Bench()

    def vanish() -> None:
        raise OutcomeUnknown("x", "timed out")

    bench.exchange.before["submit"] = vanish
    assert bench.cycle(30, BUY).outcome is Outcome.UNKNOWN
    bench.exchange.before.clear()
    later(bench, 40)
    for _ in range(2):
        recover(bench.desk)
    assert bench.cycle(45, HOLD).outcome is Outcome.HELD


def test_another_order_under_our_id_leaves_no_cycle_open() -> None:
    """A person must look at the order; the slot has its outcome, and the proposal its end, all the same."""
    bench = Bench()
    dying(bench, 30, landed=True)
    real = bench.market.order_by_client_id
    other = changed(real(entry_id("spy", OPEN + timedelta(minutes=30))), qty=Decimal(1))
    bench.market.order_by_client_id = lambda client_order_id: other  # type: ignore[method-assign]
    later(bench, 40)
    with pytest.raises(AdoptionMismatch):
        recover(bench.desk)
    ((outcome, reason),) = outcomes(bench)
    assert outcome is Outcome.INTERRUPTED
    assert reason.endswith("entry is planned")
