"""What a table shows: its queries' answers, put together as its transformations say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tools.dashboards.ask import Asking
from tools.dashboards.values import shown


@dataclass(frozen=True, slots=True)
class Cell:
    """A text, and the name of the colour behind it; empty: none."""

    text: str
    colour: str = ""


def cells(panel: Mapping[str, Any], asking: Asking) -> tuple[list[str], list[list[Cell]]]:
    """Return the headings and the rows of a table."""
    does = {one["id"]: one["options"] for one in panel["transformations"]}
    order: list[str] = sorted(does["organize"]["indexByName"], key=does["organize"]["indexByName"].__getitem__)
    found = _joined(panel, asking, does.get("joinByField", {}).get("byField", ""))
    # a label that no series has makes no column
    order = [name for name in order if any(name in row for row in found)]
    headings = [does["organize"]["renameByName"].get(name, name) for name in order]
    fields = [_field(panel, heading) for heading in headings]
    return headings, [[_cell(row.get(name), field) for name, field in zip(order, fields, strict=True)] for row in found]


def _joined(panel: Mapping[str, Any], asking: Asking, key: str) -> list[dict[str, str | float]]:
    """Return the rows: one for each series, or with a key one for each of its values."""
    rows: dict[str, dict[str, str | float]] = {}
    for target in panel["targets"]:
        for number, series in enumerate(asking.instant(target["expr"])):
            row = rows.setdefault(series.labels[key] if key else str(number), {})
            row.update(series.labels)
            row[f"Value #{target['refId']}" if len(panel["targets"]) > 1 else "Value"] = series.points[-1][1]
    return [rows[name] for name in sorted(rows)]


def _field(panel: Mapping[str, Any], heading: str) -> dict[str, Any]:
    field = dict(panel["fieldConfig"]["defaults"])
    for override in panel["fieldConfig"]["overrides"]:
        if override["matcher"]["options"] == heading:
            field |= {one["id"]: one["value"] for one in override["properties"]}
    return field


def _cell(value: str | float | None, field: Mapping[str, Any]) -> Cell:
    if value is None:
        return Cell("")
    if isinstance(value, str):
        return Cell(value)
    text, colour = shown(value, field)
    return Cell(text, colour if "custom.cellOptions" in field else "")
