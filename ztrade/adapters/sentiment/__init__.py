"""Where opinions come from, and what scores them."""

from ztrade.adapters.sentiment.ngram import NgramScorer
from ztrade.adapters.sentiment.punctual import Punctual
from ztrade.adapters.sentiment.stories import NewsSource
from ztrade.adapters.sentiment.vader import VaderScorer

__all__ = ["NewsSource", "NgramScorer", "Punctual", "VaderScorer"]
