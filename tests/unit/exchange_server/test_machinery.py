"""Clock, budget, faults, timeframes, state file and live tape, each by itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ztrade.adapters.calendar.nyse import NyseCalendar
from ztrade.domain.types import Bars, NewsItem, Quote
from ztrade.errors import ConfigError, ExchangeUnavailable
from ztrade.exchange.core.records import Changes
from ztrade.exchange.faults import BadFault, FaultKind, FaultQueue, drifted, read_fault
from ztrade.exchange.live import LiveTape
from ztrade.exchange.server.clock import ClockRefused, LiveClock, VenueClock
from ztrade.exchange.server.ratelimit import RateLimiter, TooMany
from ztrade.exchange.server.store import Store
from ztrade.exchange.server.timeframe import Timeframe, candles, read_timeframe
from ztrade.testing.tapes import wave_tape

OPEN = datetime(2022, 8, 22, 13, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Wall:
    """Wall time that a test sets."""

    def __init__(self) -> None:
        self.at = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def passes(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


# -- clock -----------------------------------------------------------------------------------------------------------
def test_running_clock_is_a_multiple_of_wall_time_up_to_its_end() -> None:
    """Time passes at the speed, stops at the end, and a wall clock set back does not take it back."""
    wall = Wall()
    clock = VenueClock(wall, OPEN, speed=60, until=OPEN + 10 * MINUTE)
    wall.passes(5)
    assert clock.now() == OPEN + 5 * MINUTE
    wall.passes(-60)
    assert clock.now() == OPEN + 5 * MINUTE
    wall.passes(1000)
    assert clock.now() == OPEN + 10 * MINUTE
    assert clock.finished


def test_pause_takes_no_time_away_and_adds_none() -> None:
    """Paused time stands; afterwards it runs on from there; an advance works in between."""
    wall = Wall()
    clock = VenueClock(wall, OPEN, speed=60)
    wall.passes(1)
    clock.pause(True)
    wall.passes(100)
    assert clock.now() == OPEN + MINUTE
    assert clock.advance(OPEN + 2 * MINUTE) == OPEN + 2 * MINUTE
    clock.pause(False)
    wall.passes(1)
    assert clock.now() == OPEN + 3 * MINUTE


def test_live_clock_obeys_nobody() -> None:
    """Real time is neither advanced nor paused."""
    wall = Wall()
    clock = LiveClock(wall)
    wall.passes(7)
    assert clock.now() == wall.at
    with pytest.raises(ClockRefused):
        clock.advance(wall.at + MINUTE)
    with pytest.raises(ClockRefused):
        clock.pause(True)


@given(st.lists(st.one_of(st.floats(-100, 100), st.integers(-60, 600)), max_size=30))
def test_time_never_goes_backwards(moves: Sequence[float]) -> None:
    """Whatever wall time passes and wherever it is told to go, each reading is at least the one before."""
    wall = Wall()
    clock = VenueClock(wall, OPEN, speed=10)
    last = clock.now()
    for move in moves:
        if isinstance(move, int):
            clock.advance(OPEN + timedelta(seconds=move))
        else:
            wall.passes(move)
        assert clock.now() >= last
        last = clock.now()


# -- budget ----------------------------------------------------------------------------------------------------------
def test_budget_begins_anew_each_minute() -> None:
    """The headers count down, the next request is refused, the next minute is fresh; no limit says nothing."""
    limiter = RateLimiter(2)
    assert [limiter.take("key", 60.0 + n)["X-Ratelimit-Remaining"] for n in range(2)] == ["1", "0"]
    with pytest.raises(TooMany) as error:
        limiter.take("key", 119.9)
    assert error.value.headers["X-Ratelimit-Reset"] == "120"
    assert limiter.take("key", 120.0)["X-Ratelimit-Remaining"] == "1"
    assert RateLimiter(0).take("key", 0) == {}


# -- faults ----------------------------------------------------------------------------------------------------------
def test_faults_are_taken_by_what_they_match() -> None:
    """Method and path select; an order fault meets only a new order; the count goes down."""
    queue = FaultQueue()
    queue.add(read_fault({"kind": "duplicate"}))
    queue.add(read_fault({"kind": "500", "match": {"method": "get", "path": "clock"}, "times": 2}))
    assert queue.take("GET", "/v2/orders") is None
    assert [queue.take("GET", "/v2/clock") is not None for _ in range(3)] == [True, True, False]
    assert queue.take("POST", "/v2/orders") is not None
    assert queue.listed() == []


WORDS = st.sampled_from(["kind", "match", "times", "args", "method", "path", "seconds"])
LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(list(FaultKind))


@given(st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner), max_leaves=12))
def test_any_body_is_a_fault_or_refused(body: object) -> None:
    """Nothing but BadFault comes out of reading one."""
    with suppress(BadFault):
        assert read_fault(body).kind in FaultKind


def test_drift_changes_each_object_of_a_list() -> None:
    """Fields go, come and change in every object; what is nested deeper stays."""
    body = [{"a": 1, "b": {"a": 2}}, {"a": 3}]
    assert drifted(body, ["a"], {"c": 4}) == [{"b": {"a": 2}, "c": 4}, {"c": 4}]


# -- timeframes ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("15Min", "2022-08-24T17:30:00+00:00"),
        ("30T", "2022-08-24T17:30:00+00:00"),
        ("1Hour", "2022-08-24T17:00:00+00:00"),
        ("4H", "2022-08-24T16:00:00+00:00"),
        ("1Day", "2022-08-24T04:00:00+00:00"),
        ("1Week", "2022-08-22T04:00:00+00:00"),
        ("1Month", "2022-08-01T04:00:00+00:00"),
        ("3M", "2022-07-01T04:00:00+00:00"),
        ("12Month", "2022-01-01T05:00:00+00:00"),
    ],
)
def test_bars_begin_where_alpacas_do(text: str, expected: str) -> None:
    """Minutes and hours from UTC, days, weeks and months from midnight in New York."""
    at = datetime(2022, 8, 24, 17, 44, 59, tzinfo=UTC)
    bucket = read_timeframe(text).bucket(int(at.timestamp()))
    assert datetime.fromtimestamp(bucket, UTC).isoformat() == expected


@pytest.mark.parametrize(
    "text", ["0Min", "60Min", "24Hour", "2Day", "2Week", "5Month", "Min", "1min", "1.5Min", "banana"]
)
def test_other_timeframes_are_refused(text: str) -> None:
    """What Alpaca does not serve is not served."""
    with pytest.raises(ValueError, match="invalid timeframe"):
        read_timeframe(text)


def test_candles_add_up() -> None:
    """A day's candle has the first open, the extremes, the last close, all volume, and a price within its range."""
    bars = wave_tape(NyseCalendar(), ("SPY",), first=date(2022, 8, 22), last=date(2022, 8, 23)).bars("SPY")
    days = list(candles(bars, Timeframe(1, "Day")))
    assert [day.volume for day in days] == [780_000.0, 780_000.0]
    assert (days[0].open, days[0].close) == (bars.open[0], bars.close[77])
    assert (days[0].low, days[0].high) == (min(bars.low[:78]), max(bars.high[:78]))
    assert days[0].low < days[0].vwap < days[0].high
    assert list(candles(bars.slice(0, 0), Timeframe(1, "Day"))) == []


