"""One cycle: claim, observe, decide, check, act, record. A claimed cycle ends in one outcome with a reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from ztrade.app import books, guard
from ztrade.app.act import act, bare_words, has_stop
from ztrade.app.desk import Desk
from ztrade.app.ended import Ended
from ztrade.app.guard import TROUBLE
from ztrade.app.observe import Seen, observe
from ztrade.app.replay import recorded
from ztrade.app.standing import States
from ztrade.app.tell import tell
from ztrade.app.think import inputs_of, think
from ztrade.app.trade import HaltedNow, NoEntry
from ztrade.domain.breaker import Trouble
from ztrade.domain.ledger import (
    BY_ITSELF,
    DONE,
    LATE,
    NOT_THERE,
    RULES,
    Claim,
    CycleKind,
    CycleRecord,
    HaltRecord,
    Observed,
    Outcome,
)
from ztrade.domain.messages import Severity
from ztrade.domain.missed import Why, missed
from ztrade.domain.schedule import Session, is_market_open, is_slot, market_day
from ztrade.domain.types import Leg
from ztrade.errors import (
    AccessDenied,
    ClaimLost,
    ConfigError,
    HaltError,
    OutcomeUnknown,
    Rejected,
    TemporaryError,
)

log = structlog.get_logger()


@dataclass(slots=True)
class Run:
    """A cycle under way; ``now`` is exchange time at its start, ``timings`` wall seconds per step.

    ``details`` is the decision, once it was made, and what troubled the cycle. It, ``inputs`` and ``observed`` are kept
    whatever its order becomes.
    """

    desk: Desk
    claim: Claim
    now: datetime
    manual: bool
    session: Session | None
    #: wall seconds after the slot was due, where that can be known; and the timer then
    late: float | None = None
    began: float = 0.0
    inputs: Mapping[str, object] = field(default_factory=dict)
    details: Mapping[str, object] = field(default_factory=dict)
    observed: Observed | None = None
    timings: dict[str, float] = field(default_factory=dict)

    def step(self, name: str) -> _Step:
        return _Step(self, name)


class _Step:
    """Times one step of a run, also where it fails."""

    __slots__ = ("_began", "_name", "_run")

    def __init__(self, run: Run, name: str) -> None:
        self._run, self._name, self._began = run, name, 0.0

    def __enter__(self) -> None:
        self._began = self._run.desk.timer()

    def __exit__(self, *_failure: object) -> None:
        self._run.timings[self._name] = self._run.desk.timer() - self._began


def run_cycle(desk: Desk, *, slot: datetime | None = None, manual: bool | None = None) -> CycleRecord | None:
    """Run the agent's cycle for ``slot``, or an extra one now where it is None.

    Returns the record, or None when another process has or had this slot, or took it over meanwhile.

    Raises:
        JournalUnavailable: nothing can be recorded, so nothing was sent.
        ConfigError: the slot is in the future; it stays free for its own time.
    """
    kind = CycleKind.EXTRA if slot is None else CycleKind.SLOT
    began = desk.timer()
    now, no_clock = _read_clock(desk, slot)
    late = _late(desk, slot, now) if no_clock is None else None
    _check_due(desk, slot, now)
    due = slot or now
    claim = desk.journal.claim(
        desk.agent.name, due, kind, owner=desk.owner, now=now, wall=desk.clock.wall(), lease=desk.lease, gone=desk.gone
    )
    if claim is None:
        log.info("cycle_not_ours", agent=desk.agent.name, slot=due.isoformat())
        return None
    session = desk.calendar.session(market_day(due))
    run = Run(desk, claim, max(now, due), desk.agent.manual or bool(manual), session, late, began)
    before = structlog.contextvars.bind_contextvars(cycle_id=claim.cycle_id)
    try:
        return finish(run, lambda: _failed(no_clock) if no_clock is not None else _cycle(run))
    finally:
        structlog.contextvars.reset_contextvars(**before)


def _read_clock(desk: Desk, slot: datetime | None) -> tuple[datetime, TemporaryError | None]:
    """Return exchange time; where the exchange is down, a slot still gets its outcome, at the slot's own time."""
    try:
        return desk.clock.now(), None
    except TemporaryError as error:
        if slot is None:
            raise
        return slot, error


