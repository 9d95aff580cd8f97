"""Everything that a cycle of one agent works with, gathered by the composition root."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from ztrade.domain.agent import AccountLimits, Agent
from ztrade.ports import (
    Calendar,
    Clock,
    Exchange,
    Gather,
    Halts,
    Journal,
    MarketData,
    SentimentSource,
    nobody_is_gone,
)
from ztrade.strategies.strategy import Strategy


@dataclass(frozen=True, slots=True)
class Desk:
    """The ports of one agent's cycles, and the settings that belong to the place rather than to the agent.

    ``account`` is the journal's name of the account. ``speed`` returns exchange seconds per wall second, None where
    time moves in steps. ``lease`` is how long a claim holds (wall time): longer than a
    cycle may last. ``unknown_grace`` is how long a submit without an answer may still land (wall time): longer than
    the sender's HTTP timeouts. ``timer`` returns monotonic seconds for the timings; ``gone`` tells whether the owner of
    another claim has surely ended, ``end`` makes sure of it; ``pause`` waits some (wall) seconds between two reads of
    an order that is ending.
    """

    agent: Agent
    account: str
    owner: str
    strategy: Strategy
    journal: Journal
    exchange: Exchange
    data: MarketData
    calendar: Calendar
    clock: Clock
    halts: Halts
    gather: Gather
    timer: Callable[[], float]
    pause: Callable[[float], None]
    gone: Callable[[str], bool] = nobody_is_gone
    end: Callable[[str], bool] = nobody_is_gone
    speed: Callable[[], float | None] = lambda: None
    account_limits: AccountLimits = field(default_factory=AccountLimits)
    sources: Sequence[SentimentSource] = ()
    source_weights: Mapping[str, float] = field(default_factory=dict)
    lease: timedelta = timedelta(minutes=10)
    unknown_grace: timedelta = timedelta(seconds=60)
    max_clock_skew: timedelta = timedelta(seconds=30)
    keep_inputs: bool = True
