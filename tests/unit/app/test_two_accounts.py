"""One agent, two accounts: a dry run by hand beside an agent that trades for real must not touch what is real."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.app.desks import BUY, HOLD, LEAVE, MINUTE, OPEN, Bench
from ztrade.app.proposals import approve
from ztrade.app.run_cycle import run_cycle
from ztrade.domain.identity import entry_id
from ztrade.domain.ledger import CycleRecord, IntentState, Outcome
from ztrade.errors import OutcomeUnknown, Rejected


@pytest.fixture
def real() -> Bench:
    """The agent on the account that its file names."""
    bench = Bench()
    bench.desk = replace(bench.desk, account="paper")
    return bench


@pytest.fixture
def dry(real: Bench) -> Bench:
    """The same agent, told by hand to trade dry: another exchange, the same journal."""
    bench = Bench()
    bench.journal = real.journal
    bench.desk = replace(bench.desk, journal=real.journal)
    return bench


def extra(bench: Bench, minutes: float, say: object = HOLD, *, manual: bool = False) -> CycleRecord:
    bench.strategy.say = say  # type: ignore[assignment]
    bench.at(minutes)
    record = run_cycle(bench.desk, manual=manual)
    assert record is not None
    return record


def test_a_dry_run_beside_an_open_position_trades_for_itself(real: Bench, dry: Bench) -> None:
    """The real position's orders are not asked for at the embedded exchange, and the dry entry is not in their way."""
    assert real.cycle(30, BUY).outcome is Outcome.ENTERED
    real.cycle(35)
    assert extra(dry, 36, BUY).outcome is Outcome.ENTERED
    assert len(dry.exchange.submitted) == len(real.exchange.submitted) == 1


def test_orders_of_a_dry_run_do_not_keep_a_real_position_open(real: Bench, dry: Bench) -> None:
    """The real exchange does not know the dry run's orders, and is not asked for them."""
    real.cycle(30, BUY)
    real.cycle(35)
    extra(dry, 36, BUY)
    assert real.cycle(40, LEAVE).outcome is Outcome.EXITED


def test_a_dry_run_never_answers_for_an_unanswered_real_order(real: Bench, dry: Bench) -> None:
    """The embedded exchange's 404 says nothing about an order that may be at the real one."""

    def lost() -> None:
        raise OutcomeUnknown(entry_id("spy", OPEN + 30 * MINUTE), "timed out")

    real.exchange.after_submit = lost
    assert real.cycle(30, BUY).outcome is Outcome.UNKNOWN
    real.exchange.after_submit = None
    extra(dry, 34)
    intent = real.journal.intent(entry_id("spy", OPEN + 30 * MINUTE))
    assert intent is not None
    assert intent.state is IntentState.UNKNOWN
    assert real.cycle(35, BUY).outcome is Outcome.HELD
    assert len(real.orders()) == 1


def test_an_approved_dry_proposal_never_reaches_the_real_account(real: Bench, dry: Bench) -> None:
    """It was made from another account's prices and money: approving it with the real desk is refused."""
    proposal = extra(dry, 30, BUY, manual=True)
    assert proposal.outcome is Outcome.PROPOSED
    real.at(31)
    with pytest.raises(Rejected, match="embedded"):
        approve(real.desk, proposal.cycle_id, by="ann")
    assert real.exchange.submitted == []
    dry.at(31)
    sent = approve(dry.desk, proposal.cycle_id, by="ann")
    assert sent is not None
    assert sent.outcome is Outcome.ENTERED


def test_a_dry_proposal_does_not_make_the_real_agent_wait(real: Bench, dry: Bench) -> None:
    """A proposal of the one account is nothing to the other."""
    assert extra(dry, 30, BUY, manual=True).outcome is Outcome.PROPOSED
    assert real.cycle(30, BUY).outcome is Outcome.ENTERED


def test_profits_of_a_dry_run_are_no_peak_of_the_real_account(real: Bench, dry: Bench) -> None:
    """Equity curves are an account's own: what was won without money must not look like a loss with it."""
    dry.with_agent(capital=dry.desk.agent.capital * 2)
    extra(dry, 25)
    assert real.cycle(30, BUY).outcome is Outcome.ENTERED
    state = real.journal.agent_state("spy", "paper", "SPY", OPEN)
    assert state.peak_equity == state.day_open_equity == real.desk.agent.capital
