"""Counts of one journal: exact from its first row on, and then made of what is new."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date, datetime
from typing import TypeVar

from ztrade.domain.ledger import (
    DONE,
    LATE,
    NOT_THERE,
    NOT_WELL,
    RULES,
    UNRESOLVED,
    CycleKind,
    CycleRecord,
    Outcome,
)
from ztrade.domain.missed import Cause, cause_of
from ztrade.domain.orders import FINAL
from ztrade.domain.schedule import Session
from ztrade.domain.sla import OF_SLOTS, Objective, Objectives, Score, in_market_hours, judge_order, judge_slot
from ztrade.domain.spread import ANSWER, SLIPPAGE, Spread
from ztrade.domain.spread import LATE as LATE_BOUNDS
from ztrade.domain.types import Leg, OrderStatus, Side
from ztrade.ports import Tallies
from ztrade.ports.tallies import DeliveryRow, IntentRow, OrderRow

R = TypeVar("R", IntentRow, OrderRow, DeliveryRow)

#: rows read at once
PAGE = 2000
#: orders that never left may be planned again; so many of the newest are looked at again
DORMANT = 200
#: how orders end that are counted; one that was replaced goes on as another
ENDS = (OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED)


class AgentTally:
    """Counts of one agent.

    Args:
        first: its oldest slot that ended.
        good: the slot that last ended well.
        last: the newest slot's cycle that ended.
    """

    def __init__(self) -> None:
        self.outcomes: Counter[Outcome] = Counter()
        self.missed: Counter[Cause] = Counter()
        self.refusals: Counter[str] = Counter()
        self.unknown = 0
        self.late, self.done = Spread(LATE_BOUNDS), Spread(LATE_BOUNDS)
        self.answers, self.slippage = Spread(ANSWER), Spread(SLIPPAGE)
        self.ended: Counter[OrderStatus] = Counter()
        self.scores = {objective: Score() for objective in Objective}
        self.first: datetime | None = None
        self.good: datetime | None = None
        self.last: CycleRecord | None = None

    def add_cycle(self, record: CycleRecord, session_of: Callable[[date], Session | None], wanted: Objectives) -> None:
        """Count a cycle that has its outcome."""
        self.unknown += record.outcome is Outcome.UNKNOWN
        # an order that was refused at once is none at the exchange
        self.ended[OrderStatus.REJECTED] += record.outcome is Outcome.REJECTED
        rules = record.details.get(RULES)
        self.refusals.update(map(str, rules) if isinstance(rules, list) else ())
        if record.kind is CycleKind.SLOT:
            self._add_slot(record)
            if in_market_hours(session_of, record):
                bad = judge_slot(record, wanted)
                for objective in OF_SLOTS:
                    self.scores[objective].add(objective in bad)

    def _add_slot(self, record: CycleRecord) -> None:
        outcome = record.outcome or Outcome.MISSED
        self.outcomes[outcome] += 1
        if outcome is Outcome.MISSED:
            self.missed[cause_of(record.reason)] += 1
        for name, spread in ((LATE, self.late), (DONE, self.done)):
            if name in record.timings:
                spread.add(record.timings[name])
        if outcome not in NOT_WELL:
            self.good = record.slot
        self.first = record.slot if self.first is None else min(self.first, record.slot)
        self.last = record

    def add_order(self, row: OrderRow) -> None:
        """Count an order that came to an end."""
        if row.status in ENDS:
            self.ended[row.status] += 1
        if row.leg is Leg.ENTRY and row.price is not None and row.decided is not None:
            self.slippage.add(float(row.price / row.decided - 1))


class Tally:
    """Counts what a journal holds of some agents; of others nothing, so that a file that is gone leaves no label.

    Args:
        agents: their names.
        session_of: the calendar's.
    """

    def __init__(
        self, agents: Collection[str], objectives: Objectives, session_of: Callable[[date], Session | None]
    ) -> None:
        self._wanted, self._session_of = objectives, session_of
        self.agents: Mapping[str, AgentTally] = {name: AgentTally() for name in agents}
        self.deliveries: dict[str, Counter[str]] = defaultdict(Counter)
        self.waiting: Counter[str] = Counter()
        self.fills: Mapping[tuple[str, Side], int] = {}
        #: intents of which nobody knows yet whether they are at the exchange
        self.unresolved: list[IntentRow] = []
        self._newest: tuple[int, str] = (0, "")
        self._after = dict.fromkeys(("intents", "orders", "deliveries"), 0)
        self._again: dict[str, set[int]] = {name: set() for name in self._after}
        #: of the messages that are looked at again, the deliveries that were counted
        self._told: set[tuple[int, str]] = set()

    def look(self, tallies: Tallies) -> bool:
        """Count what is new; False where this is not the journal that was counted so far: begin anew.

        Raises:
            JournalUnavailable: what was counted stays counted.
        """
        if not self._same(tallies):
            return False
        self._count_cycles(tallies)
        self._count_intents(tallies)
        self._count_orders(tallies)
        self._count_deliveries(tallies)
        self.fills = {key: count for key, count in tallies.fills().items() if key[0] in self.agents}
        return True

    def scores(self, agent: str, wall: datetime) -> Mapping[Objective, Score]:
        """Return the agent's events so far; ``wall`` decides which unanswered orders are late already."""
        found = dict(self.agents[agent].scores)
        known = found[Objective.ORDER_KNOWN]
        orders = found[Objective.ORDER_KNOWN] = Score(known.events, known.bad)
        for row in self.unresolved:
            late = judge_order(row.state, row.wall_at, row.answered, wall, self._wanted)
            if row.agent == agent and late is not None:
                orders.add(late)
        return found

    def _same(self, tallies: Tallies) -> bool:
        number, name = self._newest
        if not number:
            return True
        found = tallies.cycles(number - 1, 1)
        return bool(found) and (found[0][0], found[0][1].cycle_id) == (number, name)

    def _count_cycles(self, tallies: Tallies) -> None:
        while rows := tallies.cycles(self._newest[0], PAGE):
            for number, record in rows:
                if record.agent in self.agents:
                    self.agents[record.agent].add_cycle(record, self._session_of, self._wanted)
                self._newest = (number, record.cycle_id)
            if len(rows) < PAGE:
                break

    def _count_intents(self, tallies: Tallies) -> None:
        self.unresolved = []
        self._each("intents", tallies.intents, self._intent)
        open_ones = {row.seq for row in self.unresolved}
        dormant = sorted(self._again["intents"] - open_ones)
        self._again["intents"] = open_ones | set(dormant[-DORMANT:])

    def _intent(self, row: IntentRow) -> bool:
        """Count the intent where somebody knows what became of it; returns whether it must be looked at again."""
        if row.agent not in self.agents:
            return False
        if row.answered is None:
            if row.state in UNRESOLVED:
                self.unresolved.append(row)
            return row.state in UNRESOLVED | NOT_THERE
        mine = self.agents[row.agent]
        mine.answers.add(row.answered)
        late = judge_order(row.state, row.wall_at, row.answered, row.wall_at, self._wanted)
        mine.scores[Objective.ORDER_KNOWN].add(bool(late))
        return False

    def _count_orders(self, tallies: Tallies) -> None:
        self._each("orders", tallies.orders, self._order)

    def _order(self, row: OrderRow) -> bool:
        """Count the order where it has ended; returns whether it must be looked at again."""
        if row.status not in FINAL or (row.leg is Leg.ENTRY and not row.settled):
            return True
        if row.agent in self.agents:
            self.agents[row.agent].add_order(row)
        return False

    def _count_deliveries(self, tallies: Tallies) -> None:
        self.waiting = Counter()
        self._each("deliveries", tallies.deliveries, self._delivery)
        self._told = {(seq, channel) for seq, channel in self._told if seq in self._again["deliveries"]}

    def _delivery(self, row: DeliveryRow) -> bool:
        if row.state == "waiting":
            self.waiting[row.channel] += 1
            return True
        if (row.seq, row.channel) not in self._told:
            self._told.add((row.seq, row.channel))
            self.deliveries[row.channel][row.state] += 1
        return False

    def _each(
        self, name: str, read: Callable[[int, Collection[int], int], Iterable[R]], count: Callable[[R], bool]
    ) -> None:
        """Count new rows, and those again that had not come to their end; page by page, each whole or not at all."""
        also: Collection[int] = self._again[name]
        again: set[int] = set()
        while True:
            before = self._after[name]
            for row in read(before, also, PAGE):
                self._after[name] = max(self._after[name], row.seq)
                if count(row):
                    again.add(row.seq)
            self._again[name], also = again, ()
            if self._after[name] == before:
                return
