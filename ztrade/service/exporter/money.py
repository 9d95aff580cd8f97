"""Money of an agent and its account, and how much of each limit is used: as the journal has it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal

from ztrade.app import guard
from ztrade.app.standing import Book, PlainBook, States, own_curve, states
from ztrade.app.status import LOOKBACK
from ztrade.config import EMBEDDED, Config
from ztrade.domain import portfolio
from ztrade.domain.agent import Agent
from ztrade.domain.ledger import AccountState, AgentState
from ztrade.domain.schedule import Session
from ztrade.ports import Journal
from ztrade.service.exporter.source import Value

ZERO = Decimal(0)


def account_of(agent: Agent) -> str:
    """Return the journal's name of the account that the agent trades on."""
    return EMBEDDED if agent.dry_run else agent.account


def book_of(agent: Agent, journal: Journal, config: Config) -> Book:
    """Return what the agent is measured by."""
    return PlainBook(agent, account_of(agent), journal, config.limits)


def of_agent(book: Book, session: Session, now: datetime) -> Iterator[Value]:
    """Yield the agent's money and its share of each limit; ``session`` is the current or the last one."""
    known = states(book, session.open)
    name, holding = (book.agent.name,), known.agent.holding
    yield "ztrade_agent_exposure_dollars", name, float(holding.cost)
    yield "ztrade_agent_position_shares", (*name, book.agent.symbol), float(holding.qty)
    equity = _last(own_curve(book, session.open) or own_curve(book, now - LOOKBACK))
    if equity is not None:
        yield "ztrade_agent_equity_dollars", name, float(equity)
        yield "ztrade_agent_pnl_dollars", name, float(equity - book.agent.capital)
        yield "ztrade_agent_pnl_today_dollars", name, float(_today(known.agent, equity))
        yield "ztrade_agent_drawdown_ratio", name, float(_drawdown(known.agent, equity))
    for limit, share in _limits(book, session, now, known):
        yield "ztrade_limit_used_ratio", (*name, limit), float(share)


def of_account(journal: Journal, account: str, session: Session, now: datetime) -> Iterator[Value]:
    """Yield the account's money; nothing where the journal has not opened it."""
    state = journal.account_state(account, session.open)
    if state.cash is not None:
        yield "ztrade_account_cash_dollars", (account,), float(state.cash)
    equity = _newest(journal, guard.account_scope(account), session, now)
    if equity is not None:
        yield "ztrade_account_equity_dollars", (account,), float(equity)
        yield "ztrade_account_drawdown_ratio", (account,), float(_drawdown(state, equity))


def _newest(journal: Journal, scope: str, session: Session, now: datetime) -> Decimal | None:
    """Return the curve's newest point; the last two weeks are read only where this session has none."""
    return _last(journal.equity(scope, since=session.open) or journal.equity(scope, since=now - LOOKBACK))


def _last(points: Sequence[tuple[datetime, Decimal]]) -> Decimal | None:
    return points[-1][1] if points else None


def _today(state: AgentState, equity: Decimal) -> Decimal:
    return equity - (equity if state.day_open_equity is None else state.day_open_equity)


def _drawdown(state: AgentState | AccountState, equity: Decimal) -> Decimal:
    peak = equity if state.peak_equity is None else state.peak_equity
    return portfolio.drawdown(max(peak, equity), equity)


def _limits(book: Book, session: Session, now: datetime, known: States) -> Iterator[tuple[str, Decimal]]:
    for gauge in guard.used(book, session, now, known):
        # a gain is no use of a limit on losses
        yield limit_name(gauge.name), max(gauge.share, ZERO)
    limits, state = book.agent.limits, known.agent
    yield "position_value", state.holding.cost / limits.max_position_value
    yield "daily_trades", _share(Decimal(state.trades_today), Decimal(limits.max_daily_trades))
    equity = _newest(book.journal, guard.account_scope(book.account), session, now)
    if equity is not None and equity > 0:
        deployed = sum((held.cost for held in book.journal.holdings(book.account)), ZERO)
        yield "deployed", deployed / equity / book.account_limits.max_deployed


def _share(value: Decimal, limit: Decimal) -> Decimal:
    return value / limit if limit else Decimal(1)


def limit_name(words: str) -> str:
    """Return the label of a breaker's gauge: ``account's daily loss`` is ``account_daily_loss``."""
    return words.replace("'s", "").replace(" ", "_")
