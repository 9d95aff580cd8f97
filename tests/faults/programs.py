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
from ztrade.exchange.server import app as exchange_app
from ztrade.service import conductor, logs, sweep
from ztrade.service.beat import run_beat
from ztrade.service.health import Health, looker
from ztrade.service.keeper import Keeper, run_keeper
from ztrade.service.worker import one_thread_each, run_worker
from ztrade.testing.tapes import wave_tape

LEASE = timedelta(seconds=3)
#: longer than the HTTP timeouts of the configuration, as in a real one
GRACE = timedelta(seconds=4)
PACE = GRACE.total_seconds() + 0.5
#: the clocks of a fast exchange and of a process that waits differ by more than two machines may
SKEW = timedelta(minutes=4)
RING_AGAIN, KEEPER_ROUND, SWEEP_GRACE = 1.0, 2.0, 1.0
CALENDAR = NyseCalendar()


def warm_up() -> None:
    """Load, once for all processes that are forked from this one, what takes each of them seconds."""
    import alpaca.data.historical
    import alpaca.trading.client  # noqa: F401

    import ztrade.adapters.alpaca
    import ztrade.adapters.journal.upgrade  # noqa: F401

    VaderScorer().score(["warm"])
    CALENDAR.session(plan.OPEN.date())
    wave_tape(CALENDAR, ("QQQ", plan.SYMBOL))
    gc.collect()
    gc.freeze()


@dataclass(frozen=True, slots=True)
class ExchangePlan:
    """Where the exchange listens, and how its time passes (None: stepped)."""

    port: int
    socket: Path
    state: Path
    speed: float | None = None


def exchange(spec: ExchangePlan) -> None:
    """Serve the embedded exchange until it is told, or made, to end."""
    tape = wave_tape(CALENDAR, ("QQQ", plan.SYMBOL))
    settings = exchange_app.Settings(
        tape=tape,
        calendar=CALENDAR,
        wall=SystemClock().wall,
        origin="faults",
        start=plan.start(),
        until=plan.until(),
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
        self._paced: dict[bool, Paced] = {}

    def desk(self, name: str, *, dry_run: bool = False, owner: str = "") -> Desk:
        """Return the agent's desk with its doors."""
        made = super().desk(name, dry_run=dry_run, owner=owner)
        doors: dict[str, Any] = {
            port: Door(port, getattr(made, port), self._stops) for port in ("journal", "exchange", "halts", "gather")
        }
        strategy: Any = Door("strategy", plan.Scripted(), self._stops)
        return replace(made, strategy=strategy, lease=LEASE, unknown_grace=GRACE, max_clock_skew=SKEW, **doors)


class Paced:
    """The exchange's clock, which lets the slot in which a fault struck last longer than the grace, as it does outside.

    Stepped time would otherwise be over before anybody may conclude that an order was not sent.
    """

    def __init__(self, inner: Any, folder: Path) -> None:
        self._inner, self._folder = inner, folder
        self._last, self._left = time.monotonic(), 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def advance_to(self, at: datetime) -> datetime:
        """Step, not too soon after the step before where a fault has struck in between."""
        if self._left and (self._folder / "stopped").exists():
            self._left -= 1
            time.sleep(max(self._last + PACE - time.monotonic(), 0))
        self._last = time.monotonic()
        moved: datetime = self._inner.advance_to(at)
        return moved


class BeatRuntime(StoppingRuntime):
    """The runtime of a beat."""

    def clock(self, dry_run: bool) -> Any:
        """Return the clock that it steps."""
        if dry_run not in self._paced:
            self._paced[dry_run] = Paced(super().clock(dry_run), self._folder)
        return self._paced[dry_run]


def worker(config: Path, folder: Path, point: Point | None) -> None:
    """Run the agent's worker."""
    one_thread_each()
    run_worker(load_config(config), plan.AGENT, build=partial(StoppingRuntime, folder=folder, point=point))


def beat(config: Path, folder: Path) -> None:
    """Run beat, which rings sooner again for a slot without an outcome."""
    conductor.STEP_RING_AGAIN = RING_AGAIN
    conductor.RING_AGAIN = 2 * RING_AGAIN
    conductor.CLAIM_MARGIN = LEASE.total_seconds() - 240.0  # the lease of these desks, not the cycle's time limit
    run_beat(load_config(config), build=partial(BeatRuntime, folder=folder))


def keeper(config: Path, folder: Path, point: Point | None) -> None:
    """Run the keeper, whose rounds follow each other sooner."""
    one_thread_each()
    sweep.GRACE = SWEEP_GRACE
    read = load_config(config)
    logs.configure(read.main.log.level)
    made = Keeper(StoppingRuntime(read, folder, point), Health(looker(read)))
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
