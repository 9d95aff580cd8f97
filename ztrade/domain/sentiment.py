"""From single stories to one opinion: which stories count, how much, and how several sources become one reading."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise

from ztrade.domain.decision import Sentiment, SourceReading
from ztrade.domain.types import NewsItem

#: a score this far from zero has a direction
LABEL_THRESHOLD = 0.05
#: after this long a story counts half
HALF_LIFE = timedelta(hours=6)
#: weight of knowing nothing (a score of zero): one lone or barely relevant story never carries a reading by itself
PRIOR_WEIGHT = 0.5

IN_HEADLINE = 1.0
IN_SUMMARY = 0.6
ONLY_TAGGED = 0.5
#: what every further tag takes away from a story that names the company
PER_TAG = 0.15

#: headlines that share this much of their wording, and whose scores are this near, tell the same story
ALIKE = 0.6
SAME_TENOR = 0.5

_HEADLINE_READ = 500
_SUMMARY_READ = 5000
#: the headline carries most of a story's opinion; of the summary this much is scored with it, and kept
_SUMMARY_SCORED = 500


def label(score: float) -> str:
    """Return ``bullish``, ``bearish`` or ``neutral``."""
    if score >= LABEL_THRESHOLD:
        return "bullish"
    return "bearish" if score <= -LABEL_THRESHOLD else "neutral"


def relevance(item: NewsItem, symbol: str, aliases: Sequence[str]) -> float:
    """Return how much a story is about ``symbol``, in [0, 1].

    News services tag generously: of recorded AAPL stories two in five are about Meta. So a story counts fully only when
    its headline names the company and it carries no other tag; less when the summary names it, little when only the
    tag does, and less again with every further company that is tagged.

    Args:
        item: the story.
        symbol: the ticker; in the text it must stand in capitals as a word of its own.
        aliases: names by which headlines call the company; upper and lower case are the same.
    """
    return _relevance(
        item.headline[:_HEADLINE_READ], item.summary[:_SUMMARY_READ], item.symbols, symbol, tuple(aliases)
    )


@lru_cache(maxsize=512)  # a story is looked at again at every slot of a day
def _relevance(headline: str, summary: str, tagged: tuple[str, ...], symbol: str, aliases: tuple[str, ...]) -> float:
    tags = {tag.upper() for tag in tagged}
    others = len(tags - {symbol.upper()})
    names = _names(symbol, aliases)
    if names.search(headline):
        return IN_HEADLINE / (1 + PER_TAG * others)
    if names.search(summary):
        return IN_SUMMARY / (1 + PER_TAG * others)
    return ONLY_TAGGED / (1 + others) if symbol.upper() in tags else 0.0


@lru_cache(maxsize=64)
def _names(symbol: str, aliases: tuple[str, ...]) -> re.Pattern[str]:
    ticker = re.escape(symbol.upper())
    # "F" and "A" are words; a one-letter ticker is meant only as $F, NYSE:F or (F)
    before = r"(?<![\w.])" if len(symbol) > 1 else r"(?<=[$:(])"
    parts = [f"{before}{ticker}(?![\\w]|\\.\\w)"]
    parts += [rf"(?<!\w)(?i:{re.escape(alias.strip())})(?!\w)" for alias in aliases if alias.strip()]
    return re.compile("|".join(parts))


def text_of(headline: str, summary: str) -> str:
    """Return what is scored of a story."""
    return ". ".join(part for part in (headline, _rest(headline, summary)) if part)


def _rest(headline: str, summary: str) -> str:
    # summaries often begin by repeating the headline, which would count every word of it twice
    return summary.removeprefix(headline).strip()[:_SUMMARY_SCORED]


@dataclass(frozen=True, slots=True)
class ScoredItem:
    """One story with its score in [-1, 1], its relevance in [0, 1], and the name of what scored it."""

    item: NewsItem
    score: float
    relevance: float
    scorer: str = ""


def aggregate(
    source: str, scored: Sequence[ScoredItem], at: datetime, half_life: timedelta = HALF_LIFE
) -> SourceReading | None:
    """Make one reading of a source's stories, None where none of them counts.

    A story's weight is its relevance, halved every ``half_life``. A story that several outlets tell counts once, those
    from the future of ``at`` and those without a usable score not at all; each is kept in the reading with the reason.
    The score is the weighted mean, drawn towards zero while the weight is small; the confidence grows with the weight
    and with the share of it that points the same way.
    """
    dropped = _dropped(scored, at)
    weights = [0.0 if reason else _weight(entry, at, half_life) for entry, reason in zip(scored, dropped, strict=True)]
    total = math.fsum(weights)
    if total <= 0:
        return None
    # a story without a usable score has no weight, and must not poison the sum either
    pairs = [(weight, entry.score) for weight, entry in zip(weights, scored, strict=True) if weight > 0]
    score = math.fsum(weight * value for weight, value in pairs) / (total + PRIOR_WEIGHT)
    items = tuple(_told(entry, weight, reason) for entry, weight, reason in zip(scored, weights, dropped, strict=True))
    return SourceReading(source, _clamp(score), (1 - math.exp(-total)) * _agreement(pairs), items)


def _dropped(scored: Sequence[ScoredItem], at: datetime) -> list[str]:
    """Return for every story why it does not count; empty where it does. Of duplicates the oldest counts."""
    reasons = [_unusable(entry, at) for entry in scored]
    first: dict[str, str] = {}
    kept: list[ScoredItem] = []
    for index in sorted(range(len(scored)), key=lambda index: scored[index].item.at):
        if reasons[index]:
            continue
        entry = scored[index]
        marks = (f"id {entry.item.id}", _fingerprint(entry.item))
        known = [first[mark] for mark in marks if mark in first] or [e.item.id for e in kept if _same_story(e, entry)]
        if known:
            reasons[index] = f"same story as {known[0]}"
        else:
            first |= dict.fromkeys(marks, entry.item.id)
            kept.append(entry)
    return reasons


def _same_story(one: ScoredItem, other: ScoredItem) -> bool:
    """Tell whether two headlines are one, reworded: what they say must agree too, for "up" and "down" are one word."""
    first, second = _shingles(one.item.headline), _shingles(other.item.headline)
    shared = len(first & second)
    return shared > 0 and shared >= ALIKE * len(first | second) and abs(one.score - other.score) <= SAME_TENOR


@lru_cache(maxsize=512)
def _shingles(headline: str) -> frozenset[tuple[str, str]]:
    words = _words(headline[:_HEADLINE_READ]).split()
    return frozenset(pairwise(words))


def _unusable(entry: ScoredItem, at: datetime) -> str:
    if entry.item.at > at:
        return "published after the moment it was asked for"
    if not math.isfinite(entry.score) or not math.isfinite(entry.relevance):
        return "its score is not a number"
    return "" if entry.relevance > 0 else "not about the symbol"


def _fingerprint(item: NewsItem) -> str:
    return _words(item.headline) or f"no words {item.id}"


@lru_cache(maxsize=512)
def _words(headline: str) -> str:
    return " ".join(re.findall(r"\w+", headline.casefold()))


def _weight(entry: ScoredItem, at: datetime, half_life: timedelta) -> float:
    return min(max(entry.relevance, 0.0), 1.0) * math.exp2(-((at - entry.item.at) / half_life))


def _agreement(pairs: Iterable[tuple[float, float]]) -> float:
    """Return the share of the weight that carries the majority's label."""
    by_label: dict[str, float] = {}
    for weight, score in pairs:
        name = label(score)
        by_label[name] = by_label.get(name, 0.0) + weight
    return max(by_label.values()) / math.fsum(by_label.values())


