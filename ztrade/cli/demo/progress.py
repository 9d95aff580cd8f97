"""How far the demo is, from the journal and the exchange's clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from ztrade.cli.demo.plan import Plan
from ztrade.config import EMBEDDED
from ztrade.domain.agent import Agent
from ztrade.domain.ledger import CycleKind, CycleRecord, Holding, agent_scope
from ztrade.domain.schedule import Session, next_slot
from ztrade.ports import Journal

#: slot (or close), agent, kind
Key = tuple[datetime, str, CycleKind]


@dataclass(frozen=True, slots=True)
class AgentRow:
    """One agent's line in the live table; money in dollars."""

    agent: Agent
    last: CycleRecord | None
    holding: Holding
    pnl: Decimal
    next_slot: datetime | None


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the run. ``fresh`` are outcomes that the look before did not have, ``open`` slots without one."""

    now: datetime | None
    rows: Sequence[AgentRow]
    fresh: Sequence[CycleRecord]
    done: int
    total: int
    settled: bool

    @property
    def complete(self) -> bool:
        return self.done == self.total and self.settled


class Progress:
    """Reads the journal again and again, each time only from the oldest slot that is still open."""

    def __init__(self, plan: Plan, journal: Journal) -> None:
        self.known: dict[Key, CycleRecord] = {}
        self._plan, self._journal = plan, journal
        self._slots = [(slot, agent, CycleKind.SLOT) for slot, agent in plan.slots()]
        self._settles = [(session.close, agent, CycleKind.SETTLE) for session in plan.sessions for agent in plan.agents]
        self._open = sorted([*self._slots, *self._settles])

    def look(self, now: datetime | None) -> Look:
        """Read what is new; ``now`` is exchange time where it is known. Raises JournalUnavailable."""
        fresh = self._read()
        return Look(
            now=now,
            rows=[self._row(agent, now) for agent in self._plan.agents.values()],
            fresh=fresh,
            done=sum(key in self.known for key in self._slots),
            total=len(self._slots),
            settled=all(key in self.known for key in self._settles),
        )

    def over(self, session: Session) -> bool:
        """Tell whether every agent's day has been settled, and no slot of it is open, of late trading neither."""
        begin, end = self._plan.begin_of(session), self._plan.end_of(session)
        return not any(begin <= at < end for at, _, _ in self._open)

    def _read(self) -> list[CycleRecord]:
        """Return the outcomes that were not known yet, in order of their slots."""
        if not self._open:
            return []
        fresh = []
        for cycle in self._journal.cycles(since=self._open[0][0]):
            key = (cycle.slot, cycle.agent, cycle.kind)
            if cycle.outcome is not None and key not in self.known:
                self.known[key] = cycle
                fresh.append(cycle)
        self._open = [key for key in self._open if key not in self.known]
        return fresh

    def _row(self, agent: Agent, now: datetime | None) -> AgentRow:
        cycles = [cycle for cycle in self.known.values() if cycle.agent == agent.name and cycle.kind is CycleKind.SLOT]
        last = max(cycles, key=lambda cycle: cycle.slot, default=None)
        since = last.slot if last else self._plan.start
        points = self._journal.equity(agent_scope(agent.name, EMBEDDED), since, agent.capital)
        after = now or (last.slot if last else self._plan.start)
        return AgentRow(
            agent,
            last,
            next(
                (h for h in self._journal.holdings(EMBEDDED) if h.agent == agent.name),
                Holding(agent.name, agent.symbol),
            ),
            points[-1][1] - agent.capital if points else Decimal(0),
            next_slot(self._plan.sessions, agent.every, agent.sessions, after),
        )
