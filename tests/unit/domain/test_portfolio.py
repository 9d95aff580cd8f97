"""Positions and profit from fills."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ztrade.domain import portfolio
from ztrade.domain.ledger import Fill, Holding
from ztrade.domain.types import Leg, Side

D = Decimal
AT = datetime(2022, 8, 22, 15, tzinfo=UTC)


def fill(side: Side, qty: str, price: str, minutes: int = 0) -> Fill:
    return Fill("f", "o", "spy", Leg.ENTRY, "SPY", side, D(qty), D(price), AT + timedelta(minutes=minutes))


def test_average_cost_and_realized_profit() -> None:
    """Ten at 100 and ten at 110 cost 105 each; five sold at 120 earn 75."""
    held = portfolio.apply_fill(Holding("spy", "SPY"), fill(Side.BUY, "10", "100"))
    held = portfolio.apply_fill(held, fill(Side.BUY, "10", "110", 5))
    assert held.avg_price == 105
    assert held.opened_at == AT
    held = portfolio.apply_fill(held, fill(Side.SELL, "5", "120"))
    assert (held.qty, held.cost, held.realized) == (D(15), D(1575), D(75))
    assert portfolio.open_profit(held, D(100)) == -75
    assert portfolio.equity(D(10_000), held, D(100)) == 10_000


def test_flat_leaves_no_cost_behind() -> None:
    """After the last share nothing of the position stays but its profit."""
    held = portfolio.apply_fill(Holding("spy", "SPY"), fill(Side.BUY, "3", "33.33"))
    held = portfolio.apply_fill(held, fill(Side.SELL, "3", "33.34"))
    assert (held.qty, held.cost, held.opened_at, held.realized) == (D(0), D(0), None, D("0.03"))


def test_selling_more_than_held_is_a_contradiction() -> None:
    """Agents are long only; a larger sell means that the book is wrong."""
    with pytest.raises(ValueError, match="of 3 held"):
        portfolio.apply_fill(Holding("spy", "SPY", D(3), D(99)), fill(Side.SELL, "4", "33"))


def test_a_split_changes_shares_not_money() -> None:
    """Three for one: three times the shares, the same cost, a third of the average."""
    held = portfolio.apply_split(Holding("tsla", "TSLA", D(5), D(4500)), D(10))
    assert (held.qty, held.cost, held.avg_price) == (D(15), D(4500), D(300))


@pytest.mark.parametrize(
    ("peak", "now", "fall"), [("100", "80", "0.2"), ("100", "120", "0"), ("0", "-5", "0"), ("100", "100", "0")]
)
def test_drawdown_is_the_fall_from_the_peak(peak: str, now: str, fall: str) -> None:
    """A fraction of the peak, never below zero."""
    assert portfolio.drawdown(D(peak), D(now)) == D(fall)


prices = st.decimals(min_value=1, max_value=1000, places=2)


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 50), prices), max_size=30))
def test_cash_and_equity_agree_whatever_is_traded(trades: list[tuple[bool, int, Decimal]]) -> None:
    """The change of cash plus the position's value equals realized plus open profit."""
    held, cash, price = Holding("spy", "SPY"), D(0), D(1)
    for buying, qty, price in trades:
        side = Side.BUY if buying else Side.SELL
        qty = qty if buying else min(qty, int(held.qty))
        if qty == 0:
            continue
        held = portfolio.apply_fill(held, fill(side, str(qty), str(price)))
        cash += portfolio.cash_change(side, D(qty), price)
    total = held.realized + portfolio.open_profit(held, price)
    assert abs(cash + held.qty * price - total) < D("1e-18")
