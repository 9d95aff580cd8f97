"""The exchange's book against the journal's: what differs, and what each difference means. Pure.

The exchange is right about what is there, the journal about whose it is. Nothing here corrects anything: the account
book (fills, splits, dividends, fees) is taken over before, by id; what differs after that is a difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from ztrade.domain.ledger import Holding, Intent
from ztrade.domain.orders import FINAL, live_parts
from ztrade.domain.types import Order, OrderStatus, OrderType, Position

ZERO = Decimal(0)
CENT = Decimal("0.01")


class Kind(StrEnum):
    """What a difference is."""

    #: shares that no order of ours brought: recorded, never traded
    FOREIGN_POSITION = "foreign_position"
    #: an order that is not ours rests at the exchange
    FOREIGN_ORDER = "foreign_order"
    #: an order of ours ended that we did not end
    CANCELLED_BY_HAND = "cancelled_by_hand"
    #: an agent's shares with less than their number behind a live stop
    UNPROTECTED = "unprotected"
    #: nothing in the account book explains it
    UNEXPLAINED = "unexplained"


#: how an intent's reason begins once we asked for the end of its orders
ENDING = "ending its orders"
#: these make the agent reducing; the others are told, and life goes on
STOPS_ENTRIES = frozenset({Kind.UNEXPLAINED})


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs, with both sides as a person reads them; ``agent`` is None where it is nobody's."""

    kind: Kind
    symbol: str
    agent: str | None
    ours: str
    theirs: str

    @property
    def words(self) -> str:
        return f"{self.kind.replace('_', ' ')}: {self.symbol}: journal {self.ours}, exchange {self.theirs}"


@dataclass(frozen=True, slots=True)
class JournalSide:
    """What the journal has of one account.

    ``foreign`` is shares by symbol that no agent owns, as its book says; ``intents`` are those that are unfinished.
    """

    cash: Decimal | None
    holdings: Sequence[Holding]
    foreign: Mapping[str, Decimal]
    intents: Sequence[Intent]


@dataclass(frozen=True, slots=True)
class ExchangeSide:
    """What the exchange has of it: ``orders`` are those that are open, with nested legs."""

    cash: Decimal
    positions: Sequence[Position]
    orders: Sequence[Order] = ()


def differences(ours: JournalSide, theirs: ExchangeSide) -> Sequence[Difference]:
    """Return everything in which the two sides differ, the worst first."""
    found = [*_positions(ours, theirs), *_cash(ours, theirs), *_foreign_orders(ours, theirs), *_unprotected(ours)]
    return sorted(found, key=lambda difference: difference.kind not in STOPS_ENTRIES)


def _positions(ours: JournalSide, theirs: ExchangeSide) -> Iterator[Difference]:
    there = {position.symbol: position.qty for position in theirs.positions}
    mine = _by_symbol(ours.holdings)
    for symbol in sorted({*there, *mine, *ours.foreign}):
        owners = mine.get(symbol, ())
        owned = sum((holding.qty for holding in owners), ZERO)
        foreign = ours.foreign.get(symbol, ZERO)
        held = there.get(symbol, ZERO)
        if held != owned + foreign:
            yield _share_difference(symbol, owners, owned + foreign, held)
        elif foreign:
            yield Difference(Kind.FOREIGN_POSITION, symbol, None, f"{foreign} shares that are nobody's", f"{held}")


def _share_difference(symbol: str, owners: Sequence[Holding], booked: Decimal, held: Decimal) -> Difference:
    agent = owners[0].agent if owners else None
    return Difference(Kind.UNEXPLAINED, symbol, agent, f"{booked} shares", f"{held} shares")


def _by_symbol(holdings: Iterable[Holding]) -> Mapping[str, Sequence[Holding]]:
    found: dict[str, list[Holding]] = {}
    for holding in holdings:
        if holding.qty:
            found.setdefault(holding.symbol, []).append(holding)
    return found


def _cash(ours: JournalSide, theirs: ExchangeSide) -> Iterator[Difference]:
    if ours.cash is not None and abs(ours.cash - theirs.cash) >= CENT:
        yield Difference(Kind.UNEXPLAINED, "cash", None, f"{ours.cash:.2f}", f"{theirs.cash:.2f}")


def _foreign_orders(ours: JournalSide, theirs: ExchangeSide) -> Iterator[Difference]:
    known = {part.id for intent in ours.intents if intent.order is not None for part in _parts(intent.order)}
    named = {intent.request.client_order_id for intent in ours.intents}
    for order in theirs.orders:
        if order.id not in known and order.client_order_id not in named and order.replaces not in known:
            words = f"{order.side} {order.qty} {order.symbol} {order.type} ({order.client_order_id or order.id})"
            yield Difference(Kind.FOREIGN_ORDER, order.symbol, None, "no such order", words)


def _parts(order: Order) -> Iterator[Order]:
    yield order
    yield from order.legs


def _unprotected(ours: JournalSide) -> Iterator[Difference]:
    for holding in ours.holdings:
        if holding.qty <= 0:
            continue
        behind = sum((left(stop) for stop in stops_of(ours.intents, holding.agent)), ZERO)
        if behind < holding.qty and not _is_leaving(ours.intents, holding.agent):
            shares = f"{holding.qty} shares of {holding.agent}"
            yield Difference(Kind.UNPROTECTED, holding.symbol, holding.agent, shares, f"stops for {behind}")


def stops_of(intents: Iterable[Intent], agent: str) -> Iterator[Order]:
    """Yield the agent's stop orders that still live."""
    for intent in intents:
        if intent.agent == agent and intent.order is not None:
            yield from (
                part for part in live_parts(intent.order) if part.type in {OrderType.STOP, OrderType.STOP_LIMIT}
            )


def left(order: Order) -> Decimal:
    """Return how many shares of the order are not filled."""
    return order.qty - order.filled_qty


def _is_leaving(intents: Iterable[Intent], agent: str) -> bool:
    """Tell whether an order of the agent is under way that closes the position, or makes its stop."""
    return any(
        intent.agent == agent and (intent.order is None or intent.order.status not in FINAL) for intent in intents
    )


def cancelled_by_hand(before: Intent, now: Order) -> Iterator[Difference]:
    """Yield what of one intent's order ended between two reads though neither we nor the exchange's rules ended it."""
    if before.order is None or before.reason.startswith(ENDING) or now.id != before.order.id:
        return
    was = {part.id for part in live_parts(before.order)}
    for part in _parts(now):
        if part.id in was and part.status is OrderStatus.CANCELED and not _ended_by_sibling(now, part):
            words = f"{part.status} after {part.filled_qty} of {part.qty}"
            name = f"{part.side} {part.qty} {part.type}"
            yield Difference(Kind.CANCELLED_BY_HAND, part.symbol, before.agent, name, words)


def _ended_by_sibling(top: Order, part: Order) -> bool:
    """Tell the exchange's own ending: a leg ends with its sibling's fill, and with an entry that never filled."""
    if part.id == top.id:
        return False
    return not top.filled_qty or any(leg.id != part.id and leg.filled_qty for leg in top.legs)
