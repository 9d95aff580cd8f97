"""What the journal says that people should hear: proposals, fills, outcomes, refusals. Found there: no cycle tells."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby

from ztrade.app.desk import Desk
from ztrade.app.tell import say
from ztrade.domain.ledger import CycleKind, CycleRecord, Fill, Outcome, Proposal, ProposalState, RoundTrip
from ztrade.domain.messages import Message, Severity
from ztrade.domain.schedule import market_day
from ztrade.domain.types import Leg, OrderStatus, Side

#: how far back (exchange time) is looked: a keeper that was down tells late, and nothing of last week
BACK = timedelta(days=2)
#: over how long the fills of one order may be spread (exchange time)
SPREAD = timedelta(days=1)
#: so many slots that failed one after another are told: one alone is a moment's outage, which the next slot mends
FAILING = 3
#: an order's fills are one message once none came for so long (exchange time)
QUIET = timedelta(seconds=10)

_BAD = {
    Outcome.MISSED: (Severity.WARNING, "ztrade doctor"),
    Outcome.INTERRUPTED: (Severity.WARNING, "ztrade cycles --agent {agent}"),
    Outcome.UNKNOWN: (Severity.CRITICAL, "ztrade orders --agent {agent}"),
    Outcome.REJECTED: (Severity.WARNING, "ztrade cycles --agent {agent}"),
}
_BY = {Leg.STOP: ", by its stop", Leg.TARGET: ", by its target"}


class Announcer:
    """Tells what is new; what it told is in the journal by its key, and in memory, to spare the journal the asking."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def announce(self, desk: Desk) -> None:
        """Tell what became of the agent's slots and orders.

        Raises:
            JournalUnavailable: what is not told yet is found again.
        """
        since = desk.clock.now() - BACK
        self._tell(desk, _outcomes(desk, since))
        self._tell(desk, _failing(desk))
        self._tell(desk, _rejected(desk, since))
        self._tell(desk, _expired(desk, since))
        self._tell(desk, _fills(desk, since))

    def ask(self, desk: Desk) -> None:
        """Tell of proposals that wait for a person, who has minutes. Raises JournalUnavailable."""
        waiting = desk.journal.proposals(state=ProposalState.PENDING)
        mine = (one for one in waiting if (one.agent, one.account) == (desk.agent.name, desk.account))
        self._tell(desk, (_of_proposal(desk, one) for one in mine))

    def _tell(self, desk: Desk, messages: Iterable[Message]) -> None:
        for message in messages:
            if message.key not in self._told:
                say(desk.journal, message)
                self._told.add(message.key)


def _message(desk: Desk, severity: Severity, key: str, title: str, text: str) -> Message:
    dry = " (dry run)" if desk.agent.dry_run else ""
    return Message(key, severity, f"{desk.agent.name}: {title}{dry}", text, desk.clock.wall(), desk.agent.name)


def _outcomes(desk: Desk, since: datetime) -> Iterator[Message]:
    for record in desk.journal.cycles(agent=desk.agent.name, since=since):
        if record.outcome in _BAD:
            yield _of_outcome(desk, record)


def _failing(desk: Desk) -> Iterator[Message]:
    """Yield a message for each time today that so many slots failed in a row: keys, an exchange that is away."""
    now = desk.clock.now()
    cycles = desk.journal.cycles(agent=desk.agent.name, since=now - timedelta(days=1), kind=CycleKind.SLOT)
    today = [one for one in cycles if one.outcome is not None and market_day(one.slot) == market_day(now)]
    for outcome, group in groupby(today, key=lambda one: one.outcome):
        run = list(group)
        if outcome is Outcome.FAILED and len(run) >= FAILING:
            text = f"{run[-1].reason}\nStops rest at the exchange, and nothing else is done. Look: ztrade doctor"
            key = f"failing:{desk.agent.name}:{run[0].cycle_id}"
            yield _message(desk, Severity.CRITICAL, key, f"{len(run)} slots in a row failed", text)


def _of_outcome(desk: Desk, record: CycleRecord) -> Message:
    severity, command = _BAD[record.outcome or Outcome.MISSED]
    text = f"{record.reason}\nLook: {command.format(agent=desk.agent.name)}"
    # agents may have several slots a minute, and two messages that read the same look like one told twice
    at = f"{record.slot:%Y-%m-%d %H:%M:%S}".removesuffix(":00")
    title = f"{record.outcome} at {at} UTC"
    return _message(desk, severity, f"outcome:{_occasion(record)}", title, text)


