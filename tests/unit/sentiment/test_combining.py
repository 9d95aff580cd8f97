"""Which stories count, how much, and how sources become one sentiment."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ztrade.domain.decision import SourceReading
from ztrade.domain.sentiment import HALF_LIFE, ScoredItem, aggregate, combine, label, relevance, rescored
from ztrade.domain.types import NewsItem

AT = datetime(2022, 8, 22, 15, tzinfo=UTC)


def story(
    headline: str = "Apple rises",
    *,
    summary: str = "",
    tags: tuple[str, ...] = ("AAPL",),
    age: timedelta = timedelta(0),
    name: str = "",
) -> NewsItem:
    """Write a story that is ``age`` old."""
    return NewsItem(name or headline, AT - age, headline, summary, "benzinga", tags)


def scored(score: float, headline: str = "", *, age: timedelta = timedelta(0), relevant: float = 1.0) -> ScoredItem:
    """Write a story with a score; every headline is another story."""
    return ScoredItem(story(headline or f"story {score} {age}", age=age), score, relevant)


def of_apple(item: NewsItem) -> float:
    """Return the relevance for Apple."""
    return relevance(item, "AAPL", ("Apple",))


def test_a_story_about_the_company_counts_fully() -> None:
    """The name or the ticker in the headline, and no other company tagged, is the whole weight."""
    for headline in ("Apple rises", "APPLE RISES", "Why apple's stock rose", "$AAPL soars", "(NASDAQ:AAPL) up"):
        assert of_apple(story(headline)) == 1.0, headline


def test_a_story_about_meta_with_the_tag_does_not_count_fully() -> None:
    """A tag alone is worth little, the less the more companies are tagged."""
    about_meta = story("Meta unveils headset", tags=("AAPL", "META"))
    crowd = story("Meta unveils headset", tags=("AAPL", "META", "GOOG", "AMZN", "MSFT", "NFLX", "TSLA", "SNAP"))
    assert of_apple(crowd) < of_apple(about_meta) <= 0.25


def test_a_story_about_many_companies_counts_less_for_each() -> None:
    """Also where the headline or the summary names this one."""
    for headline, summary in (("Apple leads a rally", ""), ("Big tech rallies", "Apple leads")):
        tags = ("AAPL", "META", "GOOG", "AMZN")
        found = [of_apple(story(headline, summary=summary, tags=tags[:count])) for count in range(1, 5)]
        assert found == sorted(found, reverse=True)
        assert len(set(found)) == 4


def test_headline_beats_summary_beats_tag() -> None:
    """Where the name stands decides first."""
    by_place = [
        of_apple(story("Apple and Meta fight", tags=("AAPL", "META"))),
        of_apple(story("Big tech fights", summary="Meta sues Apple", tags=("AAPL", "META"))),
        of_apple(story("Big tech fights", tags=("AAPL", "META"))),
    ]
    assert by_place == sorted(by_place, reverse=True)
    assert len(set(by_place)) == 3


def test_a_word_that_only_contains_the_name_is_none() -> None:
    """Pineapple is no Apple, AAPLX and BRK.A are other tickers, and a spy is no SPY."""
    assert of_apple(story("Pineapple prices rise", tags=())) == 0.0
    assert of_apple(story("AAPLX fund closes", tags=())) == 0.0
    assert relevance(story("Spy arrested", tags=()), "SPY", ()) == 0.0
    assert relevance(story("BRK.A at a record", tags=()), "BRK", ()) == 0.0
    assert relevance(story("BRK.B at a record", tags=()), "BRK.B", ()) == 1.0


def test_a_one_letter_ticker_needs_its_marks() -> None:
    """An F in a text is not Ford, $F and NYSE:F are."""
    assert relevance(story("Grade F for everyone", tags=()), "F", ()) == 0.0
    for headline in ("$F climbs", "Ford (NYSE:F) climbs", "Ford (F) climbs"):
        assert relevance(story(headline, tags=()), "F", ()) == 1.0, headline


def test_empty_aliases_name_nothing() -> None:
    """An empty alias does not make every story relevant."""
    assert relevance(story("Meta rises", tags=()), "AAPL", ("", " ")) == 0.0


@given(st.text(max_size=300), st.text(max_size=300), st.lists(st.text(max_size=8), max_size=12), st.text(max_size=20))
def test_relevance_is_a_share_for_any_text(headline: str, summary: str, tags: list[str], alias: str) -> None:
    """Whatever the text, relevance is between 0 and 1."""
    assert 0.0 <= relevance(story(headline, summary=summary, tags=tuple(tags)), "AAPL", (alias,)) <= 1.0


def test_one_barely_relevant_story_does_not_carry_a_reading() -> None:
    """A lone story about somebody else moves the score a little, a relevant one a lot."""
    barely = aggregate("news", [scored(-0.9, relevant=0.1)], AT)
    fully = aggregate("news", [scored(-0.9)], AT)
    assert barely is not None
    assert fully is not None
    assert -0.2 < barely.score < 0
    assert fully.score < -0.5
    assert barely.confidence < fully.confidence


def test_old_stories_count_less() -> None:
    """After one half life a story has half its weight."""
    reading = aggregate("news", [scored(1.0), scored(-1.0, age=HALF_LIFE)], AT)
    assert reading is not None
    assert [item["weight"] for item in reading.items] == [1.0, 0.5]
    assert reading.score == pytest.approx(0.5 / 2.0)


def test_the_same_story_counts_once() -> None:
    """Re-posts under another id, with other punctuation or the same id add no weight; the oldest stands."""
    first = ScoredItem(story("Apple beats, shares up", age=timedelta(hours=2), name="1"), 0.8, 1.0)
    repost = ScoredItem(story("APPLE beats -- shares up!", name="2"), 0.8, 1.0)
    again = ScoredItem(story("Updated: something else", age=timedelta(hours=1), name="1"), 0.8, 1.0)
    reading = aggregate("news", [repost, again, first], AT)
    alone = aggregate("news", [first], AT)
    assert reading is not None
    assert alone is not None
    assert (reading.score, reading.confidence) == (alone.score, alone.confidence)
    assert [item.get("dropped") for item in reading.items] == ["same story as 1", "same story as 1", None]


def test_a_story_from_the_future_is_dropped_with_the_reason() -> None:
    """What was published after the moment of asking cannot have been known."""
    reading = aggregate("news", [scored(0.5), scored(-1.0, age=-timedelta(seconds=1))], AT)
    assert reading is not None
    assert reading.score > 0
    assert reading.items[1]["dropped"] == "published after the moment it was asked for"


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_no_number_is_dropped(bad: float) -> None:
    """NaN and infinity never reach the sum."""
    reading = aggregate("news", [scored(0.5, "good"), scored(bad, "bad")], AT)
    assert reading is not None
    assert math.isfinite(reading.score)
    assert reading.items[1]["dropped"] == "its score is not a number"
    assert aggregate("news", [scored(bad)], AT) is None


def dropped(*entries: ScoredItem) -> list[object]:
    """Return why each story does not count."""
    reading = aggregate("news", entries, AT)
    assert reading is not None
    return [item.get("dropped", "") for item in reading.items]


def test_a_reworded_story_counts_once() -> None:
    """Five outlets that tell one story are one; the oldest counts."""
    told = "Apple shares rise on strong iPhone sales in China"
    outlets = [told, f"{told} - Reuters", f"UPDATE: {told}", f"{told.upper()}!", f"{told}, data show"]
    entries = [scored(0.5, text, age=timedelta(minutes=n)) for n, text in enumerate(outlets)]
    assert dropped(*entries) == [f"same story as {outlets[-1]}"] * 4 + [""]


def test_what_says_the_opposite_or_something_else_is_another_story() -> None:
    """One word makes another story where the scores differ; so do most of the words."""
    assert dropped(scored(0.6, "Analyst raises Apple price target to 200 dollars at UBS today"),
                   scored(-0.6, "Analyst cuts Apple price target to 200 dollars at UBS today")) == ["", ""]  # fmt: skip
    assert dropped(scored(0.5, "Apple rises 3%"), scored(0.5, "Apple rises on phone sales in China")) == ["", ""]


def test_other_scores_make_another_sentiment_with_the_same_weights() -> None:
    """Stories that have no new score leave their reading as it is; nothing leaves its bounds."""
    reading = aggregate("news", [scored(0.5, "a b"), scored(0.5, "c d")], AT)
    found = combine({"news": reading}, {"news": 1.0})
    assert found is not None
    assert rescored(found, {"a b": -0.5, "c d": -0.5}).score == pytest.approx(-found.score)
    assert rescored(found, {}).score == pytest.approx(found.score)
    assert rescored(found, {"a b": 1e9}).score == 1.0


def test_nothing_that_counts_is_no_reading() -> None:
    """No stories, or none about the symbol, is None: not a neutral opinion."""
    assert aggregate("news", [], AT) is None
    assert aggregate("news", [scored(0.9, relevant=0.0)], AT) is None


def test_confidence_grows_with_number_and_agreement() -> None:
    """Many that agree are worth more than one, and more than many that quarrel."""
    one = aggregate("news", [scored(0.5, "a")], AT)
    many = aggregate("news", [scored(0.5, name) for name in "abcdef"], AT)
    quarrel = aggregate("news", [scored(0.5 if name < "d" else -0.5, name) for name in "abcdef"], AT)
    assert one is not None
    assert many is not None
    assert quarrel is not None
    assert many.confidence > one.confidence > quarrel.confidence
    assert quarrel.score == pytest.approx(0.0)


@given(
    st.lists(
        st.tuples(st.floats(-1, 1), st.floats(0, 1), st.integers(-10, 10_000_000)),
        max_size=20,
    )
)
def test_a_reading_is_always_in_its_bounds(rows: list[tuple[float, float, int]]) -> None:
    """Score in [-1, 1], confidence in [0, 1], and one entry for each story."""
    entries = [
        scored(score, f"{n} story", age=timedelta(seconds=age), relevant=relevant)
        for n, (score, relevant, age) in enumerate(rows)
    ]
    reading = aggregate("news", entries, AT)
    if reading is not None:
        assert -1 <= reading.score <= 1
        assert 0 <= reading.confidence <= 1
        assert len(reading.items) == len(entries)


def reading(score: float, confidence: float = 0.5, source: str = "news") -> SourceReading:
    """Write a source's reading."""
    return SourceReading(source, score, confidence)


