"""The keeper: one plain process without Celery for what must go on when Redis is down. Two of them are harmless.

Everything that it does is a compare-and-set in the journal, an order with an id of its own, or a reading.
"""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from types import FrameType
from typing import Protocol

import structlog

from ztrade import ports
from ztrade.adapters.metrics import Counters
from ztrade.app import flatten, guard
from ztrade.app.announce import Announcer
from ztrade.app.desk import Desk
from ztrade.app.lifted import Lifted
from ztrade.app.outbox import route
from ztrade.app.reconcile import reconcile
from ztrade.app.recover import recover
from ztrade.app.standing import states
from ztrade.app.summary import summarize
from ztrade.app.tell import say
from ztrade.config import Config
from ztrade.domain.agent import Agent
from ztrade.domain.messages import Message, Severity
from ztrade.domain.schedule import Session, is_market_open, market_day
from ztrade.errors import ZtradeError
from ztrade.service import names, report
from ztrade.service.asked import Asked
from ztrade.service.ended import Ended, take
from ztrade.service.health import Health
from ztrade.service.joined import present
from ztrade.service.planner import LONGEST_GAP
from ztrade.service.sweep import Sweeper

log = structlog.get_logger("ztrade.keeper")

#: wall seconds between two rounds of each duty
OFTEN, HEALTH, MINUTE = 1.0, 5.0, 60.0
#: a halt takes effect within a second, the request that it leads to included
HALTS = 0.5
#: the shortest and the longest pause (wall seconds) between two tries of one halt: each asks the exchange, whose
#: requests all agents of an account share, and may send an exit
TRIES = (1.0, 8.0)
#: wall seconds after which a duty that failed is tried again
RETRY = 5.0
#: a service that is started again this often within an hour is told of
RESTARTS = (1, 3, 10, 30, 100, 300, 1000)


class Runtime(Protocol):
    """The part of :class:`ztrade.bootstrap.Runtime` that the keeper uses."""

    @property
    def config(self) -> Config: ...

    @property
    def journal(self) -> ports.Journal: ...

    @property
    def calendar(self) -> ports.Calendar: ...

    @property
    def halts(self) -> ports.Halts: ...

    @property
    def metrics(self) -> Counters: ...

    def clock(self, dry_run: bool) -> ports.Clock: ...

    def desk(self, name: str, *, dry_run: bool = False, owner: str = "") -> Desk: ...


