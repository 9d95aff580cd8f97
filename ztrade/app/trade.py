"""Sending: the intent first, the halt checked again, one POST, and its answer, whatever it is, written down."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from ztrade.app import books, way_out
from ztrade.app.desk import Desk
from ztrade.app.standing import states
from ztrade.domain import risk
from ztrade.domain.decision import Decision
from ztrade.domain.identity import entry_id, exit_id
from ztrade.domain.ledger import Claim, Holding, Intent, IntentState
from ztrade.domain.orders import FINAL, check_adoption, state_of
from ztrade.domain.reconcile import ENDING
from ztrade.domain.schedule import is_market_open, market_day
from ztrade.domain.types import Leg, Order, OrderClass, OrderRequest, OrderStatus, OrderType, Side, TimeInForce
from ztrade.errors import (
    AccessDenied,
    AdoptionMismatch,
    DuplicateOrderId,
    ExchangeUnavailable,
    HaltError,
    JournalUnavailable,
    NotCancelable,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    TemporaryError,
    ZtradeError,
)

log = structlog.get_logger()

#: wall seconds before each read of an order whose end was asked for; Alpaca takes some tenths of a second
_CANCEL_WAITS = (0.0, 0.1, 0.2, 0.4, 0.8, 1.6)


#: an entry that was planned longer than this before its first fill is not looked for
LONGEST_REST = timedelta(days=7)

#: exchange time that an order is given to arrive before the close
ARRIVAL = timedelta(seconds=5)

#: wall seconds before each further try of an exit that surely did not leave; its position has no stop meanwhile
_EXIT_WAITS = (0.5, 1.0, 2.0)


class HaltedNow(HaltError):
    """A person stopped the agent while its cycle ran."""


class NoEntry(TemporaryError):
    """Something came up against this entry since risk approved it: a breaker, or other agents' plans."""

    def __init__(self, message: str, rule: str) -> None:
        super().__init__(message)
        self.rule = rule


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


def enter(
    desk: Desk, claim: Claim, request: OrderRequest, asked: risk.Check, *, now: datetime, seen_wall: datetime
) -> Order:
    """Send an entry; ``asked`` is what risk approved, on what was seen at ``seen_wall`` (wall time).

    Raises:
        NoEntry: a breaker tripped meanwhile, an order of the agent arrived late, it holds another symbol, or other
            agents of the account planned entries that nobody could see yet, and there is no room for all.
        TemporaryError: what was seen is too old to trade on, or the market closes; nothing was sent.
        as :func:`send`.
    """

    def look(intent: Intent) -> None:
        reduced = desk.halts.reducing(desk.agent.name)
        if reduced is not None:
            raise NoEntry(f"reducing: {reduced}", risk.REDUCING)
        for found in books.ask_again(desk, intent.planned_at):
            raise NoEntry(f"order {found.request.client_order_id} arrived late", risk.OPEN_POSITIONS)
        for held in held_elsewhere(desk):
            raise NoEntry(f"holds {held.qty} {held.symbol} from before its symbol was changed", risk.OPEN_POSITIONS)
        # from then on it is _check_awake that counts
        late = intent.wall_at - seen_wall
        if late > desk.unknown_grace:
            raise TemporaryError(f"{late.total_seconds():.0f} s passed between seeing the market and planning to enter")
        _check_room(desk, intent, asked, seen_wall)
        _check_open(desk, asked.at)

    return send(desk, claim, Leg.ENTRY, request, now=now, last_look=look)


def held_elsewhere(desk: Desk) -> Sequence[Holding]:
    """Return what the agent holds of other symbols than its own: its file was changed while a position was open."""
    mine = (held for held in desk.journal.holdings(desk.account) if held.agent == desk.agent.name)
    return [held for held in mine if held.symbol != desk.agent.symbol]


def _check_room(desk: Desk, mine: Intent, asked: risk.Check, seen_wall: datetime) -> None:
    """Make sure that entries of other agents, planned since the market was seen, leave room for this one.

    All write their intent before they look, so of two that are too much together at least one sees the other.
    """
    others = [
        intent.request
        for intent in desk.journal.intents(account=desk.account, unfinished=True)
        if intent.leg is Leg.ENTRY and intent.agent != mine.agent and intent.wall_at >= seen_wall - desk.unknown_grace
        if intent.order is None or intent.order.status is not OrderStatus.FILLED
    ]
    crowded = risk.crowded(asked, others)
    if crowded is not None:
        raise NoEntry(f"{crowded}, with what other agents are just entering", risk.DEPLOYED)


