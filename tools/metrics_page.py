"""``python -m tools.metrics_page``: write docs/reference/metrics.md of the catalogue that the exporter serves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ztrade.service.exporter import catalogue_service as service
from ztrade.service.exporter import catalogue_trading as trading
from ztrade.service.exporter.metric import Kind, Metric

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "metrics.md"
HEAD = """# Metrics

`ztrade exporter` serves these at `http://127.0.0.1:9540/metrics`. It looks at everything in the background, so a
scrape is answered from memory, whatever is down. This page is made of the catalogue (`python -m tools.metrics_page`),
and tests compare the catalogue with what is served.

- Seconds, bytes, dollars; ratios from 0 to 1.
- What is not known is absent, never 0. What is expected by the configuration and was never seen (an agent's worker)
  is 0.
- Labels have few values: `agent` and `task` only ever those that are configured.
  `ztrade_exporter_events_unknown_total` counts the rest.
- Slots, orders, fills, refusals, objectives and messages are counted in the journal from its first row on, so they
  are exact over restarts of everything; what an older ztrade wrote has no lateness and no time of an answer. Of an
  agent whose file is gone nothing is counted. Other counters begin anew with the process that counts, as Prometheus
  expects.
- Counters of known labels exist as 0 from the start, so that the first of a kind is an increase.
- `ztrade_slippage_ratio` goes below 0, so Prometheus has no `_sum` and no `_count` of it: take `_bucket{le="+Inf"}`.
- Workers, beat and the keeper tell of themselves in files, `STATE/run/reports/ROLE.json`. A worker on another machine
  is seen by its connection to Redis: that it is up, and takes messages; its memory and starts are not.
- Each source is looked at on its own, and one that hangs makes no other old: `ztrade_exporter_source_up` says which is
  seen, `ztrade_exporter_source_age_seconds` how old its values are.
"""
GROUPS: Mapping[str, Sequence[Metric]] = {
    "Slots": trading.SLOTS,
    "Money": trading.MONEY,
    "Orders": trading.ORDERS,
    "Exchange": trading.EXCHANGE,
    "Objectives": trading.OBJECTIVES,
    "Messages to people": trading.MESSAGES,
    "Tasks": service.TASKS,
    "Queues": service.QUEUES,
    "Workers, beat, keeper, units": service.WORKERS,
    "Configuration": service.CONFIG,
    "Redis": service.REDIS,
    "Journal, disk, backups": service.JOURNAL,
    "The exporter itself": service.EXPORTER,
}


def page() -> str:
    """Return the page."""
    return "\n".join([HEAD, *(line for title, metrics in GROUPS.items() for line in _group(title, metrics))])


def _group(title: str, metrics: Sequence[Metric]) -> Iterator[str]:
    yield f"## {title}\n"
    yield "| metric | labels | what it is | what to do with it |\n|---|---|---|---|"
    for metric in metrics:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        yield f"| `{metric.name}`<br>{_kind(metric)} | {labels} | {_cell(metric.help)} | {_cell(metric.use)} |"
    yield ""


def _kind(metric: Metric) -> str:
    if metric.kind is not Kind.HISTOGRAM:
        return metric.kind.value
    return f"histogram: {', '.join(f'{bound:g}' for bound in metric.buckets)}"


def _cell(words: str) -> str:
    return words.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
