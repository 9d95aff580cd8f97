"""What exporters of Celery lose, hold, cost to scrape, and how soon they see that a worker is dead.

Each exporter is fed by itself, with the same events at the same rate, pinned to one core while Redis and who sends have
another. Events are Celery's own: beat's ``task-sent`` one by one, a worker's in messages of up to 24, heartbeats every
two seconds. For the dead worker all run at once, beside two real workers on one host, of which one is killed.
"""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from math import inf, isnan, nan
from pathlib import Path

import psutil

from tests.benchmarks.exporter_events import Senders
from tests.benchmarks.exporter_rivals import FLOWER, OURS, THEIRS, Rival, Running, running
from tests.benchmarks.figures import Figure, quantile
from tests.benchmarks.places import free_port
from tests.integration.celery_stage import Stage, write_config
from ztrade.adapters.journal import open_journal
from ztrade.config import Config
from ztrade.testing.redis_server import redis_server

FEW = ("spy", "tsla", "aapl")
#: wall seconds for an exporter to work off what it was sent
PATIENCE = 300.0


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured.

    Attributes:
        events: to each exporter; a million takes four minutes for each.
        rate: of them a second.
        many: agents of the larger scrape.
        scrapes: of each; a fifth of it where one takes seconds.
        patience: wall seconds until a worker that was killed has to be seen as down.
        warm: events before anything is measured.
    """

    events: int = 200_000
    rate: float = 4_000.0
    many: int = 200
    scrapes: int = 50
    patience: float = 90.0
    warm: int = 4_000


@dataclass(slots=True)
class Found:
    """What was measured of one exporter; one that ended in the middle of it has no more than that."""

    lost: float = nan
    before: float = nan
    half: float = nan
    after: float = nan
    rate: float = nan
    few: Sequence[float] = (nan,)
    many: Sequence[float] = (nan,)
    down: float = inf
    series: int = 0


def measure(
    events: str = "", scale: Scale | None = None, rivals: Sequence[Rival] = (OURS, FLOWER, THEIRS)
) -> Iterator[object]:
    """Yield the comparisons; ``events`` is another number of them than the usual one."""
    scale = scale or (Scale(events=int(events)) if events else Scale())
    found = {rival.name: Found() for rival in rivals}
    for rival, part in product(rivals, (_fed, _crowded)):
        with tempfile.TemporaryDirectory(dir="/tmp") as place:
            try:
                part(Path(place), rival, scale, found[rival.name])
            except (OSError, psutil.Error) as error:
                yield f"  {rival.name} ended while it was measured: {error}"
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        _killed(Path(place), rivals, scale, found)
    mine = found.pop(OURS.name)
    for name, theirs in found.items():
        yield from _report(mine, theirs, name, scale)


def _core(place: int) -> int | None:
    """Return the first core (0) or another one (-1) of ours; None where there is but one."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[place] if len(cores) > 1 else None


def _configured(folder: Path, url: str, agents: Sequence[str]) -> Config:
    config = write_config(folder / "etc", url, agents=dict.fromkeys(agents, "5m"))
    config.state_dir.mkdir(exist_ok=True)
    open_journal(config.journal_url).close()
    return config


def _fed(folder: Path, rival: Rival, scale: Scale, found: Found) -> None:
    """Measure loss, memory, and scrapes of three agents, under events."""
    with redis_server(folder / "redis", free_port()) as redis:
        config = _configured(folder, redis.url, FEW)
        with running(rival, config, _core(-1)) as exporter:
            senders = Senders(redis.url, FEW)
            warm = _warmed(senders, exporter, scale.warm)
            found.before, spent = exporter.memory(), exporter.processor()
            for sent in senders.tasks(scale.events, scale.rate):
                if isnan(found.half) and sent >= scale.events / 2:
                    found.half = exporter.memory()
            counted = _settled(exporter, scale.events + warm) - warm
            found.lost = max(scale.events - counted, 0) / scale.events
            found.rate = counted / max(exporter.processor() - spent, 1e-9)
            found.after = exporter.memory()
            found.few = _scrapes(exporter, scale)
            senders.close()


def _warmed(senders: Senders, exporter: Running, events: int) -> int:
    """Let it load what it needs, and be heard; returns how many events it had counted then."""
    until = time.monotonic() + 30
    while not exporter.counted():
        for _sent in senders.tasks(events, events):
            pass
        if time.monotonic() > until:
            raise RuntimeError(f"{exporter.rival.name} counts no events")
        _settled(exporter, events, quiet=6.0)
    return exporter.counted()


