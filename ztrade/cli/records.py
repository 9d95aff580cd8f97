"""The journal's and the exchange's records as flat mappings: the keys are what ``--json`` shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from ztrade.cli.output import Record
from ztrade.domain.ledger import CycleRecord, Fill, HaltRecord, Holding, Proposal
from ztrade.domain.types import Activity, Order, Position

#: what a cycle decided, as its details have it
DECISION = ("action", "qty", "price", "stop", "target", "rationale", "score", "confidence")


def cycle_record(cycle: CycleRecord) -> Record:
    return {
        "cycle_id": cycle.cycle_id,
        "agent": cycle.agent,
        "slot": cycle.slot,
        "kind": cycle.kind,
        "outcome": cycle.outcome,
        "reason": cycle.reason,
        **{key: cycle.details.get(key) for key in DECISION},
        "started_at": cycle.started_at,
        "finished_at": cycle.finished_at,
        "order_ids": cycle.order_ids,
    }


def order_record(order: Order, agent: str | None = None) -> Record:
    """Return an order without its legs; those are orders of their own."""
    return {
        "id": order.id,
        "client_order_id": order.client_order_id,
        "agent": agent,
        "symbol": order.symbol,
        "side": order.side,
        "type": order.type,
        "order_class": order.order_class,
        "time_in_force": order.time_in_force,
        "qty": order.qty,
        "filled_qty": order.filled_qty,
        "filled_avg_price": order.filled_avg_price,
        "limit_price": order.limit_price,
        "stop_price": order.stop_price,
        "status": order.status,
        "submitted_at": order.submitted_at,
        "filled_at": order.filled_at,
        "ended_at": order.ended_at,
    }


def flat(orders: Iterable[Order]) -> Iterator[Order]:
    """Yield orders and, after each, its legs."""
    for order in orders:
        yield order
        yield from flat(order.legs)


def fill_record(fill: Fill) -> Record:
    return {
        "id": fill.id,
        "order_id": fill.order_id,
        "agent": fill.agent,
        "leg": fill.leg,
        "symbol": fill.symbol,
        "side": fill.side,
        "qty": fill.qty,
        "price": fill.price,
        "at": fill.at,
    }


def activity_fill(activity: Activity) -> Record:
    """Return an activity of kind FILL with the keys of :func:`fill_record` that the exchange knows."""
    return {
        "id": activity.id,
        "order_id": activity.order_id,
        "symbol": activity.symbol,
        "side": activity.side,
        "qty": activity.qty,
        "price": activity.price,
        "at": activity.at,
    }


def holding_record(holding: Holding) -> Record:
    return {
        "agent": holding.agent,
        "symbol": holding.symbol,
        "qty": holding.qty,
        "avg_entry_price": None if holding.avg_price is None else short(holding.avg_price),
        "cost": holding.cost,
        "opened_at": holding.opened_at,
        "realized": holding.realized,
    }


def short(price: Decimal) -> Decimal:
    """Round an average to eight places and drop zeros: a quotient has no exact decimal form."""
    rounded = round(price, 8).normalize()
    return rounded if rounded.as_tuple().exponent <= 0 else rounded.quantize(Decimal(1))  # type: ignore[operator]


def position_record(position: Position) -> Record:
    return {
        "symbol": position.symbol,
        "qty": position.qty,
        "avg_entry_price": position.avg_entry_price,
        "current_price": position.current_price,
        "market_value": position.market_value,
    }


def proposal_record(proposal: Proposal) -> Record:
    request = proposal.request
    return {
        "id": proposal.id,
        "agent": proposal.agent,
        "cycle_id": proposal.cycle_id,
        "leg": proposal.leg,
        "state": proposal.state,
        "symbol": request.symbol,
        "side": request.side,
        "qty": request.qty,
        "stop_loss": request.stop_loss,
        "take_profit": request.take_profit,
        "confidence": proposal.confidence,
        "rationale": proposal.rationale,
        "created_at": proposal.created_at,
        "expires_at": proposal.expires_at,
        "client_order_id": request.client_order_id,
    }


def halt_record(halt: HaltRecord) -> Record:
    return {
        "agent": halt.agent,
        "reason": halt.reason,
        "by": halt.by,
        "at": halt.at,
        "released_at": halt.released_at,
    }
