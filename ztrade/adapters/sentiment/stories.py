"""Stories as a source of opinion: wherever they come from, they are scored, weighed and counted the same way."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from ztrade.domain.decision import SourceReading
from ztrade.domain.sentiment import HALF_LIFE, ScoredItem, aggregate, relevance, text_of
from ztrade.ports import GradingScorer, News, SentimentScorer

LOOKBACK = timedelta(hours=24)
MOST_STORIES = 50


class NewsSource:
    """:class:`~ztrade.ports.SentimentSource` over the stories of a :class:`~ztrade.ports.News`.

    Args:
        news: where stories come from.
        scorer: turns their texts into scores.
        name: the source's name.
        lookback: how old a story may be.
        half_life: the age at which it counts half.
    """

    def __init__(
        self,
        news: News,
        scorer: SentimentScorer,
        *,
        name: str = "news",
        lookback: timedelta = LOOKBACK,
        half_life: timedelta = HALF_LIFE,
    ) -> None:
        self.name = name
        self._news, self._scorer = news, scorer
        self._lookback, self._half_life = lookback, half_life

    def read(self, symbol: str, aliases: Sequence[str], at: datetime) -> SourceReading | None:
        """Return the reading at ``at``, None where no story counts. Raises TemporaryError: the news is down."""
        stories = self._news.news(symbol, at - self._lookback, at, MOST_STORIES)
        about = [relevance(story, symbol, aliases) for story in stories]
        graded = _graded(self._scorer, [text_of(s.headline, s.summary) for s in stories], (symbol, *aliases))
        scored = [ScoredItem(s, score, much, by) for s, much, (score, by) in zip(stories, about, graded, strict=True)]
        return aggregate(self.name, scored, at, self._half_life)


def _graded(scorer: SentimentScorer, texts: Sequence[str], about: Sequence[str]) -> Sequence[tuple[float, str]]:
    """Return each text's score and who gave it; a scorer that falls back on another one tells for each."""
    if isinstance(scorer, GradingScorer):
        return scorer.graded(texts, about)
    return [(score, scorer.name) for score in scorer.score(texts, about)]
