"""Intents, orders and who owns them in SQL. Functions of an open transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ztrade.adapters.journal.booking import Owner
from ztrade.adapters.journal.requests import from_plain, to_plain
from ztrade.adapters.journal.rules import leg_of, needs_asking, replanned, resolved, take_in
from ztrade.adapters.journal.tables import intents, orders
from ztrade.domain.ledger import Intent, IntentState
from ztrade.domain.types import Leg, Order
from ztrade.errors import AdoptionMismatch, NotFound

_I, _O = intents.c, orders.c
_CHUNK = 500
_ORDER_FIELDS = (
    "id",
    "client_order_id",
    "symbol",
    "side",
    "type",
    "order_class",
    "time_in_force",
    "qty",
    "filled_qty",
    "status",
    "filled_avg_price",
    "limit_price",
    "stop_price",
    "submitted_at",
    "filled_at",
    "ended_at",
    "replaced_by",
    "replaces",
)
_INTENT = sa.select(intents).where(_I.client_order_id == sa.bindparam("name"))
_INTENTS_ORDERS = sa.select(orders).where(_O.intent_id == sa.bindparam("name")).order_by(_O.seq)

# built once: building a statement costs as much as running it
_UPDATE_ORDER = sa.update(orders).where(_O.id == sa.bindparam("name"))
_INSERT_ORDER = sa.insert(orders)
_UPDATE_INTENT = sa.update(intents).where(_I.client_order_id == sa.bindparam("name"))
_INSERT_INTENT = sa.insert(intents)
_TAKEN = sa.select(_O.id, _O.intent_id).where(_O.id.in_(sa.bindparam("ids", expanding=True)))

_open = (_I.agent == sa.bindparam("agent"), _I.account == sa.bindparam("account"), _I.unfinished.is_(True))
_OPEN_INTENTS = sa.select(intents).where(*_open).order_by(_I.planned_at, _I.seq)
_OPEN_ORDERS = sa.select(orders).where(_O.intent_id.in_(sa.select(_I.client_order_id).where(*_open))).order_by(_O.seq)

#: every order of an intent, by the exchange's id; legs are inside their parents
Known = Mapping[str, Order]


def plan(connection: sa.Connection, intent: Intent) -> None:
    """See :meth:`ztrade.ports.Journal.plan`; the claim was checked."""
    known = one(connection, intent.request.client_order_id)
    if known is None:
        connection.execute(_INSERT_INTENT, _intent_values(replace(intent, state=IntentState.PLANNED, order=None)))
        return
    kept = replanned(known, intent)
    if kept is not known:
        _update(connection, kept)


def resolve(
    connection: sa.Connection,
    client_order_id: str,
    state: IntentState,
    order: Order | None,
    reason: str,
    wall: datetime | None,
) -> tuple[str, Sequence[Order]]:
    """Write what became of an intent; return its account, and the orders and legs that are new or changed.

    Raises:
        NotFound: the journal has no such intent.
        AdoptionMismatch: the order is not the intent's.
    """
    row = connection.execute(_INTENT, {"name": client_order_id}).one_or_none()
    if row is None:
        raise NotFound(f"the journal has no intent {client_order_id}")
    known = _nested(connection.execute(_INTENTS_ORDERS, {"name": client_order_id}).all())
    before = _intent(row, known)
    after = resolved(before, state, reason, wall)
    changed: Sequence[Order] = []
    if order is not None:
        taken = take_in(before, known, order)
        after = replace(after, order=taken.current)
        changed = _store(connection, after, known, taken.stored)
    if after != before:
        _update(connection, after)
    return row.account, changed


def _store(connection: sa.Connection, intent: Intent, known: Known, tops: Sequence[Order]) -> Sequence[Order]:
    """Write the orders and their legs as far as they differ from what is there."""
    there = {part.id: replace(part, legs=()) for top in known.values() for part in (top, *top.legs)}
    parts = [(part, parent) for top in tops for part, parent in _family(top)]
    changed = [(part, parent) for part, parent in parts if there.get(part.id) != part]
    fresh = [_new_values(intent, part, parent) for part, parent in changed if part.id not in there]
    for part, _ in changed:
        if part.id in there:
            connection.execute(_UPDATE_ORDER, {"name": part.id} | _order_values(intent, part))
    if fresh:
        _check_free(connection, intent, [row["id"] for row in fresh])
        connection.execute(_INSERT_ORDER, fresh)
    return [part for part, _ in changed]


def _family(top: Order) -> Iterator[tuple[Order, str | None]]:
    """Yield the order and its legs, each without legs, with the id of its parent."""
    yield replace(top, legs=()), None
    for leg in top.legs:
        yield replace(leg, legs=()), top.id


def _check_free(connection: sa.Connection, intent: Intent, ids: Sequence[str]) -> None:
    taken = connection.execute(_TAKEN, {"ids": ids}).first()
    if taken is not None:
        mine = intent.request.client_order_id
        raise AdoptionMismatch(f"order {taken.id} belongs to intent {taken.intent_id}, not to {mine}")


def _new_values(intent: Intent, part: Order, parent: str | None) -> dict[str, Any]:
    owner = {
        "intent_id": intent.request.client_order_id,
        "parent_id": parent,
        "agent": intent.agent,
        "account": intent.account,
        "leg": intent.leg if parent is None else leg_of(part),
    }
    return owner | _order_values(intent, part)


def _order_values(intent: Intent, part: Order) -> dict[str, Any]:
    return {"at": part.submitted_at or intent.planned_at} | {name: getattr(part, name) for name in _ORDER_FIELDS}


def _intent_values(intent: Intent) -> dict[str, Any]:
    return {
        "client_order_id": intent.request.client_order_id,
        "agent": intent.agent,
        "account": intent.account,
        "cycle_id": intent.cycle_id,
        "leg": intent.leg,
        "request": to_plain(intent.request),
        "state": intent.state,
        "reason": intent.reason,
        "planned_at": intent.planned_at,
        "wall_at": intent.wall_at,
        "unfinished": needs_asking(intent),
        "order_id": intent.order.id if intent.order else None,
        "sender": intent.sender,
        "answered": intent.answered,
    }


def _update(connection: sa.Connection, intent: Intent) -> None:
    connection.execute(_UPDATE_INTENT, {"name": intent.request.client_order_id} | _intent_values(intent))


def one(connection: sa.Connection, client_order_id: str) -> Intent | None:
    """Return the intent with its order."""
    row = connection.execute(_INTENT, {"name": client_order_id}).one_or_none()
    if row is None:
        return None
    return _intent(row, _nested(connection.execute(_INTENTS_ORDERS, {"name": client_order_id}).all()))


def listing(
    connection: sa.Connection,
    *,
    agent: str | None = None,
    account: str | None = None,
    unfinished: bool = False,
    since: datetime | None = None,
) -> Sequence[Intent]:
    """See :meth:`ztrade.ports.Journal.intents`."""
    wanted = []
    if agent is not None:
        wanted.append(_I.agent == agent)
    if account is not None:
        wanted.append(_I.account == account)
    if unfinished:
        wanted.append(_I.unfinished.is_(True))
    if since is not None:
        wanted.append(_I.planned_at >= since)
    return fetch(connection, *wanted)


def fetch(connection: sa.Connection, *wanted: sa.ColumnElement[bool]) -> Sequence[Intent]:
    """Return the intents for which all of ``wanted`` holds, oldest first, with their orders."""
    theirs = sa.select(orders).where(_O.intent_id.in_(sa.select(_I.client_order_id).where(*wanted))).order_by(_O.seq)
    return _with_orders(connection, sa.select(intents).where(*wanted).order_by(_I.planned_at, _I.seq), theirs, {})


def unfinished(connection: sa.Connection, agent: str, account: str) -> Sequence[Intent]:
    """Return one agent's intents that the exchange still has to be asked about, oldest first: read in every cycle."""
    return _with_orders(connection, _OPEN_INTENTS, _OPEN_ORDERS, {"agent": agent, "account": account})


