"""Momentum and mean reversion: what they buy, when they let go, and when they say nothing."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import cast

import pytest

from tests.unit.strategies.market import HOUR, QUARTER, bars_of, grid, week
from ztrade.domain.decision import MarketView
from ztrade.domain.schedule import Session
from ztrade.domain.types import BarRow, bars_from_rows, rows_of
from ztrade.errors import ConfigError
from ztrade.strategies import create
from ztrade.strategies.indicators import columns, compute
from ztrade.strategies.strategy import Strategy

DAYS = week(10)
QUIET = [100 + 0.3 * math.sin(k) for k in range(60)]
RISE = [*QUIET[:56], 100.5, 100.8, 101.1, 101.4]
FALL = [*QUIET[:57], 99.2, 98.5, 98.3]


def _view(closes: Sequence[float], span: timedelta = QUARTER, days: Sequence[Session] = DAYS) -> MarketView:
    bars = bars_of(closes, span, days)
    at = _end(bars.start_at(len(bars) - 1), span, days)
    current = [day for day in days if day.open < at][-1]
    return MarketView("SPY", at, bars, closes[-1], session=current)


def _end(start: datetime, span: timedelta, days: Sequence[Session]) -> datetime:
    return min(start + span, next(day.close for day in days if day.open <= start < day.close))


def _held(view: MarketView, entry: float, bars: int = 3) -> MarketView:
    return replace(view, held_qty=Decimal(10), entry_price=entry, held_bars=bars)


def _with_row(view: MarketView, row: int, **changed: float) -> MarketView:
    """Return the view with fields (open, high, low, close, volume) of one bar changed."""
    names = ("start", "open", "high", "low", "close", "volume")
    rows = list(rows_of(view.bars))
    values = dict(zip(names, rows[row], strict=True)) | changed
    rows[row] = tuple(values[name] for name in names)  # type: ignore[assignment]
    return replace(view, bars=bars_from_rows("SPY", view.bars.span, rows))


def _drop(view: MarketView, *rows: int) -> MarketView:
    left: list[BarRow] = [row for k, row in enumerate(rows_of(view.bars)) if k % len(view.bars) not in rows]
    return replace(view, bars=bars_from_rows("SPY", view.bars.span, left))


@pytest.fixture
def momentum() -> Strategy:
    return create("momentum", {})


@pytest.fixture
def reversion() -> Strategy:
    return create("mean_reversion", {})


def test_momentum_buys_a_young_rise(momentum: Strategy) -> None:
    """A rise of four bars out of a quiet market: a score above the threshold, confidence above the agents' least."""
    signal = momentum(_view(RISE))
    assert signal.score > 0.75
    assert signal.confidence > 0.65
    assert any("above SMA20" in reason for reason in signal.reasons)
    assert signal.exit_reason is None


def test_momentum_has_no_confidence_in_a_quiet_market(momentum: Strategy) -> None:
    """Without a move there is nothing to be confident of."""
    assert momentum(_view(QUIET)).confidence < 0.60


def test_momentum_does_not_chase_an_old_rise(momentum: Strategy) -> None:
    """The same slope after 30 bars has less confidence than when it was young."""
    old = [*QUIET[:30], *(100.4 + 0.2 * k for k in range(30))]
    assert momentum(_view(old)).confidence < momentum(_view(RISE)).confidence - 0.15


def test_momentum_sells_when_the_close_is_under_the_mean(momentum: Strategy) -> None:
    """A position is closed once the close is a quarter of an ATR under SMA20; a flat agent has no exit."""
    view = _view([*RISE, 101.0, 100.0, 99.0])
    assert "momentum gone" in (momentum(_held(view, 101.0)).exit_reason or "")
    assert momentum(view).exit_reason is None


def test_reversion_buys_a_fall(reversion: Strategy) -> None:
    """Three falling bars far under the mean are a buy above the agents' least confidence."""
    signal = reversion(_view(FALL, HOUR))
    assert signal.score > 0.75
    assert signal.confidence >= 0.70
    assert any("sigma under SMA20" in reason for reason in signal.reasons)


def test_reversion_does_not_buy_a_quiet_market_or_a_rise(reversion: Strategy) -> None:
    """Nothing fell, so nothing is bought."""
    assert reversion(_view(QUIET, HOUR)).confidence < 0.70
    assert reversion(_view(RISE, HOUR)).score < 0.30


