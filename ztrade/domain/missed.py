"""Why nobody ran a slot: the words that are written, and the part that is to be mended. Pure.

Who closes a slot takes its words from here, so that counting by cause never parses somebody's sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

_BEGIN = "missed: "


class Cause(StrEnum):
    """The part to look at. OTHER: nothing was seen to be wrong, or nobody saw anything."""

    BEAT = "beat"
    REDIS = "redis"
    WORKER = "worker"
    JOURNAL = "journal"
    EXCHANGE = "exchange"
    OTHER = "other"


class Why(StrEnum):
    """How a reason begins."""

    BEAT_DOWN = "beat was down"
    REDIS_DOWN = "Redis was down"
    NOT_SENT = "Redis took no message"
    NOT_TAKEN = "no worker took it"
    NO_OUTCOME = "no outcome within"
    LATE = "started"
    JOURNAL_AWAY = "the journal did not answer"
    CLOCK_AWAY = "the exchange's clock did not answer"
    UNSEEN = "nothing ran, the keeper included"
    UNEXPLAINED = "everything was up, and nobody took it"


CAUSES: Mapping[Why, Cause] = {
    Why.BEAT_DOWN: Cause.BEAT,
    Why.REDIS_DOWN: Cause.REDIS,
    Why.NOT_SENT: Cause.REDIS,
    Why.NOT_TAKEN: Cause.WORKER,
    Why.NO_OUTCOME: Cause.WORKER,
    Why.LATE: Cause.WORKER,
    Why.JOURNAL_AWAY: Cause.JOURNAL,
    Why.CLOCK_AWAY: Cause.EXCHANGE,
    Why.UNSEEN: Cause.OTHER,
    Why.UNEXPLAINED: Cause.OTHER,
}


def missed(words: str) -> str:
    """Return the reason of a missed slot; ``words`` begin with one of :class:`Why`."""
    return f"{_BEGIN}{words}"


def cause_of(reason: str) -> Cause:
    """Return which part a missed slot's reason names."""
    words = reason.removeprefix(_BEGIN)
    return next((cause for why, cause in CAUSES.items() if words.startswith(why)), Cause.OTHER)
