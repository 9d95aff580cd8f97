"""What the news said in a cycle, and what today's scorer would make of the same news."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ztrade.app.replay import restored
from ztrade.app.think import think
from ztrade.domain.agent import Agent
from ztrade.domain.decision import Decision, Sentiment
from ztrade.domain.ledger import CycleRecord
from ztrade.domain.sentiment import rescored, text_of
from ztrade.ports import SentimentScorer
from ztrade.strategies import create


@dataclass(frozen=True, slots=True)
class Explained:
    """A cycle's stories with both scores, its sentiment then and now, and the decision that would come of it now."""

    scorer: str
    stories: Sequence[Mapping[str, object]]
    then: Sentiment
    now: Sentiment
    decision: Decision


def explain(agent: Agent, cycle: CycleRecord, scorer: SentimentScorer) -> Explained | None:
    """Score the stored stories of a cycle again; None where it knew no news.

    Raises:
        DataError: its stored inputs cannot be read.
    """
    inputs = restored(cycle.inputs)
    found = inputs.sentiment
    if found is None:
        return None
    stories = list(_stories(found))
    texts = [text_of(str(story.get("headline", "")), str(story.get("summary", ""))) for story in stories]
    fresh = scorer.score(texts, about=(agent.symbol, *agent.aliases))
    now = rescored(found, {str(story.get("id")): score for story, score in zip(stories, fresh, strict=True)})
    thought = think(agent, create(agent.strategy, agent.parameters), replace(inputs, sentiment=now))
    told = [{**story, "score_now": round(score, 4)} for story, score in zip(stories, fresh, strict=True)]
    return Explained(scorer.name, told, found, now, thought.decision)


def _stories(found: Sentiment) -> Iterator[Mapping[str, Any]]:
    for reading in found.readings:
        yield from ({"source": reading.source, **item} for item in reading.items)
