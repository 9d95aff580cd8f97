"""The account book in SQL: cash, fills, holdings, round trips. Functions of an open transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from ztrade.adapters.journal import orders
from ztrade.adapters.journal.booking import (
    MOVES_SHARES,
    Book,
    Entry,
    Lot,
    Owner,
    Posting,
    check_entry,
    fold,
    moves_shares,
    needs_fold,
    post,
)
from ztrade.adapters.journal.rules import related_ids
from ztrade.adapters.journal.tables import accounts, activities, books, fills, holdings, round_trips
from ztrade.domain.ledger import Fill, Holding, RoundTrip
from ztrade.domain.types import Activity, Order

_A, _F, _H, _T = activities.c, fills.c, holdings.c, round_trips.c
_CHUNK = 500
_ACTIVITY_FIELDS = ("id", "kind", "at", "net_amount", "symbol", "order_id", "side", "qty", "price", "description")
_ORPHANS = (
    sa.select(_F.symbol)
    .distinct()
    .where(
        _F.account == sa.bindparam("account"), _F.order_id.in_(sa.bindparam("ids", expanding=True)), _F.agent.is_(None)
    )
)


def open_account(
    connection: sa.Connection, account: str, cash: Decimal, at: datetime, seen: Sequence[Activity]
) -> None:
    """See :meth:`ztrade.ports.Journal.open_account`; the first one is kept."""
    if connection.execute(sa.select(accounts.c.account).where(accounts.c.account == account)).first() is not None:
        return
    for activity in seen:
        check_entry(account, activity)
    row = {"account": account, "opened_at": at, "opening_cash": cash, "cash": cash}
    connection.execute(sa.insert(accounts), row)
    fresh = list({activity.id: activity for activity in seen}.values())
    _write_activities(connection, account, fresh, seen=True)
    for symbol in {activity.symbol for activity in fresh if activity.symbol and moves_shares(activity)}:
        _rebuild(connection, account, symbol)


def book(connection: sa.Connection, account: str, entries: Sequence[Activity]) -> Sequence[Fill]:
    """See :meth:`ztrade.ports.Journal.book`.

    Raises:
        ValueError: the account was not opened.
        DataError: an entry cannot be booked; then none of them was.
    """
    query = sa.select(accounts.c.cash).where(accounts.c.account == account)
    cash: Decimal | None = connection.execute(query).scalar_one_or_none()
    if cash is None:
        raise ValueError(f"account {account} was not opened in the journal")
    fresh = _fresh(connection, account, entries)
    if not fresh:
        return []
    for activity in fresh:
        check_entry(account, activity)
    fresh.sort(key=lambda activity: (activity.at, activity.id))
    _write_activities(connection, account, fresh, seen=False)
    cash += sum((activity.net_amount for activity in fresh), Decimal(0))
    connection.execute(sa.update(accounts).where(accounts.c.account == account).values(cash=cash))
    booked = [fill for symbol, some in _by_symbol(fresh) for fill in _book_symbol(connection, account, symbol, some)]
    return sorted(booked, key=lambda fill: (fill.at, fill.id))


def _fresh(connection: sa.Connection, account: str, entries: Sequence[Activity]) -> list[Activity]:
    """Return those that are not booked yet, each once."""
    by_id = {activity.id: activity for activity in reversed(entries)}
    names = list(by_id)
    for start in range(0, len(names), _CHUNK):
        chunk = names[start : start + _CHUNK]
        for name in connection.execute(sa.select(_A.id).where(_A.account == account, _A.id.in_(chunk))).scalars():
            del by_id[name]
    return list(by_id.values())


def _write_activities(connection: sa.Connection, account: str, some: Sequence[Activity], *, seen: bool) -> None:
    rows = [
        {"account": account, "seen": seen} | {name: getattr(activity, name) for name in _ACTIVITY_FIELDS}
        for activity in some
    ]
    if rows:
        connection.execute(sa.insert(activities), rows)


def _by_symbol(some: Iterable[Activity]) -> Iterable[tuple[str, list[Activity]]]:
    found: dict[str, list[Activity]] = defaultdict(list)
    for activity in some:
        if moves_shares(activity):
            found[activity.symbol or ""].append(activity)
    return found.items()


def _book_symbol(connection: sa.Connection, account: str, symbol: str, some: Sequence[Activity]) -> list[Fill]:
    whose = orders.owners(connection, account, {activity.order_id for activity in some if activity.order_id})
    unsorted = (Entry(activity, whose.get(activity.order_id or "")) for activity in some)
    entries = sorted(unsorted, key=lambda entry: entry.key)
    current = _load(connection, account, symbol)
    if needs_fold(current, entries):
        postings = _rebuild(connection, account, symbol)
    else:
        postings = [posting for entry in entries if (posting := post(current, entry)) is not None]
        _write_book(connection, account, current)
        _write_postings(connection, account, postings)
    new = {activity.id for activity in some}
    return [posting.fill for posting in postings if posting.fill.id in new]


def attribute(connection: sa.Connection, account: str, changed: Sequence[Order]) -> None:
    """Give fills that were booked before their order was known to its agent."""
    ids = {name for order in changed for name in related_ids(order)}
    if not ids:
        return
    for symbol in connection.execute(_ORPHANS, {"account": account, "ids": sorted(ids)}).scalars().all():
        _rebuild(connection, account, symbol)


def _rebuild(connection: sa.Connection, account: str, symbol: str) -> list[Posting]:
    """Fold the symbol's whole book anew, because something belongs before what was booked."""
    of_symbol = (_A.account == account, _A.symbol == symbol, _A.kind.in_(sorted(MOVES_SHARES)), _A.qty.is_not(None))
    rows = connection.execute(sa.select(activities).where(*of_symbol)).all()
    whose = orders.owners(connection, account, {row.order_id for row in rows if row.order_id and not row.seen})
    current, postings = fold(symbol, [Entry(_activity(row), whose.get(row.order_id), row.seen) for row in rows])
    connection.execute(sa.delete(round_trips).where(_T.account == account, _T.symbol == symbol))
    connection.execute(sa.delete(fills).where(_F.account == account, _F.symbol == symbol))
    _write_book(connection, account, current)
    _write_postings(connection, account, postings)
    return postings


