"""From the slot to the beginning of the cycle: our beat and three workers, beside Celery's own, on one Valkey.

Both run at once, so both meet the same load: three agents, one worker each, a run every quarter of a second. Ours are
slots of a minute at 240 times the speed, with cycles that do nothing but claim their slot in a database; the plain ones
are ``timedelta`` schedules whose task writes a line. A run is late by the time from its due instant to its first line
of code. For the plain ones the due instants count from the schedule's first run, by its own interval.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median

from tests.benchmarks.figures import Figure, quantile
from tests.benchmarks.places import process
from tests.benchmarks.plain_celery import AGENTS
from tests.integration.celery_stage import OPEN, Stage, stage

SPEED = 240
EVERY = 60 / SPEED
#: slots of one agent; three of them make a thousand and more
SLOTS = 350
#: runs at the beginning, while workers still warm up
SKIPPED = 10
#: runs at either end that are compared to see a drift
PART = 100

#: seconds late of each run, in order
Lateness = Mapping[str, Sequence[float]]


def measure() -> Iterator[object]:
    """Yield lateness and drift."""
    with tempfile.TemporaryDirectory(dir="/tmp") as place, ExitStack() as running:
        folder = Path(place)
        ours = running.enter_context(stage(folder, agents=dict.fromkeys(AGENTS, "1m")))
        starts = folder / "starts.txt"
        starts.touch()
        _start_plain(running, folder, ours, starts)
        began = _run_ours(ours)
        mine, plain = _our_lateness(ours, began), _plain_lateness(starts)
    yield from _report(mine, plain)


def _start_plain(running: ExitStack, folder: Path, ours: Stage, starts: Path) -> None:
    values = {"PLAIN_BROKER": ours.redis.url, "PLAIN_EVERY": str(EVERY), "PLAIN_STARTS": str(starts)}
    celery = ["env", *(f"{name}={value}" for name, value in values.items()), sys.executable, "-m", "celery"]
    celery += ["-A", "tests.benchmarks.plain_celery"]
    for agent in AGENTS:
        options = ["-Q", f"plain.{agent}", "-n", f"plain-{agent}@%h", "--concurrency=1", "--loglevel=warning"]
        running.enter_context(process([*celery, "worker", *options], folder / f"plain-{agent}.log"))
    schedule = str(folder / "celerybeat-schedule")
    running.enter_context(process([*celery, "beat", "-s", schedule, "--loglevel=warning"], folder / "plain-beat.log"))


def _run_ours(ours: Stage) -> float:
    """Run the slots and return the wall instant of the open."""
    ours.clock.write(OPEN, OPEN + timedelta(seconds=1), None)
    for agent in AGENTS:
        ours.worker(agent)
    ours.start("beat")
    time.sleep(5)
    lead = timedelta(minutes=SPEED / 60 * 2)
    ours.clock.write(OPEN - lead, OPEN + timedelta(minutes=SLOTS + 0.5), SPEED)
    began = time.time() + lead.total_seconds() / SPEED
    while not ours.clock.status().finished:
        time.sleep(0.5)
    return began


def _our_lateness(ours: Stage, began: float) -> Lateness:
    late: dict[str, list[float]] = defaultdict(list)
    slots = [(agent, slot) for agent, slot, _ in ours.journal.ran()]
    for (agent, slot), (_, wall) in zip(slots, ours.journal.started_at(), strict=True):
        due = began + (datetime.fromisoformat(slot) - OPEN).total_seconds() / SPEED
        late[agent].append(wall - due)
    return late


def _plain_lateness(starts: Path) -> Lateness:
    walls: dict[str, list[float]] = defaultdict(list)
    for line in starts.read_text(encoding="ascii").splitlines():
        agent, wall = line.split()
        walls[agent].append(float(wall))
    return {
        agent: [at - (ran[SKIPPED] + (n - SKIPPED) * EVERY) for n, at in enumerate(ran)] for agent, ran in walls.items()
    }


def _report(mine: Lateness, plain: Lateness) -> Iterator[object]:
    named = "Celery's beat with timedelta"
    ours, theirs = _all(mine), _all(plain)
    yield f"  {len(ours):,} slots of three agents, {len(theirs):,} runs of the plain schedules, one each {EVERY:.2f} s"
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        yield Figure(f"slot to start, {name}", quantile(ours, share) * 1e3, quantile(theirs, share) * 1e3, named, "ms")
    drift, theirs_drift = (median(_drift(runs) for runs in each.values()) * 1e3 for each in (mine, plain))
    what = f"later at the end than at the beginning (medians of {PART})"
    yield Figure(what, drift, theirs_drift, named, "ms", "none")


def _all(late: Lateness) -> list[float]:
    return [seconds for runs in late.values() for seconds in runs[SKIPPED:]]


def _drift(runs: Sequence[float]) -> float:
    return median(runs[-PART:]) - median(runs[SKIPPED : SKIPPED + PART])
