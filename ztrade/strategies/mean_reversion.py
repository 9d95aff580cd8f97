"""Mean reversion: buy a fall that is large for this symbol, sell when the price is back at its mean.

Two measures of a fall, in the symbol's own volatility, so that calm rising weeks are not without a signal: how many
standard deviations the close is under its mean of 20 bars, and how many ATRs under the high of the last 3 bars.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ztrade.domain.decision import MarketView, Signal
from ztrade.strategies.checks import why_not_ready
from ztrade.strategies.indicators import MIN_BARS, WINDOW, Columns, Indicators, columns, compute
from ztrade.strategies.strategy import COMMON, Parameter, checked, clip, time_stop

#: bars whose highest price a pullback is measured from
PULLBACK_BARS = 3
#: a distance from the 3-bar high, in ATRs, that means nothing: the middle of its distribution
USUAL_PULLBACK = 0.7

PARAMETERS: Mapping[str, Parameter] = {
    "entry_sigma": Parameter(1.5, 0.5, 4, False, "standard deviations under the SMA 20 that are a buy"),
    "entry_pullback": Parameter(1.4, 1, 6, False, "ATRs under the high of the last 3 bars that are a buy"),
    "target_atr": Parameter(0.5, 0, 6, False, "ATRs over the entry that the mean must be worth at least"),
    "time_stop": Parameter(4, 1, 50, True, "bars after which a position is closed"),
    **COMMON,
}


@dataclass(frozen=True, slots=True)
class MeanReversion:
    """Parameters as in :data:`PARAMETERS`; bars are of the agent's timeframe."""

    entry_sigma: float
    entry_pullback: float
    target_atr: float
    time_stop: int
    max_hole: int
    max_missing: int
    name: str = "mean_reversion"
    min_bars: int = MIN_BARS
    lookback: int = WINDOW

    def __call__(self, view: MarketView) -> Signal:
        """Return the signal at the view's last bar."""
        late = time_stop(view, self.time_stop)
        data = columns(view.bars)
        problem = why_not_ready(
            view, data, min_bars=self.min_bars, max_hole=self.max_hole, max_missing=self.max_missing
        )
        if problem:
            return Signal(0.0, 0.0, exit_reason=late, not_ready=problem)
        now = compute(data)
        if not now.usable():
            return Signal(0.0, 0.0, exit_reason=late, not_ready="the indicators have no value")
        sigmas, pullback = (now.sma20 - now.close) / now.sigma, _pullback(data, now)
        stretch = self._stretch(sigmas, pullback)
        heat = clip(-sigmas - 1, 0)
        return Signal(
            score=clip(0.8 * clip(stretch, 0, 1.25) - 0.8 * heat),
            confidence=self._confidence(stretch, heat, data, now),
            reasons=self._reasons(sigmas, pullback, now),
            values=_values(sigmas, pullback, stretch, now),
            exit_reason=late or self._reached(view, now),
        )

    def _stretch(self, sigmas: float, pullback: float) -> float:
        """Return how far the fall is on the way from nothing (0) to a buy (1)."""
        usual = min(USUAL_PULLBACK, self.entry_pullback / 2)
        return max(sigmas / self.entry_sigma, (pullback - usual) / (self.entry_pullback - usual), 0.0)

    def _confidence(self, stretch: float, heat: float, data: Columns, now: Indicators) -> float:
        confidence = 0.40 + 0.30 * max(clip(stretch, 0), heat) + 0.10 * clip(stretch - 1, 0)
        confidence += 0.10 * clip((45 - now.rsi) / 15, 0)
        confidence += 0.05 if now.sma50 is not None and now.close > now.sma50 else 0.0
        # a bar that closes at its low, after a fall of more than 3 ATRs, is a knife that still falls
        falling = float(data.close[-2] - data.close[-1]) / now.atr
        return clip(confidence - 0.15 * clip(falling - 3, 0), 0)

    def _reached(self, view: MarketView, now: Indicators) -> str | None:
        if view.held_qty <= 0 or view.entry_price is None:
            return None
        goal = max(now.sma20, view.entry_price + self.target_atr * now.atr)
        if now.close >= goal:
            return f"mean reached: close {now.close:.2f} at or above {goal:.2f} (SMA20 {now.sma20:.2f})"
        return None

    def _reasons(self, sigmas: float, pullback: float, now: Indicators) -> tuple[str, ...]:
        side = "under" if sigmas >= 0 else "above"
        return (
            f"close {abs(sigmas):.2f} sigma {side} SMA20, buys {self.entry_sigma:g} under",
            f"{pullback:.2f} ATR under the {PULLBACK_BARS}-bar high, buys at {self.entry_pullback:g}",
            f"RSI {now.rsi:.1f}",
        )


def create(parameters: Mapping[str, float]) -> MeanReversion:
    """Return the strategy. Raises ConfigError naming the wrong parameter and the allowed ones."""
    values = checked("mean_reversion", PARAMETERS, parameters)
    return MeanReversion(
        entry_sigma=values["entry_sigma"],
        entry_pullback=values["entry_pullback"],
        target_atr=values["target_atr"],
        time_stop=int(values["time_stop"]),
        max_hole=int(values["max_hole"]),
        max_missing=int(values["max_missing"]),
    )


def _pullback(data: Columns, now: Indicators) -> float:
    return (float(data.high[-PULLBACK_BARS:].max()) - now.close) / now.atr


def _values(sigmas: float, pullback: float, stretch: float, now: Indicators) -> dict[str, float]:
    return {
        "close": now.close,
        "sma20": now.sma20,
        "sigma": now.sigma,
        "atr": now.atr,
        "rsi": now.rsi,
        "volume_ratio": now.volume_ratio,
        "sigmas_under_mean": sigmas,
        "pullback_atr": pullback,
        "stretch": stretch,
    }
