"""News as a source of opinion."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from ztrade.domain.decision import SourceReading
from ztrade.domain.sentiment import HALF_LIFE, ScoredItem, aggregate, relevance
from ztrade.domain.types import NewsItem
from ztrade.ports import News, SentimentScorer

LOOKBACK = timedelta(hours=24)
MOST_STORIES = 50
#: the headline carries most of a story's opinion; of the summary this much is read with it
_SUMMARY_READ = 500


class NewsSource:
    """:class:`~ztrade.ports.SentimentSource` over the stories of a :class:`~ztrade.ports.News`.

    Args:
        news: where stories come from.
        scorer: turns their texts into scores.
        lookback: how old a story may be.
        half_life: the age at which it counts half.
    """

    name = "news"

    def __init__(
        self,
        news: News,
        scorer: SentimentScorer,
        *,
        lookback: timedelta = LOOKBACK,
        half_life: timedelta = HALF_LIFE,
    ) -> None:
        self._news, self._scorer = news, scorer
        self._lookback, self._half_life = lookback, half_life

    def read(self, symbol: str, aliases: Sequence[str], at: datetime) -> SourceReading | None:
        """Return the reading at ``at``, None where no story counts. Raises TemporaryError: the news is down."""
        stories = self._news.news(symbol, at - self._lookback, at, MOST_STORIES)
        about = [relevance(story, symbol, aliases) for story in stories]
        scores = self._scorer.score([_text(story) for story in stories])
        scored = [ScoredItem(*entry) for entry in zip(stories, scores, about, strict=True)]
        return aggregate(self.name, scored, at, self._half_life)


def _text(story: NewsItem) -> str:
    # summaries often begin by repeating the headline, which would count every word of it twice
    summary = story.summary.removeprefix(story.headline).strip()
    return f"{story.headline}. {summary[:_SUMMARY_READ]}" if summary else story.headline
