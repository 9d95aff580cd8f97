"""From what was seen to a decision: aggregate, ask the strategy, combine. One code for cycle, backtest and replay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from ztrade.app.desk import Desk
from ztrade.app.observe import Seen
from ztrade.domain.agent import Agent
from ztrade.domain.decide import decide
from ztrade.domain.decision import Decision, MarketView, Sentiment, Signal
from ztrade.domain.ledger import AgentState
from ztrade.strategies.aggregate import aggregate, held_bars
from ztrade.strategies.strategy import Strategy


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that a decision is made from, besides the agent's file. ``bid``, ``ask`` and ``available`` in dollars."""

    view: MarketView
    sentiment: Sentiment | None
    bid: Decimal
    ask: Decimal
    available: Decimal


@dataclass(frozen=True, slots=True)
class Thought:
    """A decision and what it was made from."""

    inputs: Inputs
    signal: Signal
    decision: Decision

    @property
    def details(self) -> Mapping[str, object]:
        """The numbers to show a person, as JSON values."""
        decision, sentiment = self.decision, self.inputs.sentiment
        return {
            "action": str(decision.action),
            "qty": str(decision.qty),
            "price": str(decision.price),
            "stop": None if decision.stop is None else str(decision.stop),
            "target": None if decision.target is None else str(decision.target),
            "rationale": decision.rationale,
            "score": decision.score,
            "confidence": decision.confidence,
            "technical": self.signal.score,
            "sentiment": None if sentiment is None else sentiment.score,
            "news_at": None if sentiment is None else newest_story(sentiment),
            **{f"indicator.{name}": value for name, value in self.signal.values.items()},
        }


def newest_story(sentiment: Sentiment) -> str | None:
    """Return when the newest story of any source was published, as ISO text; None where none says when."""
    stamps = (item.get("at") for reading in sentiment.readings for item in reading.items)
    # all of them in UTC, so that the order of texts is that of time
    return max((stamp for stamp in stamps if isinstance(stamp, str)), default=None)


def think(agent: Agent, strategy: Strategy, inputs: Inputs) -> Thought:
    """Return what the agent wants to do; pure."""
    signal = strategy(inputs.view)
    price = inputs.bid if inputs.view.held_qty else inputs.ask
    decision = decide(agent, inputs.view, signal, inputs.sentiment, price=price, available=inputs.available)
    return Thought(inputs, signal, decision)


def inputs_of(desk: Desk, seen: Seen, state: AgentState, now: datetime) -> Inputs:
    """Return the inputs of a decision at ``now``: the view holds complete bars of the timeframe only."""
    # a fixed length: indicators with a memory must not depend on how much history happened to be there
    made = aggregate(seen.bars, desk.agent.timeframe, seen.sessions, now, desk.strategy.lookback)
    bars = made.bars
    holding = state.holding
    view = MarketView(
        symbol=desk.agent.symbol,
        at=now,
        bars=bars,
        price=float(seen.quote.mid),
        held_qty=holding.qty,
        entry_price=float(holding.avg_price) if holding.avg_price is not None else None,
        held_bars=held_bars(bars, holding.opened_at) if holding.opened_at is not None else 0,
        session=made.session,
        missing=made.missing,
    )
    available = desk.agent.capital + holding.realized
    return Inputs(view, seen.sentiment, seen.quote.bid, seen.quote.ask, available)
