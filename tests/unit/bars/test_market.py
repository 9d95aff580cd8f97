"""The made-up market."""

from __future__ import annotations

import hashlib
from datetime import date, timedelta

import pytest

from tests.unit.bars.days import CALENDAR, FRIDAY_HALF
from ztrade.domain.types import Bars
from ztrade.errors import ConfigError
from ztrade.exchange.bars import synthetic
from ztrade.exchange.bars.market import bars_in
from ztrade.exchange.bars.stories import BAD, GOOD, PLAIN, tell_stories
from ztrade.exchange.bars.walks import Draw
from ztrade.exchange.tape import ListTape

DAY = date(2022, 11, 21)
GOLDEN = "d4a0ced45e4610da261932bd859767459472a8f4a23facf10a7e1deb8a34fc2e"
SYMBOLS = ["SPY", "TSLA", "AAPL", "ZZZ"]


def digest(tape: ListTape) -> str:
    summed = hashlib.sha256()
    for symbol in tape.symbols():
        bars = tape.bars(symbol)
        for column in (bars.start, bars.open, bars.high, bars.low, bars.close, bars.volume):
            summed.update(bytes(column))
    summed.update(repr(tape.news()).encode())
    summed.update(repr(sorted(tape.halts.items())).encode())
    return summed.hexdigest()


def test_a_seed_means_the_same_market_for_ever() -> None:
    """The digest was computed with Python 3.11, 3.12 and 3.13; another machine or version must find it again."""
    assert digest(synthetic(7, DAY, 10, SYMBOLS, CALENDAR, 5)) == GOLDEN


def test_another_seed_is_another_market() -> None:
    """The seed decides everything."""
    assert digest(synthetic(1, DAY, 2, ["SPY"], CALENDAR, 0)) != digest(synthetic(2, DAY, 2, ["SPY"], CALENDAR, 0))


def test_a_longer_market_begins_with_the_shorter_one() -> None:
    """More days, or more symbols, change nothing of what was there."""
    short, long = synthetic(3, DAY, 3, ["TSLA"], CALENDAR, 2), synthetic(3, DAY, 9, SYMBOLS, CALENDAR, 2)
    bars, longer = short.bars("TSLA"), long.bars("TSLA")
    assert list(longer.close[: len(bars)]) == list(bars.close)
    assert [item for item in long.news() if item.symbols == ("TSLA",)][: len(short.news())] == short.news()


def test_history_comes_before_the_first_day() -> None:
    """Twenty sessions to warm up on, unless told otherwise; the first day is the first of the days asked for."""
    bars = synthetic(3, DAY, 1, ["SPY"], CALENDAR).bars("SPY")
    assert len(bars) == 21 * 78
    assert len(synthetic(3, DAY, 1, ["SPY"], CALENDAR, 0).bars("SPY")) == 78
    assert bars.start_at(20 * 78).date() == DAY


def test_a_weekend_as_first_day_means_the_next_session() -> None:
    """The days counted are sessions."""
    bars = synthetic(3, date(2022, 11, 19), 1, ["SPY"], CALENDAR, 0).bars("SPY")
    assert bars.start_at(0).date() == DAY


def test_a_half_day_has_42_bars() -> None:
    """No bar after 12:55 on the Friday after Thanksgiving."""
    bars = synthetic(3, FRIDAY_HALF, 1, ["SPY"], CALENDAR, 0).bars("SPY")
    assert len(bars) == 42


def test_levels_are_realistic_and_the_same_for_a_symbol() -> None:
    """The shipped symbols cost what they did; any other has a level of its own."""
    tape = synthetic(3, DAY, 1, SYMBOLS, CALENDAR, 0)
    first = {symbol: tape.bars(symbol).open[0] for symbol in SYMBOLS}
    assert 400 < first["SPY"] < 480
    assert 220 < first["TSLA"] < 280
    assert 160 < first["AAPL"] < 190
    assert 15 < first["ZZZ"] < 420


def test_a_halt_is_a_gap_in_the_bars() -> None:
    """While trading is halted there is no bar, and the tape says so; a year has some."""
    tape = synthetic(3, date(2022, 1, 3), 252, ["TSLA"], CALENDAR, 0)
    halts = tape.halts["TSLA"]
    known = set(tape.bars("TSLA").start)
    assert 2 <= len(halts) <= 25
    for begin, end in halts:
        assert timedelta(minutes=5) <= end - begin <= timedelta(minutes=15)
        assert tape.halted("TSLA", begin)
        assert not tape.halted("TSLA", end)
        assert int(begin.timestamp()) not in known
        assert int(end.timestamp()) in known


def test_a_halt_changes_nothing_but_its_own_bars() -> None:
    """Bars are missing only where the tape says that trading was halted."""
    tape = synthetic(3, date(2022, 1, 3), 252, ["TSLA"], CALENDAR, 0)
    halted = sum((end - begin) // timedelta(minutes=5) for begin, end in tape.halts["TSLA"])
    sessions = CALENDAR.sessions(date(2022, 1, 3), date(2022, 12, 31))[:252]
    assert len(tape.bars("TSLA")) + halted == sum(bars_in(session) for session in sessions)


def test_stories_sound_like_what_they_bring() -> None:
    """A story that brings a move speaks of it; plain ones bring none; some speak and bring nothing."""
    session = CALENDAR.session(DAY)
    assert session
    hollow = 0
    for number in range(500):
        for story in tell_stories(Draw(str(number)), session, 78, timedelta(minutes=5)):
            move = sum(push for _, push in story.pushes)
            assert move == 0 or story.text in (GOOD if move > 0 else BAD)
            hollow += move == 0 and story.text not in PLAIN
    assert hollow > 50


def test_some_stories_are_followed_by_a_move() -> None:
    """Over a year the hour after good news is better than the hour after bad news, though not each time."""
    tape = synthetic(5, date(2022, 1, 3), 252, ["TSLA"], CALENDAR, 0)
    bars = tape.bars("TSLA")
    good = [_move_after(bars, item.at.timestamp()) for item in tape.news() if _sounds(item.headline, GOOD)]
    bad = [_move_after(bars, item.at.timestamp()) for item in tape.news() if _sounds(item.headline, BAD)]
    assert sum(good) / len(good) > 0.001
    assert sum(bad) / len(bad) < -0.001
    assert any(move < 0 for move in good)


def _sounds(headline: str, texts: tuple[str, ...]) -> bool:
    return any(text.format(name="Tesla") == headline for text in texts)


def _move_after(bars: Bars, at: float) -> float:
    first = next(row for row in range(len(bars)) if bars.start[row] >= at)
    last = min(first + 12, len(bars) - 1)
    return bars.close[last] / bars.open[first] - 1


@pytest.mark.parametrize(
    ("days", "symbols", "history", "says"),
    [
        (0, ["SPY"], 0, "0 days after 0 days of history cannot be made"),
        (1, ["SPY"], -1, "cannot be made"),
        (1, [], 0, "there is no symbol"),
        (1, ["spy"], 0, "'spy' is no symbol"),
    ],
)
def test_a_market_that_cannot_be_made_is_refused(days: int, symbols: list[str], history: int, says: str) -> None:
    """Nonsense is one clear error."""
    with pytest.raises(ConfigError, match=says):
        synthetic(1, DAY, days, symbols, CALENDAR, history)
