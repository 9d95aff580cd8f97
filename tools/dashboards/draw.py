"""Draws panels as Grafana lays them out: roughly, so that a person sees what the page would show."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, DateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from tools.dashboards.ask import Asking, Series
from tools.dashboards.grid import Cell, cells
from tools.dashboards.values import COLOURS, PALETTE, UNITS, shown

BACK, PANEL, EDGE, MUTED = "#111217", "#181b1f", "#2c3235", "#8e8e99"
_COLUMN, _LINE = 60, 32
_DPI = 100
Json = Mapping[str, Any]


def page(board: Json, asking: Asking) -> Figure:
    """Return a picture of a whole dashboard."""
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"])
    figure = Figure(figsize=(24 * _COLUMN / _DPI, (height + 1) * _LINE / _DPI), dpi=_DPI, facecolor=BACK)
    figure.text(0.006, 1 - 0.5 / (height + 1), board["title"], color="white", size=12, weight="bold", va="center")
    until = datetime.fromtimestamp(asking.end, UTC)
    figure.text(0.994, 1 - 0.5 / (height + 1), f"until {until:%H:%M} UTC", color=MUTED, size=9, ha="right", va="center")
    for panel in board["panels"]:
        _panel(figure, panel, asking, height + 1)
    return figure


def _panel(figure: Figure, panel: Json, asking: Asking, lines: int) -> None:
    place = panel["gridPos"]
    left, width = place["x"] / 24, place["w"] / 24
    bottom, height = 1 - (place["y"] + 1 + place["h"]) / lines, place["h"] / lines
    title = asking.filled(panel["title"], 1)
    if panel["type"] == "row":
        figure.text(0.006, bottom + height / 2, f"▾ {title}", color="white", size=11, va="center")
        return
    gap = 0.003
    box = (left + gap, bottom + gap * 24 / lines, width - 2 * gap, height - 2 * gap * 24 / lines)
    figure.add_artist(Rectangle(box[:2], box[2], box[3], facecolor=PANEL, edgecolor=EDGE, linewidth=0.8, zorder=-1))
    figure.text(box[0] + 0.005, box[1] + box[3] - 0.42 / lines, title, color="#ccccdc", size=9, va="center")
    inside = figure.add_axes((box[0], box[1], box[2], box[3] - 0.8 / lines), facecolor="none")
    inside.set_axis_off()
    _DRAWN[panel["type"]](inside, panel, asking)


def _stat(axes: Axes, panel: Json, asking: Asking) -> None:
    found = asking.instant(panel["targets"][0]["expr"])
    defaults = panel["fieldConfig"]["defaults"]
    text, colour = shown(found[0].points[-1][1], defaults) if found else (defaults["noValue"], "text")
    if colour != "text":
        axes.add_patch(Rectangle((0.01, 0.04), 0.98, 0.94, transform=axes.transAxes, facecolor=COLOURS[colour]))
    ink = "#ccccdc" if colour == "text" else "white" if colour in ("red", "blue", "dark-red") else "#111217"
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", size=17, weight="bold", color=ink)


def _table(axes: Axes, panel: Json, asking: Asking) -> None:
    header, lines = cells(panel, asking)
    wide = [
        max(len(text) for text in (name, *(line[place].text for line in lines))) + 2
        for place, name in enumerate(header)
    ]
    edges = [sum(wide[:place]) / sum(wide) for place in range(len(wide) + 1)]
    height = 1 / max(len(lines) + 1, 5)
    for place, name in enumerate(header):
        axes.text(
            edges[place] + 0.005, 1 - height / 2, name, transform=axes.transAxes, color="#6e9fff", size=8.5, va="center"
        )
    for number, line in enumerate(lines, start=1):
        for place, cell in enumerate(line):
            box = (edges[place], 1 - (number + 1) * height, edges[place + 1] - edges[place], height)
            _cell(axes, cell, box)
    if not lines:
        axes.text(0.5, 0.5, "none", transform=axes.transAxes, color=MUTED, ha="center")


def _cell(axes: Axes, cell: Cell, box: tuple[float, float, float, float]) -> None:
    left, bottom, width, height = box
    filled = cell.colour if cell.colour and cell.colour != "text" else ""
    face = COLOURS[filled] if filled else "none"
    axes.add_patch(Rectangle((left, bottom), width, height, transform=axes.transAxes, facecolor=face, edgecolor=EDGE))
    ink = "#ccccdc" if not filled else "white" if filled in ("red", "blue") else "#111217"
    axes.text(left + 0.005, bottom + height / 2, cell.text, transform=axes.transAxes, color=ink, size=8.5, va="center")


def _bars(axes: Axes, panel: Json, asking: Asking) -> None:
    target, defaults = panel["targets"][0], panel["fieldConfig"]["defaults"]
    found = asking.instant(target["expr"])
    height = 1 / max(len(found), 1)
    for place, series in enumerate(found):
        value, middle = series.points[-1][1], 1 - (place + 0.5) * height
        text, colour = shown(value, defaults)
        low, high = defaults.get("min", 0), defaults.get("max", max(abs(value), 1))
        share = min(1.0, max(0.0, (value - low) / (high - low)))
        at = axes.transAxes
        axes.text(
            0.24,
            middle,
            named(target["legendFormat"], series),
            transform=at,
            color="#ccccdc",
            size=9,
            ha="right",
            va="center",
        )
        axes.add_patch(Rectangle((0.26, middle - height * 0.3), 0.6, height * 0.6, transform=at, facecolor="#22252b"))
        axes.add_patch(
            Rectangle((0.26, middle - height * 0.3), 0.6 * share, height * 0.6, transform=at, facecolor=COLOURS[colour])
        )
        axes.text(0.88, middle, text, transform=at, color=COLOURS[colour], size=10, weight="bold", va="center")


def _timeline(axes: Axes, panel: Json, asking: Asking) -> None:
    inner = _inner(axes, left=0.16)
    target, defaults = panel["targets"][0], panel["fieldConfig"]["defaults"]
    found, every = asking.over_time(target["expr"])
    names = [named(target["legendFormat"], series) for series in found]
    for place, series in enumerate(found):
        for colour, begin, end in _bands(series, every, defaults):
            band = [(_when(begin), (end - begin) / 86_400)]
            inner.broken_barh(band, (place - 0.4, 0.8), facecolor=COLOURS[colour], linewidth=0)
    inner.set_yticks(range(len(names)), [name.removesuffix(".service") for name in names])
    inner.invert_yaxis()
    _over_time(inner, asking)


def _bands(series: Series, every: int, field: Json) -> Iterator[tuple[str, float, float]]:
    """Yield colour, begin and end of each stretch of one colour without a gap."""
    colour, begin, end = "", 0.0, 0.0
    for instant, value in series.points:
        is_now = shown(value, field)[1]
        if colour and (is_now != colour or instant > end):
            yield colour, begin, end
            colour = ""
        colour, begin, end = is_now, begin if colour else instant, instant + every
    if colour:
        yield colour, begin, end


def _graph(axes: Axes, panel: Json, asking: Asking) -> None:
    inner, defaults = _inner(axes), panel["fieldConfig"]["defaults"]
    least = int(float(panel.get("interval", "0m")[:-1]) * {"m": 60, "h": 3600}[panel.get("interval", "0m")[-1]])
    drawn: list[tuple[str, Series, int]] = []
    for target in panel["targets"]:
        found, every = asking.over_time(target["expr"], least)
        drawn += [(named(target["legendFormat"], series), series, every) for series in found]
    drawn.sort(key=lambda one: one[0])
    _bar_series(inner, panel, drawn) if defaults["custom"].get("drawStyle") == "bars" else _line_series(
        inner, panel, drawn
    )
    steps = defaults["thresholds"]["steps"]
    for edge in steps[1:] if defaults["custom"].get("thresholdsStyle") else ():
        inner.axhline(edge["value"], color=COLOURS[edge["color"]], linestyle="--", linewidth=0.8)
    inner.yaxis.set_major_formatter(
        FuncFormatter(lambda value, _place: UNITS[defaults["unit"]](value, defaults.get("decimals")))
    )
    inner.yaxis.set_major_locator(MaxNLocator(5, integer=defaults["unit"] == "none"))
    _limits(inner, defaults)
    _over_time(inner, asking)
    if drawn:
        _legend(axes, inner)
    else:
        inner.text(0.5, 0.5, "No data", transform=inner.transAxes, color=MUTED, ha="center")


def _line_series(inner: Axes, panel: Json, drawn: Sequence[tuple[str, Series, int]]) -> None:
    stepped = panel["fieldConfig"]["defaults"]["custom"].get("lineInterpolation") == "stepAfter"
    for (name, series, _every), colour in zip(drawn, PALETTE * 5, strict=False):
        times, values = [_when(t) for t, _v in series.points], [v for _t, v in series.points]
        inner.plot(
            times, values, color=colour, linewidth=1.3, label=name, drawstyle="steps-post" if stepped else "default"
        )
        if len(drawn) == 1:
            inner.fill_between(times, values, min(values), color=colour, alpha=0.08, step="post" if stepped else None)


def _bar_series(inner: Axes, panel: Json, drawn: Sequence[tuple[str, Series, int]]) -> None:
    fixed = {
        o["matcher"]["options"]: o["properties"][0]["value"]["fixedColor"] for o in panel["fieldConfig"]["overrides"]
    }
    base: dict[float, float] = {}
    for (name, series, every), colour in zip(drawn, PALETTE * 5, strict=False):
        points = [(t, v) for t, v in series.points if v == v]
        inner.bar(
            [_when(t) for t, _v in points],
            [v for _t, v in points],
            -every * 0.9 / 86_400,
            bottom=[base.get(t, 0) for t, _v in points],
            align="edge",
            color=COLOURS[fixed[name]] if name in fixed else colour,
            label=name if any(v for _t, v in points) else None,
        )
        base |= {t: base.get(t, 0) + v for t, v in points}


def _limits(inner: Axes, defaults: Json) -> None:
    low, high = inner.get_ylim()
    inner.set_ylim(defaults.get("min", low), defaults.get("max", max(high, 1) if defaults["unit"] == "none" else high))


def _inner(axes: Axes, left: float = 0.085) -> Axes:
    """Return axes with room for labels within a panel's."""
    high = axes.get_window_extent().height
    made = axes.inset_axes((left, 42 / high, 0.985 - left, 1 - 52 / high), facecolor="none")
    made.tick_params(colors=MUTED, labelsize=8, length=0)
    made.grid(color="#2a2d33", linewidth=0.6)
    made.set_axisbelow(True)
    for spine in made.spines.values():
        spine.set_visible(False)
    return made


def _over_time(inner: Axes, asking: Asking) -> None:
    inner.set_xlim(_when(asking.begin), _when(asking.end))
    inner.xaxis.set_major_formatter(DateFormatter("%H:%M", tz=UTC))
    inner.xaxis.set_major_locator(AutoDateLocator(tz=UTC, minticks=4, maxticks=9))


def _legend(axes: Axes, inner: Axes) -> None:
    handles, labels = inner.get_legend_handles_labels()
    axes.legend(
        handles, labels, loc="lower left", bbox_to_anchor=(0.07, -0.02), ncols=8, frameon=False, fontsize=8,
        labelcolor="#ccccdc", handlelength=1.2, columnspacing=1.2,
    )  # fmt: skip


def _when(instant: float) -> float:
    return float(date2num(datetime.fromtimestamp(instant, UTC)))


def named(legend: str, series: Series) -> str:
    """Return the name of a series as its legend's format says."""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: series.labels.get(found[1], ""), legend)


_DRAWN: Mapping[str, Callable[[Axes, Json, Asking], None]] = {
    "stat": _stat,
    "table": _table,
    "bargauge": _bars,
    "state-timeline": _timeline,
    "timeseries": _graph,
}
