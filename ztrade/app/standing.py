"""What the journal says of an agent and its account."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ztrade.app.desk import Desk
from ztrade.domain.ledger import AccountState, AgentState


@dataclass(frozen=True, slots=True)
class States:
    """One look into the journal; whoever writes there afterwards looks again."""

    agent: AgentState
    account: AccountState


def states(desk: Desk, session_open: datetime) -> States:
    """Look into the journal."""
    agent = desk.agent
    return States(
        desk.journal.agent_state(agent.name, desk.account, agent.symbol, session_open),
        desk.journal.account_state(desk.account, session_open),
    )
