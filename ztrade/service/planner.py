"""Which slots are due, which were missed, and when the next one is: a pure function of time and outcomes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from ztrade.domain.agent import Agent
from ztrade.domain.ledger import CycleKind
from ztrade.domain.schedule import Session, market_day, slots_of
from ztrade.ports import Calendar

#: the account book is taken over this long after the close, when the closing fills are booked
SETTLE_DELAY = timedelta(minutes=1)
#: no exchange closes longer than this; four days is the longest gap of the NYSE in an ordinary year
LONGEST_GAP = timedelta(days=15)


@dataclass(frozen=True, slots=True)
class Job:
    """Something an agent must do once. It may begin in [due, until); instants are exchange time."""

    agent: str
    kind: CycleKind
    slot: datetime
    due: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Plan:
    """``due`` may run now, ``missed`` never will; both oldest first. ``next_due`` is the next instant of any agent."""

    due: tuple[Job, ...]
    missed: tuple[Job, ...]
    next_due: datetime | None


def plan(now: datetime, jobs: Iterable[Job], done: Callable[[Job], bool]) -> Plan:
    """Sort the jobs by what ``now`` means for them; ``done`` tells which need nothing more."""
    due: list[Job] = []
    missed: list[Job] = []
    later: list[datetime] = []
    for job in jobs:
        if job.due > now:
            later.append(job.due)
        elif not done(job):
            (due if now < job.until else missed).append(job)
    return Plan(tuple(sorted(due, key=_order)), tuple(sorted(missed, key=_order)), min(later, default=None))


def _order(job: Job) -> tuple[datetime, str, datetime]:
    return job.due, job.agent, job.slot


def jobs(
    calendar: Calendar, agents: Sequence[Agent], since: Callable[[Agent], datetime], now: datetime
) -> Iterator[Job]:
    """Yield each agent's jobs from ``since(agent)`` on, to the end of the first session that ends after ``now``."""
    if not agents:
        return
    first = min(since(agent) for agent in agents)
    sessions = list(calendar.sessions(market_day(first), market_day(now + LONGEST_GAP)))
    for session, following in pairwise(sessions):
        for agent in agents:
            yield from (job for job in session_jobs(agent, session, following) if job.slot >= since(agent))
        if session.post_close > now and session.close + SETTLE_DELAY > now:
            return


def session_jobs(agent: Agent, session: Session, following: Session) -> Iterator[Job]:
    """Yield the jobs of one session: its slots, then the settlement, which the next session's replaces."""
    for kind in agent.sessions:
        end = session.bounds(kind)[1]
        for slot in slots_of(session, agent.every, (kind,)):
            due, until = slot + agent.delay, slot + agent.every
            # a delay may reach over the end: then the cycle runs, finds that, and says so; it was not missed
            yield Job(agent.name, CycleKind.SLOT, slot, due, min(until, end) if due < end else until)
    settle = session.close + SETTLE_DELAY
    yield Job(agent.name, CycleKind.SETTLE, session.close, settle, following.close + SETTLE_DELAY)


def is_slot(calendar: Calendar, agent: Agent, at: datetime) -> bool:
    """Tell whether ``at`` is one of the agent's slots."""
    session = calendar.session(market_day(at))
    return session is not None and at in slots_of(session, agent.every, agent.sessions)