def test_weights_are_renormalised_over_those_that_answered() -> None:
    """A silent source costs its weight and nothing else; the reason is kept."""
    found = combine(
        {"news": reading(0.6), "filings": reading(-0.2, source="filings"), "forum": None},
        {"news": 0.4, "filings": 0.1, "forum": 0.5},
        {"forum": "timed out"},
    )
    assert found is not None
    assert found.weights == {"news": pytest.approx(0.8), "filings": pytest.approx(0.2)}
    assert found.score == pytest.approx(0.8 * 0.6 - 0.2 * 0.2)
    assert found.missing == {"forum": "timed out"}
    assert [entry.source for entry in found.readings] == ["news", "filings"]


def test_agreement_is_the_share_of_the_majority() -> None:
    """Two bullish sources of three agree to two thirds; neutral is a label of its own."""
    names = {"a": 0.3, "b": 0.06, "c": 0.04}
    found = combine({name: reading(score) for name, score in names.items()}, dict.fromkeys(names, 1.0))
    assert found is not None
    assert found.agreement == pytest.approx(2 / 3)
    assert [label(score) for score in (0.05, 0.0499, -0.0499, -0.05)] == ["bullish", "neutral", "neutral", "bearish"]


def test_no_answer_is_no_sentiment() -> None:
    """When nobody answered there is None, so that the technicals weigh everything."""
    assert combine({}, {}) is None
    assert combine({"news": None}, {"news": 1.0}) is None


