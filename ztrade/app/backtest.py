"""The same cycles over recorded or synthetic bars, in one process, in the order of a stepped exchange."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from ztrade.app.desk import Desk
from ztrade.app.run_cycle import run_cycle
from ztrade.app.settle import settle
from ztrade.domain.ledger import CycleRecord
from ztrade.domain.schedule import Session, slots_of

#: how long after the close the account book is taken over: the exchange books the day's fees at the close
SETTLE_DELAY = timedelta(minutes=1)


def backtest(
    desks: Sequence[Desk], sessions: Sequence[Session], advance: Callable[[datetime], None]
) -> Iterator[CycleRecord]:
    """Yield the record of every cycle, in the order in which a stepped exchange would run them.

    ``advance`` moves the exchange's clock forward; the desks' ports must follow that clock.
    """
    for session in sessions:
        for due, slot, desk in agenda(desks, session):
            advance(due)
            record = settle(desk, session.close) if slot is None else run_cycle(desk, slot=slot)
            if record is not None:
                yield record


def agenda(desks: Sequence[Desk], session: Session) -> Sequence[tuple[datetime, datetime | None, Desk]]:
    """Return (due, slot, desk) of one session: by time, agents that are due together by name; no slot: settle."""
    due: list[tuple[datetime, datetime | None, Desk]] = [
        (slot + desk.agent.delay, slot, desk)
        for desk in desks
        for slot in slots_of(session, desk.agent.every, desk.agent.sessions)
    ]
    due += [(session.close + SETTLE_DELAY, None, desk) for desk in desks]
    return sorted(due, key=lambda entry: (entry[0], entry[2].agent.name))
