"""One message a day, after the close: what each agent made, traded and missed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal

from ztrade.app.desk import Desk
from ztrade.app.tell import tell
from ztrade.domain.ledger import CycleKind, Outcome, agent_scope
from ztrade.domain.messages import Severity
from ztrade.domain.schedule import Session


def summarize(desks: Sequence[Desk], session: Session) -> bool:
    """Tell the day of one account once every agent has settled it; False while one has not."""
    if not all(_settled(desk, session) for desk in desks):
        return False
    account = desks[0].account
    lines = [line for desk in desks for line in _lines(desk, session)]
    total = sum((_made(desk, session) for desk in desks), Decimal(0))
    title = f"{account}, {session.day}: {total:+.2f} dollars"
    tell(desks[0].journal, desks[0].clock, Severity.INFO, f"summary:{account}:{session.day}", title, "\n".join(lines))
    return True


def _settled(desk: Desk, session: Session) -> bool:
    found = desk.journal.cycles(
        agent=desk.agent.name, since=session.close, until=session.close, kind=CycleKind.SETTLE, limit=1
    )
    return bool(found) and found[-1].outcome is not None


def _made(desk: Desk, session: Session) -> Decimal:
    scope = agent_scope(desk.agent.name, desk.account)
    opened = desk.journal.agent_state(desk.agent.name, desk.account, desk.agent.symbol, session.open).day_open_equity
    points = desk.journal.equity(scope, since=session.open)
    return points[-1][1] - opened if points and opened is not None else Decimal(0)


def _lines(desk: Desk, session: Session) -> Iterator[str]:
    name, journal = desk.agent.name, desk.journal
    cycles = journal.cycles(agent=name, since=session.pre_open, until=session.post_close, kind=CycleKind.SLOT)
    counts = Counter(record.outcome for record in cycles)
    state = journal.agent_state(name, desk.account, desk.agent.symbol, session.open)
    trades = f"{counts[Outcome.ENTERED]} entries, {counts[Outcome.EXITED]} exits"
    holds = f"holds {state.holding.qty.normalize():f} {desk.agent.symbol}" if state.holding.qty else "flat"
    yield f"{name}: {_made(desk, session):+.2f}, {trades}, {holds}, {len(cycles)} slots"
    for outcome in (Outcome.MISSED, Outcome.FAILED, Outcome.INTERRUPTED, Outcome.UNKNOWN, Outcome.BLOCKED):
        if counts[outcome]:
            last = [record.reason for record in cycles if record.outcome is outcome][-1]
            yield f"  {counts[outcome]} {outcome}; the last: {last}"
