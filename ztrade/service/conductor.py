"""Rings for every due slot and gives every slot its outcome: what beat and the loop do, whatever the clock.

The conductor keeps nothing that matters: killed anywhere, its successor reads the journal and goes on. Two of them are
harmless, because the journal's claim decides who runs a slot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog

from ztrade.config import hard_time_limit
from ztrade.domain.agent import Agent
from ztrade.domain.missed import Why, missed
from ztrade.errors import TemporaryError
from ztrade.ports import Calendar, Clock, Journal
from ztrade.service.books import Books, Key, key
from ztrade.service.gaps import Gaps
from ztrade.service.joined import present
from ztrade.service.pace import Pace, advance, read_pace
from ztrade.service.planner import SETTLE_DELAY, Job, Plan, jobs, plan

log = structlog.get_logger("ztrade.beat")

#: wall seconds
LONGEST_SLEEP = 1.0
RETRY = 1.0
#: an unclaimed slot is rung for again after this long: Redis may have lost the message
RING_AGAIN = 60.0
STEP_PATIENCE = 60.0
CLAIM_MARGIN = 15.0
FIRST_POLL, SLOWEST_POLL, POLL_GROWTH = 0.005, 0.1, 1.25
MISSED_AT_ONCE = 200
#: in stepped time, a cycle without an outcome is rung for again after this long: its message may have died with a
#: worker, or its process, and the next claim then takes it over at once; where it lives, the message does nothing
STEP_RING_AGAIN = 5.0
#: so often a dead process' cycle is rung for before a person must look
TAKE_OVERS = 10


class Bell(Protocol):
    """Tells somebody that a job is due."""

    def ring(self, job: Job, wall_seconds: float) -> None:
        """Send the news; it is worthless after ``wall_seconds``.

        Raises:
            TemporaryError: it may not have been sent.
        """
        ...


@dataclass(slots=True)
class _Rung:
    """What this process knows about its own ringing for one job; times are monotonic wall seconds."""

    first: float
    last: float
    sent: bool = False
    trouble: str = ""
    count: int = 0
    poll: float = FIRST_POLL


class Conductor:
    """Drives the agents of one clock.

    Args:
        agents: those whose exchange time is ``clock``'s.
        monotonic: wall seconds that never go back.
        joined: tells since when an agent without any record has been at work.
    """

    def __init__(
        self,
        agents: Sequence[Agent],
        *,
        clock: Clock,
        calendar: Calendar,
        journal: Journal,
        bell: Bell,
        monotonic: Callable[[], float],
        patience: float = STEP_PATIENCE,
        joined: Callable[[Agent, datetime], datetime] = present,
    ) -> None:
        self._agents: Mapping[str, Agent] = {agent.name: agent for agent in sorted(agents, key=lambda a: a.name)}
        self._clock, self._calendar, self._bell = clock, calendar, bell
        self._monotonic, self._patience = monotonic, patience
        self._books = Books(journal, tuple(self._agents.values()), joined)
        self._rung: dict[Key, _Rung] = {}
        self._trouble, self._gaps = "", Gaps()
        self.finished = False

    @property
    def trouble(self) -> str:
        """What the schedule waits for, empty where for nothing."""
        return self._trouble

    def step(self) -> float:
        """Do what is due and return how many wall seconds to wait; never raises for an outage."""
        if not self._agents:
            return LONGEST_SLEEP
        try:
            wait = self._step(read_pace(self._clock))
        except TemporaryError as error:
            self._complain(str(error))
            self._gaps.lost(error)
            return RETRY
        self._complain("")
        return wait

    def _complain(self, trouble: str) -> None:
        if trouble and trouble != self._trouble:
            log.warning("schedule_waits", reason=trouble)
        elif self._trouble and not trouble:
            log.info("schedule_goes_on", after=self._trouble)
        self._trouble = trouble

    def _step(self, pace: Pace) -> float:
        if not self._books.opened:
            self._books.open_at(pace.now, pace.start)
        planned = self._plan(pace)
        self._gaps.seen(pace.now)
        if planned.missed:
            self._close(planned.missed[:MISSED_AT_ONCE], pace)
        if pace.stepped:
            return self._drive(planned, pace)
        for job in planned.due:
            self._ring_if_needed(job, pace)
        return self._until_next(planned, pace)

    def _plan(self, pace: Pace) -> Plan:
        agents = tuple(self._agents.values())
        now = _effective_now(pace)
        known = [
            job
            for job in jobs(self._calendar, agents, self._books.since, now)
            if pace.start is None or job.slot >= pace.start
        ]
        seen = plan(now, known, self._books.done)
        open_jobs = [*seen.missed, *seen.due]
        if open_jobs and not pace.stepped:
            self._books.refresh(min(job.slot for job in open_jobs))
            seen = plan(now, known, self._books.done)
        self._books.rise([*seen.missed, *seen.due], now)
        return seen

    # -- time that runs ------------------------------------------------------------------------------------------------
    def _until_next(self, planned: Plan, pace: Pace) -> float:
        if pace.finished and not planned.due:
            self._finish(pace)
        if planned.next_due is None:
            return LONGEST_SLEEP
        ahead = (planned.next_due - pace.now).total_seconds() / pace.speed
        return min(max(ahead, 0.001), LONGEST_SLEEP)

    def _ring_if_needed(self, job: Job, pace: Pace) -> None:
        mine = self._rung.get(key(job))
        if mine is None or self._monotonic() - mine.last >= self._interval(job, mine):
            self._ring(job, (job.until - pace.now).total_seconds() / pace.speed)

    def _interval(self, job: Job, mine: _Rung) -> float:
        if not mine.sent:
            return RETRY
        return self._claim_time(job) if self._books.running(job) else RING_AGAIN

    def _claim_time(self, job: Job) -> float:
        """Return after how many wall seconds a claim has lapsed for sure."""
        return hard_time_limit(self._agents[job.agent].every).total_seconds() + CLAIM_MARGIN

    def _ring(self, job: Job, wall_seconds: float) -> None:
        now = self._monotonic()
        mine = self._rung.setdefault(key(job), _Rung(now, now))
        mine.last, mine.count = now, mine.count + 1
        try:
            self._bell.ring(job, max(wall_seconds, 0.1))
        except TemporaryError as error:
            if not mine.trouble:
                log.warning("publish_failed", agent=job.agent, slot=job.slot, kind=job.kind, reason=str(error))
            mine.trouble = str(error)
        else:
            mine.sent, mine.trouble = True, ""
            log.debug("published", agent=job.agent, slot=job.slot, kind=job.kind)

    # -- slots whose time is over --------------------------------------------------------------------------------------
    def _close(self, missed: Sequence[Job], pace: Pace) -> None:
        for job in missed:
            reason = self._why_missed(job)
            if self._books.close(job, reason, pace.now):
                log.warning("slot_missed", agent=job.agent, slot=job.slot, kind=job.kind, reason=reason)
                self._rung.pop(key(job), None)
            else:
                self._take_over(job)

    def _why_missed(self, job: Job) -> str:
        mine = self._rung.get(key(job))
        if mine is not None and mine.trouble:
            return missed(f"{Why.NOT_SENT}: {mine.trouble}")
        away = self._gaps.why(job)
        return missed(away or (Why.BEAT_DOWN if mine is None else f"{Why.NOT_TAKEN} in its time"))

    def _take_over(self, job: Job) -> None:
        """Ring for a cycle whose process died in it: the next claim takes it over or closes it as interrupted."""
        self._books.look(job)
        mine = self._rung.setdefault(key(job), _Rung(self._monotonic(), self._monotonic()))
        if self._books.done(job):
            self._rung.pop(key(job), None)
        elif mine.count >= TAKE_OVERS:
            log.error("slot_without_outcome", agent=job.agent, slot=job.slot, kind=job.kind)
            self._books.give_up(job)
        elif self._monotonic() - mine.last >= self._claim_time(job):
            self._ring(job, self._claim_time(job))

    # -- time that is stepped ------------------------------------------------------------------------------------------
    def _drive(self, planned: Plan, pace: Pace) -> float:
        if planned.due:
            return self._await_one(planned.due[0], pace)
        return self._advance(planned.next_due, pace)

    def _await_one(self, job: Job, pace: Pace) -> float:
        mine = self._rung.get(key(job))
        record = self._books.look(job)
        if record is not None and record.outcome is not None:
            self._rung.pop(key(job), None)
            return 0.0
        if mine is None or (not mine.sent and self._monotonic() - mine.last >= RETRY):
            self._ring(job, self._patience)
            return FIRST_POLL
        if self._monotonic() - mine.first > self._patience:
            return self._out_of_patience(job, mine, pace)
        if self._monotonic() - mine.last >= STEP_RING_AGAIN:
            self._ring(job, self._patience)
        mine.poll = min(mine.poll * POLL_GROWTH, SLOWEST_POLL)
        return mine.poll

    def _out_of_patience(self, job: Job, mine: _Rung, pace: Pace) -> float:
        words = f"{Why.NOT_SENT}: {mine.trouble}" if mine.trouble else f"{Why.NO_OUTCOME} {self._patience:g} s"
        reason = missed(words)
        if self._books.close(job, reason, pace.now):
            log.warning("slot_missed", agent=job.agent, slot=job.slot, reason=reason)
        elif self._monotonic() - mine.last < STEP_RING_AGAIN:
            return SLOWEST_POLL  # somebody is at it
        elif self._monotonic() - mine.first < self._patience + 3 * self._claim_time(job):
            self._ring(job, self._claim_time(job))  # its process died: the next claim takes over
            return SLOWEST_POLL
        else:
            log.error("slot_without_outcome", agent=job.agent, slot=job.slot)
            self._books.give_up(job)
        self._rung.pop(key(job), None)
        return 0.0

    def _advance(self, to: datetime | None, pace: Pace) -> float:
        target = to if pace.until is None else min(to or pace.until, pace.until)
        if pace.finished or target is None:
            self._finish(pace)
            return LONGEST_SLEEP
        advance(self._clock, target)
        return 0.0

    def _finish(self, pace: Pace) -> None:
        if not self.finished:
            log.info("schedule_finished", at=pace.now)
        self.finished = True


def _effective_now(pace: Pace) -> datetime:
    """Return the instant to plan for: where the exchange's time has ended, the settlement falls due at once."""
    return pace.now + SETTLE_DELAY if pace.finished else pace.now
