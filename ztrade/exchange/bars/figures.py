"""Reads prices and volumes as programs in several countries write them, and says why a text is not one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite

_PLAIN = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")
_GROUPED = re.compile(r"[-+]?\d{1,3}([,' \u00a0\u202f]\d{3})+(\.\d*)?")
#: a comma that cannot stand between thousands: it must be a decimal mark
_DECIMAL_COMMA = re.compile(r"[-+]?\d*,(\d{1,2}|\d{4,})|[-+]?\d{1,3}(\.\d{3})+,\d*|[-+]?(0|\d{4,}),\d+")
_DECIMAL_POINT = re.compile(r"[-+]?[\d,]*\.(\d{1,2}|\d{4,})|[-+]?\d{1,3}(,\d{3})+\.\d*|[-+]?(0|\d{4,})\.\d+")
_SWAP = str.maketrans(",.", ".,")


def decimal_comma(samples: Iterable[str]) -> bool | None:
    """Tell whether the file writes 439,92 (True) or 439.92 (False); None where its commas could mean either."""
    texts = [text for text in samples if "," in text or "." in text]
    if any(_DECIMAL_COMMA.fullmatch(text) for text in texts):
        return True
    if any(_DECIMAL_POINT.fullmatch(text) for text in texts) or not any("," in text for text in texts):
        return False
    return None


def read_number(text: str, comma: bool = False) -> tuple[float, str]:
    """Return the number, and its digits in plain writing (439.92) with nothing rounded.

    Raises:
        ValueError: it is not a finite number; the message is a phrase for people.
    """
    plain = text.translate(_SWAP) if comma else text
    if not _PLAIN.fullmatch(plain):
        if not _GROUPED.fullmatch(plain):
            raise ValueError("is empty" if not text else f"{text[:40]!r} is not a number")
        plain = re.sub(r"[,' \u00a0\u202f]", "", plain)
    value = float(plain)
    if not isfinite(value):
        raise ValueError(f"{text[:40]!r} is too large")
    return value, plain


@dataclass(frozen=True, slots=True)
class Prices:
    """The five numbers of a bar."""

    open: float
    high: float
    low: float
    close: float
    volume: float


def price_fault(bar: Prices) -> str:
    """Return why these numbers cannot be a bar; empty when they can."""
    for name in ("open", "high", "low", "close"):
        if getattr(bar, name) <= 0:
            return f"{name} {getattr(bar, name):g} is not above zero"
    if bar.high < max(bar.open, bar.low, bar.close):
        return f"high {bar.high:g} is below open, low or close ({bar.open:g}, {bar.low:g}, {bar.close:g})"
    if bar.low > min(bar.open, bar.close):
        return f"low {bar.low:g} is above open or close ({bar.open:g}, {bar.close:g})"
    return f"volume {bar.volume:g} is negative" if bar.volume < 0 else ""
