"""The news behind a decision can be scored again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.unit.app.desks import AGENT, Bench
from ztrade.adapters.sentiment import NewsSource
from ztrade.app.explain import explain
from ztrade.domain.decision import SourceReading
from ztrade.domain.types import NewsItem
from ztrade.ports import SentimentSource
from ztrade.strategies import create
from ztrade.testing.news import ListNews
from ztrade.testing.sentiment import WordScorer

NOW_BAD = WordScorer({"good": -0.5})


class Fresh:
    """News that are ten minutes old whenever they are asked for."""

    name = "news"

    def read(self, symbol: str, aliases: Sequence[str], at: datetime) -> SourceReading | None:
        told = (("a good company", "so they say"), ("it sleeps", ""))
        stories = [NewsItem(text, at - timedelta(minutes=10), text, more, "wire", (symbol,)) for text, more in told]
        return NewsSource(ListNews(stories), WordScorer()).read(symbol, aliases, at)


def cycle_with(*sources: SentimentSource) -> Any:
    """Run a cycle of the momentum agent with these sources; its inputs went through JSON."""
    bench = Bench(replace(AGENT, strategy="momentum"), sources=sources)
    bench.desk = replace(bench.desk, strategy=create("momentum", {}))
    record = bench.cycle(185)
    return bench.desk.agent, replace(record, inputs=json.loads(json.dumps(record.inputs)))


def test_todays_scores_stand_beside_those_of_then() -> None:
    """Each story has both; the sentiment changes with them, weights and confidence stay."""
    agent, cycle = cycle_with(Fresh())
    found = explain(agent, cycle, NOW_BAD)
    assert found is not None
    told = [(story["score"], story["score_now"], story["scorer"]) for story in found.stories]
    assert told == [(0.5, -0.5, "words"), (0.0, 0.0, "words")]
    assert found.then.score > 0
    assert found.now.score == pytest.approx(-found.then.score, abs=1e-3)
    assert found.now.confidence == found.then.confidence


def test_the_same_scorer_comes_to_the_same_sentiment() -> None:
    """What is kept of a story is all that it was scored from."""
    agent, cycle = cycle_with(Fresh())
    found = explain(agent, cycle, WordScorer())
    assert found is not None
    assert abs(found.now.score - found.then.score) < 1e-3
    assert found.decision.action == cycle.details["action"]


def test_a_cycle_without_news_has_nothing_to_explain() -> None:
    """None, not an empty opinion."""
    agent, cycle = cycle_with()
    assert explain(agent, cycle, WordScorer()) is None