def test_reversion_sells_at_the_mean(reversion: Strategy) -> None:
    """Back above SMA20 and half an ATR over the entry: the goal is reached."""
    view = _view([*FALL, 99.0, 100.3], HOUR)
    assert "mean reached" in (reversion(_held(view, 98.3)).exit_reason or "")
    assert reversion(_held(view, 100.2)).exit_reason is None


@pytest.mark.parametrize(("name", "bars"), [("momentum", 24), ("mean_reversion", 4)])
def test_a_position_is_closed_after_its_time(name: str, bars: int) -> None:
    """The time stop works at its bar, not before, and needs no indicator: bars that are too few do not keep it open."""
    strategy = create(name, {})
    assert strategy(_held(_view(QUIET), 101.0, bars - 1)).exit_reason is None
    assert "time stop" in (strategy(_held(_view(QUIET), 100.0, bars)).exit_reason or "")
    warming = strategy(_held(_view(QUIET[:5]), 100.0, bars))
    assert "time stop" in (warming.exit_reason or "")
    assert "warm-up" in (warming.not_ready or "")
    assert strategy(replace(_view(QUIET), held_bars=bars)).exit_reason is None


@pytest.mark.parametrize(("name", "least"), [("momentum", 21), ("mean_reversion", 15)])
def test_warm_up_ends_with_the_least_number_of_bars(name: str, least: int) -> None:
    """One bar fewer is a reasoned silence that names both numbers; the optional indicators may still be missing."""
    strategy = create(name, {})
    assert strategy.min_bars == least
    assert strategy(_view(QUIET[: least - 1])).not_ready == f"warm-up: {least - 1} of {least} bars"
    assert strategy(_view(QUIET[:least])).not_ready is None


def test_an_empty_history_is_a_warm_up(momentum: Strategy) -> None:
    """No bars at all are no error."""
    view = _view(QUIET)
    assert momentum(replace(view, bars=view.bars.slice(0, 0))).not_ready == "warm-up: 0 of 21 bars"


def test_more_history_than_the_lookback_changes_nothing(momentum: Strategy) -> None:
    """Recursive indicators see the last 60 bars, however long the history is."""
    days = week(20)
    long = [100 + math.sin(k / 7) for k in range(200)]
    view = _view(long, QUARTER, days)
    short = replace(view, bars=view.bars.slice(len(view.bars) - momentum.lookback, len(view.bars)))
    assert momentum(view) == momentum(short)


@pytest.mark.parametrize("field", ["open", "high", "low", "close", "volume"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_bar_that_is_not_a_number_is_not_traded_on(momentum: Strategy, field: str, value: float) -> None:
    """NaN and infinity anywhere in the window end in a reason, not in a score."""
    signal = momentum(_with_row(_view(RISE), 40, **{field: value}))
    assert signal.not_ready is not None
    assert (signal.score, signal.confidence) == (0.0, 0.0)


@pytest.mark.parametrize("price", [math.nan, math.inf, 0.0, -1.0])
def test_a_price_that_is_none_is_not_traded_on(momentum: Strategy, price: float) -> None:
    """The live price is checked like the bars."""
    assert "is not a price" in (momentum(replace(_view(RISE), price=price)).not_ready or "")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"low": 0.0}, "zero or less"),
        ({"volume": -1.0}, "negative volume"),
        ({"high": 90.0}, "high is under its low"),
        ({"close": 300.0, "high": 300.0}, "factor of 3"),
    ],
)
def test_a_broken_bar_is_not_traded_on(momentum: Strategy, changed: dict[str, float], said: str) -> None:
    """Impossible bars end in a reason that says what is wrong."""
    assert said in (momentum(_with_row(_view(RISE), 40, **changed)).not_ready or "")


def test_an_unadjusted_split_is_not_traded_on(momentum: Strategy) -> None:
    """A live price of a third of the last close is a split that the bars do not know yet."""
    view = _view(RISE)
    assert "factor of 3.00: an unadjusted split" in (momentum(replace(view, price=view.price / 3)).not_ready or "")


