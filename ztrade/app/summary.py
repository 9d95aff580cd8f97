"""One message a day, after the close: what each agent made, traded and missed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from ztrade.app.desk import Desk
from ztrade.app.standing import own_curve, states
from ztrade.app.tell import say
from ztrade.domain.ledger import CycleKind, CycleRecord, Outcome
from ztrade.domain.messages import Message, Severity
from ztrade.domain.schedule import Session
from ztrade.domain.types import Side

#: exchange time after the close that an agent has to settle the day; people hear of it then, settled or not
PATIENCE = timedelta(hours=1)


def summarize(desks: Sequence[Desk], session: Session, now: datetime) -> bool:
    """Tell the day of one account once every agent has settled it, or should have; returns whether that was so.

    Raises:
        JournalUnavailable: it is not kept, and has to be told again.
    """
    unsettled = [desk for desk in desks if not _settled(desk, session)]
    if unsettled and not (now - session.close >= PATIENCE and any(_cycles(desk, session) for desk in desks)):
        return False
    account = desks[0].account
    lines = [line for desk in desks for line in _lines(desk, session)]
    if unsettled:
        lines.append(f"not settled, so figures may change: {', '.join(desk.agent.name for desk in unsettled)}")
    total = sum((_made(desk, session) for desk in desks), Decimal(0))
    title = f"{account}, {session.day}: {total:+.2f} dollars"
    key, wall = f"summary:{account}:{session.day}", desks[0].clock.wall()
    say(desks[0].journal, Message(key, Severity.INFO, title, "\n".join(lines), wall))
    return True


def _settled(desk: Desk, session: Session) -> bool:
    found = desk.journal.cycles(
        agent=desk.agent.name, since=session.close, until=session.close, kind=CycleKind.SETTLE, limit=1
    )
    return bool(found) and found[-1].outcome is not None


def _made(desk: Desk, session: Session) -> Decimal:
    opened = states(desk, session.open).agent.day_open_equity
    points = own_curve(desk, session.open)
    return points[-1][1] - opened if points and opened is not None else Decimal(0)


def _cycles(desk: Desk, session: Session) -> Sequence[CycleRecord]:
    return desk.journal.cycles(
        agent=desk.agent.name, since=session.pre_open, until=session.post_close, kind=CycleKind.SLOT
    )


def _orders(desk: Desk, session: Session, side: Side) -> int:
    """Count the orders that were filled: also one that a person approved, and a stop, of which no cycle tells."""
    fills = desk.journal.fills(agent=desk.agent.name, since=session.pre_open)
    return len({fill.order_id for fill in fills if fill.side is side and fill.at <= session.post_close})


def _lines(desk: Desk, session: Session) -> Iterator[str]:
    name, journal = desk.agent.name, desk.journal
    cycles = _cycles(desk, session)
    counts = Counter(record.outcome for record in cycles)
    state = journal.agent_state(name, desk.account, desk.agent.symbol, session.open)
    trades = f"{_orders(desk, session, Side.BUY)} buys, {_orders(desk, session, Side.SELL)} sells"
    holds = f"holds {state.holding.qty.normalize():f} {desk.agent.symbol}" if state.holding.qty else "flat"
    yield f"{name}: {_made(desk, session):+.2f}, {trades}, {holds}, {len(cycles)} slots"
    for outcome in (Outcome.MISSED, Outcome.FAILED, Outcome.INTERRUPTED, Outcome.UNKNOWN, Outcome.BLOCKED):
        if counts[outcome]:
            last = [record.reason for record in cycles if record.outcome is outcome][-1]
            yield f"  {counts[outcome]} {outcome}; the last: {last}"
