"""Durations as people write them in files: ``90s``, ``5m``, ``1h``, ``1h30m``, ``2d``."""

from __future__ import annotations

import re
from datetime import timedelta

_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", re.ASCII)
_UNIT = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
#: an instant plus or minus a longer one can leave the range of years that datetime has
_LONGEST = timedelta(days=366)


def parse_duration(text: str) -> timedelta:
    """Return the duration that ``text`` names.

    Raises:
        ValueError: it is not a sequence of numbers with the units ms, s, m, h, d, or longer than a year.
    """
    stripped = text.strip().lower()
    parts = _PART.findall(stripped)
    if not parts or "".join(number + unit for number, unit in parts) != stripped:
        raise ValueError(f"{text!r} is not a duration like 30s, 5m, 1h or 1h30m")
    seconds = sum(float(number) * _UNIT[unit] for number, unit in parts)
    if seconds > _LONGEST.total_seconds():
        raise ValueError(f"{text!r} is longer than a year")
    return timedelta(seconds=seconds)


def format_duration(duration: timedelta) -> str:
    """Return the shortest spelling that :func:`parse_duration` reads back."""
    seconds = duration.total_seconds()
    if seconds != int(seconds):
        return f"{seconds:g}s"
    rest, text = int(seconds), ""
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, length)
        text += f"{count}{unit}" if count else ""
    return text or "0s"