def test_a_halted_or_frozen_market_is_not_traded_on(momentum: Strategy) -> None:
    """No volume in the last bar, or no movement at all, are reasons to wait."""
    assert "halted" in (momentum(_with_row(_view(RISE), 59, volume=0.0)).not_ready or "")
    frozen = bars_of([100.0] * 60, QUARTER, DAYS, spread=0.0)
    assert "did not move" in (momentum(replace(_view(QUIET), bars=frozen)).not_ready or "")


def test_a_stale_last_bar_is_not_traded_on(momentum: Strategy) -> None:
    """A bar later than the one expected by now is fine for the whole of its span, then it is stale."""
    view = _view(RISE)
    assert momentum(replace(view, at=view.at + timedelta(minutes=14, seconds=59))).not_ready is None
    assert "stale" in (momentum(replace(view, at=view.at + QUARTER)).not_ready or "")


def test_yesterdays_bars_are_fresh_until_todays_first_is_complete(momentum: Strategy) -> None:
    """Five minutes after the open the last bar is yesterday's; fifteen minutes after the open there must be one."""
    view = _view([*QUIET[:49], *RISE[-3:]])
    assert view.at == DAYS[1].close
    early = replace(view, at=DAYS[2].open + timedelta(minutes=5), session=DAYS[2])
    assert momentum(early).not_ready is None
    assert "stale" in (momentum(replace(early, at=DAYS[2].open + QUARTER)).not_ready or "")


def test_a_weekend_is_no_staleness_but_a_fortnight_is(momentum: Strategy) -> None:
    """Friday's bars are fresh on Monday morning; two weeks later they are not."""
    days = week(15)
    closes = [100 + math.sin(k) for k in range(26 * 5)]
    view = _view(closes, QUARTER, days)
    assert momentum(replace(view, at=days[5].open + timedelta(minutes=5), session=days[5])).not_ready is None
    assert "stale" in (momentum(replace(view, at=days[14].open, session=days[14])).not_ready or "")


def test_without_a_session_the_age_alone_is_checked(momentum: Strategy) -> None:
    """A caller who knows no session still gets no signal from old bars."""
    view = replace(_view(RISE), session=None)
    assert momentum(view).not_ready is None
    assert "stale" in (momentum(replace(view, at=view.at + timedelta(minutes=16))).not_ready or "")
    assert "stale" in (momentum(replace(view, at=view.at + timedelta(days=6))).not_ready or "")


def test_a_bar_from_the_future_is_not_traded_on(momentum: Strategy) -> None:
    """A last bar that is not complete yet would be knowledge of the future."""
    view = _view(RISE)
    assert "after the present" in (momentum(replace(view, at=view.at - timedelta(seconds=1))).not_ready or "")


def test_the_short_last_bar_of_a_session_ends_at_the_close(reversion: Strategy) -> None:
    """The hourly bar of 15:30 is complete at 16:00 New York."""
    view = _view([100 + math.sin(k) for k in range(35)], HOUR)
    assert view.at == DAYS[4].close
    assert reversion(view).not_ready is None


def test_bars_in_disorder_are_not_traded_on(momentum: Strategy) -> None:
    """A time stamp that occurs twice is a fault of the feed."""
    view = _view(RISE)
    rows = list(rows_of(view.bars))
    rows[30] = rows[29]
    assert "not in order" in (momentum(replace(view, bars=bars_from_rows("SPY", QUARTER, rows))).not_ready or "")


def test_a_hole_in_this_session_is_not_traded_on(momentum: Strategy) -> None:
    """Two missing bars in a row are tolerated, three are not; a hole of an earlier session does not matter."""
    view = _view([100 + math.sin(k) for k in range(26 + 26 + 12)])
    assert momentum(_drop(view, 57, 58)).not_ready is None
    assert "3 bars in a row" in (momentum(_drop(view, 57, 58, 59)).not_ready or "")
    assert momentum(_drop(view, 30, 31, 32, 33)).not_ready is None


def test_missing_base_bars_are_not_traded_on(momentum: Strategy) -> None:
    """What the aggregation did not find is counted against the limit."""
    view = _view(RISE)
    assert momentum(replace(view, missing=6)).not_ready is None
    assert "7 base bars" in (momentum(replace(view, missing=7)).not_ready or "")
    assert create("momentum", {"max_missing": 7})(replace(view, missing=7)).not_ready is None