def _occasion(record: CycleRecord) -> str:
    """Return what is told once: each slot; of cycles between them, each reason once an hour.

    A halt that is to close a position tries every few seconds, and an exchange that refuses the sale says the same to
    all of them.
    """
    if record.kind is CycleKind.SLOT:
        return record.cycle_id
    return f"{record.agent}:{record.slot:%Y-%m-%d %H}:{record.reason}"


def _of_proposal(desk: Desk, proposal: Proposal) -> Message:
    request = proposal.request
    title = f"may it {request.side} {request.qty.normalize():f} {request.symbol} near {proposal.price:.2f}?"
    guards = [
        f"{name} {price:.2f}" for name, price in (("stop", request.stop_loss), ("target", request.take_profit)) if price
    ]
    lines = [
        ", ".join([proposal.rationale, *guards]),
        f"Before {proposal.expires_at:%H:%M:%S} UTC: ztrade approve {proposal.id}",
        f"Or: ztrade reject {proposal.id}",
    ]
    return _message(desk, Severity.WARNING, f"proposal:{proposal.id}", title, "\n".join(lines))


def _rejected(desk: Desk, since: datetime) -> Iterator[Message]:
    """Yield orders that the exchange took and then rejected: their cycle says that it entered."""
    name = desk.agent.name
    for owner, order in desk.journal.orders(agent=name, since=since):
        if order.status is OrderStatus.REJECTED:
            what = f"{order.side} {order.qty.normalize():f} {order.symbol}"
            text = f"{owner}'s order {order.client_order_id} is rejected\nLook: ztrade orders --agent {name}"
            title = f"the exchange rejected its order: {what}"
            yield _message(desk, Severity.WARNING, f"rejected:{order.id}", title, text)


def _expired(desk: Desk, since: datetime) -> Iterator[Message]:
    """Yield proposals that nobody answered."""
    for one in desk.journal.proposals(state=ProposalState.EXPIRED, since=since):
        if (one.agent, one.account) == (desk.agent.name, desk.account):
            request = one.request
            title = f"nobody answered: {request.side} {request.qty.normalize():f} {request.symbol} was not sent"
            text = f"{one.rationale}\nIt waited until {one.expires_at:%H:%M:%S} UTC. Look: ztrade proposals --all"
            yield _message(desk, Severity.INFO, f"expired:{one.id}", title, text)


def _fills(desk: Desk, since: datetime) -> Iterator[Message]:
    """Yield a message for each order, once its fills have come to rest; more of it later is another message."""
    name = desk.agent.name
    by_order: dict[str, list[Fill]] = defaultdict(list)
    # from before, so that an order whose first part is older than that is not taken for a smaller one
    for fill in desk.journal.fills(agent=name, since=since - SPREAD):
        by_order[fill.order_id].append(fill)
    now = desk.clock.now()
    ripe = [fills for fills in by_order.values() if fills[-1].at >= since and now - fills[-1].at >= QUIET]
    if ripe:
        trips = desk.journal.round_trips(agent=name, since=since)
        yield from (_of_fills(desk, fills, trips) for fills in ripe)


def _of_fills(desk: Desk, fills: Sequence[Fill], trips: Sequence[RoundTrip]) -> Message:
    last = fills[-1]
    qty = sum((fill.qty for fill in fills), Decimal(0))
    value = sum((fill.qty * fill.price for fill in fills), Decimal(0))
    verb = "bought" if last.side is Side.BUY else "sold"
    what = f"{verb} {qty.normalize():f} {last.symbol} at {value / qty:.2f}"
    ended = [trip for trip in trips if trip.closed_at == last.at and trip.symbol == last.symbol]
    made = f": {ended[-1].pnl:+.2f} dollars" if ended and last.side is Side.SELL else ""
    by = _BY.get(last.leg, "") if last.leg is not None else ""
    text = f"{value:.2f} dollars{by}, {last.at:%H:%M:%S} UTC\nLook: ztrade positions --agent {desk.agent.name}"
    return _message(desk, Severity.INFO, f"fill:{last.order_id}:{qty.normalize():f}", what + made, text)
