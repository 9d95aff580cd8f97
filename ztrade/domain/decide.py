"""From a signal and the sentiment to one decision, with its reason. Pure.

Long only: a buy opens a position, a sell closes the whole of it, a flat agent never sells. Doubt holds: a number that
is not finite, a strategy that is not ready, too little confidence. A position that is held meanwhile is protected by
its stop and target, which rest at the exchange.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from ztrade.domain.agent import Agent, Weights
from ztrade.domain.decision import Action, Decision, MarketView, Sentiment, Signal
from ztrade.domain.types import CENT, TENTH_MILL

#: confidence and the share of max_position_value that is bought from there on
SIZES = ((0.85, Decimal("1.00")), (0.75, Decimal("0.75")), (0.65, Decimal("0.50")), (0.0, Decimal("0.25")))
#: what sentiment that is sure, and whose sources agree, adds to the confidence, or takes away where it contradicts
AGREEMENT = 0.10
#: a score nearer to zero than this has no direction
NEUTRAL = 0.05


@dataclass(frozen=True, slots=True)
class Combined:
    """Technicals and sentiment as one: score in [-1, 1], confidence in [0, 1], and how they were made, in words."""

    score: float
    confidence: float
    words: str


def decide(
    agent: Agent,
    view: MarketView,
    signal: Signal,
    sentiment: Sentiment | None,
    *,
    price: Decimal,
    available: Decimal | None = None,
) -> Decision:
    """Return what to do now, and why.

    Args:
        agent: weights, limits, capital.
        view: holds the agent's own position.
        signal: the strategy's answer for ``view``.
        sentiment: None when no source had anything; the technicals then weigh 1.
        price: what a share costs now, in dollars (the ask for an entry, the bid for an exit): size, stop and target
            are computed from it.
        available: dollars that the agent may still invest; its whole capital where not given.
    """
    combined = combine(agent.weights, signal, sentiment)
    answer = _Answer(price, combined)
    if not view.held_qty.is_finite() or view.held_qty < 0:
        return answer.hold(f"holds {view.held_qty} {view.symbol}: not a long position, a person must look")
    if not price.is_finite() or (price <= 0 and not view.held_qty):
        return answer.hold(f"the price {price} is not a price")
    if view.held_qty:
        # sold at the market: a quote without a bid keeps no position
        return _holding(agent, view, signal, answer)
    money = agent.capital if available is None else available
    if not money.is_finite():
        return answer.hold(f"the money available is {money}")
    return _flat(agent, signal, answer, min(agent.capital, money))


def combine(weights: Weights, signal: Signal, sentiment: Sentiment | None) -> Combined | str:
    """Return score and confidence of technicals and sentiment together, or why there are none.

    Both scores and confidences are weighed with the agent's weights, renormalised over what is there. News that agrees
    with the technicals, or that points nowhere, never makes them less confident (one old headline must not silence an
    agent); news that contradicts them does. Agreement adds to the confidence, contradiction takes away from it.
    """
    if signal.not_ready:
        return f"not ready: {signal.not_ready}"
    parts = [("technical", weights.technical, signal.score, signal.confidence)]
    if sentiment is not None:
        parts.append(("sentiment", weights.sentiment, sentiment.score, sentiment.confidence))
    for name, weight, score, confidence in parts:
        if not all(map(math.isfinite, (weight, score, confidence))):
            return f"{name} is not a number: score {score}, confidence {confidence}, weight {weight}"
    total = sum(weight for _, weight, _, _ in parts)
    if total <= 0:
        return "nothing to go by: no sentiment, and the technicals weigh 0"
    # shares first: a lone part must keep its numbers to the last bit, or 0.70 could fall under a limit of 0.70
    shares = [(name, weight / total, score, confidence) for name, weight, score, confidence in parts]
    score = sum(share * score for _, share, score, _ in shares)
    confidence = sum(share * confidence for _, share, _, confidence in shares)
    words = ", ".join(f"{name} {score:+.2f} x {share:.2f}" for name, share, score, _ in shares)
    if sentiment is not None and weights.sentiment > 0 and weights.technical > 0:
        confidence = _agreed(confidence, signal, sentiment)
    return Combined(min(max(score, -1.0), 1.0), min(max(confidence, 0.0), 1.0), words)


def _agreed(mean: float, signal: Signal, sentiment: Sentiment) -> float:
    """Return the weighed ``mean`` of both confidences, corrected for whether the two point the same way."""
    agreement = sentiment.agreement if math.isfinite(sentiment.agreement) else 0.0
    bonus = AGREEMENT * min(max(agreement, 0.0), 1.0) * sentiment.confidence
    if min(abs(signal.score), abs(sentiment.score)) < NEUTRAL:
        return max(mean, signal.confidence)
    if signal.score * sentiment.score < 0:
        return mean - bonus
    return max(mean, signal.confidence) + bonus


@dataclass(frozen=True, slots=True)
class _Answer:
    """Makes decisions that all carry the same price, score and confidence."""

    price: Decimal
    combined: Combined | str

    def hold(self, why: str) -> Decision:
        return self.of(Action.HOLD, Decimal(0), why)

    def of(
        self, action: Action, qty: Decimal, why: str, stop: Decimal | None = None, target: Decimal | None = None
    ) -> Decision:
        known = self.combined if isinstance(self.combined, Combined) else Combined(0.0, 0.0, "")
        price = self.price if self.price.is_finite() else Decimal(0)
        return Decision(action, qty, known.confidence, known.score, price, why, stop, target)


def _holding(agent: Agent, view: MarketView, signal: Signal, answer: _Answer) -> Decision:
    """Close the position, or say why it stays. The strategy's exit reason needs no score, news or confidence."""
    held = f"{view.held_qty.normalize():f} {view.symbol}"
    if signal.exit_reason:
        return answer.of(Action.SELL, view.held_qty, f"sell {held}: {signal.exit_reason}")
    combined, threshold = answer.combined, agent.weights.threshold
    if isinstance(combined, str):
        return answer.hold(f"holding {held}, its stop and target rest at the exchange; {combined}")
    if combined.score < -threshold:
        why = f"score {combined.score:.2f} under {-threshold:.2f} ({combined.words}): {_because(signal)}"
        return answer.of(Action.SELL, view.held_qty, f"sell {held}: {why}")
    return answer.hold(f"holding {held}: score {combined.score:.2f} not under {-threshold:.2f} ({combined.words})")


