"""The account book in memory: orders, cash, fills, holdings and round trips. Part of the journal's twin."""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from ztrade.adapters.journal.booking import (
    Book,
    Entry,
    Key,
    Owner,
    Posting,
    check_entry,
    fold,
    moves_shares,
    needs_fold,
    post,
)
from ztrade.adapters.journal.rules import leg_of, related_ids
from ztrade.domain.ledger import Fill, Holding, Intent
from ztrade.domain.types import Activity, Leg, Order
from ztrade.errors import AdoptionMismatch

_ZERO = Decimal(0)


@dataclass(slots=True)
class OrderRow:
    """An order or leg of ours, without its legs; ``at`` orders the listing."""

    order: Order
    owner: Owner
    account: str
    intent_id: str
    at: datetime


@dataclass(slots=True)
class _AgentFills:
    """One agent's fills in one account, oldest first."""

    postings: list[tuple[Key, Posting]] = field(default_factory=list)
    last_stop: datetime | None = None

    def realized_since(self, since: datetime) -> Decimal:
        total = _ZERO
        for (at, _), posting in reversed(self.postings):
            if at < since:
                break
            total += posting.realized
        return total

    def add(self, posting: Posting, leg: Leg) -> None:
        insort(self.postings, ((posting.fill.at, posting.fill.id), posting), key=lambda pair: pair[0])
        if leg is Leg.STOP:
            self.last_stop = max(self.last_stop or posting.fill.at, posting.fill.at)

    def drop(self, symbol: str) -> None:
        self.postings = [pair for pair in self.postings if pair[1].fill.symbol != symbol]
        stops = [at for (at, _), posting in self.postings if posting.owner and posting.owner.leg is Leg.STOP]
        self.last_stop = max(stops, default=None)


@dataclass(slots=True)
class _Account:
    cash: Decimal
    activities: dict[str, Entry] = field(default_factory=dict)
    last_at: datetime | None = None


_NO_FILLS = _AgentFills()


