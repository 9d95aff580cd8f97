"""One agent on one line: last outcome, position, profit, next slot. Pure, from records of the journal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from ztrade.domain.agent import Agent
from ztrade.domain.ledger import AgentState, CycleRecord
from ztrade.domain.schedule import Session, next_slot

#: how far back the last point of an equity curve may lie: longer than any closing of the exchange
LOOKBACK = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class AgentStatus:
    """What a person asks first. Money in dollars, None where the journal does not say.

    ``pnl_today`` and ``pnl_total`` include open profit as of the last cycle.
    """

    agent: str
    symbol: str
    mode: str
    outcome: str | None
    reason: str
    slot: datetime | None
    qty: Decimal | None
    avg_entry_price: Decimal | None
    pnl_today: Decimal | None
    pnl_total: Decimal | None
    next_slot: datetime | None
    halted: str | None
    reducing: str | None = None


def mode(agent: Agent) -> str:
    """Return where the agent's orders go, and who has the last word."""
    where = "dry run" if agent.dry_run else agent.account
    return f"{where}, manual" if agent.manual else where


def agent_status(
    agent: Agent,
    *,
    last: CycleRecord | None,
    state: AgentState | None,
    equity: Sequence[tuple[datetime, Decimal]],
    sessions: Sequence[Session],
    now: datetime,
    halted: str | None,
    reducing: str | None = None,
) -> AgentStatus:
    """Put an agent's line together.

    Args:
        agent: as configured.
        last: its newest cycle.
        state: its state in the journal, None when the journal does not answer.
        equity: its own curve, oldest first, the last points suffice.
        sessions: the sessions around ``now``, in order.
        now: exchange time.
        halted: why it is halted, None when it is not.
        reducing: why its entries are refused, None when they are not.
    """
    newest = equity[-1][1] if equity else None
    opened = state.day_open_equity if state else None
    return AgentStatus(
        agent=agent.name,
        symbol=agent.symbol,
        mode=mode(agent),
        outcome=str(last.outcome or "running") if last else None,
        reason=last.reason if last else "",
        slot=last.slot if last else None,
        qty=state.holding.qty if state else None,
        avg_entry_price=state.holding.avg_price if state else None,
        pnl_today=newest - opened if newest is not None and opened is not None else None,
        pnl_total=newest - agent.capital if newest is not None else None,
        next_slot=next_slot(sessions, agent.every, agent.sessions, now),
        halted=halted,
        reducing=reducing,
    )
