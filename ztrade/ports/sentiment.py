"""Where opinion comes from, and what turns texts into scores."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

from ztrade.domain.decision import SourceReading


class SentimentScorer(Protocol):
    """Turns texts into scores in [-1, 1], one per text, in order. Never raises for any text.

    A score beyond +/-0.05 has a direction. ``name`` holds the version: the journal keeps it with each score.
    """

    @property
    def name(self) -> str: ...

    def score(self, texts: Sequence[str], about: Sequence[str] = ()) -> Sequence[float]:
        """Score ``texts``; where one names several companies, what it says of the one that ``about`` names."""
        ...


@runtime_checkable
class GradingScorer(SentimentScorer, Protocol):
    """A scorer with another one behind it."""

    def graded(self, texts: Sequence[str], about: Sequence[str] = ()) -> Sequence[tuple[float, str]]:
        """Return for each text the score, and the name of the scorer that gave it."""
        ...


class SentimentSource(Protocol):
    """One place where opinion comes from (news, filings, a forum)."""

    name: str

    def read(self, symbol: str, aliases: Sequence[str], at: datetime) -> SourceReading | None:
        """Return the reading at ``at``, None where the source has nothing on the symbol.

        Raises:
            TemporaryError: the source is down; it then costs nothing but its weight.
        """
        ...
