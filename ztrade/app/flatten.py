"""What a halt may order besides stopping: end entries that rest, and close the position, until it is flat."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

import structlog

from ztrade.app import books, trade
from ztrade.app.desk import Desk
from ztrade.app.tell import tell
from ztrade.domain.ledger import Claim, CycleKind, CycleRecord, Outcome, Wish
from ztrade.domain.messages import Severity
from ztrade.domain.orders import live_parts
from ztrade.domain.types import Leg, Side
from ztrade.errors import Rejected, TemporaryError, ZtradeError

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
        return _flatten(desk, wish, session_open)
    except (TemporaryError, Rejected) as error:
        held = desk.journal.agent_state(desk.agent.name, desk.account, desk.agent.symbol, session_open).holding.qty
        return Left(held, str(error))


def _flatten(desk: Desk, wish: Wish, session_open: datetime) -> Left:
    unknown = books.ask_unanswered(desk)
    if unknown:
        return Left(Decimal(0), f"order {unknown[0].request.client_order_id} is unanswered")
    cancel_entries(desk)
    books.refresh(desk, session_open)
    qty = _held(desk, session_open)
    if not wish.flatten or not qty:
        return Left(qty if wish.flatten else Decimal(0), "")
    clock = desk.exchange.clock()
    if not clock.is_open:
        return Left(qty, f"the exchange is closed until {clock.next_open:%Y-%m-%d %H:%M} UTC; the stop rests")
    _sell(desk, wish, session_open)
    return Left(_held(desk, session_open), "")


def cancel_entries(desk: Desk) -> None:
    """End the agent's orders that may still buy. Raises ExchangeUnavailable where one does not end."""
    for intent in books.unfinished(desk):
        if intent.leg is Leg.ENTRY and intent.order is not None:
            for part in live_parts(intent.order):
                if part.side is Side.BUY:
                    trade.cancel(desk, intent, part, "halt")


def _held(desk: Desk, session_open: datetime) -> Decimal:
    return desk.journal.agent_state(desk.agent.name, desk.account, desk.agent.symbol, session_open).holding.qty


def _sell(desk: Desk, wish: Wish, session_open: datetime) -> None:
    """Sell in a cycle of its own, so that the journal has the story; it ends with an outcome like any other."""
    now = desk.clock.now()
    claim = desk.journal.claim(
        desk.agent.name, now, CycleKind.EXTRA, owner=desk.owner, now=now, wall=desk.clock.wall(), lease=desk.lease,
        gone=desk.gone,
    )  # fmt: skip
    if claim is None:
        return
    record = _record(claim, now)
    try:
        order = trade.leave(desk, claim, session_open, f"halt{wish.stamp}", now, even_halted=True)
    except ZtradeError as error:
        desk.journal.finish(claim, replace(record, outcome=Outcome.FAILED, reason=f"failed to flatten: {error}"))
        raise
    names = (order.client_order_id,) if order is not None else ()
    desk.journal.finish(claim, replace(record, order_ids=names))
    books.refresh(desk, session_open)


def _record(claim: Claim, now: datetime) -> CycleRecord:
    reason = "exited: a halt ordered to flatten"
    return CycleRecord(
        claim.cycle_id, claim.agent, claim.slot, claim.kind, Outcome.EXITED, reason, now, now, claim.token
    )


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