# -- state file ------------------------------------------------------------------------------------------------------
def test_state_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """Later states of an order replace earlier ones; activities stay in order; notes are kept."""
    path = tmp_path / "deep" / "state.db"
    store = Store(path, "here")
    assert store.load() is None
    store.write(Changes({"a": {"qty": "1"}}, ({"n": 1},), {"cash": "5"}), {}, "t1")
    store.write(Changes({"a": {"qty": "2"}}, ({"n": 2},), None), {"configuration": {"x": True}}, "t2")
    store.close()
    again = Store(path, "here")
    assert again.load() == {"orders": {"a": {"qty": "2"}}, "activities": [{"n": 1}, {"n": 2}], "meta": {"cash": "5"}}
    assert (again.note("clock"), again.note("configuration"), again.note("none")) == ("t2", {"x": True}, None)
    again.close()


def test_state_of_one_server_is_not_anothers(tmp_path: Path) -> None:
    """While one holds it the other is refused; afterwards it is free; other prices are refused."""
    path = tmp_path / "state.db"
    first = Store(path, "here")
    with pytest.raises(ConfigError, match="another exchange is running"):
        Store(path, "here")
    first.close()
    with pytest.raises(ConfigError, match="was made on other prices"):
        Store(path, "there")
    Store(path, "here").close()


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"SQLite format 3\x00" + b"\xff" * 4096])
def test_file_that_is_no_state_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    """A file of something else is one clear error and keeps its content."""
    path = tmp_path / "state.db"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="cannot be used"):
        Store(path, "here")
    assert path.read_bytes() == content


