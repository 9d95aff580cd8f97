"""The keeper: one plain process without Celery for what must go on when Redis is down. Two of them are harmless.

Everything that it does is a compare-and-set in the journal, an order with an id of its own, or a reading.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import FrameType
from typing import Protocol

import structlog

from ztrade import ports
from ztrade.app import flatten, guard
from ztrade.app.desk import Desk
from ztrade.app.outbox import deliver
from ztrade.app.reconcile import reconcile
from ztrade.app.recover import recover
from ztrade.app.standing import states
from ztrade.app.summary import summarize
from ztrade.app.tell import tell
from ztrade.config import Config
from ztrade.domain.agent import Agent
from ztrade.domain.ledger import Outcome
from ztrade.domain.messages import Severity
from ztrade.domain.schedule import Session, is_market_open, market_day
from ztrade.errors import ZtradeError
from ztrade.service.health import Health
from ztrade.service.sweep import Sweeper

log = structlog.get_logger("ztrade.keeper")

#: wall seconds between two rounds of each duty
OFTEN, HEALTH, MINUTE = 1.0, 5.0, 60.0
#: wall seconds after which a duty that failed is tried again
RETRY = 5.0
#: how far back outcomes that a person must know of are looked for
TOLD_BACK = timedelta(days=2)
_BAD = {Outcome.MISSED: Severity.WARNING, Outcome.INTERRUPTED: Severity.WARNING, Outcome.UNKNOWN: Severity.CRITICAL}


class Runtime(Protocol):
    """The part of :class:`ztrade.bootstrap.Runtime` that the keeper uses."""

    @property
    def config(self) -> Config: ...

    @property
    def journal(self) -> ports.Journal: ...

    @property
    def calendar(self) -> ports.Calendar: ...

    def clock(self, dry_run: bool) -> ports.Clock: ...

    def desk(self, name: str, *, dry_run: bool = False, owner: str = "") -> Desk: ...


@dataclass(slots=True)
class Duty:
    """Something done every so often; ``due`` is monotonic wall seconds, ``trouble`` what it last failed of."""

    name: str
    every: float
    run: Callable[[], None]
    due: float = 0.0
    trouble: str = ""


class Keeper:
    """Does its duties in turn; one that fails holds none of the others back.

    Args:
        health: looks at what is up, for the causes of missed slots.
        monotonic: wall seconds that never go back.
        pause: waits some wall seconds.
    """

    def __init__(
        self,
        runtime: Runtime,
        health: Health,
        channels: Sequence[ports.AlertChannel] = (),
        *,
        monotonic: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._runtime, self._health, self._channels = runtime, health, channels
        self._monotonic, self._pause = monotonic, pause
        self._agents: Sequence[Agent] = [agent for _, agent in sorted(runtime.config.agents.items())]
        self._flat: dict[str, str] = {}
        self._sweepers = [self._sweeper(group) for group in self._by_clock() if group]
        self.duties = [
            Duty("obey halts", OFTEN, self.obey_halts),
            Duty("send messages", OFTEN, self.send),
            Duty("look", HEALTH, self.look),
            Duty("close missed slots", HEALTH, self.sweep),
            Duty("recover", MINUTE, self.recover),
            Duty("reconcile", MINUTE, self.reconcile),
            Duty("watch limits", MINUTE, self.watch),
            Duty("tell outcomes", HEALTH, self.tell_outcomes),
            Duty("summarize", MINUTE, self.summarize),
        ]

    def step(self) -> float:
        """Do what is due; returns the wall seconds until the next duty."""
        for duty in self.duties:
            if self._monotonic() >= duty.due:
                self._do(duty)
                duty.due = self._monotonic() + (min(duty.every, RETRY) if duty.trouble else duty.every)
        return max(min(duty.due for duty in self.duties) - self._monotonic(), 0.0)

    def _do(self, duty: Duty) -> None:
        try:
            duty.run()
        except ZtradeError as error:
            # one exchange that is down stops several duties, and is one story
            if all(other.trouble != str(error) for other in self.duties):
                log.warning("duty_waits", duty=duty.name, reason=str(error))
            duty.trouble = str(error)
        except Exception as error:  # the other duties must go on whatever this one met
            log.exception("duty_failed", duty=duty.name)
            duty.trouble = f"{type(error).__name__}: {error}"
        else:
            trouble, duty.trouble = duty.trouble, ""
            if trouble and all(other.trouble != trouble for other in self.duties):
                log.info("duty_goes_on", duty=duty.name, after=trouble)

    # -- halts ---------------------------------------------------------------------------------------------------------
    def obey_halts(self) -> None:
        """Do what halts order besides stopping, until it is done; an outage of one agent's exchange delays no other."""
        self._each(self._obey)

    def _obey(self, desk: Desk) -> None:
        name = desk.agent.name
        wish = desk.halts.wish(name)
        if wish is None or self._flat.get(name) == wish.stamp:
            return
        left = flatten.flatten(desk, wish, self._opening(desk))
        flatten.report(desk, wish, left)
        if left.flat:
            self._flat[name] = wish.stamp

    # -- slots ---------------------------------------------------------------------------------------------------------
    def look(self) -> None:
        """See what is up, at each clock's own time."""
        clocks = [self._runtime.clock(group[0].dry_run) for group in self._by_clock() if group]
        _all([lambda clock=clock: self._sample(clock) for clock in clocks])  # type: ignore[misc]

    def _sample(self, clock: ports.Clock) -> None:
        self._health.sample(clock.now())

    def sweep(self) -> None:
        """Close slots that nobody ran."""
        _all([lambda sweeper=sweeper: self._sweep(sweeper) for sweeper in self._sweepers])  # type: ignore[misc]

    @staticmethod
    def _sweep(sweeper: Sweeper) -> None:
        for job, reason in sweeper.sweep():
            log.warning("slot_missed", agent=job.agent, slot=job.slot, reason=reason)

    def recover(self) -> None:
        """Resolve what processes that died left, and expire proposals."""
        self._each(_recover)

    def tell_outcomes(self) -> None:
        """Tell each outcome that a person must know of, once."""
        self._each(_tell_outcomes)

    # -- books ---------------------------------------------------------------------------------------------------------
    def reconcile(self) -> None:
        """Compare both books of every account."""
        self._each_account(self._reconcile)

    def _reconcile(self, desks: Sequence[Desk]) -> None:
        found = reconcile(desks, self._opening(desks[0]), self._pause)
        for difference in found.differences:
            log.warning("difference", account=desks[0].account, what=difference.words)

    def watch(self) -> None:
        """Measure every breaker, so that one trips though no cycle runs."""
        self._each(self._watch)

    def _watch(self, desk: Desk) -> None:
        session = self._session(desk)
        now = desk.clock.now()
        if session is not None and is_market_open(session, now):
            guard.watch(desk, session, now, states(desk, session.open), {})

    def summarize(self) -> None:
        """Tell the day of every account after its close."""
        self._each_account(self._summarize)

    def _summarize(self, desks: Sequence[Desk]) -> None:
        session = self._session(desks[0])
        if session is not None and desks[0].clock.now() > session.close:
            summarize(desks, session)

    def send(self) -> None:
        """Give waiting messages to the channels."""
        deliver(self._runtime.journal, self._runtime.clock(dry_run=False), self._channels)

    # -- who -----------------------------------------------------------------------------------------------------------
    def _by_clock(self) -> Sequence[Sequence[Agent]]:
        return [[agent for agent in self._agents if agent.dry_run is dry] for dry in (True, False)]

    def _sweeper(self, group: Sequence[Agent]) -> Sweeper:
        return Sweeper(
            group,
            clock=self._runtime.clock(group[0].dry_run),
            calendar=self._runtime.calendar,
            journal=self._runtime.journal,
            cause=self._health.cause,
        )

    def _desks(self) -> Iterator[Desk]:
        return (self._runtime.desk(agent.name, owner=f"keeper {agent.name}") for agent in self._agents)

    def _each(self, do: Callable[[Desk], None]) -> None:
        """Do it for every agent; the first trouble is raised when all had their turn."""
        _all([lambda desk=desk: do(desk) for desk in self._desks()])  # type: ignore[misc]

    def _each_account(self, do: Callable[[Sequence[Desk]], None]) -> None:
        accounts: dict[str, list[Desk]] = {}
        for desk in self._desks():
            accounts.setdefault(desk.account, []).append(desk)
        _all([lambda desks=desks: do(desks) for desks in accounts.values()])  # type: ignore[misc]

    def _session(self, desk: Desk) -> Session | None:
        return self._runtime.calendar.session(market_day(desk.clock.now()))

    def _opening(self, desk: Desk) -> datetime:
        session = self._session(desk)
        return session.open if session is not None else desk.clock.now()


