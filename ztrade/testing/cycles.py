"""Cycles and claims in memory. Part of the journal's twin."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from threading import RLock

from ztrade.adapters.journal import rules
from ztrade.adapters.journal.rules import Verdict
from ztrade.adapters.journal.values import to_json
from ztrade.domain.identity import cycle_id as cycle_name
from ztrade.domain.ledger import Claim, CycleKind, CycleRecord, Outcome
from ztrade.domain.types import aware_utc
from ztrade.ports import nobody_is_gone


@dataclass(slots=True)
class _Row:
    """A cycle, who runs it, and until when."""

    record: CycleRecord
    token: int
    attempt: int
    owner: str
    lease_until: datetime | None


class MemoryCycles:
    """Every cycle by its name, and those that may be claimed by agent, slot and kind.

    Args:
        planned: returns the ids of the orders that a cycle planned, oldest first.
    """

    def __init__(self, lock: RLock, planned: Callable[[str], tuple[str, ...]]) -> None:
        self._lock, self._planned = lock, planned
        self._cycles: dict[str, _Row] = {}
        self._held: dict[tuple[str, datetime, CycleKind], _Row] = {}
        self._extras: dict[str, list[_Row]] = defaultdict(list)
        self._ended: list[_Row] = []

    def runner(self, cycle_id: str) -> str | None:
        """See :meth:`ztrade.ports.Journal.runner`."""
        row = self._cycles.get(cycle_id)
        return row.owner if row else None

    def claim(
        self,
        agent: str,
        slot: datetime,
        kind: CycleKind,
        *,
        owner: str,
        now: datetime,
        wall: datetime,
        lease: timedelta,
        gone: Callable[[str], bool] = nobody_is_gone,
    ) -> Claim | None:
        """See :meth:`ztrade.ports.Journal.claim`."""
        check_aware(slot, now, wall)
        rules.check_lease(lease)
        with self._lock:
            if kind is CycleKind.EXTRA:
                self.end_dead_extras(agent, now, wall)
                return self._begin(agent, slot, kind, owner, now, wall + lease)
            row = self._held.get((agent, slot, kind))
            if row is None:
                return self._begin(agent, slot, kind, owner, now, wall + lease)
            verdict = rules.judge(row.record.outcome, row.lease_until, row.attempt, wall, gone=gone(row.owner))
            if verdict is Verdict.CLOSE:
                self._interrupt(row, now)
            if verdict is not Verdict.TAKE_OVER:
                return None
            row.token, row.attempt, row.owner, row.lease_until = row.token + 1, row.attempt + 1, owner, wall + lease
            row.record = replace(row.record, token=row.token, started_at=now)
            return Claim(row.record.cycle_id, agent, slot, kind, row.token)

    def _begin(
        self, agent: str, slot: datetime, kind: CycleKind, owner: str, now: datetime, lease_until: datetime
    ) -> Claim:
        name = cycle_name(agent, slot, kind)
        if kind is CycleKind.EXTRA:
            extras = self._extras[agent]
            name = rules.numbered(name, sum(row.record.slot == slot for row in extras))
        row = _Row(CycleRecord(name, agent, slot, kind, None, rules.RUNNING, now), 1, 1, owner, lease_until)
        self._cycles[name] = row
        if kind is CycleKind.EXTRA:
            extras.append(row)
        else:
            self._held[agent, slot, kind] = row
        return Claim(name, agent, slot, kind, 1)

    def end_dead_extras(self, agent: str, now: datetime, wall: datetime) -> None:
        for row in self._extras[agent]:
            if row.record.outcome is None and row.lease_until is not None and row.lease_until <= wall:
                self._interrupt(row, now)

    def _interrupt(self, row: _Row, now: datetime) -> None:
        planned = self._planned(row.record.cycle_id)
        reason = rules.interrupted(row.attempt, row.owner, row.lease_until, planned)
        row.token += 1
        closed = replace(row.record, outcome=Outcome.INTERRUPTED, reason=reason, order_ids=planned)
        row.record = replace(closed, finished_at=now, token=row.token)
        self._ended.append(row)

    def check(self, claim: Claim) -> _Row:
        """Return the cycle's row. Raises ClaimLost when the claim is not the newest of a cycle that runs."""
        row = self._cycles.get(claim.cycle_id)
        rules.check_token(claim.cycle_id, claim.token, row.token if row else None, row.record.outcome if row else None)
        return self._cycles[claim.cycle_id]

    def finish(self, claim: Claim, record: CycleRecord) -> None:
        """See :meth:`ztrade.ports.Journal.finish`."""
        with self._lock:
            row = self.check(claim)
            if record.outcome is None:
                raise ValueError(f"cycle {claim.cycle_id} cannot finish without an outcome")
            check_aware(record.started_at, record.finished_at)
            # built by hand: dataclasses.replace costs as much as everything else here
            row.record = CycleRecord(
                claim.cycle_id,
                row.record.agent,
                row.record.slot,
                row.record.kind,
                record.outcome,
                rules.reason_of(record.outcome, record.reason),
                record.started_at,
                record.finished_at or record.started_at,
                claim.token,
                record.order_ids,
                record.inputs,
                record.details,
                record.timings,
            )
            self._ended.append(row)

    def close_slot(self, agent: str, slot: datetime, outcome: Outcome, reason: str, now: datetime) -> bool:
        """See :meth:`ztrade.ports.Journal.close_slot`."""
        check_aware(slot, now)
        with self._lock:
            if (agent, slot, CycleKind.SLOT) in self._held:
                return False
            name, reason = cycle_name(agent, slot, CycleKind.SLOT), rules.reason_of(outcome, reason)
            record = CycleRecord(name, agent, slot, CycleKind.SLOT, outcome, reason, now, now, token=0)
            row = self._cycles[name] = self._held[agent, slot, CycleKind.SLOT] = _Row(record, 0, 0, "", None)
            self._ended.append(row)
            return True

    def ended(self) -> Sequence[CycleRecord]:
        """Return the cycles that have their outcome, in the order in which they got it."""
        return [_as_stored(row.record, with_inputs=False) for row in list(self._ended)]

    def record(self, cycle_id: str) -> CycleRecord | None:
        """Return the cycle of this name."""
        row = self._cycles.get(cycle_id)
        return row.record if row else None

    def listing(
        self,
        *,
        agent: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        kind: CycleKind | None = None,
        limit: int | None = None,
        with_inputs: bool = False,
    ) -> Sequence[CycleRecord]:
        """See :meth:`ztrade.ports.Journal.cycles`."""
        check_aware(since, until)
        rules.check_limit(limit)
        records = (row.record for row in list(self._cycles.values()))
        found = [
            record
            for record in records
            if (agent is None or record.agent == agent)
            and (since is None or record.slot >= since)
            and (until is None or record.slot <= until)
            and (kind is None or record.kind is kind)
        ]
        found.sort(key=lambda record: (record.slot, record.started_at, record.cycle_id))
        kept = found if limit is None else found[max(len(found) - limit, 0) :]
        return [_as_stored(record, with_inputs=with_inputs) for record in kept]


def check_aware(*instants: datetime | None) -> None:
    """Refuse naive instants, as the database does. Raises ValueError."""
    for at in instants:
        if at is not None and at.tzinfo is None:
            aware_utc(at)


def _as_stored(record: CycleRecord, *, with_inputs: bool) -> CycleRecord:
    """Return the record as it comes back from a database: plain values."""
    return replace(
        record,
        order_ids=tuple(record.order_ids),
        inputs=_plain(record.inputs) if with_inputs else {},
        details=_plain(record.details),
        timings={name: float(seconds) for name, seconds in record.timings.items()},
    )


def _plain(value: object) -> dict[str, object]:
    found: dict[str, object] = json.loads(to_json(value)) if value else {}
    return found
