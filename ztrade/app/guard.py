"""Breakers at work: what they are measured from, and what follows when one trips."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import structlog

from ztrade.app.desk import Desk
from ztrade.app.standing import Book, States, own_curve
from ztrade.app.tell import tell
from ztrade.domain import breaker
from ztrade.domain.breaker import Curve, Gauge, History, Trouble
from ztrade.domain.ledger import AccountState, AgentState, CycleRecord, Outcome, agent_scope
from ztrade.domain.messages import Severity
from ztrade.domain.schedule import Session, market_day

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


def _scopes(book: Book) -> tuple[str, str]:
    return agent_scope(book.agent.name, book.account), account_scope(book.account)


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
        key = f"not-reducing:{name}:{market_day(desk.clock.now())}"
        text = f"{why}. But the flag could not be written ({error}), so nothing keeps it so: mend the state directory"
        tell(desk.journal, desk.clock, Severity.CRITICAL, key, f"{name} should be reducing: {why}", text, name)
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
    yield from _money(desk, session, released, known, points)
    history = _history(desk, session, released, now)
    met = replace(history, trouble=trouble, in_a_row=history.in_a_row + 1 if history.trouble is trouble else 1)
    yield from breaker.history_gauges(desk.agent.breakers, met)


def used(book: Book, session: Session, now: datetime, known: States) -> Iterator[Gauge]:
    """Yield every gauge as it stands between two cycles; ``session`` is the current or the last one."""
    released = book.journal.released_at(book.agent.name)
    yield from _money(book, session, released, known, {})
    yield from breaker.history_gauges(book.agent.breakers, _history(book, session, released, now))


def _money(
    book: Book, session: Session, released: datetime | None, known: States, points: Mapping[str, Decimal]
) -> Iterator[Gauge]:
    mine, all_of_it = _scopes(book)
    begin = released if released is not None and released >= session.open else session.open
    anew = begin == released
    own = _curve(own_curve(book, begin), known.agent, points.get(mine), anew=anew)
    whole = _curve(book.journal.equity(all_of_it, begin), known.account, points.get(all_of_it), anew=anew)
    if own is not None:
        yield from breaker.money_gauges("", own, book.agent.limits)
    if whole is not None:
        yield from breaker.money_gauges("account's ", whole, book.account_limits)


def _curve(
    points: Sequence[tuple[datetime, Decimal]], state: AgentState | AccountState, newest: Decimal | None, *, anew: bool
) -> Curve | None:
    """Return the curve's newest point, peak and opening; ``anew`` after a release today: the opening is the release."""
    kept = [value for _, value in points]
    values = kept if newest is None else [*kept, newest]
    if not values:
        return None
    return Curve(values[0] if anew else state.day_open_equity, state.peak_equity, values[-1])


def _history(book: Book, session: Session, released: datetime | None, now: datetime) -> History:
    """Return the past, with what the newest finished cycle met."""
    name, journal = book.agent.name, book.journal
    today = max(session.open, released) if released else session.open
    hour = max(now - breaker.HOUR, released) if released else now - breaker.HOUR
    orders = [i for i in journal.intents(agent=name, account=book.account, since=hour) if hour < i.planned_at <= now]
    cycles = journal.cycles(agent=name, since=today)
    trips = journal.round_trips(agent=name, since=released or session.open - timedelta(days=90))
    trouble, in_a_row = _met(cycles)
    return History(
        round_trips=trips,
        orders_last_hour=len(orders),
        unknown=sum(1 for record in cycles if record.outcome is Outcome.UNKNOWN),
        trouble=trouble,
        in_a_row=in_a_row,
    )


def _met(cycles: Sequence[CycleRecord]) -> tuple[Trouble | None, int]:
    """Return what the newest finished cycle met, and how many in a row did, without one in between that did not."""
    found = [cycle.details.get(TROUBLE) for cycle in reversed(cycles) if cycle.outcome is not None]
    trouble = next((one for one in Trouble if found and found[0] == one.value), None)
    return trouble, next((n for n, met in enumerate(found) if met != trouble), len(found)) if trouble else 0