def _late(desk: Desk, slot: datetime | None, now: datetime) -> float | None:
    """Return how many wall seconds after it was due a slot begins; None where time has no speed, or nothing was due."""
    speed = desk.speed()
    if slot is None or speed is None:
        return None
    return max((now - slot - desk.agent.delay).total_seconds() / speed, 0.0)


def _check_due(desk: Desk, slot: datetime | None, now: datetime) -> None:
    """Refuse a slot more than half an interval ahead: it would be decided on bars of too early.

    Less is a clock that follows a running exchange by some latency, which counts as often as the speed.
    """
    if slot is not None and slot - now > desk.agent.every / 2:
        raise ConfigError(
            "slot", f"{slot.isoformat()} is not due yet, exchange time is {now.isoformat(timespec='seconds')}",
            fix="leave the slot out for an extra cycle now",
        )  # fmt: skip


def _failed(error: Exception) -> Ended:
    return Ended(Outcome.FAILED, f"failed: {str(error) or type(error).__name__}; the next slot tries again")


def finish(run: Run, body: Callable[[], Ended]) -> CycleRecord | None:
    """Run the body and write its one outcome; None when the claim was lost on the way."""
    try:
        ended = _guarded(run, body)
        record = CycleRecord(
            cycle_id=run.claim.cycle_id,
            agent=run.claim.agent,
            slot=run.claim.slot,
            kind=run.claim.kind,
            outcome=ended.outcome,
            reason=ended.reason,
            started_at=run.now,
            finished_at=run.now,
            token=run.claim.token,
            order_ids=ended.order_ids,
            inputs=run.inputs,
            details=_details(run, ended),
            timings=_timings(run),
        )
        run.desk.journal.finish(run.claim, record, run.observed)
    except ClaimLost as error:
        log.warning("claim_lost", error=str(error))
        return None
    log.info("cycle_done", outcome=str(ended.outcome), reason=ended.reason, orders=list(ended.order_ids))
    return record


def _details(run: Run, ended: Ended) -> Mapping[str, object]:
    details = ended.details or run.details
    return {**details, RULES: list(ended.rules)} if ended.rules else details


def _timings(run: Run) -> Mapping[str, float]:
    """Return the steps' seconds, and where time has a speed how late the cycle began and ended."""
    if run.late is None:
        return run.timings
    return {**run.timings, LATE: run.late, DONE: run.late + run.desk.timer() - run.began}


def _guarded(run: Run, body: Callable[[], Ended]) -> Ended:
    """Turn every failure into an outcome: an exception must not leave a slot without one."""
    try:
        return body()
    except ClaimLost:
        raise
    except HaltedNow as error:
        return Ended(Outcome.HALTED, f"halted: {error}")
    except NoEntry as error:
        return Ended(Outcome.BLOCKED, f"blocked: {error}", rules=(error.rule,))
    except (TemporaryError, AccessDenied, ConfigError) as error:
        return _failed(error)
    except OutcomeUnknown as error:
        return Ended(
            Outcome.UNKNOWN, f"order {error.client_order_id} may be at the exchange: {error}", (error.client_order_id,)
        )
    except Rejected as error:
        return Ended(Outcome.REJECTED, f"the exchange refused: {error}")
    except HaltError as error:
        return _halt_itself(run, error)
    except Exception as error:  # a slot without an outcome is worse than a broad except
        log.exception("cycle_crashed")
        return Ended(Outcome.FAILED, f"unexpected {type(error).__name__}: {error}; the next slot tries again")


def _halt_itself(run: Run, error: HaltError) -> Ended:
    """Stop the agent until a person looks: the flag first, for the journal's record is only the story."""
    name = run.desk.agent.name
    unkept = _flag(run, f"{error} {BY_ITSELF}")
    log.error("agent_halted", reason=str(error))
    run.desk.journal.record_halt(HaltRecord(name, str(error), run.desk.owner, run.desk.clock.wall()))
    key, text = f"halted:{run.claim.cycle_id}", f"{error}. {unkept}Nothing is sent. Look, then: ztrade release {name}"
    tell(run.desk.journal, run.desk.clock, Severity.CRITICAL, key, f"{name} halted itself", text, name)
    return Ended(Outcome.HALTED, f"halted itself: {error}")


