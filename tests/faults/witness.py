"""What a run did, judged by the exchange's own book; the journal is the accused."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tests.faults import naive, plan
from tests.faults.process import RunFailed, wait_for
from tests.faults.stack import Stack
from ztrade.adapters.alpaca import AlpacaExchange, AlpacaSettings, Gateway
from ztrade.adapters.journal import open_journal
from ztrade.cli.books import ExchangeBooks, JournalBooks, differences
from ztrade.cli.demo.closing import exchange_books
from ztrade.config import EMBEDDED
from ztrade.domain.identity import stamp
from ztrade.domain.ledger import UNRESOLVED, CycleKind, CycleRecord, Outcome
from ztrade.domain.types import Activity, Order, OrderStatus, OrderType, Side
from ztrade.ports import Journal

#: an order that a person, not an agent, sent in a run
BY_HAND = "by-hand"
WELL = {Outcome.HELD, Outcome.ENTERED, Outcome.EXITED}
#: exchange time for which a position may stand without a stop: that in which it is being sold
BARE = 2 * plan.EVERY
#: an entry's name, with the slot that it is for
_ENTRY = re.compile(r"zt\.[a-z0-9_-]+\.(\d{8}T\d{6}Z)\.entry")
#: a slot is tried so often
ATTEMPTS = 2


@dataclass
class Verdict:
    """What was found; a run is sound where everything is zero or empty, and recovery is within two slots."""

    doubled: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    unresolved: list[str] = field(default_factory=list)
    books: list[str] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)
    bare: list[str] = field(default_factory=list)
    recovery: int = 0
    outcomes: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        wrong = (self.doubled, self.lost, self.unresolved, self.books, self.limits, self.bare)
        return not any(wrong) and self.recovery <= 2


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run must have come to: ``trades`` False where the fault rightly kept the agent from trading.

    ``since`` is the first slot from which recovery counts: the fault's, or that of a person's release.
    """

    since: int = plan.ENTRY
    trades: bool = True
    foreign: bool = False
    #: slots must have been missed, and the reasons of those before slot ``back`` say this
    cause: str = ""
    back: int = 0
    #: the fault is the agent's alone: the one beside it must not notice
    alone: bool = False
    #: a person must have been told a title that says this
    told: str = ""


def judge(stack: Stack, wanted: Wanted) -> Verdict:
    """Read both books, and compare."""
    theirs, _ = their_books(stack)
    found = Verdict()
    for name in stack.agents:
        _exchange_alone(found, _of(theirs, name.upper()), wanted)
    if stack.is_naive:
        _naive(found, stack, theirs)
    else:
        _journal(found, stack, theirs, wanted)
    return found


def their_books(stack: Stack) -> tuple[ExchangeBooks, Sequence[Activity]]:
    """Return what the exchange says, and its account book, oldest first."""
    settings = AlpacaSettings(
        EMBEDDED, "key", "secret", stack.url, stack.url, None, timedelta(seconds=3), timedelta(seconds=10)
    )
    exchange = AlpacaExchange(Gateway(settings, None))
    return exchange_books(exchange), exchange.activities()


def _exchange_alone(found: Verdict, theirs: ExchangeBooks, wanted: Wanted) -> None:
    ours = [order for order in theirs.orders if not _by_hand(order)]
    sales = [order for order in theirs.orders if _by_hand(order) and order.side is Side.SELL]
    found.doubled += _doubled(ours, sales)
    held = sum((position.qty for position in theirs.positions), Decimal(0))
    if wanted.trades and not wanted.foreign:
        found.lost += [f"exit: {held} shares are left"] if held else []
    if wanted.trades and not any(order.side is Side.BUY and order.filled_qty for order in ours):
        found.lost.append("entry: nothing was bought")
    found.limits += [*_over_limits([*ours, *sales]), *_long_after(ours)]


def _of(theirs: ExchangeBooks, symbol: str) -> ExchangeBooks:
    """Return what concerns one agent."""
    orders = [order for order in theirs.orders if order.symbol == symbol]
    return replace(theirs, orders=orders, positions=[one for one in theirs.positions if one.symbol == symbol])


def _by_hand(order: Order) -> bool:
    return order.client_order_id.startswith(BY_HAND)


