"""A language model as scorer: what it costs, what it remembers, and what happens when it talks nonsense."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler

import pytest

from tests.unit.sentiment.test_sources import page, served
from ztrade.adapters.sentiment import NewsSource
from ztrade.adapters.sentiment.language_model import Known, LanguageModelScorer, asker
from ztrade.domain.types import NewsItem
from ztrade.errors import ExchangeUnavailable
from ztrade.testing.news import ListNews
from ztrade.testing.sentiment import WordScorer

AT = datetime(2022, 8, 22, 15, tzinfo=UTC)
SOON = timedelta(seconds=5)


class Model:
    """A model that knows the number 0.9, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[Sequence[str]] = []
        self.down = False
        self.now = 0.0

    def __call__(self, texts: Sequence[str], about: Sequence[str]) -> Sequence[float]:
        self.asked.append(list(texts))
        if self.down:
            raise ExchangeUnavailable("down")
        return [0.9] * len(texts)

    def scorer(self, calls: int = 100, known: Sequence[Known] = ()) -> LanguageModelScorer:
        """Return a scorer over it."""
        return LanguageModelScorer(
            "m-1", self, WordScorer(), calls_a_day=calls, recall=lambda: known, clock=lambda: self.now
        )


def test_each_headline_is_asked_for_once() -> None:
    """A batch is one call; what was answered is not asked again, an empty text never."""
    model = Model()
    scorer = model.scorer()
    assert scorer.score(["good one", "bad one", ""], ("AAPL",)) == [0.9, 0.9, 0.0]
    assert scorer.score(["bad one", "good two"], ("AAPL",)) == [0.9, 0.9]
    assert model.asked == [["good one", "bad one"], ["good two"]]
    scorer.score(["good one"], ("TSLA",))
    assert len(model.asked) == 3


def test_what_the_journal_knows_is_not_asked_again() -> None:
    """Answers outlive the process."""
    model = Model()
    assert model.scorer(known=[("good", ("AAPL",), -0.3)]).graded(["good"], ["AAPL"]) == [(-0.3, "m-1")]
    assert model.asked == []


def test_beyond_the_budget_the_plain_scorer_counts() -> None:
    """Within 24 hours so many calls, then others again."""
    model = Model()
    scorer = model.scorer(calls=1)
    assert scorer.graded(["good a"]) == [(0.9, "m-1")]
    assert scorer.graded(["good b"]) == [(0.5, "words")]
    model.now += 86_401
    assert scorer.graded(["good b"]) == [(0.9, "m-1")]


def test_an_outage_costs_one_question_and_then_a_rest() -> None:
    """The plain scorer counts meanwhile; afterwards the model is asked again."""
    model = Model()
    scorer = model.scorer()
    model.down = True
    assert [scorer.graded(["bad"]) for _ in range(3)] == [[(-0.5, "words")]] * 3
    assert len(model.asked) == 1
    model.down, model.now = False, 301.0
    assert scorer.graded(["bad"]) == [(0.9, "m-1")]


def test_the_journal_learns_who_scored_each_story() -> None:
    """A reading of both kinds says so for each story."""
    model = Model()
    stories = [NewsItem(text, AT - timedelta(hours=1), text, "", "", ("AAPL",)) for text in ("good old", "good new")]
    scorer = model.scorer(calls=0, known=[("good old", ("AAPL",), 0.7)])
    reading = NewsSource(ListNews(stories), scorer).read("AAPL", (), AT)
    assert reading is not None
    assert {item["headline"]: (item["score"], item["scorer"]) for item in reading.items} == {
        "good old": (0.7, "m-1"),
        "good new": (0.5, "words"),
    }


def said(provider: str, text: str) -> bytes:
    """Write an answer as the provider does."""
    if provider == "anthropic":
        return json.dumps({"content": [{"type": "text", "text": text}]}).encode()
    return json.dumps({"choices": [{"message": {"content": text}}]}).encode()


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
def test_each_provider_is_asked_in_its_way(provider: str) -> None:
    """Key in its header, model and texts in the body; the numbers come back clamped."""
    seen: list[tuple[str, dict[str, str], str]] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"])).decode()
        seen.append((handler.path, {k.lower(): v for k, v in handler.headers.items()}, body))
        page(said(provider, "Here: [0.5, -7]"))(handler)

    with served(answer) as url:
        assert asker(provider, "m", url, "secret", SOON)(["good", 'quote " and\nline'], ["AAPL", "Apple"]) == [0.5, -1]
    path, headers, body = seen[0]
    assert path == {"anthropic": "/v1/messages", "openai": "/v1/chat/completions"}[provider]
    assert "secret" in (headers.get("x-api-key") or headers["authorization"])
    assert json.loads(body)["model"] == "m"
    assert "AAPL, Apple" in body


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
@pytest.mark.parametrize(
    "text", ["", "[]", "[0.1]", "[1, 2", '["a", "b"]', "[NaN, 0]", "no", "[[1], [2]]", "][", "[true, 0]"]
)
def test_nonsense_is_an_outage(provider: str, text: str) -> None:
    """Not one number per text: as good as no answer."""
    with served(page(said(provider, text))) as url, pytest.raises(ExchangeUnavailable):
        asker(provider, "m", url, "k", SOON)(["a", "b"], [])


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b'{"content": [], "choices": []}', b"[" * 100_000],
    ids=["nothing", "an object", "a list", "no choices", "brackets without end"],
)
def test_a_broken_answer_is_an_outage_that_tells_no_key(body: bytes) -> None:
    """Whatever the server echoes."""
    for provider in ("anthropic", "openai"):
        with served(page(body)) as url, pytest.raises(ExchangeUnavailable) as caught:
            asker(provider, "m", url, "very-secret", SOON)(["a"], [])
        assert "very-secret" not in str(caught.value)


def test_a_model_that_hangs_costs_its_timeout() -> None:
    """Then the plain scorer's score counts."""
    with served(lambda _handler: time.sleep(5)) as url:
        ask = asker("openai", "m", url, "k", timedelta(seconds=0.3))
        begin = time.monotonic()
        scorer = LanguageModelScorer("m", ask, WordScorer(), calls_a_day=5)
        assert scorer.graded(["good"]) == [(0.5, "words")]
        assert time.monotonic() - begin < 4.5