def _with_orders(
    connection: sa.Connection, mine: sa.Select[Any], theirs: sa.Select[Any], values: Mapping[str, object]
) -> Sequence[Intent]:
    rows = connection.execute(mine, values).all()
    if not any(row.order_id for row in rows):
        return [_intent(row, {}) for row in rows]
    known = _nested(connection.execute(theirs, values).all())
    return [_intent(row, known) for row in rows]


def _intent(row: sa.Row[Any], known: Known) -> Intent:
    return Intent(
        agent=row.agent,
        account=row.account,
        cycle_id=row.cycle_id,
        leg=row.leg,
        request=from_plain(row.request),
        state=row.state,
        planned_at=row.planned_at,
        wall_at=row.wall_at,
        reason=row.reason,
        order=known.get(row.order_id) if row.order_id else None,
        sender=row.sender,
        answered=row.answered,
    )


def _nested(rows: Sequence[sa.Row[Any]]) -> dict[str, Order]:
    legs: dict[str, list[Order]] = defaultdict(list)
    for row in rows:
        if row.parent_id is not None:
            legs[row.parent_id].append(_order(row))
    return {row.id: _order(row, tuple(legs[row.id])) for row in rows if row.parent_id is None}


def _order(row: sa.Row[Any], legs: tuple[Order, ...] = ()) -> Order:
    return Order(**{name: getattr(row, name) for name in _ORDER_FIELDS}, legs=legs)


def flat_listing(
    connection: sa.Connection, *, agent: str | None, since: datetime | None
) -> Sequence[tuple[str, Order]]:
    """See :meth:`ztrade.ports.Journal.orders`."""
    query = sa.select(orders).order_by(_O.at, _O.seq)
    if agent is not None:
        query = query.where(_O.agent == agent)
    if since is not None:
        query = query.where(_O.at >= since)
    return [(row.agent, _order(row)) for row in connection.execute(query)]


def owner_of(connection: sa.Connection, order_id: str) -> tuple[str, Leg] | None:
    """See :meth:`ztrade.ports.Journal.owner_of`."""
    found = owners(connection, None, [order_id]).get(order_id)
    return (found.agent, found.leg) if found else None


def owners(connection: sa.Connection, account: str | None, order_ids: Collection[str]) -> dict[str, Owner]:
    """Return whose the orders are: those that the journal has, and those before and after them by replacement."""
    found: dict[str, Owner] = {}
    names = list(order_ids)
    for start in range(0, len(names), _CHUNK):
        chunk = names[start : start + _CHUNK]
        # by replacement first, so that an order's own row has the last word
        for column in (_O.replaces, _O.replaced_by, _O.id):
            query = sa.select(column, _O.agent, _O.leg).where(column.in_(chunk)).order_by(_O.seq)
            if account is not None:
                query = query.where(_O.account == account)
            found |= {name: Owner(agent, leg) for name, agent, leg in connection.execute(query)}
    return found
