"""Base bars to the agent's timeframe."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.strategies.market import FIVE, HOUR, QUARTER, bars_of, session, week
from ztrade.domain.types import Bars, bars_from_rows, rows_of
from ztrade.strategies.aggregate import aggregate, held_bars

DAY = session()


def _day(count: int = 78) -> Bars:
    """Return the session's first bars with closes 1, 2, 3, ..."""
    return bars_of([float(k + 1) for k in range(count)], FIVE, [DAY])


def _without(bars: Bars, *rows: int) -> Bars:
    return bars_from_rows(bars.symbol, bars.span, [row for k, row in enumerate(rows_of(bars)) if k not in rows])


def test_buckets_begin_at_the_open_not_at_whole_hours() -> None:
    """Hourly bars of a session that opens at 13:30 UTC begin at 13:30, 14:30, ..."""
    made = aggregate(_day(), HOUR, [DAY], DAY.close)
    assert [made.bars.start_at(row) for row in range(len(made.bars))] == [DAY.open + k * HOUR for k in range(7)]
    assert made.bars.span == HOUR


def test_a_bucket_has_the_first_open_highest_high_lowest_low_last_close_and_all_volume() -> None:
    """Three 5-minute bars become one of 15 minutes."""
    made = aggregate(_day(), QUARTER, [DAY], DAY.open + QUARTER)
    assert list(rows_of(made.bars)) == [(DAY.open, 1.0, 3.1, 0.9, 3.0, 3000.0)]


def test_the_last_bucket_ends_at_the_close() -> None:
    """The half hour from 15:30 to 16:00 New York is complete at the close, not half an hour later."""
    before = aggregate(_day(), HOUR, [DAY], DAY.close - timedelta(seconds=1))
    after = aggregate(_day(), HOUR, [DAY], DAY.close)
    assert (len(before.bars), len(after.bars)) == (6, 7)
    assert after.bars.volume[6] == 6000.0


def test_a_half_day_has_a_short_last_bucket_too() -> None:
    """From 09:30 to 13:00 there are three hours and a half."""
    half = session(hours=3.5)
    made = aggregate(bars_of([1.0] * 42, FIVE, [half]), HOUR, [half], half.close)
    assert len(made.bars) == 4
    assert made.missing == 0


def test_an_incomplete_bucket_is_left_out() -> None:
    """At 14:44 the bar from 14:30 is not there; at 14:45 it is."""
    at = DAY.open + timedelta(minutes=75)
    assert len(aggregate(_day(), QUARTER, [DAY], at - timedelta(microseconds=1)).bars) == 4
    assert len(aggregate(_day(), QUARTER, [DAY], at).bars) == 5


def test_bars_outside_the_sessions_are_left_out() -> None:
    """Pre-market bars, bars after the close and bars of a day that is no session change nothing."""
    rows = list(rows_of(_day()))
    odd = [(DAY.open - FIVE, 9.0, 9.0, 9.0, 9.0, 9.0), *rows, (DAY.close, 9.0, 9.0, 9.0, 9.0, 9.0)]
    odd.append((DAY.open + timedelta(days=1), 9.0, 9.0, 9.0, 9.0, 9.0))
    now = DAY.open + timedelta(days=1, hours=1)
    made = aggregate(bars_from_rows("SPY", FIVE, odd), HOUR, [DAY], now)
    assert list(rows_of(made.bars)) == list(rows_of(aggregate(_day(), HOUR, [DAY], now).bars))


def test_missing_base_bars_are_tolerated_and_counted() -> None:
    """Two bars are missing inside the first hour: the hour is made of the others."""
    made = aggregate(_without(_day(), 3, 4), HOUR, [DAY], DAY.open + HOUR)
    assert (len(made.bars), made.missing) == (1, 2)
    assert made.bars.volume[0] == 10_000.0


def test_a_bucket_without_any_base_bar_is_left_out() -> None:
    """A quarter without a trade makes no bar, and counts as three that are missing."""
    made = aggregate(_without(_day(), 3, 4, 5), QUARTER, [DAY], DAY.open + HOUR)
    assert [made.bars.start_at(row) for row in range(3)] == [DAY.open, DAY.open + 2 * QUARTER, DAY.open + 3 * QUARTER]
    assert made.missing == 3


def test_missing_counts_only_the_newest_session_up_to_its_last_complete_bucket() -> None:
    """What yesterday lacked is not counted, nor what the running bucket does not have yet."""
    days = week(2)
    bars = _without(bars_of([1.0] * 156, FIVE, days), 5, 6, 80, 90)
    made = aggregate(bars, HOUR, days, days[1].open + timedelta(minutes=70))
    assert made.session == days[1]
    assert made.missing == 1


def test_a_bucket_cut_by_the_beginning_of_the_history_is_left_out() -> None:
    """Histories of different length give the same bars where they overlap."""
    made = aggregate(_day().slice(5, 78), HOUR, [DAY], DAY.close)
    whole = aggregate(_day(), HOUR, [DAY], DAY.close)
    assert list(rows_of(made.bars)) == list(rows_of(whole.bars))[1:]


def test_no_bars_make_no_bars() -> None:
    """An empty history is an empty answer that says how much is missing."""
    made = aggregate(_day().slice(0, 0), HOUR, [DAY], DAY.open + HOUR)
    assert (len(made.bars), made.missing, made.session) == (0, 12, DAY)


def test_no_session_yet_makes_no_bars() -> None:
    """Before the first session, and without any, nothing is complete."""
    for sessions in ([], [DAY]):
        made = aggregate(_day(), HOUR, sessions, DAY.open - HOUR)
        assert (len(made.bars), made.missing, made.session) == (0, 0, None)


def test_the_same_span_keeps_the_bars() -> None:
    """5-minute bars to 5 minutes are the bars themselves, as far as they are complete."""
    made = aggregate(_day(), FIVE, [DAY], DAY.open + HOUR)
    assert list(rows_of(made.bars)) == list(rows_of(_day().slice(0, 12)))


@pytest.mark.parametrize("span", [timedelta(minutes=7), timedelta(minutes=1), timedelta(0), -HOUR])
def test_a_span_that_is_no_multiple_is_refused(span: timedelta) -> None:
    """Seven minutes cannot be made of five."""
    with pytest.raises(ValueError, match="not a whole multiple"):
        aggregate(_day(), span, [DAY], DAY.close)


@pytest.mark.parametrize(
    ("opened", "expected"),
    [
        (DAY.open + HOUR, 5),
        (DAY.open + HOUR + timedelta(seconds=3), 5),
        (DAY.open + timedelta(minutes=59, seconds=59), 6),
        (DAY.open + 6 * HOUR, 0),
        (datetime(2000, 1, 1, tzinfo=UTC), 6),
    ],
)
def test_held_bars_counts_bars_completed_after_the_entry(opened: datetime, expected: int) -> None:
    """The bar in which the position began counts once it is complete."""
    made = aggregate(_day(), HOUR, [DAY], DAY.open + 6 * HOUR)
    assert held_bars(made.bars, opened) == expected


def test_only_as_many_bars_as_are_wanted() -> None:
    """The last of those that all of it makes, also where buckets are empty, and all where there are fewer."""
    bars, now = _without(_day(), 3, 4, 5, 30, 31, 32), DAY.close
    whole = list(rows_of(aggregate(bars, QUARTER, [DAY], now).bars))
    for most in (1, 5, 20, len(whole), 100):
        assert list(rows_of(aggregate(bars, QUARTER, [DAY], now, most).bars)) == whole[-most:]
