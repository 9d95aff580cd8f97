"""Celery's events as they arrive: anybody may send anything, so nothing is believed before it was looked at."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from typing import Any

#: bytes; a worker puts at most 24 events into one message
LONGEST = 4_000_000
#: a name, an id, a host
_LONGEST_TEXT = 250
#: seconds, or a count; what is beyond is nonsense
_MOST = 1e12


class Unknown(Exception):
    """An event that cannot be counted, and why: its form, type, task or agent."""

    def __init__(self, what: str, sample: object = "") -> None:
        super().__init__(what)
        self.what, self.sample = what, sample


def unpacked(data: bytes) -> list[Any]:
    """Return the events of one message of Redis, as kombu packs them.

    Raises:
        Unknown: it is no such message.
    """
    try:
        if len(data) > LONGEST:
            raise ValueError("too long")
        envelope = json.loads(data)
        body = envelope["body"]
        if envelope["properties"].get("body_encoding") == "base64":
            body = base64.b64decode(body)
        events = json.loads(body)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise Unknown("form", data[:100]) from None
    return events if isinstance(events, list) else [events]


def text(event: Mapping[str, Any], name: str) -> str:
    """Return a field of text. Raises Unknown."""
    value = event.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_TEXT:
        raise Unknown("form", f"{name}={str(value)[:50]}")
    return value


def number(event: Mapping[str, Any], name: str) -> float:
    """Return a field that is a number, not negative. Raises Unknown."""
    value = event.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unknown("form", f"{name}={str(value)[:50]}")
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if not 0 <= found <= _MOST:
        raise Unknown("form", name)
    return found
