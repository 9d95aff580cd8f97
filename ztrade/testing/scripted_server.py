"""A local HTTP server that answers as a test's script says: right, wrong, late, or not at all."""

from __future__ import annotations

import json
import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it arrived; ``peer`` tells connections apart."""

    method: str
    path: str
    query: Mapping[str, str]
    body: object
    headers: Mapping[str, str]
    peer: int


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: ``body`` is sent as it is when bytes, as JSON otherwise.

    ``reset`` cuts the connection instead of answering, ``hang`` never answers, ``close`` ends the connection after
    the answer, ``drip`` sends the body byte by byte with that many seconds between.
    """

    status: int = 200
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    reset: bool = False
    hang: bool = False
    close: bool = False
    drip: float = 0.0


Script = Callable[[Asked], Answer]


class ScriptedServer:
    """A running server; ``asked`` holds every request in order of arrival."""

    def __init__(self, script: Script, unix_path: Path | None = None) -> None:
        self.script = script
        self.asked: list[Asked] = []
        self.closing = threading.Event()
        self._server = _unix_server(unix_path) if unix_path else _tcp_server()
        self._server.owner = self
        self.url = f"unix://{unix_path}" if unix_path else f"http://127.0.0.1:{self._port()}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def _port(self) -> int:
        return int(self._server.socket.getsockname()[1])

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and let go of whoever hangs."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@contextmanager
def scripted(script: Script, unix_path: Path | None = None) -> Iterator[ScriptedServer]:
    """Run a server on a free local port, or on a unix socket, for as long as the block lasts."""
    server = ScriptedServer(script, unix_path)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def in_turn(*answers: Answer) -> Script:
    """Give the answers one after another; the last one for ever."""
    left = list(answers)
    lock = threading.Lock()

    def script(_asked: Asked) -> Answer:
        with lock:
            return left.pop(0) if len(left) > 1 else left[0]

    return script


class _TcpServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    owner: ScriptedServer


class _UnixServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False
    owner: ScriptedServer


def _tcp_server() -> _TcpServer | _UnixServer:
    return _TcpServer(("127.0.0.1", 0), _Handler)


def _unix_server(path: Path) -> _TcpServer | _UnixServer:
    return _UnixServer(str(path), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _TcpServer | _UnixServer

    def setup(self) -> None:
        # head and body leave separately; waiting for the first to be acknowledged would cost 40 ms each time
        if self.request.family == socket.AF_INET:
            self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().setup()

    def log_message(self, *_args: object) -> None:
        """Say nothing: the test looks at ``asked``."""

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:  # the client went away: the test knows why
            self.close_connection = True

    def _serve(self) -> None:
        owner = self.server.owner
        asked = self._read()
        owner.asked.append(asked)
        answer = owner.script(asked)
        if answer.hang:
            owner.closing.wait(30)
        if answer.hang or answer.reset:
            self._cut()
        else:
            self._send(answer)

    do_GET = do_POST = do_DELETE = do_PATCH = do_PUT = _serve  # noqa: N815

    def _read(self) -> Asked:
        length = int(self.headers.get("Content-Length") or 0)
        content = self.rfile.read(length)
        parts = urlsplit(self.path)
        body = json.loads(content) if content else None
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        return Asked(self.command, parts.path, query, body, dict(self.headers), id(self))

    def _send(self, answer: Answer) -> None:
        body = answer.body if isinstance(answer.body, bytes) else b""
        if not isinstance(answer.body, bytes) and answer.body is not None:
            body = json.dumps(answer.body).encode()
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self._write(body, answer.drip)
        self.close_connection = self.close_connection or answer.close

    def _write(self, body: bytes, drip: float) -> None:
        if not drip:
            self.wfile.write(body)
            return
        for index in range(len(body)):
            if self.server.owner.closing.wait(drip):
                return
            self.wfile.write(body[index : index + 1])
            self.wfile.flush()

    def _cut(self) -> None:
        self.close_connection = True
        # a linger of zero makes the close a reset instead of an orderly end
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
