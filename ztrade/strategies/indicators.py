"""Technical indicators at the last bar of a window of fixed length.

RSI, ATR and MACD are recursive: their value depends on where the history begins. Every strategy therefore reads exactly
the last :data:`WINDOW` bars (all of them where there are fewer), so that a live cycle and a backtest, which fetch
histories of different length, get the same numbers to the last bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ztrade.domain.types import Bars
from ztrade.strategies.ta import talib

#: bars that the indicators are made from: SMA 50 and MACD (26 + 9) fit, and RSI and ATR 14 forget their beginning
WINDOW = 60
#: bars from which on every indicator but SMA 50 and MACD is what its name says
FULL_BARS = 21
#: bars below which nothing is computed: RSI 14 and ATR 14 need one bar before their 14
MIN_BARS = 15
#: length of the mean, of sigma and of the volume's mean; during the warm-up they use the bars there are
MEAN_BARS = 20

#: windows of bars about which everything is remembered: a few for each agent of a process
KEPT = 16

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """The last WINDOW bars for numpy, oldest first; ``start`` holds the beginnings of all the bars that were given.

    The same bars are the same object, so that what follows from them alone is found by it.
    """

    start: Integers
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats


@dataclass(frozen=True, slots=True)
class Indicators:
    """Values at the last bar. Prices, ``atr`` and ``sigma`` (of the last 20 closes) in dollars, ``rsi`` in 0 to 100.

    With 15 to 20 bars ``sma20``, ``sigma`` and ``volume_ratio`` are made from the bars there are.
    ``volume_ratio`` compares the last bar with the mean of the 20 before it; ``above_sma20`` counts the last closes in
    a row above the SMA 20 of their time. ``sma50`` and ``macd`` (the histogram, in dollars) are None while the history
    is shorter than they need (50 and 34 bars).
    """

    close: float
    sma20: float
    sigma: float
    atr: float
    rsi: float
    volume_ratio: float
    above_sma20: int
    sma50: float | None
    macd: float | None

    @property
    def lower_band(self) -> float:
        return self.sma20 - 2 * self.sigma

    @property
    def upper_band(self) -> float:
        return self.sma20 + 2 * self.sigma

    def usable(self) -> bool:
        """Tell whether every value is finite and the market moved at all."""
        needed = (self.close, self.sma20, self.sigma, self.atr, self.rsi, self.volume_ratio)
        optional = tuple(value for value in (self.sma50, self.macd) if value is not None)
        return all(map(math.isfinite, needed + optional)) and self.atr > 0 and self.sigma > 0


def columns(bars: Bars) -> Columns:
    """Return the last WINDOW bars, copied."""
    first = max(0, len(bars) - WINDOW)
    numbers = (bars.open, bars.high, bars.low, bars.close, bars.volume)
    return _columns(bars.start.tobytes(), *(column[first:].tobytes() for column in numbers))


# an agent that looks every 5 minutes sees the same bars of 15 minutes three times: one comparison instead
@lru_cache(maxsize=KEPT)
def _columns(start: bytes, *numbers: bytes) -> Columns:
    return Columns(np.frombuffer(start, dtype=np.int64), *(np.frombuffer(column) for column in numbers))


@lru_cache(maxsize=KEPT)
def compute(data: Columns) -> Indicators:
    """Return the indicators at the last of at least MIN_BARS bars; NaN where the input has NaN."""
    high, low, close, volume = data.high, data.low, data.close, data.volume
    length = min(MEAN_BARS, len(close))
    upper, middle, _ = talib.BBANDS(close, timeperiod=length, nbdevup=2, nbdevdn=2)
    before = volume[-1 - MEAN_BARS : -1]
    usual = float(before.sum()) / len(before)
    return Indicators(
        close=float(close[-1]),
        sma20=float(middle[-1]),
        sigma=float(upper[-1] - middle[-1]) / 2,
        atr=float(talib.ATR(high, low, close, timeperiod=14)[-1]),
        rsi=float(talib.RSI(close, timeperiod=14)[-1]),
        volume_ratio=float(volume[-1]) / usual if usual > 0 else 0.0,
        above_sma20=_streak(close[length - 1 :] > middle[length - 1 :]),
        sma50=float(close[-50:].mean()) if len(close) >= 50 else None,
        macd=_macd(close) if len(close) >= 34 else None,
    )


def _macd(close: Floats) -> float:
    return float(talib.MACD(close, fastperiod=12, slowperiod=26, signalperiod=9)[2][-1])


def _streak(flags: NDArray[np.bool_]) -> int:
    """Return how many flags at the end are true."""
    backwards = flags[::-1]
    return len(flags) if backwards.all() else int(backwards.argmin())
