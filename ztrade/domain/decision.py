"""What a strategy says, what sentiment says, and the decision that becomes of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from ztrade.domain.schedule import Session
from ztrade.domain.types import Bars


class Action(StrEnum):
    BUY = "buy"
    SELL = "sell"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class MarketView:
    """What a strategy may look at: nothing later than ``at``.

    ``bars`` are complete bars of the agent's timeframe, oldest first; ``price`` is the last traded or mid price in
    dollars; ``held_qty`` and ``entry_price`` describe the agent's own open position (0 and None when flat);
    ``held_bars`` counts complete bars of the timeframe since the entry. ``session`` contains ``at`` or is the last one
    before it (None: not known, then only the bars' age is checked); ``missing`` counts the base bars it lacks so far.
    """

    symbol: str
    at: datetime
    bars: Bars
    price: float
    held_qty: Decimal = Decimal(0)
    entry_price: float | None = None
    held_bars: int = 0
    session: Session | None = None
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Signal:
    """A strategy's answer.

    ``score`` in [-1, 1] (above zero: buy), ``confidence`` in [0, 1], ``reasons`` for a person, ``values`` the numbers
    behind them. ``exit_reason`` is set when an open position should be closed whatever the score says (a time stop,
    the mean reached); ``not_ready`` when there is nothing to say yet (warm-up, a gap, a broken bar), with the reason.
    """

    score: float
    confidence: float
    reasons: tuple[str, ...] = ()
    values: Mapping[str, float] = field(default_factory=dict)
    exit_reason: str | None = None
    not_ready: str | None = None


@dataclass(frozen=True, slots=True)
class SourceReading:
    """One sentiment source's answer: score in [-1, 1], confidence in [0, 1], and the items it was made from."""

    source: str
    score: float
    confidence: float
    items: tuple[Mapping[str, object], ...] = ()


@dataclass(frozen=True, slots=True)
class Sentiment:
    """All sources together; ``weights`` are those that were applied, after renormalising over ``readings``.

    ``agreement`` is the share of sources that carry the majority's label (0 to 1).
    """

    score: float
    confidence: float
    agreement: float
    readings: tuple[SourceReading, ...]
    weights: Mapping[str, float]
    missing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do and why. ``qty`` in shares, ``price``, ``stop`` and ``target`` in dollars."""

    action: Action
    qty: Decimal
    confidence: float
    score: float
    price: Decimal
    rationale: str
    stop: Decimal | None = None
    target: Decimal | None = None