def test_indicators_are_those_of_the_last_bar() -> None:
    """Means, deviation and volume ratio agree with a calculation by hand; RSI is 100 where prices only rise."""
    closes = [100.0 + k for k in range(60)]
    now = compute(columns(bars_of(closes, QUARTER, DAYS)))
    last = closes[-20:]
    mean = sum(last) / 20
    assert now.sma20 == pytest.approx(mean)
    assert now.sigma == pytest.approx(math.sqrt(sum((close - mean) ** 2 for close in last) / 20))
    assert now.sma50 == pytest.approx(sum(closes[-50:]) / 50)
    assert now.rsi == pytest.approx(100)
    assert now.atr == pytest.approx(1.2)
    assert now.volume_ratio == pytest.approx(1)
    assert now.above_sma20 == 41
    assert now.macd == pytest.approx(0, abs=0.05)
    assert (now.lower_band, now.upper_band) == pytest.approx((mean - 2 * now.sigma, mean + 2 * now.sigma))


def test_optional_indicators_are_absent_while_the_history_is_short() -> None:
    """33 bars have no MACD, 49 no SMA50."""
    bars = bars_of(QUIET, QUARTER, DAYS)
    assert compute(columns(bars.slice(0, 33))).macd is None
    assert compute(columns(bars.slice(0, 34))).macd is not None
    assert compute(columns(bars.slice(0, 49))).sma50 is None
    assert compute(columns(bars.slice(0, 50))).sma50 is not None


def test_the_grid_of_the_builders_is_the_exchanges() -> None:
    """26 quarters and 7 hours (the last one short) make a full session."""
    assert (len(grid(DAYS[:1], QUARTER)), len(grid(DAYS[:1], HOUR))) == (26, 7)


def test_an_unknown_strategy_is_refused_with_the_known_names() -> None:
    """The message names what there is."""
    with pytest.raises(ConfigError, match=r"'breakout' is not a strategy; fix: one of mean_reversion, momentum"):
        create("breakout", {})


def test_an_unknown_parameter_is_refused_with_the_known_names() -> None:
    """The message names the parameters of this strategy."""
    with pytest.raises(ConfigError, match=r"parameter fast.*one of exit_atr, fresh, max_hole, max_missing, time_stop"):
        create("momentum", {"fast": 3})


@pytest.mark.parametrize(
    ("name", "parameter", "value", "said"),
    [
        ("momentum", "fresh", 0, "0 is out of range; fix: 1 to 40"),
        ("momentum", "fresh", 2.5, "2.5 is not a whole number"),
        ("momentum", "exit_atr", math.nan, "nan is not a number"),
        ("mean_reversion", "time_stop", 51, "51 is out of range; fix: 1 to 50"),
        ("mean_reversion", "entry_sigma", True, "True is not a number"),
        ("mean_reversion", "entry_sigma", "2", "'2' is not a number"),
    ],
)
def test_a_parameter_out_of_its_range_is_refused(name: str, parameter: str, value: float, said: str) -> None:
    """The message has the value, and what would be right."""
    with pytest.raises(ConfigError, match=said):
        create(name, {parameter: value})


def test_parameters_change_the_strategy(reversion: Strategy) -> None:
    """A deeper fall is asked for, so the same fall no longer is a buy."""
    strict = create("mean_reversion", {"entry_sigma": 4, "entry_pullback": 6})
    assert strict(_view(FALL, HOUR)).confidence < reversion(_view(FALL, HOUR)).confidence


def test_what_is_remembered_of_bars_ends_with_the_smallest_change() -> None:
    """The same bars are looked at once; a corrected close, or the same prices at another time, are other bars."""
    bars = bars_of([100.0 + number % 7 for number in range(60)], QUARTER, DAYS)
    first = columns(bars)
    assert columns(bars) is first
    close = cast("array[float]", bars.close)
    close[-1] += 0.01
    second = columns(bars)
    assert (first.close[-1], second.close[-1]) == (close[-1] - 0.01, close[-1])
    assert compute(second).close != compute(first).close
    start = cast("array[int]", bars.start)
    start[-1] += 60
    assert columns(bars) is not second
