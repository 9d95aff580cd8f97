"""Momentum: buy a move that has just begun and that every measure confirms, sell when it is over.

All thresholds are in units of the symbol's own volatility (ATR 14), so the same numbers serve any price and any symbol.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from ztrade.domain.decision import MarketView, Signal
from ztrade.strategies.checks import why_not_ready
from ztrade.strategies.indicators import FULL_BARS, KEPT, WINDOW, Columns, Indicators, columns, compute
from ztrade.strategies.strategy import COMMON, Parameter, checked, clip, time_stop

#: bars over which the thrust is measured: two hours of 15-minute bars
THRUST_BARS = 8
#: measures never agree wholly: at a mean vote of 0.8 the technicals speak with their full weight against the news
CONVICTION = 1.25

PARAMETERS: Mapping[str, Parameter] = {
    "fresh": Parameter(8, 1, 40, True, "bars above the SMA 20 after which a move is no longer young"),
    "exit_atr": Parameter(0.25, 0, 5, False, "ATRs under the SMA 20 at which the momentum is gone"),
    "time_stop": Parameter(24, 1, 50, True, "bars after which a position is closed"),
    **COMMON,
}


@dataclass(frozen=True, slots=True)
class Momentum:
    """Parameters as in :data:`PARAMETERS`; bars are of the agent's timeframe."""

    fresh: int
    exit_atr: float
    time_stop: int
    max_hole: int
    max_missing: int
    name: str = "momentum"
    min_bars: int = FULL_BARS
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
        said = _say(self, data)
        leave = late or (self._gone(compute(data)) if view.held_qty > 0 and not said.not_ready else None)
        return said if leave is None else replace(said, exit_reason=leave)

    def say(self, data: Columns) -> Signal:
        """Return what the bars say by themselves, whatever is held."""
        now = compute(data)
        if not now.usable():
            return Signal(0.0, 0.0, not_ready="the indicators have no value")
        votes = _votes(data, now)
        mean = sum(votes.values()) / len(votes)
        return Signal(
            score=clip(mean * CONVICTION),
            confidence=self._confidence(mean, votes, now),
            reasons=self._reasons(now, votes),
            values=_values(now, votes),
        )

    def _confidence(self, mean: float, votes: Mapping[str, float], now: Indicators) -> float:
        same = sum(1 for vote in votes.values() if vote * mean > 0) / len(votes)
        confidence = 0.30 + 0.35 * abs(mean) + 0.10 * same
        confidence += 0.10 if 0 < now.above_sma20 <= self.fresh else -0.10
        confidence += 0.05 * clip((now.volume_ratio - 1) / 0.5)
        confidence -= 0.10 * clip(abs(_distance(now)) - 3, 0)
        return clip(confidence, 0)

    def _gone(self, now: Indicators) -> str | None:
        if _distance(now) < -self.exit_atr:
            return f"momentum gone: close {now.close:.2f} is {-_distance(now):.2f} ATR under SMA20 {now.sma20:.2f}"
        return None

    def _reasons(self, now: Indicators, votes: Mapping[str, float]) -> tuple[str, ...]:
        side = "above" if now.close >= now.sma20 else "below"
        reasons = [
            f"close {abs(now.close / now.sma20 - 1):.2%} {side} SMA20",
            f"RSI {now.rsi:.1f}",
            f"{votes['thrust']:+.2f} thrust over {THRUST_BARS} bars",
            f"volume {now.volume_ratio:.1f} x its mean",
        ]
        if now.above_sma20:
            reasons.append(f"{now.above_sma20} bars above SMA20, young up to {self.fresh}")
        return tuple(reasons)


@lru_cache(maxsize=KEPT)
def _say(strategy: Momentum, data: Columns) -> Signal:
    return strategy.say(data)


def create(parameters: Mapping[str, float]) -> Momentum:
    """Return the strategy. Raises ConfigError naming the wrong parameter and the allowed ones."""
    values = checked("momentum", PARAMETERS, parameters)
    return Momentum(
        fresh=int(values["fresh"]),
        exit_atr=values["exit_atr"],
        time_stop=int(values["time_stop"]),
        max_hole=int(values["max_hole"]),
        max_missing=int(values["max_missing"]),
    )


def _distance(now: Indicators) -> float:
    """Return how far the close is from its SMA 20, in ATRs."""
    return (now.close - now.sma20) / now.atr


def _votes(data: Columns, now: Indicators) -> dict[str, float]:
    """Return each measure's vote in [-1, 1]; SMA 50 and MACD vote only once there is history enough for them."""
    move = float(data.close[-1] - data.close[-1 - THRUST_BARS])
    votes = {
        "trend": clip(_distance(now) / 1.5),
        "rsi": clip((now.rsi - 50) / 12),
        "thrust": clip(move / (now.atr * math.sqrt(THRUST_BARS)) / 0.7),
    }
    if now.macd is not None:
        votes["macd"] = clip(now.macd / now.atr / 0.25)
    if now.sma50 is not None:
        votes["sma50"] = clip((now.close - now.sma50) / now.atr / 2)
    return votes


def _values(now: Indicators, votes: Mapping[str, float]) -> dict[str, float]:
    values = {
        "close": now.close,
        "sma20": now.sma20,
        "atr": now.atr,
        "rsi": now.rsi,
        "volume_ratio": now.volume_ratio,
        "above_sma20": float(now.above_sma20),
    }
    return values | {f"vote_{name}": vote for name, vote in votes.items()}
