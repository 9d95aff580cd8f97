"""Fitting the linear model: features to weights, margins to probabilities. Deterministic by seed."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from tools.labelled import Labelled
from ztrade.adapters.sentiment.ngram.features import CHARACTERS, WORDS, features
from ztrade.adapters.sentiment.ngram.lexicon import DOWN, UP
from ztrade.adapters.sentiment.ngram.tokens import NEGATED

SEED = 7
#: the whole text, the clause about the company, the words before and behind its name
PLACES = ("", "T", "Z", "A")
#: how hard the linear SVM fits; the best of 0.01 to 0.2 within the training files
C = 0.01
#: runs of characters must occur in this many texts; words that occur once say little, but there are many of them
LEAST = 2
FOLDS = 3

Array = Any  # numpy's and scipy's types say more than they help here


def _lexicon() -> Mapping[str, tuple[float, float, float, float]]:
    """Return what word lists know of a word: better, worse (ours), good, bad (VADER's valence, halved)."""
    known: dict[str, list[float]] = {}
    for at, words in ((0, UP), (1, DOWN)):
        for word in words:
            known.setdefault(word, [0.0] * 4)[at] = 1.0
    for word, valence in SentimentIntensityAnalyzer().lexicon.items():
        if word.isalpha() and word.islower():
            known.setdefault(word, [0.0] * 4)[2 if valence > 0 else 3] = abs(valence) / 2
    return {word: (v[0], v[1], v[2], v[3]) for word, v in known.items()}


LEXICON = _lexicon()


def extracted(rows: Sequence[Labelled]) -> list[dict[str, float]]:
    """Return the features of each row's text, as its label is about all of it or about one company."""
    return [features(row.text, [row.about] if row.about else ()) for row in rows]


@dataclass(frozen=True, slots=True)
class Linear:
    """Weights per feature (class by column: bearish, neutral, bullish), and the map from margins to log odds."""

    names: Mapping[str, int]
    weights: Array
    lexicon: Array
    bias: Array

    def margins(self, texts: Sequence[Mapping[str, float]]) -> Array:
        """Return one row of class margins per text."""
        return _matrix(texts, self.names) @ self.weights + _lexical(texts) @ self.lexicon + self.bias


def fit(texts: Sequence[Mapping[str, float]], labels: Array) -> Linear:
    """Fit one-against-the-rest SVMs on features weighed by their rarity."""
    counts = Counter(name for text in texts for name in text)
    names = {name: at for at, name in enumerate(sorted(name for name, n in counts.items() if n >= _least(name)))}
    rarity = np.log((1 + len(texts)) / (1 + np.array([counts[name] for name in names]))) + 1
    matrix = sp.hstack([_matrix(texts, names) @ sp.diags(rarity), _lexical(texts)]).tocsr()
    made = LinearSVC(C=C, class_weight="balanced", random_state=SEED, tol=1e-3, max_iter=500)
    made.fit(matrix, labels)
    learned = made.coef_.T
    return Linear(names, learned[: len(names)] * rarity[:, None], learned[len(names) :], made.intercept_)


def _least(name: str) -> int:
    return LEAST if name.startswith(CHARACTERS) else 1


def _matrix(texts: Sequence[Mapping[str, float]], names: Mapping[str, int]) -> Array:
    columns, values, ends = [], [], [0]
    for text in texts:
        for name, value in text.items():
            at = names.get(name)
            if at is not None:
                columns.append(at)
                values.append(value)
        ends.append(len(columns))
    return sp.csr_matrix((np.array(values), np.array(columns, dtype=np.int64), ends), shape=(len(texts), len(names)))


def _lexical(texts: Sequence[Mapping[str, float]]) -> Array:
    """Return what the word lists know of a text's words, and of its negated words, for each place that has words."""
    table = np.zeros((len(texts), 8 * len(PLACES)))
    for row, text in zip(table, texts, strict=True):
        for column, value in _known(text):
            row[column] += value
    return sp.csr_matrix(table)


def _known(text: Mapping[str, float]) -> Iterator[tuple[int, float]]:
    for name, value in text.items():
        place = name[0] if name[0] in PLACES else ""
        if not name.startswith(place + WORDS):
            continue
        word = name.removeprefix(place + WORDS)
        shift = 8 * PLACES.index(place) + (4 if word.startswith(NEGATED) else 0)
        for at, known in enumerate(LEXICON.get(word.removeprefix(NEGATED), ())):
            if known:
                yield at + shift, known * value


def held_out(rows: Sequence[Labelled], count: int = FOLDS) -> Array:
    """Return the margins of each row by a model that never saw its headline: the headlines are dealt into parts."""
    texts, labels = extracted(rows), np.array([row.label for row in rows])
    part = np.array([zlib.crc32(row.text.encode()) % count for row in rows])
    margins = np.zeros((len(rows), 3))
    for out in range(count):
        model = fit([text for text, at in zip(texts, part, strict=True) if at != out], labels[part != out])
        margins[part == out] = model.margins([text for text, at in zip(texts, part, strict=True) if at == out])
    return margins


def calibrated(margins: Array, labels: Array, weight: Array) -> tuple[Array, Array]:
    """Return (matrix, offset) that turn margins of texts that the model was not fitted on into log odds."""
    made = LogisticRegression(C=10.0, max_iter=1000).fit(margins, labels, sample_weight=weight)
    return made.coef_.T, made.intercept_


def probabilities(margins: Array, scaling: tuple[Array, Array]) -> Array:
    """Return one row of class probabilities per row of margins."""
    odds = margins @ scaling[0] + scaling[1]
    odds = np.exp(odds - odds.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)
