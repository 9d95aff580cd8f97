"""What every journal promises about cycles and claims."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest

from tests.contract.journals import (
    KINDS,
    LEASE,
    AnyJournal,
    at,
    claim,
    empty_postgres,
    intent,
    isolate,
    make,
    record,
)
from ztrade.adapters.journal import open_journal
from ztrade.domain.ledger import Claim, CycleKind, CycleRecord, Outcome
from ztrade.errors import ClaimLost


@pytest.fixture(params=KINDS)
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyJournal]:
    """Give each journal in turn, empty."""
    yield from make(request.param, tmp_path)


def again(journal: AnyJournal, minutes: float, wall: float, owner: str = "worker-2") -> Claim | None:
    """Claim the slot a second time, ``wall`` minutes after the open."""
    return journal.claim("spy", at(minutes), CycleKind.SLOT, owner=owner, now=at(wall), wall=at(wall), lease=LEASE)


def test_a_claim_is_named_after_agent_and_slot(journal: AnyJournal) -> None:
    """The first claim of a slot has token 1 and a name that a person can read."""
    assert claim(journal, 65) == Claim("spy.20220822T143500Z", "spy", at(65), CycleKind.SLOT, 1)


def test_a_running_cycle_is_listed_without_outcome(journal: AnyJournal) -> None:
    """Between claim and finish the cycle has no outcome, and says that it runs."""
    held = claim(journal)
    assert list(journal.cycles()) == [CycleRecord(held.cycle_id, "spy", at(5), CycleKind.SLOT, None, "running", at(5))]


def test_a_live_claim_is_refused_even_to_its_owner(journal: AnyJournal) -> None:
    """One owner may hold two deliveries of the same message: only one of them runs."""
    claim(journal)
    assert again(journal, 5, 14.99) is None
    assert again(journal, 5, 14.99, owner="worker-1") is None


def test_slots_agents_and_kinds_do_not_block_each_other(journal: AnyJournal) -> None:
    """Only the same agent, slot and kind is the same cycle."""
    names = {
        claim(journal).cycle_id,
        claim(journal, 10).cycle_id,
        claim(journal, agent="tsla").cycle_id,
        claim(journal, kind=CycleKind.SETTLE).cycle_id,
        claim(journal, kind=CycleKind.EXTRA).cycle_id,
    }
    assert len(names) == 5


def test_one_instant_is_one_slot_in_every_time_zone(journal: AnyJournal) -> None:
    """The slot is the instant, not its spelling."""
    claim(journal)
    eastern = at(5).astimezone(timezone(timedelta(hours=-4)))
    assert journal.claim("spy", eastern, CycleKind.SLOT, owner="x", now=at(5), wall=at(5), lease=LEASE) is None


def test_a_lapsed_claim_is_taken_over_once(journal: AnyJournal) -> None:
    """From the lease's end on the next claimer gets the same cycle with a higher token."""
    first = claim(journal)
    second = again(journal, 5, 15)
    assert second == replace(first, token=2)
    (row,) = journal.cycles()
    assert (row.token, row.outcome, row.started_at) == (2, None, at(15))


def test_the_third_attempt_closes_the_cycle(journal: AnyJournal) -> None:
    """What killed two workers is not given to a third: the cycle ends as interrupted, and says whose it was."""
    claim(journal)
    second = again(journal, 5, 15)
    assert second is not None
    assert again(journal, 5, 25) is None
    (row,) = journal.cycles()
    assert row.outcome is Outcome.INTERRUPTED
    assert row.reason == (
        "interrupted: 2 attempts ended without an outcome; the last, by worker-2, "
        "held its claim until 2022-08-22 13:55:00 UTC; it had planned no order"
    )
    assert row.order_ids == ()
    assert row.finished_at == at(25)
    with pytest.raises(ClaimLost):
        journal.finish(second, record(second))


def test_a_cycle_that_is_closed_names_the_orders_that_may_have_left(journal: AnyJournal) -> None:
    """Whoever reads of two dead workers must see what they may have sent, and nobody else's."""
    first, other = claim(journal), claim(journal, 10)
    journal.plan(first, intent(first, "zt.spy.a.entry"))
    journal.plan(other, intent(other, "zt.spy.b.entry"))
    second = again(journal, 5, 15)
    assert second is not None
    journal.plan(second, intent(second, "zt.spy.a.exit1"))
    assert again(journal, 5, 25) is None
    closed = next(row for row in journal.cycles() if row.cycle_id == first.cycle_id)
    assert closed.order_ids == ("zt.spy.a.entry", "zt.spy.a.exit1")
    assert closed.reason.endswith("; it had planned zt.spy.a.entry, zt.spy.a.exit1")


def test_a_finished_cycle_stays_finished(journal: AnyJournal) -> None:
    """It can be neither claimed nor finished again, however late."""
    held = claim(journal)
    journal.finish(held, record(held))
    assert again(journal, 5, 500) is None
    with pytest.raises(ClaimLost, match="finished already: held"):
        journal.finish(held, record(held, Outcome.ENTERED, "entered: late"))
    assert [row.outcome for row in journal.cycles()] == [Outcome.HELD]


