"""The forms in which counters and histograms are asked for: legend -> expression, as a graph takes them."""

from __future__ import annotations


def of(metric: str, only: str = "") -> str:
    """Return the metric, confined to labels where ``only`` names some."""
    return f"{metric}{{{only}}}" if only else metric


def grown(metric: str, *labels: str, only: str = "") -> dict[str, str]:
    """Return how much a counter grew from one point of the graph to the next, by labels."""
    legend = " ".join(f"{{{{{label}}}}}" for label in labels)
    return {legend: f"sum by ({', '.join(labels)}) (increase({of(metric, only)}[$__interval]))"}


def worst(metric: str, label: str, window: str = "1h") -> dict[str, str]:
    """Return the 95th percentile of a histogram by a label; few slots an hour need a long window."""
    counted = f"sum by ({label}, le) (increase({metric}_bucket[{window}]))"
    return {f"{{{{{label}}}}}": f"histogram_quantile(0.95, {counted})"}


def quantiles(metric: str, window: str = "1h", only: str = "") -> dict[str, str]:
    """Return the median and the 95th percentile of a histogram."""
    counted = f"sum by (le) (increase({of(f'{metric}_bucket', only)}[{window}]))"
    return {name: f"histogram_quantile({share}, {counted})" for name, share in (("half", 0.5), ("95 %", 0.95))}
