"""What is new, for whoever counts, in SQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from ztrade.adapters.journal.engine import Database
from ztrade.adapters.journal.rules import decided_price, delivery_state
from ztrade.adapters.journal.tables import cycles, deliveries, fills, intents, orders
from ztrade.domain.ledger import CycleRecord
from ztrade.domain.types import Leg, Side
from ztrade.ports.tallies import DeliveryRow, IntentRow, OrderRow

_C, _D, _F, _I, _O = cycles.c, deliveries.c, fills.c, intents.c, orders.c
_AFTER, _LIMIT = sa.bindparam("after", type_=sa.Integer), sa.bindparam("limit", type_=sa.Integer)
_ALSO = sa.bindparam("also", type_=sa.Integer, expanding=True)
#: more parameters than this some SQLite does not take
_CHUNK = 500

_FIELDS = [field.name for field in fields(CycleRecord) if field.name != "inputs"]
_CYCLES = sa.select(_C.ended, *(_C[name] for name in _FIELDS)).where(_C.ended > _AFTER).order_by(_C.ended)
_INTENTS = sa.select(_I.seq, _I.agent, _I.account, _I.state, _I.wall_at, _I.answered).order_by(_I.seq)
_WITH_CYCLE = orders.join(intents, _O.intent_id == _I.client_order_id).outerjoin(cycles, _I.cycle_id == _C.cycle_id)
_ORDERS = (
    sa.select(_O.seq, _O.agent, _O.leg, _O.status, _O.filled_avg_price, _C.outcome, _C.details)
    .select_from(_WITH_CYCLE)
    .order_by(_O.seq)
)
_DELIVERIES = sa.select(_D.seq, _D.channel, _D.ended_at, _D.lost).order_by(_D.seq, _D.channel)
_NEW_MESSAGES = sa.select(_D.seq).where(_D.seq > _AFTER).distinct().order_by(_D.seq).limit(_LIMIT)
_FILLS = sa.select(_F.agent, _F.side, sa.func.count()).where(_F.agent.is_not(None)).group_by(_F.agent, _F.side)


class SqlTallies:
    """:class:`ztrade.ports.Tallies`."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def cycles(self, after: int, limit: int) -> Sequence[tuple[int, CycleRecord]]:
        """See :meth:`ztrade.ports.Tallies.cycles`."""
        with self._db.read() as connection:
            rows = connection.execute(_CYCLES.limit(_LIMIT), {"after": after, "limit": limit})
            return [(row[0], _record(row[1:])) for row in rows]

    def intents(self, after: int, also: Collection[int], limit: int) -> Sequence[IntentRow]:
        """See :meth:`ztrade.ports.Tallies.intents`."""
        return [IntentRow(*row) for row in self._rows(_INTENTS, _I.seq, after, also, limit)]

    def orders(self, after: int, also: Collection[int], limit: int) -> Sequence[OrderRow]:
        """See :meth:`ztrade.ports.Tallies.orders`."""
        return [_order(*row) for row in self._rows(_ORDERS, _O.seq, after, also, limit)]

    def deliveries(self, after: int, also: Collection[int], limit: int) -> Sequence[DeliveryRow]:
        """See :meth:`ztrade.ports.Tallies.deliveries`."""
        with self._db.read() as connection:
            new = connection.execute(_NEW_MESSAGES, {"after": after, "limit": limit}).scalars().all()
            rows = _chunked(connection, _DELIVERIES, _D.seq, also)
            if new:
                some = _DELIVERIES.where(_D.seq > _AFTER, _D.seq <= new[-1])
                rows += connection.execute(some, {"after": after}).all()
        return [DeliveryRow(seq, channel, delivery_state(ended, lost)) for seq, channel, ended, lost in rows]

    def fills(self) -> Mapping[tuple[str, Side], int]:
        """See :meth:`ztrade.ports.Tallies.fills`."""
        with self._db.read() as connection:
            return {(agent, side): count for agent, side, count in connection.execute(_FILLS)}

    def _rows(
        self, query: sa.Select[Any], seq: sa.Column[Any], after: int, also: Collection[int], limit: int
    ) -> Sequence[Any]:
        with self._db.read() as connection:
            known = _chunked(connection, query, seq, also)
            new = connection.execute(query.where(seq > _AFTER).limit(_LIMIT), {"after": after, "limit": limit})
            return [*known, *new.all()]


def _chunked(connection: sa.Connection, query: sa.Select[Any], seq: sa.Column[Any], also: Collection[int]) -> list[Any]:
    numbers = sorted(also)
    found: list[Any] = []
    for start in range(0, len(numbers), _CHUNK):
        found += connection.execute(query.where(seq.in_(_ALSO)), {"also": numbers[start : start + _CHUNK]}).all()
    return found


def _record(row: Sequence[Any]) -> CycleRecord:
    name, agent, slot, kind, outcome, reason, began, ended, token, order_ids, details, timings = row
    return CycleRecord(
        name, agent, slot, kind, outcome, reason, began, ended, token, tuple(order_ids), {}, details, timings
    )


def _order(
    seq: int, agent: str, leg: Leg, status: Any, price: Decimal | None, outcome: object, details: object
) -> OrderRow:
    return OrderRow(seq, agent, leg, status, price, decided_price(leg, details), outcome is not None)