def _recover(desk: Desk) -> None:
    for record in recover(desk):
        log.warning("cycle_closed", cycle_id=record.cycle_id, reason=record.reason)


def _tell_outcomes(desk: Desk) -> None:
    name = desk.agent.name
    for record in desk.journal.cycles(agent=name, since=desk.clock.now() - TOLD_BACK):
        if record.outcome in _BAD:
            title = f"{name}: {record.outcome} at {record.slot:%Y-%m-%d %H:%M} UTC"
            key = f"outcome:{record.cycle_id}"
            tell(desk.journal, desk.clock, _BAD[record.outcome], key, title, record.reason, name)


def _all(calls: Sequence[Callable[[], None]]) -> None:
    trouble: ZtradeError | None = None
    for call in calls:
        try:
            call()
        except ZtradeError as error:
            trouble = trouble or error
    if trouble is not None:
        raise trouble


def run_keeper(keeper: Keeper) -> None:
    """Keep until SIGTERM or Ctrl-C; what is under way is finished first."""
    with _stop() as stop:
        log.info("keeper_started", duties=[duty.name for duty in keeper.duties])
        while not stop.wait(min(keeper.step(), OFTEN)):
            pass
    log.info("keeper_ended")


@contextmanager
def _stop() -> Iterator[threading.Event]:
    event = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        event.set()

    before: Mapping[int, object] = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
