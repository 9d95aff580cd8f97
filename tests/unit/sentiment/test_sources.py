"""The scorer and the news source on texts of every kind."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ztrade.adapters.sentiment import NewsSource, VaderScorer
from ztrade.domain.types import NewsItem
from ztrade.errors import ExchangeUnavailable
from ztrade.ports import SentimentScorer, SentimentSource
from ztrade.testing.news import ListNews
from ztrade.testing.sentiment import FixedSource, WordScorer

AT = datetime(2022, 8, 22, 15, tzinfo=UTC)
VADER = VaderScorer()


def story(headline: str, minutes: int = 10, summary: str = "", tags: tuple[str, ...] = ("AAPL",)) -> NewsItem:
    """Write a story of some minutes ago."""
    return NewsItem(headline[:20] + str(minutes), AT - timedelta(minutes=minutes), headline, summary, "wire", tags)


@pytest.mark.parametrize("scorer", [VADER, WordScorer()], ids=["vader", "twin"])
@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "good",
        "x" * 100_000,
        "good " * 50_000,
        "🚀🚀🚀",
        "日本語のニュースは良い",
        "Отличные новости",
        "\x00\x01\ud800",
        "!!!!!!??????",
        "a\u202eb",
        "'",
        "NaN inf",
        "<script>alert(1)</script>",
    ],
    ids=range(14),
)
def test_every_text_has_a_score(scorer: SentimentScorer, text: str) -> None:
    """Whatever the text, there is one finite score in [-1, 1]."""
    (score,) = scorer.score([text])
    assert math.isfinite(score)
    assert -1 <= score <= 1


@settings(max_examples=200)
@given(st.text(max_size=300))
def test_vader_never_raises(text: str) -> None:
    """No text breaks the lexicon."""
    (score,) = VADER.score([text])
    assert -1 <= score <= 1


def test_vader_knows_good_from_bad() -> None:
    """One score per text, in order."""
    good, bad, nothing = VADER.score(["Great profit, excellent growth", "Terrible loss, fraud and failure", ""])
    assert good > 0.3
    assert bad < -0.3
    assert nothing == 0.0
    assert VADER.score([]) == []


def test_only_the_beginning_of_a_long_text_counts() -> None:
    """On long texts the score would saturate: only the first thousand characters are read."""
    assert VADER.score(["these words say nothing " * 50 + "excellent " * 1000]) == [0.0]


def test_the_lexicon_is_loaded_when_first_used() -> None:
    """Importing and building the scorer loads nothing."""
    code = (
        "import sys; from ztrade.adapters.sentiment import VaderScorer; VaderScorer();"
        "sys.exit(any(name.startswith('vaderSentiment') for name in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_source_reads_what_is_relevant() -> None:
    """A story about the company counts more than one about another that carries the tag."""
    news = ListNews([story("Apple is good"), story("Meta is bad", 5, tags=("AAPL", "META"))])
    reading = NewsSource(news, WordScorer()).read("AAPL", ("Apple",), AT)
    assert reading is not None
    assert reading.source == "news"
    assert reading.score > 0
    assert [item["relevance"] for item in reading.items] == [0.25, 1.0]


class Listening(WordScorer):
    """A scorer that remembers what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    def score(self, texts: Sequence[str]) -> Sequence[float]:
        self.heard.extend(texts)
        return super().score(texts)


def test_the_summary_counts_with_the_headline() -> None:
    """The summary is read after the headline; one that only repeats it adds nothing."""
    scorer = Listening()
    news = ListNews([story("Apple reports", 1, "All is bad"), story("Apple rises", 2, "Apple rises")])
    NewsSource(news, scorer).read("AAPL", (), AT)
    assert scorer.heard == ["Apple reports. All is bad", "Apple rises"]


def test_only_the_lookback_is_asked_for() -> None:
    """A story older than the lookback does not count."""
    news = ListNews([story("Apple is good", 61)])
    assert NewsSource(news, WordScorer(), lookback=timedelta(hours=1)).read("AAPL", (), AT) is None
    assert NewsSource(news, WordScorer(), lookback=timedelta(hours=2)).read("AAPL", (), AT) is not None


class Leaky(ListNews):
    """News that give whatever they have."""

    def news(self, symbol: str, start: datetime, end: datetime, limit: int = 50) -> Sequence[NewsItem]:
        return self.items


def test_a_story_of_the_future_is_not_read() -> None:
    """Even where a source gives it, a story from after the moment does not count."""
    assert NewsSource(Leaky([story("Apple is good", -1)]), WordScorer()).read("AAPL", (), AT) is None


def test_no_stories_is_none_and_an_outage_is_raised() -> None:
    """Nothing on the symbol is None; news that are down raise, so that the caller can say so."""
    assert NewsSource(ListNews(), WordScorer()).read("AAPL", (), AT) is None
    with pytest.raises(ExchangeUnavailable):
        NewsSource(ListNews(down=ExchangeUnavailable("news are down")), WordScorer()).read("AAPL", (), AT)


def test_the_twin_of_sources() -> None:
    """The twin gives what it was made with: a reading, nothing, or an outage."""
    sources: list[SentimentSource] = [FixedSource("a", 0.4), FixedSource("b", None)]
    first, second = (source.read("AAPL", (), AT) for source in sources)
    assert first is not None
    assert (first.source, first.score) == ("a", 0.4)
    assert second is None
    with pytest.raises(ExchangeUnavailable):
        FixedSource("c", 0.1, down=ExchangeUnavailable("down")).read("AAPL", (), AT)