class MemoryBooks:
    """Orders by the exchange's id, accounts, and one book per account and symbol."""

    def __init__(self) -> None:
        self.orders: dict[str, OrderRow] = {}
        self._accounts: dict[str, _Account] = {}
        self._books: dict[tuple[str, str], Book] = {}
        self._postings: dict[tuple[str, str], list[Posting]] = defaultdict(list)
        self._of: dict[tuple[str, str], _AgentFills] = defaultdict(_AgentFills)
        #: orders whose fills were booked when nobody knew whose they are
        self._orphaned: set[str] = set()

    # -- orders ------------------------------------------------------------------------------------------------------
    def store(self, intent: Intent, tops: Sequence[Order]) -> Sequence[Order]:
        """Write orders and legs; return those that are new or changed."""
        parts = [(part, part is not top) for top in tops for part in (top, *top.legs)]
        mine = intent.request.client_order_id
        for part, _ in parts:
            row = self.orders.get(part.id)
            if row is not None and row.intent_id != mine:
                raise AdoptionMismatch(f"order {part.id} belongs to intent {row.intent_id}, not to {mine}")
        return [part for part, is_leg in parts if self._store(intent, replace(part, legs=()), is_leg=is_leg)]

    def _store(self, intent: Intent, part: Order, *, is_leg: bool) -> bool:
        row = self.orders.get(part.id)
        at = part.submitted_at or intent.planned_at
        if row is None:
            owner = Owner(intent.agent, leg_of(part) if is_leg else intent.leg)
            row = OrderRow(part, owner, intent.account, intent.request.client_order_id, at)
            self.orders[part.id] = row
            return True
        changed = row.order != part
        if changed:
            row.order, row.at = part, at
        return changed

    def owner(self, account: str | None, order_id: str | None) -> Owner | None:
        """Return whose order it is; one that we do not have may come before or after one of ours by replacement."""
        row = self.orders.get(order_id or "")
        if row is not None and account in (None, row.account):
            return row.owner
        if not order_id:
            return None
        rows = [row for row in self.orders.values() if account in (None, row.account)]
        after = [row for row in rows if row.order.replaced_by == order_id]
        before = [row for row in rows if row.order.replaces == order_id]
        return (after or before)[-1].owner if after or before else None

    def order_rows(self) -> Sequence[OrderRow]:
        """Return all orders and legs in the order in which they were first written."""
        return list(self.orders.values())

    # -- the account book --------------------------------------------------------------------------------------------
    def open_account(self, account: str, cash: Decimal, seen: Sequence[Activity]) -> None:
        if account in self._accounts:
            return
        for activity in seen:
            check_entry(account, activity)
        self._accounts[account] = here = _Account(cash)
        here.activities = {activity.id: Entry(activity, seen=True) for activity in seen}
        here.last_at = max((activity.at for activity in seen), default=None)
        for symbol in {entry.activity.symbol for entry in here.activities.values() if moves_shares(entry.activity)}:
            self._rebuild(account, symbol or "")

    def standing(self, account: str) -> tuple[Decimal | None, datetime | None]:
        """Return the account's cash and its last entry's instant."""
        here = self._accounts.get(account)
        return (here.cash, here.last_at) if here else (None, None)

    def book(self, account: str, activities: Sequence[Activity]) -> Sequence[Fill]:
        here = self._accounts.get(account)
        if here is None:
            raise ValueError(f"account {account} was not opened in the journal")
        fresh = {activity.id: activity for activity in reversed(activities) if activity.id not in here.activities}
        for activity in fresh.values():
            check_entry(account, activity)
        new: dict[str, list[Entry]] = defaultdict(list)
        for activity in sorted(fresh.values(), key=lambda activity: (activity.at, activity.id)):
            here.activities[activity.id] = entry = Entry(activity)
            here.cash += activity.net_amount
            here.last_at = max(here.last_at or activity.at, activity.at)
            if moves_shares(activity):
                new[activity.symbol or ""].append(replace(entry, owner=self.owner(account, activity.order_id)))
        booked = [fill for symbol, entries in new.items() for fill in self._book_symbol(account, symbol, entries)]
        return sorted(booked, key=lambda fill: (fill.at, fill.id))

    def _book_symbol(self, account: str, symbol: str, entries: Sequence[Entry]) -> list[Fill]:
        book = self._books.setdefault((account, symbol), Book(symbol))
        if needs_fold(book, entries):
            postings = self._rebuild(account, symbol)
        else:
            in_order = sorted(entries, key=lambda entry: entry.key)
            postings = [posting for entry in in_order if (posting := post(book, entry)) is not None]
            self._keep(account, symbol, postings)
        new = {entry.activity.id for entry in entries}
        return [posting.fill for posting in postings if posting.fill.id in new]

    def attribute(self, account: str, changed: Sequence[Order]) -> None:
        """Give fills that were booked before their order was known to its agent."""
        ids = {name for order in changed for name in related_ids(order)}
        if ids.isdisjoint(self._orphaned):
            return
        orphans = {
            symbol
            for (where, symbol), postings in self._postings.items()
            if where == account and any(p.owner is None and p.fill.order_id in ids for p in postings)
        }
        for symbol in orphans:
            self._rebuild(account, symbol)

    def _rebuild(self, account: str, symbol: str) -> Sequence[Posting]:
        entries = [
            entry if entry.seen else replace(entry, owner=self.owner(account, entry.activity.order_id))
            for entry in self._accounts[account].activities.values()
            if entry.activity.symbol == symbol and moves_shares(entry.activity)
        ]
        self._books[account, symbol], postings = fold(symbol, entries)
        self._postings[account, symbol] = []
        for (_, where), fills in self._of.items():
            if where == account:
                fills.drop(symbol)
        self._keep(account, symbol, postings)
        return postings

    def _keep(self, account: str, symbol: str, postings: Sequence[Posting]) -> None:
        self._postings[account, symbol].extend(postings)
        for posting in postings:
            if posting.owner is None:
                self._orphaned.add(posting.fill.order_id)
            else:
                self._of[posting.owner.agent, account].add(posting, posting.owner.leg)

    # -- reading -----------------------------------------------------------------------------------------------------
    def of(self, agent: str, account: str) -> _AgentFills:
        """Return one agent's fills."""
        return self._of.get((agent, account), _NO_FILLS)

    def holding(self, agent: str, account: str, symbol: str) -> Holding:
        """Return the agent's holding, flat where it never traded."""
        book = self._books.get((account, symbol))
        return book.holding(agent) if book else Holding(agent, symbol)

    def holdings(self, account: str | None) -> Sequence[Holding]:
        """Return holdings that are not flat, by account, symbol and agent."""
        books = sorted(self._books.items(), key=lambda pair: pair[0])
        found = [(book.lots[a].holding, where) for (where, _), book in books for a in sorted(book.lots)]
        return [holding for holding, where in found if holding.qty and account in (None, where)]

    def foreign(self, account: str) -> Mapping[str, Decimal]:
        """See :meth:`ztrade.ports.Journal.foreign`."""
        found = ((symbol, book.foreign) for (name, symbol), book in sorted(self._books.items()) if name == account)
        return {symbol: qty for symbol, qty in found if qty}

    def postings(self) -> Iterator[Posting]:
        """Iterate all booked fills."""
        for postings in list(self._postings.values()):
            yield from postings
