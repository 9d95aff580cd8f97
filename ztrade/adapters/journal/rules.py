"""What both journals, the database and the in-memory twin, decide in the same way. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from ztrade.domain.decision import Sentiment
from ztrade.domain.ledger import NOT_THERE, UNRESOLVED, Intent, IntentState, Outcome, Proposal, ProposalState
from ztrade.domain.orders import FINAL, INTENT_TRANSITIONS, is_final, is_unfinished, newer
from ztrade.domain.types import Leg, Order, OrderStatus, OrderType
from ztrade.errors import AdoptionMismatch, ClaimLost, Rejected

#: a slot is tried at most this often: what kills two workers would kill the third
MAX_ATTEMPTS = 2
RUNNING = "running"

#: entries that were sent, or may have been: a limit on trades counts all of them
COUNTS_AS_TRADE = frozenset({IntentState.PLANNED, IntentState.SENT, IntentState.UNKNOWN, IntentState.DONE})


class SentimentRecord(NamedTuple):
    """One cycle's sentiment on one symbol."""

    cycle_id: str
    agent: str
    symbol: str
    at: datetime
    sentiment: Sentiment


def with_capital(value: Decimal, capital: Decimal | None, wanted: Decimal | None) -> Decimal:
    """Return a point of equity that contains ``capital`` as it is with the ``wanted`` one; unchanged without either."""
    return value if capital is None or wanted is None or capital == wanted else value + (wanted - capital)


class Verdict(StrEnum):
    """What becomes of a claim on a cycle that exists already."""

    REFUSE = "refuse"
    TAKE_OVER = "take_over"
    CLOSE = "close"


def judge(
    outcome: Outcome | None, lease_until: datetime | None, attempt: int, wall: datetime, *, gone: bool = False
) -> Verdict:
    """Decide on a cycle somebody claimed before; a live lease is refused even to its own owner, unless that is gone.

    One owner's name may stand for two deliveries of the same message, and only one of them may run.
    """
    if outcome is not None or lease_until is None or (wall < lease_until and not gone):
        return Verdict.REFUSE
    return Verdict.CLOSE if attempt >= MAX_ATTEMPTS else Verdict.TAKE_OVER


def interrupted(attempt: int, owner: str, lease_until: datetime | None, planned: Sequence[str]) -> str:
    """Return the reason of a cycle whose last attempt died; ``planned`` are the orders that may have left."""
    tries = "one attempt" if attempt == 1 else f"{attempt} attempts"
    until = f"{lease_until:%Y-%m-%d %H:%M:%S} UTC" if lease_until else "an unknown time"
    orders = f"it had planned {', '.join(planned)}" if planned else "it had planned no order"
    return (
        f"interrupted: {tries} ended without an outcome; the last, by {owner}, held its claim until {until}; {orders}"
    )


def numbered(name: str, ordinal: int) -> str:
    """Return the name of the first, second, ... cycle of one instant."""
    return name if ordinal == 0 else f"{name}.{ordinal + 1}"


def check_lease(lease: timedelta) -> None:
    """Make sure that the claim holds for some time at all."""
    if lease <= timedelta(0):
        raise ValueError(f"a claim needs a positive lease, not {lease}")


def check_token(cycle_id: str, mine: int, newest: int | None, outcome: Outcome | None) -> None:
    """Let only the newest claim of an unfinished cycle write.

    Raises:
        ClaimLost: another process took the cycle over, or it has its outcome already.
    """
    if newest is None:
        raise ClaimLost(f"cycle {cycle_id} is not in this journal")
    if mine != newest:
        raise ClaimLost(f"cycle {cycle_id} was taken over: this claim has token {mine}, the newest has {newest}")
    if outcome is not None:
        raise ClaimLost(f"cycle {cycle_id} is finished already: {outcome}")


def check_limit(limit: int | None) -> None:
    """Make sure that a listing's length is one: databases differ in what they make of a negative one."""
    if limit is not None and limit < 0:
        raise ValueError(f"a listing cannot have {limit} rows")


def reason_of(outcome: Outcome, reason: str) -> str:
    """Return the reason, never empty: an exception without a text must not cost the slot its outcome."""
    return reason if reason.strip() else f"{outcome}: no reason was given"


def replanned(known: Intent, again: Intent) -> Intent:
    """Return what the journal holds after the same intent was planned a second time.

    It is kept as it is, unless it is known not to be at the exchange: then whoever plans it is about to send it, and
    it must be an open question again before the POST leaves.

    Raises:
        AdoptionMismatch: the id is the same, but the request is not.
    """
    if known.request != again.request:
        raise AdoptionMismatch(
            f"intent {known.request.client_order_id} is in the journal as {known.request}, and now as {again.request}"
        )
    if known.state not in NOT_THERE:
        return known
    return replace(again, state=IntentState.PLANNED, reason="", order=known.order, answered=known.answered)


