"""Every metric there is. ``docs/reference/metrics.md`` is made of it, and what is served is compared with it."""

from __future__ import annotations

from collections.abc import Mapping

from ztrade.service.exporter import catalogue_service, catalogue_trading
from ztrade.service.exporter.metric import Metric

METRICS: Mapping[str, Metric] = {
    metric.name: metric for metric in (*catalogue_trading.METRICS, *catalogue_service.METRICS)
}
