"""From signal and sentiment to a decision."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from ztrade.domain.agent import Agent, Limits, Weights
from ztrade.domain.decide import Combined, combine, decide, protection
from ztrade.domain.decision import Action, Decision, MarketView, Sentiment, Signal
from ztrade.domain.types import bars_from_rows

AT = datetime(2022, 8, 22, 15, 0, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
AGENT = Agent("spy", "SPY", QUARTER, timedelta(minutes=5), "momentum")
PRICE = Decimal("400.00")
FLAT = MarketView("SPY", AT, bars_from_rows("SPY", QUARTER, []), 400.0)
HELD = replace(FLAT, held_qty=Decimal(10), entry_price=398.0, held_bars=3)
BUY = Signal(0.8, 0.8, ("RSI 61.0", "close 1.2 % above SMA20"))
SELL = Signal(-0.8, 0.8, ("close 1.2 % below SMA20",))
WARMING = Signal(0.0, 0.0, not_ready="warm-up: 3 of 21 bars")


def _sentiment(score: float, confidence: float = 0.7, agreement: float = 1.0) -> Sentiment:
    return Sentiment(score, confidence, agreement, (), {"news": 1.0})


def _decide(
    signal: Signal = BUY,
    view: MarketView = FLAT,
    sentiment: Sentiment | None = None,
    *,
    agent: Agent = AGENT,
    price: Decimal = PRICE,
    available: Decimal | None = None,
) -> Decision:
    return decide(agent, view, signal, sentiment, price=price, available=available)


def _limits(limits: Limits) -> Agent:
    return replace(AGENT, limits=limits)


def _both(signal: Signal, sentiment: Sentiment | None, weights: Weights = AGENT.weights) -> Combined:
    found = combine(weights, signal, sentiment)
    assert isinstance(found, Combined)
    return found


def test_a_strong_signal_of_a_flat_agent_buys() -> None:
    """Quantity, stop, target and every number of the reason."""
    decision = _decide()
    assert decision == Decision(
        Action.BUY,
        Decimal(9),
        0.8,
        0.8,
        PRICE,
        "buy 9 at 400.00 (75% of 5000 at confidence 0.80), stop 392.00, target 416.00: score 0.80 over 0.30 "
        "(technical +0.80 x 1.00): RSI 61.0; close 1.2 % above SMA20",
        Decimal("392.00"),
        Decimal("416.00"),
    )


def test_without_news_the_technicals_weigh_one() -> None:
    """No sentiment leaves score and confidence as the strategy gave them."""
    assert (_both(BUY, None).score, _both(BUY, None).confidence) == (0.8, 0.8)


def test_score_is_weighed_with_the_agents_weights() -> None:
    """0.6 of the news and 0.4 of the technicals; weights that sum to something else are renormalised."""
    assert _both(BUY, _sentiment(0.5)).score == pytest.approx(0.6 * 0.5 + 0.4 * 0.8)
    assert _both(BUY, _sentiment(0.5), Weights(3, 1)).score == pytest.approx(0.75 * 0.5 + 0.25 * 0.8)


def test_agreeing_news_adds_confidence_and_contradicting_news_takes_it() -> None:
    """News that is sure raises the confidence; the same news the other way lowers it under the mean."""
    mean = 0.6 * 0.7 + 0.4 * 0.8
    assert _both(BUY, _sentiment(0.5)).confidence == pytest.approx(0.8 + 0.1 * 0.7)
    assert _both(BUY, _sentiment(0.5, 0.9)).confidence == pytest.approx(0.6 * 0.9 + 0.4 * 0.8 + 0.1 * 0.9)
    assert _both(BUY, _sentiment(-0.5)).confidence == pytest.approx(mean - 0.1 * 0.7)
    assert _both(BUY, _sentiment(-0.5, agreement=0.5)).confidence == pytest.approx(mean - 0.05 * 0.7)


def test_news_that_says_nothing_takes_no_confidence_away() -> None:
    """One old headline (faint, unsure) leaves the confidence of the technicals as it is."""
    assert _both(BUY, _sentiment(0.0, 0.2)).confidence == pytest.approx(0.8)
    assert _both(BUY, _sentiment(0.1, 0.0)).confidence == pytest.approx(0.8)


def test_news_without_weight_changes_nothing() -> None:
    """An agent that trades technicals only is not moved by news."""
    weights = Weights(sentiment=0.0, technical=1.0)
    assert _both(BUY, _sentiment(-1.0, 1.0), weights) == replace(
        _both(BUY, None, weights), words="technical +0.80 x 1.00, sentiment -1.00 x 0.00"
    )


def test_bad_news_stops_a_buy() -> None:
    """News of -0.5 outweighs technicals of 0.8: near zero, so nothing happens."""
    decision = _decide(sentiment=_sentiment(-0.5))
    assert decision.action is Action.HOLD
    assert decision.rationale == "score 0.02 within 0.30 of zero (technical +0.80 x 0.40, sentiment -0.50 x 0.60)"


@pytest.mark.parametrize(("score", "action"), [(0.30, Action.HOLD), (0.3001, Action.BUY), (-0.9, Action.HOLD)])
def test_a_flat_agent_buys_only_beyond_the_threshold(score: float, action: Action) -> None:
    """Exactly at the threshold is not beyond it, and a flat agent never sells."""
    assert _decide(Signal(score, 0.9)).action is action


@pytest.mark.parametrize(("score", "action"), [(-0.30, Action.HOLD), (-0.3001, Action.SELL), (0.9, Action.HOLD)])
def test_a_holding_agent_sells_only_beyond_the_threshold(score: float, action: Action) -> None:
    """A holding agent never buys more."""
    decision = _decide(Signal(score, 0.0), HELD)
    assert decision.action is action
    assert decision.qty == (10 if action is Action.SELL else 0)


def test_too_little_confidence_is_a_hold_with_both_numbers() -> None:
    """Not a rejection: the agent was not sure."""
    decision = _decide(Signal(0.8, 0.55, ("RSI 61.0",)))
    assert decision.action is Action.HOLD
    assert decision.rationale == ("confidence 0.55 under 0.60; score 0.80 over 0.30 (technical +0.80 x 1.00): RSI 61.0")


@pytest.mark.parametrize("limit", [0.60, 0.65, 0.70])
def test_confidence_at_the_limit_is_enough(limit: float) -> None:
    """0.70 passes 0.70; a hair less does not, and the reason shows it."""
    agent = _limits(Limits(min_confidence=limit))
    assert _decide(Signal(0.8, limit), agent=agent).action is Action.BUY
    assert (
        f"confidence {limit - 0.001:.4f} under {limit:.2f}"
        in _decide(Signal(0.8, limit - 0.001), agent=agent).rationale
    )


@pytest.mark.parametrize(
    ("confidence", "qty"),
    [(1.0, 50), (0.85, 50), (0.8499, 37), (0.75, 37), (0.7499, 25), (0.65, 25), (0.6499, 12), (0.60, 12)],
)
def test_size_follows_confidence(confidence: float, qty: int) -> None:
    """100, 75, 50 and 25 % of 5,000 dollars at 100 dollars, in whole shares."""
    assert _decide(Signal(0.8, confidence), price=Decimal(100)).qty == qty


def test_a_price_above_the_cap_holds_and_says_so() -> None:
    """A quarter of the cap does not pay for one share."""
    decision = _decide(Signal(0.8, 0.60), price=Decimal(1251))
    assert decision.action is Action.HOLD
    assert decision.rationale == "0 shares: the price 1251 is above the 1250.00 that this entry may cost"


@pytest.mark.parametrize(
    ("capital", "available", "qty"), [(10_000, None, 50), (1_000, None, 10), (10_000, 700, 7), (500, 700, 5)]
)
def test_an_entry_never_costs_more_than_the_money_there_is(capital: int, available: int | None, qty: int) -> None:
    """The agent's capital and what is left of it bind like the position's cap."""
    money = None if available is None else Decimal(available)
    agent = replace(AGENT, capital=Decimal(capital))
    assert _decide(Signal(0.8, 1.0), agent=agent, price=Decimal(100), available=money).qty == qty


@pytest.mark.parametrize("available", [Decimal(0), Decimal(-5)])
def test_no_money_left_holds(available: Decimal) -> None:
    """Spent capital buys nothing."""
    assert _decide(available=available).action is Action.HOLD


@pytest.mark.parametrize("view", [FLAT, HELD])
def test_a_strategy_that_is_not_ready_holds(view: MarketView) -> None:
    """The reason of the strategy is the reason of the hold, even with the best of news."""
    decision = _decide(WARMING, view, _sentiment(1.0, 1.0))
    assert decision.action is Action.HOLD
    assert "warm-up: 3 of 21 bars" in decision.rationale


def test_a_position_without_a_signal_stays_protected() -> None:
    """The reason says that stop and target rest at the exchange."""
    assert "stop and target rest at the exchange" in _decide(WARMING, HELD, _sentiment(-1.0, 1.0)).rationale


@pytest.mark.parametrize(
    "signal",
    [
        Signal(0.9, 0.9, exit_reason="time stop: open for 24 bars"),
        Signal(0.0, 0.0, exit_reason="time stop: open for 24 bars", not_ready="stale bars"),
        Signal(math.nan, math.nan, exit_reason="time stop: open for 24 bars"),
    ],
)
@pytest.mark.parametrize("sentiment", [None, _sentiment(1.0, 1.0), _sentiment(math.nan, math.nan)])
def test_an_exit_reason_closes_the_whole_position_whatever_else_is_known(
    signal: Signal, sentiment: Sentiment | None
) -> None:
    """Score, confidence, news and warm-up do not keep a position open."""
    decision = _decide(signal, replace(HELD, held_qty=Decimal("10.5")), sentiment)
    assert (decision.action, decision.qty) == (Action.SELL, Decimal("10.5"))
    assert decision.rationale == "sell 10.5 SPY: time stop: open for 24 bars"
    assert math.isfinite(decision.score)
    assert math.isfinite(decision.confidence)


def test_a_flat_agent_has_nothing_to_exit() -> None:
    """An exit reason of a flat agent sells nothing."""
    assert _decide(Signal(0.0, 0.0, exit_reason="time stop"), FLAT).action is Action.HOLD


def test_holding_already_is_said() -> None:
    """A buy signal with an open position is a hold with its score."""
    decision = _decide(BUY, HELD)
    assert decision.rationale == "holding 10 SPY: score 0.80 not under -0.30 (technical +0.80 x 1.00)"


def test_a_sell_of_a_flat_agent_is_said() -> None:
    """A bearish score without a position is a hold."""
    assert "nothing to sell" in _decide(SELL).rationale


NUMBERS = (math.nan, math.inf, -math.inf)


@pytest.mark.parametrize("bad", NUMBERS)
@pytest.mark.parametrize("view", [FLAT, HELD])
def test_a_number_that_is_none_never_trades(bad: float, view: MarketView) -> None:
    """NaN or infinity in score, confidence, news, weight, price or money is a hold with a reason."""
    odd = Decimal(repr(bad))
    decisions = [
        _decide(Signal(bad, 0.9), view),
        _decide(Signal(-0.9, bad), view),
        _decide(SELL, view, _sentiment(bad)),
        _decide(SELL, view, _sentiment(-0.9, bad)),
        _decide(SELL, view, agent=replace(AGENT, weights=Weights(0.6, bad))),
        _decide(SELL, view, price=odd),
        _decide(SELL, replace(view, held_qty=odd)),
    ]
    for decision in decisions:
        assert decision.action is Action.HOLD
        assert decision.rationale
        assert decision.price.is_finite()
        assert math.isfinite(decision.score)
        assert math.isfinite(decision.confidence)


@pytest.mark.parametrize("bad", NUMBERS)
def test_money_that_is_no_number_stops_entries_and_no_exit(bad: float) -> None:
    """What the agent may invest matters for an entry only."""
    odd = Decimal(repr(bad))
    assert _decide(BUY, FLAT, available=odd).rationale.startswith("the money available is")
    assert _decide(SELL, HELD, available=odd).action is Action.SELL


@pytest.mark.parametrize("agreement", NUMBERS)
def test_an_agreement_that_is_none_adds_nothing(agreement: float) -> None:
    """Only finite agreement counts."""
    assert _both(BUY, _sentiment(0.5, agreement=agreement)).confidence == pytest.approx(0.8)


@pytest.mark.parametrize("price", [Decimal(0), Decimal(-1)])
def test_a_price_of_nothing_holds(price: Decimal) -> None:
    """No share costs nothing."""
    assert "is not a price" in _decide(price=price).rationale


def test_a_short_position_is_left_to_a_person() -> None:
    """Agents are long only; a negative quantity is a fault of the books."""
    assert "a person must look" in _decide(view=replace(FLAT, held_qty=Decimal(-1))).rationale


def test_weights_that_leave_nothing_hold() -> None:
    """An agent that goes by news alone holds when there is none."""
    assert "nothing to go by" in _decide(agent=replace(AGENT, weights=Weights(1.0, 0.0))).rationale


@pytest.mark.parametrize(
    ("price", "stop", "target"),
    [
        ("400.00", "392.00", "416.00"),
        ("400.01", "392.00", "416.02"),
        ("33.33", "32.66", "34.67"),
        ("1.01", "0.9898", "1.06"),
        ("0.5", "0.4900", "0.5200"),
        ("0.9999", "0.9799", "1.04"),
    ],
)
def test_stop_and_target_are_whole_ticks_never_nearer_than_configured(price: str, stop: str, target: str) -> None:
    """The stop goes down and the target up to the next tick: cents from a dollar on, hundredths of a cent below."""
    found = protection(Decimal(price), Decimal("0.02"), Decimal("0.04"))
    assert found == (Decimal(stop), Decimal(target))
    assert tuple(map(str, found)) == (stop, target)


@pytest.mark.parametrize(("stop", "target"), [("0.02", "0.04"), ("0.04", "0.02"), ("1", "0.04")])
def test_a_leg_nearer_than_a_cent_holds(stop: str, target: str) -> None:
    """The exchange refuses a bracket whose stop or target is less than a cent away: no penny stocks."""
    agent = _limits(Limits(stop_loss=Decimal(stop), take_profit=Decimal(target)))
    decision = _decide(agent=agent, price=Decimal("0.40"))
    assert decision.action is Action.HOLD
    assert "less than a cent" in decision.rationale


def test_limits_of_the_agent_are_those_used() -> None:
    """Stop, target and cap come from the agent's own limits."""
    wide = _limits(Limits(max_position_value=Decimal(1000), stop_loss=Decimal("0.1"), take_profit=Decimal("0.2")))
    decision = _decide(Signal(0.8, 1.0), agent=wide, price=Decimal(100))
    assert (decision.qty, decision.stop, decision.target) == (Decimal(10), Decimal(90), Decimal(120))
