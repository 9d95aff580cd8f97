"""Slots without a cycle: closed as missed with their cause, whatever became of beat."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

import structlog

from ztrade.domain.agent import Agent
from ztrade.domain.ledger import CycleKind
from ztrade.domain.missed import missed
from ztrade.errors import TemporaryError
from ztrade.ports import Calendar, Clock, Journal
from ztrade.service.books import Books
from ztrade.service.gaps import Gaps
from ztrade.service.joined import present
from ztrade.service.pace import Pace, read_pace
from ztrade.service.planner import Job, jobs, plan

log = structlog.get_logger("ztrade.keeper")

#: wall seconds after a slot's window in which beat closes it itself, or its worker still writes the outcome
GRACE = 15.0


class Sweeper:
    """Closes the missed slots of the agents of one clock.

    Args:
        agents: those whose exchange time is ``clock``'s.
        cause: says why nobody ran a job.
        joined: tells since when an agent without any record has been at work.
    """

    def __init__(
        self,
        agents: Sequence[Agent],
        *,
        clock: Clock,
        calendar: Calendar,
        journal: Journal,
        cause: Callable[[Job], str],
        joined: Callable[[Agent, datetime], datetime] = present,
    ) -> None:
        self._agents, self._clock, self._calendar, self._cause = tuple(agents), clock, calendar, cause
        self._books, self._gaps = Books(journal, self._agents, joined), Gaps()

    def sweep(self) -> Sequence[tuple[Job, str]]:
        """Close what is missed by now; returns it with its reasons.

        Raises:
            ExchangeUnavailable: the clock does not answer, so nobody knows what is due.
            JournalUnavailable: the journal cannot be read or written.
        """
        try:
            return self._sweep()
        except TemporaryError as error:
            self._gaps.lost(error)
            raise

    def _sweep(self) -> Sequence[tuple[Job, str]]:
        pace = read_pace(self._clock)
        if pace.stepped:
            # time stands until beat has an outcome for each slot: nothing can be missed behind its back
            return []
        if not self._books.opened:
            self._books.open_at(pace.now, pace.start)
        return list(self._closed(pace))

    def _closed(self, pace: Pace) -> Iterator[tuple[Job, str]]:
        late = pace.now - timedelta(seconds=GRACE * pace.speed)
        known = [job for job in self._known(late) if pace.start is None or job.slot >= pace.start]
        over = plan(late, known, self._books.done).missed
        if over:
            self._books.refresh(min(job.slot for job in over))
        self._gaps.seen(pace.now)
        for job in plan(late, known, self._books.done).missed:
            reason = missed(self._gaps.why(job) or self._cause(job))
            if job.kind is CycleKind.SLOT and self._books.close(job, reason, pace.now):
                yield job, reason
            elif not self._books.running(job):
                self._books.give_up(job)
        self._books.rise([job for job in known if not self._books.done(job)], late)

    def _known(self, now: datetime) -> Iterator[Job]:
        return jobs(self._calendar, self._agents, self._books.since, now)
