"""The programs of a stack, as the shipped ones but for the doors around their ports and for shorter waits.

A lease of minutes and a grace of three quarters of one would make a run last as long: here they are seconds.
"""

from __future__ import annotations

import gc
import pickle
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from tests.faults import plan
from tests.faults.stops import Door, Point, Stops
from ztrade.adapters.calendar import NyseCalendar
from ztrade.adapters.clock.system import SystemClock
from ztrade.adapters.sentiment import VaderScorer
from ztrade.app.desk import Desk
from ztrade.bootstrap import Runtime
from ztrade.config import Config, load_config
from ztrade.domain.ledger import UNRESOLVED
from ztrade.errors import JournalUnavailable
from ztrade.exchange.server import app as exchange_app
from ztrade.exchange.tape import Tape
from ztrade.ports import Journal
from ztrade.service import conductor, logs, pulse, sweep
from ztrade.service.beat import run_beat
from ztrade.service.health import Health, looker
from ztrade.service.keeper import Keeper, run_keeper
from ztrade.service.worker import one_thread_each, run_worker
from ztrade.strategies.strategy import Strategy
from ztrade.testing.tapes import wave_tape

LEASE = timedelta(seconds=3)
#: longer than the HTTP timeouts of the configuration, as in a real one
GRACE = timedelta(seconds=4)
PACE = GRACE.total_seconds() + 0.5
#: the clocks of a fast exchange and of a process that waits differ by more than two machines may
SKEW = timedelta(minutes=4)
RING_AGAIN, KEEPER_ROUND, SWEEP_GRACE = 1.0, 2.0, 1.0
#: wall seconds without a sign of beat: a slot that runs takes seven
SILENCE = 3.0
CALENDAR = NyseCalendar()


def warm_up() -> None:
    """Load, once for all processes that are forked from this one, what takes each of them seconds."""
    import alpaca.data.historical
    import alpaca.trading.client  # noqa: F401

    import ztrade.adapters.alpaca
    import ztrade.adapters.journal.upgrade  # noqa: F401

    VaderScorer().score(["warm"])
    CALENDAR.session(plan.OPEN.date())
    _wave()
    gc.collect()
    gc.freeze()


def _wave() -> Tape:
    first, last = plan.days()
    return wave_tape(CALENDAR, (plan.ITS_SYMBOL, plan.SYMBOL), first=first, last=last)


@dataclass(frozen=True, slots=True)
class ExchangePlan:
    """Where the exchange listens, how its time passes (None: stepped), from when to when, and what it trades."""

    port: int
    socket: Path
    state: Path
    speed: float | None = None
    start: datetime | None = None
    until: datetime | None = None
    tape: Callable[[], Tape] = _wave


def exchange(spec: ExchangePlan) -> None:
    """Serve the embedded exchange until it is told, or made, to end."""
    settings = exchange_app.Settings(
        tape=spec.tape(),
        calendar=CALENDAR,
        wall=SystemClock().wall,
        origin="faults",
        start=spec.start or plan.start(),
        until=spec.until or plan.until(),
        speed=spec.speed,
        state=spec.state,
        port=spec.port,
        socket=spec.socket,
    )
    exchange_app.run(settings, lambda _address: None)


class StoppingRuntime(Runtime):
    """The real runtime, with doors around the ports of its desks and the scripted strategy."""

    def __init__(self, config: Config, folder: Path, point: Point | None = None) -> None:
        super().__init__(config)
        self._stops, self._folder = Stops(folder, point), folder
        self._paced: dict[bool, Any] = {}

    def desk(self, name: str, *, dry_run: bool = False, owner: str = "") -> Desk:
        """Return the agent's desk with its doors."""
        made = super().desk(name, dry_run=dry_run, owner=owner)
        doors: dict[str, Any] = {
            port: Door(port, getattr(made, port), self._stops) for port in ("journal", "exchange", "halts", "gather")
        }
        strategy: Any = Door("strategy", self.thinker(made), self._stops)
        return replace(made, strategy=strategy, lease=LEASE, unknown_grace=GRACE, max_clock_skew=SKEW, **doors)

    def thinker(self, _made: Desk) -> Strategy:
        """Return what decides: the script."""
        return plan.Scripted()


