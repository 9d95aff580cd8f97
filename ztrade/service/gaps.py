"""When exchange time or the journal could not be read: slots of such a time were missed for that reason."""

from __future__ import annotations

from collections import deque
from datetime import datetime

from ztrade.domain.missed import Why
from ztrade.errors import ExchangeUnavailable, JournalUnavailable, TemporaryError
from ztrade.service.planner import Job

#: gaps; the oldest explain nothing any more
KEPT = 20


class Gaps:
    """Gaps between two looks at one clock and the journal that succeeded; instants are that clock's."""

    def __init__(self) -> None:
        self._seen: datetime | None = None
        self._away = ""
        self._gaps: deque[tuple[datetime, datetime, str]] = deque(maxlen=KEPT)

    def lost(self, error: TemporaryError) -> None:
        """Note that a look failed; the first failure is the one that explains."""
        kind = Why.JOURNAL_AWAY if isinstance(error, JournalUnavailable) else None
        kind = Why.CLOCK_AWAY if isinstance(error, ExchangeUnavailable) else kind
        if kind is not None and not self._away:
            self._away = f"{kind}: {error}"

    def seen(self, now: datetime) -> None:
        """Note that a look succeeded at ``now``."""
        if self._away and self._seen is not None:
            self._gaps.append((self._seen, now, self._away))
        self._away, self._seen = "", now

    def why(self, job: Job) -> str:
        """Return what was away nearly all the time in which the job could begin; empty where nothing was.

        Its first quarter may be before: a message had been sent, and no worker could do anything with it.
        """
        latest = job.due + (job.until - job.due) / 4
        covering = (words for begin, end, words in self._gaps if begin <= latest and job.until <= end)
        return next(covering, "")
