"""Counters of processes that come and go: what is served never falls, and nonsense is left out."""

from __future__ import annotations

from typing import Any

import pytest

from ztrade.adapters.metrics import Counters
from ztrade.domain.spread import WRITE
from ztrade.service.exporter.catalogue import METRICS
from ztrade.service.exporter.exchange_source import ERRORS
from ztrade.service.exporter.grown import Grown

REQUESTS, WRITES = "ztrade_exchange_requests_total", "ztrade_journal_write_seconds"
BOUNDS = {WRITES: WRITE}


def facts(requests: int, *seconds: float) -> Any:
    """Return what a process tells that made so many requests, and wrote for so long each time."""
    counters = Counters(BOUNDS)
    counters.count(REQUESTS, requests, {"account": "paper"})
    for value in seconds:
        counters.observe(WRITES, value)
    return counters.told()


def total(grown: Grown) -> dict[str, float]:
    return {role: value for role, labels, value in grown.counts(REQUESTS) if labels == {"account": "paper"}}


def test_a_restarted_process_counts_on() -> None:
    """Its successor begins at 0, whatever its pid; a report read twice counts once."""
    grown = Grown(BOUNDS)
    for _ in range(2):
        grown.take("worker-spy", 10, facts(7, 0.002, 0.2))
    grown.take("worker-spy", 11, facts(2, 0.002))
    grown.take("keeper", 12, facts(1))
    assert total(grown) == {"worker-spy": 9, "keeper": 1}
    grown.take("worker-spy", 11, facts(1))
    assert total(grown)["worker-spy"] == 10
    ((role, labels, spread),) = grown.spreads(WRITES)
    assert (role, labels, sum(spread.counts), round(spread.total, 3)) == ("worker-spy", {}, 3, 0.204)


def test_the_same_process_goes_on() -> None:
    grown = Grown(BOUNDS)
    for requests, seconds in ((3, (0.1,)), (5, (0.1, 0.3))):
        grown.take("keeper", 12, facts(requests, *seconds))
    assert total(grown) == {"keeper": 5}
    ((_, _, spread),) = grown.spreads(WRITES)
    assert sum(spread.counts) == 2


NONSENSE: list[Any] = [
    {},
    {"counts": 3, "spreads": None},
    {"counts": [1, [REQUESTS], [REQUESTS, {}, "7"], [REQUESTS, {}, float("nan")], [REQUESTS, {}, -1]]},
    {"counts": [[REQUESTS, [], 1], [7, {}, 1], [REQUESTS, {"account": 3}, 1], [REQUESTS, {"account": "x" * 99}, 1]]},
    {
        "spreads": [
            [WRITES, {}, [1, 2], 0.1],
            [WRITES, {}, "x", 0.1],
            [WRITES, {}, [-1] * 12, 0.1],
            ["other", {}, [1], 1],
        ]
    },
    {"counts": [[REQUESTS, {}, 10**400], [REQUESTS, {}, True]]},
    {"spreads": [[WRITES, {}, [10**400] * (len(WRITE) + 1), 0.1], [WRITES, {}, [1] * (len(WRITE) + 1), 10**400]]},
    {"spreads": [[WRITES, {}, [1] * (len(WRITE) + 1), -0.1], [WRITES, {}, [True] * (len(WRITE) + 1), 0.1]]},
    {"spreads": [[WRITES, {}, [1] * (len(WRITE) + 1), float("inf")], [WRITES, {}, [0.5] * (len(WRITE) + 1), 1.0]]},
]


@pytest.mark.parametrize("said", NONSENSE, ids=range(len(NONSENSE)))
def test_nonsense_is_left_out(said: Any) -> None:
    grown = Grown(BOUNDS)
    grown.take("keeper", 12, said)
    assert [*grown.counts(REQUESTS), *grown.spreads(WRITES)] == []


def test_names_and_bounds_are_the_catalogues() -> None:
    """What processes count is not made by the exporter: the two could drift apart."""
    assert METRICS[WRITES].buckets == WRITE
    assert METRICS[REQUESTS].labels == ("account", "role")
    assert all(kind in METRICS["ztrade_exchange_errors_total"].help for kind in ERRORS)


def test_a_histogram_without_bounds_is_not_kept() -> None:
    counters = Counters()
    counters.observe(WRITES, 0.1)
    assert counters.told()["spreads"] == []