def _flag(run: Run, reason: str) -> str:
    """Write the halt's flag; returns what is to be said where that fails: the cycle sends nothing all the same."""
    try:
        run.desk.halts.halt(run.desk.agent.name, reason)
    except OSError as error:
        log.error("flag_not_written", agent=run.desk.agent.name, reason=reason, error=str(error))
        return f"The flag could not be written ({error}), so the next cycle begins anew: mend the state directory. "
    return ""


def _cycle(run: Run) -> Ended:
    shut = _shut(run)
    if shut is not None:
        # a slot that came too late, or into a halt, may have sent its order before its first process died
        return _inherited(run) or shut
    assert run.session is not None  # noqa: S101 - without one the cycle is shut
    return _open_cycle(run, run.session)


def _shut(run: Run) -> Ended | None:
    """Return how the cycle ends before anything was asked of the exchange: halted, closed, too late."""
    stopped = run.desk.halts.reason(run.desk.agent.name)
    if stopped is not None:
        return Ended(Outcome.HALTED, f"halted: {stopped}{_bare(run)}")
    if run.session is None:
        return Ended(Outcome.CLOSED, f"the exchange is closed on {market_day(run.claim.slot)}")
    return _gate(run, run.session)


def _open_cycle(run: Run, session: Session) -> Ended:
    with run.step("settle"):
        known, unknown = books.catch_up(run.desk, session.open)
    if unknown:
        name = unknown[0].request.client_order_id
        return Ended(Outcome.BLOCKED, f"order {name} is unanswered: nothing new before the exchange has said", (name,))
    inherited = _inherited(run)
    if inherited is not None:
        return inherited
    with run.step("observe"):
        seen, known = observe(run.desk, session, run.now, known)
    shut = gate_exchange(run, session, seen)
    if shut is None:
        return _decide_and_act(run, session, seen, known)
    if TROUBLE in run.details:
        guard.watch(run.desk, session, run.now, known, {}, trouble=Trouble.CLOCK_SKEW)
    return shut


def _bare(run: Run) -> str:
    """Return what a person who halted must know: what no stop protects stays so while nothing is sent."""
    desk = run.desk
    state = desk.journal.agent_state(desk.agent.name, desk.account, desk.agent.symbol, run.claim.slot)
    if not state.holding.qty or has_stop(state):
        return ""
    held = f"{state.holding.qty} {state.holding.symbol}"
    log.error("halted_without_stop", agent=desk.agent.name, held=held)
    return f"; {bare_words(state)} of {held}: sell by hand, or release the agent"


def _gate(run: Run, session: Session) -> Ended | None:
    """Return how the cycle ends before anything was read: not a slot, too late, closed."""
    if run.claim.kind is CycleKind.SLOT:
        return _gate_slot(run, session)
    if not is_market_open(session, run.now):
        day = session.day
        return Ended(
            Outcome.CLOSED,
            f"the market is closed; {day} trades from {session.open:%H:%M} to {session.close:%H:%M} UTC",
        )
    return None


def _gate_slot(run: Run, session: Session) -> Ended | None:
    agent, slot = run.desk.agent, run.claim.slot
    if not is_slot(session, agent.every, agent.sessions, slot):
        return Ended(Outcome.CLOSED, f"{slot.isoformat()} is not a slot of {agent.name}")
    if run.now >= slot + agent.every:
        late = int((run.now - slot).total_seconds())
        return Ended(Outcome.MISSED, missed(f"{Why.LATE} {late} s after the slot, when the next one was due"))
    return None