@dataclass(slots=True)
class Try:
    """A halt that was not obeyed whole: when it is tried again (monotonic wall seconds), and after which pause."""

    stamp: str
    due: float
    pause: float


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
        alive: hears after each piece of work that the keeper goes on, and what it waits for.
        ended: gives what systemd has noted of services that ended badly since it was last asked.
        joined: tells since when an agent without any record has been at work.
    """

    def __init__(
        self,
        runtime: Runtime,
        health: Health,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
        alive: Callable[[str], None] = lambda _status: None,
        ended: Callable[[], Iterable[Ended]] = take,
        joined: Callable[[Agent, datetime], datetime] = present,
    ) -> None:
        self._runtime, self._health, self._joined = runtime, health, joined
        self._monotonic, self._pause, self._tell_alive = monotonic, pause, alive
        self._agents: Sequence[Agent] = [agent for _, agent in sorted(runtime.config.agents.items())]
        self._flat: dict[str, str] = {}
        self._days: set[tuple[str, date] | None] = set()
        self._tries: dict[str, Try] = {}
        self._announcer, self._asked, self._lifted = Announcer(), Asked(monotonic), Lifted()
        self._ended, self._ends = ended, Counter[tuple[str, str]]()
        self._untold: list[Message] = []
        self._sweepers = [self._sweeper(group) for group in self._by_clock() if group]
        self.duties = [
            Duty("obey halts", HALTS, self.obey_halts),
            Duty("compare halts", MINUTE, self.compare_halts),
            Duty("route messages", OFTEN, self.route),
            Duty("look", HEALTH, self.look),
            Duty("close missed slots", HEALTH, self.sweep),
            Duty("recover", MINUTE, self.recover),
            Duty("reconcile", MINUTE, self.reconcile),
            Duty("watch limits", MINUTE, self.watch),
            Duty("ask people", OFTEN, self.ask),
            Duty("tell outcomes", HEALTH, self.tell_outcomes),
            Duty("tell restarts", HEALTH, self.tell_restarts),
            Duty("summarize", MINUTE, self.summarize),
            Duty("report", HEALTH, self.report),
        ]

    def step(self) -> float:
        """Do what is due; returns the wall seconds until the next duty."""
        for duty in self.duties:
            if self._monotonic() >= duty.due:
                self._do(duty)
                duty.due = self._monotonic() + (min(duty.every, RETRY) if duty.trouble else duty.every)
            self._alive()
        return max(min(duty.due for duty in self.duties) - self._monotonic(), 0.0)

    def _alive(self) -> None:
        waits = [duty.trouble for duty in self.duties if duty.trouble]
        self._tell_alive(f"waits: {waits[0]}" if waits else "keeps")

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
        if wish is None or not self._has_turn(name, wish.stamp):
            return
        if self._flat.get(name) == wish.stamp and flatten.is_done(desk, wish):
            return
        left = flatten.flatten(desk, wish, self._opening(desk))
        flatten.report(desk, wish, left)
        if left.flat:
            self._flat[name] = wish.stamp

    def compare_halts(self) -> None:
        """Tell of halts that the journal has, and whose flag is gone."""
        runtime = self._runtime
        self._lifted.look(runtime.journal, runtime.halts, runtime.clock(dry_run=False))

    def _has_turn(self, name: str, stamp: str) -> bool:
        """Tell whether the halt is to be tried now: a new one at once, then after pauses that grow."""
        now, (shortest, longest) = self._monotonic(), TRIES
        last = self._tries.get(name)
        if last is not None and last.stamp == stamp and now < last.due:
            return False
        pause = min(last.pause * 2, longest) if last is not None and last.stamp == stamp else shortest
        self._tries[name] = Try(stamp, now + pause, pause)
        return True

    # -- slots ---------------------------------------------------------------------------------------------------------
    def look(self) -> None:
        """See what is up, at each clock's own time."""
        clocks = [self._runtime.clock(group[0].dry_run) for group in self._by_clock() if group]
        self._all([lambda clock=clock: self._sample(clock) for clock in clocks])  # type: ignore[misc]

    def _sample(self, clock: ports.Clock) -> None:
        self._health.sample(clock.now())

    def sweep(self) -> None:
        """Close slots that nobody ran."""
        self._all([lambda sweeper=sweeper: self._sweep(sweeper) for sweeper in self._sweepers])  # type: ignore[misc]

    @staticmethod
    def _sweep(sweeper: Sweeper) -> None:
        for job, reason in sweeper.sweep():
            log.warning("slot_missed", agent=job.agent, slot=job.slot, reason=reason)

    def recover(self) -> None:
        """Resolve what processes that died left, and expire proposals."""
        self._each(_recover)

    def tell_outcomes(self) -> None:
        """Tell each fill, and each outcome that a person must know of, once."""
        self._each(self._announcer.announce)

    def ask(self) -> None:
        """Tell of proposals that wait for a person."""
        self._each(self._announcer.ask)

    def tell_restarts(self) -> None:
        """Tell of services that ended badly and were started again: the first time in an hour, and when it goes on."""
        self._untold += [message for one in self._ended() for message in self._of_end(one)]
        while self._untold:
            # its note is gone: with a journal that cannot be written, as on a full disk, it is told afterwards
            say(self._runtime.journal, self._untold[0])
            del self._untold[0]

    def _of_end(self, one: Ended) -> Iterator[Message]:
        at = self._runtime.clock(dry_run=False).wall()
        hour = f"{at:%Y-%m-%d %H}"
        self._ends[one.unit, hour] += 1
        count = self._ends[one.unit, hour]
        if count in RESTARTS:
            title = f"{one.unit} ended: {one.result}" + (f", {count} times within the hour" if count > 1 else "")
            yield Message(f"ended:{one.unit}:{hour}:{count}", Severity.WARNING, title, one.words, at)

    # -- books ---------------------------------------------------------------------------------------------------------
    def reconcile(self) -> None:
        """Compare both books of every account."""
        self._each_account(self._reconcile)

    def _reconcile(self, desks: Sequence[Desk]) -> None:
        with self._asked.asking(desks[0].account):
            found = reconcile(desks, self._opening(desks[0]), self._pause)
            for difference in found.differences:
                log.warning("difference", account=desks[0].account, what=difference.words)
            self._asked.answered(desks[0], found.differences)
        if found.odd is not None:
            raise found.odd

    def report(self) -> None:
        """Tell the exporter what was counted here, and what the exchanges answered."""
        facts = {**self._runtime.metrics.told(), "accounts": self._asked.told()}
        report.write(self._runtime.config.state_dir, report.cycles(names.KEEPER), facts)

    def watch(self) -> None:
        """Measure every breaker, so that one trips though no cycle runs."""
        self._each(self._watch)

    def _watch(self, desk: Desk) -> None:
        session = self._session(desk)
        now = desk.clock.now()
        if session is not None and is_market_open(session, now):
            guard.watch(desk, session, now, states(desk, session.open), {})

    def summarize(self) -> None:
        """Tell the day of every account after its close, or whenever the keeper is back before the next open."""
        self._each_account(self._summarize)

    def _summarize(self, desks: Sequence[Desk]) -> None:
        now = desks[0].clock.now()
        began = self._runtime.calendar.sessions(market_day(now - LONGEST_GAP), market_day(now))
        session = next((one for one in reversed(began) if one.open <= now), None)
        day = None if session is None else (desks[0].account, session.day)
        if session is not None and now > session.close and day not in self._days and summarize(desks, session, now):
            self._days.add(day)

    def route(self) -> None:
        """Say over which channels messages go; sending is the postmen's."""
        config, clock = self._runtime.config, self._runtime.clock(dry_run=False)
        section = config.main.alerts
        route(self._runtime.journal, clock, section.routes(), section.give_up_after, config.agents)

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
            joined=self._joined,
        )

    def _desks(self) -> Iterator[Desk]:
        return (self._runtime.desk(agent.name, owner=f"keeper {agent.name}") for agent in self._agents)

    def _each(self, do: Callable[[Desk], None]) -> None:
        """Do it for every agent; the first trouble is raised when all had their turn."""
        self._all([lambda desk=desk: do(desk) for desk in self._desks()])  # type: ignore[misc]

    def _each_account(self, do: Callable[[Sequence[Desk]], None]) -> None:
        accounts: dict[str, list[Desk]] = {}
        for desk in self._desks():
            accounts.setdefault(desk.account, []).append(desk)
        self._all([lambda desks=desks: do(desks) for desks in accounts.values()])  # type: ignore[misc]

    def _all(self, calls: Sequence[Callable[[], None]]) -> None:
        """Make all calls; the first trouble is raised then, a defect before what is expected: it is logged whole."""
        troubles: list[Exception] = []
        for call in calls:
            try:
                call()
            except Exception as error:  # noqa: BLE001 a defect that one agent meets is no reason to leave the others alone
                troubles.append(error)
            self._alive()
        troubles.sort(key=lambda error: isinstance(error, ZtradeError))
        if troubles:
            raise troubles[0]

    def _session(self, desk: Desk) -> Session | None:
        return self._runtime.calendar.session(market_day(desk.clock.now()))

    def _opening(self, desk: Desk) -> datetime:
        session = self._session(desk)
        return session.open if session is not None else desk.clock.now()


def _recover(desk: Desk) -> None:
    for record in recover(desk):
        log.warning("cycle_closed", cycle_id=record.cycle_id, reason=record.reason)


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
