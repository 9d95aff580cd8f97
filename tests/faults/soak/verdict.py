"""What a soak came to: both books compared to the cent, and every slot and every order looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import groupby

from tests.faults import witness
from tests.faults.soak.stage import AGENTS, Stage
from tests.faults.witness import WELL
from ztrade.adapters.halts import FileHalts
from ztrade.cli.books import ExchangeBooks
from ztrade.cli.records import flat
from ztrade.config import load_config
from ztrade.domain.identity import agent_of
from ztrade.domain.ledger import CycleKind, CycleRecord, Outcome
from ztrade.domain.orders import FINAL
from ztrade.domain.schedule import slots_of
from ztrade.domain.types import Activity, Order, OrderType, Side
from ztrade.ports import Journal

#: dollars in one position, with what the price may move between the last look and the fill
MOST = Decimal(5000) * Decimal("1.03")
#: slots in a row that a bought position may stand without a stop: the one in which it ends, and those of an outage
BARE_SLOTS = 3
GOOD = WELL | {Outcome.BLOCKED}


@dataclass
class Soaked:
    """What was found; sound where everything before the counts is empty."""

    doubled: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    unresolved: list[str] = field(default_factory=list)
    books: list[str] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)
    bare: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    outcomes: dict[str, int] = field(default_factory=dict)
    slots: int = 0
    orders: int = 0
    fills: int = 0
    #: slots in a row without a good outcome, the longest
    longest_trouble: int = 0

    @property
    def sound(self) -> bool:
        wrong = (self.doubled, self.lost, self.unresolved, self.books, self.limits, self.bare, self.stopped)
        return not any(wrong)


def expected(stage: Stage) -> list[tuple[str, datetime]]:
    """Return every slot that must have an outcome."""
    agents = load_config(stage.config).agents
    return [
        (name, slot)
        for session in stage.sessions
        for name in AGENTS
        for slot in slots_of(session, agents[name].every, agents[name].sessions)
    ]


def judge(stage: Stage, journal: Journal) -> Soaked:
    """Read both books, and compare."""
    theirs, book = witness.their_books(stage)
    cycles = journal.cycles(kind=CycleKind.SLOT)
    found = Soaked(
        doubled=[*_doubled(theirs.orders), *_beside(theirs.orders, book)],
        lost=list(witness.unknown_orders(journal, theirs)),
        unresolved=[*witness.open_intents(journal), *_slots(stage, cycles)],
        books=witness.book_differences(journal, theirs, stage.start_at),
        limits=[*witness.claims(stage), *_over(theirs.orders), *_short(book)],
        bare=list(_bare(stage, theirs)),
        stopped=list(_stopped(stage)),
    )
    found.outcomes = dict(Counter(str(record.outcome) for record in cycles).most_common())
    found.slots, found.orders, found.fills = len(cycles), len(journal.orders()), len(journal.fills())
    found.longest_trouble = max(_trouble([r for r in cycles if r.agent == name]) for name in AGENTS)
    return found


def _doubled(orders: Sequence[Order]) -> Iterator[str]:
    """Yield each slot and leg of an agent that came to more than one order that lives or filled."""
    alive = [order for order in orders if order.filled_qty or order.status not in FINAL]
    # zt.AGENT.SLOT.LEG, the exit's leg with the number of the attempt
    legs = Counter(order.client_order_id.rstrip("0123456789") for order in alive if _of_a_slot(order))
    yield from (f"{name}: {count} orders" for name, count in legs.items() if count > 1)
    for name, count in Counter(order.client_order_id for order in orders).items():
        if count > 1 or agent_of(name) is None:
            yield f"order {name} is not one of ours, or there are {count}"


def _of_a_slot(order: Order) -> bool:
    return order.client_order_id.split(".")[2:3] != ["halt"]


def _beside(orders: Sequence[Order], book: Sequence[Activity]) -> Iterator[str]:
    """Yield each entry that left while shares of its symbol were held."""
    for order in orders:
        own = {order.id, *(leg.id for leg in order.legs)}
        if order.side is Side.BUY and order.submitted_at is not None:
            before = [a for a in book if a.at <= order.submitted_at and a.order_id not in own]
            held = sum((_shares(a) for a in before if a.symbol == order.symbol), Decimal(0))
            if held > 0 and order.filled_qty:
                yield f"{order.client_order_id} entered beside {held} shares"


def _shares(entry: Activity) -> Decimal:
    if entry.qty is None or entry.kind not in {"FILL", "SPLIT"}:
        return Decimal(0)
    return -entry.qty if entry.side is Side.SELL else entry.qty


def _short(book: Sequence[Activity]) -> Iterator[str]:
    held: Counter[str] = Counter()
    for entry in book:
        if entry.symbol:
            held[entry.symbol] += _shares(entry)  # type: ignore[assignment]
            if held[entry.symbol] < 0:
                yield f"{held[entry.symbol]} {entry.symbol} at {entry.at:%Y-%m-%d %H:%M}"


def _over(orders: Sequence[Order]) -> Iterator[str]:
    for order in orders:
        spent = order.filled_qty * (order.filled_avg_price or Decimal(0))
        if order.side is Side.BUY and spent > MOST:
            yield f"{order.client_order_id} bought for {spent:.2f}"


def _slots(stage: Stage, cycles: Sequence[CycleRecord]) -> Iterator[str]:
    """Yield each slot that has not one outcome, and each outcome of no slot."""
    seen = Counter((record.agent, record.slot) for record in cycles if record.outcome is not None)
    wanted = set(expected(stage))
    for agent, slot in sorted(wanted | seen.keys()):
        count = seen[agent, slot]
        if count != 1 or (agent, slot) not in wanted:
            yield f"{agent} {slot:%Y-%m-%d %H:%M} has {count} outcomes"


def _bare(stage: Stage, theirs: ExchangeBooks) -> Iterator[str]:
    """Yield each position that stood without a stop for too many of its agent's slots."""
    slots: dict[str, list[datetime]] = {}
    for name, slot in expected(stage):
        slots.setdefault(name.upper(), []).append(slot)
    sold = [order for order in flat(theirs.orders) if order.side is Side.SELL and order.filled_at]
    for entry in theirs.orders:
        if entry.side is Side.BUY and entry.filled_at:
            covered = max([_covered(leg, stage) for leg in entry.legs if _is_stop(leg)] or [entry.filled_at])
            left = min(
                [o.filled_at for o in sold if o.symbol == entry.symbol and o.filled_at and o.filled_at >= covered]
                or [stage.until]
            )
            count = sum(covered < slot <= left for slot in slots[entry.symbol])
            if count > BARE_SLOTS and covered < stage.until:
                yield f"{entry.client_order_id}: bare for {count} slots, from {covered:%Y-%m-%d %H:%M}"


def _is_stop(leg: Order) -> bool:
    return leg.type in {OrderType.STOP, OrderType.STOP_LIMIT}


def _covered(leg: Order, stage: Stage) -> datetime:
    if leg.filled_at is None and leg.status not in FINAL:
        return stage.until
    return leg.filled_at or leg.ended_at or stage.until


def _stopped(stage: Stage) -> Iterator[str]:
    halts = FileHalts(stage.state)
    for word, flags in (("halted", halts.active()), ("reducing", halts.active_reducing())):
        for name, reason in flags.items():
            yield f"{name} is {word}: {reason}"


def _trouble(cycles: Sequence[CycleRecord]) -> int:
    rows = groupby(sorted(cycles, key=lambda r: r.slot), key=lambda record: record.outcome in GOOD)
    return max((len(list(row)) for good, row in rows if not good), default=0)
