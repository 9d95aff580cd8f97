"""How long the oldest message of a list has waited: by what it carries, else since it was first seen there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress

from ztrade.service import names

#: bytes; a message of ours has a few hundred
_LONGEST = 1_000_000


def sent_at(message: bytes) -> float | None:
    """Return when a message was sent, Unix time; None where it does not tell."""
    with suppress(ValueError, TypeError, KeyError, RecursionError, OverflowError):
        at = float(json.loads(message[:_LONGEST])["headers"][names.SENT_AT])
        return at if at >= 0 else None
    return None


class Waiting:
    """Remembers, for each list, the oldest message and since when it is that."""

    def __init__(self) -> None:
        self._seen: Mapping[str, tuple[bytes, float]] = {}

    def ages(self, oldest: Mapping[str, bytes], now: float) -> Mapping[str, float]:
        """Return the age in wall seconds of the oldest message of each list; ``now`` is Unix time."""
        self._seen = {name: self._since(name, message, now) for name, message in oldest.items()}
        return {name: max(now - since, 0.0) for name, (_, since) in self._seen.items()}

    def _since(self, name: str, message: bytes, now: float) -> tuple[bytes, float]:
        told = sent_at(message)
        # one of tomorrow would be young for as long as it lies there
        if told is not None and told <= now:
            return b"", told
        mark = hashlib.sha256(message).digest()
        before = self._seen.get(name)
        return before if before is not None and before[0] == mark else (mark, now)