def _flat(agent: Agent, signal: Signal, answer: _Answer, money: Decimal) -> Decision:
    combined, threshold, floor = answer.combined, agent.weights.threshold, agent.limits.min_confidence
    if isinstance(combined, str):
        return answer.hold(combined)
    score = f"score {combined.score:.2f}"
    if not combined.score > threshold:
        below = f"{score} under {-threshold:.2f}, and nothing to sell" if combined.score < -threshold else ""
        return answer.hold(f"{below or f'{score} within {threshold:.2f} of zero'} ({combined.words})")
    if not combined.confidence >= floor:
        why = f"confidence {_under(combined.confidence, floor)} under {floor:.2f}"
        return answer.hold(f"{why}; {score} over {threshold:.2f} ({combined.words}): {_because(signal)}")
    return _entry(agent, signal, answer, combined, money)


def _entry(agent: Agent, signal: Signal, answer: _Answer, combined: Combined, money: Decimal) -> Decision:
    price = answer.price
    share = next(size for least, size in SIZES if combined.confidence >= least)
    budget = min(agent.limits.max_position_value * share, money)
    qty = (max(budget, Decimal(0)) / price).to_integral_value(ROUND_FLOOR)
    if qty < 1:
        return answer.hold(f"0 shares: the price {price} is above the {budget:.2f} that this entry may cost")
    stop, target = protection(price, agent.limits.stop_loss, agent.limits.take_profit)
    if not (0 < stop <= price - CENT and target >= price + CENT):
        return answer.hold(
            f"stop {stop} or target {target} is less than a cent from the price {price}, which no bracket may be"
        )
    why = (
        f"buy {qty} at {price} ({share:.0%} of {agent.limits.max_position_value} at confidence "
        f"{combined.confidence:.2f}), stop {stop}, target {target}: score {combined.score:.2f} over "
        f"{agent.weights.threshold:.2f} ({combined.words}): {_because(signal)}"
    )
    return answer.of(Action.BUY, qty, why, stop, target)


def protection(price: Decimal, stop_loss: Decimal, take_profit: Decimal) -> tuple[Decimal, Decimal]:
    """Return stop and target in whole ticks.

    The stop is rounded down and the target up, so neither is nearer to the price than configured, and neither is
    further away than one tick more.
    """
    return (
        _to_tick(price * (1 - stop_loss), ROUND_FLOOR),
        _to_tick(price * (1 + take_profit), ROUND_CEILING),
    )


def _to_tick(price: Decimal, rounding: str) -> Decimal:
    return price.quantize(CENT if price >= 1 else TENTH_MILL, rounding)


def _under(number: float, limit: float) -> str:
    """Write the number with as many digits as it takes to see that it is not the limit."""
    return f"{number:.2f}" if f"{number:.2f}" != f"{limit:.2f}" else f"{number:.4f}"


def _because(signal: Signal) -> str:
    return "; ".join(signal.reasons) or "no reason given"