def test_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    """The journal given by mistake is refused before a table is made in it."""
    path = tmp_path / "journal.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE cycles (id TEXT)")
    database.close()
    content = path.read_bytes()
    with pytest.raises(ConfigError, match="database of another program"):
        Store(path, "here")
    assert path.read_bytes() == content


def test_layout_of_another_version_is_refused(tmp_path: Path) -> None:
    """A state that a later version wrote is not guessed at."""
    path = tmp_path / "state.db"
    Store(path, "here").close()
    with sqlite3.connect(path) as database:
        database.execute("UPDATE notes SET value = '99' WHERE name = 'layout'")
    database.close()
    with pytest.raises(ConfigError, match="has layout 99"):
        Store(path, "here")


# -- live tape -------------------------------------------------------------------------------------------------------
class Market:
    """Ports of a market whose quotes a test sets."""

    def __init__(self, bars: Bars) -> None:
        self.history, self.price, self.down, self.at = bars, Decimal(100), False, OPEN

    def quote(self, symbol: str) -> Quote:
        if self.down:
            raise ExchangeUnavailable("down")
        spread = Decimal("0.01")
        return Quote(symbol, self.price - spread, self.price + spread, self.at, Decimal(300), Decimal(200))

    def bars(self, symbol: str, start: datetime, end: datetime) -> Bars:
        _ = symbol, start, end
        return self.history

    def news(self, symbol: str, start: datetime, end: datetime, limit: int = 50) -> Sequence[NewsItem]:
        _ = symbol, start, end, limit
        return [NewsItem("1", OPEN, "Headline")]


def live(wall: Wall) -> tuple[LiveTape, Market]:
    history = wave_tape(NyseCalendar(), ("SPY",), first=date(2022, 8, 19), last=date(2022, 8, 19)).bars("SPY")
    market = Market(history)
    tape = LiveTape(market, market, ["SPY"], wall)
    tape.load()
    return tape, market


def test_live_quotes_become_bars_that_do_not_change() -> None:
    """Each round adds a one-second bar at the next second; what was there before stays as it was."""
    wall = Wall()
    wall.at = OPEN + timedelta(milliseconds=500)
    tape, market = live(wall)
    first = tape.bars("SPY")
    assert first.start_at(len(first) - 1) == OPEN
    wall.passes(5)
    market.price, market.at = Decimal(101), OPEN + timedelta(seconds=4)
    tape.take(tape.fetch())
    second = tape.bars("SPY")
    assert second.start_at(len(second) - 1) == OPEN + timedelta(seconds=6)
    assert list(second.close)[-2:] == [100.0, 101.0]
    assert list(second.start[: len(first)]) == list(first.start)
    assert second.volume[-1] == 500.0
    assert [story.id for story in tape.news()] == ["1"]


def test_live_quote_that_stands_still_grows_old() -> None:
    """The same quote again is no new price: a halt shows as an old quote."""
    wall = Wall()
    wall.at = OPEN
    tape, _ = live(wall)
    before = len(tape.bars("SPY"))
    wall.passes(600)
    tape.take(tape.fetch())
    assert len(tape.bars("SPY")) == before


def test_live_market_that_is_down_leaves_prices_old() -> None:
    """A failed round adds nothing and raises nothing: prices are as old as they are."""
    wall = Wall()
    wall.at = OPEN
    tape, market = live(wall)
    before = len(tape.bars("SPY"))
    market.down = True
    wall.passes(5)
    tape.take(tape.fetch())
    assert len(tape.bars("SPY")) == before


def test_live_history_shows_complete_bars_only() -> None:
    """Clients get the market's own 5-minute bars, up to the last complete one."""
    wall = Wall()
    wall.at = datetime(2022, 8, 19, 14, 2, tzinfo=UTC)
    tape, _ = live(wall)
    shown = tape.history("SPY", OPEN - timedelta(days=30), wall.at)
    assert shown.start_at(len(shown) - 1) == datetime(2022, 8, 19, 13, 55, tzinfo=UTC)
    with pytest.raises(KeyError):
        tape.history("NOPE", OPEN, OPEN)
