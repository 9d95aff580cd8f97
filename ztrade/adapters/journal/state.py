"""What risk and decision need to know, read in a few statements of one transaction."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import sqlalchemy as sa

from ztrade.adapters.journal import orders
from ztrade.adapters.journal.account import holding_of
from ztrade.adapters.journal.rules import COUNTS_AS_TRADE, with_capital
from ztrade.adapters.journal.tables import (
    accounts,
    activities,
    capitals,
    equity,
    fills,
    holdings,
    intents,
    peaks,
    proposals,
)
from ztrade.domain.ledger import AccountState, AgentState, Holding, ProposalState, agent_scope
from ztrade.domain.types import Leg

_agent, _account = sa.bindparam("agent", type_=sa.String), sa.bindparam("account", type_=sa.String)
_scope, _open = sa.bindparam("scope", type_=sa.String), sa.bindparam("open", type_=equity.c.at.type)
_mine = (fills.c.agent == _agent, fills.c.account == _account)

_TRADES = sa.select(sa.func.count()).where(
    intents.c.agent == _agent,
    intents.c.account == _account,
    intents.c.leg == Leg.ENTRY,
    intents.c.planned_at >= _open,
    intents.c.state.in_(sorted(COUNTS_AS_TRADE)),
)
_LAST_STOP = sa.select(fills.c.at).where(*_mine, fills.c.leg == Leg.STOP).order_by(fills.c.at.desc()).limit(1)
_POINT = sa.select(equity.c.equity).where(equity.c.scope == _scope).limit(1)
_CLOSED = _POINT.where(equity.c.at < _open).order_by(equity.c.at.desc()).scalar_subquery()
_OPENED = _POINT.where(equity.c.at >= _open).order_by(equity.c.at).scalar_subquery()
# not the first point of the day: what is lost between close and open is lost today
_DAY_OPEN = sa.func.coalesce(_CLOSED, _OPENED, type_=equity.c.equity.type)
_PEAK = sa.select(peaks.c.equity).where(peaks.c.scope == _scope)
_KEPT = sa.select(capitals.c.kept).where(capitals.c.scope == _scope)
_NEWEST = sa.select(capitals.c.newest).where(capitals.c.scope == _scope)
_PENDING = sa.select(sa.func.count()).where(
    proposals.c.agent == _agent, proposals.c.account == _account, proposals.c.state == ProposalState.PENDING
)
_AGENT = sa.select(
    _TRADES.scalar_subquery().label("trades"),
    _LAST_STOP.scalar_subquery().label("last_stop"),
    _DAY_OPEN.label("day_open"),
    _PEAK.scalar_subquery().label("peak"),
    _PENDING.scalar_subquery().label("pending"),
    _KEPT.scalar_subquery().label("kept"),
    _NEWEST.scalar_subquery().label("newest"),
)
_HOLDING = sa.select(holdings).where(
    holdings.c.account == _account,
    holdings.c.symbol == sa.bindparam("symbol", type_=sa.String),
    holdings.c.agent == _agent,
)
_REALIZED = sa.select(fills.c.realized).where(*_mine, fills.c.at >= _open)

_LAST_ENTRY = sa.select(sa.func.max(activities.c.at)).where(activities.c.account == _account)
_ACCOUNT = sa.select(
    sa.select(accounts.c.cash).where(accounts.c.account == _account).scalar_subquery().label("cash"),
    _LAST_ENTRY.scalar_subquery().label("last"),
    _DAY_OPEN.label("day_open"),
    _PEAK.scalar_subquery().label("peak"),
)


def agent_state(
    connection: sa.Connection,
    agent: str,
    account: str,
    symbol: str,
    session_open: datetime,
    capital: Decimal | None,
) -> AgentState:
    """See :meth:`ztrade.ports.Journal.agent_state`."""
    values = {"agent": agent, "account": account, "open": session_open, "scope": agent_scope(agent, account)}
    row = connection.execute(_AGENT, values).one()
    held = connection.execute(_HOLDING, {"agent": agent, "account": account, "symbol": symbol}).one_or_none()
    realized = connection.execute(_REALIZED, {"agent": agent, "account": account, "open": session_open}).scalars()
    return AgentState(
        holding=holding_of(held) if held else Holding(agent, symbol),
        realized_today=sum(realized, Decimal(0)),
        trades_today=row.trades,
        last_stop_at=row.last_stop,
        day_open_equity=None if row.day_open is None else with_capital(row.day_open, row.kept, capital),
        peak_equity=None if row.peak is None else with_capital(row.peak, row.kept, capital),
        open_intents=tuple(orders.unfinished(connection, agent, account)),
        pending_proposal=bool(row.pending),
        capital=row.newest,
    )


def account_state(connection: sa.Connection, account: str, session_open: datetime) -> AccountState:
    """See :meth:`ztrade.ports.Journal.account_state`."""
    values = {"account": account, "open": session_open, "scope": f"account:{account}"}
    row = connection.execute(_ACCOUNT, values).one()
    return AccountState(account, row.cash, row.last, row.day_open, row.peak)