def _settled(exporter: Running, wanted: int, quiet: float = 12.0) -> int:
    """Wait until it has counted so many, or counts no more; returns how many."""
    last, since, until = -1, time.monotonic(), time.monotonic() + PATIENCE
    while last < wanted and time.monotonic() < min(since + quiet, until):
        try:
            counted = exporter.counted()
        except TimeoutError:
            # busy with what it was sent
            since = time.monotonic()
            continue
        if counted != last:
            last, since = counted, time.monotonic()
        time.sleep(0.25)
    return last


def _crowded(folder: Path, rival: Rival, scale: Scale, found: Found) -> None:
    """Measure scrapes with many agents, each of which has run."""
    agents = [f"agent{number}" for number in range(scale.many)]
    with redis_server(folder / "redis", free_port()) as redis:
        config = _configured(folder, redis.url, agents)
        with running(rival, config, _core(-1)) as exporter:
            senders = Senders(redis.url, agents)
            until = time.monotonic() + 60
            while not exporter.counted() and time.monotonic() < until:
                for agent in agents:
                    senders.task(agent)
                senders.flush()
                senders.heartbeats()
                time.sleep(0.5)
            found.many = _scrapes(exporter, scale)
            senders.close()


def _scrapes(exporter: Running, scale: Scale) -> Sequence[float]:
    """Return the wall seconds of scrapes, one after another."""
    first = exporter.scrape()[1]
    count = scale.scrapes if first < 0.5 else max(scale.scrapes // 5, 3)
    return [exporter.scrape()[1] for _ in range(count)]


def _killed(folder: Path, rivals: Sequence[Rival], scale: Scale, found: dict[str, Found]) -> None:
    """Kill one of two real workers of this host, and wait until each exporter says so."""
    with redis_server(folder / "redis", free_port()) as redis, ExitStack() as stack:
        config = _configured(folder, redis.url, FEW[:2])
        stage = Stage(folder, redis, config)
        stack.callback(stage.close)
        exporters = [stack.enter_context(running(rival, config, _core(-1))) for rival in rivals]
        victim, _neighbour = (stage.worker(agent) for agent in FEW[:2])
        for exporter in exporters:
            found[exporter.rival.name].series = _seen(exporter)
        os.killpg(victim.pid, signal.SIGKILL)
        killed, waiting = time.monotonic(), list(exporters)
        while waiting and time.monotonic() - killed < scale.patience:
            for exporter in list(waiting):
                if not _up(exporter, FEW[0]):
                    found[exporter.rival.name].down = time.monotonic() - killed
                    waiting.remove(exporter)
            time.sleep(0.25)


def _up(exporter: Running, agent: str) -> bool:
    """Tell whether it says of any worker that may be the agent's that it is up."""
    shown = exporter.workers()
    own = {name: value for name, value in shown.items() if name.partition("@")[0] == agent}
    return any(value == 1 for value in (own or shown).values())


def _seen(exporter: Running) -> int:
    """Wait until it shows both workers, or one and no more; returns how many."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        up = [name for name, value in exporter.workers().items() if value == 1]
        if len(up) >= 2:
            return len(up)
        time.sleep(0.5)
    return len(exporter.workers())


def _report(mine: Found, theirs: Found, name: str, scale: Scale) -> Iterator[object]:
    yield f"  against {name}, {scale.events:,} events at {scale.rate:,.0f} a second:"
    yield f"    lost: {mine.lost:.2%} against {theirs.lost:.2%}   (aim: none)"
    yield Figure("events a second of processor", mine.rate, theirs.rate, name, "/s", "not worse at 4,000 a second")
    yield Figure("memory after all events", mine.after, theirs.after, name, "MB")
    yield Figure("memory gained by the first half", mine.half - mine.before, theirs.half - theirs.before, name, "MB")
    yield Figure(
        "memory gained by the second half", mine.after - mine.half, theirs.after - theirs.half, name, "MB", "0"
    )
    for agents, ours, other in ((len(FEW), mine.few, theirs.few), (scale.many, mine.many, theirs.many)):
        for share in (0.5, 0.95):
            what, aim = f"scrape with {agents} agents, p{share * 100:.0f}", "p95 under 50 ms"
            yield Figure(what, quantile(ours, share) * 1e3, quantile(other, share) * 1e3, name, "ms", aim)
    yield _down(mine, theirs, name, scale)
    yield f"    series for two workers of one host: {mine.series} against {theirs.series}   (aim: one for each)"


def _down(mine: Found, theirs: Found, name: str, scale: Scale) -> object:
    if theirs.down <= scale.patience:
        return Figure("until a killed worker is down", mine.down, theirs.down, name, "s", "under 15 s")
    ratio = mine.down / scale.patience
    told = f"    until a killed worker is down: under {ratio:.2f} x {name}"
    return f"{told}   [{mine.down:.2f} s against never within {scale.patience:.0f} s]   (aim: under 15 s)"
