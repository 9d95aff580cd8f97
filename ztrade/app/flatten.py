"""What a halt may order besides stopping: end entries that rest, and close the position, until it is flat."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

import structlog

from ztrade.app import books, trade, way_out
from ztrade.app.act import has_stop
from ztrade.app.desk import Desk
from ztrade.app.ended import Ended
from ztrade.app.run_cycle import Run, finish
from ztrade.app.standing import states
from ztrade.app.tell import tell
from ztrade.domain.ledger import CycleKind, Holding, Intent, Outcome, Wish
from ztrade.domain.messages import Severity
from ztrade.domain.orders import FINAL
from ztrade.domain.reconcile import ENDING
from ztrade.domain.types import Leg
from ztrade.errors import JournalUnavailable, ZtradeError

log = structlog.get_logger("ztrade.flatten")

#: how what a halt does is named in ids of orders, and in what the journal says of those that it ended
_CAUSE = "halt"


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of an agent after one try; ``why`` is empty when nothing is.

    ``selling``: the shares are gone, and the journal has not yet seen the end of the exit that sold them (the account
    book was read a moment after the order). Whoever trades for the agent then would meet an order under way.
    ``symbols`` are those of which something is left.
    """

    qty: Decimal
    why: str
    selling: bool = False
    symbols: tuple[str, ...] = ()

    @property
    def flat(self) -> bool:
        return not self.qty and not self.why and not self.selling


def flatten(desk: Desk, wish: Wish, session_open: datetime) -> Left:
    """Do what the halt orders, as far as it goes now; call again until it is flat. Two callers are harmless.

    Entries end at once. The position's stop and target rest until the exchange trades: ended before, they would leave
    it bare over a night. Exits have ids of their own (agent, the halt's stamp, attempt).

    What the agent holds of another symbol, because its file was changed meanwhile, is closed with the rest.

    Raises:
        JournalUnavailable: without it nothing may be sent.
    """
    parts = [_flatten_one(one, wish, session_open) for one in (desk, *_elsewhere(desk))]
    return Left(
        sum((part.qty for part in parts), Decimal(0)),
        "; ".join(dict.fromkeys(part.why for part in parts if part.why)),
        any(part.selling for part in parts),
        tuple(symbol for part in parts for symbol in part.symbols),
    )


def _elsewhere(desk: Desk) -> Iterator[Desk]:
    """Yield the desk as it was for each other symbol of which the agent still holds shares."""
    for held in trade.held_elsewhere(desk):
        yield replace(desk, agent=replace(desk.agent, symbol=held.symbol))


def _flatten_one(desk: Desk, wish: Wish, session_open: datetime) -> Left:
    try:
        why = _flatten(desk, wish, session_open)
    except JournalUnavailable:
        raise
    except ZtradeError as error:
        why = str(error)
    selling = any(intent.leg is Leg.EXIT for intent in books.unfinished(desk))
    held = _held(desk, session_open) if wish.flatten else Decimal(0)
    return Left(held, why, selling, (desk.agent.symbol,) if held else ())


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
    if any(intent.leg is Leg.EXIT for intent in books.unfinished(desk)):
        # it may rest for hours, as in a trading halt: no cycle, intent and message for each look at it
        return ""
    if not way_out.check_way(desk):
        return f"the exchange has no {desk.agent.symbol}: was it renamed? What rests at the exchange is left alone"
    return _sell(desk, wish, session_open)


def cancel_entries(desk: Desk, session_open: datetime) -> bool:
    """End the agent's orders that may still buy, and take over what became of them.

    Returns whether one was filled all the same: the exchange ends the legs of a filled entry with it, so the shares it
    brought have no stop. That is said again at every try, until they are sold.

    Raises:
        ExchangeUnavailable: one does not end.
    """
    books.refresh(desk, states(desk, session_open))
    ended = [intent for intent in books.unfinished(desk) if _may_buy(intent)]
    for intent in ended:
        if intent.order is not None:
            trade.cancel(desk, intent, intent.order, _CAUSE)
    if ended:
        books.refresh(desk, states(desk, session_open))
    state = states(desk, session_open).agent
    return bool(state.holding.qty) and not has_stop(state) and _ended_by_halt(desk, state.holding)


def _ended_by_halt(desk: Desk, holding: Holding) -> bool:
    """Tell whether a halt ended the entry that brought these shares, and so their stop: no hand did."""
    since = holding.opened_at - trade.LONGEST_REST if holding.opened_at else None
    planned = desk.journal.intents(agent=desk.agent.name, account=desk.account, since=since)
    brought = [one for one in planned if one.leg is Leg.ENTRY and one.order is not None and one.order.filled_qty]
    return bool(brought) and brought[-1].reason.startswith(f"{ENDING}: {_CAUSE}")


def is_done(desk: Desk, wish: Wish) -> bool:
    """Tell whether nothing came after a halt was obeyed: an order that was long under way may arrive in spite of it."""
    if any(_may_buy(intent) for intent in books.unfinished(desk)):
        return False
    held = (holding.agent for holding in desk.journal.holdings(desk.account))
    return not wish.flatten or desk.agent.name not in held


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
        order = trade.leave(desk, claim, session_open, f"{_CAUSE}{wish.stamp}", now, even_halted=True)
        names = (order.client_order_id,) if order is not None else ()
        return Ended(Outcome.EXITED, "exited: a halt ordered to flatten", names)

    record = finish(Run(desk, claim, now, manual=False, session=None), leave)
    books.refresh(desk, states(desk, session_open))
    return record.reason if record is not None and record.outcome is not Outcome.EXITED else ""


def report(desk: Desk, wish: Wish, left: Left) -> None:
    """Tell how far what the halt orders is: its end once, and what is left whenever that changes."""
    name = desk.agent.name
    if left.flat:
        title, text = _ended(name, wish)
        tell(desk.journal, desk.clock, Severity.INFO, f"flat:{name}:{wish.stamp}", title, text, name)
    elif left.qty or left.why:
        title, text = _stands(desk, wish, left)
        key = f"flattening:{name}:{wish.stamp}:{left.qty}:{left.why}"
        tell(desk.journal, desk.clock, Severity.WARNING, key, title, text, name)


def _ended(name: str, wish: Wish) -> tuple[str, str]:
    if wish.flatten:
        return f"{name} is flat", "as the halt ordered: no position, no entry rests"
    return f"{name}: no entry rests", "as the halt ordered; what it holds keeps its stop"


def _stands(desk: Desk, wish: Wish, left: Left) -> tuple[str, str]:
    name = desk.agent.name
    if wish.flatten:
        why = left.why or "the exit is at the exchange"
        what = " and ".join(left.symbols) or desk.agent.symbol
        return f"{name} is not flat yet", f"{left.qty} {what} left: {why}"
    return f"{name}: an entry may still rest", left.why
