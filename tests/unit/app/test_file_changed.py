"""An agent's file was changed while something of it was open: what it holds stays its own, and is not forgotten."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.unit.app.desks import BUY, HOLD, LEAVE, OPEN, Bench
from ztrade.app.flatten import flatten, report
from ztrade.app.proposals import approve
from ztrade.domain.ledger import Outcome, ProposalState, Wish
from ztrade.errors import ExchangeUnavailable, Rejected

FLATTEN = Wish("20220822T143500Z", flatten=True)


@pytest.fixture
def moved() -> Bench:
    """Return an agent that holds SPY with its stop, and trades QQQ since."""
    bench = Bench()
    bench.with_agent(limits=replace(bench.desk.agent.limits, stop_loss=Decimal("0.5"), take_profit=Decimal("0.5")))
    assert bench.cycle(30, BUY).outcome is Outcome.ENTERED
    bench.cycle(35, HOLD)
    bench.with_agent(symbol="QQQ")
    return bench


def test_it_is_not_flat_while_it_holds_what_it_traded_before(moved: Bench) -> None:
    """A halt that orders to flatten closes that too, and says of what something is left."""

    def down() -> None:
        raise ExchangeUnavailable("down")

    moved.exchange.before["submit"] = down
    left = flatten(moved.desk, FLATTEN, OPEN)
    report(moved.desk, FLATTEN, left)
    assert [message.text for message in moved.journal.messages()] == [
        "24 SPY left: failed: down; the next slot tries again"
    ]
    moved.exchange.before.clear()
    assert not flatten(moved.desk, FLATTEN, OPEN).flat
    moved.at(37)
    assert flatten(moved.desk, FLATTEN, OPEN).flat
    assert not moved.market.positions()
    assert not moved.market.orders(open_only=True)


def test_it_enters_nothing_beside_what_it_traded_before(moved: Bench) -> None:
    """With the stop at the exchange, and without: one open position per agent."""
    assert "is still open" in moved.cycle(40, BUY).reason
    for order in moved.market.orders(open_only=True):
        moved.market.cancel(order.id)
    record = moved.cycle(45, BUY)
    assert (record.outcome, record.reason) == (
        Outcome.BLOCKED, "blocked: holds 24 SPY from before its symbol was changed"
    )  # fmt: skip
    assert len(moved.exchange.submitted) == 1


def test_an_agent_that_left_trades_its_new_symbol() -> None:
    """Nothing of the old one is left."""
    bench = Bench()
    bench.cycle(30, BUY)
    bench.cycle(35, LEAVE)
    bench.cycle(40, HOLD)
    bench.with_agent(symbol="QQQ")
    assert bench.cycle(75, BUY).outcome is Outcome.ENTERED


def test_a_proposal_of_the_symbol_before_is_not_sent() -> None:
    """Risk would look at the new symbol's price and position."""
    bench = Bench()
    name = bench.cycle(30, BUY, manual=True).cycle_id
    bench.with_agent(symbol="QQQ", limits=replace(bench.desk.agent.limits, price_collar=Decimal(5)))
    with pytest.raises(Rejected, match="is about SPY, and spy now trades QQQ"):
        approve(bench.desk, name, by="person")
    assert not bench.exchange.submitted
    (proposal,) = bench.journal.proposals()
    assert proposal.state is ProposalState.PENDING
