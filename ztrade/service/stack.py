"""The whole stack on one machine under supervisord: redis, exchange, one worker per agent, beat, exporter, flower."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from ztrade.adapters.clock import EmbeddedClock
from ztrade.config import Config
from ztrade.errors import ConfigError, TemporaryError
from ztrade.service import broker, pulse
from ztrade.service.consuming import consuming
from ztrade.service.deployed import OUT, Deployed
from ztrade.service.doorbell import Consuming, Taken
from ztrade.service.exporter import HOST as EXPORTER_HOST
from ztrade.service.flower import port_error
from ztrade.service.flower_login import ensure_login
from ztrade.service.preflight import preflight
from ztrade.service.programs import Program, check_state_path, programs, write_programs
from ztrade.service.states import ABSENT, WORKER, ProgramStatus
from ztrade.service.supervisor import NotRunning, Supervisor, last_line

#: what supervisord needs beyond its programs' own time
MARGIN = timedelta(seconds=15)
#: importing everything takes a worker 3 s on a quiet machine, and far longer on a busy one
START_TIME = timedelta(seconds=90)
#: so many processes of one program may come and go before a start has failed
LIVES = 2


@dataclass(frozen=True, slots=True)
class Started:
    """What a person must be told after a start; ``flower_password`` only where it was made just now."""

    programs: tuple[ProgramStatus, ...]
    flower_url: str = ""
    flower_password: str | None = field(default=None, repr=False)


class Stack:
    """One stack on one state directory; everything it needs to know is in the configuration.

    Args:
        config: as loaded; its state directory holds sockets, logs, data and the lock.
        exchange_args: arguments after ``ztrade exchange`` (``["--synthetic", "7", "--speed", "max"]``).
        with_exchange: run the embedded exchange; None: where an agent trades dry.
        with_flower: run Flower.
        with_beat: run beat.
        deployed: the same programs under the machine's own supervisord, which are looked at where no stack runs.
    """

    def __init__(
        self,
        config: Config,
        *,
        exchange_args: Sequence[str] = (),
        with_exchange: bool | None = None,
        with_flower: bool = True,
        with_beat: bool = True,
        deployed: Deployed | None = None,
    ) -> None:
        self.config = config
        self._deployed = deployed or Deployed(config.state_dir)
        if with_exchange is None:
            with_exchange = any(agent.dry_run for agent in config.agents.values())
        self._options: dict[str, Any] = {
            "exchange_args": list(exchange_args),
            "with_exchange": with_exchange,
            "with_flower": with_flower,
            "with_beat": with_beat,
        }
        self._supervisor = Supervisor(config.state_dir)

    @classmethod
    def of(cls, config: Config) -> Self:
        """Return the stack as it was last started on this state directory, else the usual one."""
        path = config.state_dir / "run" / "stack.json"
        try:
            options = json.loads(path.read_text(encoding="utf-8"))
            return cls(config, **options)
        except (FileNotFoundError, NotADirectoryError):
            return cls(config)
        except PermissionError:
            raise TemporaryError(f"{path} is not this user's to read; fix: be who started the stack") from None
        except (ValueError, TypeError) as error:
            raise ConfigError(str(path), f"is damaged: {error}", fix="remove it and start again") from None

    # -- start and stop ------------------------------------------------------------------------------------------------
    def start(self, timeout: timedelta = START_TIME) -> Started:
        """Start everything and wait until each program is up and each worker consumes.

        Raises:
            ConfigError: another stack has this state directory, it cannot be written or is too long, a port is taken,
                or the configuration cannot work.
            TemporaryError: something did not come up in time; what runs is left for ``status`` and ``logs``.
        """
        check_state_path(self.config.state_dir)
        preflight(self.config)
        wanted = self._programs()
        with _private_files():
            password = self._launch(wanted)
        states = self._wait_until_fine(timeout)
        url = f"http://{self.config.main.flower.host}:{self.config.main.flower.port}"
        return Started(tuple(states), url if self._options["with_flower"] else "", password)

    def _launch(self, wanted: Sequence[Program]) -> str | None:
        """Write the files and start supervisord; return Flower's password where it was made just now."""
        if not self.config.state_dir.exists():
            # a first start that cannot work leaves nothing behind
            self._check_place()
            self._check_ports()
        self._make_folders()
        with self._supervisor.lock() as lock:
            self._check_ports()
            self._wait_for_orphans()
            password = self._login()
            write_programs(self.config, wanted)
            (self.config.state_dir / "run" / "stack.json").write_text(json.dumps(self._options), encoding="utf-8")
            self._supervisor.launch(lock, self._environment(), timedelta(seconds=15))
        return password

    def _make_folders(self) -> None:
        state = self.config.state_dir
        try:
            for name in ("", "run", "logs", "redis"):
                (state / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise self._unwritable(str(error.strerror)) from None

    def _check_place(self) -> None:
        state = self.config.state_dir
        near = next(path for path in state.parents if path.exists())
        if not near.is_dir():
            raise self._unwritable(f"{near} is a file")
        if not os.access(near, os.W_OK | os.X_OK):
            raise self._unwritable(f"{near} is not yours to write")

    def _unwritable(self, why: str) -> ConfigError:
        return ConfigError(
            f"state directory {self.config.state_dir}", f"cannot be written: {why}",
            fix="make it yours, or choose another with --state or ZTRADE_STATE",
        )  # fmt: skip

    def _programs(self) -> list[Program]:
        return list(programs(self.config, **self._options))

    def _environment(self) -> Mapping[str, str]:
        return {"ZTRADE_CONFIG": str(self.config.path), "ZTRADE_STATE": str(self.config.state_dir)}

    def _login(self) -> str | None:
        if not self._options["with_flower"]:
            return None
        login, made = ensure_login(self.config.state_dir)
        return login.password if made else None

    def _check_ports(self) -> None:
        if self._options["with_flower"]:
            section = self.config.main.flower
            _check_free(section.host, section.port, "flower.port")
        if self.config.main.exporter.port:
            _check_free(EXPORTER_HOST, self.config.main.exporter.port, "exporter.port")
        if self._options["with_exchange"]:
            url = urlsplit(self.config.main.exchange.url)
            if url.hostname:
                _check_free(url.hostname, url.port or 80, "exchange.url")

    def _wait_for_orphans(self) -> None:
        """Let a Redis end that an earlier, killed supervisord left: two must never write the same files."""
        if self.config.main.redis.url:
            return
        deadline = time.monotonic() + 10
        while self._redis_answers():
            if time.monotonic() > deadline:
                raise TemporaryError(f"a Redis of an earlier stack still serves {self.config.redis_url}; end it first")
            time.sleep(0.1)

    def _redis_answers(self) -> bool:
        try:
            broker.check(self.config.redis_url)
        except TemporaryError:
            return False
        return True

    def _wait_until_fine(self, timeout: timedelta) -> list[ProgramStatus]:
        deadline = time.monotonic() + timeout.total_seconds()
        lives: dict[str, set[int]] = {}
        while True:
            states = self.status()
            bad = [state for state in states if not state.fine]
            if not bad:
                return states
            for state in bad:
                lives.setdefault(state.name, set()).update([state.pid] if state.pid else [])
            # one that ends again and again has said why: nothing is gained by waiting
            hopeless = any(state.state == "FATAL" or len(lives[state.name]) > LIVES for state in bad)
            if hopeless or time.monotonic() > deadline:
                raise TemporaryError(f"not up: {_worst_first(bad)}; fix: stop, mend what is named first, start again")
            time.sleep(0.2)

    def stop(self, names: Iterable[str] = (), timeout: timedelta | None = None) -> None:
        """Stop the named programs, or all of them and supervisord; running cycles are finished first.

        Without a stack there is nothing to do.

        Raises:
            ConfigError: a name is no program of this stack.
            TemporaryError: something did not end in time.
        """
        chosen = [self._full_name(name) for name in names]
        if not self._supervisor.comes_up(MARGIN):
            if chosen:
                raise NotRunning(f"no stack runs on {self.config.state_dir}; fix: start it, or name its --state")
            return
        patience = timeout or max((program.stop_wait for program in self._programs()), default=MARGIN) + MARGIN
        if chosen:
            self._end(chosen, patience)
            return
        running = [info["name"] for info in self._supervisor.processes()]
        # beat first, so that nothing new is rung for; all workers at once, because each may finish a cycle of minutes
        self._end([name for name in running if name in ("beat", "keeper", "exporter", "flower")], patience)
        self._end([name for name in running if name.startswith(WORKER)], patience)
        self._supervisor.shutdown(patience)

    def _end(self, names: Sequence[str], patience: timedelta) -> None:
        for name in names:
            self._supervisor.stop(name)
        self._supervisor.wait_ended(names, patience)

    def restart(self, names: Iterable[str] = (), timeout: timedelta = START_TIME) -> Started | None:
        """Restart the named programs, or everything with what the files say now. Raises as start and stop."""
        chosen = [self._full_name(name) for name in names]
        self.stop(chosen)
        if not chosen:
            return self.start(timeout)
        for name in chosen:
            self._supervisor.start(name)
        self._wait_until_fine(timeout)
        return None

    def _full_name(self, name: str) -> str:
        from ztrade.domain.agent import canonical_name

        return f"{WORKER}{canonical_name(name)}" if canonical_name(name) in self.config.agents else name

    # -- status --------------------------------------------------------------------------------------------------------
    def status(self, taken: Taken | None = None) -> list[ProgramStatus]:
        """Return the state of every program that should run; ABSENT where no stack runs.

        Args:
            taken: what is known of the workers; None: they are looked at, and the busy ones asked, which takes seconds.
        """
        expected = [program.name for program in self._programs()]
        try:
            infos = self._supervisor.processes()
        except NotRunning:
            infos = self._deployed.infos(expected)
            if not infos:
                return [ProgramStatus(name, ABSENT, False, detail="no stack runs") for name in expected]
        seen, trouble = self._taken() if taken is None else taken
        restarts = self._supervisor.restarts()
        found = {
            info["name"]: replace(self._judge(info, seen, trouble), restarts=restarts.get(info["name"], 0))
            for info in infos
        }
        for name in expected:
            found.setdefault(name, ProgramStatus(name, ABSENT, False, detail="newer than the stack: restart it"))
        return list(found.values())

    def _taken(self) -> Taken:
        try:
            return consuming(self.config, sorted(self.config.agents)), ""
        except TemporaryError as error:
            return {}, str(error)

    def _judge(self, info: Mapping[str, Any], taken: Mapping[str, Consuming], trouble: str) -> ProgramStatus:
        name, state = str(info["name"]), str(info["statename"])
        pid = int(info["pid"]) or None
        up = state == "RUNNING"
        if not up:
            return ProgramStatus(name, state, False, pid, detail=self._last_words(name, str(info["description"])))
        if name.startswith(WORKER):
            seen = taken.get(name.removeprefix(WORKER), Consuming(False, trouble or "its agent file is gone"))
            return ProgramStatus(name, state, seen.yes, pid, seen.yes, seen.how)
        detail = self._trouble_of(name, trouble)
        words = self._last_words(name, "") if detail else ""
        return ProgramStatus(name, state, not detail, pid, detail=f"{detail}; its log: {words}" if words else detail)

    def _trouble_of(self, name: str, redis_trouble: str) -> str:
        """Return why a program that runs does not serve, empty when it does."""
        if name == "redis":
            return redis_trouble
        if name == "flower":
            section = self.config.main.flower
            return _unreachable(section.host, section.port)
        if name == "exporter":
            return _unreachable(EXPORTER_HOST, self.config.main.exporter.port)
        if name == "exchange":
            return silence_of(self.config.main.exchange.url)
        return pulse.trouble(self.config.state_dir) if name == "beat" else ""

    def _last_words(self, name: str, description: str) -> str:
        for path in sorted(self._logs(name), key=_written, reverse=True):
            # one that is rotated away in this moment has no last words
            with suppress(OSError):
                if (words := last_line(path)) != "it said nothing":
                    return words[:300]
        return description

    def _logs(self, name: str) -> list[Path]:
        """Return the files with what a program said, on its own and when it died."""
        own, folder = self.config.state_dir / "logs" / f"{name}.log", self.config.log_dir
        more = [place / f"{name}.log" for place in (folder, OUT)] if folder is not None else []
        return [path for path in (own, *more) if os.access(path, os.R_OK)]


def _written(path: Path) -> float:
    """Return when a file was last written; one that is being rotated is the oldest."""
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def _worst_first(bad: Sequence[ProgramStatus]) -> str:
    """Put what does not run before what waits for it."""
    ranked = sorted(bad, key=lambda state: state.state == "RUNNING")
    return "; ".join(f"{one.name} is {one.state}: {one.detail}" for one in ranked)


@contextmanager
def _private_files() -> Iterator[None]:
    """Make files for their owner alone."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def _check_free(host: str, port: int, key: str) -> None:
    if not port:
        return
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise port_error(host, port, key, error) from None


def silence_of(url: str, seconds: float = 2.0) -> str:
    """Return why the exchange does not answer, empty when it does; for a frozen one the kernel accepts connections."""
    clock = EmbeddedClock(url, timeout=timedelta(seconds=seconds))
    try:
        clock.status()
    except TemporaryError as error:
        return broker.one_line(error)
    finally:
        clock.close()
    return ""


def _unreachable(host: str, port: int) -> str:
    try:
        socket.create_connection((host, port), timeout=2).close()
    except OSError as error:
        return f"does not listen on {host}:{port}: {broker.one_line(error)}"
    return ""
