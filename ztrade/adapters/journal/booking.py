"""From the account book to holdings. Pure.

The holdings of one account in one symbol are a fold over its fills and splits in the order of (time, id). So the result
does not depend on the order in which the entries arrived: an entry that comes late makes the fold run again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from ztrade.domain.ledger import Fill, Holding, RoundTrip
from ztrade.domain.portfolio import ZERO, apply_fill, apply_split
from ztrade.domain.types import Activity, Leg, Side
from ztrade.errors import DataError

#: Alpaca's finest fraction of a share
NANO = Decimal("1E-9")
#: activities that change how many shares are held; every other kind changes cash only
MOVES_SHARES = frozenset({"FILL", "SPLIT"})

Key = tuple[datetime, str]
_PLACES = {str(Side.BUY): 0, "split": 1, str(Side.SELL): 2}


class Owner(NamedTuple):
    """Whose order it was, and what for."""

    agent: str
    leg: Leg


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the account book; ``owner`` is None where the order is not ours.

    ``seen`` entries were contained in the opening balance: they only say which shares were there before.
    """

    activity: Activity
    owner: Owner | None = None
    seen: bool = False

    @property
    def key(self) -> Key:
        """The entry's place. At one instant: what was bought, a split of it, what was sold of that.

        Where the price is beyond an entry's stop or target already, or a split makes it so, all is at one instant.
        """
        kind = "split" if self.activity.kind == "SPLIT" else str(self.activity.side)
        return (self.activity.at, f"{_PLACES.get(kind, 9)}{self.activity.id}")


@dataclass(frozen=True, slots=True)
class Lot:
    """An agent's holding, and the sums of the round trip that is under way."""

    holding: Holding
    trip_cost: Decimal = ZERO
    trip_qty: Decimal = ZERO
    trip_value: Decimal = ZERO


@dataclass(slots=True)
class Book:
    """All shares of one account in one symbol; ``foreign`` are those that no agent owns, as far as the book says.

    ``removed`` is what the first half of a split took, until its second half comes; within one fold only.
    """

    symbol: str
    lots: dict[str, Lot] = field(default_factory=dict)
    foreign: Decimal = ZERO
    last: Key | None = None
    removed: Decimal = ZERO

    def holding(self, agent: str) -> Holding:
        lot = self.lots.get(agent)
        return lot.holding if lot else Holding(agent, self.symbol)


@dataclass(frozen=True, slots=True)
class Posting:
    """A booked fill: ``owner`` is whose order it was even where the fill contradicts the holding (``fill.problem``)."""

    fill: Fill
    owner: Owner | None
    realized: Decimal = ZERO
    trip: RoundTrip | None = None


def check_entry(account: str, activity: Activity) -> None:
    """Make sure that an entry can be booked at all.

    Raises:
        DataError: a field that money depends on is missing or is no number: nothing may be booked around it.
    """
    numbers = (activity.net_amount, activity.qty, activity.price)
    wrong = [f"{value} is no number" for value in numbers if value is not None and not value.is_finite()]
    if activity.at.tzinfo is None:
        wrong.append(f"{activity.at} has no time zone")
    if activity.kind == "FILL" and not wrong:
        wrong += [
            f"it has no {name}" for name in ("symbol", "order_id", "side", "qty", "price") if _lacks(activity, name)
        ]
        if activity.qty is not None and activity.qty <= 0:
            wrong.append(f"{activity.qty} shares are no fill")
    if wrong:
        raise DataError(
            f"account book of {account}, {activity.kind} {activity.id}",
            ", ".join(wrong),
            why="cash and holdings would be wrong from here on; nothing was booked",
            fix="compare the entry with the exchange's own statement: has the form of its answers changed?",
        )


def _lacks(activity: Activity, name: str) -> bool:
    value: object = getattr(activity, name)
    return value is None or value == ""


def moves_shares(activity: Activity) -> bool:
    """Tell whether the entry belongs into the fold."""
    return activity.kind in MOVES_SHARES and bool(activity.symbol) and activity.qty is not None


def fold(symbol: str, entries: Iterable[Entry]) -> tuple[Book, list[Posting]]:
    """Build the book of one account and symbol from all its entries, in any order."""
    book = Book(symbol)
    postings = [post(book, entry) for entry in sorted(entries, key=lambda entry: entry.key)]
    return book, [posting for posting in postings if posting is not None]


def needs_fold(book: Book, entries: Iterable[Entry]) -> bool:
    """Tell whether all must be folded anew: an entry belongs before what is booked, or may be half of a split."""
    last = book.last
    return last is not None and any(entry.key < last or entry.activity.kind == "SPLIT" for entry in entries)


