"""A person's word on an order that is not at the exchange as it was meant, or of which nobody knows whether it is.

Nothing is guessed here: the intent, the exchange's order, and what may be said of them are shown, and one of that is
written down. It counts only while the agent is halted, and only where the intent is still as it was looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import structlog

from ztrade.app import books
from ztrade.app.desk import Desk
from ztrade.domain.ledger import UNRESOLVED, Intent, IntentState
from ztrade.domain.messages import Message, Severity
from ztrade.domain.orders import NOT_OURS, check_adoption, is_disowned, settled_as
from ztrade.domain.types import Order, OrderRequest, OrderStatus
from ztrade.errors import AdoptionMismatch, JournalUnavailable, NotFound, Rejected
from ztrade.ports import Journal

log = structlog.get_logger("ztrade.resolve")


class Choice(StrEnum):
    """What a person can say of an order."""

    AS_IT_IS = "as it is"
    NOT_OURS = NOT_OURS
    NOT_SENT = "not sent"


#: what the intent becomes by each; an order that is taken over may be over already
_BECOMES = {
    Choice.AS_IT_IS: frozenset({IntentState.SENT, IntentState.DONE, IntentState.REJECTED}),
    Choice.NOT_OURS: frozenset({IntentState.NOT_SENT}),
    Choice.NOT_SENT: frozenset({IntentState.NOT_SENT}),
}


@dataclass(frozen=True, slots=True)
class Case:
    """Both sides of one order: what was meant, and what the exchange has under its id, None where nothing.

    ``halted`` is why the agent is stopped, None where it is not; ``against`` what speaks against a choice: those that
    are not in it can be made. ``again``: the same was decided before, and nothing changed.
    """

    intent: Intent
    order: Order | None
    halted: str | None
    against: Mapping[Choice, str] = field(default_factory=dict)
    again: bool = False

    @property
    def open(self) -> bool:
        """Whether the two sides do not fit: an answer is missing, or the exchange has what the journal has not."""
        return self.intent.state in UNRESOLVED or (_may_be_said(self.intent) and self.order is not None)

    @property
    def meant(self) -> str:
        return _request(self.intent.request)

    @property
    def found(self) -> str:
        return "no such order" if self.order is None else _order(self.order)


def find(journal: Journal, order_id: str) -> Intent:
    """Return the intent with this id.

    Raises:
        NotFound: there is none.
    """
    intent = journal.intent(order_id)
    if intent is None:
        raise NotFound(f"the journal has no order {order_id!r}: ztrade orders lists them by client_order_id")
    return intent


def look(desk: Desk, order_id: str, may_live: Callable[[str], bool]) -> Case:
    """Return both sides of an order; nothing is changed. ``may_live`` tells whether a sender may still run here.

    Raises:
        NotFound: the journal has no such order.
        Rejected: it was sent to another account than the agent's.
        ExchangeUnavailable, ...: the exchange did not answer, which is never "no such order".
    """
    intent = find(desk.journal, order_id)
    if intent.account != desk.account:
        name = desk.agent.name
        raise Rejected(f"order {order_id} was meant for account {intent.account}, and {name} trades on {desk.account}")
    order = books.order_under(desk, order_id)
    against = dict(_against(desk, intent, order, may_live))
    return Case(intent, order, desk.halts.reason(intent.agent), against)


def resolve(
    desk: Desk, order_id: str, choice: Choice, *, by: str, reason: str, may_live: Callable[[str], bool]
) -> Case:
    """Write the person's choice down, and tell of it; returns what was looked at before.

    Raises:
        as :func:`look`; JournalUnavailable: nothing was changed.
        Rejected: something speaks against it, the agent is not halted, or another was faster.
    """
    case = look(desk, order_id, may_live)
    if _said_before(case, choice):
        _tell(desk, case, choice, case.intent.reason)
        return Case(case.intent, case.order, case.halted, case.against, again=True)
    if choice in case.against:
        raise Rejected(case.against[choice])
    if choice is Choice.NOT_SENT:
        _ask_once_more(desk, order_id)
    why = f"{settled_as(choice)} {reason} (by {by})"
    _check_halted(desk, case.intent)
    _write(desk, case, choice, why)
    _tell(desk, case, choice, why)
    return case


def _said_before(case: Case, choice: Choice) -> bool:
    intent = case.intent
    same = intent.reason.startswith(settled_as(choice)) and intent.state in _BECOMES[choice]
    return same and not (choice is Choice.NOT_SENT and case.order is not None)


def _ask_once_more(desk: Desk, name: str) -> None:
    """Ask again a moment later, as for every order that counts as not sent."""
    desk.pause(books.ARRIVAL)
    order = books.order_under(desk, name)
    if order is not None:
        raise Rejected(f"order {name} arrived just now: {_order(order)}")


def _check_halted(desk: Desk, intent: Intent) -> None:
    if desk.halts.reason(intent.agent) is None:
        name = intent.agent
        raise Rejected(f"{name} is not halted, and may trade meanwhile: ztrade halt {name} first")


def _write(desk: Desk, case: Case, choice: Choice, why: str) -> None:
    intent = case.intent
    if choice is Choice.AS_IT_IS and case.order is not None:
        books.take(desk, intent, case.order, reason=why, seen=intent)
        return
    desk.journal.resolve(
        intent.request.client_order_id, IntentState.NOT_SENT, reason=why, wall=desk.clock.wall(), seen=intent
    )


_TITLES = {
    Choice.AS_IT_IS: "an order was taken over by hand as it is",
    Choice.NOT_OURS: "an order under its id was declared somebody else's",
    Choice.NOT_SENT: "an order was declared not sent",
}


def _tell(desk: Desk, case: Case, choice: Choice, why: str) -> None:
    name, agent = case.intent.request.client_order_id, case.intent.agent
    text = f"{name}: {why}\nMeant: {case.meant}\nThe exchange had: {case.found}\nThen: ztrade release {agent}"
    key = f"settled:{name}:{choice}"
    title, at = f"{agent}: {_TITLES[choice]}", desk.clock.wall()
    try:
        # not logged besides: whoever decides reads the answer at the same terminal
        desk.journal.post(Message(key, Severity.WARNING, title, text, at, agent))
    except JournalUnavailable as error:
        # the decision stands; said again it is told
        log.warning("message_not_kept", key=key, error=str(error))


def _may_be_said(intent: Intent) -> bool:
    """Tell whether a person may decide: what was taken for not sent may be at the exchange all the same."""
    return intent.state in UNRESOLVED or (intent.state is IntentState.NOT_SENT and not is_disowned(intent))


def _against(desk: Desk, intent: Intent, order: Order | None, may_live: Callable[[str], bool]) -> Mapping[Choice, str]:
    name = intent.request.client_order_id
    if not _may_be_said(intent):
        more = f": {intent.reason}" if intent.reason else ""
        return dict.fromkeys(Choice, f"order {name} is resolved already, as {intent.state}{more}")
    if order is None:
        none = f"the exchange has no order {name}"
        still = _not_yet(desk, intent, may_live)
        found = {Choice.AS_IT_IS: none, Choice.NOT_OURS: none}
        return found | ({Choice.NOT_SENT: still} if still else {})
    there = f"the exchange has order {name}: {_order(order)}"
    return {Choice.NOT_SENT: there, **_against_found(intent, order)}


def _against_found(intent: Intent, order: Order) -> Mapping[Choice, str]:
    """Return what speaks against one of the two choices that an order leaves."""
    request = intent.request
    if (order.symbol, order.side) != (request.symbol, request.side):
        words = f"{_order(order)}, and {request.side} {request.symbol} was meant: that can only be not ours"
        return {Choice.AS_IT_IS: words}
    if order.status is OrderStatus.REJECTED and intent.state is IntentState.NOT_SENT:
        return {Choice.AS_IT_IS: f"the exchange refused it: {_order(order)}"}
    try:
        check_adoption(request, order)
    except AdoptionMismatch:
        return {}
    return {Choice.NOT_OURS: f"order {request.client_order_id} is what was meant: ztrade takes it over as it is"}


def _not_yet(desk: Desk, intent: Intent, may_live: Callable[[str], bool]) -> str:
    """Return why an order that the exchange does not have cannot be declared not sent; nothing where it can."""
    name = intent.request.client_order_id
    if intent.state is IntentState.NOT_SENT:
        return f"order {name} counts as not sent already: {intent.reason}"
    left = desk.unknown_grace - (desk.clock.wall() - intent.wall_at)
    if left.total_seconds() > 0:
        return f"order {name} may still arrive: ask again in {left.total_seconds():.0f} s"
    sender = intent.sender or desk.journal.runner(intent.cycle_id) or ""
    if may_live(sender):
        return f"the sender of {name} may still live on this host ({sender or 'it has no name'}): end it first"
    return ""


def _request(request: OrderRequest) -> str:
    return (
        f"{request.side} {request.qty.normalize():f} {request.symbol} {request.type}, {request.order_class or 'simple'}"
    )


def _order(order: Order) -> str:
    legs = f" with {len(order.legs)} legs" if order.legs else ""
    kind = f"{order.type}, {order.order_class or 'simple'}{legs}, {order.status}"
    qty, filled = order.qty.normalize(), order.filled_qty.normalize()
    return f"{order.side} {qty:f} {order.symbol} {kind}, {filled:f} filled, id {order.id}"
