"""One live cycle: real adapter, SQLite journal on disk, the embedded exchange in another process.

A relay between the two holds every request back for a twentieth of a second, as a far exchange would, and writes down
from when to when it was waited for. Waits that overlap are one round: requests that are under way together. A cycle's
own time is its duration without these rounds: deciding, the journal with its writes to disk, reading answers, locks.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from statistics import median

import structlog

from tests.benchmarks.delay import relay
from tests.benchmarks.figures import Figure, quantile
from tests.benchmarks.places import free_port, served_exchange, write_config
from ztrade.adapters.clock import EmbeddedClock
from ztrade.app.observe import sessions_behind
from ztrade.bootstrap import Runtime
from ztrade.domain.ledger import Outcome
from ztrade.domain.schedule import Session, slots
from ztrade.service.worker import one_thread_each

DAY = date(2024, 3, 5)
FIVE = timedelta(minutes=5)
DELAY = 0.05
#: cycles at the start of a run that open connections and load libraries
WARM_UP = 3
#: bars of 30 minutes make a cycle read 470 to 545 bars of 5; eager, so that there are entries to measure
AGENT = """
symbol = "SPY"
timeframe = "30m"
capital = 100000
dry_run = true
manual = false
[schedule]
every = "5m"
[strategy]
name = "momentum"
[weights]
threshold = 0.05
[limits]
min_confidence = 0.1
max_daily_trades = 70
max_position_value = 5000
stop_loss = 0.003
take_profit = 0.003
cooldown = "0m"
"""
MAIN = 'state_dir = "state"\n[exchange]\nurl = "http://127.0.0.1:{port}"\n'


@dataclass(frozen=True, slots=True)
class Timed:
    """One cycle: from when to when (``time.monotonic``), its processor seconds, and the bars that it read."""

    outcome: Outcome
    began: float
    ended: float
    cpu: float
    bars: int


@dataclass(frozen=True, slots=True)
class Cost:
    """What a cycle cost: rounds waited for, and milliseconds of its own by the wall's and by the processor's clock."""

    rounds: int
    own: float
    cpu: float


def measure() -> Iterator[object]:
    """Yield own time and rounds, by the cycles' outcome."""
    one_thread_each()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    cycles, waits = _run()
    structlog.reset_defaults()
    found: dict[Outcome, list[Cost]] = defaultdict(list)
    for cycle in cycles:
        found[cycle.outcome].append(_cost(cycle, waits))
    yield f"  {len(cycles)} cycles on {min(c.bars for c in cycles)} to {max(c.bars for c in cycles)} bars"
    for outcome in (Outcome.HELD, Outcome.ENTERED, Outcome.EXITED):
        yield from _report(outcome, found.get(outcome, []))


def _cost(cycle: Timed, waits: Sequence[tuple[float, float]]) -> Cost:
    rounds, waited, reached = 0, 0.0, cycle.began
    for sent, answered in waits:
        if not cycle.began <= sent <= cycle.ended:
            continue
        rounds += sent >= reached
        waited += max(0.0, answered - max(sent, reached))
        reached = max(reached, answered)
    return Cost(rounds, (cycle.ended - cycle.began - waited) * 1e3, cycle.cpu * 1e3)


def _report(outcome: Outcome, costs: Sequence[Cost]) -> Iterator[object]:
    if not costs:
        yield f"  {outcome}: there was none"
        return
    own, cpu = [cost.own for cost in costs], [cost.cpu for cost in costs]
    named, aim = "one round to an exchange 50 ms away", "<= 15 ms" if outcome is Outcome.HELD else ""
    yield Figure(f"{outcome} ({len(costs)}), own time, median", median(own), DELAY * 1e3, named, "ms", aim)
    yield f"    p10 {quantile(own, 0.1):.1f} ms, p90 {quantile(own, 0.9):.1f} ms; processor {median(cpu):.1f} ms"
    aim = "<= 3" if outcome is not Outcome.EXITED else ""
    rounds = median(cost.rounds for cost in costs)
    yield Figure(f"{outcome}, answers waited for one after another", rounds, 1, "a single request", "", aim)


def _run() -> tuple[list[Timed], Sequence[tuple[float, float]]]:
    with tempfile.TemporaryDirectory() as place:
        folder, port = Path(place), free_port()
        options = ("--synthetic", "7", "--start", str(DAY), "--until", str(DAY), "--speed", "max")
        with served_exchange(folder, port, *options), relay(port, DELAY, folder) as far:
            runtime = Runtime(write_config(folder, {"spy": AGENT}, MAIN.format(port=far.port)))
            runtime.preload()  # as a worker's child does
            try:
                return list(_cycles(runtime))[WARM_UP:], far.waits()
            finally:
                runtime.close()


def _cycles(runtime: Runtime) -> Iterator[Timed]:
    session = runtime.calendar.session(DAY)
    assert session is not None
    clock = runtime.clock(True)
    assert isinstance(clock, EmbeddedClock)
    for slot in slots(session, FIVE):
        clock.advance_to(slot)
        began, cpu = time.monotonic(), time.process_time()
        record = runtime.run_cycle("spy", dry_run=True, manual=False, slot=slot, owner="benchmark")
        ended, used = time.monotonic(), time.process_time() - cpu
        assert record is not None
        assert record.outcome is not None
        yield Timed(record.outcome, began, ended, used, _bars_read(runtime, session, slot))


def _bars_read(runtime: Runtime, session: Session, slot: datetime) -> int:
    desk = runtime.desk("spy")
    return len(desk.data.bars("SPY", sessions_behind(desk, session)[0].open, slot))
