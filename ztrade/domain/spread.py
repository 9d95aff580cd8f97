"""How often a number was how big: the buckets of a histogram, without anything that serves them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

#: wall seconds after a slot was due
LATE = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0)
#: wall seconds of a question to the exchange
ANSWER = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 60.0)
#: a ratio of the price: 0.0001 is one basis point
SLIPPAGE = (-0.005, -0.001, -0.0005, -0.0001, 0.0, 0.0001, 0.0005, 0.001, 0.005, 0.01)
#: wall seconds of a transaction that writes
WRITE = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


@dataclass(slots=True)
class Spread:
    """Counts by bucket: ``bounds`` are upper ones, included, in order; one more bucket is for what is above them all.

    Args:
        total: the sum of all numbers.
    """

    bounds: tuple[float, ...]
    counts: list[int] = field(default_factory=list)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = self.counts or [0] * (len(self.bounds) + 1)

    def add(self, value: float) -> None:
        """Count one number."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def add_all(self, counts: Iterable[int], total: float) -> None:
        """Count what another spread of the same bounds has."""
        self.counts = [mine + more for mine, more in zip(self.counts, counts, strict=True)]
        self.total += total

    @property
    def cumulated(self) -> Sequence[tuple[str, int]]:
        """Return for each bound, and for ``+Inf``, how many numbers are not above it."""
        found, so_far = [], 0
        for bound, count in zip((*map(_text, self.bounds), "+Inf"), self.counts, strict=True):
            so_far += count
            found.append((bound, so_far))
        return found


def _text(bound: float) -> str:
    return repr(float(bound))
