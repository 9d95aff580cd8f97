"""Alpaca's timeframes, and bars put together from smaller ones the way Alpaca aligns them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from ztrade.domain.types import Bars
from ztrade.exchange.server.stamps import midnight, new_york_day

_FORM = re.compile(r"(\d{1,2})(Min|T|Hour|H|Day|D|Week|W|Month|M)\Z", re.ASCII)
_UNITS = {"Min": "Min", "T": "Min", "Hour": "Hour", "H": "Hour", "Day": "Day", "D": "Day"}
_UNITS |= {"Week": "Week", "W": "Week", "Month": "Month", "M": "Month"}
_ALLOWED = {"Min": range(1, 60), "Hour": range(1, 24), "Day": (1,), "Week": (1,), "Month": (1, 2, 3, 4, 6, 12)}
_SECONDS = {"Min": 60, "Hour": 3600}
#: seconds from the year 1, from where Alpaca's servers count when they cut time into pieces, to 1970
_FROM_YEAR_ONE = 62_135_596_800
HOUR = 3600
#: prices and volume of one bar cost about this many shares a trade; the tape does not count trades
SHARES_A_TRADE = 100


@dataclass(frozen=True, slots=True)
class Timeframe:
    count: int
    unit: str

    def bucket(self, second: int) -> int:
        """Return where the bar begins that contains an epoch second: minutes and hours in UTC, the rest in New York."""
        if self.unit in _SECONDS:
            size = self.count * _SECONDS[self.unit]
            return second - (second + _FROM_YEAR_ONE) % size
        return _calendar_bucket(self.count, self.unit, second // HOUR)

    @property
    def minutes(self) -> int | None:
        """Length in minutes, None for one that is counted by the calendar."""
        return self.count * _SECONDS[self.unit] // 60 if self.unit in _SECONDS else None


def read_timeframe(text: str) -> Timeframe:
    """Read ``5Min``, ``1Hour``, ``1Day``, ``1Week``, ``3Month`` and their short forms.

    Raises:
        ValueError: it is none of these.
    """
    match = _FORM.match(text)
    if match is None or int(match[1]) not in _ALLOWED[_UNITS[match[2]]]:
        raise ValueError(f"invalid timeframe: {text[:50]}")
    return Timeframe(int(match[1]), _UNITS[match[2]])


@lru_cache(maxsize=50_000)
def _calendar_bucket(count: int, unit: str, hour: int) -> int:
    day = new_york_day(datetime.fromtimestamp(hour * HOUR, UTC))
    if unit == "Week":
        day -= timedelta(days=day.weekday())
    elif unit == "Month":
        months = day.month - 1
        day = date(day.year, months - months % count + 1, 1)
    return int(midnight(day).timestamp())


@dataclass(slots=True)
class Candle:
    """One bar that is shown: ``start`` in epoch seconds; ``worth`` is the sum of volume x price."""

    start: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    worth: float
    trades: int

    @property
    def vwap(self) -> float:
        """Volume weighted price; of each bar of the tape the mean of high, low and close stands for its trades."""
        return self.worth / self.volume if self.volume else self.close


def candles(bars: Bars, timeframe: Timeframe) -> Iterator[Candle]:
    """Yield the bars of the timeframe, oldest first; the last may still be growing."""
    current: Candle | None = None
    for row in range(len(bars)):
        start = timeframe.bucket(bars.start[row])
        if current is not None and current.start == start:
            _extend(current, bars, row)
            continue
        if current is not None:
            yield current
        current = _first(bars, row, start)
    if current is not None:
        yield current


def _first(bars: Bars, row: int, start: int) -> Candle:
    values = (bars.open[row], bars.high[row], bars.low[row], bars.close[row], bars.volume[row])
    return Candle(start, *values, _worth(bars, row), _trades(bars, row))


def _extend(candle: Candle, bars: Bars, row: int) -> None:
    candle.high = max(candle.high, bars.high[row])
    candle.low = min(candle.low, bars.low[row])
    candle.close = bars.close[row]
    candle.volume += bars.volume[row]
    candle.worth += _worth(bars, row)
    candle.trades += _trades(bars, row)


def _worth(bars: Bars, row: int) -> float:
    return bars.volume[row] * (bars.high[row] + bars.low[row] + bars.close[row]) / 3


def _trades(bars: Bars, row: int) -> int:
    return int(bars.volume[row] // SHARES_A_TRADE) + (bars.volume[row] > 0)
