"""What the journal knows of the slots, as far as planning needs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from ztrade.domain.agent import Agent
from ztrade.domain.ledger import CycleKind, CycleRecord, Outcome
from ztrade.ports import Journal
from ztrade.service.joined import present
from ztrade.service.planner import Job

#: how far back a new beat looks for slots that nobody ran
LOOKBACK = timedelta(days=30)
_KINDS = (CycleKind.SLOT, CycleKind.SETTLE)
Key = tuple[str, CycleKind, datetime]


def key(job: Job) -> Key:
    """Return what identifies a job in the journal."""
    return job.agent, job.kind, job.slot


class Books:
    """Outcomes read from the journal, and per agent the instant before which nothing is open.

    Args:
        joined: tells since when an agent without any record has been at work.
    """

    def __init__(
        self, journal: Journal, agents: Sequence[Agent], joined: Callable[[Agent, datetime], datetime] = present
    ) -> None:
        self._journal, self._agents, self._joined = journal, agents, joined
        self._finished: set[Key] = set()
        self._running: set[Key] = set()
        self._floor: dict[str, datetime] = {}

    def open_at(self, now: datetime, start: datetime | None) -> None:
        """Read the past once: duties begin with the oldest cycle still running, else at the newest known one.

        A slot is closed before the next one is rung for, so nothing older than the newest known one is open. Without
        any record they begin with the exchange's own start, or when the agent joined.

        Raises:
            JournalUnavailable: the journal cannot be read; ask again later.
        """
        since = max(now - LOOKBACK, start) if start else now - LOOKBACK
        mine = {agent.name for agent in self._agents}
        records = self._journal.cycles(since=since)
        known = [record for record in records if record.kind in _KINDS and record.agent in mine]
        self._note(known)
        # an exchange whose beginning is known owes every slot since; an agent that joins others begins now
        joined = {agent.name: self._joined(agent, now) for agent in self._agents}
        self._floor = {
            name: _first_duty([one for one in known if one.agent == name], since if start and not known else seen)
            for name, seen in joined.items()
        }

    @property
    def opened(self) -> bool:
        return bool(self._floor) or not self._agents

    def since(self, agent: Agent) -> datetime:
        """Return the instant before which nothing of the agent is open."""
        return self._floor[agent.name]

    def rise(self, open_jobs: Sequence[Job], now: datetime) -> None:
        """Forget everything before the oldest job that is still open."""
        oldest: dict[str, datetime] = {}
        for job in open_jobs:
            oldest[job.agent] = min(job.slot, oldest.get(job.agent, job.slot))
        for name in self._floor:
            # a slot may fall due long after its instant (its delay), never a day after
            self._floor[name] = max(self._floor[name], oldest.get(name, now - timedelta(days=1)))
        bottom = min(self._floor.values(), default=now)
        self._finished = {entry for entry in self._finished if entry[2] >= bottom}

    def refresh(self, since: datetime) -> None:
        """Read what happened to slots from ``since`` on. Raises JournalUnavailable."""
        self._note(self._journal.cycles(since=since))

    def look(self, job: Job) -> CycleRecord | None:
        """Read one job's record. Raises JournalUnavailable."""
        found = self._journal.cycles(agent=job.agent, since=job.slot, until=job.slot, kind=job.kind)
        self._note(found)
        return found[-1] if found else None

    def close(self, job: Job, reason: str, now: datetime) -> bool:
        """Write that nobody ran the job; False when somebody did or does. Raises JournalUnavailable."""
        if job.kind is CycleKind.SETTLE:
            # the next settlement reads the account book from where the last one stopped
            self._finished.add(key(job))
            return True
        closed = self._journal.close_slot(job.agent, job.slot, Outcome.MISSED, reason, now)
        if closed:
            self._finished.add(key(job))
        return closed

    def give_up(self, job: Job) -> None:
        """Ask no more for this job."""
        self._finished.add(key(job))

    def done(self, job: Job) -> bool:
        """Tell whether the job has its outcome."""
        return key(job) in self._finished

    def running(self, job: Job) -> bool:
        """Tell whether somebody had claimed the job when the journal was last read."""
        return key(job) in self._running

    def _note(self, records: Sequence[CycleRecord]) -> None:
        for record in records:
            if record.kind not in _KINDS:
                continue
            entry = (record.agent, record.kind, record.slot)
            if record.outcome is None:
                self._running.add(entry)
            else:
                self._running.discard(entry)
                self._finished.add(entry)


def _first_duty(known: Sequence[CycleRecord], first: datetime) -> datetime:
    running = [record.slot for record in known if record.outcome is None]
    return min(running) if running else max((record.slot for record in known), default=first)
