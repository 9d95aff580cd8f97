"""The journal in memory: for tests, and for backtests, which run twenty thousand cycles a year in seconds."""

from __future__ import annotations

import json
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from threading import RLock

from ztrade.adapters.journal import rules
from ztrade.adapters.journal.requests import to_plain
from ztrade.adapters.journal.rules import SentimentRecord
from ztrade.adapters.journal.values import to_json, to_money, to_ratio
from ztrade.domain.decision import Sentiment
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
    agent_scope,
)
from ztrade.domain.messages import Message
from ztrade.domain.types import Activity, Leg, Order
from ztrade.errors import NotFound
from ztrade.ports import nobody_is_gone
from ztrade.testing.books import MemoryBooks
from ztrade.testing.curves import NO_CURVE, Curve
from ztrade.testing.cycles import MemoryCycles, check_aware
from ztrade.testing.messages import MemoryMessages
from ztrade.testing.tallies import MemoryTallies


class MemoryJournal:
    """Twin of the database journal, with the same rules; nothing outlives the process."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._cycles = MemoryCycles(self._lock, self._planned_by)
        self._intents: dict[str, Intent] = {}
        self._open: dict[str, dict[str, Intent]] = defaultdict(dict)
        self._entries: dict[tuple[str, str], list[tuple[datetime, str]]] = defaultdict(list)
        self._known: dict[str, dict[str, Order]] = defaultdict(dict)
        self._books = MemoryBooks()
        self._curves: dict[str, Curve] = {}
        self._sentiments: dict[tuple[str, str], SentimentRecord] = {}
        self._proposals: dict[str, Proposal] = {}
        self._decided: dict[str, tuple[str, datetime]] = {}
        self._pending: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._released: dict[str, datetime] = {}
        self._messages = MemoryMessages()
        self._halts: dict[tuple[str, datetime, str, str], HaltRecord] = {}

    def _planned_by(self, cycle_id: str) -> tuple[str, ...]:
        return tuple(name for name, intent in self._intents.items() if intent.cycle_id == cycle_id)

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
        return self._cycles.claim(agent, slot, kind, owner=owner, now=now, wall=wall, lease=lease, gone=gone)

    def finish(self, claim: Claim, record: CycleRecord, observed: Observed | None = None) -> None:
        with self._lock:
            if observed is not None:
                check_aware(observed.at)
            self._cycles.finish(claim, record)
            if observed is not None:
                self._keep_observed(claim, observed)

    def _keep_observed(self, claim: Claim, observed: Observed) -> None:
        for scope, value in observed.equity.items():
            self._curves.setdefault(scope, Curve()).put(observed.at, value, observed.capitals.get(scope))
        if observed.sentiment is not None:
            seen = SentimentRecord(claim.cycle_id, claim.agent, observed.symbol, observed.at, observed.sentiment)
            self._sentiments[claim.cycle_id, observed.symbol] = seen

    def check(self, claim: Claim) -> None:
        self._cycles.check(claim)

    def close_slot(self, agent: str, slot: datetime, outcome: Outcome, reason: str, now: datetime) -> bool:
        return self._cycles.close_slot(agent, slot, outcome, reason, now)

    def end_dead_extras(self, agent: str, now: datetime, wall: datetime) -> None:
        with self._lock:
            self._cycles.end_dead_extras(agent, now, wall)

    def runner(self, cycle_id: str) -> str | None:
        return self._cycles.runner(cycle_id)

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
        return self._cycles.listing(
            agent=agent, since=since, until=until, kind=kind, limit=limit, with_inputs=with_inputs
        )

    # -- intents and orders ------------------------------------------------------------------------------------------
    def plan(self, claim: Claim, intent: Intent) -> None:
        with self._lock:
            self._cycles.check(claim)
            check_aware(intent.planned_at, intent.wall_at)
            to_plain(intent.request)
            known = self._intents.get(intent.request.client_order_id)
            if known is None:
                self._put(replace(intent, state=IntentState.PLANNED, order=None))
                return
            kept = rules.replanned(known, intent)
            if kept is not known:
                self._put(kept)

    def _put(self, intent: Intent) -> None:
        name = intent.request.client_order_id
        old = self._intents.get(name)
        # planned anew it may be another leg's
        if old is not None and old.leg is Leg.ENTRY:
            self._entries[old.agent, old.account].remove((old.planned_at, name))
        if intent.leg is Leg.ENTRY:
            insort(self._entries[intent.agent, intent.account], (intent.planned_at, name))
        self._intents[name] = intent
        if rules.needs_asking(intent):
            self._open[intent.agent][name] = intent
        else:
            self._open[intent.agent].pop(name, None)

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
        with self._lock:
            before = self._intents.get(client_order_id)
            if before is None:
                raise NotFound(f"the journal has no intent {client_order_id}")
            rules.check_unchanged(before, seen)
            after = rules.resolved(before, state, reason, wall)
            if order is not None:
                known = self._known[client_order_id]
                taken = rules.take_in(before, known, order)
                after = replace(after, order=taken.current)
                changed = self._books.store(after, taken.stored)
                known |= {top.id: top for top in taken.stored}
                self._books.attribute(after.account, changed)
            self._put(after)

    def intents(
        self,
        *,
        agent: str | None = None,
        account: str | None = None,
        unfinished: bool = False,
        since: datetime | None = None,
    ) -> Sequence[Intent]:
        check_aware(since)
        if unfinished and agent is not None:
            some = list(self._open[agent].values())
        else:
            some = [intent for intent in list(self._intents.values()) if not unfinished or rules.needs_asking(intent)]
        found = [
            intent
            for intent in some
            if (agent is None or intent.agent == agent)
            and (account is None or intent.account == account)
            and (since is None or intent.planned_at >= since)
        ]
        return sorted(found, key=lambda intent: intent.planned_at) if len(found) > 1 else found

    def intent(self, client_order_id: str) -> Intent | None:
        return self._intents.get(client_order_id)

    def owner_of(self, order_id: str) -> tuple[str, Leg] | None:
        owner = self._books.owner(None, order_id)
        return (owner.agent, owner.leg) if owner else None

    def orders(self, *, agent: str | None = None, since: datetime | None = None) -> Sequence[tuple[str, Order]]:
        check_aware(since)
        rows = sorted(self._books.order_rows(), key=lambda row: row.at)
        return [
            (row.owner.agent, row.order)
            for row in rows
            if (agent is None or row.owner.agent == agent) and (since is None or row.at >= since)
        ]

    # -- the account book --------------------------------------------------------------------------------------------
    def open_account(self, account: str, cash: Decimal, at: datetime, seen: Sequence[Activity]) -> None:
        check_aware(at)
        to_money(cash)
        with self._lock:
            self._books.open_account(account, cash, seen)

    def book(self, account: str, activities: Sequence[Activity]) -> Sequence[Fill]:
        if not activities:
            return []
        with self._lock:
            return self._books.book(account, activities)

    def account_state(self, account: str, session_open: datetime) -> AccountState:
        cash, last = self._books.standing(account)
        curve = self._curves.get(f"account:{account}", NO_CURVE)
        return AccountState(account, cash, last, curve.opening(session_open), curve.highest())

    def agent_state(
        self, agent: str, account: str, symbol: str, session_open: datetime, capital: Decimal | None = None
    ) -> AgentState:
        curve = self._curves.get(agent_scope(agent, account), NO_CURVE)
        fills = self._books.of(agent, account)
        return AgentState(
            self._books.holding(agent, account, symbol),
            fills.realized_since(session_open),
            sum(1 for _ in self._trades(agent, account, session_open)),
            fills.last_stop,
            curve.opening(session_open, capital),
            curve.highest(capital),
            tuple(self.intents(agent=agent, account=account, unfinished=True)),
            bool(self._pending.get((agent, account))),
            curve.newest_capital,
        )

    def _trades(self, agent: str, account: str, since: datetime) -> Iterator[str]:
        planned = self._entries.get((agent, account), [])
        for _, name in planned[bisect_left(planned, (since, "")) :]:
            if self._intents[name].state in rules.COUNTS_AS_TRADE:
                yield name

    def holdings(self, account: str | None = None) -> Sequence[Holding]:
        return self._books.holdings(account)

    def foreign(self, account: str) -> Mapping[str, Decimal]:
        return self._books.foreign(account)

    def fills(self, *, agent: str | None = None, since: datetime | None = None) -> Sequence[Fill]:
        check_aware(since)
        found = [posting.fill for posting in self._books.postings()]
        kept = [f for f in found if (agent is None or f.agent == agent) and (since is None or f.at >= since)]
        return sorted(kept, key=lambda fill: (fill.at, fill.id))

    def round_trips(self, *, agent: str | None = None, since: datetime | None = None) -> Sequence[RoundTrip]:
        check_aware(since)
        found = [posting.trip for posting in self._books.postings() if posting.trip is not None]
        kept = [t for t in found if (agent is None or t.agent == agent) and (since is None or t.closed_at >= since)]
        return sorted(kept, key=lambda trip: (trip.closed_at, trip.opened_at, trip.agent))

    def equity(
        self, scope: str, since: datetime | None = None, capital: Decimal | None = None
    ) -> Sequence[tuple[datetime, Decimal]]:
        check_aware(since)
        return self._curves.get(scope, NO_CURVE).points(since, capital)

    def rebase(self, scope: str) -> None:
        with self._lock:
            self._curves.get(scope, NO_CURVE).rebase()

    # -- sentiment, proposals, halts ---------------------------------------------------------------------------------
    def sentiments(self, *, agent: str | None = None, since: datetime | None = None) -> Sequence[SentimentRecord]:
        """Return recorded sentiment with its per-source breakdown, oldest first."""
        found = [
            record._replace(sentiment=_plain_sentiment(record.sentiment))
            for record in list(self._sentiments.values())
            if (agent is None or record.agent == agent) and (since is None or record.at >= since)
        ]
        return sorted(found, key=lambda record: (record.at, record.cycle_id, record.symbol))

    def propose(self, claim: Claim, proposal: Proposal) -> None:
        with self._lock:
            self._cycles.check(claim)
            check_aware(proposal.created_at, proposal.expires_at)
            to_plain(proposal.request)
            to_ratio(proposal.confidence)
            to_money(proposal.price)
            if proposal.id not in self._proposals:
                self._keep(proposal)

    def _keep(self, proposal: Proposal) -> None:
        self._proposals[proposal.id] = proposal
        pending = self._pending[proposal.agent, proposal.account]
        (pending.add if proposal.state is ProposalState.PENDING else pending.discard)(proposal.id)

    def proposals(self, *, state: ProposalState | None = None, since: datetime | None = None) -> Sequence[Proposal]:
        check_aware(since)
        known = list(self._proposals.values())
        found = [p for p in known if (state is None or p.state is state) and (since is None or p.created_at >= since)]
        return sorted(found, key=lambda proposal: proposal.created_at)

    def decide_proposal(self, proposal_id: str, state: ProposalState, *, by: str, now: datetime) -> Proposal:
        check_aware(now)
        with self._lock:
            proposal = self._proposals.get(proposal_id)
            if proposal is None:
                raise NotFound(f"there is no proposal {proposal_id!r}")
            rules.check_decidable(proposal, state, now)
            self._keep(replace(proposal, state=state))
            self._decided[proposal_id] = (by, now)
            return self._proposals[proposal_id]

    def record_halt(self, record: HaltRecord) -> None:
        check_aware(record.at, record.released_at)
        key = (record.agent, record.at, record.reason, record.by)
        with self._lock:
            old = self._halts.get(key)
            if old is None or (old.released_at is None and record.released_at is not None):
                self._halts[key] = record

    def halts(self, *, active_only: bool = True) -> Sequence[HaltRecord]:
        found = [record for record in list(self._halts.values()) if not active_only or record.released_at is None]
        return sorted(found, key=lambda record: record.at)

    def release(self, agent: str) -> None:
        with self._lock:
            started = [record.started_at for record in self._cycles.listing(agent=agent)]
            if started:
                self._released[agent] = max(started)

    def released_at(self, agent: str) -> datetime | None:
        return self._released.get(agent)

    # -- messages for people -----------------------------------------------------------------------------------------
    def post(self, message: Message) -> bool:
        check_aware(message.at)
        with self._lock:
            return self._messages.post(message)

    def messages(self, *, unsent: bool = False, limit: int = 100) -> Sequence[Message]:
        with self._lock:
            return self._messages.listing(unsent=unsent, limit=limit)

    @property
    def outbox(self) -> MemoryMessages:
        return self._messages

    @property
    def tallies(self) -> MemoryTallies:
        return MemoryTallies(self._cycles, self._intents, self._books, self._messages)


def _plain_sentiment(found: Sentiment) -> Sentiment:
    readings = tuple(replace(r, items=tuple(json.loads(to_json(r.items)))) for r in found.readings)
    return replace(found, readings=readings, weights=dict(found.weights), missing=dict(found.missing))
