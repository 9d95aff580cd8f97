"""Every rule stands alone: with all else fine, one number over its limit refuses the entry, and names itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from ztrade.domain import risk
from ztrade.domain.agent import AccountLimits, Agent
from ztrade.domain.decision import Action, Decision
from ztrade.domain.ledger import AccountState, AgentState, Holding, Intent, IntentState
from ztrade.domain.types import (
    Account,
    Leg,
    Order,
    OrderClass,
    OrderRequest,
    OrderStatus,
    OrderType,
    Position,
    Quote,
    Side,
    TimeInForce,
)

NOW = datetime(2022, 8, 22, 15, 0, tzinfo=UTC)
D = Decimal
AGENT = Agent("spy", "SPY", timedelta(minutes=15), timedelta(minutes=5), "momentum")
NAN = D("NaN")


SENT = Intent(
    "spy",
    "paper",
    "spy.1",
    Leg.ENTRY,
    OrderRequest("zt.spy.1.entry", "SPY", Side.BUY, D(10)),
    IntentState.SENT,
    NOW,
    NOW,
)


def order(side: Side, *, limit: Decimal | None = None, symbol: str = "SPY") -> Order:
    return Order(
        "o1", "c1", symbol, side, OrderType.LIMIT if limit else OrderType.MARKET, OrderClass.SIMPLE,
        TimeInForce.DAY, D(100), D(0), OrderStatus.NEW, limit_price=limit,
    )  # fmt: skip


def entry() -> risk.Check:
    return risk.Check(
        agent=AGENT,
        account_limits=AccountLimits(),
        at=NOW,
        decision=Decision(Action.BUY, D(10), 0.9, 0.5, D(400), "trend", stop=D(392), target=D(416)),
        quote=Quote("SPY", D("399.99"), D("400.01"), NOW - timedelta(seconds=1)),
        account=Account(cash=D(100_000), equity=D(100_000), buying_power=D(100_000)),
        positions=(),
        orders=(),
        state=AgentState(Holding("spy", "SPY")),
        account_state=AccountState("paper", cash=D(100_000)),
        last_close=D(400),
    )


def with_decision(**changes: object) -> risk.Check:
    return replace(entry(), decision=replace(entry().decision, **changes))  # type: ignore[arg-type]


def with_state(**changes: object) -> risk.Check:
    return replace(entry(), state=replace(entry().state, **changes))  # type: ignore[arg-type]


def with_quote(**changes: object) -> risk.Check:
    return replace(entry(), quote=replace(entry().quote, **changes))  # type: ignore[arg-type]


def with_account(**changes: object) -> risk.Check:
    return replace(entry(), account=replace(entry().account, **changes))  # type: ignore[arg-type]


REFUSED: Mapping[str, tuple[risk.Check, str]] = {
    "no shares": (with_decision(qty=D(0)), "entry of 0 shares"),
    "fraction": (with_decision(qty=D("1.5")), "whole"),
    "position value": (with_decision(qty=D(13)), "position value 5200.13 over 5000"),
    "capital": (
        replace(entry(), agent=replace(AGENT, capital=D(3000))),
        "over the agent's equity",
    ),
    "trades": (with_state(trades_today=5), "5 trades today of 5"),
    "daily loss": (with_state(day_open_equity=D(10_500)), "daily loss 500.00 of 500"),
    "drawdown": (with_state(peak_equity=D(12_500)), "drawdown 20.00%"),
    "confidence": (with_decision(confidence=0.59), "confidence 0.59 under 0.60"),
    "no stop": (with_decision(stop=None), "no stop"),
    "stop above": (with_decision(stop=D(401)), "not below the price"),
    "stop tight": (with_decision(stop=D("392.02")), "tighter than 2.00%"),
    "stop wide": (with_decision(stop=D("391.98")), "wider than 2.00%"),
    "no target": (with_decision(target=None), "target None"),
    "holding": (with_state(holding=Holding("spy", "SPY", D(5), D(2000))), "already holds 5 SPY"),
    "open order": (with_state(open_intents=(SENT,)), "order zt.spy.1.entry is still open"),
    "cooldown": (with_state(last_stop_at=NOW - timedelta(minutes=29)), "cooldown 30m"),
    "stale quote": (with_quote(at=NOW - timedelta(minutes=3)), "quote is 3m old"),
    "quote ahead": (with_quote(at=NOW + timedelta(minutes=3)), "ahead of the clock"),
    "crossed": (with_quote(bid=D(401)), "crossed"),
    "no bid": (with_quote(bid=D(0)), "crossed or empty"),
    "spread": (with_quote(bid=D(390)), "spread"),
    "collar": (with_quote(ask=D("408.02"), bid=D(408)), "from the decision's price"),
    "collar to close": (replace(entry(), last_close=D(380)), "from the last close"),
    "blocked": (with_account(trading_blocked=True), "trading blocked"),
    "inactive": (with_account(status="ACCOUNT_CLOSED"), "ACCOUNT_CLOSED"),
    "buying power": (with_account(buying_power=D(10)), "buying power"),
    "no equity": (with_account(equity=D(0)), "equity is 0"),
    "foreign shares": (replace(entry(), positions=(Position("SPY", D(3), D(400)),)), "not this agent's"),
    "opposite order": (replace(entry(), orders=(order(Side.SELL),)), "wash trade"),
    "deployed": (
        replace(entry(), positions=(Position("QQQ", D(200), D(390), D(78_000)),)),
        "82.0% of the account deployed, limit 80.0%",
    ),
    "deployed by orders": (replace(entry(), orders=(order(Side.BUY, limit=D(780), symbol="QQQ"),)), "82.0%"),
    "unpriced order": (replace(entry(), orders=(order(Side.BUY, symbol="QQQ"),)), "unknown"),
    "account loss": (
        replace(entry(), account_state=AccountState("paper", day_open_equity=D(102_000))),
        "account's daily loss 2000.00",
    ),
    "account drawdown": (
        replace(entry(), account_state=AccountState("paper", peak_equity=D(125_000))),
        "account's drawdown 20.00%",
    ),
    "never enter": (
        replace(entry(), agent=replace(AGENT, limits=replace(AGENT.limits, max_open_positions=0))),
        "max_open_positions is 0",
    ),
}


def test_a_fair_entry_is_approved() -> None:
    """With nothing over a limit the decision comes back as it was."""
    assert risk.check(entry()) == risk.Approved(entry().decision)


@pytest.mark.parametrize("name", REFUSED)
def test_one_number_over_its_limit_refuses(name: str) -> None:
    """The refusal names the rule with both numbers."""
    asked, words = REFUSED[name]
    verdict = risk.check(asked)
    assert isinstance(verdict, risk.Rejected)
    assert words in str(verdict)


@pytest.mark.parametrize("name", REFUSED)
def test_no_limit_blocks_an_exit(name: str) -> None:
    """Whatever stands against an entry, the agent may sell what it holds."""
    asked, _ = REFUSED[name]
    held = replace(asked.state, holding=Holding("spy", "SPY", D(10), D(4000)))
    leaving = replace(asked, state=held, decision=replace(asked.decision, action=Action.SELL, qty=D(10)))
    assert isinstance(risk.check(leaving), risk.Approved)


@pytest.mark.parametrize(
    "asked",
    [
        with_decision(confidence=float("nan")),
        with_decision(score=float("inf")),
        with_decision(qty=NAN),
        with_decision(stop=NAN),
        with_quote(bid=NAN),
        with_quote(ask=D("Infinity")),
        with_account(equity=NAN),
        with_state(day_open_equity=NAN),
        replace(entry(), account_state=AccountState("paper", peak_equity=NAN)),
        replace(entry(), last_close=NAN),
        with_state(holding=Holding("spy", "SPY", D(0), D(0), realized=NAN)),
        replace(entry(), positions=(Position("QQQ", D(1), D(1), NAN),)),
        replace(entry(), orders=(order(Side.BUY, limit=NAN, symbol="QQQ"),)),
    ],
    ids=str,
)
def test_a_nan_anywhere_refuses_the_entry(asked: risk.Check) -> None:
    """A comparison with NaN is false, so a NaN must be looked for, not compared."""
    assert isinstance(risk.check(asked), risk.Rejected)


@pytest.mark.parametrize("qty", ["0", "-1", "NaN", "Infinity", "11"])
def test_an_exit_of_nonsense_is_refused(qty: str) -> None:
    """An exit sells between one share and what is held."""
    asked = with_state(holding=Holding("spy", "SPY", D(10), D(4000)))
    leaving = replace(asked, decision=replace(asked.decision, action=Action.SELL, qty=D(qty)))
    assert isinstance(risk.check(leaving), risk.Rejected)


def test_an_agents_equity_includes_its_open_position() -> None:
    """Capital, what closed trades made, and what the shares are worth at the bid beyond their cost."""
    held = Holding("spy", "SPY", D(10), D(4100), realized=D(-50))
    assert with_state(holding=held).equity == D(10_000) - 50 + (D("3999.90") - 4100)


def test_a_refusal_names_every_reason() -> None:
    """The person who reads it sees all that stands against the trade, not the first."""
    asked = replace(with_state(trades_today=9), quote=replace(entry().quote, at=NOW - timedelta(hours=1)))
    verdict = risk.check(asked)
    assert isinstance(verdict, risk.Rejected)
    assert len(verdict.reasons) == 2
