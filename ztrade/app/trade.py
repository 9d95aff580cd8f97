"""Sending: the intent first, the halt checked again, one POST, and its answer, whatever it is, written down."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from ztrade.app import books
from ztrade.app.desk import Desk
from ztrade.domain.decision import Decision
from ztrade.domain.identity import entry_id, exit_id
from ztrade.domain.ledger import Claim, Intent, IntentState
from ztrade.domain.orders import FINAL, check_adoption, live_parts, state_of
from ztrade.domain.types import Leg, Order, OrderClass, OrderRequest, OrderType, Side, TimeInForce
from ztrade.errors import (
    DuplicateOrderId,
    ExchangeUnavailable,
    HaltError,
    NotCancelable,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    TemporaryError,
)

#: wall seconds before each read of an order whose end was asked for; Alpaca takes some tenths of a second
_CANCEL_WAITS = (0.0, 0.1, 0.2, 0.4, 0.8, 1.6)


class HaltedNow(HaltError):
    """A person stopped the agent while its cycle ran."""


def entry_request(desk: Desk, slot: datetime, decision: Decision) -> OrderRequest:
    """Return the entry: whole shares, a bracket good till cancelled, so that it is protected while nothing runs."""
    return OrderRequest(
        client_order_id=entry_id(desk.agent.name, slot),
        symbol=desk.agent.symbol,
        side=Side.BUY,
        qty=decision.qty,
        type=OrderType.MARKET,
        time_in_force=TimeInForce.GTC,
        order_class=OrderClass.BRACKET,
        take_profit=decision.target,
        stop_loss=decision.stop,
    )


def exit_request(desk: Desk, cause: str, qty: Decimal) -> OrderRequest:
    """Return the exit of the whole position: at the market, today. Each attempt for one cause has its own id."""
    attempt = 1
    while desk.journal.intent(exit_id(desk.agent.name, cause, attempt)) is not None:
        attempt += 1
    return OrderRequest(exit_id(desk.agent.name, cause, attempt), desk.agent.symbol, Side.SELL, qty)


def send(
    desk: Desk, claim: Claim, leg: Leg, request: OrderRequest, *, now: datetime, even_halted: bool = False
) -> Order:
    """Write the intent, then submit it once. ``now`` is exchange time as the cycle knows it.

    Raises:
        JournalUnavailable, ClaimLost: the intent could not be written, so nothing was sent.
        HaltedNow: a halt came in between; nothing was sent.
        TemporaryError: another process trades for the agent, or this one slept too long; nothing was sent.
        Rejected, ExchangeUnavailable, RateLimited: not at the exchange, and the journal says so.
        OutcomeUnknown: may be at the exchange; the next cycle asks.
        AdoptionMismatch: another order has our id.
    """
    name = request.client_order_id
    intent = _plan(desk, claim, leg, request, now)
    try:
        if not even_halted:
            _check_halt(desk)
        _check_alone(desk, intent)
        _check_awake(desk, intent)
    except (HaltedNow, TemporaryError) as error:
        desk.journal.resolve(name, IntentState.NOT_SENT, reason=str(error))
        raise
    try:
        order = desk.exchange.submit(request)
    except DuplicateOrderId:
        order = desk.exchange.order_by_client_id(name)
        check_adoption(request, order)
    except Rejected as error:
        desk.journal.resolve(name, IntentState.REJECTED, reason=str(error))
        raise
    except (ExchangeUnavailable, RateLimited) as error:
        desk.journal.resolve(name, IntentState.NOT_SENT, reason=str(error))
        raise
    except OutcomeUnknown as error:
        desk.journal.resolve(name, IntentState.UNKNOWN, reason=str(error))
        raise
    desk.journal.resolve(name, state_of(order), order=order)
    return order


def _plan(desk: Desk, claim: Claim, leg: Leg, request: OrderRequest, now: datetime) -> Intent:
    intent = Intent(
        agent=desk.agent.name,
        account=desk.account,
        cycle_id=claim.cycle_id,
        leg=leg,
        request=request,
        state=IntentState.PLANNED,
        # not read again: the embedded exchange's clock costs a round trip, between the quote and the order
        planned_at=now,
        wall_at=desk.clock.wall(),
    )
    desk.journal.plan(claim, intent)
    return intent


def _check_halt(desk: Desk) -> None:
    stopped = desk.halts.reason(desk.agent.name)
    if stopped is not None:
        raise HaltedNow(stopped)


def _check_alone(desk: Desk, mine: Intent) -> None:
    """Make sure that no other process (a run by hand, an approval) sends for this agent meanwhile.

    Both wrote their intent before they look, so at least one sees the other; where both do, neither sends.
    """
    for other in books.unfinished(desk):
        name = other.request.client_order_id
        # an exit may leave beside its own entry, whose legs were ended just now
        if name != mine.request.client_order_id and (mine.leg is Leg.ENTRY or other.leg is Leg.EXIT):
            raise TemporaryError(f"order {name} of this agent is under way")


def _check_awake(desk: Desk, intent: Intent) -> None:
    """Make sure that the intent is fresh: once its grace is over, others conclude that it was never sent.

    Half of the grace is for getting here, half for the way to the exchange.
    """
    late = desk.clock.wall() - intent.wall_at
    if late > desk.unknown_grace / 2:
        raise TemporaryError(f"{late.total_seconds():.0f} s passed between planning the order and sending it")


def leave(desk: Desk, claim: Claim, session_open: datetime, cause: str, now: datetime) -> Order | None:
    """Close the agent's position: end the orders that hold its shares, then sell what is left.

    A halt is obeyed as long as the stop rests. Once its end was asked for the sale is finished: a halted agent runs no
    cycle that would find the bare position.

    Returns None when stop, target or a person was faster and nothing is left to sell. Raises as :func:`send`.
    """
    _check_halt(desk)
    holding_orders = list(_holding_orders(desk))
    if holding_orders:
        desk.journal.check(claim)
    for order in holding_orders:
        _cancel(desk, order)
    books.refresh(desk, session_open)
    state = desk.journal.agent_state(desk.agent.name, desk.account, desk.agent.symbol, session_open)
    qty = min(state.holding.qty, _shares_there(desk)) if state.holding.qty > 0 else Decimal(0)
    if qty <= 0:
        return None
    request = exit_request(desk, cause, qty)
    return send(desk, claim, Leg.EXIT, request, now=now, even_halted=bool(holding_orders))


def _shares_there(desk: Desk) -> Decimal:
    """Return what the exchange says is held: its account book may lag, and selling what is gone would be short."""
    mine = (position.qty for position in desk.exchange.positions() if position.symbol == desk.agent.symbol)
    return sum(mine, Decimal(0))


def _holding_orders(desk: Desk) -> Iterator[Order]:
    for intent in books.unfinished(desk):
        if intent.order is not None and intent.leg is Leg.ENTRY:
            yield from live_parts(intent.order)


def _cancel(desk: Desk, order: Order) -> None:
    """End one order and wait until it is over: until then it holds the shares, and a sell would be refused.

    Raises:
        ExchangeUnavailable: it is still live after several reads; the next cycle goes on from here.
    """
    with contextlib.suppress(NotCancelable):  # over already, or gone with its sibling: the reads below tell
        desk.exchange.cancel(order.id)
    for wait in _CANCEL_WAITS:
        desk.pause(wait)
        if desk.exchange.order(order.id).status in FINAL:
            return
    raise ExchangeUnavailable(f"order {order.id} ({order.side} {order.qty} {order.symbol}) does not end")
