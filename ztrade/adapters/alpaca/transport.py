"""One HTTP exchange under a deadline, counted. What alpaca-py's sessions lack: timeouts, and no surprises."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import urllib3

from ztrade.adapters.alpaca.plain_requests import requests

LARGEST_ANSWER = 64 << 20
_CHUNK = 1 << 16


@dataclass(slots=True)
class HttpStats:
    """Round trips and the seconds spent waiting for them, over all threads; only ever grows."""

    requests: int = 0
    seconds: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, seconds: float) -> None:
        """Count one round trip."""
        with self._lock:
            self.requests += 1
            self.seconds += seconds


class NotSent(requests.RequestException):
    """The time was up before anything left."""


class BrokenAnswer(requests.RequestException):
    """Something came back that is no answer: a redirect, a body that ends early, drips, or is far too large."""


def _punctual(pool: type[urllib3.HTTPConnectionPool], late: Callable[[], bool]) -> type[urllib3.HTTPConnectionPool]:
    """Return the pool's class with connections that give up, before anything is sent, when they opened too late.

    Timeouts do not cover the look-up of the host's name, which can take half a minute: an order must not leave so long
    after it was given up.
    """

    class Connection(pool.ConnectionCls):  # type: ignore[name-defined,misc]
        def connect(self) -> None:
            super().connect()
            if late():
                self.close()
                raise urllib3.exceptions.NewConnectionError(self, "connected after the deadline")

    return type(pool.__name__, (pool,), {"ConnectionCls": Connection})


def _forgetful(seconds: float) -> list[tuple[int, int, int | bytes]]:
    """Return socket options with which nothing leaves after the request was given up.

    A request that was written waits in the kernel while the network is cut, and is sent when it is back: minutes later,
    though the connection was closed, or the process killed. Closing forgets it instead (SO_LINGER of 0), and so does a
    frozen process' kernel after ``seconds`` without the other side's word (TCP_USER_TIMEOUT).
    """
    options: list[tuple[int, int, int | bytes]] = [
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)),
    ]
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        options.append((socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, max(int(seconds * 1000), 1)))
    return options


class DeadlineAdapter(requests.adapters.HTTPAdapter):
    """Sends one request at most, within ``connect`` and ``read`` seconds per step and before ``deadline`` in all.

    ``deadline`` is a reading of ``monotonic`` that the owner sets before every request: nothing leaves after it. One
    adapter belongs to one thread.
    """

    def __init__(
        self, connect: float, read: float, stats: HttpStats, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._connect, self._read, self._stats, self._monotonic = connect, read, stats, monotonic
        self.deadline = 0.0
        super().__init__(pool_connections=2, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        """Make the pools, with connections that are not used when they opened too late, and forget what they hold."""
        super().init_poolmanager(connections, maxsize, block, socket_options=_forgetful(self._read), **options)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _punctual(urllib3.HTTPConnectionPool, self._late),
            "https": _punctual(urllib3.HTTPSConnectionPool, self._late),
        }

    def _late(self) -> bool:
        return self._monotonic() >= self.deadline

    def send(self, request: requests.PreparedRequest, *_args: Any, **options: Any) -> requests.Response:
        """Send the request and read the whole answer.

        Raises:
            requests.RequestException: as ``requests`` does, and the two of this module.
        """
        started = self._monotonic()
        left = self.deadline - started
        if left <= 0:
            raise NotSent("no time left to send it", request=request)
        options |= {"stream": True, "timeout": (min(self._connect, left), min(self._read, left))}
        try:
            response = super().send(request, **options)
            return self._finished(response)
        finally:
            self._stats.add(self._monotonic() - started)

    def _finished(self, response: requests.Response) -> requests.Response:
        try:
            content = self._content(response)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise BrokenAnswer(f"the answer broke off: {error!r}", response=response) from error
        # requests fills these two itself when it reads the body; the deadline needs the reading done here
        response._content, response._content_consumed = content, True  # type: ignore[attr-defined]
        # without a charset requests guesses one from the whole body, which costs milliseconds
        response.encoding = "utf-8"
        if 300 <= response.status_code < 400:
            target = response.headers.get("Location", "nowhere")
            raise BrokenAnswer(f"redirected to {target}: is the base URL right?", response=response)
        return response

    def _content(self, response: requests.Response) -> bytes:
        parts: list[bytes] = []
        size = 0
        while part := response.raw.read1(_CHUNK, decode_content=True):
            parts.append(part)
            size += len(part)
            if size > LARGEST_ANSWER or self._late():
                response.close()
                raise BrokenAnswer(f"gave up on the answer after {size} bytes", response=response)
        response.raw.release_conn()
        return b"".join(parts)
