"""Settings held against each other: each contradiction and each idle limit stands alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from ztrade.domain.agent import AccountLimits, Agent, Weights
from ztrade.domain.limits import contradictions, idle_beside_account, idle_limits

FIVE = timedelta(minutes=5)
SPY = Agent("spy", "SPY", 3 * FIVE, FIVE, "momentum")
#: no limit of this one is idle
BINDING = replace(SPY, limits=replace(SPY.limits, max_daily_loss=Decimal(300)))


def limited(agent: Agent, **changes: Any) -> Agent:
    return replace(agent, limits=replace(agent.limits, **changes))


def test_the_defaults_contradict_nothing() -> None:
    """And with a daily loss that five stopped trades can reach, nothing is idle."""
    assert list(contradictions(SPY)) == []
    assert list(idle_limits(BINDING)) == []


@pytest.mark.parametrize(
    ("agent", "key"),
    [
        (replace(SPY, timeframe=timedelta(minutes=7)), "timeframe"),
        (replace(SPY, timeframe=timedelta(hours=7)), "timeframe"),
        (replace(SPY, every=timedelta(seconds=4)), "schedule.every"),
        (replace(SPY, every=timedelta(hours=6, minutes=30)), "schedule.every"),
        (replace(SPY, delay=FIVE), "schedule.delay"),
        (replace(SPY, sessions=()), "schedule.sessions"),
        (replace(SPY, manual=True, proposal_ttl=timedelta(0)), "proposal_ttl"),
        (replace(SPY, weights=Weights(0, 0)), "weights"),
        (replace(SPY, weights=Weights(threshold=1)), "weights.threshold"),
        (limited(SPY, take_profit=Decimal("0.002")), "limits.take_profit"),
        (limited(SPY, max_daily_trades=0), "limits"),
        (limited(SPY, max_open_positions=0), "limits"),
        (limited(SPY, max_quote_age=timedelta(0)), "limits.max_quote_age"),
    ],
)
def test_a_contradiction_names_its_key(agent: Agent, key: str) -> None:
    """Such an agent does not start."""
    assert [found for found, _ in contradictions(agent)] == [key]


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (limited(BINDING, max_position_value=Decimal(10_001)), "is above capital 10000"),
        (limited(BINDING, max_daily_loss=Decimal(10_000)), "is not under capital 10000"),
        (limited(BINDING, max_daily_loss=Decimal(501)), "is above what 5 stopped trades can lose (500.00)"),
        (limited(BINDING, max_daily_loss=Decimal(99)), "one stopped trade of max_position_value loses 100.00"),
        (limited(BINDING, min_confidence=0.0), "min_confidence 0.0 refuses nothing"),
        (limited(BINDING, max_open_positions=2), "an agent has one position at most"),
        (limited(replace(BINDING, every=timedelta(hours=1)), max_daily_trades=7), "is above its 6 slots a day"),
        (limited(BINDING, cooldown=timedelta(hours=6, minutes=30)), "ends every day at its first stop"),
    ],
)
def test_an_idle_limit_is_a_sentence(agent: Agent, words: str) -> None:
    """It cannot bind, or binds at once; the agent starts, and a person hears of it."""
    assert any(words in sentence for sentence in idle_limits(agent))


def test_the_accounts_limit_may_bind_first() -> None:
    """The agent's own is then of no use."""
    assert list(idle_beside_account(SPY, AccountLimits())) == []
    assert len(list(idle_beside_account(SPY, AccountLimits(max_daily_loss=Decimal(499))))) == 1