def post(book: Book, entry: Entry) -> Posting | None:
    """Put one entry into the book, in place; returns the fill as booked, None where it is none of ours to book."""
    book.last = entry.key
    if entry.activity.kind == "SPLIT":
        _split(book, entry)
        return None
    if entry.seen:
        book.foreign += _signed(entry.activity)
        return None
    return _post_fill(book, entry)


def _signed(activity: Activity) -> Decimal:
    qty = activity.qty or ZERO
    return qty if activity.side is Side.BUY else -qty


def fill_of(entry: Entry) -> Fill:
    """Return the fill as the exchange reported it, with its owner."""
    activity = entry.activity
    assert activity.side is not None  # noqa: S101 - check_entry refused it before
    return Fill(
        id=activity.id,
        order_id=activity.order_id or "",
        agent=entry.owner.agent if entry.owner else None,
        leg=entry.owner.leg if entry.owner else None,
        symbol=activity.symbol or "",
        side=activity.side,
        qty=activity.qty or ZERO,
        price=activity.price or ZERO,
        at=activity.at,
    )


def _post_fill(book: Book, entry: Entry) -> Posting:
    fill, owner = fill_of(entry), entry.owner
    if owner is None:
        return _post_foreign(book, fill, _signed(entry.activity))
    lot = book.lots.get(owner.agent) or Lot(Holding(owner.agent, book.symbol))
    try:
        after = apply_fill(lot.holding, fill)
    except ValueError as error:
        # the shares did leave the account: keep that, count them as nobody's, and let reconciliation halt the agent
        book.foreign += _signed(entry.activity)
        return Posting(replace(fill, agent=None, leg=None, problem=f"{owner.leg} order: {error}"), owner)
    realized = after.realized - lot.holding.realized
    book.lots[owner.agent], trip = _travel(lot, after, fill)
    return Posting(fill, owner, realized, trip)


def _post_foreign(book: Book, fill: Fill, change: Decimal) -> Posting:
    """Book what a person did: shares sold by hand that are nobody's are those of the one agent who holds some.

    Else the agent would go on claiming, and trying to sell, what left the account.
    """
    holders = [lot for lot in book.lots.values() if lot.holding.qty]
    beyond = -change - max(book.foreign, ZERO)
    book.foreign += change
    if beyond <= 0 or len(holders) != 1:
        return Posting(fill, None)
    (lot,) = holders
    sold = replace(fill, agent=lot.holding.agent, qty=min(beyond, lot.holding.qty))
    book.foreign += sold.qty
    after = apply_fill(lot.holding, sold)
    book.lots[lot.holding.agent], trip = _travel(lot, after, sold)
    return Posting(fill, None, after.realized - lot.holding.realized, trip)


def _travel(lot: Lot, after: Holding, fill: Fill) -> tuple[Lot, RoundTrip | None]:
    value = fill.qty * fill.price
    if fill.side is Side.BUY:
        return replace(lot, holding=after, trip_cost=lot.trip_cost + value), None
    qty, proceeds = lot.trip_qty + fill.qty, lot.trip_value + value
    if after.qty:
        return replace(lot, holding=after, trip_qty=qty, trip_value=proceeds), None
    trip = RoundTrip(
        agent=after.agent,
        symbol=after.symbol,
        qty=qty,
        opened_at=lot.holding.opened_at or fill.at,
        closed_at=fill.at,
        entry_price=lot.trip_cost / qty,
        exit_price=proceeds / qty,
        pnl=proceeds - lot.trip_cost,
        exit_leg=fill.leg,
    )
    return Lot(after), trip


def _split(book: Book, entry: Entry) -> None:
    """Share a split's change of quantity out among the holders, in proportion.

    Alpaca books a split as two entries: all old shares go, and some minutes later the new ones come. What cannot be
    shared out is foreign, so that reconciliation finds it; a first half stays so until the second one comes.
    """
    change = (entry.activity.qty or ZERO) + book.removed
    book.foreign, book.removed = book.foreign - book.removed, ZERO
    shares = {} if entry.seen else {agent: lot.holding.qty for agent, lot in book.lots.items() if lot.holding.qty}
    total = sum(shares.values(), ZERO) + max(book.foreign, ZERO)
    if not shares or change <= -total:
        book.foreign += change
        book.removed = change if shares else ZERO
        return
    parts = {agent: (change * share / total).quantize(NANO) for agent, share in shares.items()}
    rest = change - sum(parts.values(), ZERO)
    if book.foreign > 0:
        book.foreign += rest
    else:
        parts[max(parts)] += rest
    for agent, part in parts.items():
        lot = book.lots[agent]
        book.lots[agent] = replace(lot, holding=apply_split(lot.holding, part))
