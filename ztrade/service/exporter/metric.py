"""What a metric is, before anything measures it: the catalogue is made of these, and the reference of the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Prometheus' types. A COUNTER never falls but at a restart of what counts; its name ends in ``_total``."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: base units (seconds, bytes, dollars, ratios from 0 to 1), few labels with few values.

    Args:
        name: as scraped, a counter with its ``_total``, a histogram without ``_bucket``.
        help: what it measures, one sentence.
        use: what to do with it, one sentence.
        buckets: upper bounds of a histogram's buckets, in the unit of the name; empty for the others.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str
    use: str
    buckets: tuple[float, ...] = ()


def gauge(name: str, labels: str, words: str, use: str) -> Metric:
    """Return a gauge; ``labels`` are separated by spaces."""
    return Metric(name, Kind.GAUGE, tuple(labels.split()), words, use)


def counter(name: str, labels: str, words: str, use: str) -> Metric:
    """Return a counter."""
    return Metric(name, Kind.COUNTER, tuple(labels.split()), words, use)


def histogram(name: str, labels: str, words: str, use: str, buckets: tuple[float, ...]) -> Metric:
    """Return a histogram."""
    return Metric(name, Kind.HISTOGRAM, tuple(labels.split()), words, use, buckets)
