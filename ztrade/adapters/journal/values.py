"""The form in which values are kept: money exact, instants aware, words known. Pure."""

from __future__ import annotations

import json
import math
import zlib
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

from ztrade.adapters.journal.rules import plain
from ztrade.domain.types import aware_utc
from ztrade.errors import DataError

W = TypeVar("W", bound=StrEnum)


def to_stamp(at: datetime) -> str:
    """Return ``2022-08-22T14:35:00.000000Z``: fixed width, so that the order of texts is the order of time."""
    return aware_utc(at).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def to_money(value: Decimal) -> str:
    """Return the decimal digit for digit, without an exponent.

    Raises:
        ValueError: not a number, or infinite.
    """
    if not value.is_finite():
        raise ValueError(f"{value} is no amount")
    return format(value, "f")


def to_ratio(value: float) -> float:
    """Return the number. SQLite would keep NaN as NULL, that is, lose it.

    Raises:
        ValueError: not a number, or infinite.
    """
    if not math.isfinite(value):
        raise ValueError(f"{value} is no ratio")
    return float(value)


def word(kind: type[W], text: str) -> W:
    """Return the enum's member.

    Raises:
        DataError: a newer ztrade wrote a word that this one does not know (and there is no member for others).
    """
    try:
        return kind(text)
    except ValueError:
        other = kind.__members__.get("OTHER")
        if other is not None:
            return other
        known = ", ".join(str(member) for member in kind)
        raise DataError(
            "journal",
            f"{kind.__name__} {text!r} is not known to this version of ztrade",
            why=f"it knows {known}",
            fix="run the version of ztrade that wrote it, or a newer one",
        ) from None


def to_json(value: object) -> str:
    """Return compact JSON; what JSON has no form for becomes its text."""
    return json.dumps(value, default=plain, separators=(",", ":"))


def from_json(text: str) -> object:
    """Return what :func:`to_json` wrote; most of it is empty, and half a listing's time would go into that."""
    if text == "[]":
        return []
    return {} if text == "{}" else json.loads(text)


def to_text(text: str) -> str:
    """Return text that every database takes: an exchange's odd bytes in a reason must not cost the outcome."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "")


def to_instant(text: str) -> datetime:
    """Return the instant that :func:`to_stamp` wrote."""
    return datetime.fromisoformat(text)


def pack(value: object) -> bytes:
    """Return compressed JSON. Level 1: what a higher one saves is not worth its time on the cycle's path."""
    return zlib.compress(to_json(value).encode(), 1)


def unpack(body: bytes) -> object:
    """Return what :func:`pack` was given, in plain values."""
    return json.loads(zlib.decompress(body))