class Patient:
    """The exchange's clock, which stays where an order is unanswered until its grace is over, as it does outside.

    A slot lasts minutes, the grace less than one; stepped, a day would be over before anybody may conclude.
    """

    def __init__(self, inner: Any, journal: Callable[[], Journal]) -> None:
        self._inner, self._journal = inner, journal

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def advance_to(self, at: datetime) -> datetime:
        """Step."""
        # no longer than that, whatever somebody has done to the clock
        time.sleep(min(max(self._unanswered(), 0.0), PACE))
        moved: datetime = self._inner.advance_to(at)
        return moved

    def _unanswered(self) -> float:
        """Return for how many wall seconds an order may still be unanswered."""
        try:
            waiting = [i for i in self._journal().intents(unfinished=True) if i.state in UNRESOLVED]
        except JournalUnavailable:
            return PACE
        if not waiting:
            return 0.0
        return PACE - (SystemClock().wall() - max(intent.wall_at for intent in waiting)).total_seconds()


class Paced(Patient):
    """The same, and the slot in which a fault struck lasts longer than the grace, whatever it struck."""

    def __init__(self, inner: Any, journal: Callable[[], Journal], folder: Path) -> None:
        super().__init__(inner, journal)
        self._folder = folder
        self._last, self._left = time.monotonic(), 1

    def advance_to(self, at: datetime) -> datetime:
        """Step, not too soon after the step before where a fault has struck in between."""
        if self._left and (self._folder / "stopped").exists():
            self._left -= 1
            time.sleep(max(self._last + PACE - time.monotonic(), 0))
        self._last = time.monotonic()
        return super().advance_to(at)


class BeatRuntime(StoppingRuntime):
    """The runtime of a beat."""

    def clock(self, dry_run: bool) -> Any:
        """Return the clock that it steps."""
        if dry_run not in self._paced:
            self._paced[dry_run] = Paced(super().clock(dry_run), lambda: self.journal, self._folder)
        return self._paced[dry_run]


def worker(
    config: Path,
    folder: Path,
    point: Point | None,
    agent: str = plan.AGENT,
    runtime: type[StoppingRuntime] = StoppingRuntime,
) -> None:
    """Run the agent's worker."""
    one_thread_each()
    run_worker(load_config(config), agent, build=partial(runtime, folder=folder, point=point))


def beat(config: Path, folder: Path, runtime: type[StoppingRuntime] = BeatRuntime) -> None:
    """Run beat, which rings sooner again for a slot without an outcome."""
    conductor.STEP_RING_AGAIN = RING_AGAIN
    conductor.RING_AGAIN = 2 * RING_AGAIN
    conductor.CLAIM_MARGIN = LEASE.total_seconds() - 240.0  # the lease of these desks, not the cycle's time limit
    run_beat(load_config(config), build=partial(runtime, folder=folder))


def keeper(config: Path, folder: Path, point: Point | None, runtime: type[StoppingRuntime] = StoppingRuntime) -> None:
    """Run the keeper, whose rounds follow each other sooner."""
    one_thread_each()
    sweep.GRACE = SWEEP_GRACE
    pulse.SILENCE = SILENCE
    read = load_config(config)
    logs.configure(read.main.log.level)
    made = Keeper(runtime(read, folder, point), Health(looker(read)))
    for duty in made.duties:
        duty.every = min(duty.every, KEEPER_ROUND)
    run_keeper(made)


PROGRAMS: Mapping[str, Callable[..., None]] = {"worker": worker, "beat": beat, "keeper": keeper}


def main() -> None:
    """Run one as a program that was executed, not forked: a preloaded library can then fake its time."""
    name, arguments = pickle.loads(bytes.fromhex(sys.argv[1]))
    PROGRAMS[name](*arguments)


if __name__ == "__main__":
    main()
