"""What the journal says of an agent and its account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from ztrade.domain.agent import AccountLimits, Agent
from ztrade.domain.ledger import AccountState, AgentState, agent_scope
from ztrade.ports import Journal


class Book(Protocol):
    """What an agent is measured by: a desk has it, and whoever only looks makes :class:`PlainBook`."""

    @property
    def agent(self) -> Agent: ...

    @property
    def account(self) -> str: ...

    @property
    def journal(self) -> Journal: ...

    @property
    def account_limits(self) -> AccountLimits: ...


@dataclass(frozen=True, slots=True)
class PlainBook:
    """An agent, the journal's name of its account, and nothing that acts."""

    agent: Agent
    account: str
    journal: Journal
    account_limits: AccountLimits


@dataclass(frozen=True, slots=True)
class States:
    """One look into the journal; whoever writes there afterwards looks again."""

    agent: AgentState
    account: AccountState


def states(book: Book, session_open: datetime) -> States:
    """Look into the journal."""
    agent = book.agent
    return States(
        book.journal.agent_state(agent.name, book.account, agent.symbol, session_open, agent.capital),
        book.journal.account_state(book.account, session_open),
    )


def own_curve(book: Book, since: datetime) -> Sequence[tuple[datetime, Decimal]]:
    """Return the agent's equity curve, as if its capital had been what it is now all along."""
    agent = book.agent
    return book.journal.equity(agent_scope(agent.name, book.account), since, agent.capital)
