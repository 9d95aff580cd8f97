"""One kept connection that exchanges JSON over TCP or a unix socket."""

from __future__ import annotations

import http.client
import json
import os
import socket
from urllib.parse import urlsplit

from ztrade.errors import ConfigError, ExchangeUnavailable

LARGEST_ANSWER = 1 << 20
OK = 200


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class JsonWire:
    """Asks over one kept connection, which is made when first needed and again after a fork or a failure.

    Not safe between threads: the owner holds a lock.

    Raises:
        ConfigError: ``target`` is neither an http URL nor a socket.
    """

    def __init__(self, target: str, headers: dict[str, str], timeout: float) -> None:
        self._connection: http.client.HTTPConnection | None = None
        self.target = target
        self._unix, self._host, self._port = _parse_target(target)
        self._headers, self._timeout = headers, timeout
        self._pid = 0

    def exchange(self, method: str, path: str, body: object | None) -> object:
        """Send one request that may be repeated without harm and return its JSON.

        A kept connection that the other side closed in between is opened again once.

        Raises:
            ExchangeUnavailable: refused, timed out, an error status, or an answer that is not JSON.
        """
        fresh = not self._usable()
        try:
            return self._once(method, path, body)
        except (http.client.HTTPException, OSError) as error:
            self.close()
            if fresh or isinstance(error, TimeoutError):
                raise self._unavailable(error) from error
        try:
            return self._once(method, path, body)
        except (http.client.HTTPException, OSError) as error:
            self.close()
            raise self._unavailable(error) from error

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def __del__(self) -> None:
        self.close()

    def _usable(self) -> bool:
        return self._connection is not None and self._pid == os.getpid()

    def _connect(self) -> http.client.HTTPConnection:
        if self._connection is None or self._pid != os.getpid():
            self.close()  # in a forked child this lets go of the parent's descriptor, not of its connection
            self._connection, self._pid = self._build(), os.getpid()
        return self._connection

    def _build(self) -> http.client.HTTPConnection:
        if self._unix:
            return _UnixConnection(self._unix, self._timeout)
        return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)

    def _once(self, method: str, path: str, body: object | None) -> object:
        connection = self._connect()
        payload = None if body is None else json.dumps(body)
        kind = {} if body is None else {"Content-Type": "application/json"}
        connection.request(method, path, payload, {**self._headers, **kind})
        response = connection.getresponse()
        content = response.read(LARGEST_ANSWER + 1)
        if len(content) > LARGEST_ANSWER:
            self.close()
        return self._judge(method, path, response.status, content)

    def _judge(self, method: str, path: str, status: int, content: bytes) -> object:
        text = content[:LARGEST_ANSWER].decode("utf-8", "replace")
        if status != OK:
            raise ExchangeUnavailable(f"{self.target}: {method} {path} answered HTTP {status}: {text[:200]}")
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ExchangeUnavailable(f"{self.target}: {method} {path} did not answer JSON: {text[:200]}") from error

    def _unavailable(self, error: Exception) -> ExchangeUnavailable:
        why = f"{error!r}"
        if isinstance(error, ConnectionRefusedError):
            why = "connection refused; fix: start the stack, or the exchange"
        return ExchangeUnavailable(f"the embedded exchange at {self.target} does not answer: {why}")


def _parse_target(target: str) -> tuple[str, str, int]:
    """Return (socket path, host, port); the path is empty for TCP."""
    if target.startswith("/"):
        return target, "", 0
    try:
        url = urlsplit(target)
        port = url.port or 80
    except ValueError as error:
        raise _unusable(target) from error
    if url.scheme == "unix" and url.path.startswith("/"):
        return url.path, "", 0
    if url.scheme != "http" or not url.hostname or url.path not in {"", "/"}:
        raise _unusable(target)
    return "", url.hostname, port


def _unusable(target: str) -> ConfigError:
    return ConfigError(
        "embedded exchange",
        f"{target!r} is not an address of its clock",
        fix="http://HOST:PORT, or unix:///PATH/TO/SOCKET",
    )
