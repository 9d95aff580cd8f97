"""What holds for any bars: bounds, no knowledge of the future, no dependence on the price's scale, nothing lost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.strategies.market import FIVE, HOUR, QUARTER, random_walk, week
from ztrade.domain.agent import Agent
from ztrade.domain.decide import decide, protection
from ztrade.domain.decision import Action, MarketView, Sentiment, Signal
from ztrade.domain.types import CENT, BarRow, Bars, bars_from_rows, rows_of, to_price
from ztrade.strategies import create
from ztrade.strategies.aggregate import aggregate

DAYS = week(10)
SIZE = 10 * 78
NAMES = st.sampled_from(["momentum", "mean_reversion"])
SPANS = st.sampled_from([FIVE, QUARTER, timedelta(minutes=30), HOUR, timedelta(minutes=390)])
SIGMAS = st.sampled_from([0.0, 0.0001, 0.001, 0.01, 0.05])
SEEDS = st.integers(0, 10_000)
ROWS = st.integers(1, SIZE - 1)
#: a walk of ten sessions takes milliseconds to make, more on a busy machine
MODEST = settings(deadline=None, max_examples=60)
ANY = st.floats(allow_nan=True, allow_infinity=True)


def _walk(sigma: float, seed: int) -> Bars:
    return random_walk(DAYS, sigma, seed)


def _view(bars: Bars, span: timedelta, at: datetime, held: bool = False) -> MarketView:
    made = aggregate(bars, span, DAYS, at)
    price = bars.close[len(bars) - 1]
    view = MarketView("WALK", at, made.bars, price, session=made.session, missing=made.missing)
    return replace(view, held_qty=Decimal(3), entry_price=price, held_bars=1) if held else view


def _at(bars: Bars, row: int) -> datetime:
    """Return the instant at which the bar before ``row`` is complete."""
    return bars.end_at(row - 1)


def _replaced(bars: Bars, first: int, rows: Sequence[BarRow]) -> Bars:
    return bars_from_rows(bars.symbol, bars.span, [*list(rows_of(bars))[:first], *rows])


def _bounded(signal: Signal) -> None:
    assert -1 <= signal.score <= 1
    assert 0 <= signal.confidence <= 1
    assert all(math.isfinite(value) for value in signal.values.values())
    assert signal.not_ready or signal.reasons


@MODEST
@given(NAMES, SPANS, SIGMAS, SEEDS, ROWS, st.booleans())
def test_score_and_confidence_are_bounded_for_any_walk(
    name: str, span: timedelta, sigma: float, seed: int, row: int, held: bool
) -> None:
    """Whatever the volatility (none included) and wherever it is looked at."""
    bars = _walk(sigma, seed)
    _bounded(create(name, {})(_view(bars.slice(0, row), span, _at(bars, row), held)))


@settings(deadline=None, max_examples=200)
@given(NAMES, SIGMAS, SEEDS, st.lists(st.tuples(st.integers(0, 69), st.integers(1, 5), ANY), max_size=6), ANY)
def test_any_numbers_at_all_give_a_bounded_signal(
    name: str, sigma: float, seed: int, edits: list[tuple[int, int, float]], price: float
) -> None:
    """Bars that no market could make (NaN, infinity, negative, huge) never raise and never leave the bounds."""
    rows = [list(row) for row in rows_of(_walk(sigma, seed).slice(0, 70))]
    for row, column, value in edits:
        rows[row][column] = value
    bars = bars_from_rows("ODD", FIVE, [tuple(row) for row in rows])  # type: ignore[misc]
    _bounded(create(name, {})(MarketView("ODD", bars.end_at(69), bars, price, session=DAYS[0])))
    _bounded(create(name, {})(MarketView("ODD", bars.end_at(69), bars, bars.close[69], session=DAYS[0])))


@MODEST
@given(NAMES, SPANS, SIGMAS, SEEDS, ROWS, st.floats(0.5, 2.0))
def test_the_future_changes_nothing(
    name: str, span: timedelta, sigma: float, seed: int, row: int, factor: float
) -> None:
    """Bars that begin at or after the instant, the running bucket's included, may be anything."""
    bars = _walk(sigma, seed)
    at = _at(bars, row)
    later = [(start, *(factor * value for value in values)) for start, *values in list(rows_of(bars))[row:]]
    changed = _replaced(bars, row, later)  # type: ignore[arg-type]
    strategy = create(name, {})
    before, after = _view(bars, span, at), _view(changed, span, at)
    assert list(rows_of(before.bars)) == list(rows_of(after.bars))
    assert strategy(replace(before, price=1.0)) == strategy(replace(after, price=1.0))


@MODEST
@given(SIGMAS, SEEDS, ROWS)
def test_the_running_bucket_changes_nothing(sigma: float, seed: int, row: int) -> None:
    """Within an hour the hourly bars stay what they were when the hour began."""
    bars = _walk(sigma, seed)
    at = _at(bars, row)
    made = aggregate(bars, HOUR, DAYS, at)
    if not len(made.bars) or made.session is None:
        return
    known = min(made.bars.end_at(len(made.bars) - 1), made.session.close)
    complete = sum(1 for start in bars.start if start < known.timestamp())
    assert list(rows_of(aggregate(bars.slice(0, complete), HOUR, DAYS, at).bars)) == list(rows_of(made.bars))