def _activity(row: sa.Row[Any]) -> Activity:
    return Activity(**{name: getattr(row, name) for name in _ACTIVITY_FIELDS})


def _load(connection: sa.Connection, account: str, symbol: str) -> Book:
    row = connection.execute(sa.select(books).where(books.c.account == account, books.c.symbol == symbol)).one_or_none()
    if row is None:
        return Book(symbol)
    mine = sa.select(holdings).where(_H.account == account, _H.symbol == symbol).order_by(_H.agent)
    lots = {
        lot.agent: Lot(holding_of(lot), lot.trip_cost, lot.trip_qty, lot.trip_value) for lot in connection.execute(mine)
    }
    return Book(symbol, lots, row.foreign_qty, (row.last_at, row.last_id))


def holding_of(row: sa.Row[Any]) -> Holding:
    """Return the holding of one row."""
    return Holding(row.agent, row.symbol, row.qty, row.cost, row.opened_at, row.realized)


def _write_book(connection: sa.Connection, account: str, current: Book) -> None:
    here = {"account": account, "symbol": current.symbol}
    connection.execute(sa.delete(holdings).where(_H.account == account, _H.symbol == current.symbol))
    connection.execute(sa.delete(books).where(books.c.account == account, books.c.symbol == current.symbol))
    if current.last is None:
        return
    at, name = current.last
    connection.execute(sa.insert(books), here | {"foreign_qty": current.foreign, "last_at": at, "last_id": name})
    rows = [here | _lot_values(lot) for lot in current.lots.values()]
    if rows:
        connection.execute(sa.insert(holdings), rows)


