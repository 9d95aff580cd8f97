"""VADER: a lexicon and a few rules, made for short English texts."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

#: on long texts VADER's score saturates at 0.95 and says nothing; headlines and abstracts are shorter than this
LONGEST_TEXT = 1_000
#: VADER compares every word with its neighbours; beyond this many nothing is gained
LONGEST_WORD = 60
#: texts whose scores are kept, 2 MB at most
REMEMBERED = 1024


class VaderScorer:
    """:class:`~ztrade.ports.SentimentScorer` on vaderSentiment's lexicon, which is loaded when first used.

    Texts in other languages score about zero: the lexicon is English. Safe to share between threads.
    """

    name = "vader"

    def __init__(self) -> None:
        self._analyzer: Any = None
        self._lock = threading.Lock()
        # a story is read again in every cycle of a day: scoring fifty takes 15 ms, remembering them none
        self._remembered = lru_cache(REMEMBERED)(self._measured)

    def score(self, texts: Sequence[str], about: Sequence[str] = ()) -> Sequence[float]:  # noqa: ARG002
        """Return one score in [-1, 1] per text, in order; 0 for a text that says nothing. Never raises."""
        return [self._remembered(text[:LONGEST_TEXT]) for text in texts]

    def _measured(self, text: str) -> float:
        words = [word[:LONGEST_WORD] for word in text.split()]
        if not words:
            return 0.0
        try:
            value = float(self._loaded().polarity_scores(" ".join(words))["compound"])
        except (ArithmeticError, LookupError, TypeError, ValueError):  # the port promises a score for any text
            return 0.0
        return min(max(value, -1.0), 1.0) if math.isfinite(value) else 0.0

    def _loaded(self) -> Any:
        with self._lock:
            if self._analyzer is None:
                from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

                made = SentimentIntensityAnalyzer()
                # it keeps the texts of the two files that it made its tables from: 0.8 MB that nobody reads again
                made.lexicon_full_filepath = made.emoji_full_filepath = ""
                self._analyzer = made
            return self._analyzer
