"""What an agent is, after its file was read: plain frozen values, checked by ``ztrade.config``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum


class SessionKind(StrEnum):
    """Parts of the exchange's day: 04:00-09:30, 09:30-16:00 and 16:00-20:00 New York."""

    PRE_MARKET = "pre_market"
    REGULAR = "regular"
    AFTER_HOURS = "after_hours"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one agent may do. Money in dollars, ratios as fractions; defaults as in the three shipped agents."""

    max_position_value: Decimal = Decimal(5000)
    max_daily_trades: int = 5
    min_confidence: float = 0.60
    stop_loss: Decimal = Decimal("0.02")
    take_profit: Decimal = Decimal("0.04")
    max_daily_loss: Decimal = Decimal(500)
    max_open_positions: int = 1
    max_drawdown: Decimal = Decimal("0.20")
    cooldown: timedelta = timedelta(minutes=30)
    max_quote_age: timedelta = timedelta(minutes=2)
    price_collar: Decimal = Decimal("0.02")


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """How many of a thing make the agent reducing until a person releases it, beside losses and drawdown."""

    loss_streak: int = 20
    orders_per_hour: int = 20
    unknown_outcomes: int = 3
    troubled_cycles: int = 12


@dataclass(frozen=True, slots=True)
class AccountLimits:
    """What all agents of one account may do together."""

    max_deployed: Decimal = Decimal("0.80")
    max_daily_loss: Decimal = Decimal(2000)
    max_drawdown: Decimal = Decimal("0.20")


@dataclass(frozen=True, slots=True)
class Weights:
    """How technical and sentiment scores become one score, and how far from zero it must be to act."""

    sentiment: float = 0.6
    technical: float = 0.4
    threshold: float = 0.30


@dataclass(frozen=True, slots=True)
class Agent:
    """One named trader of one symbol.

    ``timeframe`` is the length of the bars its strategy sees, ``every`` the distance of its slots, ``delay`` the wait
    after a slot before it is due. ``aliases`` are the names by which headlines call the company.
    """

    name: str
    symbol: str
    timeframe: timedelta
    every: timedelta
    strategy: str
    parameters: Mapping[str, float] = field(default_factory=dict)
    limits: Limits = Limits()
    breakers: BreakerLimits = BreakerLimits()
    weights: Weights = Weights()
    delay: timedelta = timedelta(0)
    sessions: tuple[SessionKind, ...] = (SessionKind.REGULAR,)
    dry_run: bool = True
    manual: bool = True
    account: str = "paper"
    capital: Decimal = Decimal(10_000)
    proposal_ttl: timedelta = timedelta(minutes=4)
    aliases: tuple[str, ...] = ()
    personality: str = ""


def canonical_name(name: str) -> str:
    """Return the agent's name without the older ``agent_`` spelling."""
    return name.removeprefix("agent_")
