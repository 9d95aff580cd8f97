"""What holds for a made-up market of every seed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from ztrade.domain.types import Bars
from ztrade.exchange.bars import synthetic
from ztrade.exchange.bars.stories import tell_stories
from ztrade.exchange.bars.walks import Draw
from ztrade.exchange.tape import ListTape
from ztrade.testing.calendar import PlainCalendar

SPAN = timedelta(minutes=5)
SYMBOLS = st.lists(st.sampled_from(["SPY", "TSLA", "AAPL", "BRK.B", "F", "ZZZZ"]), min_size=1, unique=True)
DAYS = st.dates(date(2001, 1, 1), date(2038, 1, 1))
SEEDS = st.integers(-(2**70), 2**70)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, day=DAYS, symbols=SYMBOLS, half=st.booleans())
def test_bars_are_bars_of_the_calendar(seed: int, day: date, symbols: list[str], half: bool) -> None:
    """Whole cents, low <= open, close <= high, some volume; a bar each 5 minutes of each session, but for halts."""
    calendar = PlainCalendar(holidays=[day + timedelta(days=3)], half_days=[day] if half else [])
    tape = synthetic(seed, day, 3, symbols, calendar, 2)
    assert tape.symbols() == sorted(symbols)
    for symbol in symbols:
        bars = tape.bars(symbol)
        _check_prices(bars)
        assert [bars.start_at(row) for row in range(len(bars))] == _expected(tape, symbol, day, calendar)


def _check_prices(bars: Bars) -> None:
    for row in range(len(bars)):
        prices = (bars.open[row], bars.high[row], bars.low[row], bars.close[row])
        assert bars.low[row] <= min(prices)
        assert max(prices) <= bars.high[row]
        assert min(prices) >= 0.5
        assert all(price == round(price, 2) for price in prices)
        assert bars.volume[row] >= 1
        assert bars.volume[row] == int(bars.volume[row])


def _expected(tape: ListTape, symbol: str, day: date, calendar: PlainCalendar) -> list[datetime]:
    before = calendar.sessions(day - timedelta(days=14), day - timedelta(days=1))[-2:]
    after = calendar.sessions(day, day + timedelta(days=14))[:3]
    starts = []
    for session in [*before, *after]:
        at = session.open
        while at < session.close:
            if not tape.halted(symbol, at):
                starts.append(at)
            at += SPAN
    return starts


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS, symbols=SYMBOLS)
def test_equal_seeds_make_equal_markets(seed: int, symbols: list[str]) -> None:
    """In whatever order the symbols are given."""
    one = synthetic(seed, date(2022, 8, 22), 2, symbols, PlainCalendar(), 1)
    other = synthetic(seed, date(2022, 8, 22), 2, symbols[::-1], PlainCalendar(), 1)
    assert one.news() == other.news()
    assert one.halts == other.halts
    assert all(one.bars(symbol) == other.bars(symbol) for symbol in symbols)


@settings(max_examples=8, deadline=None)
@given(seed=SEEDS)
def test_symbols_move_together_and_days_smile(seed: int) -> None:
    """Returns correlate with the market's; volume and range are higher at both ends of the day than at noon."""
    tape = synthetic(seed, date(2022, 3, 1), 40, ["SPY", "TSLA", "AAPL", "ZZZZ"], PlainCalendar(), 0)
    market = _returns(tape.bars("SPY"))
    for symbol in ("TSLA", "AAPL", "ZZZZ"):
        own = _returns(tape.bars(symbol))
        both = sorted(market.keys() & own.keys())
        assert np.corrcoef([market[at] for at in both], [own[at] for at in both])[0, 1] > 0.25
        _check_smile(tape.bars(symbol))


def _returns(bars: Bars) -> dict[int, float]:
    rows = zip(pairwise(bars.close), pairwise(bars.start), strict=True)
    return {after: close / before_close - 1 for (before_close, close), (_, after) in rows}


def _check_smile(bars: Bars) -> None:
    volume = np.asarray(bars.volume)
    reach = (np.asarray(bars.high) - np.asarray(bars.low)) / np.asarray(bars.close)
    hour = np.array([(at - at // 86_400 * 86_400) // 3600 for at in bars.start])
    early, noon, late = hour <= 14, hour == 17, hour >= 20
    for values in (volume, reach):
        assert _mean(values, early) > 1.2 * _mean(values, noon) < _mean(values, late)


def _mean(values: npt.NDArray[np.float64], chosen: npt.NDArray[np.bool_]) -> float:
    return float(values[chosen].mean())


@settings(max_examples=200, deadline=None)
@given(key=st.text(max_size=10), half=st.booleans())
def test_no_story_is_told_after_its_move_began(key: str, half: bool) -> None:
    """Every bar that a story pushes starts after the story, and lies within the session."""
    day = date(2022, 8, 22)
    session = PlainCalendar(half_days=[day] if half else []).session(day)
    assert session
    bars = (session.close - session.open) // SPAN
    for story in tell_stories(Draw(key), session, bars, SPAN):
        assert story.at < session.close
        assert story.at.tzinfo is UTC
        for bar, _ in story.pushes:
            assert session.open + bar * SPAN > story.at
            assert 0 <= bar < bars
