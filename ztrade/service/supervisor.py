"""supervisord, spoken to through its unix socket."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import sys
import time
import xmlrpc.client
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import IO, Any, cast

from supervisor.xmlrpc import SupervisorTransport

from ztrade.config import child_environment
from ztrade.errors import ConfigError, TemporaryError
from ztrade.service.share import share

#: supervisor's faults (supervisor.xmlrpc.Faults)
NOT_RUNNING, ALREADY_STARTED, BAD_NAME = 70, 60, 10
#: what supervisord writes when it begins, and for each process it starts
_BORN, _SPAWNED = "supervisord started with pid", re.compile(r"spawned: '([^']+)' with pid")
#: wall seconds for a supervisord that has just come up to take its programs down again
_LAST_WAIT = 60.0
#: wall seconds since a start, of which supervisord tells whole ones, and until the program itself surely runs
_YOUNG, _EXECUTED = 2, 1.0


def lock_file(state_dir: Path) -> Path:
    """Return the file whose lock says that a stack runs on the state directory."""
    return state_dir / "run" / "stack.lock"


class NotRunning(TemporaryError):
    """No supervisord answers for this state directory."""


class Supervisor:
    """One supervisord on one state directory.

    The lock on the directory is held by supervisord itself, through its standard input: it falls with the process,
    however that ends, and nobody else can hold it by accident.
    """

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self.socket = state_dir / "run" / "supervisor.sock"
        self._lock = lock_file(state_dir)
        #: supervisord, where this process started it: it must be waited for once it has ended
        self._process: subprocess.Popen[bytes] | None = None

    @contextmanager
    def lock(self) -> Iterator[IO[bytes]]:
        """Hold the state directory's lock.

        Raises:
            ConfigError: another stack holds it.
        """
        with self._lock.open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConfigError(
                    f"state directory {self.state_dir}", f"another stack runs on it{self._pid_text()}",
                    fix="stop that one first, or choose another with --state or ZTRADE_STATE",
                ) from None  # fmt: skip
            yield file

    def _pid_text(self) -> str:
        try:
            return f" (supervisord {int((self.state_dir / 'run' / 'supervisord.pid').read_text())})"
        except (OSError, ValueError):
            return ""

    def held(self) -> bool:
        """Tell whether a stack holds the state directory."""
        if not self._lock.exists():
            return False
        try:
            with self.lock():
                return False
        except ConfigError:
            return True

    def launch(self, lock: IO[bytes], environment: Mapping[str, str], timeout: timedelta) -> None:
        """Start supervisord with the lock as its standard input, and wait until it answers.

        Raises:
            TemporaryError: it ended at once, or does not answer; its words are in the message.
        """
        log = self.state_dir / "logs" / "supervisord.out"
        conf = share("deploy/supervisor/supervisord.conf")
        with log.open("wb") as output:
            process = self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "supervisor.supervisord", "-n", "-s", "-c", str(conf)],
                stdin=lock,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                umask=0o077,  # supervisord's own setting counts only where it makes itself a daemon
                cwd=self.state_dir,
                env=child_environment(environment),
            )
        try:
            self._await_answer(process, log, timeout)
        except BaseException:
            # interrupted here, nobody would know of the stack that is about to come up
            process.terminate()
            process.wait(_LAST_WAIT)
            self._process = None
            raise

    def _await_answer(self, process: subprocess.Popen[bytes], log: Path, timeout: timedelta) -> None:
        deadline = time.monotonic() + timeout.total_seconds()
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise TemporaryError(f"supervisord did not start: {last_line(log)}")
            if self.alive():
                return
            time.sleep(0.05)
        raise TemporaryError(f"supervisord does not answer; see {log}")

    def alive(self) -> bool:
        """Tell whether supervisord answers."""
        try:
            self.call("getState")
        except TemporaryError:
            return False
        return True

    def comes_up(self, timeout: timedelta) -> bool:
        """Tell whether supervisord answers; one that holds the directory already is given time to."""
        deadline = time.monotonic() + timeout.total_seconds()
        while not self.alive():
            if not self.held() or time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def call(self, method: str, *arguments: Any) -> Any:
        """Call one of supervisor's methods.

        Raises:
            NotRunning: nobody answers.
            xmlrpc.client.Fault: supervisor refused.
        """
        transport = SupervisorTransport("", "", f"unix://{self.socket}")
        try:
            proxy = xmlrpc.client.ServerProxy("http://localhost", transport=transport)
            return getattr(proxy.supervisor, method)(*arguments)
        except (OSError, xmlrpc.client.ProtocolError) as error:
            raise NotRunning(f"no stack runs on {self.state_dir}: {error}") from None
        finally:
            transport.close()

    def processes(self) -> list[dict[str, Any]]:
        """Return supervisor's information on every program, in order of their start. Raises NotRunning."""
        return cast("list[dict[str, Any]]", self.call("getAllProcessInfo"))

    def restarts(self) -> Counter[str]:
        """Return how often each program was started again since supervisord runs; it counts in its log only."""
        try:
            text = (self.state_dir / "logs" / "supervisord.log").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return Counter()
        born = Counter(_SPAWNED.findall(text[text.rfind(_BORN) + 1 :]))
        return Counter({name: count - 1 for name, count in born.items()})

    def stop(self, name: str) -> None:
        """Ask one program to end, without waiting for it. Raises NotRunning, ConfigError."""
        with self._insisting(name):
            self._command("stopProcess", name)

    def start(self, name: str) -> None:
        """Start one program, without waiting. Raises NotRunning, ConfigError."""
        self._command("startProcess", name)

    @contextmanager
    def _insisting(self, name: str = "") -> Iterator[None]:
        """Ask twice who was started in this moment; without a name, all of them.

        Between fork and exec supervisord's child has supervisord's own handlers, in which a signal is lost
        (supervisor/process.py, _spawn_as_child): a worker would trade on until its grace time is over.
        """
        with ExitStack() as held:
            infos: Sequence[Mapping[str, Any]] = ()
            # one that is ending already refuses the question
            with suppress(xmlrpc.client.Fault):
                infos = self.processes()
            young = [held.enter_context(_pidfd(int(info["pid"]))) for info in infos if _is_young(info, name)]
            yield
            if young:
                time.sleep(_EXECUTED)
            for process in filter(None, young):
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(process, signal.SIGTERM)

    def _command(self, method: str, name: str) -> None:
        try:
            self.call(method, name, False)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode == BAD_NAME:
                known = ", ".join(str(info["name"]) for info in self.processes())
                raise ConfigError(name, "is no program of this stack", fix=f"one of: {known}") from None
            if fault.faultCode not in (NOT_RUNNING, ALREADY_STARTED):
                raise TemporaryError(f"{name}: {fault.faultString}") from None

    def wait_ended(self, names: Sequence[str], timeout: timedelta) -> None:
        """Wait until the named programs have ended. Raises TemporaryError."""
        deadline = time.monotonic() + timeout.total_seconds()
        while left := [info["name"] for info in self.processes() if info["name"] in names and info["pid"]]:
            if time.monotonic() > deadline:
                raise TemporaryError(f"still running: {', '.join(left)}")
            time.sleep(0.1)

    def shutdown(self, timeout: timedelta) -> None:
        """End supervisord and wait until it has given the lock back. Raises NotRunning, TemporaryError."""
        with self._insisting():
            self.call("shutdown")
        deadline = time.monotonic() + timeout.total_seconds()
        while self.held():
            if time.monotonic() > deadline:
                raise TemporaryError(f"supervisord{self._pid_text()} has not ended yet")
            time.sleep(0.05)
        if self._process is not None:
            self._process.wait(5)
            self._process = None


def _is_young(info: Mapping[str, Any], name: str) -> bool:
    return bool(info["pid"]) and name in ("", info["name"]) and info["now"] - info["start"] <= _YOUNG


@contextmanager
def _pidfd(pid: int) -> Iterator[int | None]:
    """Hold a process, so that nobody else can be meant by its number; None where it has ended."""
    try:
        held = os.pidfd_open(pid)
    except ProcessLookupError:
        yield None
        return
    try:
        yield held
    finally:
        os.close(held)


def last_line(path: Path) -> str:
    """Return a log's last words."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
