"""How a month went against the objectives: from the journal alone, judged as the exporter judges."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from ztrade.domain.ledger import CycleKind, CycleRecord
from ztrade.domain.schedule import NEW_YORK, Session, market_day
from ztrade.domain.sla import Objective, Objectives, Score, in_market_hours, judge_order, judge_slot, scores, worst
from ztrade.ports import Journal

#: bad slots that are shown
WORST = 10


@dataclass(frozen=True, slots=True)
class Result:
    """One objective over a month; ``within`` is the time that it speaks of, None where of none."""

    objective: Objective
    wanted: Decimal
    within: timedelta | None
    score: Score

    @property
    def met(self) -> bool:
        return self.score.met(self.wanted)

    @property
    def budget_left(self) -> Decimal:
        """How many more events may be bad; below 0 where too many were."""
        return self.score.allowed(self.wanted) - self.score.bad

    @property
    def budget_share(self) -> Decimal | None:
        """What share of the budget is left; None where there is none to spend."""
        allowed = self.score.allowed(self.wanted)
        return self.budget_left / allowed if allowed else None


@dataclass(frozen=True, slots=True)
class Month:
    """``results`` in the order of the objectives, ``worst`` the bad slots with what is wrong with each."""

    results: Sequence[Result]
    worst: Sequence[tuple[CycleRecord, str]]

    @property
    def met(self) -> bool:
        return all(result.met for result in self.results)


def newest_month(journal: Journal, agents: Collection[str]) -> date | None:
    """Return the first day of the month (New York) of the newest slot of any of the agents; None without slots."""
    newest = [record.slot for agent in agents for record in journal.cycles(agent=agent, kind=CycleKind.SLOT, limit=1)]
    return market_day(max(newest)).replace(day=1) if newest else None


def month(
    journal: Journal,
    agents: Collection[str],
    first: date,
    objectives: Objectives,
    *,
    session_of: Callable[[date], Session | None],
    wall: datetime,
) -> Month:
    """Judge the slots and orders of one month (New York), which begins with ``first``.

    Args:
        wall: decides which unanswered orders are late already.
    """
    begin, end = _midnight(first), _midnight((first + timedelta(days=31)).replace(day=1))
    last = end - timedelta(microseconds=1)
    slots: list[CycleRecord] = []
    orders: list[bool | None] = []
    for agent in agents:
        found = journal.cycles(agent=agent, since=begin, until=last, kind=CycleKind.SLOT)
        slots += [record for record in found if record.outcome is not None and in_market_hours(session_of, record)]
        planned = (one for one in journal.intents(agent=agent, since=begin) if one.planned_at <= last)
        orders += [judge_order(one.state, one.wall_at, one.answered, wall, objectives) for one in planned]
    counted = scores((judge_slot(record, objectives) for record in slots), orders)
    return Month(list(_results(counted, objectives)), worst(slots, objectives, WORST))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(0), NEW_YORK)


def _results(counted: Mapping[Objective, Score], objectives: Objectives) -> Sequence[Result]:
    return [Result(one, objectives.share(one), objectives.within(one), counted[one]) for one in Objective]