def _inherited(run: Run) -> Ended | None:
    """Return how a slot ends whose first attempt died after it planned an order: with that order, not a second one.

    A way out that is surely not at the exchange is tried again.
    """
    if run.claim.token == 1:
        return None
    planned = run.desk.journal.intents(agent=run.claim.agent, since=run.claim.slot)
    mine = [i for i in planned if i.cycle_id == run.claim.cycle_id and (i.leg is Leg.ENTRY or i.state not in NOT_THERE)]
    if not mine:
        return None
    names = tuple(intent.request.client_order_id for intent in mine)
    return Ended(
        Outcome.INTERRUPTED, f"interrupted after order {names[-1]} was planned; it is {mine[-1].state}", names
    )  # fmt: skip


def gate_exchange(run: Run, session: Session, seen: Seen) -> Ended | None:
    """The exchange's own clock gates acting; where it contradicts the calendar, that is the outcome."""
    skew = abs(seen.clock.now - run.now)
    if skew > run.desk.max_clock_skew:
        # the reads themselves take time, more of it at a multiple of the speed: look at our clock again
        skew = abs(seen.clock.now - run.desk.clock.now())
    if skew > run.desk.max_clock_skew:
        words = f"the exchange's clock is {skew.total_seconds():.0f} s off ours"
        run.details = {TROUBLE: Trouble.CLOCK_SKEW.value}
        return Ended(Outcome.BLOCKED, words)
    if is_market_open(session, run.now) and not seen.clock.is_open:
        words = (
            f"the exchange says closed until {seen.clock.next_open:%Y-%m-%d %H:%M} UTC, "
            f"the calendar says open until {session.close:%H:%M} UTC"
        )
        # at the very close the two may differ by as much as their clocks
        if is_market_open(session, seen.clock.now + run.desk.max_clock_skew):
            _tell_of_calendar(run.desk, session, words)
        return Ended(Outcome.CLOSED, words)
    return None


def _tell_of_calendar(desk: Desk, session: Session, words: str) -> None:
    """Tell once a day and account: a day on which every slot is answered, and nobody trades, looks like a good one."""
    title = f"{desk.account}: the exchange is closed, the calendar says open: nobody trades"
    text = f"{words}\nIts trading is halted, or this version does not know a holiday. Look: ztrade cycles --limit 10"
    tell(desk.journal, desk.clock, Severity.WARNING, f"calendar:{desk.account}:{session.day}", title, text)


def _decide_and_act(run: Run, session: Session, seen: Seen, known: States) -> Ended:
    desk = run.desk
    trouble = _trouble(run, seen)
    is_open = is_market_open(session, run.now)
    points = books.equity_points(desk, known.agent.holding, seen.quote, seen.account.equity) if is_open else {}
    run.observed = books.observed(desk, run.now, points, seen.sentiment)
    if is_open:
        books.tell_of_capital(desk, known.agent)
        guard.glance(desk, session, run.now, known, points, trouble)
    if seen.down:
        log.warning("sentiment_sources_down", sources=dict(seen.down))
    with run.step("decide"):
        thought = think(desk.agent, desk.strategy, inputs_of(desk, seen, known.agent, run.now))
    run.details = {
        **thought.details,
        **({"sources_down": dict(seen.down)} if seen.down else {}),
        **({TROUBLE: trouble.value} if trouble else {}),
    }
    if desk.keep_inputs:
        run.inputs = recorded(thought.inputs)
    if not _may_act(run, session):
        return Ended(Outcome.OBSERVED, f"outside regular hours: {thought.decision.rationale}")
    with run.step("act"):
        return act(desk, run.claim, session, seen, known, thought, points, manual=run.manual, now=run.now)


def _trouble(run: Run, seen: Seen) -> Trouble | None:
    """Return what makes this cycle's view doubtful; enough of them in a row trip a breaker."""
    return Trouble.STALE_DATA if run.now - seen.quote.at > run.desk.agent.limits.max_quote_age else None


def _may_act(run: Run, session: Session) -> bool:
    """Extended sessions observe only, also where a slot of the pre-market comes so late that the market has opened."""
    moments = (run.now, run.claim.slot) if run.claim.kind is CycleKind.SLOT else (run.now,)
    return all(is_market_open(session, at) for at in moments)
