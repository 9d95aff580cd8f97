"""Two processes trade for one agent at the same time, or one of them sleeps: nothing is sent twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from tests.unit.app.desks import BUY, HOLD, LEAVE, MINUTE, OPEN, Bench
from ztrade.app.desk import Desk
from ztrade.app.flatten import flatten
from ztrade.app.proposals import approve
from ztrade.app.run_cycle import run_cycle
from ztrade.domain.identity import entry_id
from ztrade.domain.ledger import AgentState, CycleKind, Intent, IntentState, Outcome, Wish
from ztrade.domain.types import Leg, OrderRequest, Side
from ztrade.errors import ExchangeUnavailable, OutcomeUnknown


@pytest.fixture
def bench() -> Bench:
    return Bench()


def interposing(bench: Bench, what: Callable[[], object]) -> None:
    """Let ``what`` happen in another process directly before the bench's next intent is written."""
    plan = bench.journal.plan

    def first(*args: Any) -> None:
        bench.journal.plan = plan  # type: ignore[method-assign]
        what()
        plan(*args)

    bench.journal.plan = first  # type: ignore[assignment, method-assign]


def test_a_slot_and_a_run_by_hand_do_not_both_enter(bench: Bench) -> None:
    """Both saw a flat agent; the one that planned its order later finds the other's."""
    others: list[Outcome | None] = []

    def by_hand() -> None:
        record = run_cycle(bench.desk)
        others.append(record.outcome if record else None)

    bench.at(30.5)
    interposing(bench, by_hand)
    bench.strategy.say = BUY
    record = run_cycle(bench.desk, slot=OPEN + 30 * MINUTE)
    assert record is not None
    assert others == [Outcome.ENTERED]
    assert record.outcome is Outcome.FAILED
    assert "under way" in record.reason
    assert len(bench.orders()) == 1


def test_what_another_process_traded_while_a_cycle_looked_counts_against_its_limits(bench: Bench) -> None:
    """The journal was read before the market; a trade that began and ended since then leaves no order to find."""
    bench.with_agent(limits=replace(bench.desk.agent.limits, max_daily_trades=1))
    others: list[Outcome | None] = []

    def by_hand() -> None:
        del bench.exchange.before["quote"]
        for say, minutes in ((BUY, 30.1), (LEAVE, 30.2)):
            bench.strategy.say = say
            record = run_cycle(bench.desk)
            others.append(record.outcome if record else None)
            bench.at(minutes)
        bench.strategy.say = BUY

    bench.exchange.before["quote"] = by_hand
    bench.at(30)
    record = run_cycle(bench.desk, slot=OPEN + 30 * MINUTE)
    assert others == [Outcome.ENTERED, Outcome.EXITED]
    assert record is not None
    assert record.outcome is Outcome.BLOCKED
    assert "1 trades today of 1" in record.reason


@pytest.mark.parametrize("call", ["", "quote"], ids=["before", "meanwhile"])
def test_an_approval_beside_a_cycle_sends_one_order(bench: Bench, call: str) -> None:
    """A person approves while another process has an entry on its way for the same agent."""
    proposal = bench.cycle(30, BUY, manual=True)
    assert proposal.outcome is Outcome.PROPOSED
    now = bench.at(31)
    other = bench.journal.claim(
        "spy", now, CycleKind.EXTRA, owner="other", now=now, wall=now, lease=timedelta(minutes=5)
    )
    assert other is not None
    request = OrderRequest("zt.spy.20220822T140100Z.entry", "SPY", Side.BUY, Decimal(5))
    intent = Intent("spy", "embedded", other.cycle_id, Leg.ENTRY, request, IntentState.PLANNED, now, now)
    plan = partial(bench.journal.plan, other, intent)
    if call:
        bench.exchange.before[call] = plan
    else:
        plan()
    record = approve(bench.desk, proposal.cycle_id, by="ann")
    assert record is not None
    assert record.outcome is Outcome.BLOCKED
    assert ("still open" if call else "unanswered") in record.reason
    assert bench.exchange.submitted == []


def test_two_exits_at_once_sell_the_shares_once(bench: Bench) -> None:
    """The exit of a run by hand is at the exchange already when the slot wants to leave."""
    bench.cycle(30, BUY)
    bench.cycle(35, HOLD)
    interposing(bench, lambda: run_cycle(bench.desk))
    bench.at(40.5)
    bench.strategy.say = LEAVE
    record = run_cycle(bench.desk, slot=OPEN + 40 * MINUTE)
    assert record is not None
    bench.at(42)
    sold = [request for request in bench.exchange.submitted if request.side is Side.SELL]
    assert len(sold) == 1
    assert bench.market.positions() == []
    assert bench.cycle(45).outcome is Outcome.HELD


