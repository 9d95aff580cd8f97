"""The benchmark of exporters, at a size at which it says nothing of speed: that it runs, and counts right."""

from __future__ import annotations

import re

import pytest

from tests.benchmarks.exporter_rivals import FLOWER, OURS
from tests.benchmarks.exporters import Scale, measure

TINY = Scale(events=2_000, rate=2_000, many=5, scrapes=3, patience=0.5, warm=400)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.xdist_group("stack")
def test_it_compares_without_losing_an_event() -> None:
    """Against Flower, which is installed: every comparison has its line, and neither loses anything when it is calm."""
    said = [str(line) for line in measure(scale=TINY, rivals=(OURS, FLOWER))]
    assert "lost: 0.00% against 0.00%" in said[1]
    assert "series for two workers of one host: 2 against 2" in said[-1]
    for what in (
        "events a second of processor",
        "gained by the second half",
        "scrape with 3 agents, p95",
        "scrape with 5 agents, p95",
    ):
        (line,) = (line for line in said if what in line)
        assert re.search(r"[\d.]+ x Flower's /metrics", line)
