"""Where each agent stands in its day: by the calendar, and by the clock of the exchange that it trades on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from ztrade.domain.agent import Agent
from ztrade.domain.schedule import Session, market_day, next_slot, slots_of
from ztrade.errors import TemporaryError
from ztrade.ports import Calendar
from ztrade.service.context import Runtime
from ztrade.service.exporter.source import Value
from ztrade.service.pace import Pace, read_pace
from ztrade.service.planner import LONGEST_GAP

#: wall seconds: a slot is late when it is due for longer, or for half of its interval
GRACE = 30.0
#: wall seconds for which one reading of a clock is good, so that sources do not ask one after another
FRESH = 2.0


class Paces:
    """How both clocks move, read seldom; safe to share between threads."""

    def __init__(self, runtime: Runtime, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._runtime, self._monotonic = runtime, monotonic
        self._lock = threading.Lock()
        self._read: dict[bool, tuple[float, Pace | None]] = {}
        self._last: dict[bool, Pace] = {}

    def of(self, dry_run: bool) -> Pace | None:
        """Return where the clock of a dry run, or of real accounts, stands; None while it does not answer."""
        with self._lock:
            at, pace = self._read.get(dry_run, (-FRESH, None))
            if self._monotonic() - at < FRESH and dry_run in self._read:
                return pace
            pace = self._ask(dry_run)
            self._read[dry_run] = (self._monotonic(), pace)
            if pace is not None:
                self._last[dry_run] = pace
            return pace

    def last(self, dry_run: bool) -> Pace | None:
        """Return what the clock said last, which outlives its silence; None before it ever answered."""
        return self.of(dry_run) or self._last.get(dry_run)

    def _ask(self, dry_run: bool) -> Pace | None:
        try:
            return read_pace(self._runtime.clock(dry_run))
        except (TemporaryError, OSError):
            return None


@dataclass(frozen=True, slots=True)
class Day:
    """An agent's slots of one session, in order, and the end of its last part."""

    session: Session
    slots: tuple[datetime, ...]
    end: datetime


class Hours:
    """The days of agents, each worked out once."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self._days: dict[str, Day] = {}

    def day(self, agent: Agent, now: datetime) -> Day | None:
        """Return the agent's day (New York) at ``now``, None where the exchange is closed all day."""
        known = self._days.get(agent.name)
        if known is not None and known.session.day == market_day(now):
            return known
        session = self._calendar.session(market_day(now))
        if session is None:
            return None
        slots = tuple(slots_of(session, agent.every, agent.sessions))
        found = Day(session, slots, max(session.bounds(kind)[1] for kind in agent.sessions))
        self._days[agent.name] = found
        return found

    def last_session(self, now: datetime) -> Session | None:
        """Return the session that is under way, or the last one before; None for a calendar without any."""
        found = self._calendar.sessions(market_day(now - LONGEST_GAP), market_day(now))
        return next((session for session in reversed(found) if session.open <= now), None)

    def next(self, agent: Agent, now: datetime) -> datetime | None:
        """Return the agent's next slot."""
        sessions = self._calendar.sessions(market_day(now), market_day(now + LONGEST_GAP))
        return next_slot(sessions, agent.every, agent.sessions, now)

    def is_open(self, agent: Agent, now: datetime) -> bool:
        """Tell whether the agent's first slot of the session has come, and the session's end has not."""
        day = self.day(agent, now)
        return day is not None and bool(day.slots) and day.slots[0] <= now < day.end

    def without_success(self, agent: Agent, pace: Pace, since: datetime) -> int:
        """Count the slots of this session later than ``since`` that are due and late; 0 outside sessions.

        An agent that has one slot a day would never have two: once today's is late, earlier ones count, too.
        """
        day = self.day(agent, pace.now)
        if day is None or not self.is_open(agent, pace.now):
            return 0
        late = min(timedelta(seconds=GRACE * pace.speed), agent.every / 2)
        count = sum(since < slot and slot + agent.delay + late <= pace.now for slot in day.slots)
        return count + (self._before(agent, day.session, since) if count and len(day.slots) == 1 else 0)

    def _before(self, agent: Agent, session: Session, since: datetime) -> int:
        days = self._calendar.sessions(session.day - LONGEST_GAP, session.day - timedelta(days=1))
        return sum(since < slot for day in days for slot in slots_of(day, agent.every, agent.sessions))


def values(agent: Agent, hours: Hours, paces: Paces) -> Iterator[Value]:
    """Yield where the agent stands; what its clock would have to say is left out while that is silent."""
    pace, last = paces.of(agent.dry_run), paces.last(agent.dry_run)
    if last is not None:
        yield "ztrade_agent_interval_seconds", (agent.name,), agent.every.total_seconds() / last.speed
    if pace is None:
        return
    yield "ztrade_agent_market_open", (agent.name,), float(hours.is_open(agent, pace.now))
    following = hours.next(agent, pace.now)
    if following is not None:
        yield "ztrade_agent_next_slot_seconds", (agent.name,), (following - pace.now).total_seconds()
