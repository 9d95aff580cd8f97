"""Real workers and beats as processes, on a real Valkey, with the twin runtime whose journal and clock are files."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from ztrade.config import Config, load_config
from ztrade.service.app import create_app, tasks_of
from ztrade.testing.redis_server import RedisServer
from ztrade.testing.runtime import FileClock, FileJournal, FileRuntime

OPEN = datetime(2022, 8, 22, 13, 30, tzinfo=UTC)
AGENT = """
symbol = "{symbol}"
timeframe = "15m"
capital = 10000
dry_run = true
manual = false
[schedule]
every = "{every}"
[strategy]
name = "momentum"
"""


def write_config(folder: Path, redis_url: str = "", *, agents: dict[str, str] | None = None, more: str = "") -> Config:
    """Write a configuration with agents (name -> every) and read it back."""
    (folder / "agents").mkdir(parents=True, exist_ok=True)
    for name, every in (agents or {"spy": "5m"}).items():
        (folder / "agents" / f"{name}.toml").write_text(AGENT.format(symbol=name.upper(), every=every))
    redis = f'[redis]\nurl = "{redis_url}"\n' if redis_url else ""
    (folder / "ztrade.toml").write_text(f'state_dir = "state"\n{redis}{more}')
    return load_config(folder / "ztrade.toml")


class Stage:
    """One configuration, one Redis, and the processes that a test starts."""

    def __init__(self, folder: Path, redis: RedisServer, config: Config) -> None:
        self.folder, self.redis, self.config = folder, redis, config
        self.runtime = FileRuntime(config)
        self.journal: FileJournal = self.runtime.journal
        self.clock = FileClock(config.state_dir / "clock.json")
        self.app = create_app(config, FileRuntime)
        self.tasks = tasks_of(self.app)
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self, what: str, *arguments: str, more: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start ``worker NAME``, ``beat`` or ``flower`` as a process of its own; its output goes to a file.

        Args:
            more: variables for its environment.
        """
        calls = {
            "worker": "from ztrade.service.worker import run_worker; run_worker(c, *sys.argv[2:], build=FileRuntime)",
            "flower": "from ztrade.service.flower import run_flower; run_flower(c)",
            "beat": "from ztrade.service.beat import run_beat; run_beat(c, build=FileRuntime)",
        }
        program = (
            "import sys; from pathlib import Path; from ztrade.config import load_config; "
            "from ztrade.testing.runtime import FileRuntime; c = load_config(Path(sys.argv[1])); " + calls[what]
        )
        log = (self.folder / f"{what}{len(self._processes)}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-W", "error::ResourceWarning", "-c", program, str(self.config.path), *arguments],
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "PYTHONDEVMODE": "", **(more or {})},
        )
        log.close()
        self._processes.append(process)
        return process

    def worker(self, name: str = "spy") -> subprocess.Popen[bytes]:
        """Start a worker and wait until it answers the test task."""
        process = self.start("worker", name)
        answer = self.tasks.test_task.apply_async(queue=f"agent.{name}.ctl").get(timeout=90)
        assert answer["agent"] == name
        return process

    def seconds(self, agent: str, seconds: float) -> None:
        """Let the agent's cycles last this long."""
        (self.config.state_dir / f"{agent}.seconds").write_text(str(seconds))

    def output(self) -> str:
        """Return what all processes wrote."""
        return "".join(path.read_text() for path in sorted(self.folder.glob("*.log")))

    def ran(self) -> list[tuple[str, str]]:
        """Return (agent, HH:MM) of scheduled cycles that really ran."""
        return [(a, f"{datetime.fromisoformat(s):%H:%M}") for a, s, kind in self.journal.ran() if kind == "slot"]

    def reasons(self) -> dict[tuple[str, str], str]:
        """Return what the journal says of each slot."""
        return {(r.agent, f"{r.slot:%H:%M}"): f"{r.outcome}: {r.reason}" for r in self.journal.cycles()}

    def close(self) -> None:
        """End whatever still runs."""
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(90)
        self.app.close()


@contextlib.contextmanager
def stage(folder: Path, *, agents: dict[str, str] | None = None, more: str = "") -> Iterator[Stage]:
    """Give a stage with its Redis running."""
    redis = RedisServer(folder / "redis")
    redis.start()
    made = Stage(folder, redis, write_config(folder / "etc", redis.url, agents=agents, more=more))
    try:
        yield made
    finally:
        made.close()
        redis.close()


def child_of(process: subprocess.Popen[bytes]) -> psutil.Process:
    """Return the pool process of a worker."""
    return psutil.Process(process.pid).children()[0]


def minutes(count: float) -> datetime:
    """Return an instant so many minutes after the open."""
    return OPEN + timedelta(minutes=count)
