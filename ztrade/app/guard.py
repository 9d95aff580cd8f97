"""Breakers at work: what they are measured from, and what follows when one trips."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from ztrade.app.desk import Desk
from ztrade.app.standing import States
from ztrade.app.tell import tell
from ztrade.domain import breaker
from ztrade.domain.breaker import Curve, Gauge, History, Trouble
from ztrade.domain.ledger import AccountState, AgentState, CycleRecord, Outcome, agent_scope
from ztrade.domain.messages import Severity
from ztrade.domain.schedule import Session

log = structlog.get_logger("ztrade.guard")

#: how a cycle's record says what it met; counted over cycles in a row
TROUBLE = "trouble"


def account_scope(account: str) -> str:
    """Return the name of the account's equity curve."""
    return f"account:{account}"


def glance(
    desk: Desk, session: Session, now: datetime, known: States, points: Mapping[str, Decimal], trouble: Trouble | None
) -> None:
    """Look at the losses with what the cycle has in hand anyway; only where something is near, measure everything."""
    own, account = (points.get(scope) for scope in _scopes(desk))
    gauges = [
        *(breaker.money_gauges("", _as_seen(known.agent, own), desk.agent.limits) if own is not None else ()),
        *(breaker.money_gauges("", _as_seen(known.account, account), desk.account_limits) if account else ()),
    ]
    if trouble is not None or any(gauge.tripped or gauge.near for gauge in gauges):
        watch(desk, session, now, known, points, trouble=trouble)


def _scopes(desk: Desk) -> tuple[str, str]:
    return agent_scope(desk.agent.name, desk.account), account_scope(desk.account)


def _as_seen(state: AgentState | AccountState, now: Decimal) -> Curve:
    return Curve(state.day_open_equity, state.peak_equity, now)


def watch(
    desk: Desk,
    session: Session,
    now: datetime,
    known: States,
    points: Mapping[str, Decimal],
    *,
    trouble: Trouble | None = None,
) -> str | None:
    """Measure everything; make the agent reducing where a breaker trips, warn at 80 %. Returns why it is reducing.

    ``points`` are what a cycle has just measured, by scope; without them the newest ones of the journal count, so that
    the keeper, a cycle and a backtest come to the same.
    """
    standing = desk.halts.reducing(desk.agent.name)
    if standing is not None:
        return standing
    gauges = list(measure(desk, session, now, known, points, trouble))
    tripped = breaker.trips(gauges)
    if tripped:
        return trip(desk, "; ".join(gauge.words for gauge in tripped))
    for gauge in breaker.near(gauges):
        key = f"near:{desk.agent.name}@{desk.account}:{gauge.name}:{session.day}"
        title = f"{desk.agent.name}: {gauge.name} at {gauge.share:.0%} of its limit"
        tell(desk.journal, desk.clock, Severity.WARNING, key, title, gauge.words, desk.agent.name)
    return None


def trip(desk: Desk, why: str) -> str:
    """Refuse the agent's entries until a person releases it, and tell. The flag first: it is what counts."""
    name = desk.agent.name
    try:
        new = desk.halts.reduce(name, why)
    except OSError as error:
        # the entry is refused all the same, and an exit must not fail of a flag; the next cycle trips again
        log.error("flag_not_written", agent=name, reason=why, error=str(error))
        return why
    if new:
        key = f"reducing:{name}:{desk.clock.wall():%Y%m%dT%H%M%S}"
        text = f"{why}. Entries are refused, exits run. Look, then: ztrade release {name}"
        tell(desk.journal, desk.clock, Severity.CRITICAL, key, f"{name} is reducing: {why}", text, name)
    return why


def measure(
    desk: Desk,
    session: Session,
    now: datetime,
    known: States,
    points: Mapping[str, Decimal],
    trouble: Trouble | None,
) -> Iterator[Gauge]:
    """Yield every gauge of the agent and of its account."""
    released = desk.journal.released_at(desk.agent.name)
    mine, all_of_it = _scopes(desk)
    own = _curve(desk, mine, session, released, known.agent, points.get(mine))
    whole = _curve(desk, all_of_it, session, released, known.account, points.get(all_of_it))
    if own is not None:
        yield from breaker.money_gauges("", own, desk.agent.limits)
    if whole is not None:
        yield from breaker.money_gauges("account's ", whole, desk.account_limits)
    yield from breaker.history_gauges(desk.agent.breakers, _history(desk, session, released, now, trouble))


def _curve(
    desk: Desk,
    scope: str,
    session: Session,
    released: datetime | None,
    state: AgentState | AccountState,
    newest: Decimal | None,
) -> Curve | None:
    """Return the curve's newest point, peak and opening; after a release today, the opening is the release."""
    anew = released is not None and released >= session.open
    kept = [value for _, value in desk.journal.equity(scope, since=released if anew else session.open)]
    values = kept if newest is None else [*kept, newest]
    if not values:
        return None
    return Curve(values[0] if anew else state.day_open_equity, state.peak_equity, values[-1])


def _history(
    desk: Desk, session: Session, released: datetime | None, now: datetime, trouble: Trouble | None
) -> History:
    name, journal = desk.agent.name, desk.journal
    today = max(session.open, released) if released else session.open
    hour = max(now - breaker.HOUR, released) if released else now - breaker.HOUR
    orders = [i for i in journal.intents(agent=name, account=desk.account, since=hour) if hour < i.planned_at <= now]
    cycles = journal.cycles(agent=name, since=today)
    trips = journal.round_trips(agent=name, since=released or session.open - timedelta(days=90))
    return History(
        round_trips=trips,
        orders_last_hour=len(orders),
        unknown=sum(1 for record in cycles if record.outcome is Outcome.UNKNOWN),
        trouble=trouble,
        in_a_row=_in_a_row(cycles, trouble) + 1 if trouble else 0,
    )


def _in_a_row(cycles: Sequence[CycleRecord], trouble: Trouble) -> int:
    """Count the finished cycles before this one that met the same trouble, without one in between that did not."""
    count = 0
    for record in reversed([cycle for cycle in cycles if cycle.outcome is not None]):
        if record.details.get(TROUBLE) != trouble.value:
            break
        count += 1
    return count
