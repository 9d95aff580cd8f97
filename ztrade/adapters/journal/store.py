"""The journal in a database: one transaction per call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from ztrade.adapters.journal import account as books
from ztrade.adapters.journal import cycles, messages, orders, records, state
from ztrade.adapters.journal.engine import Database
from ztrade.adapters.journal.outbox import SqlOutbox
from ztrade.adapters.journal.rules import SentimentRecord, check_unchanged
from ztrade.adapters.journal.tallies import SqlTallies
from ztrade.domain.ledger import (
    AccountState,
    AgentState,
    Claim,
    CycleKind,
    CycleRecord,
    Fill,
    HaltRecord,
    Holding,
    Intent,
    IntentState,
    Observed,
    Outcome,
    Proposal,
    ProposalState,
    RoundTrip,
)
from ztrade.domain.messages import Message
from ztrade.domain.types import Activity, Leg, Order
from ztrade.ports import nobody_is_gone


class SqlJournal:
    """:class:`ztrade.ports.Journal` on SQLite or PostgreSQL; threads and forked processes may share one."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def close(self) -> None:
        """Close this process' connections; the journal may be used again."""
        self._db.close()

    def damage(self) -> Sequence[str]:
        """Read the whole database and return what is wrong with it; empty when nothing is. Slow: seconds a gigabyte."""
        if self._db.path is None:
            return []
        with self._db.read() as connection:
            found = [str(line) for line in connection.exec_driver_sql("PRAGMA integrity_check").scalars()]
        return [line for line in found if line != "ok"]

    # -- cycles ------------------------------------------------------------------------------------------------------
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
        with self._db.write(durable=False) as connection:
            return cycles.claim(connection, agent, slot, kind, owner=owner, now=now, wall=wall, lease=lease, gone=gone)

    def finish(self, claim: Claim, record: CycleRecord, observed: Observed | None = None) -> None:
        with self._db.write() as connection:
            cycles.finish(connection, claim, record)
            if observed is not None:
                records.record_observed(connection, claim, observed)

    def check(self, claim: Claim) -> None:
        with self._db.read() as connection:
            cycles.check(connection, claim)

    def close_slot(self, agent: str, slot: datetime, outcome: Outcome, reason: str, now: datetime) -> bool:
        with self._db.write() as connection:
            return cycles.close_slot(connection, agent, slot, outcome, reason, now)

    def end_dead_extras(self, agent: str, now: datetime, wall: datetime) -> None:
        with self._db.write() as connection:
            cycles.end_dead_extras(connection, agent, now, wall)

    def runner(self, cycle_id: str) -> str | None:
        with self._db.read() as connection:
            return cycles.runner(connection, cycle_id)

    def cycles(
        self,
        *,
        agent: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        kind: CycleKind | None = None,
        limit: int | None = None,
        with_inputs: bool = False,
    ) -> Sequence[CycleRecord]:
        with self._db.read() as connection:
            return cycles.listing(
                connection, agent=agent, since=since, until=until, kind=kind, limit=limit, with_inputs=with_inputs
            )

    # -- intents and orders ------------------------------------------------------------------------------------------
    def plan(self, claim: Claim, intent: Intent) -> None:
        with self._db.write() as connection:
            cycles.check(connection, claim)
            orders.plan(connection, intent)

    def resolve(
        self,
        client_order_id: str,
        state: IntentState,
        *,
        order: Order | None = None,
        reason: str = "",
        wall: datetime | None = None,
        seen: Intent | None = None,
    ) -> None:
        with self._db.write() as connection:
            if seen is not None:
                check_unchanged(orders.one(connection, client_order_id), seen)
            account, changed = orders.resolve(connection, client_order_id, state, order, reason, wall)
            books.attribute(connection, account, changed)

    def intents(
        self,
        *,
        agent: str | None = None,
        account: str | None = None,
        unfinished: bool = False,
        since: datetime | None = None,
    ) -> Sequence[Intent]:
        with self._db.read() as connection:
            return orders.listing(connection, agent=agent, account=account, unfinished=unfinished, since=since)

    def intent(self, client_order_id: str) -> Intent | None:
        with self._db.read() as connection:
            return orders.one(connection, client_order_id)

    def owner_of(self, order_id: str) -> tuple[str, Leg] | None:
        with self._db.read() as connection:
            return orders.owner_of(connection, order_id)

    def orders(self, *, agent: str | None = None, since: datetime | None = None) -> Sequence[tuple[str, Order]]:
        with self._db.read() as connection:
            return orders.flat_listing(connection, agent=agent, since=since)

    # -- the account book --------------------------------------------------------------------------------------------
    def open_account(self, account: str, cash: Decimal, at: datetime, seen: Sequence[Activity]) -> None:
        with self._db.write() as connection:
            books.open_account(connection, account, cash, at, seen)

    def book(self, account: str, activities: Sequence[Activity]) -> Sequence[Fill]:
        if not activities:
            return []
        with self._db.write() as connection:
            return books.book(connection, account, activities)

    def account_state(self, account: str, session_open: datetime) -> AccountState:
        with self._db.read() as connection:
            return state.account_state(connection, account, session_open)

    def agent_state(
        self, agent: str, account: str, symbol: str, session_open: datetime, capital: Decimal | None = None
    ) -> AgentState:
        with self._db.read() as connection:
            return state.agent_state(connection, agent, account, symbol, session_open, capital)

    def holdings(self, account: str | None = None) -> Sequence[Holding]:
        with self._db.read() as connection:
            return books.held(connection, account)

    def foreign(self, account: str) -> Mapping[str, Decimal]:
        with self._db.read() as connection:
            return books.foreign(connection, account)

    def fills(self, *, agent: str | None = None, since: datetime | None = None) -> Sequence[Fill]:
        with self._db.read() as connection:
            return books.fill_listing(connection, agent=agent, since=since)

    def round_trips(self, *, agent: str | None = None, since: datetime | None = None) -> Sequence[RoundTrip]:
        with self._db.read() as connection:
            return books.trip_listing(connection, agent=agent, since=since)

    def equity(
        self, scope: str, since: datetime | None = None, capital: Decimal | None = None
    ) -> Sequence[tuple[datetime, Decimal]]:
        with self._db.read() as connection:
            return records.curve(connection, scope, since, capital)

    def rebase(self, scope: str) -> None:
        with self._db.write() as connection:
            records.rebase(connection, scope)

    # -- sentiment, proposals, halts ---------------------------------------------------------------------------------
    def sentiments(self, *, agent: str | None = None, since: datetime | None = None) -> Sequence[SentimentRecord]:
        """Return recorded sentiment with its per-source breakdown, oldest first."""
        with self._db.read() as connection:
            return records.sentiment_listing(connection, agent=agent, since=since)

    def propose(self, claim: Claim, proposal: Proposal) -> None:
        with self._db.write() as connection:
            cycles.check(connection, claim)
            records.propose(connection, proposal)

    def proposals(self, *, state: ProposalState | None = None, since: datetime | None = None) -> Sequence[Proposal]:
        with self._db.read() as connection:
            return records.proposal_listing(connection, state, since)

    def decide_proposal(self, proposal_id: str, state: ProposalState, *, by: str, now: datetime) -> Proposal:
        with self._db.write() as connection:
            return records.decide_proposal(connection, proposal_id, state, by=by, now=now)

    def record_halt(self, record: HaltRecord) -> None:
        with self._db.write() as connection:
            records.record_halt(connection, record)

    def halts(self, *, active_only: bool = True) -> Sequence[HaltRecord]:
        with self._db.read() as connection:
            return records.halt_listing(connection, active_only=active_only)

    def release(self, agent: str) -> None:
        with self._db.write() as connection:
            records.release(connection, agent)

    def released_at(self, agent: str) -> datetime | None:
        with self._db.read() as connection:
            return records.released_at(connection, agent)

    # -- messages for people -----------------------------------------------------------------------------------------
    def post(self, message: Message) -> bool:
        with self._db.write() as connection:
            return messages.post(connection, message)

    def messages(self, *, unsent: bool = False, limit: int = 100) -> Sequence[Message]:
        with self._db.read() as connection:
            return messages.listing(connection, unsent=unsent, limit=limit)

    @property
    def outbox(self) -> SqlOutbox:
        """See :attr:`ztrade.ports.Journal.outbox`."""
        return SqlOutbox(self._db)

    @property
    def tallies(self) -> SqlTallies:
        """See :attr:`ztrade.ports.Journal.tallies`."""
        return SqlTallies(self._db)