def _told(entry: ScoredItem, weight: float, reason: str) -> Mapping[str, object]:
    told: dict[str, object] = {
        "id": entry.item.id,
        "at": entry.item.at.isoformat(),
        "headline": entry.item.headline[:_HEADLINE_READ],
        "score": round(entry.score, 4) if math.isfinite(entry.score) else None,
        "relevance": round(entry.relevance, 4) if math.isfinite(entry.relevance) else None,
        "weight": round(weight, 4),
        "url": entry.item.url,
        "scorer": entry.scorer,
    }
    if reason:
        return told | {"dropped": reason}
    rest = _rest(entry.item.headline, entry.item.summary)
    return told | {"summary": rest} if rest else told


def combine(
    readings: Mapping[str, SourceReading | None], weights: Mapping[str, float], missing: Mapping[str, str] | None = None
) -> Sentiment | None:
    """Make one sentiment of all sources, None where none of them answered.

    Args:
        readings: what each source said; None where it had nothing on the symbol, or was down.
        weights: how much each source counts; renormalised over those that answered. A source without a weight counts
            nothing.
        missing: why a source is missing, where that is known.
    """
    absent = dict(missing or {})
    heard: dict[str, SourceReading] = {}
    for name, reading in readings.items():
        problem = _no_use(reading, weights.get(name, 0.0))
        if reading is None or problem:
            absent.setdefault(name, problem)
        else:
            heard[name] = reading
    if not heard:
        return None
    total = math.fsum(weights[name] for name in heard)
    applied = {name: weights[name] / total for name in heard}
    return Sentiment(
        score=_clamp(math.fsum(applied[name] * reading.score for name, reading in heard.items())),
        confidence=_unit(math.fsum(applied[name] * reading.confidence for name, reading in heard.items())),
        agreement=_agreement([(1.0, reading.score) for reading in heard.values()]),
        readings=tuple(heard.values()),
        weights=applied,
        missing=absent,
    )


def rescored(found: Sentiment, scores: Mapping[str, float]) -> Sentiment:
    """Return the same sentiment with other scores of its stories, by id; which stories count, and how much, stays.

    Confidence and agreement stay too: they were made of more than is kept.
    """
    readings = tuple(replace(reading, score=_score_of(reading, scores)) for reading in found.readings)
    score = math.fsum(found.weights.get(reading.source, 0.0) * reading.score for reading in readings)
    return replace(found, score=_clamp(score), readings=readings)


def _score_of(reading: SourceReading, scores: Mapping[str, float]) -> float:
    pairs = [(float(str(item.get("weight", 0))), scores.get(str(item.get("id")))) for item in reading.items]
    known = [(weight, score) for weight, score in pairs if weight > 0 and score is not None]
    if not known:
        return reading.score
    return _clamp(math.fsum(w * score for w, score in known) / (math.fsum(w for w, _ in known) + PRIOR_WEIGHT))


def _no_use(reading: SourceReading | None, weight: float) -> str:
    if reading is None:
        return "nothing on the symbol"
    if not (math.isfinite(weight) and weight > 0):
        return "has no weight"
    if not (math.isfinite(reading.score) and math.isfinite(reading.confidence)):
        return "its reading is not a number"
    return ""


def _clamp(score: float) -> float:
    return min(max(score, -1.0), 1.0)


def _unit(share: float) -> float:
    return min(max(share, 0.0), 1.0)