def test_a_late_finish_counts_when_nobody_took_over(journal: AnyJournal) -> None:
    """A lapsed lease alone loses nothing: only a newer claim does."""
    held = claim(journal)
    journal.finish(held, record(held, finished_at=at(60)))
    assert [row.finished_at for row in journal.cycles()] == [at(60)]


def test_the_fencing_token_guards_every_write_of_a_cycle(journal: AnyJournal) -> None:
    """After a takeover the first claimer can neither plan nor finish; the second can."""
    first = claim(journal)
    second = again(journal, 5, 15)
    assert second is not None
    with pytest.raises(ClaimLost, match="token 1, the newest has 2"):
        journal.plan(first, intent(first, "a"))
    with pytest.raises(ClaimLost):
        journal.finish(first, record(first))
    assert list(journal.intents()) == []
    journal.plan(second, intent(second, "a"))
    journal.finish(second, record(second))
    assert [row.token for row in journal.cycles()] == [2]


def test_a_claim_of_another_journal_is_refused(journal: AnyJournal) -> None:
    """A claim whose cycle is not here cannot write."""
    stranger = Claim("spy.20220822T133500Z", "spy", at(5), CycleKind.SLOT)
    with pytest.raises(ClaimLost, match="not in this journal"):
        journal.finish(stranger, record(stranger))


def test_everything_about_a_cycle_comes_back(journal: AnyJournal) -> None:
    """Outcome, reason, times, orders, details and timings; inputs where they are asked for."""
    held = claim(journal)
    done = record(
        held,
        Outcome.ENTERED,
        "entered: score 0.44 – über 0.30",
        order_ids=("zt.spy.1.entry", "zt.spy.1.exit1"),
        inputs={"bars": [1.5, 2.5], "nested": {"at": "x"}},
        details={"score": 0.44, "limits": ["a", "b"]},
        timings={"observe": 0.25},
    )
    journal.finish(held, done)
    assert list(journal.cycles(with_inputs=True)) == [done]
    assert list(journal.cycles()) == [replace(done, inputs={})]


def test_decimals_and_instants_in_inputs_come_back_as_text(journal: AnyJournal) -> None:
    """Inputs are kept as plain values: what JSON has no form for becomes its text."""
    held = claim(journal)
    journal.finish(held, record(held, inputs={"price": Decimal("400.10"), "at": at(5), "kinds": {"b", "a"}}))
    (row,) = journal.cycles(with_inputs=True)
    assert row.inputs == {"price": "400.10", "at": "2022-08-22T13:35:00+00:00", "kinds": ["a", "b"]}


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_an_outcome_always_has_a_reason(journal: AnyJournal, reason: str) -> None:
    """An exception without a text must not cost the slot its outcome."""
    held = claim(journal)
    journal.finish(held, record(held, Outcome.FAILED, reason))
    assert journal.close_slot("spy", at(10), Outcome.MISSED, reason, at(15))
    assert [row.reason for row in journal.cycles()] == ["failed: no reason was given", "missed: no reason was given"]


def test_a_reason_of_odd_bytes_does_not_cost_the_outcome(journal: AnyJournal) -> None:
    """An error's text may hold anything that an exchange sent."""
    held = claim(journal)
    journal.finish(held, record(held, Outcome.FAILED, "bad answer: \ud800 \x00 end", details={"raw": "\ud800\x00"}))
    (row,) = journal.cycles()
    assert row.outcome is Outcome.FAILED
    assert row.reason.startswith("bad answer: ")
    assert row.reason.endswith(" end")


def test_a_cycle_cannot_finish_without_an_outcome(journal: AnyJournal) -> None:
    """A record that still runs is refused, and the cycle goes on running."""
    held = claim(journal)
    with pytest.raises(ValueError, match="without an outcome"):
        journal.finish(held, replace(record(held), outcome=None))
    journal.finish(held, record(held))


def test_a_slot_that_nobody_claimed_is_closed_once(journal: AnyJournal) -> None:
    """The keeper's word stands: no second closing, and no claim afterwards."""
    assert journal.close_slot("spy", at(5), Outcome.MISSED, "missed: no worker", at(12))
    assert not journal.close_slot("spy", at(5), Outcome.MISSED, "missed: again", at(13))
    assert again(journal, 5, 5) is None
    (row,) = journal.cycles()
    assert (row.cycle_id, row.outcome, row.reason) == ("spy.20220822T133500Z", Outcome.MISSED, "missed: no worker")
    assert (row.started_at, row.finished_at) == (at(12), at(12))


def test_a_claimed_slot_is_not_closed_from_outside(journal: AnyJournal) -> None:
    """Neither while it runs nor after it finished."""
    held = claim(journal)
    assert not journal.close_slot("spy", at(5), Outcome.MISSED, "missed", at(60))
    journal.finish(held, record(held))
    assert not journal.close_slot("spy", at(5), Outcome.MISSED, "missed", at(60))


