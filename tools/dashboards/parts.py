"""The kinds of panel that the dashboards are made of, and the page around them.

A panel says what to do with it: in words of its own, or else in those of the first metric in its expression.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, statetimeline, timeseries
from grafana_foundation_sdk.models import common as shapes
from grafana_foundation_sdk.models import dashboard as grafana

from ztrade.service.exporter.catalogue import METRICS

SOURCE = grafana.DataSourceRef(type_val="prometheus", uid="${datasource}")
#: (from this value on, colour); the first holds from minus infinity
Steps = Sequence[tuple[float, str]]
#: value -> (word, colour)
Words = Mapping[int, tuple[str, str]]

PLAIN: Steps = ((0, "text"),)
ZERO_IS_WELL: Steps = ((0, "green"), (1, "red"))
LOSS_IS_RED: Steps = ((0, "red"), (0, "green"))
YES: Words = {0: ("no", "red"), 1: ("yes", "green")}
ON_OFF: Words = {0: ("no", "green"), 1: ("YES", "red")}

_METRIC = re.compile(r"\b((?:ztrade_\w+|up)\b)(\{([^}]*)\})?(?!\s*\()")
_OUTCOMES = {
    "held": "blue",
    "entered": "green",
    "exited": "dark-green",
    "proposed": "light-blue",
    "observed": "super-light-blue",
    "settled": "super-light-green",
    "closed": "gray",
    "halted": "dark-yellow",
    "blocked": "yellow",
    "rejected": "orange",
    "unknown": "purple",
    "interrupted": "dark-orange",
    "failed": "red",
    "missed": "dark-red",
}


def here(expression: str) -> str:
    """Confine each of ztrade's metrics in an expression to the chosen instance."""

    def confined(found: re.Match[str]) -> str:
        others = f",{found[3]}" if found[3] else ""
        return f'{found[1]}{{instance="$instance"{others}}}'

    return _METRIC.sub(confined, expression)


def metrics_in(expression: str) -> list[str]:
    """Return the names of ztrade's metrics in an expression, as the catalogue spells them."""
    names = re.findall(r"\bztrade_\w+", expression)
    return [name if name in METRICS else re.sub(r"_(bucket|sum|count)$", "", name) for name in names]


@dataclass(frozen=True, slots=True)
class Look:
    """How values are shown: Grafana's unit, colours by value, words instead of values, the axis."""

    unit: str
    steps: Steps = PLAIN
    words: Words | None = None
    decimals: int | None = None
    low: float | None = None
    high: float | None = None


Builder = stat.Panel | timeseries.Panel | bargauge.Panel | statetimeline.Panel
Panel = TypeVar("Panel", stat.Panel, timeseries.Panel, bargauge.Panel, statetimeline.Panel)


def one(
    title: str, expression: str, look: Look, use: str = "", width: int = 4, height: int = 4, absent: str = "unknown"
) -> stat.Panel:
    """Return a panel with one big value, its background in the colour of the value, or with what its absence means."""
    made = stat.Panel().text_mode(shapes.BigValueTextMode.VALUE).graph_mode(shapes.BigValueGraphMode.NONE)
    made = made.color_mode(shapes.BigValueColorMode.BACKGROUND_SOLID).reduce_options(_last()).no_value(absent)
    made = made.color_scheme(_by_value()).with_target(_query("A", expression, title, instant=True))
    return _finished(made, title, [expression], look, use, (width, height))


def bars(
    title: str, expression: str, legend: str, look: Look, use: str = "", size: tuple[int, int] = (12, 7)
) -> Builder:
    """Return a panel with a bar for each series, as it is now."""
    made = bargauge.Panel().display_mode(shapes.BarGaugeDisplayMode.BASIC).orientation(shapes.VizOrientation.HORIZONTAL)
    made = made.reduce_options(_last()).color_scheme(_by_value()).no_value("none")
    made = made.with_target(_query("A", expression, legend, instant=True))
    return _finished(made, title, [expression], look, use, size)


def timeline(title: str, expression: str, legend: str, look: Look, use: str = "", width: int = 12) -> Builder:
    """Return a panel with a coloured band for each series."""
    made = statetimeline.Panel().show_value(shapes.VisibilityMode.NEVER).merge_values(True).row_height(0.8)
    made = made.color_scheme(_by_value()).legend(_legend()).with_target(_query("A", expression, legend))
    return _finished(made, title, [expression], look, use, (width, 7))


