"""The page of metrics is the catalogue's, whole, and each metric says what to do with it."""

from __future__ import annotations

import re

import pytest

from tools.metrics_page import GROUPS, PAGE, page
from ztrade.service.exporter.catalogue import METRICS
from ztrade.service.exporter.metric import Kind, Metric


def test_the_page_is_the_catalogues() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "fix: python -m tools.metrics_page"


def test_no_metric_is_left_out() -> None:
    assert sorted(metric.name for group in GROUPS.values() for metric in group) == sorted(METRICS)


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_a_metric_is_named_and_told_as_all_are(metric: Metric) -> None:
    assert re.fullmatch(r"ztrade(_[a-z0-9]+)+", metric.name)
    assert metric.name.endswith("_total") is (metric.kind is Kind.COUNTER)
    assert bool(metric.buckets) is (metric.kind is Kind.HISTOGRAM)
    assert list(metric.buckets) == sorted(set(metric.buckets))
    assert metric.help.endswith(".")
    assert metric.use.endswith((".", "?"))
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", label) for label in metric.labels)
