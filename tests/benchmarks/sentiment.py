"""How often the scorer is right, on headlines that it was not trained on, beside VADER on the same ones.

In domain: five parts by headline, each measured by a model that was trained on the other four. From one source to the
other: trained on one whole source, measured on the other. The shipped weights are trained on everything, so they are
only timed here.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.benchmarks.figures import Figure
from ztrade.adapters.sentiment import NgramScorer, VaderScorer
from ztrade.adapters.sentiment.ngram.scorer import WEIGHTS, Odds
from ztrade.domain.sentiment import label

if TYPE_CHECKING:
    from tools.labelled import Labelled

SHARED = Path(__file__).parents[3] / "shared" / "data" / "sentiment"
LABELS = ("bearish", "neutral", "bullish")
BATCH = 50
PARTS = 5


def measure() -> Iterator[object]:
    """Yield what a batch costs, and how often the scorer is right where the labelled headlines are there."""
    yield from _cost()
    if not SHARED.is_dir():
        yield "  ../shared/data/sentiment is not there: nothing to be right about"
        return
    yield from _quality()


def _cost() -> Iterator[object]:
    texts = [f"Company {n} shares jump {n}% after profit beats estimates, sees higher sales" for n in range(BATCH)]
    timed = {}
    for scorer in (NgramScorer(), VaderScorer()):
        scorer.score(["warm"])
        begin = time.process_time()
        scorer.score(texts)
        timed[scorer.name] = (time.process_time() - begin) * 1e3
    ours, vader = timed.values()
    yield Figure(f"{BATCH} headlines, processor", ours, vader, "VADER", "ms", "<= 50 ms")
    yield f"    weights: {WEIGHTS.stat().st_size / 1e6:.2f} MB"


def _quality() -> Iterator[object]:
    # needs scikit-learn, and only where there is something to train on
    from tools.labelled import sentfin, twitter

    sources = {"twitter": twitter(), "sentfin": sentfin()}
    yield from _in_domain(sources)
    for known, other in (("twitter", "sentfin"), ("sentfin", "twitter")):
        rows = [row for row in sources[other] if not row.about]
        yield from _across({known: sources[known]}, f"from {known} to {other}", rows)


def _in_domain(sources: Mapping[str, list[Labelled]]) -> Iterator[object]:
    from tools.learning import held_out
    from tools.train_sentiment import calibration

    rows = [row for source in sources.values() for row in source]
    margins = held_out(rows, PARTS)
    found = list(zip(rows, _odds(margins, calibration(sources, margins)), strict=True))
    posts = len(sources["twitter"])
    for name, some, aim in (
        ("twitter, in domain", found[:posts], ">= 0.80"),
        ("sentfin, in domain", [pair for pair in found[posts:] if not pair[0].about], ">= 0.80"),
        ("sentfin, each company of several", [pair for pair in found[posts:] if pair[0].about], ""),
    ):
        yield from _told(name, [row for row, _ in some], [odds for _, odds in some], aim)


def _across(learn: Mapping[str, list[Labelled]], name: str, rows: list[Labelled]) -> Iterator[object]:
    from tools.learning import extracted
    from tools.train_sentiment import trained

    model, *scaling = trained(learn)
    yield from _told(name, rows, _odds(model.margins(extracted(rows)), (scaling[0], scaling[1])), ">= 0.70")


def _odds(margins: Any, scaling: tuple[Any, Any]) -> list[Odds]:
    from tools.learning import probabilities

    return [Odds(*map(float, row)) for row in probabilities(margins, scaling)]


def _told(name: str, rows: Sequence[Labelled], odds: Sequence[Odds], aim: str) -> Iterator[object]:
    wanted, ours = [LABELS[row.label] for row in rows], [label(each.score) for each in odds]
    vader = [label(score) for score in VaderScorer().score([row.text for row in rows])]
    yield Figure(f"{name} ({len(rows)}), macro-F1", macro_f1(wanted, ours), macro_f1(wanted, vader), "VADER", "", aim)
    recalls = (f"{kind} {recall_of(wanted, ours, kind):.2f} ({recall_of(wanted, vader, kind):.2f})" for kind in LABELS)
    yield f"    recall (VADER's): {', '.join(recalls)}; calibration error {calibration_error(wanted, odds):.3f}"


def macro_f1(wanted: Sequence[str], found: Sequence[str]) -> float:
    """Return the mean of the three labels' F1."""
    total = 0.0
    for kind in LABELS:
        right = sum(w == f == kind for w, f in zip(wanted, found, strict=True))
        total += 2 * right / max(wanted.count(kind) + list(found).count(kind), 1)
    return total / len(LABELS)


def recall_of(wanted: Sequence[str], found: Sequence[str], kind: str) -> float:
    """Return the share of a label's texts that were found."""
    return sum(w == f == kind for w, f in zip(wanted, found, strict=True)) / max(wanted.count(kind), 1)


def calibration_error(wanted: Sequence[str], odds: Sequence[Odds]) -> float:
    """Return by how much the likeliest label's probability is off the share of right ones, in ten steps."""
    bins: dict[int, list[tuple[float, bool]]] = {}
    for kind, each in zip(wanted, odds, strict=True):
        best = max(each)
        bins.setdefault(min(int(best * 10), 9), []).append((best, LABELS[each.index(best)] == kind))
    gaps = (abs(sum(p for p, _ in rows) - sum(right for _, right in rows)) for rows in bins.values())
    return sum(gaps) / max(len(wanted), 1)
