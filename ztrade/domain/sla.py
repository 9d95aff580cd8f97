"""Objectives: what counts as an event, and which events are bad. Pure; the page of an agent and the exporter share it.

A slot is an event once it has its outcome. One into a person's halt is answered ("halted"), so it is good; before an
agent's first slot there is none. An order is an event once somebody knows what became of it, or too long after it was
planned; one that surely never left is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from ztrade.domain.ledger import DONE, NOT_WELL, UNRESOLVED, CycleKind, CycleRecord, IntentState, Outcome
from ztrade.domain.schedule import Session, is_market_open, market_day


class Objective(StrEnum):
    """DONE_IN_TIME and NOT_MISSED are about slots in market hours, ORDER_KNOWN about orders."""

    DONE_IN_TIME = "done_in_time"
    NOT_MISSED = "not_missed"
    ORDER_KNOWN = "order_known"


#: those that every slot is an event of
OF_SLOTS = (Objective.DONE_IN_TIME, Objective.NOT_MISSED)


@dataclass(frozen=True, slots=True)
class Objectives:
    """The share of good events that is wanted of each (0 to 1), and the times (wall) that they speak of."""

    done_in_time: Decimal = Decimal("0.995")
    done_within: timedelta = timedelta(seconds=30)
    not_missed: Decimal = Decimal("0.999")
    order_known: Decimal = Decimal(1)
    order_known_within: timedelta = timedelta(seconds=60)

    def share(self, objective: Objective) -> Decimal:
        """Return the share of good events that is wanted."""
        found: Decimal = getattr(self, objective.value)
        return found

    def within(self, objective: Objective) -> timedelta | None:
        """Return the time that the objective speaks of; None where of none."""
        return {
            Objective.DONE_IN_TIME: self.done_within,
            Objective.ORDER_KNOWN: self.order_known_within,
        }.get(objective)


@dataclass(slots=True)
class Score:
    """Events of one objective so far."""

    events: int = 0
    bad: int = 0

    def add(self, bad: bool) -> None:
        """Count one event."""
        self.events += 1
        self.bad += bad

    def achieved(self) -> Decimal | None:
        """Return the share of good events; None before the first one."""
        return None if not self.events else 1 - Decimal(self.bad) / self.events

    def allowed(self, wanted: Decimal) -> Decimal:
        """Return how many bad events the objective allows."""
        return (1 - wanted) * self.events

    def met(self, wanted: Decimal) -> bool:
        """Tell whether the objective is met; it is where nothing happened."""
        return self.bad <= self.allowed(wanted)


def in_market_hours(session_of: Callable[[date], Session | None], record: CycleRecord) -> bool:
    """Tell whether the record is of a slot in the exchange's regular hours, by the calendar."""
    if record.kind is not CycleKind.SLOT:
        return False
    return is_market_open(session_of(market_day(record.slot)), record.slot)


def judge_slot(record: CycleRecord, objectives: Objectives) -> Mapping[Objective, str]:
    """Return why the slot is bad, by objective; without one that it is good for. Its cycle has ended.

    A cycle whose lateness nobody could know (time in steps, an exchange without a clock) is judged by its outcome.
    """
    bad = {}
    if record.outcome is Outcome.MISSED:
        bad[Objective.NOT_MISSED] = record.reason
    took = record.timings.get(DONE)
    if record.outcome in NOT_WELL:
        bad[Objective.DONE_IN_TIME] = record.reason
    elif took is not None and took > objectives.done_within.total_seconds():
        bad[Objective.DONE_IN_TIME] = f"done {took:.1f} s after it was due: {record.reason}"
    return bad


def judge_order(
    state: IntentState, wall_at: datetime, answered: float | None, now: datetime, objectives: Objectives
) -> bool | None:
    """Return whether an order is bad; None while it is no event (yet). Instants are wall time."""
    limit = objectives.order_known_within.total_seconds()
    if answered is not None:
        return answered > limit
    if state in UNRESOLVED and (now - wall_at).total_seconds() > limit:
        return True
    return None


def scores(judged: Iterable[Mapping[Objective, str]], orders: Iterable[bool | None]) -> Mapping[Objective, Score]:
    """Count judgements of slots and of orders."""
    found = {objective: Score() for objective in Objective}
    for bad in judged:
        for objective in OF_SLOTS:
            found[objective].add(objective in bad)
    for late in orders:
        if late is not None:
            found[Objective.ORDER_KNOWN].add(late)
    return found


def worst(records: Sequence[CycleRecord], objectives: Objectives, most: int) -> Sequence[tuple[CycleRecord, str]]:
    """Return bad slots with what is wrong with each: those without a good outcome first, then the latest ones."""
    found = [(record, judge_slot(record, objectives)) for record in records]
    bad = [(record, next(iter(why.values()))) for record, why in found if why]
    bad.sort(key=lambda pair: (pair[0].outcome not in NOT_WELL, -pair[0].timings.get(DONE, 0.0), pair[0].slot))
    return bad[:most]
