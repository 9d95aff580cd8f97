"""Three exporters of Celery's events as processes: ours, Flower's ``/metrics``, and danihodovic's."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import psutil
from prometheus_client.parser import text_string_to_metric_families

from tests.benchmarks.places import free_port, process
from ztrade.config import Config
from ztrade.service.programs import ztrade_command

ROOT = Path(__file__).parents[2]
#: on PyPI; the package called celery-exporter is another. It pins redis below 6, which keeps it out of our environment,
#: and with which Celery 5.7 refuses to speak to Redis.
PACKAGE, OLDER = "prometheus-exporter-celery==0.11.2", ("celery[redis]<5.7", "kombu<5.7", "packaging")
_KINDS = ("sent", "received", "started", "succeeded")

#: name of a series as scraped, its labels, its value
Sample = tuple[str, Mapping[str, str], float]


@dataclass(frozen=True, slots=True)
class Rival:
    """One exporter.

    Attributes:
        name: as figures call it.
        command: of a configuration and a port of 127.0.0.1.
        events: name and labels of a series -> whether it counts events of tasks.
        up: name of the series that says that a worker is up, and its label that names the worker.
    """

    name: str
    command: Callable[[Config, int], Sequence[str]]
    events: Callable[[str, Mapping[str, str]], bool]
    up: tuple[str, str]


def _ours(config: Config, port: int) -> Sequence[str]:
    return ztrade_command("--config", str(config.path), "exporter", "--port", str(port))


def _flower(config: Config, port: int) -> Sequence[str]:
    where = ["--address=127.0.0.1", f"--port={port}", "--logging=warning"]
    return [sys.executable, "-m", "celery", "--broker", config.redis_url, "flower", *where]


def _theirs(config: Config, port: int) -> Sequence[str]:
    # without a retry interval it ends when Redis drops it, as it drops who reads too slowly
    where = ["--host", "127.0.0.1", "--port", str(port), "--log-level", "WARNING", "--retry-interval", "1"]
    # the wheel installs its modules as the package "src", and no command
    program = "import sys; from src.cli import cli; cli(sys.argv[1:])"
    return [str(_own_python()), "-c", program, "--broker-url", config.redis_url, *where]


def _own_python() -> Path:
    """Return the Python of an environment that has danihodovic's exporter; made at the first call."""
    place = ROOT / ".cache" / "benchmarks" / PACKAGE
    python, uv = place / "bin" / "python", str(ROOT / ".cache/tools/bin/uv")
    if not (place / "complete").exists():
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(place)], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", str(python), PACKAGE, *OLDER], check=True)
        (place / "complete").touch()
    return python


OURS = Rival(
    "ztrade exporter",
    _ours,
    lambda name, _labels: name in {f"ztrade_tasks_{kind}_total" for kind in _KINDS},
    ("ztrade_worker_up", "agent"),
)
FLOWER = Rival(
    "Flower's /metrics",
    _flower,
    lambda name, labels: name == "flower_events_total" and labels["type"] in {f"task-{kind}" for kind in _KINDS},
    ("flower_worker_online", "worker"),
)
THEIRS = Rival(
    "danihodovic's exporter",
    _theirs,
    lambda name, _labels: name in {f"celery_task_{kind}_total" for kind in _KINDS},
    ("celery_worker_up", "hostname"),
)


class Running:
    """One of them as a process."""

    def __init__(self, rival: Rival, url: str, pid: int) -> None:
        self.rival, self._url, self._process = rival, url, psutil.Process(pid)

    def scrape(self) -> tuple[list[Sample], float]:
        """Return what it shows, and the wall seconds until all of it was there. Raises OSError."""
        began = time.monotonic()
        with urlopen(self._url, timeout=30) as answer:
            text = answer.read().decode()
        took = time.monotonic() - began
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        return [(sample.name, sample.labels, sample.value) for sample in samples], took

    def counted(self) -> int:
        """Return how many events of tasks it has counted."""
        return int(sum(value for name, labels, value in self.scrape()[0] if self.rival.events(name, labels)))

    def workers(self) -> dict[str, float]:
        """Return what it says of workers: name -> 1 for one that is up."""
        series, label = self.rival.up
        return {labels[label]: value for name, labels, value in self.scrape()[0] if name == series}

    def memory(self) -> float:
        """Return its proportional set size in megabytes."""
        return float(self._process.memory_full_info().pss) / 2**20

    def processor(self) -> float:
        """Return the seconds of processor that it has used."""
        used = self._process.cpu_times()
        return float(used.user + used.system)


@contextmanager
def running(rival: Rival, config: Config, core: int | None) -> Iterator[Running]:
    """Run one until the block ends, on one core where a number is given. Raises RuntimeError: it does not start."""
    port, log = free_port(), config.state_dir / f"{rival.up[0]}.log"
    pinned = [] if core is None else ["taskset", "--cpu-list", str(core)]
    with process([*pinned, *rival.command(config, port)], log) as made:
        found = Running(rival, f"http://127.0.0.1:{port}/metrics", made.pid)
        until = time.monotonic() + 60
        while not _answers(found):
            if made.poll() is not None or time.monotonic() > until:
                raise RuntimeError(log.read_text(errors="replace"))
            time.sleep(0.1)
        yield found


def _answers(one: Running) -> bool:
    try:
        one.scrape()
    except OSError:
        return False
    return True