def _check_open(desk: Desk, seen_at: datetime) -> None:
    """Make sure that the market is open still, where a slot ran late or its questions took long.

    What arrives after the close waits there, and buys at the next open, at a price that nobody has looked at. A cycle
    lasts less than its interval: before that the clock, which may be a round trip away, is not asked.
    """
    session = desk.calendar.session(market_day(seen_at))
    if is_market_open(session, seen_at + desk.agent.every):
        return
    if not is_market_open(session, desk.clock.now() + ARRIVAL):
        raise TemporaryError("the market closes before the order would be there, and it would wait for the next open")


def _nothing_more(_intent: Intent) -> None:
    """Look at nothing: an exit is held back by no limit."""


def send(
    desk: Desk,
    claim: Claim,
    leg: Leg,
    request: OrderRequest,
    *,
    now: datetime,
    even_halted: bool = False,
    last_look: Callable[[Intent], None] = _nothing_more,
) -> Order:
    """Write the intent, then submit it once. ``now`` is exchange time as the cycle knows it.

    Raises:
        JournalUnavailable, ClaimLost: the intent could not be written, so nothing was sent.
        HaltedNow: a halt came in between; nothing was sent.
        TemporaryError: another process trades for the agent, or this one slept too long; nothing was sent.
        Rejected, ExchangeUnavailable, RateLimited, AccessDenied: not at the exchange, and the journal says so.
        OutcomeUnknown: may be at the exchange, or is there and the journal could not be told; the next cycle asks.
        AdoptionMismatch: another order has our id.
    """
    name = request.client_order_id
    intent = _plan(desk, claim, leg, request, now)
    try:
        _check_alone(desk, intent)
        last_look(intent)
        # after all looks that may take a while, as those that ask the exchange do
        if not even_halted:
            _check_halt(desk)
        _check_awake(desk, intent)
    except ZtradeError as error:
        # whatever it is, nothing has left
        desk.journal.resolve(name, IntentState.NOT_SENT, reason=str(error))
        raise
    with structlog.contextvars.bound_contextvars(order_id=name):
        log.info("order_leaves", side=str(request.side), qty=str(request.qty), symbol=request.symbol)
        order = _submit(desk, request)
        log.info("order_taken", status=str(order.status))
    _write_down(desk, name, order)
    return order


def _write_down(desk: Desk, name: str, order: Order) -> None:
    try:
        desk.journal.resolve(name, state_of(order), order=order, wall=desk.clock.wall())
    except Exception as error:
        if isinstance(error, ZtradeError) and not isinstance(error, JournalUnavailable):
            raise
        # also where the cycle's time is up: its outcome must name the order that is there
        said = f"{error}" or type(error).__name__
        raise OutcomeUnknown(name, f"it is there ({order.status}), but could not be written down: {said}") from error


def _submit(desk: Desk, request: OrderRequest) -> Order:
    """Send the order once, and write down what became of it where that is not an order."""
    name = request.client_order_id
    try:
        return _answer(desk, request)
    except DuplicateOrderId:
        return _already_there(desk, request)
    except Rejected as error:
        desk.journal.resolve(name, IntentState.REJECTED, reason=str(error), wall=desk.clock.wall())
        raise
    except (ExchangeUnavailable, RateLimited, AccessDenied) as error:
        desk.journal.resolve(name, IntentState.NOT_SENT, reason=str(error), wall=desk.clock.wall())
        raise
    except OutcomeUnknown as error:
        # a planned intent is asked for like an unknown one: no reason to lose what happened
        with contextlib.suppress(JournalUnavailable):
            desk.journal.resolve(name, IntentState.UNKNOWN, reason=str(error))
        raise
    except Exception as error:
        # the request may have left, whatever went wrong: time that was up, an answer nobody thought of
        raise OutcomeUnknown(name, f"unexpected {type(error).__name__}: {error}") from error


def _answer(desk: Desk, request: OrderRequest) -> Order:
    order = desk.exchange.submit(request)
    try:
        check_adoption(request, order)
    except AdoptionMismatch as error:
        raise OutcomeUnknown(request.client_order_id, f"accepted, but the answer is odd: {error}") from error
    return order


def _already_there(desk: Desk, request: OrderRequest) -> Order:
    name = request.client_order_id
    try:
        order = desk.exchange.order_by_client_id(name)
    except (TemporaryError, Rejected) as error:
        raise OutcomeUnknown(name, f"its id is taken, and the order does not show: {error}") from error
    check_adoption(request, order)
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
        sender=desk.owner,
    )
    desk.journal.plan(claim, intent)
    name = request.client_order_id
    standing = desk.journal.intent(name)
    if standing is not None and standing.cycle_id != claim.cycle_id:
        # two who flatten may choose the same id at once: it is the other's to send, and to say what became of it
        raise TemporaryError(f"order {name} of this agent is under way")
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