@pytest.mark.parametrize(
    ("score", "weight", "why"),
    [
        (math.nan, 1.0, "its reading is not a number"),
        (0.5, 0.0, "has no weight"),
        (0.5, -1.0, "has no weight"),
        (0.5, math.nan, "has no weight"),
    ],
)
def test_what_cannot_be_weighed_is_missing(score: float, weight: float, why: str) -> None:
    """A reading that is no number, or a weight that is none, is left out and said."""
    found = combine({"good": reading(0.2), "bad": reading(score)}, {"good": 1.0, "bad": weight})
    assert found is not None
    assert found.score == pytest.approx(0.2)
    assert found.missing == {"bad": why}
    assert combine({"bad": reading(score)}, {"bad": weight}) is None


@given(
    st.dictionaries(st.text(min_size=1, max_size=3), st.tuples(st.floats(-1, 1), st.floats(0, 1), st.floats(0.01, 10)))
)
def test_combined_is_always_in_its_bounds(sources: dict[str, tuple[float, float, float]]) -> None:
    """Whatever the readings and weights, the weights sum to one and nothing leaves its bounds."""
    found = combine(
        {name: reading(score, confidence) for name, (score, confidence, _) in sources.items()},
        {name: weight for name, (_, _, weight) in sources.items()},
    )
    if found is None:
        assert not sources
        return
    assert math.fsum(found.weights.values()) == pytest.approx(1.0)
    assert -1 <= found.score <= 1
    assert 0 <= found.confidence <= 1
    assert 0 < found.agreement <= 1