def _doubled(orders: Sequence[Order], by_hand: Sequence[Order]) -> list[str]:
    """Return every order beyond the first of a slot and a side, and every entry beside an open one."""
    alive = [order for order in orders if order.status is not OrderStatus.REJECTED and order.submitted_at]
    legs = Counter((plan.number_of(_sent(order)), order.side.value) for order in alive)
    twice = [f"{count} {side} orders in slot {number}" for (number, side), count in legs.items() if count > 1]
    return [*twice, *_entries_beside(sorted([*alive, *by_hand], key=_sent))]


def _long_after(orders: Sequence[Order]) -> Iterator[str]:
    """Yield the entries that came slots after their own: somebody held them back who should have forgotten them."""
    for order in orders:
        named = _ENTRY.fullmatch(order.client_order_id)
        if named and order.submitted_at:
            slot = datetime.strptime(named[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            if _sent(order) - slot > 2 * plan.EVERY:
                yield f"order {order.client_order_id} arrived {_sent(order) - slot} after its slot"


def _sent(order: Order) -> datetime:
    assert order.submitted_at is not None
    return order.submitted_at


def _entries_beside(orders: Sequence[Order]) -> Iterator[str]:
    held, slots = Decimal(0), set[int]()
    for order in orders:
        number = plan.number_of(_sent(order))
        if order.side is Side.BUY and held > 0 and number not in slots:
            yield f"an entry in slot {number} with {held} held"
        slots.add(number)
        held += order.filled_qty if order.side is Side.BUY else -order.filled_qty


def _over_limits(orders: Sequence[Order]) -> Iterator[str]:
    held = Decimal(0)
    for order in sorted((o for o in orders if o.submitted_at), key=_sent):
        sign = 1 if order.side is Side.BUY else -1
        held += sign * order.filled_qty * (order.filled_avg_price or Decimal(0))
        if held > plan.LIMIT * Decimal("1.03"):
            yield f"{held:.2f} in positions, over {plan.LIMIT}"


# -- the naive version -------------------------------------------------------------------------------------------------
def _naive(found: Verdict, stack: Stack, theirs: ExchangeBooks) -> None:
    written = naive.lines(stack)
    known = {line["order"] for line in written}
    there = {order.id for order in theirs.orders}
    found.lost += [f"order {order.id[:8]} is at the exchange alone" for order in theirs.orders
                   if order.id not in known and not _by_hand(order)]  # fmt: skip
    found.lost += [f"order {name[:8]} is written down alone" for name in known - there - {None}]
    slots = {plan.number_of(datetime.fromisoformat(line["slot"])) for line in written}
    found.unresolved += [f"slot {number} has no outcome" for number in range(1, plan.SLOTS + 1) if number not in slots]


# -- ztrade ------------------------------------------------------------------------------------------------------------
def _journal(found: Verdict, stack: Stack, theirs: ExchangeBooks, wanted: Wanted) -> None:
    journal = open_journal(stack.journal_url, create=False)
    cycles = journal.cycles(kind=CycleKind.SLOT)
    by_agent = {n: {plan.number_of(c.slot): c for c in cycles if c.agent == n} for n in stack.agents}
    records = by_agent[plan.AGENT]
    found.outcomes = [str(record.outcome) for _, record in sorted(records.items())]
    found.unresolved += [*open_intents(journal), *(w for n, known in by_agent.items() for w in _open_slots(n, known))]
    found.unresolved += [*_causes(by_agent, wanted), *_noticed(by_agent, wanted), *_untold(journal, wanted)]
    found.lost += unknown_orders(journal, theirs)
    found.books += [] if wanted.foreign else book_differences(journal, theirs, plan.start())
    for name in stack.agents:
        found.bare += [] if wanted.foreign else _bare(_of(theirs, name.upper()))
    found.limits += [*claims(stack), *_names(theirs)]
    found.recovery = _recovery(records, wanted.since)


Records = Mapping[int, CycleRecord]


def _causes(by_agent: Mapping[str, Records], wanted: Wanted) -> Iterator[str]:
    """Yield what is wrong with the slots that were missed: none was though some must, or for another cause."""
    missed = [record for records in by_agent.values() for record in records.values() if _was_missed(record)]
    if wanted.cause and not missed:
        yield f"no slot was missed: {wanted.cause}"
    for record in missed:
        gone = plan.number_of(record.slot) < wanted.back
        if not wanted.cause or (gone and wanted.cause.lower() not in record.reason.lower()):
            yield f"{record.cycle_id}: {record.reason}"


def _was_missed(record: CycleRecord) -> bool:
    return record.outcome is Outcome.MISSED


def _noticed(by_agent: Mapping[str, Records], wanted: Wanted) -> Iterator[str]:
    """Yield each slot in which the neighbour of an agent with a fault of its own did not do well."""
    for record in by_agent.get(plan.NEIGHBOUR, {}).values() if wanted.alone else ():
        if record.outcome not in WELL:
            yield f"{record.cycle_id}: {record.reason}"


def _untold(journal: Journal, wanted: Wanted) -> Iterator[str]:
    """Yield what a person was not told; the keeper tells within seconds, of wall time."""
    if not wanted.told:
        return
    with contextlib.suppress(RunFailed):
        wait_for("the message", lambda: any(wanted.told in one.title for one in journal.messages(limit=1000)), 15)
        return
    yield f"nobody was told: {wanted.told}"


def claims(stack: Stack) -> Iterator[str]:
    """Yield each claim that two got, each cycle that was finished twice, and each that began more than twice."""
    lines = (stack.stops / "claims").read_text().split("\n")
    finished = [line.rpartition(" ")[0] for line in lines if line.startswith("journal.finish")]
    claimed = [line for line in lines if line.startswith("journal.claim")]
    for line, count in Counter([*finished, *claimed]).items():
        if count > 1:
            yield f"{line}: {count} times"
    for cycle, count in Counter(line.rpartition(" ")[0] for line in claimed).items():
        if count > ATTEMPTS:
            yield f"{cycle}: {count} attempts"


def _names(theirs: ExchangeBooks) -> Iterator[str]:
    """Yield each order that is not named after a slot, or is named like another."""
    slots = {stamp(plan.slot(number)) for number in range(1, plan.SLOTS + 1)}
    names = [order.client_order_id for order in theirs.orders if not _by_hand(order)]
    for name, count in Counter(names).items():
        if count > 1 or name.split(".")[2:3][0] not in slots:
            yield f"order {name} is not named after its slot alone"


def open_intents(journal: Journal) -> Iterator[str]:
    """Yield each intent whose fate nobody knows."""
    for intent in journal.intents():
        if intent.state in UNRESOLVED:
            yield f"intent {intent.request.client_order_id} is {intent.state}"


def _open_slots(agent: str, records: Records) -> Iterator[str]:
    for number in range(1, plan.SLOTS + 1):
        if number not in records or records[number].outcome is None:
            yield f"slot {number} of {agent} has no outcome"


def unknown_orders(journal: Journal, theirs: ExchangeBooks) -> Iterator[str]:
    """Yield each order that one side alone has."""
    ids = {intent.request.client_order_id for intent in journal.intents()}
    for order in theirs.orders:
        if order.client_order_id not in ids and not _by_hand(order):
            yield f"order {order.client_order_id} has no intent"
    there = {order.client_order_id for order in theirs.orders}
    for intent in journal.intents():
        if intent.order is not None and intent.request.client_order_id not in there:
            yield f"order {intent.request.client_order_id} is in the journal alone"


def book_differences(journal: Journal, theirs: ExchangeBooks, since: datetime) -> list[str]:
    """Return where the books differ, to the cent."""
    holdings = journal.holdings(EMBEDDED)
    cash = journal.account_state(EMBEDDED, since).cash
    marks = {position.symbol: position.current_price for position in theirs.positions}
    worth = None if cash is None else cash + sum(h.qty * (marks.get(h.symbol) or 0) for h in holdings)
    ours = JournalBooks(journal.orders(), journal.fills(), holdings, cash, worth)
    return differences(ours, theirs)


def _bare(theirs: ExchangeBooks) -> Iterator[str]:
    """Yield how long a bought position stood without a stop, where that was too long; exchange time."""
    sold = [order.filled_at for order in theirs.orders if order.side is Side.SELL and order.filled_at]
    for entry in theirs.orders:
        stops = [leg for leg in entry.legs if leg.type in {OrderType.STOP, OrderType.STOP_LIMIT}]
        if entry.side is not Side.BUY or not entry.filled_at:
            continue
        ended = [leg.ended_at or leg.filled_at or plan.until() for leg in stops]
        covered = max(ended, default=entry.filled_at)
        left = min((at for at in sold if at >= entry.filled_at), default=plan.until())
        if left - covered > BARE:
            yield f"bare from {covered:%H:%M} to {left:%H:%M}"


def _recovery(records: Records, since: int) -> int:
    """Return how many slots from the fault's on had no good outcome, up to the first from which all had."""
    bad = [number for number, record in records.items() if since <= number <= plan.SLOTS and record.outcome not in WELL]
    return max(bad) - since + 1 if bad else 0