def leave(
    desk: Desk, claim: Claim, session_open: datetime, cause: str, now: datetime, *, even_halted: bool = False
) -> Order | None:
    """Close the agent's position: end the orders that hold its shares, then sell what is left.

    A halt is obeyed as long as the stop rests. Once its end was asked for the sale is finished: a halted agent runs no
    cycle that would find the bare position.

    Returns None when stop, target or a person was faster and nothing is left to sell. Raises as :func:`send`, and
    as :func:`ztrade.app.way_out.check_way`: the stop rests then.
    """
    if not even_halted:
        _check_halt(desk)
    # an exit that was long under way may have sold all of it meanwhile; what is not ours keeps no position
    with contextlib.suppress(AdoptionMismatch):
        books.ask_again(desk, now)
    holders = list(way_out.holding_orders(desk))
    if holders:
        desk.journal.check(claim)
        if not way_out.check_way(desk):
            books.refresh(desk, states(desk, session_open))
            return None
    for intent, order in holders:
        cancel(desk, intent, order, cause)
    books.refresh(desk, states(desk, session_open))
    holding = states(desk, session_open).agent.holding
    qty = _left_of(desk, holding) if holding.qty > 0 else Decimal(0)
    if qty <= 0:
        return None
    return _sell(desk, claim, cause, qty, now, bare=even_halted or bool(holders))


def _sell(desk: Desk, claim: Claim, cause: str, qty: Decimal, now: datetime, *, bare: bool) -> Order:
    """Sell; a sale that surely did not leave is tried again while its position has no stop. Raises as :func:`send`."""
    for wait in _EXIT_WAITS if bare else ():
        try:
            return send(desk, claim, Leg.EXIT, exit_request(desk, cause, qty), now=now, even_halted=True)
        except (ExchangeUnavailable, RateLimited) as error:
            log.warning("exit_tried_again", reason=str(error))
            desk.pause(wait)
    return send(desk, claim, Leg.EXIT, exit_request(desk, cause, qty), now=now, even_halted=bare)


def _left_of(desk: Desk, holding: Holding) -> Decimal:
    """Return how many shares of the holding are still there to be sold.

    The account book may lag behind a stop's fill: what is gone must not be sold short, and where a person's shares lie
    beside, not out of those either.
    """
    return min(holding.qty - _unbooked(desk, holding), way_out.shares_there(desk))


def _unbooked(desk: Desk, holding: Holding) -> Decimal:
    """Return how many shares the agent's orders have sold that the account book still counts as held."""
    since = holding.opened_at - LONGEST_REST if holding.opened_at else None
    booked: dict[str, Decimal] = defaultdict(Decimal)
    for fill in desk.journal.fills(since=since):
        booked[fill.order_id] += fill.qty
    planned = desk.journal.intents(agent=desk.agent.name, account=desk.account, since=since)
    return sum((_ahead(intent.order, booked) for intent in planned if intent.order is not None), Decimal(0))


def _ahead(order: Order, booked: Mapping[str, Decimal]) -> Decimal:
    """Return how many shares the order and its legs have sold beyond what was booked of them."""
    sales = [part for part in (order, *order.legs) if part.side is Side.SELL]
    # whether a replacement counts what it was filled before is the exchange's affair: then not twice
    sold = sum((sale.filled_qty for sale in sales if sale.status is not OrderStatus.REPLACED), Decimal(0))
    return max(sold - sum((booked[sale.id] for sale in sales), Decimal(0)), Decimal(0))


def cancel(desk: Desk, intent: Intent, order: Order, cause: str) -> None:
    """End one order and wait until it is over: until then it holds the shares, and a sell would be refused.

    The journal knows before that it was us, and no person's hand.

    Raises:
        ExchangeUnavailable: it is still live after several reads; the next cycle goes on from here.
    """
    desk.journal.resolve(intent.request.client_order_id, intent.state, reason=f"{ENDING}: {cause}")
    with contextlib.suppress(NotCancelable):  # over already, or gone with its sibling: the reads below tell
        desk.exchange.cancel(order.id)
    for wait in _CANCEL_WAITS:
        desk.pause(wait)
        if desk.exchange.order(order.id).status in FINAL:
            return
    raise ExchangeUnavailable(f"order {order.id} ({order.side} {order.qty} {order.symbol}) does not end")