def graph(
    title: str,
    queries: Mapping[str, str],
    look: Look,
    use: str = "",
    *,
    size: tuple[int, int] = (12, 8),
    style: Literal["line", "step", "bars"] = "line",
    every: str = "",
) -> Builder:
    """Return a panel with lines over time, or stacked bars; ``queries`` are legend -> expression.

    Steps beyond the first are drawn as dashed lines. ``every`` is the least distance of two points.
    """
    made = timeseries.Panel().legend(_legend()).tooltip(_tooltip()).fill_opacity(8).line_width(1.5)
    made = made.show_points(shapes.VisibilityMode.NEVER).color_scheme(_by_name())
    if style == "bars":
        made = made.draw_style(shapes.GraphDrawStyle.BARS).fill_opacity(80).line_width(0)
        made = made.stacking(common.StackingConfig().mode(shapes.StackingMode.NORMAL))
        for outcome, colour in _OUTCOMES.items():
            made = made.override_by_name(outcome, [_fixed(colour)])
    if style == "step":
        made = made.line_interpolation(shapes.LineInterpolation.STEP_AFTER)
    if len(look.steps) > 1:
        dashed = common.GraphThresholdsStyleConfig().mode(shapes.GraphThresholdsStyleMode.DASHED)
        made = made.thresholds_style(dashed)
    if every:
        made = made.interval(every)
    for number, (legend, expression) in enumerate(queries.items()):
        made = made.with_target(_query(chr(ord("A") + number), expression, legend))
    return _finished(made, title, list(queries.values()), look, use, size)


def _finished(
    made: Panel, title: str, expressions: Sequence[str], look: Look, use: str, size: tuple[int, int]
) -> Panel:
    made = made.title(title).description(use or METRICS[metrics_in(expressions[0])[0]].use).datasource(SOURCE)
    made = made.unit(look.unit).thresholds(steps(look.steps)).span(size[0]).height(size[1])
    if look.words is not None:
        made = made.mappings([words(look.words)])
    if look.decimals is not None:
        made = made.decimals(look.decimals)
    if look.low is not None:
        made = made.min(look.low)
    return made if look.high is None else made.max(look.high)


def _query(ref: str, expression: str, legend: str, *, instant: bool = False) -> prometheus.Dataquery:
    made = prometheus.Dataquery().expr(here(expression)).legend_format(legend).ref_id(ref).datasource(SOURCE)
    return made.instant() if instant else made.range()


# -- small things ------------------------------------------------------------------------------------------------------
def steps(given: Steps) -> dashboard.ThresholdsConfig:
    """Return Grafana's thresholds."""
    made = [
        grafana.Threshold(value=value if place else None, color=colour) for place, (value, colour) in enumerate(given)
    ]
    return dashboard.ThresholdsConfig().mode(grafana.ThresholdsMode.ABSOLUTE).steps(made)


def words(given: Words) -> grafana.ValueMap:
    """Return Grafana's mapping of values to words."""
    return grafana.ValueMap(
        options={
            str(value): grafana.ValueMappingResult(text=text, color=colour, index=place)
            for place, (value, (text, colour)) in enumerate(given.items())
        }
    )


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).values(False)


def _legend() -> common.VizLegendOptions:
    made = common.VizLegendOptions().display_mode(shapes.LegendDisplayMode.LIST).show_legend(True)
    return made.placement(shapes.LegendPlacement.BOTTOM).calcs([])


def _tooltip() -> common.VizTooltipOptions:
    return common.VizTooltipOptions().mode(shapes.TooltipDisplayMode.MULTI).sort(shapes.SortOrder.DESCENDING)


def _by_value() -> dashboard.FieldColor:
    return dashboard.FieldColor().mode(grafana.FieldColorModeId.THRESHOLDS)


def _by_name() -> dashboard.FieldColor:
    return dashboard.FieldColor().mode(grafana.FieldColorModeId.PALETTE_CLASSIC_BY_NAME)


def _fixed(colour: str) -> grafana.DynamicConfigValue:
    return grafana.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": colour})