def resolved(known: Intent, state: IntentState, reason: str, wall: datetime | None = None) -> Intent:
    """Return the intent in its new state; a late answer that would take it backwards changes nothing.

    ``wall`` is when that became known; the first word on an order is the one whose time counts.
    """
    if state is not known.state and state not in INTENT_TRANSITIONS[known.state]:
        return known
    answered = known.answered
    first = answered is None and known.state in UNRESOLVED | NOT_THERE and state not in UNRESOLVED
    if first and wall is not None:
        answered = max((wall - known.wall_at).total_seconds(), 0.0)
    return replace(known, state=state, reason=reason or known.reason, answered=answered)


def check_unchanged(known: Intent | None, seen: Intent | None) -> None:
    """Let a person's word on an intent count only where the intent is still as that person ``seen`` it.

    Raises:
        Rejected: another person, or a process that asked the exchange, was faster.
    """
    if seen is not None and known is not None and known != seen:
        name = known.request.client_order_id
        raise Rejected(f"order {name} changed meanwhile, it is {known.state} now: look again, ztrade resolve {name}")


def needs_asking(intent: Intent) -> bool:
    """Tell whether the exchange still has to be asked: unresolved, or its order or a leg of it still lives."""
    return is_unfinished(intent) or (intent.order is not None and not is_final(intent.order))


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What an order read at the exchange changes: the intent's current order, and every order to be stored."""

    current: Order
    stored: tuple[Order, ...]


def take_in(intent: Intent, known: Mapping[str, Order], order: Order) -> TakenIn:
    """Merge an order that was read for an intent with the orders ``known`` for it, by id, with their legs.

    Raises:
        AdoptionMismatch: the order is neither the intent's own nor a replacement of it.
    """
    current = intent.order
    if order.id in known:
        merged = newer(known[order.id], order)
        return TakenIn(merged if current is None or current.id == order.id else current, (merged,))
    own = order.client_order_id == intent.request.client_order_id
    if own and (current is None or current.status is OrderStatus.REJECTED):
        return TakenIn(order, (order,))
    if current is not None and _replaces(intent, order):
        old = known.get(order.replaces or "")
        return TakenIn(order, (order,) if old is None else (_replaced(old, order), order))
    raise AdoptionMismatch(_mismatch(intent, order))


def _replaces(intent: Intent, order: Order) -> bool:
    same = order.symbol == intent.request.symbol and order.side is intent.request.side
    return same and order.replaces is not None


def _replaced(old: Order, by: Order) -> Order:
    if old.status in FINAL:
        return old if old.replaced_by else replace(old, replaced_by=by.id)
    return replace(old, status=OrderStatus.REPLACED, replaced_by=by.id, ended_at=by.submitted_at)


def _mismatch(intent: Intent, order: Order) -> str:
    wanted = intent.request.client_order_id
    found = f"order {order.id} ({order.client_order_id}: {order.side} {order.symbol})"
    if intent.order is None:
        return f"{found} was read for intent {wanted}, but carries another id"
    return f"{found} was read for intent {wanted}, whose order is {intent.order.id}, and does not replace it"


def leg_of(order: Order) -> Leg:
    """Return what a bracket's leg is for: a limit takes the profit, everything else protects."""
    return Leg.TARGET if order.type is OrderType.LIMIT else Leg.STOP


def related_ids(order: Order) -> frozenset[str]:
    """Return the ids whose fills belong to whoever owns this order: its own, and those before and after it."""
    return frozenset(filter(None, (order.id, order.replaced_by, order.replaces)))


def check_decidable(proposal: Proposal, state: ProposalState, now: datetime) -> None:
    """Make sure that a proposal may be decided now.

    Raises:
        Rejected: it was decided before, or its time is over.
        ValueError: ``state`` is no decision.
    """
    if state is ProposalState.PENDING:
        raise ValueError("pending is not a decision")
    if proposal.state is not ProposalState.PENDING:
        raise Rejected(f"proposal {proposal.id} is {proposal.state} already")
    if state is not ProposalState.EXPIRED and now >= proposal.expires_at:
        raise Rejected(f"proposal {proposal.id} expired at {proposal.expires_at:%Y-%m-%d %H:%M:%S} UTC")


def plain(value: object) -> object:
    """Return the JSON form of a value for which JSON has none."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    tolist = getattr(value, "tolist", None)
    return tolist() if callable(tolist) else str(value)


def decided_price(leg: Leg, details: object) -> Decimal | None:
    """Return the price that an entry was decided at, from its cycle's details; None where they do not say."""
    price = details.get("price") if leg is Leg.ENTRY and isinstance(details, Mapping) else None
    try:
        found = Decimal(str(price)) if price is not None else None
    except ArithmeticError:
        return None
    return found if found is not None and found.is_finite() and found > 0 else None


def delivery_state(ended_at: datetime | None, lost: bool) -> str:
    """Return the word for how far a delivery is."""
    if ended_at is None:
        return "waiting"
    return "lost" if lost else "sent"
