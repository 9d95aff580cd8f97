"""What a halt may order besides stopping: end entries that rest, and close the position, until it is flat."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import structlog

from ztrade.app import books, trade
from ztrade.app.act import has_stop
from ztrade.app.desk import Desk
from ztrade.app.ended import Ended
from ztrade.app.run_cycle import Run, finish
from ztrade.app.standing import states
from ztrade.app.tell import tell
from ztrade.domain.ledger import CycleKind, Intent, Outcome, Wish
from ztrade.domain.messages import Severity
from ztrade.domain.orders import FINAL
from ztrade.domain.types import Leg
from ztrade.errors import JournalUnavailable, ZtradeError

log = structlog.get_logger("ztrade.flatten")


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of an agent after one try; ``why`` is empty when nothing is."""

    qty: Decimal
    why: str

    @property
    def flat(self) -> bool:
        return not self.qty and not self.why


def flatten(desk: Desk, wish: Wish, session_open: datetime) -> Left:
    """Do what the halt orders, as far as it goes now; call again until it is flat. Two callers are harmless.

    Entries end at once. The position's stop and target rest until the exchange trades: ended before, they would leave
    it bare over a night. Exits have ids of their own (agent, the halt's stamp, attempt).

    Raises:
        JournalUnavailable: without it nothing may be sent.
    """
    try:
        why = _flatten(desk, wish, session_open)
    except JournalUnavailable:
        raise
    except ZtradeError as error:
        why = str(error)
    return Left(_held(desk, session_open) if wish.flatten else Decimal(0), why)


def _flatten(desk: Desk, wish: Wish, session_open: datetime) -> str:
    """Try once, and return what stands against it."""
    _, unknown = books.catch_up(desk, session_open)
    if unknown:
        return f"order {unknown[0].request.client_order_id} is unanswered"
    bare = cancel_entries(desk, session_open)
    if not (wish.flatten or bare) or not _held(desk, session_open):
        return ""
    clock = desk.exchange.clock()
    if not clock.is_open:
        return f"the exchange is closed until {clock.next_open:%Y-%m-%d %H:%M} UTC; the stop rests"
    return _sell(desk, wish, session_open)


def cancel_entries(desk: Desk, session_open: datetime) -> bool:
    """End the agent's orders that may still buy, and take over what became of them.

    Returns whether one was filled all the same: the exchange ends the legs of a filled entry with it, so the shares it
    brought have no stop.

    Raises:
        ExchangeUnavailable: one does not end.
    """
    books.refresh(desk, states(desk, session_open))
    ended = [intent for intent in books.unfinished(desk) if _may_buy(intent)]
    for intent in ended:
        if intent.order is not None:
            trade.cancel(desk, intent, intent.order, "halt")
    if not ended:
        return False
    books.refresh(desk, states(desk, session_open))
    state = states(desk, session_open).agent
    return bool(state.holding.qty) and not has_stop(state)


def _may_buy(intent: Intent) -> bool:
    order = intent.order
    return intent.leg is Leg.ENTRY and order is not None and order.status not in FINAL


def _held(desk: Desk, session_open: datetime) -> Decimal:
    return desk.journal.agent_state(desk.agent.name, desk.account, desk.agent.symbol, session_open).holding.qty


def _sell(desk: Desk, wish: Wish, session_open: datetime) -> str:
    """Sell in a cycle of its own, so that the journal has the story; it ends with an outcome like any other."""
    now = desk.clock.now()
    claim = desk.journal.claim(
        desk.agent.name, now, CycleKind.EXTRA, owner=desk.owner, now=now, wall=desk.clock.wall(), lease=desk.lease,
        gone=desk.gone,
    )  # fmt: skip
    if claim is None:
        return "another process closes it"

    def leave() -> Ended:
        order = trade.leave(desk, claim, session_open, f"halt{wish.stamp}", now, even_halted=True)
        names = (order.client_order_id,) if order is not None else ()
        return Ended(Outcome.EXITED, "exited: a halt ordered to flatten", names)

    record = finish(Run(desk, claim, now, manual=False, session=None), leave)
    books.refresh(desk, states(desk, session_open))
    return record.reason if record is not None and record.outcome is not Outcome.EXITED else ""


def report(desk: Desk, wish: Wish, left: Left) -> None:
    """Tell how far the flattening is: flat once, and what is left whenever that changes."""
    name = desk.agent.name
    if left.flat:
        tell(desk.journal, desk.clock, Severity.INFO, f"flat:{name}:{wish.stamp}", f"{name} is flat",
             "as the halt ordered: no position, no entry rests", name)  # fmt: skip
        return
    text = f"{left.qty} {desk.agent.symbol} left: {left.why or 'the exit is at the exchange'}"
    key = f"flattening:{name}:{wish.stamp}:{left.qty}:{left.why}"
    tell(desk.journal, desk.clock, Severity.WARNING, key, f"{name} is not flat yet", text, name)
