"""The exchange's book against the journal's, for one account and all its agents, once a minute."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import structlog

from ztrade.app import books, guard
from ztrade.app.desk import Desk
from ztrade.app.tell import tell
from ztrade.domain.ledger import Intent
from ztrade.domain.messages import Severity
from ztrade.domain.reconcile import STOPS_ENTRIES, Difference, ExchangeSide, JournalSide, Kind, differences
from ztrade.domain.types import Account, Order, Position

log = structlog.get_logger("ztrade.reconcile")

_SEVERITY = {Kind.UNEXPLAINED: Severity.CRITICAL, Kind.UNPROTECTED: Severity.CRITICAL}
#: a difference must be there in this many looks, a pause apart: the exchange books some things after it did them
LOOKS = 3
PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What one look found; ``account`` is the exchange's own word on the money."""

    differences: Sequence[Difference]
    account: Account


def reconcile(desks: Sequence[Desk], session_open: datetime, pause: Callable[[float], None]) -> Reconciled:
    """Take over what the exchange's account book explains, compare the rest, and act on what differs.

    Args:
        desks: those of every agent on one account.
        session_open: of the current or the last session.
        pause: waits (wall) seconds between two looks.

    Raises:
        TemporaryError, HaltError: the exchange or the journal did not answer: nothing is known, nothing was concluded.
    """
    for desk in desks:
        books.ask_again(desk)
    found = _look(desks, session_open)
    for _ in range(LOOKS - 1):
        if not found.differences:
            break
        pause(PAUSE)
        again = _look(desks, session_open)
        kept = [difference for difference in again.differences if difference in found.differences]
        found = Reconciled(kept, again.account)
    for difference in found.differences:
        _act(desks, difference)
    return found


def _look(desks: Sequence[Desk], session_open: datetime) -> Reconciled:
    first = desks[0]
    busy = _running(desks)
    for desk in desks:
        known, _ = books.catch_up(desk, session_open)
        books.refresh(desk, known)
    account, positions, orders = _exchange_side(first)
    ours = _journal_side(desks, session_open)
    theirs = ExchangeSide(account.cash, positions, orders)
    # a cycle that is under way ends stops before it sells, and books afterwards
    found = [d for d in differences(ours, theirs) if not (d.kind is Kind.UNPROTECTED and d.agent in busy)]
    return Reconciled(found, account)


def _running(desks: Sequence[Desk]) -> frozenset[str]:
    """Return the agents of which a cycle is under way."""
    names = set()
    for desk in desks:
        recent = desk.journal.cycles(agent=desk.agent.name, limit=3)
        if any(record.outcome is None for record in recent):
            names.add(desk.agent.name)
    return frozenset(names)


def _exchange_side(desk: Desk) -> tuple[Account, Sequence[Position], Sequence[Order]]:
    account = desk.exchange.account()
    positions = desk.exchange.positions()
    return account, positions, desk.exchange.orders(open_only=True)


def _journal_side(desks: Sequence[Desk], session_open: datetime) -> JournalSide:
    journal, name = desks[0].journal, desks[0].account
    intents: list[Intent] = list(journal.intents(account=name, unfinished=True))
    cash: Decimal | None = journal.account_state(name, session_open).cash
    return JournalSide(cash, journal.holdings(name), journal.foreign(name), intents)


def _act(desks: Sequence[Desk], difference: Difference) -> None:
    """Tell; what nothing explains makes the agents it may concern reducing: the symbol's, or all for cash."""
    desk = desks[0]
    key = f"difference:{desk.account}:{difference.kind}:{difference.symbol}:{difference.ours}:{difference.theirs}"
    severity = _SEVERITY.get(difference.kind, Severity.WARNING)
    title = f"{desk.account}: {difference.kind.replace('_', ' ')} {difference.symbol}"
    tell(desk.journal, desk.clock, severity, key, title, difference.words, difference.agent)
    if difference.kind in STOPS_ENTRIES:
        for one in desks:
            if difference.agent in {None, one.agent.name} and difference.symbol in {"cash", one.agent.symbol}:
                guard.trip(one, difference.words)
