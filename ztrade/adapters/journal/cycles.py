"""Cycles and their claims in SQL. Functions of an open transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from ztrade.adapters.journal.rules import (
    RUNNING,
    Verdict,
    check_lease,
    check_limit,
    check_token,
    interrupted,
    judge,
    numbered,
    reason_of,
)
from ztrade.adapters.journal.tables import cycle_inputs, cycles, intents
from ztrade.domain.identity import cycle_id as cycle_name
from ztrade.domain.ledger import Claim, CycleKind, CycleRecord, Outcome

_C = cycles.c
# built once: building a statement costs as much as running it
_UPDATE = sa.update(cycles).where(_C.cycle_id == sa.bindparam("id"))
_INSERT, _INSERT_INPUTS = sa.insert(cycles), sa.insert(cycle_inputs)
#: in the order of CycleRecord's fields; the inputs are big, and come only where they are asked for
_LISTED = [cycles.c[field.name] for field in fields(CycleRecord) if field.name != "inputs"]
# writers wait for each other, so that the numbers have no gaps and come in the order of the commits
_NEXT = sa.select(sa.func.coalesce(sa.func.max(cycles.c.ended), 0) + 1)
_STANDING = sa.select(_C.token, _C.outcome).where(_C.cycle_id == sa.bindparam("id"))
_PLANNED = sa.select(intents.c.client_order_id).where(intents.c.cycle_id == sa.bindparam("id")).order_by(intents.c.seq)
_HELD = sa.select(_C.cycle_id, _C.token, _C.attempt, _C.owner, _C.lease_until, _C.outcome).where(
    _C.agent == sa.bindparam("agent"),
    _C.slot == sa.bindparam("slot"),
    _C.kind == sa.bindparam("kind"),
    _C.ordinal == 0,
)


def check(connection: sa.Connection, claim: Claim) -> None:
    """Make sure that the claim is the newest of a cycle that runs. Raises ClaimLost."""
    row = connection.execute(_STANDING, {"id": claim.cycle_id}).one_or_none()
    check_token(claim.cycle_id, claim.token, row.token if row else None, row.outcome if row else None)


def runner(connection: sa.Connection, cycle_id: str) -> str | None:
    """See :meth:`ztrade.ports.Journal.runner`."""
    found: str | None = connection.execute(sa.select(_C.owner).where(_C.cycle_id == cycle_id)).scalar_one_or_none()
    return found


def claim(
    connection: sa.Connection,
    agent: str,
    slot: datetime,
    kind: CycleKind,
    *,
    owner: str,
    now: datetime,
    wall: datetime,
    lease: timedelta,
    gone: Callable[[str], bool],
) -> Claim | None:
    """See :meth:`ztrade.ports.Journal.claim`."""
    check_lease(lease)
    holds: dict[str, Any] = {"owner": owner, "lease_until": wall + lease, "started_at": now}
    if kind is CycleKind.EXTRA:
        end_dead_extras(connection, agent, now, wall)
        return _begin(connection, agent, slot, kind, _count(connection, agent, slot, kind), holds)
    row = connection.execute(_HELD, {"agent": agent, "slot": slot, "kind": kind}).one_or_none()
    if row is None:
        return _begin(connection, agent, slot, kind, 0, holds)
    verdict = judge(row.outcome, row.lease_until, row.attempt, wall, gone=gone(row.owner))
    if verdict is Verdict.CLOSE:
        _interrupt(connection, row, now)
    if verdict is not Verdict.TAKE_OVER:
        return None
    again = {"token": row.token + 1, "attempt": row.attempt + 1, **holds}
    connection.execute(_UPDATE, {"id": row.cycle_id} | again)
    return Claim(row.cycle_id, agent, slot, kind, row.token + 1)


def _begin(
    connection: sa.Connection, agent: str, slot: datetime, kind: CycleKind, ordinal: int, holds: dict[str, Any]
) -> Claim:
    name = numbered(cycle_name(agent, slot, kind), ordinal)
    _insert(connection, name, agent, slot, kind, ordinal, token=1, attempt=1, reason=RUNNING, **holds)
    return Claim(name, agent, slot, kind, 1)


def _insert(
    connection: sa.Connection, name: str, agent: str, slot: datetime, kind: CycleKind, ordinal: int, **values: Any
) -> None:
    nothing: dict[str, Any] = {"order_ids": (), "details": {}, "timings": {}}
    row = {"cycle_id": name, "agent": agent, "slot": slot, "kind": kind, "ordinal": ordinal, **nothing, **values}
    connection.execute(_INSERT, row)


def _count(connection: sa.Connection, agent: str, slot: datetime, kind: CycleKind) -> int:
    same = sa.select(sa.func.count()).where(_C.agent == agent, _C.slot == slot, _C.kind == kind)
    return int(connection.execute(same).scalar_one())


def end_dead_extras(connection: sa.Connection, agent: str, now: datetime, wall: datetime) -> None:
    """Give extra cycles whose process died their outcome: nobody will ever claim that instant again."""
    dead = sa.select(_C.cycle_id, _C.token, _C.attempt, _C.owner, _C.lease_until).where(
        _C.agent == agent, _C.outcome.is_(None), _C.kind == CycleKind.EXTRA, _C.lease_until <= wall
    )
    for row in connection.execute(dead).all():
        _interrupt(connection, row, now)


def _interrupt(connection: sa.Connection, row: sa.Row[*tuple[Any, ...]], now: datetime) -> None:
    planned = tuple(connection.execute(_PLANNED, {"id": row.cycle_id}).scalars())
    values = {
        "outcome": Outcome.INTERRUPTED,
        "reason": interrupted(row.attempt, row.owner, row.lease_until, planned),
        "order_ids": planned,
        "token": row.token + 1,
        "finished_at": now,
        "ended": _ended(connection),
    }
    connection.execute(_UPDATE, {"id": row.cycle_id} | values)


def _ended(connection: sa.Connection) -> int:
    return int(connection.execute(_NEXT).scalar_one())


def finish(connection: sa.Connection, claim: Claim, record: CycleRecord) -> None:
    """See :meth:`ztrade.ports.Journal.finish`."""
    check(connection, claim)
    if record.outcome is None:
        raise ValueError(f"cycle {claim.cycle_id} cannot finish without an outcome")
    values = {
        "outcome": record.outcome,
        "reason": reason_of(record.outcome, record.reason),
        "started_at": record.started_at,
        "finished_at": record.finished_at or record.started_at,
        "order_ids": record.order_ids,
        "details": record.details,
        "timings": record.timings,
        "ended": _ended(connection),
    }
    connection.execute(_UPDATE, {"id": claim.cycle_id} | values)
    if record.inputs:
        connection.execute(_INSERT_INPUTS, {"cycle_id": claim.cycle_id, "body": record.inputs})


def close_slot(
    connection: sa.Connection, agent: str, slot: datetime, outcome: Outcome, reason: str, now: datetime
) -> bool:
    """See :meth:`ztrade.ports.Journal.close_slot`."""
    if connection.execute(_HELD, {"agent": agent, "slot": slot, "kind": CycleKind.SLOT}).first() is not None:
        return False
    name = cycle_name(agent, slot, CycleKind.SLOT)
    values = {"outcome": outcome, "reason": reason_of(outcome, reason), "started_at": now, "finished_at": now}
    values["ended"] = _ended(connection)
    _insert(connection, name, agent, slot, CycleKind.SLOT, 0, token=0, attempt=0, owner="", **values)
    return True


def listing(
    connection: sa.Connection,
    *,
    agent: str | None,
    since: datetime | None,
    until: datetime | None,
    kind: CycleKind | None,
    limit: int | None,
    with_inputs: bool,
) -> Sequence[CycleRecord]:
    """See :meth:`ztrade.ports.Journal.cycles`."""
    check_limit(limit)
    query = sa.select(*_LISTED)
    if with_inputs:
        query = query.add_columns(cycle_inputs.c.body).outerjoin(cycle_inputs)
    query = query.where(*_wanted(agent, since, until, kind))
    query = query.order_by(_C.slot.desc(), _C.started_at.desc(), _C.cycle_id.desc()).limit(limit)
    return [_record(row) for row in reversed(connection.execute(query).all())]


def _wanted(
    agent: str | None, since: datetime | None, until: datetime | None, kind: CycleKind | None
) -> Iterator[sa.ColumnElement[bool]]:
    if agent is not None:
        yield _C.agent == agent
    if since is not None:
        yield _C.slot >= since
    if until is not None:
        yield _C.slot <= until
    if kind is not None:
        yield _C.kind == kind


def _record(row: sa.Row[*tuple[Any, ...]]) -> CycleRecord:
    # by position: looking columns up by name doubles the time of a listing
    name, agent, slot, kind, outcome, reason, began, ended, token, order_ids, details, timings, *inputs = row
    packed = inputs[0] if inputs else None
    return CycleRecord(
        name, agent, slot, kind, outcome, reason, began, ended, token, tuple(order_ids), packed or {}, details, timings
    )