def _lot_values(lot: Lot) -> dict[str, Any]:
    held = lot.holding
    return {
        "agent": held.agent,
        "qty": held.qty,
        "cost": held.cost,
        "opened_at": held.opened_at,
        "realized": held.realized,
        "trip_cost": lot.trip_cost,
        "trip_qty": lot.trip_qty,
        "trip_value": lot.trip_value,
    }


def _write_postings(connection: sa.Connection, account: str, postings: Sequence[Posting]) -> None:
    if postings:
        connection.execute(sa.insert(fills), [_fill_values(account, posting) for posting in postings])
    trips = [_trip_values(account, posting) for posting in postings if posting.trip]
    if trips:
        connection.execute(sa.insert(round_trips), trips)


def _fill_values(account: str, posting: Posting) -> dict[str, Any]:
    fill, owner = posting.fill, posting.owner
    return {
        "account": account,
        "id": fill.id,
        "order_id": fill.order_id,
        "agent": owner.agent if owner else None,
        "leg": owner.leg if owner else None,
        "symbol": fill.symbol,
        "side": fill.side,
        "qty": fill.qty,
        "price": fill.price,
        "at": fill.at,
        "realized": posting.realized,
        "problem": fill.problem,
    }


_TRIP_FIELDS = (
    "agent",
    "symbol",
    "qty",
    "opened_at",
    "closed_at",
    "entry_price",
    "exit_price",
    "pnl",
    "exit_leg",
)


def _trip_values(account: str, posting: Posting) -> dict[str, Any]:
    values = {name: getattr(posting.trip, name) for name in _TRIP_FIELDS}
    return values | {"account": account, "fill_id": posting.fill.id}


def held(connection: sa.Connection, account: str | None) -> Sequence[Holding]:
    """See :meth:`ztrade.ports.Journal.holdings`."""
    query = sa.select(holdings).order_by(_H.account, _H.symbol, _H.agent)
    if account is not None:
        query = query.where(_H.account == account)
    return [holding_of(row) for row in connection.execute(query) if row.qty]


def foreign(connection: sa.Connection, account: str) -> Mapping[str, Decimal]:
    """See :meth:`ztrade.ports.Journal.foreign`."""
    query = sa.select(books.c.symbol, books.c.foreign_qty).where(books.c.account == account).order_by(books.c.symbol)
    return {row.symbol: row.foreign_qty for row in connection.execute(query) if row.foreign_qty}


def fill_listing(connection: sa.Connection, *, agent: str | None, since: datetime | None) -> Sequence[Fill]:
    """See :meth:`ztrade.ports.Journal.fills`."""
    query = sa.select(fills)
    if agent is not None:
        query = query.where(_F.agent == agent, _F.problem == "")
    if since is not None:
        query = query.where(_F.at >= since)
    return sorted((_fill(row) for row in connection.execute(query)), key=lambda fill: (fill.at, fill.id))


def _fill(row: sa.Row[Any]) -> Fill:
    owner = Owner(row.agent, row.leg) if row.agent and not row.problem else None
    fill = Fill(row.id, row.order_id, None, None, row.symbol, row.side, row.qty, row.price, row.at, row.problem)
    return replace(fill, agent=owner.agent, leg=owner.leg) if owner else fill


def trip_listing(connection: sa.Connection, *, agent: str | None, since: datetime | None) -> Sequence[RoundTrip]:
    """See :meth:`ztrade.ports.Journal.round_trips`."""
    query = sa.select(round_trips).order_by(_T.closed_at, _T.opened_at, _T.agent)
    if agent is not None:
        query = query.where(_T.agent == agent)
    if since is not None:
        query = query.where(_T.closed_at >= since)
    return [RoundTrip(**{name: getattr(row, name) for name in _TRIP_FIELDS}) for row in connection.execute(query)]
