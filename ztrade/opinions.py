"""The composition root of sentiment: which sources are on, and what scores their stories."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ztrade import ports
from ztrade.config import Config
from ztrade.domain.sentiment import text_of
from ztrade.domain.types import NewsItem
from ztrade.errors import TemporaryError

if TYPE_CHECKING:
    from ztrade.adapters.sentiment.language_model import Known
    from ztrade.adapters.sentiment.registry import Place


def sources(config: Config, news: ports.News, scorer: ports.SentimentScorer) -> Sequence[ports.SentimentSource]:
    """Return each source that is on; each has a thread and connections of its own."""
    from ztrade.adapters.sentiment import NewsSource, Punctual
    from ztrade.adapters.sentiment.registry import SOURCES

    section, place, weights = config.main.sentiment, _place(config, news), source_weights(config)
    made = {name: kind.make(place) for name, kind in SOURCES.items() if weights[name] > 0}
    read = [
        NewsSource(
            stories, scorer, name=name, lookback=SOURCES[name].lookback or section.lookback,
            half_life=SOURCES[name].half_life,
        )
        for name, stories in made.items()
        if stories is not None
    ]  # fmt: skip
    return [Punctual(source, section.patience) for source in read]


def _place(config: Config, news: ports.News) -> Place:
    from ztrade.adapters.sentiment.registry import Place

    section = config.main.sentiment
    return Place(
        news=news,
        load=_load_stories,
        patience=section.patience,
        contact=section.contact,
        stories=config.path.parent / section.stories if section.stories else None,
        reddit=config.secrets("reddit"),
    )


def _load_stories(path: Path) -> Sequence[NewsItem]:
    from ztrade.exchange.bars.news import load_news

    return load_news(path)


def source_weights(config: Config) -> Mapping[str, float]:
    """Return the configured weight of each source of sentiment, by name."""
    section = config.main.sentiment
    return {"news": section.news, "filings": section.filings, "reddit": section.reddit, "file": section.file}


def sources_off(config: Config) -> Mapping[str, str]:
    """Return the sources of sentiment that are off, and why."""
    from ztrade.adapters.sentiment.registry import SOURCES

    unused: Any = None
    weights, place = source_weights(config), _place(config, unused)
    lacking = {name: f"lacks {kind.lacks}" for name, kind in SOURCES.items() if kind.lacks and kind.make(place) is None}
    return lacking | {name: "its weight is 0" for name in SOURCES if weights[name] <= 0}


def plain_scorer(config: Config) -> ports.SentimentScorer:
    """Return the scorer that needs no network: ztrade's own, or VADER."""
    from ztrade.adapters.sentiment import NgramScorer, VaderScorer

    return VaderScorer() if config.main.sentiment.scorer == "vader" else NgramScorer()


def scorer(config: Config, journal: Callable[[], ports.Journal]) -> ports.SentimentScorer:
    """Return the configured scorer; a language model has the plain one behind it, and knows what the journal knows."""
    section = config.main.sentiment
    plain = plain_scorer(config)
    if section.scorer not in ("anthropic", "openai"):
        return plain
    from ztrade.adapters.sentiment.language_model import LanguageModelScorer, asker

    (key,) = config.secrets(section.scorer) or ("",)
    ask = asker(section.scorer, section.model, section.model_url, key, section.model_timeout)
    name = f"{section.scorer}-{section.model}"
    return LanguageModelScorer(
        name, ask, plain, calls_a_day=section.model_calls, recall=lambda: _recalled(config, journal, name)
    )


def _recalled(config: Config, journal: Callable[[], ports.Journal], name: str) -> Iterator[Known]:
    """Yield what the model said of the stories of each agent's newest cycle."""
    try:
        for agent in config.agents.values():
            for cycle in journal().cycles(agent=agent.name, limit=1, with_inputs=True):
                stored: Any = cycle.inputs.get("sentiment") or {}
                for item in (item for reading in stored.get("readings", ()) for item in reading.get("items", ())):
                    if item.get("scorer") == name and isinstance(item.get("score"), float):
                        text = text_of(str(item.get("headline", "")), str(item.get("summary", "")))
                        yield text, (agent.symbol, *agent.aliases), item["score"]
    except TemporaryError:
        return
