"""Serves metrics for Prometheus from memory: a scrape never waits for anything."""

from __future__ import annotations

import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseServer
from types import FrameType

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from ztrade import __version__
from ztrade.adapters.journal import open_journal
from ztrade.config import Config, supervision
from ztrade.domain.spread import Spread
from ztrade.ports import Journal
from ztrade.service import names, report, units
from ztrade.service.context import Runtime
from ztrade.service.exporter import HOST
from ztrade.service.exporter.catalogue import METRICS
from ztrade.service.exporter.config_source import ConfigSource
from ztrade.service.exporter.event_book import EventBook
from ztrade.service.exporter.events_source import EventsSource
from ztrade.service.exporter.exchange_source import ExchangeSource
from ztrade.service.exporter.files_source import FilesSource
from ztrade.service.exporter.hours import Paces
from ztrade.service.exporter.journal_source import JournalSource
from ztrade.service.exporter.local_source import LocalSource
from ztrade.service.exporter.presence import Presence
from ztrade.service.exporter.redis_source import RedisSource
from ztrade.service.exporter.reports_source import ReportsSource
from ztrade.service.exporter.source import Board, Value, render
from ztrade.service.exporter.units_source import UnitsSource
from ztrade.service.flower import FIRST_HANDED, port_error
from ztrade.service.watchdog import Pace, patience, watch

log = structlog.get_logger("ztrade.exporter")

#: where the configuration says 0 and a person starts it all the same
PORT = 9540
PATH = "/metrics"
#: wall seconds that one thread may compute while another waits
TURN = 0.001


class Page:
    """What a scrape gets: what the board knows, and what the exporter knows of itself."""

    def __init__(self, board: Board, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._board, self._monotonic = board, monotonic
        self._process = CollectorRegistry()
        ProcessCollector(registry=self._process)
        self._scrapes = Spread(METRICS["ztrade_exporter_scrape_seconds"].buckets)
        self._lock = threading.Lock()

    def text(self) -> bytes:
        """Return the page; how long it took is on the next one."""
        began = self._monotonic()
        with self._lock:
            text = b"".join([self._board.text(), render(self._about_itself()), generate_latest(self._process)])
            self._scrapes.add(self._monotonic() - began)
        return text

    def _about_itself(self) -> Iterator[Value]:
        yield "ztrade_build_info", (__version__,), 1.0
        yield "ztrade_exporter_scrape_seconds", (), self._scrapes


class Server(ThreadingHTTPServer):
    """Serves ``/metrics`` on a socket that is open already."""

    daemon_threads = True

    def __init__(self, listener: socket.socket, page: Page, alive: Callable[[], None]) -> None:
        # not HTTPServer's: it would make a socket of its own, which a process without a network may not
        BaseServer.__init__(self, listener.getsockname()[:2], _Handler)
        self.socket, self.page, self._alive = listener, page, alive

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 the library's
        """Say it in one line where who asked has hung up; the library writes a traceback for each."""
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            log.debug("scrape_ended", reason=str(error))
        else:
            log.error("scrape_failed", exc_info=error)

    def service_actions(self) -> None:
        """Say that the loop has come round; called by it twice a second."""
        self._alive()


class _Handler(BaseHTTPRequestHandler):
    server: Server
    #: wall seconds for who connects and says nothing
    timeout = 10

    def do_GET(self) -> None:
        """Answer a scrape."""
        self.wfile.write(self._head())

    def do_HEAD(self) -> None:
        """Say what a scrape would get, as who only asks whether somebody is there wants it."""
        self._head()

    def _head(self) -> bytes:
        found = self.path.partition("?")[0] == PATH
        body = self.server.page.text() if found else f"metrics are at {PATH}\n".encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", CONTENT_TYPE_PLAIN_0_0_4 if found else "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        return body

    def log_message(self, *_: object) -> None:
        """Say nothing of each scrape."""


def run_exporter(config: Config, runtime: Runtime, port: int = 0) -> None:
    """Serve until SIGTERM, on the socket that systemd hands over, or on the port of 127.0.0.1.

    Raises:
        ConfigError: the port is taken.
    """
    told = supervision()
    listener = _listener(told.sockets, port or config.main.exporter.port or PORT)
    over, presence, clock = threading.Event(), Presence(), runtime.clock(dry_run=False)
    paces = Paces(runtime)
    events = EventsSource(config, EventBook(config.agents))
    board = Board(
        [
            events,
            RedisSource(config, presence, clock),
            ReportsSource(config, presence, events.book.in_flight),
            *([UnitsSource(config)] if units.runs_here() else []),
            FilesSource(config, clock),
            ConfigSource(config),
            LocalSource(config),
            ExchangeSource(config, paces, runtime.calendar),
            JournalSource(config, paces, runtime.calendar, opened(config), clock.wall),
        ]
    )
    pace = Pace(patience(told))
    server = Server(listener, Page(board), lambda: pace.tick("serves"))

    def end(_number: int, _frame: FrameType | None) -> None:
        over.set()
        threading.Thread(target=server.shutdown, daemon=True).start()

    signal.signal(signal.SIGTERM, end)
    report.Reporter(config, names.EXPORTER, dict).start()
    events.start(over)
    # a scrape takes turns with looks, which compute: with the default of 5 ms each of its steps waits that long
    sys.setswitchinterval(TURN)
    board.start(over)
    watch(told, pace.judge)
    log.info("exporter_listens", at=str(listener.getsockname()))
    server.serve_forever()
    server.server_close()


def opened(config: Config) -> Callable[[], Journal]:
    """Return what opens the journal as it is: an exporter makes none, and upgrades none."""
    return lambda: open_journal(config.journal_url, create=False)


def _listener(handed: int, port: int) -> socket.socket:
    if handed:
        return socket.socket(fileno=FIRST_HANDED)
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise port_error(HOST, port, "exporter.port", error) from None
