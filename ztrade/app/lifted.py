"""Halts that nobody released, and whose flag is gone: a folder restored, emptied, or on another disk."""

from __future__ import annotations

from ztrade.app.tell import tell
from ztrade.domain.ledger import HaltRecord
from ztrade.domain.messages import Severity
from ztrade.ports import Clock, Halts, Journal


class Lifted:
    """Compares the journal's halts with the flags, which alone stop an agent."""

    def __init__(self) -> None:
        self._seen: frozenset[HaltRecord] = frozenset()

    def look(self, journal: Journal, halts: Halts, clock: Clock) -> None:
        """Tell of a halt whose flag was missed twice: a release takes the flag away before it is written down.

        Nothing is halted again: a release that could not be written would then hold for no time at all.

        Raises:
            JournalUnavailable
        """
        gone = frozenset(
            one for one in journal.halts() if not halts.reason(one.agent) and not halts.reducing(one.agent)
        )
        for record in gone & self._seen:
            _tell(journal, clock, record)
        self._seen = gone


def _tell(journal: Journal, clock: Clock, record: HaltRecord) -> None:
    who = "all agents" if record.agent == "ALL" else record.agent
    text = (
        f"Halted at {record.at:%Y-%m-%d %H:%M} UTC by {record.by}: {record.reason}. The journal knows of no release, "
        f"and the flag under STATE/halts is gone, so nothing stops it. Halt it again; `ztrade release` settles it"
    )
    key, agent = f"lifted:{record.agent}:{record.at:%Y-%m-%dT%H:%M:%S}", None if record.agent == "ALL" else record.agent
    tell(journal, clock, Severity.CRITICAL, key, f"{who}: a halt that nobody released holds no more", text, agent)
