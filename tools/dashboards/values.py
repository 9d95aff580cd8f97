"""Values as Grafana shows them: units, colours, words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

COLOURS = {
    "text": "#ccccdc",
    "gray": "#8e8e99",
    "green": "#73bf69",
    "dark-green": "#37872d",
    "super-light-green": "#c8f2c2",
    "blue": "#5794f2",
    "light-blue": "#8ab8ff",
    "super-light-blue": "#c0d8ff",
    "yellow": "#f2cc0c",
    "dark-yellow": "#e0b400",
    "orange": "#ff9830",
    "dark-orange": "#fa6400",
    "red": "#f2495c",
    "dark-red": "#c4162a",
    "purple": "#b877d9",
}
#: one for each series, in the order of their names
PALETTE = ("#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#b877d9", "#5794f2", "#37872d", "#fade2a", "#c0d8ff")


def _seconds(value: float, decimals: int | None) -> str:
    for size, word in ((86_400, "days"), (3600, "hours"), (60, "mins")):
        if abs(value) >= size:
            return f"{value / size:.{1 if decimals is None else decimals}f} {word}"
    return f"{value:.{2 if decimals is None else decimals}f} s" if abs(value) >= 1 else f"{value * 1000:.0f} ms"


def _bytes(value: float, decimals: int | None) -> str:
    for size, word in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if value >= size:
            return f"{value / size:.{1 if decimals is None else decimals}f} {word}"
    return f"{value:.0f} B"


def _dollars(value: float, decimals: int | None) -> str:
    sign, size = ("-" if value < 0 else ""), abs(value)
    return f"{sign}${size / 1000:.2f}K" if size >= 1000 else f"{sign}${size:.{2 if decimals is None else decimals}f}"


def _share(value: float, decimals: int | None) -> str:
    return f"{value * 100:.{1 if decimals is None else decimals}f}%"


def _plain(value: float, decimals: int | None) -> str:
    return f"{value:.{decimals}f}" if decimals is not None and value != int(value) else f"{value:g}"


UNITS: Mapping[str, Callable[[float, int | None], str]] = {
    "none": _plain,
    "s": _seconds,
    "bytes": _bytes,
    "currencyUSD": _dollars,
    "percentunit": _share,
}


def shown(value: float, field: Mapping[str, Any]) -> tuple[str, str]:
    """Return the text and the name of the colour of a value by a field's configuration."""
    for mapping in field.get("mappings", ()):
        if value == int(value) and str(int(value)) in mapping["options"]:
            found = mapping["options"][str(int(value))]
            return found["text"], found["color"]
    return UNITS[field["unit"]](value, field.get("decimals")), step(value, field["thresholds"]["steps"])


def step(value: float, steps: Sequence[Mapping[str, Any]]) -> str:
    """Return the colour of the highest step that a value reaches."""
    return next(str(s["color"]) for s in reversed(steps) if s["value"] is None or value >= s["value"])
