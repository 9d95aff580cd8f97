"""ztrade's own scorer of headlines, and the weights it was shipped with."""

from ztrade.adapters.sentiment.ngram.scorer import NgramScorer, Odds

__all__ = ["NgramScorer", "Odds"]
