"""ztrade's own scorer: a linear model over word and character n-grams, made for the market's headlines."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from ztrade.adapters.sentiment.ngram.features import VERSION, features, key

WEIGHTS = Path(__file__).with_name("weights.npz")
#: scores that are kept: a story is read again at every slot of a day, and its score never changes
REMEMBERED = 1024
#: what is left of a score where neutral is the likeliest of the three
_UNDIRECTED = 0.1
#: by this much a direction must be likelier than neutral for its score to count in full
_CLEAR = 0.1


class Odds(NamedTuple):
    """How likely a text is bearish, neutral and bullish; the three sum to one."""

    bearish: float
    neutral: float
    bullish: float

    @property
    def score(self) -> float:
        """Return P(bullish) - P(bearish), a tenth of it where neutral is the likeliest.

        So a score beyond +/-0.05 is one whose direction is likelier than none, and fifty neutral stories do not add up
        to an opinion. In between it rises without a step.
        """
        lead = max(self.bearish, self.bullish) - self.neutral
        share = min(max(lead / _CLEAR, 0.0), 1.0)
        return (self.bullish - self.bearish) * (_UNDIRECTED + (1 - _UNDIRECTED) * share)


class NgramScorer:
    """:class:`~ztrade.ports.SentimentScorer` on weights that are shipped with ztrade, loaded when first used.

    English only: a text of which it knows no word scores 0. Safe to share between threads.
    """

    def __init__(self, weights: Path = WEIGHTS) -> None:
        self._path = weights
        self._lock = threading.Lock()
        self._remembered = lru_cache(REMEMBERED)(self._measured)

    @property
    def name(self) -> str:
        """Return ``ztrade`` and the weights' version, as the journal keeps it with each score."""
        return f"ztrade-{self._model.version}"

    def score(self, texts: Sequence[str], about: Sequence[str] = ()) -> Sequence[float]:
        """Return one score in [-1, 1] per text, in order; 0 for a text that says nothing. Never raises.

        Args:
            texts: headlines, each perhaps with its abstract.
            about: names of the company that is asked about; what a text says of others counts less.
        """
        return [odds.score for odds in self.odds(texts, about)]

    def odds(self, texts: Sequence[str], about: Sequence[str] = ()) -> Sequence[Odds]:
        """Return how likely each text is bearish, neutral and bullish."""
        names = tuple(about)
        return [self._remembered(text[:2000], names) for text in texts]

    def _measured(self, text: str, about: tuple[str, ...]) -> Odds:
        found = features(text, about)
        known = self._model.sums({key(name): value for name, value in found.items()})
        return known if known is not None else Odds(0.0, 1.0, 0.0)

    @property
    def _model(self) -> _Model:
        with self._lock:
            return self._loaded

    @cached_property
    def _loaded(self) -> _Model:
        return _Model(self._path)


class _Model:
    """Sorted feature keys, and for each the log odds that it adds to bearish and bullish, against neutral."""

    def __init__(self, path: Path) -> None:
        import numpy as np

        with np.load(path, allow_pickle=False) as stored:
            if int(stored["features"]) != VERSION:
                raise ValueError(f"{path.name} was made for other features than these")
            self.version = str(stored["version"])
            self._keys: Any = stored["keys"]
            self._weights: Any = stored["weights"]
            self._steps: Any = stored["steps"]
            self._bias: Any = stored["bias"]
        self._np = np

    def sums(self, values: dict[int, float]) -> Odds | None:
        """Return the odds of a text with these features; None where the model knows none of them."""
        np = self._np
        asked = np.fromiter(values.keys(), np.uint32, len(values))
        at = np.searchsorted(self._keys, asked)
        at[at == len(self._keys)] = 0
        known = self._keys[at] == asked
        if not known.any():
            return None
        amounts = np.fromiter(values.values(), np.float32, len(values))[known]
        odds = np.exp(np.append(amounts @ (self._weights[at[known]] * self._steps) + self._bias, 0.0))
        bearish, bullish, neutral = (float(share) for share in odds / odds.sum())
        return Odds(bearish, neutral, bullish)
