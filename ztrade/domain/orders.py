"""The life of an order and of an intent. Rule: every transition lives in the two tables of this file.

An exchange's snapshots may arrive late or twice, so :func:`newer` keeps what is further along and never goes back.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace

from ztrade.domain.ledger import Intent, IntentState
from ztrade.domain.types import Order, OrderClass, OrderRequest, OrderStatus, OrderType
from ztrade.errors import AdoptionMismatch

S = OrderStatus

#: nothing follows; the order has no effect any more
FINAL = frozenset({S.FILLED, S.CANCELED, S.EXPIRED, S.REJECTED, S.REPLACED})
_WAITING = frozenset({S.PENDING_NEW, S.ACCEPTED, S.ACCEPTED_FOR_BIDDING, S.HELD, S.NEW, S.SUSPENDED, S.OTHER})
_LEAVING = frozenset({S.PENDING_CANCEL, S.PENDING_REPLACE, S.DONE_FOR_DAY, S.STOPPED, S.CALCULATED})
_ANY_LATER = FINAL | _LEAVING | {S.PARTIALLY_FILLED}

TRANSITIONS: Mapping[OrderStatus, frozenset[OrderStatus]] = {
    **dict.fromkeys(_WAITING, _WAITING | _ANY_LATER),
    S.PARTIALLY_FILLED: _ANY_LATER | {S.SUSPENDED, S.OTHER},
    # a cancel or replace request may be refused, and the order goes on; done_for_day may trade again tomorrow
    **dict.fromkeys(_LEAVING, _WAITING | _ANY_LATER),
    **{status: frozenset() for status in FINAL},
}

INTENT_TRANSITIONS: Mapping[IntentState, frozenset[IntentState]] = {
    IntentState.PLANNED: frozenset(IntentState) - {IntentState.PLANNED},
    IntentState.UNKNOWN: frozenset({IntentState.SENT, IntentState.DONE, IntentState.NOT_SENT, IntentState.REJECTED}),
    IntentState.SENT: frozenset({IntentState.DONE, IntentState.REJECTED}),
    # an order that turned up after all is taken over: what the exchange has is true
    IntentState.NOT_SENT: frozenset({IntentState.SENT, IntentState.DONE}),
    IntentState.REJECTED: frozenset({IntentState.SENT, IntentState.DONE}),
    IntentState.DONE: frozenset(),
}


#: what a person says of an order under our id that is not to be the agent's
NOT_OURS = "not ours"

#: an entry that ended so without a fill never wakes its legs, whatever was last heard of them
_STILLBORN = frozenset({S.CANCELED, S.EXPIRED, S.REJECTED})


def is_final(order: Order) -> bool:
    """Tell whether the order and all its legs are over."""
    return not any(live_parts(order))


def live_parts(order: Order) -> Iterator[Order]:
    """Yield the order and its legs, those that are not over."""
    parts = (order,) if _is_stillborn(order) else (order, *order.legs)
    return (part for part in parts if part.status not in FINAL)


def _is_stillborn(order: Order) -> bool:
    return order.order_class is OrderClass.BRACKET and order.status in _STILLBORN and not order.filled_qty


def newer(old: Order, new: Order) -> Order:
    """Return what is known after ``new`` was read: statuses only move along the table, fills never shrink."""
    moves = new.status is old.status or new.status in TRANSITIONS[old.status]
    kept = new if moves and new.filled_qty >= old.filled_qty else old
    merged = replace(kept, legs=_newer_legs(old.legs, new.legs))
    return _buried(merged, {leg.id for leg in new.legs}) if _is_stillborn(merged) else merged


def _buried(order: Order, listed: Container[str]) -> Order:
    """End the legs that the exchange lists no more with their entry: nobody will ask for this order again."""
    legs = (
        leg if leg.id in listed or leg.status in FINAL else replace(leg, status=S.CANCELED, ended_at=order.ended_at)
        for leg in order.legs
    )
    return replace(order, legs=tuple(legs))


def _newer_legs(old: tuple[Order, ...], new: tuple[Order, ...]) -> tuple[Order, ...]:
    fresh = {leg.id: leg for leg in new}
    known = [(leg, fresh.pop(leg.id, None)) for leg in old]
    added = tuple(fresh.values())
    return (*(_superseded(leg, added) if now is None else newer(leg, now) for leg, now in known), *added)


def _superseded(leg: Order, added: Iterable[Order]) -> Order:
    """Return a leg that is not listed any more: replaced by hand where another of its kind took its place."""
    heir = next((other for other in added if other.type is leg.type), None)
    if heir is None or leg.status in FINAL:
        return leg
    return replace(leg, status=S.REPLACED, replaced_by=heir.id, ended_at=heir.submitted_at)


def state_of(order: Order) -> IntentState:
    """Return the intent's state that an order at the exchange means."""
    if order.status is S.REJECTED:
        return IntentState.REJECTED
    return IntentState.DONE if is_final(order) else IntentState.SENT


def check_adoption(request: OrderRequest, order: Order) -> None:
    """Make sure that the order found under our id is the one we meant.

    Raises:
        AdoptionMismatch: symbol, side, quantity or type differ.
    """
    differs = [
        f"{name} {found} instead of {wanted}"
        for name, wanted, found in (
            ("symbol", request.symbol, order.symbol),
            ("side", request.side, order.side),
            ("qty", request.qty, order.qty),
            ("type", request.type, order.type),
        )
        if found != wanted and found is not OrderType.OTHER
    ]
    if differs:
        name = request.client_order_id
        words = f"order {name} is at the exchange with {', '.join(differs)}"
        raise AdoptionMismatch(f"{words}: a person decides with `ztrade resolve {name}`")


def settled_as(choice: str) -> str:
    """Return how the reason of an intent begins on which a person decided."""
    return f"settled by hand, {choice}:"


def is_disowned(intent: Intent) -> bool:
    """Tell whether a person said that the order which the exchange has under this id is somebody else's."""
    return intent.state is IntentState.NOT_SENT and intent.reason.startswith(settled_as(NOT_OURS))


def is_unfinished(intent: Intent) -> bool:
    """Tell whether the exchange still has to be asked about this intent."""
    return intent.state in {IntentState.PLANNED, IntentState.UNKNOWN, IntentState.SENT}