def test_of_two_who_flatten_only_one_says_what_became_of_the_exit(bench: Bench) -> None:
    """Both chose the same id. The other's answer was lost: a refusal of ours is no word on that order."""
    bench.cycle(30, BUY)
    bench.cycle(35, HOLD)
    wish = Wish("20220822T143500Z", flatten=True)
    name = "zt.spy.halt20220822T143500Z.exit1"

    def lost() -> None:
        raise OutcomeUnknown(name, "no answer")

    def refused() -> None:
        raise ExchangeUnavailable("connection refused")

    def other() -> None:
        bench.exchange.after_submit = lost
        flatten(replace(bench.desk, owner="other"), wish, OPEN)
        bench.exchange.after_submit = None
        bench.exchange.before["submit"] = refused

    interposing(bench, other)
    assert "under way" in flatten(bench.desk, wish, OPEN).why
    bench.exchange.before.clear()
    intent = bench.journal.intent(name)
    assert intent is not None
    assert intent.state is IntentState.UNKNOWN
    bench.at(37)
    assert flatten(bench.desk, wish, OPEN).flat
    assert not bench.market.positions()
    assert len(bench.exchange.submitted) == 2


def test_a_process_that_slept_between_planning_and_sending_sends_nothing(bench: Bench) -> None:
    """Stopped for a minute at the worst place: others may have concluded that this order was never sent."""
    reads = iter(range(10))
    reason = bench.halts.reason

    def slow(agent: str) -> str | None:
        if next(reads) == 1:  # the second look at the flag is the one between plan and submit
            bench.wall_shift += timedelta(seconds=61)
        return reason(agent)

    bench.halts.reason = slow  # type: ignore[method-assign]
    record = bench.cycle(30, BUY)
    assert record.outcome is Outcome.FAILED
    assert "between planning" in record.reason
    assert bench.exchange.submitted == []
    intent = bench.journal.intent(entry_id("spy", OPEN + 30 * MINUTE))
    assert intent is not None
    assert intent.state is IntentState.NOT_SENT


def test_a_process_that_slept_between_seeing_and_planning_enters_nothing(bench: Bench) -> None:
    """Stopped for a minute after it had read the quote, which its own clock, read before, would still call fresh."""
    reads = iter(range(10))
    agent_state = bench.journal.agent_state

    def slow(*args: Any) -> AgentState:
        if next(reads) == 2:  # the third look into the journal, the account being opened, comes after the quote
            bench.wall_shift += timedelta(seconds=61)
        return agent_state(*args)

    bench.journal.agent_state = slow  # type: ignore[assignment, method-assign]
    record = bench.cycle(30, BUY)
    assert record.outcome is Outcome.FAILED
    assert "passed between seeing the market and planning" in record.reason
    assert bench.exchange.submitted == []


def other_agent(bench: Bench) -> Desk:
    """Return a second agent's desk on the same account."""
    return replace(bench.desk, agent=replace(bench.desk.agent, name="qqq", symbol="QQQ"))


@pytest.mark.parametrize(("dollars", "outcome"), [(60_000, Outcome.BLOCKED), (30_000, Outcome.ENTERED)])
def test_two_agents_do_not_deploy_too_much_together(bench: Bench, dollars: int, outcome: Outcome) -> None:
    """Both saw an empty account in the same instant: where it is too much for both, the later one stays out."""
    bench.with_agent(
        capital=Decimal(dollars), limits=replace(bench.desk.agent.limits, max_position_value=Decimal(dollars))
    )
    others: list[Outcome | None] = []
    bench.at(30)
    bench.strategy.say = BUY

    def other() -> None:
        record = run_cycle(other_agent(bench), slot=OPEN + 30 * MINUTE)
        others.append(record.outcome if record else None)

    interposing(bench, other)
    record = run_cycle(bench.desk, slot=OPEN + 30 * MINUTE)
    assert record is not None
    assert others == [Outcome.ENTERED]
    assert record.outcome is outcome, record.reason
    assert len(bench.orders()) == (2 if outcome is Outcome.ENTERED else 1)
    assert outcome is Outcome.ENTERED or "of the account deployed, limit 80.0%" in record.reason


def test_an_approval_leaves_room_for_what_another_agent_just_planned(bench: Bench) -> None:
    """A person approves in the instant in which another agent enters."""
    limits = replace(bench.desk.agent.limits, max_position_value=Decimal(60_000))
    bench.with_agent(capital=Decimal(60_000), limits=limits)
    proposal = bench.cycle(30, BUY, manual=True)
    bench.at(30.5)
    interposing(bench, lambda: run_cycle(other_agent(bench)))
    record = approve(bench.desk, proposal.cycle_id, by="ann")
    assert record is not None
    assert record.outcome is Outcome.BLOCKED
    assert [order.symbol for order in bench.orders()] == ["QQQ"]


def test_a_position_that_shows_already_is_counted_once(bench: Bench) -> None:
    """The other agent's entry was filled a minute ago, and its journal has not heard of that: one position, not two."""
    limits = replace(bench.desk.agent.limits, max_position_value=Decimal(38_000))
    bench.with_agent(capital=Decimal(38_000), limits=limits)
    bench.at(30)
    bench.strategy.say = BUY
    run_cycle(other_agent(bench), slot=OPEN + 30 * MINUTE)
    bench.at(30.5)
    record = run_cycle(bench.desk)
    assert record is not None
    assert record.outcome is Outcome.ENTERED, record.reason
