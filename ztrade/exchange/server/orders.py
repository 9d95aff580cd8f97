"""``/v2/orders``: submit, read, list, replace, cancel."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from ztrade.exchange.core.engine import Engine
from ztrade.exchange.core.records import OrderRecord, OrderSpec
from ztrade.exchange.core.refusal import Refusal
from ztrade.exchange.faults import Fault, FaultKind
from ztrade.exchange.server.http import ApiError, Call, Json, Reply, Route, invalid, missing, unusable
from ztrade.exchange.server.orderbody import read_order, read_replacement
from ztrade.exchange.server.params import Params
from ztrade.exchange.server.venue import Venue
from ztrade.exchange.server.wire import Wire

_UUID = re.compile(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}\Z", re.ASCII)


def submit(venue: Venue, call: Call) -> Reply:
    spec = read_order(call.body)
    if venue.configuration["suspend_trade"]:
        raise ApiError(403, "new orders are rejected by user request", 40310000)
    if not venue.configuration["fractional_trading"] and _fractional(spec):
        raise ApiError(403, "fractional trading is disabled by user request", 40310000)
    order = venue.act(lambda engine: _submit(engine, spec, call.fault))
    return Reply(200, Wire(venue.skew).order(order, venue.engine.legs(order)))


def _fractional(spec: OrderSpec) -> bool:
    return spec.notional is not None or (spec.qty is not None and spec.qty != spec.qty.to_integral_value())


def _submit(engine: Engine, spec: OrderSpec, fault: Fault | None) -> OrderRecord:
    kind = None if fault is None else fault.kind
    if fault is not None and kind is FaultKind.PARTIAL_FILL:
        engine.force_partial_fill(Decimal(str(fault.args["fraction"])), spec.symbol)
    if kind is FaultKind.REJECTED:
        engine.reject_next_order(symbol=spec.symbol)
    if kind is FaultKind.DUPLICATE:
        engine.submit(spec)
    return engine.submit(spec)


def one(venue: Venue, call: Call) -> Reply:
    nested = Params(call, unusable).flag("nested")
    return _shown(venue, venue.engine.order(_order_id(call)), nested=nested)


def by_client_id(venue: Venue, call: Call) -> Reply:
    params = Params(call, unusable)
    client_id = params.text("client_order_id")
    if client_id is None:
        raise invalid("client_order_id is required", 40010001)
    try:
        order = venue.engine.order_by_client_id(client_id)
    except Refusal:
        raise missing(f"order not found for {client_id[:200]}") from None
    return _shown(venue, order, nested=params.flag("nested"))


def _shown(venue: Venue, order: OrderRecord, *, nested: bool) -> Reply:
    legs = venue.engine.legs(order) if nested else None
    return Reply(200, Wire(venue.skew).order(order, legs))


def _order_id(call: Call) -> str:
    order_id = call.parts["order_id"]
    if _UUID.match(order_id) is None:
        raise invalid("invalid order id: it must be a UUID", 40010001)
    return order_id.lower()


def replace_one(venue: Venue, call: Call) -> Reply:
    order_id, changes = _order_id(call), read_replacement(call.body)
    order = venue.act(lambda engine: engine.replace(order_id, **changes))  # type: ignore[arg-type]
    return Reply(200, Wire(venue.skew).order(order, venue.engine.legs(order)))


def cancel_one(venue: Venue, call: Call) -> Reply:
    order_id = _order_id(call)
    venue.act(lambda engine: engine.cancel(order_id))
    return Reply(204)


def cancel_all(venue: Venue, _call: Call) -> Reply:
    cancelled = venue.act(lambda engine: engine.cancel_all())
    wire = Wire(venue.skew)
    results: list[Json] = [{"id": order.id, "status": 200, "body": wire.order(order)} for order in cancelled]
    return Reply(207, results)


def listing(venue: Venue, call: Call) -> Reply:
    params = Params(call, unusable)
    limit = params.whole("limit", 50, 1, 500)
    nested = params.flag("nested")
    rows = _selected(venue.engine, params)
    if nested:
        rows = _top_of(rows)
    rows = _after_cursor(venue.engine, params, rows)
    if params.choice("direction", ("asc", "desc"), "desc") == "desc":
        rows.reverse()
    wire, engine = Wire(venue.skew), venue.engine
    return Reply(200, [wire.order(row, engine.legs(row) if nested else None) for row in rows[:limit]])


def _selected(engine: Engine, params: Params) -> list[OrderRecord]:
    classes = params.listed("asset_class")
    if classes and "us_equity" not in classes and "all" not in classes:
        return []
    side = params.choice("side", ("buy", "sell"), "")
    return engine.orders(
        status=params.choice("status", ("open", "closed", "all"), "open"),
        symbols=params.symbols() or None,
        side=side or None,
        after=params.when("after"),
        until=params.when("until"),
        top_level=False,
    )


def _top_of(rows: Sequence[OrderRecord]) -> list[OrderRecord]:
    """Roll legs up under parents that are listed too.

    A leg whose parent is not listed (filled, while the target rests) stands for itself, unless it is held: so Alpaca's
    open orders show the target of a filled bracket alone.
    """
    listed = {row.id for row in rows}
    return [row for row in rows if row.parent_id not in listed and (row.parent_id is None or row.status != "held")]


def _after_cursor(engine: Engine, params: Params, rows: list[OrderRecord]) -> list[OrderRecord]:
    before, after = params.text("before_order_id"), params.text("after_order_id")
    if before is not None and after is not None:
        raise unusable("before_order_id", "it cannot be used with after_order_id")
    mark = before or after
    if mark is None:
        return rows
    everything = [order.id for order in engine.orders(top_level=False)]
    if mark not in everything:
        raise missing(f"order not found for {mark[:200]}")
    place = {order_id: number for number, order_id in enumerate(everything)}
    if before is not None:
        return [row for row in rows if place[row.id] < place[mark]]
    return [row for row in rows if place[row.id] > place[mark]]


ROUTES: tuple[Route[Venue], ...] = (
    Route("POST", "/v2/orders", submit),
    Route("GET", "/v2/orders", listing),
    Route("DELETE", "/v2/orders", cancel_all),
    Route("GET", "/v2/orders:by_client_order_id", by_client_id),
    Route("GET", "/v2/orders/{order_id}", one),
    Route("PATCH", "/v2/orders/{order_id}", replace_one),
    Route("DELETE", "/v2/orders/{order_id}", cancel_one),
)