def test_each_extra_cycle_is_its_own(journal: AnyJournal) -> None:
    """Two runs by hand at one instant are two cycles, and leave the slot free."""
    one, two = claim(journal, kind=CycleKind.EXTRA), claim(journal, kind=CycleKind.EXTRA)
    assert (one.cycle_id, two.cycle_id) == ("spy.20220822T133500Z.extra", "spy.20220822T133500Z.extra.2")
    journal.finish(two, record(two))
    journal.finish(one, record(one))
    assert claim(journal).token == 1
    assert len(journal.cycles(kind=CycleKind.EXTRA)) == 2


def test_an_extra_cycle_that_died_is_closed_by_the_next(journal: AnyJournal) -> None:
    """Nobody claims its instant again, so the agent's next extra cycle gives it its outcome; live ones go on."""
    dead = claim(journal, 5, CycleKind.EXTRA)
    alive = claim(journal, 12, CycleKind.EXTRA)
    claim(journal, 16, CycleKind.EXTRA)
    rows = {row.cycle_id: row for row in journal.cycles()}
    assert rows[dead.cycle_id].outcome is Outcome.INTERRUPTED
    assert rows[dead.cycle_id].reason.startswith("interrupted: one attempt ended")
    assert rows[alive.cycle_id].outcome is None
    with pytest.raises(ClaimLost):
        journal.finish(dead, record(dead))


def test_listing_filters_and_keeps_the_newest(journal: AnyJournal) -> None:
    """Bounds are included; newest last; a limit cuts the oldest off."""
    for minutes in (15, 5, 10):
        claim(journal, minutes)
    claim(journal, 10, agent="tsla")
    claim(journal, 20, CycleKind.SETTLE)

    def minutes_of(**filters: object) -> list[int]:
        rows = journal.cycles(**filters)  # type: ignore[arg-type]
        return [round((row.slot - at(0)).total_seconds() / 60) for row in rows]

    assert minutes_of() == [5, 10, 10, 15, 20]
    assert minutes_of(agent="spy", kind=CycleKind.SLOT) == [5, 10, 15]
    assert minutes_of(agent="spy", since=at(10), until=at(15)) == [10, 15]
    assert minutes_of(limit=2) == [15, 20]
    assert minutes_of(limit=0) == []
    assert minutes_of(agent="nobody") == []
    with pytest.raises(ValueError, match="cannot have -1 rows"):
        journal.cycles(limit=-1)


def test_naive_instants_are_refused(journal: AnyJournal) -> None:
    """Nobody can know which instant they mean; nothing is written."""
    naive = datetime(2022, 8, 22, 13, 35)  # noqa: DTZ001
    with pytest.raises(ValueError, match="no time zone"):
        journal.claim("spy", naive, CycleKind.SLOT, owner="x", now=at(5), wall=at(5), lease=LEASE)
    with pytest.raises(ValueError, match="no time zone"):
        journal.claim("spy", at(5), CycleKind.SLOT, owner="x", now=naive, wall=at(5), lease=LEASE)
    with pytest.raises(ValueError, match="no time zone"):
        journal.cycles(since=naive)
    assert list(journal.cycles()) == []


@pytest.mark.parametrize("lease", [timedelta(0), timedelta(seconds=-1)])
def test_a_claim_needs_a_lease(journal: AnyJournal, lease: timedelta) -> None:
    """A claim that has lapsed when it is made would let two processes run one cycle."""
    with pytest.raises(ValueError, match="positive lease"):
        journal.claim("spy", at(5), CycleKind.SLOT, owner="x", now=at(5), wall=at(5), lease=lease)


def test_a_claim_whose_owner_is_surely_gone_is_taken_over_at_once(journal: AnyJournal) -> None:
    """A killed worker's successor need not wait for the lease; an owner that may live keeps it."""

    def again(owner: str, gone: Callable[[str], bool]) -> Claim | None:
        return journal.claim(
            "spy", at(5), CycleKind.SLOT, owner=owner, now=at(5), wall=at(5), lease=timedelta(minutes=5), gone=gone
        )

    first = again("dead", lambda _owner: False)
    assert first is not None
    assert again("next", lambda owner: owner != "dead") is None
    second = again("next", lambda owner: owner == "dead")
    assert second is not None
    assert (second.cycle_id, second.token) == (first.cycle_id, 2)
    assert again("third", lambda _owner: True) is None
    assert journal.cycles(agent="spy")[0].outcome is Outcome.INTERRUPTED


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_a_servers_own_isolation_costs_no_outcome(level: str) -> None:
    """Cycles of several agents end at once: each writer sees what those wrote for which it has waited."""
    url = empty_postgres()
    isolate(url, level)

    def run(agent: str) -> int:
        journal = open_journal(url)
        for minutes in range(30):
            held = claim(journal, minutes, agent=agent)
            journal.finish(held, record(held))
        found = len(journal.cycles(agent=agent))
        journal.close()
        return found

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(run, ("aapl", "spy", "tsla"))) == [30] * 3
