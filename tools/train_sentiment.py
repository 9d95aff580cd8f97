"""``python -m tools.train_sentiment``: learn the scorer's weights from the labelled headlines, and write them.

The same data and seed give the same file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from sklearn.metrics import f1_score

from tools.labelled import BEARISH, BULLISH, NEUTRAL, Labelled, sentfin, twitter
from tools.learning import LEXICON, PLACES, SEED, Array, Linear, calibrated, extracted, fit, held_out, probabilities
from ztrade.adapters.sentiment.ngram.features import VERSION, WORDS, key
from ztrade.adapters.sentiment.ngram.scorer import WEIGHTS
from ztrade.adapters.sentiment.ngram.tokens import NEGATED

#: goes up with every change of weights: the journal keeps it with each score
WEIGHTS_VERSION = 1
TWITTER, SENTFIN = "twitter financial news, train", "sentfin, part 1"
#: weights smaller than this share of the largest one are left out
_SMALLEST = 0.03


#: what may be done with the files that the weights were learned from
LICENCES = {
    TWITTER: "MIT, by its publisher's page",
    SENTFIN: "MIT, (c) 2021 Ankur Sinha, Satishwar Kedas, Rishu Kumar, Pekka Malo",
    "VADER's lexicon": "MIT, (c) 2016 C.J. Hutto",
}


def main() -> None:
    """Train on everything there is, and write the package data."""
    sources = {TWITTER: twitter(), SENTFIN: sentfin()}
    rows = [row for source in sources.values() for row in source]
    margins = held_out(rows)
    scaling = calibration(sources, margins)
    size = _write(fitted(rows), scaling)
    describe(sources, probabilities(margins, scaling), size)
    print(f"{WEIGHTS}: {WEIGHTS.stat().st_size / 1e6:.2f} MB, {size} features")


def fitted(rows: Sequence[Labelled]) -> Linear:
    """Return the model of these rows."""
    return fit(extracted(rows), np.array([row.label for row in rows]))


def trained(sources: Mapping[str, list[Labelled]]) -> tuple[Linear, Array, Array]:
    """Return the model, and the map from its margins to log odds, learned from texts it was not fitted on.

    Each source counts the same in that map, so that a score means the same on all of them.
    """
    rows = [row for source in sources.values() for row in source]
    return fitted(rows), *calibration(sources, held_out(rows))


def calibration(sources: Mapping[str, list[Labelled]], margins: Array) -> tuple[Array, Array]:
    """Return the map from held-out margins of all sources' rows, in order, to log odds."""
    labels = np.array([row.label for source in sources.values() for row in source])
    origin = np.concatenate([np.full(len(source), at) for at, source in enumerate(sources.values())])
    return calibrated(margins, labels, _equal(origin))


def _equal(origin: Array) -> Array:
    sizes = np.bincount(origin)
    return (len(origin) / len(sizes) / sizes)[origin]


def _flat(model: Linear, turn: Array) -> Iterator[tuple[str, Array]]:
    """Yield every feature's log odds; what word lists say of a word is added to the word's own."""
    own = {name: model.weights[at] for name, at in model.names.items()}
    for place_at, place in enumerate(PLACES):
        for shift, mark in ((0, ""), (4, NEGATED)):
            columns = model.lexicon[8 * place_at + shift :][:4]
            for word, known in LEXICON.items():
                name = place + WORDS + mark + word
                own[name] = own.get(name, np.zeros(3)) + np.array(known) @ columns
    for name, weights in own.items():
        yield name, weights @ turn


def _pruned(table: Mapping[str, Array]) -> dict[int, Array]:
    """Return bearish and bullish against neutral by key; what hardly counts is left out."""
    pairs = {name: np.array([w[BEARISH] - w[NEUTRAL], w[BULLISH] - w[NEUTRAL]]) for name, w in table.items()}
    least = _SMALLEST * max(np.abs(pair).max() for pair in pairs.values())
    kept: dict[int, Array] = {}
    for name, pair in sorted(pairs.items()):
        before = kept.get(key(name))
        if np.abs(pair).max() >= least and (before is None or np.abs(pair).max() > np.abs(before).max()):
            kept[key(name)] = pair
    return kept


def _write(model: Linear, scaling: tuple[Array, Array]) -> int:
    """Write the weights; return how many features are kept."""
    table, bias = _pruned(dict(_flat(model, scaling[0]))), model.bias @ scaling[0] + scaling[1]
    keys = np.array(sorted(table), dtype=np.uint32)
    weights = np.array([table[int(name)] for name in keys])
    steps = np.abs(weights).max(axis=0) / 127
    np.savez_compressed(
        WEIGHTS,
        keys=keys,
        weights=np.round(weights / steps).astype(np.int8),
        steps=steps.astype(np.float32),
        bias=np.array([bias[BEARISH] - bias[NEUTRAL], bias[BULLISH] - bias[NEUTRAL]], dtype=np.float32),
        version=np.array(str(WEIGHTS_VERSION)),
        features=np.array(VERSION),
    )
    return len(keys)


def describe(sources: Mapping[str, list[Labelled]], odds: Array, size: int) -> None:
    """Write beside the weights what they are: versions, data and its licences, macro-F1 on headlines held out."""
    begin, scores = 0, {}
    for name, rows in sources.items():
        found = odds[begin : begin + len(rows)].argmax(axis=1)
        begin += len(rows)
        scores[name] = round(float(f1_score([row.label for row in rows], found, average="macro")), 3)
    told = {
        "version": WEIGHTS_VERSION,
        "features": VERSION,
        "seed": SEED,
        "kept": size,
        "rows": {name: len(rows) for name, rows in sources.items()},
        "macro_f1_held_out": scores,
        "licences": LICENCES,
    }
    WEIGHTS.with_name("weights.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
