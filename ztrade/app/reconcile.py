"""The exchange's book against the journal's, for one account and all its agents, once a minute."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from ztrade.app import books, guard
from ztrade.app.desk import Desk
from ztrade.app.standing import states
from ztrade.app.tell import tell
from ztrade.domain.ledger import CycleRecord, Intent
from ztrade.domain.messages import Severity
from ztrade.domain.reconcile import STOPS_ENTRIES, Difference, ExchangeSide, JournalSide, Kind, differences
from ztrade.domain.schedule import market_day
from ztrade.domain.types import Account, Order, Position
from ztrade.errors import AdoptionMismatch

log = structlog.get_logger("ztrade.reconcile")

_SEVERITY = {Kind.UNEXPLAINED: Severity.CRITICAL, Kind.UNPROTECTED: Severity.CRITICAL}
#: a difference must be there in this many looks, a pause apart: the exchange books some things after it did them
LOOKS = 3
PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What one look found; ``account`` is the exchange's own word on the money.

    Args:
        odd: another order has the id of one agent; everything else was compared, and acted on.
    """

    differences: Sequence[Difference]
    account: Account
    odd: AdoptionMismatch | None = None


def reconcile(desks: Sequence[Desk], session_open: datetime, pause: Callable[[float], None]) -> Reconciled:
    """Take over what the exchange's account book explains, compare the rest, and act on what differs.

    Args:
        desks: those of every agent on one account.
        session_open: of the current or the last session.
        pause: waits (wall) seconds between two looks.

    Raises:
        TemporaryError, HaltError: the exchange or the journal did not answer: nothing is known, nothing was concluded.
    """
    odd: list[AdoptionMismatch] = []
    desks = [*desks, *_forgotten(desks)]
    for desk in desks:
        with _later(odd):
            books.ask_again(desk, desk.clock.now())
    found = _look(desks, session_open, books.OVERLAP, odd)
    for _ in range(LOOKS - 1):
        if not found.differences:
            break
        pause(PAUSE)
        # what nothing explains may be booked under a date of days ago
        again = _look(desks, session_open, books.SETTLE_OVERLAP, odd)
        kept = [difference for difference in again.differences if difference in found.differences]
        found = Reconciled(kept, again.account)
    for difference in found.differences:
        _act(desks, difference)
    return replace(found, odd=odd[0] if odd else None)


def _forgotten(desks: Sequence[Desk]) -> Sequence[Desk]:
    """Return desks of agents that trade here no more and still hold shares: their files are gone, or name elsewhere.

    Their stops are looked after like all others'; that nobody trades for them is told.
    """
    first, known = desks[0], {desk.agent.name for desk in desks}
    left = [held for held in first.journal.holdings(first.account) if held.agent not in known]
    for held in left:
        what = f"{held.qty} {held.symbol}"
        key = f"forgotten:{first.account}:{held.agent}:{what}"
        text = f"Its stop and target rest at the exchange. Close it by hand, or let {held.agent} trade here again"
        title = f"{held.agent} holds {what} on {first.account}, where it trades no more"
        tell(first.journal, first.clock, Severity.WARNING, key, title, text, held.agent)
    return [replace(first, agent=replace(first.agent, name=held.agent, symbol=held.symbol)) for held in left]


@contextmanager
def _later(odd: list[AdoptionMismatch]) -> Iterator[None]:
    """Keep one agent's mismatch for the end: the other agents of the account are looked after all the same."""
    try:
        yield
    except AdoptionMismatch as error:
        odd.append(error)


def _look(desks: Sequence[Desk], session_open: datetime, overlap: timedelta, odd: list[AdoptionMismatch]) -> Reconciled:
    first = desks[0]
    busy = _running(desks)
    for desk in desks:
        with _later(odd):
            books.catch_up(desk, session_open)
        with _later(odd):
            books.refresh(desk, states(desk, session_open), overlap)
    account, positions, orders = _exchange_side(first)
    ours = _journal_side(desks, session_open)
    theirs = ExchangeSide(account.cash, positions, orders)
    # a cycle that is under way ends stops before it sells, and books afterwards
    found = [d for d in differences(ours, theirs) if not (d.kind is Kind.UNPROTECTED and d.agent in busy)]
    return Reconciled(found, account)


def _running(desks: Sequence[Desk]) -> frozenset[str]:
    """Return the agents of which a cycle is under way; one whose process has ended protects nothing any more."""
    names = set()
    for desk in desks:
        recent = desk.journal.cycles(agent=desk.agent.name, limit=3)
        if any(record.outcome is None and not _is_dead(desk, record) for record in recent):
            names.add(desk.agent.name)
    return frozenset(names)


def _is_dead(desk: Desk, record: CycleRecord) -> bool:
    owner = desk.journal.runner(record.cycle_id)
    return owner is not None and desk.gone(owner)


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
    if severity is Severity.CRITICAL:
        key += _occasion(desk, difference)
    title = f"{desk.account}: {difference.kind.replace('_', ' ')} {difference.symbol}"
    text = f"{difference.words}\nLook: ztrade positions"
    tell(desk.journal, desk.clock, severity, key, title, text, difference.agent)
    if difference.kind in STOPS_ENTRIES:
        for one in desks:
            if _concerns(difference, one):
                guard.trip(one, difference.words)


def _occasion(desk: Desk, difference: Difference) -> str:
    """Return what tells one such difference from the next with the same numbers: its day, and its position.

    As many shares may lie bare, or be unexplained, again, months later: that is told as if it were the first time.
    """
    held = desk.journal.holdings(desk.account)
    opened = [one.opened_at for one in held if (one.agent, one.symbol) == (difference.agent, difference.symbol)]
    return "".join(f":{part}" for part in (market_day(desk.clock.now()), *opened))


def _concerns(difference: Difference, desk: Desk) -> bool:
    """Tell whether the difference may be the agent's: its shares are, though it trades another symbol since."""
    if difference.agent is not None:
        return difference.agent == desk.agent.name
    return difference.symbol in {"cash", desk.agent.symbol}
