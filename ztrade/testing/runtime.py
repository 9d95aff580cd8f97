"""Twin of the runtime for tests of the services: a journal and a clock in files, shared by real processes.

Cycles do nothing but last for a while and write down that they ran, so that tests count side effects.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ztrade.adapters.metrics import Counters
from ztrade.config import Config, hard_time_limit
from ztrade.domain.ledger import Claim, CycleKind, CycleRecord, Outcome
from ztrade.domain.types import aware_utc
from ztrade.errors import JournalUnavailable
from ztrade.testing.calendar import PlainCalendar

_TABLES = """
create table if not exists cycle(agent, slot, kind, outcome, reason, started, lease, token, owner,
                                 primary key(agent, slot, kind));
create table if not exists ran(agent, slot, kind, owner, wall);
"""


class FileJournal:
    """The part of the journal that services use, in one SQLite file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.broken = False
        with self._open() as database:
            database.execute("pragma journal_mode=wal")
            database.executescript(_TABLES)

    def _open(self) -> Any:
        if self.broken:
            raise JournalUnavailable("the database is locked")
        return closing(sqlite3.connect(self.path, timeout=10, isolation_level=None))

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
    ) -> Claim | None:
        """Take a cycle by compare-and-set; a lapsed claim is taken over once."""
        row = (agent, slot.isoformat(), kind.value)
        until = (wall + lease).timestamp()
        with self._open() as database:
            database.execute("begin immediate")
            found = database.execute(
                "select outcome, lease, token from cycle where agent=? and slot=? and kind=?", row
            ).fetchone()
            token = 1 if found is None else found[2] + 1
            taken = found is None or (found[0] is None and found[1] < wall.timestamp() and token <= 2)
            if taken:
                database.execute(
                    "insert or replace into cycle values(?,?,?,null,'',?,?,?,?)",
                    (*row, now.isoformat(), until, token, owner),
                )
                database.execute("insert into ran values(?,?,?,?,?)", (*row, owner, time.time()))
            database.execute("commit")
        return Claim("-".join(row), agent, slot, kind, token) if taken else None

    def finish(self, claim: Claim, record: CycleRecord) -> None:
        """Write the outcome."""
        with self._open() as database:
            database.execute(
                "update cycle set outcome=?, reason=? where agent=? and slot=? and kind=?",
                (record.outcome, record.reason, claim.agent, claim.slot.isoformat(), claim.kind.value),
            )

    def close_slot(self, agent: str, slot: datetime, outcome: Outcome, reason: str, now: datetime) -> bool:
        """Give an unclaimed slot its outcome."""
        with self._open() as database:
            made = database.execute(
                "insert or ignore into cycle values(?,?,?,?,?,?,0,1,'')",
                (agent, slot.isoformat(), CycleKind.SLOT.value, outcome.value, reason, now.isoformat()),
            )
            return bool(made.rowcount)

    def cycles(
        self,
        *,
        agent: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        kind: CycleKind | None = None,
        limit: int | None = None,
        with_inputs: bool = False,  # noqa: ARG002
    ) -> Sequence[CycleRecord]:
        """Return cycles, newest last."""
        with self._open() as database:
            rows = database.execute("select agent, slot, kind, outcome, reason, started, token from cycle").fetchall()
        found = sorted((_record(row) for row in rows), key=lambda record: record.slot)
        kept = [
            record
            for record in found
            if (agent is None or record.agent == agent)
            and (since is None or record.slot >= since)
            and (until is None or record.slot <= until)
            and (kind is None or record.kind is kind)
        ]
        return kept[-limit:] if limit else kept

    def ran(self) -> list[tuple[str, str, str]]:
        """Return (agent, slot, kind) of every cycle that really ran, in order."""
        with self._open() as database:
            return [tuple(row) for row in database.execute("select agent, slot, kind from ran order by wall")]

    def started_at(self) -> list[tuple[str, float]]:
        """Return (agent, wall seconds) of every cycle that really ran, in order."""
        with self._open() as database:
            return [tuple(row) for row in database.execute("select agent, wall from ran order by wall")]


def _record(row: Sequence[Any]) -> CycleRecord:
    agent, slot, kind, outcome, reason, started, token = row
    at = datetime.fromisoformat(slot)
    ended = Outcome(outcome) if outcome else None
    return CycleRecord(
        f"{agent}-{slot}-{kind}",
        agent,
        at,
        CycleKind(kind),
        ended,
        reason,
        datetime.fromisoformat(started),
        token=token,
    )


