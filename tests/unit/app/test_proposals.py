"""Manual agents: a decision waits for a person, is sent once, or expires."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.unit.app.desks import AGENT, BUY, HOLD, LEAVE, MINUTE, OPEN, SELL, Bench
from ztrade.app.proposals import approve
from ztrade.domain.ledger import Outcome, ProposalState
from ztrade.domain.types import Activity, Side
from ztrade.errors import NotFound, Rejected


@pytest.fixture
def bench() -> Bench:
    return Bench(replace(AGENT, manual=True))


def proposed(bench: Bench) -> str:
    record = bench.cycle(30, BUY)
    assert record.outcome is Outcome.PROPOSED
    return record.cycle_id


def test_a_proposal_sends_nothing_and_says_how_to_approve(bench: Bench) -> None:
    """The reason carries the command and the time left."""
    record = bench.cycle(30, BUY)
    assert record.outcome is Outcome.PROPOSED
    assert f"ztrade approve {record.cycle_id}" in record.reason
    assert bench.exchange.submitted == []


def test_an_approved_proposal_is_sent_once(bench: Bench) -> None:
    """The order has the id of the slot that proposed it; approving again is refused."""
    proposal = proposed(bench)
    bench.at(31)
    record = approve(bench.desk, proposal, by="ann")
    assert record is not None
    assert record.outcome is Outcome.ENTERED
    assert "approved by ann" in record.reason
    assert bench.orders()[0].client_order_id == "zt.spy.20220822T140000Z.entry"
    with pytest.raises(Rejected):
        approve(bench.desk, proposal, by="ann")
    assert len(bench.orders()) == 1


def test_an_expired_proposal_cannot_be_approved(bench: Bench) -> None:
    """After its time the market is another; it stays unsent."""
    proposal = proposed(bench)
    bench.at(34.5)
    with pytest.raises(Rejected):
        approve(bench.desk, proposal, by="ann")
    assert bench.orders() == []


def test_the_next_slot_expires_what_nobody_answered(bench: Bench) -> None:
    """It makes a fresh proposal instead."""
    first = proposed(bench)
    second = bench.cycle(35, BUY)
    assert second.outcome is Outcome.PROPOSED
    states = {proposal.id: proposal.state for proposal in bench.journal.proposals()}
    assert states == {first: ProposalState.EXPIRED, second.cycle_id: ProposalState.PENDING}


def test_a_waiting_proposal_is_not_doubled(bench: Bench) -> None:
    """While one waits, the next slot holds."""
    bench.with_agent(proposal_ttl=AGENT.every * 3)
    proposed(bench)
    record = bench.cycle(35, BUY)
    assert record.outcome is Outcome.HELD
    assert "waits until" in record.reason


def test_risk_looks_again_when_a_person_approves(bench: Bench) -> None:
    """What was fine when it was proposed may not be now."""
    proposal = proposed(bench)
    bench.at(31)
    bench.with_agent(limits=replace(AGENT.limits, max_daily_trades=0))
    record = approve(bench.desk, proposal, by="ann")
    assert record is not None
    assert record.outcome is Outcome.BLOCKED
    assert bench.orders() == []


def test_a_halt_stops_an_approved_proposal(bench: Bench) -> None:
    """A person's stop is stronger than a person's yes."""
    proposal = proposed(bench)
    bench.at(31)
    bench.halts.halt("spy", "stop")
    record = approve(bench.desk, proposal, by="ann")
    assert record is not None
    assert record.outcome is Outcome.HALTED
    assert bench.orders() == []


def test_exits_are_proposed_and_approved_too(bench: Bench) -> None:
    """An approved exit ends the legs and sells the position."""
    approve_at = proposed(bench)
    bench.at(31)
    approve(bench.desk, approve_at, by="ann")
    bench.with_agent(proposal_ttl=AGENT.every)
    record = bench.cycle(40, LEAVE)
    assert record.outcome is Outcome.PROPOSED
    bench.at(41)
    left = approve(bench.desk, record.cycle_id, by="ann")
    assert left is not None
    assert left.outcome is Outcome.EXITED
    bench.cycle(45, SELL)
    assert bench.market.positions() == []
    assert len([order for order in bench.orders() if order.side is Side.SELL]) == 1


def test_a_proposal_nobody_made_is_not_found(bench: Bench) -> None:
    """An id with a typing mistake says so."""
    with pytest.raises(NotFound):
        approve(bench.desk, "spy.20220822T140000Z", by="ann")


def test_the_argument_only_tightens() -> None:
    """manual=True makes an automatic agent ask; manual=False does not free a manual one."""
    automatic, asked = Bench(), Bench(replace(AGENT, manual=True))
    assert automatic.cycle(30, BUY, manual=True).outcome is Outcome.PROPOSED
    assert asked.cycle(30, BUY, manual=False).outcome is Outcome.PROPOSED


def test_an_approval_while_the_exchange_says_closed_sends_nothing(bench: Bench) -> None:
    """A market order would wait for the next open, at a price nobody approved."""
    proposal = proposed(bench)
    bench.market.engine.close_early(OPEN + 31 * MINUTE)
    bench.at(32)
    record = approve(bench.desk, proposal, by="ann")
    assert record is not None
    assert record.outcome is Outcome.CLOSED
    assert bench.exchange.submitted == []


def test_an_approval_after_the_close_sends_nothing(bench: Bench) -> None:
    """A market order would rest until the next day's open."""
    bench.with_agent(proposal_ttl=timedelta(hours=10))
    proposal = proposed(bench)
    bench.at(391)
    record = approve(bench.desk, proposal, by="ann")
    assert record is not None
    assert record.outcome is Outcome.CLOSED
    assert bench.exchange.submitted == []


def test_an_approved_exit_sells_what_is_left(bench: Bench) -> None:
    """A person sold a part after the exit was proposed: the rest leaves."""
    approve(bench.desk, proposed(bench), by="ann")
    bench.with_agent(proposal_ttl=AGENT.every * 3)
    bench.cycle(35, HOLD)
    exit_proposal = bench.cycle(40, LEAVE)
    assert exit_proposal.outcome is Outcome.PROPOSED
    # a quarter of the target was filled, and the account book says so
    target = next(leg for leg in bench.orders()[0].legs if leg.limit_price is not None)
    part = Activity(
        "late", "FILL", bench.market.now(), Decimal(1000), "SPY", target.id, Side.SELL, Decimal(5), Decimal(200)
    )
    bench.journal.book("embedded", [part])
    held = bench.journal.holdings()[0].qty
    bench.at(41)
    record = approve(bench.desk, exit_proposal.cycle_id, by="ann")
    assert record is not None
    assert record.outcome is Outcome.EXITED
    assert bench.exchange.submitted[-1].qty == held
