"""Equity, sentiment, proposals and halts in SQL. Functions of an open transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from ztrade.adapters.journal.requests import from_plain, to_plain
from ztrade.adapters.journal.rules import SentimentRecord, check_decidable, with_capital
from ztrade.adapters.journal.tables import (
    capitals,
    cycles,
    equity,
    halts,
    peaks,
    proposals,
    releases,
    sentiment_readings,
    sentiments,
)
from ztrade.domain.decision import Sentiment, SourceReading
from ztrade.domain.ledger import Claim, HaltRecord, Observed, Proposal, ProposalState
from ztrade.errors import NotFound

_E, _P, _S, _R, _H = equity.c, proposals.c, sentiments.c, sentiment_readings.c, halts.c
# built once: building a statement costs as much as running it
_PEAKS = sa.select(peaks.c.scope, peaks.c.equity).where(peaks.c.scope.in_(sa.bindparam("scopes", expanding=True)))
_DROP_POINT = sa.delete(equity).where(_E.scope == sa.bindparam("scope"), _E.at == sa.bindparam("at"))
_DROP_PEAK = sa.delete(peaks).where(peaks.c.scope == sa.bindparam("scope"))
_ADD_POINT, _ADD_PEAK = sa.insert(equity), sa.insert(peaks)
_CAPITAL = sa.select(capitals).where(capitals.c.scope == sa.bindparam("scope"))
_ADD_SENTIMENT, _ADD_READINGS = sa.insert(sentiments), sa.insert(sentiment_readings)


def record_observed(connection: sa.Connection, claim: Claim, observed: Observed) -> None:
    """See :meth:`ztrade.ports.Journal.finish`; the claim was checked."""
    if observed.equity:
        points = {
            scope: _as_kept(connection, scope, value, observed.capitals.get(scope))
            for scope, value in observed.equity.items()
        }
        _record_equity(connection, observed.at, points)
    if observed.sentiment is not None:
        _record_sentiment(connection, claim, observed.symbol, observed.at, observed.sentiment)


def _as_kept(connection: sa.Connection, scope: str, value: Decimal, capital: Decimal | None) -> Decimal:
    """Return the point with the capital that the curve is kept with; the first one that comes decides it."""
    if capital is None:
        return value
    known = connection.execute(_CAPITAL, {"scope": scope}).one_or_none()
    if known is None:
        connection.execute(sa.insert(capitals), {"scope": scope, "kept": capital, "newest": capital})
        return value
    if known.newest != capital:
        connection.execute(sa.update(capitals).where(capitals.c.scope == scope).values(newest=capital))
    return with_capital(value, capital, known.kept)


def _record_equity(connection: sa.Connection, at: datetime, points: Mapping[str, Decimal]) -> None:
    connection.execute(_DROP_POINT, [{"scope": scope, "at": at} for scope in points])
    connection.execute(_ADD_POINT, [{"scope": scope, "at": at, "equity": value} for scope, value in points.items()])
    known = {row.scope: row.equity for row in connection.execute(_PEAKS, {"scopes": list(points)})}
    raised = [scope for scope, value in points.items() if scope not in known or value > known[scope]]
    if raised:
        connection.execute(_DROP_PEAK, [{"scope": scope} for scope in raised])
        connection.execute(_ADD_PEAK, [{"scope": scope, "equity": points[scope]} for scope in raised])


def rebase(connection: sa.Connection, scope: str) -> None:
    """See :meth:`ztrade.ports.Journal.rebase`."""
    newest = sa.select(equity.c.equity).where(equity.c.scope == scope).order_by(equity.c.at.desc()).limit(1)
    value = connection.execute(newest).scalar_one_or_none()
    if value is not None:
        connection.execute(sa.update(peaks).where(peaks.c.scope == scope).values(equity=value))


def curve(
    connection: sa.Connection, scope: str, since: datetime | None, capital: Decimal | None
) -> Sequence[tuple[datetime, Decimal]]:
    """See :meth:`ztrade.ports.Journal.equity`."""
    query = sa.select(_E.at, _E.equity).where(_E.scope == scope).order_by(_E.at)
    if since is not None:
        query = query.where(_E.at >= since)
    points = connection.execute(query).all()
    # after the points: it is written with the first that has one, and stays
    kept = connection.execute(_CAPITAL, {"scope": scope}).one_or_none() if capital is not None else None
    return [(at, with_capital(value, kept.kept if kept else None, capital)) for at, value in points]


def _record_sentiment(connection: sa.Connection, claim: Claim, symbol: str, at: datetime, found: Sentiment) -> None:
    here = {"cycle_id": claim.cycle_id, "symbol": symbol}
    row = here | {
        "agent": claim.agent,
        "at": at,
        "score": found.score,
        "confidence": found.confidence,
        "agreement": found.agreement,
        "weights": found.weights,
        "missing": found.missing,
    }
    connection.execute(_ADD_SENTIMENT, row)
    rows = [here | _reading_values(position, reading) for position, reading in enumerate(found.readings)]
    if rows:
        connection.execute(_ADD_READINGS, rows)


def _reading_values(position: int, reading: SourceReading) -> dict[str, Any]:
    return {
        "position": position,
        "source": reading.source,
        "score": reading.score,
        "confidence": reading.confidence,
        "items": reading.items,
    }


def sentiment_listing(
    connection: sa.Connection, *, agent: str | None, since: datetime | None
) -> Sequence[SentimentRecord]:
    """Return what was recorded at ``since`` or later, oldest first."""
    wanted = []
    if agent is not None:
        wanted.append(_S.agent == agent)
    if since is not None:
        wanted.append(_S.at >= since)
    rows = connection.execute(sa.select(sentiments).where(*wanted).order_by(_S.at, _S.cycle_id, _S.symbol)).all()
    query = sa.select(sentiment_readings).join(sentiments).where(*wanted).order_by(_R.position)
    readings: dict[tuple[str, str], list[SourceReading]] = defaultdict(list)
    for row in connection.execute(query):
        reading = SourceReading(row.source, row.score, row.confidence, tuple(row.items))
        readings[row.cycle_id, row.symbol].append(reading)
    return [_sentiment(row, readings[row.cycle_id, row.symbol]) for row in rows]


def _sentiment(row: sa.Row[Any], readings: Sequence[SourceReading]) -> SentimentRecord:
    found = Sentiment(row.score, row.confidence, row.agreement, tuple(readings), row.weights, row.missing)
    return SentimentRecord(row.cycle_id, row.agent, row.symbol, row.at, found)


def propose(connection: sa.Connection, proposal: Proposal) -> None:
    """See :meth:`ztrade.ports.Journal.propose`; one with this id already there is kept: a person may look at it."""
    if connection.execute(sa.select(_P.id).where(_P.id == proposal.id)).first() is not None:
        return
    row = {name: getattr(proposal, name) for name in _PROPOSAL_FIELDS}
    connection.execute(sa.insert(proposals), row | {"request": to_plain(proposal.request)})


_PROPOSAL_FIELDS = (
    "id",
    "agent",
    "account",
    "cycle_id",
    "leg",
    "rationale",
    "confidence",
    "price",
    "created_at",
    "expires_at",
    "state",
)


def proposal_listing(
    connection: sa.Connection, state: ProposalState | None, since: datetime | None
) -> Sequence[Proposal]:
    """See :meth:`ztrade.ports.Journal.proposals`; oldest first."""
    query = sa.select(proposals).order_by(_P.created_at, _P.seq)
    if state is not None:
        query = query.where(_P.state == state)
    if since is not None:
        query = query.where(_P.created_at >= since)
    return [_proposal(row) for row in connection.execute(query)]


def _proposal(row: sa.Row[Any]) -> Proposal:
    return Proposal(request=from_plain(row.request), **{name: getattr(row, name) for name in _PROPOSAL_FIELDS})


def decide_proposal(
    connection: sa.Connection, proposal_id: str, state: ProposalState, *, by: str, now: datetime
) -> Proposal:
    """See :meth:`ztrade.ports.Journal.decide_proposal`."""
    row = connection.execute(sa.select(proposals).where(_P.id == proposal_id)).one_or_none()
    if row is None:
        raise NotFound(f"there is no proposal {proposal_id!r}")
    check_decidable(_proposal(row), state, now)
    values = {"state": state, "decided_by": by, "decided_at": now}
    connection.execute(sa.update(proposals).where(_P.id == proposal_id).values(values))
    return _proposal(connection.execute(sa.select(proposals).where(_P.id == proposal_id)).one())


def record_halt(connection: sa.Connection, record: HaltRecord) -> None:
    """See :meth:`ztrade.ports.Journal.record_halt`; the same record with ``released_at`` releases it, for good."""
    which = (_H.agent == record.agent, _H.at == record.at, _H.reason == record.reason, _H.by == record.by)
    row = connection.execute(sa.select(_H.seq, _H.released_at).where(*which)).first()
    if row is None:
        names = ("agent", "at", "reason", "by", "released_at")
        connection.execute(sa.insert(halts), {name: getattr(record, name) for name in names})
    elif row.released_at is None and record.released_at is not None:
        connection.execute(sa.update(halts).where(_H.seq == row.seq).values(released_at=record.released_at))


def halt_listing(connection: sa.Connection, *, active_only: bool) -> Sequence[HaltRecord]:
    """See :meth:`ztrade.ports.Journal.halts`; oldest first."""
    query = sa.select(halts).order_by(_H.at, _H.seq)
    if active_only:
        query = query.where(_H.released_at.is_(None))
    return [HaltRecord(row.agent, row.reason, row.by, row.at, row.released_at) for row in connection.execute(query)]


def release(connection: sa.Connection, agent: str) -> None:
    """See :meth:`ztrade.ports.Journal.release`."""
    newest = sa.select(sa.func.max(cycles.c.started_at, type_=cycles.c.started_at.type)).where(cycles.c.agent == agent)
    at = connection.execute(newest).scalar()
    if at is not None:
        connection.execute(sa.delete(releases).where(releases.c.agent == agent))
        connection.execute(sa.insert(releases), {"agent": agent, "at": at})


def released_at(connection: sa.Connection, agent: str) -> datetime | None:
    """See :meth:`ztrade.ports.Journal.released_at`."""
    found: datetime | None = connection.execute(
        sa.select(releases.c.at).where(releases.c.agent == agent)
    ).scalar_one_or_none()
    return found