@MODEST
@given(NAMES, SPANS, SIGMAS, SEEDS, ROWS, st.sampled_from([0.1, 8.0, 10.0, 250.0]))
def test_the_scale_of_prices_changes_nothing(
    name: str, span: timedelta, sigma: float, seed: int, row: int, factor: float
) -> None:
    """A stock of 1,000 dollars is traded like the same stock at 100."""
    bars = _walk(sigma, seed)
    scaled = [
        (start, *(factor * value for value in prices), volume) for start, *prices, volume in rows_of(bars.slice(0, row))
    ]
    first = create(name, {})(_view(bars.slice(0, row), span, _at(bars, row)))
    second = create(name, {})(_view(bars_from_rows("WALK", FIVE, scaled), span, _at(bars, row)))  # type: ignore[arg-type]
    assert (first.not_ready is None) == (second.not_ready is None)
    if first.values and abs(first.values["close"] - first.values["sma20"]) > 1e-9 * first.values["close"]:
        assert second.score == pytest.approx(first.score, abs=1e-6)
        assert second.confidence == pytest.approx(first.confidence, abs=1e-6)


@MODEST
@given(NAMES, SIGMAS, SEEDS, ROWS)
def test_the_same_view_gives_the_same_signal(name: str, sigma: float, seed: int, row: int) -> None:
    """A strategy remembers nothing between calls."""
    bars = _walk(sigma, seed)
    strategy = create(name, {})
    view = _view(bars.slice(0, row), QUARTER, _at(bars, row))
    first = strategy(view)
    strategy(_view(bars, QUARTER, DAYS[-1].close))
    assert strategy(view) == first == create(name, {})(view)


@MODEST
@given(NAMES, SPANS, SIGMAS, SEEDS, ROWS)
def test_more_history_changes_nothing(name: str, span: timedelta, sigma: float, seed: int, row: int) -> None:
    """Once there are as many bars as the strategy wants, older ones do not matter."""
    bars = _walk(sigma, seed)
    strategy = create(name, {})
    view = _view(bars.slice(0, row), span, _at(bars, row))
    tail = view.bars.slice(max(0, len(view.bars) - strategy.lookback), len(view.bars))
    assert strategy(replace(view, bars=tail)) == strategy(view)


@MODEST
@given(SPANS, SIGMAS, SEEDS, st.sets(st.integers(0, SIZE - 1), max_size=60), ROWS)
def test_aggregation_loses_and_invents_nothing(
    span: timedelta, sigma: float, seed: int, holes: set[int], row: int
) -> None:
    """Volume, highs, lows, first opens and last closes of every bucket are those of its base bars, holes or not."""
    bars = _walk(sigma, seed)
    rows = [each for k, each in enumerate(rows_of(bars)) if k not in holes]
    at = _at(bars, row)
    made = aggregate(bars_from_rows("WALK", FIVE, rows), span, DAYS, at)
    cut = made.bars.start_at(0) if len(made.bars) else at
    for start, first, high, low, close, volume in rows_of(made.bars):
        day = next(day for day in DAYS if day.open <= start < day.close)
        part = [each for each in rows if start <= each[0] < min(start + span, day.close)]
        assert (start - day.open) % span == timedelta(0)
        assert min(start + span, day.close) <= at
        assert (first, high, low, close) == (
            part[0][1],
            max(each[2] for each in part),
            min(each[3] for each in part),
            part[-1][4],
        )
        assert volume == pytest.approx(sum(each[5] for each in part))
    inside = sum(each[5] for each in rows if cut <= each[0] and _complete(each[0], span, at))
    assert sum(made.bars.volume) == pytest.approx(inside)


def _complete(start: datetime, span: timedelta, at: datetime) -> bool:
    day = next(day for day in DAYS if day.open <= start < day.close)
    return min(day.open + ((start - day.open) // span + 1) * span, day.close) <= at


@settings(deadline=None, max_examples=300)
@given(
    signal=st.builds(Signal, ANY, ANY, exit_reason=st.none(), not_ready=st.none() | st.just("warm-up")),
    sentiment=st.none() | st.builds(Sentiment, ANY, ANY, ANY, st.just(()), st.just({})),
    price=st.decimals(allow_nan=True, allow_infinity=True),
    held=st.decimals(allow_nan=True, allow_infinity=True) | st.just(Decimal(0)),
)
def test_a_decision_is_safe_for_any_numbers(
    signal: Signal, sentiment: Sentiment | None, price: Decimal, held: Decimal
) -> None:
    """Every decision has a reason; a buy is whole, affordable and protected; a sell is exactly what is held."""
    agent = Agent("spy", "SPY", QUARTER, FIVE, "momentum")
    view = MarketView("SPY", DAYS[0].close, bars_from_rows("SPY", QUARTER, []), 1.0, held)
    made = decide(agent, view, signal, sentiment, price=price)
    assert made.rationale
    assert 0 <= made.confidence <= 1
    assert -1 <= made.score <= 1
    if made.action is Action.BUY:
        assert made.stop is not None
        assert made.target is not None
        assert held == 0
        assert made.qty >= 1
        assert made.qty == made.qty.to_integral_value()
        assert made.qty * price <= agent.limits.max_position_value
        assert 0 < made.stop < price < made.target
        assert made.confidence >= agent.limits.min_confidence
    if made.action is Action.SELL:
        assert made.qty == held > 0


@MODEST
@given(
    st.decimals(Decimal("0.01"), Decimal(100_000), places=4),
    st.decimals(Decimal("0.001"), Decimal("0.5"), places=3),
)
def test_protection_is_within_one_tick_of_what_is_configured(price: Decimal, share: Decimal) -> None:
    """Never nearer to the price than configured, never more than a tick further away, and on the exchange's grid."""
    stop, target = protection(price, share, share)
    for found, wanted, further in ((stop, price * (1 - share), -1), (target, price * (1 + share), 1)):
        assert 0 <= (found - wanted) * further < CENT
        assert found == to_price(found)
