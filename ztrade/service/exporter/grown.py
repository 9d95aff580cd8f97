"""Counts that processes report of themselves: each begins anew with its process, and what is served never falls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ztrade.domain.spread import Spread
from ztrade.service.report import count

#: a role, a metric's name, and its labels as the process told them
Series = tuple[str, str, tuple[tuple[str, str], ...]]
#: longer texts are no label of ours
_LONGEST = 64


class Grown:
    """What processes told, summed up over their restarts, as far as this process lived to see them.

    Args:
        bounds: the upper bounds of each histogram's buckets, by its name; of others nothing is taken.
    """

    def __init__(self, bounds: Mapping[str, tuple[float, ...]]) -> None:
        self._bounds = bounds
        self._past: dict[Series, float] = {}
        self._now: dict[Series, tuple[int, float]] = {}
        self._past_spreads: dict[Series, Spread] = {}
        self._spreads: dict[Series, tuple[int, Spread]] = {}

    def take(self, role: str, pid: int, facts: Mapping[str, Any]) -> None:
        """Take a process' report in; what of it makes no sense is left out."""
        for name, labels, value in _rows(facts.get("counts"), 3):
            series = _series(role, name, labels)
            counted = count(value)
            if series is not None and counted is not None:
                self._count(series, pid, counted)
        for name, labels, counts, total in _rows(facts.get("spreads"), 4):
            series, spread = _series(role, name, labels), self._spread(name, counts, total)
            if series is not None and spread is not None:
                self._observe(series, pid, spread)

    def counts(self, name: str) -> Iterator[tuple[str, Mapping[str, str], float]]:
        """Yield role, labels and value of each series of a counter."""
        for series, (_, value) in self._now.items():
            if series[1] == name:
                yield series[0], dict(series[2]), value + self._past.get(series, 0.0)

    def spreads(self, name: str) -> Iterator[tuple[str, Mapping[str, str], Spread]]:
        """Yield role, labels and buckets of each series of a histogram."""
        for series, (_, now) in self._spreads.items():
            if series[1] == name:
                whole = Spread(now.bounds, list(now.counts), now.total)
                past = self._past_spreads.get(series)
                if past is not None:
                    whole.add_all(past.counts, past.total)
                yield series[0], dict(series[2]), whole

    def _count(self, series: Series, pid: int, value: float) -> None:
        before = self._now.get(series)
        if before is not None and (before[0] != pid or value < before[1]):
            self._past[series] = self._past.get(series, 0.0) + before[1]
        self._now[series] = (pid, value)

    def _observe(self, series: Series, pid: int, spread: Spread) -> None:
        before = self._spreads.get(series)
        if before is not None and (before[0] != pid or sum(spread.counts) < sum(before[1].counts)):
            self._past_spreads.setdefault(series, Spread(spread.bounds)).add_all(before[1].counts, before[1].total)
        self._spreads[series] = (pid, spread)

    def _spread(self, name: object, counts: object, total: object) -> Spread | None:
        bounds = self._bounds.get(name) if isinstance(name, str) else None
        if bounds is None or not isinstance(counts, list) or len(counts) != len(bounds) + 1:
            return None
        whole, seconds = all(isinstance(one, int) and count(one) is not None for one in counts), count(total)
        return Spread(bounds, list(counts), seconds) if whole and seconds is not None else None


def _rows(found: object, width: int) -> Iterator[list[Any]]:
    if isinstance(found, list):
        yield from (row for row in found if isinstance(row, list) and len(row) == width)


def _series(role: str, name: object, labels: object) -> Series | None:
    if not isinstance(name, str) or not isinstance(labels, dict):
        return None
    pairs = tuple(sorted(labels.items()))
    fine = all(isinstance(text, str) and len(text) <= _LONGEST for pair in pairs for text in pair)
    return (role, name, pairs) if fine else None