@dataclass(frozen=True, slots=True)
class FileTime:
    """What :meth:`FileClock.status` answers."""

    now: datetime
    stands: bool
    speed: float
    finished: bool
    start: datetime
    until: datetime
    stepped: bool


class FileClock:
    """A clock in a file: stepped, or running at a speed from a wall instant on."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, start: datetime, until: datetime, speed: float | None) -> None:
        """Set the clock; ``speed`` None is stepped."""
        self._save({"base": start.isoformat(), "start": start.isoformat(), "until": until.isoformat(), "speed": speed,
                    "wall": time.time()})  # fmt: skip

    def _save(self, state: Mapping[str, Any]) -> None:
        scratch = self.path.with_suffix(f".{os.getpid()}")
        scratch.write_text(json.dumps(state))
        scratch.replace(self.path)

    def status(self) -> FileTime:
        """Return the time and how it moves."""
        state = json.loads(self.path.read_text())
        start, until = datetime.fromisoformat(state["start"]), datetime.fromisoformat(state["until"])
        now = datetime.fromisoformat(state["base"])
        if state["speed"] is not None:
            now = min(now + timedelta(seconds=(time.time() - state["wall"]) * state["speed"]), until)
        return FileTime(
            now, state["speed"] is None, state["speed"] or 1.0, now >= until, start, until, state["speed"] is None
        )

    def now(self) -> datetime:
        """Return exchange time."""
        return self.status().now

    def wall(self) -> datetime:
        """Return wall time."""
        return datetime.now(UTC)

    def advance_to(self, at: datetime) -> datetime:
        """Step forward."""
        state = json.loads(self.path.read_text())
        at = min(aware_utc(at), datetime.fromisoformat(state["until"]))
        self._save({**state, "base": max(at, datetime.fromisoformat(state["base"])).isoformat()})
        return self.now()


class FileRuntime:
    """Runtime whose cycles last as long as ``STATE/NAME.seconds`` says, 0 by default."""

    def __init__(self, config: Config) -> None:
        config.state_dir.mkdir(parents=True, exist_ok=True)
        self.config = config
        self.journal: Any = FileJournal(config.state_dir / "test-journal.db")
        self.calendar = PlainCalendar()
        self.metrics = Counters()

    def clock(self, dry_run: bool) -> FileClock:  # noqa: ARG002
        """Return the clock of the state directory."""
        return FileClock(self.config.state_dir / "clock.json")

    def run_cycle(
        self, agent: str, *, dry_run: bool, manual: bool, slot: datetime | None, owner: str
    ) -> CycleRecord | None:
        """Claim, wait, hold."""
        kind = CycleKind.EXTRA if slot is None else CycleKind.SLOT
        at = slot or self.clock(True).now()
        return self._run(agent, at, kind, owner, Outcome.HELD, f"held: dry_run={dry_run} manual={manual}")

    def recover(self, agent: str, *, owner: str) -> None:
        """Nothing is ever left."""

    def settle(
        self,
        agent: str,
        *,
        dry_run: bool,  # noqa: ARG002
        session_close: datetime,
        owner: str,
    ) -> CycleRecord | None:
        """Claim and settle."""
        return self._run(agent, session_close, CycleKind.SETTLE, owner, Outcome.SETTLED, "settled")

    def _run(
        self, agent: str, at: datetime, kind: CycleKind, owner: str, outcome: Outcome, reason: str
    ) -> CycleRecord | None:
        clock = self.clock(True)
        lease = self._number(f"{agent}.lease", hard_time_limit(self.config.agents[agent].every).total_seconds())
        claim = self.journal.claim(
            agent, at, kind, owner=owner, now=clock.now(), wall=clock.wall(), lease=timedelta(seconds=lease)
        )
        if claim is None:
            return None
        if kind is not CycleKind.SETTLE:
            time.sleep(self._number(f"{agent}.seconds", 0.0))
        record = CycleRecord(claim.cycle_id, agent, at, kind, outcome, reason, clock.now())
        self.journal.finish(claim, record)
        return record

    def _number(self, name: str, default: float) -> float:
        path = self.config.state_dir / name
        return float(path.read_text()) if path.exists() else default

    def preload(self) -> None:
        """Nothing to load."""

    def close(self) -> None:
        """Nothing to close."""
