"""What every MarketData and every News promises, on each exchange there is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.contract.venues import ALL, BEGIN, CALENDAR, STEPPED, Venue
from ztrade.errors import NotFound

FIVE = timedelta(minutes=5)
DAY = timedelta(days=1)


@pytest.fixture(params=ALL.values(), ids=list(ALL))
def venue(request: pytest.FixtureRequest) -> Iterator[Venue]:
    """Give each exchange in turn."""
    with request.param() as made:
        yield made


@pytest.fixture(params=STEPPED.values(), ids=list(STEPPED))
def stepped(request: pytest.FixtureRequest) -> Iterator[Venue]:
    """Give each exchange whose clock the test moves; it stands at 10:00 New York on Monday 2022-08-15."""
    with request.param() as made:
        yield made


def test_bars_are_of_regular_hours_in_order(venue: Venue) -> None:
    """Bars begin on 5 minutes inside sessions, each later than the one before, with whole prices."""
    end = venue.exchange.clock().now
    start = end - 7 * DAY
    bars = venue.data.bars("AAPL", start, end)
    assert bars.span == FIVE
    assert len(bars) > 78
    sessions = CALENDAR.sessions((start - DAY).date(), (end + DAY).date())
    starts = [bars.start_at(row) for row in range(len(bars))]
    assert starts == sorted(set(starts))
    for at in starts:
        assert start <= at < end
        assert any(session.open <= at < session.close for session in sessions), at
        assert at.minute % 5 == at.second == 0
    for row in range(len(bars)):
        assert 0 < bars.low[row] <= min(bars.open[row], bars.close[row])
        assert max(bars.open[row], bars.close[row]) <= bars.high[row]
        assert bars.volume[row] >= 0


def test_the_range_takes_its_beginning_and_not_its_end(stepped: Venue) -> None:
    """[start, end): the bar that begins at the start is there, the one that begins at the end is not."""
    opened = datetime(2022, 8, 12, 13, 30, tzinfo=UTC)
    bars = stepped.data.bars("AAPL", opened + FIVE, opened + 3 * FIVE)
    assert [bars.start_at(row) for row in range(len(bars))] == [opened + FIVE, opened + 2 * FIVE]


def test_no_bar_is_shown_before_it_is_complete(stepped: Venue) -> None:
    """At 10:00 the bar of 09:55 is the last; at 10:02 still; at 10:05 there is one more."""
    assert stepped.step is not None
    tomorrow = BEGIN + DAY

    def last() -> datetime:
        bars = stepped.data.bars("AAPL", BEGIN - DAY, tomorrow)
        return bars.start_at(len(bars) - 1)

    assert last() == BEGIN - FIVE
    stepped.step(timedelta(minutes=2))
    assert last() == BEGIN - FIVE
    stepped.step(timedelta(minutes=3))
    assert last() == BEGIN


def test_a_range_without_trading_is_empty(venue: Venue) -> None:
    """A weekend, and a range that ends where it begins, have no bars."""
    saturday = datetime(2022, 8, 13, tzinfo=UTC)
    assert len(venue.data.bars("AAPL", saturday, saturday + DAY)) == 0
    assert len(venue.data.bars("AAPL", saturday, saturday)) == 0


def test_a_quote_has_two_sides_and_an_instant(stepped: Venue) -> None:
    """The bid is below the ask, and the quote is not from the future."""
    quote = stepped.data.quote("SPY")
    assert quote.symbol == "SPY"
    assert 0 < quote.bid < quote.ask
    assert quote.bid_size >= 0
    assert BEGIN - FIVE <= quote.at <= stepped.exchange.clock().now


def test_an_unknown_symbol_has_no_quote(venue: Venue) -> None:
    """Asking for the quote of nothing is NotFound, never a price."""
    with pytest.raises(NotFound):
        venue.data.quote("NOSUCHSYMBOL")


def test_stories_are_those_of_the_symbol_newest_first(stepped: Venue) -> None:
    """Both ends of the range count, other symbols and the future do not."""
    found = stepped.news.news("SPY", BEGIN - timedelta(hours=3), BEGIN)
    assert [story.headline for story in found] == ["Just now", "Old & wise"]
    assert [story.at for story in found] == [BEGIN, BEGIN - timedelta(hours=3)]
    assert stepped.news.news("SPY", BEGIN - timedelta(hours=2), BEGIN - timedelta(minutes=1)) == []
    later = stepped.news.news("SPY", BEGIN - timedelta(hours=1), BEGIN + DAY)
    assert [story.headline for story in later] == ["Just now"], "a story of the future is not known yet"


def test_a_story_is_plain_text_with_its_tags(stepped: Venue) -> None:
    """Entities of the wire are gone; tags, source and address are kept."""
    (story,) = stepped.news.news("SPY", BEGIN - timedelta(hours=4), BEGIN - timedelta(hours=2))
    assert (story.headline, story.source, story.symbols) == ("Old & wise", "wire", ("SPY",))
    assert story.summary.startswith("It's")
    assert story.url == "https://example.com/1"


def test_the_limit_keeps_the_newest(stepped: Venue) -> None:
    """At most ``limit`` stories come, the newest ones; none for zero."""
    found = stepped.news.news("AAPL", BEGIN - DAY, BEGIN, 1)
    assert [story.headline for story in found] == ["Just now"]
    assert list(stepped.news.news("AAPL", BEGIN - DAY, BEGIN, 0)) == []


def test_no_news_is_empty(venue: Venue) -> None:
    """A symbol without stories gives none."""
    assert list(venue.news.news("NOSUCHSYMBOL", BEGIN - DAY, BEGIN)) == []
