"""Opinions that a test knows beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from ztrade.domain.decision import SourceReading


class WordScorer:
    """Twin of the scorers: a text's score is that of the first word it contains, 0 where there is none."""

    name = "words"

    def __init__(self, words: Mapping[str, float] | None = None) -> None:
        self._words = {"good": 0.5, "bad": -0.5} if words is None else dict(words)

    def score(self, texts: Sequence[str], about: Sequence[str] = ()) -> Sequence[float]:  # noqa: ARG002
        """Return one score in [-1, 1] per text, in order."""
        return [
            next((self._words[word] for word in text.lower().split() if word in self._words), 0.0) for text in texts
        ]


class FixedSource:
    """Twin of the sentiment sources: always gives the same reading, or is always down.

    Args:
        name: the source's name.
        score: its score; None has nothing on any symbol.
        confidence: its confidence.
        items: the stories behind it.
        down: raised instead.
    """

    def __init__(
        self,
        name: str,
        score: float | None,
        confidence: float = 0.8,
        *,
        items: tuple[Mapping[str, object], ...] = (),
        down: Exception | None = None,
    ) -> None:
        self.name, self._items = name, items
        self._score, self._confidence, self._down = score, confidence, down

    def read(self, symbol: str, aliases: Sequence[str], at: datetime) -> SourceReading | None:  # noqa: ARG002
        """Return the reading, None where the source has nothing."""
        if self._down is not None:
            raise self._down
        return None if self._score is None else SourceReading(self.name, self._score, self._confidence, self._items)
