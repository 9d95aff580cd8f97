"""Where opinions come from, and what scores them."""

from ztrade.adapters.sentiment.news_source import NewsSource
from ztrade.adapters.sentiment.vader import VaderScorer

__all__ = ["NewsSource", "VaderScorer"]
