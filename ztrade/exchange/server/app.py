"""The embedded exchange as a program: settings in, a server on TCP and on a unix socket out."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from tornado.httpserver import HTTPServer
from tornado.ioloop import PeriodicCallback
from tornado.netutil import bind_unix_socket
from tornado.web import Application

from ztrade.domain.schedule import Session
from ztrade.errors import ConfigError
from ztrade.exchange.core.settings import Settings as EngineSettings
from ztrade.exchange.faults import FaultQueue
from ztrade.exchange.live import LiveTape
from ztrade.exchange.server.clock import LiveClock, VenueClock, Wall
from ztrade.exchange.server.door import Door, Site
from ztrade.exchange.server.ratelimit import RateLimiter
from ztrade.exchange.server.stamps import new_york_day
from ztrade.exchange.server.store import StateUnavailable, Store
from ztrade.exchange.server.venue import Plan, Venue
from ztrade.exchange.tape import Tape
from ztrade.ports import Calendar

log = logging.getLogger(__name__)

#: sessions of bars that lie before the start where nobody names one: enough to warm up what the strategies look at
WARM_UP = 10
#: how far the calendar goes before the first and after the last bar
BEFORE, AFTER = timedelta(days=15), timedelta(days=400)
#: how often a running clock moves the engine without being asked
BEAT = timedelta(milliseconds=250)
LARGEST_BODY = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to run the exchange.

    Args:
        tape: prices and news.
        calendar: the exchange's sessions.
        wall: wall time, aware UTC.
        origin: what the prices are, in words; a state file belongs to one origin.
        start: where exchange time begins; after ten sessions of bars where None, or at the first where there are fewer.
        until: where it ends; the last bar's session's close where None.
        cash: dollars at the beginning.
        speed: seconds of exchange time in one of wall time; None is stepped.
        live: the tape itself, where prices happen now; exchange time is then wall time, and ``start``, ``until`` and
            ``speed`` mean nothing.
        state: SQLite file that holds the account; None forgets everything at the end.
        host: address to listen on.
        port: TCP port, 0 for a free one, None for no TCP.
        socket: path of a unix socket, None for none.
        keys: key ids and secrets that are let in; empty lets in any pair.
        rate_limit: requests a minute of each key, 0 for no limit.
        engine: how to fill and charge.
    """

    tape: Tape
    calendar: Calendar
    wall: Wall
    origin: str = ""
    start: datetime | None = None
    until: datetime | None = None
    cash: Decimal = Decimal(100_000)
    speed: float | None = None
    live: LiveTape | None = None
    state: Path | None = None
    host: str = "127.0.0.1"
    port: int | None = 0
    socket: Path | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    rate_limit: int = 0
    engine: EngineSettings = field(default_factory=EngineSettings)


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server listens: ``url`` is empty without TCP, ``socket`` None without a unix socket."""

    url: str
    socket: Path | None


class Server:
    """The exchange, listening. Make and stop it on a running event loop.

    Raises:
        ConfigError: a setting is wrong, the port or socket is taken, or the state file is in use or unusable.
    """

    def __init__(self, settings: Settings) -> None:
        self.venue = make_venue(settings)
        site = Site(self.venue, RateLimiter(settings.rate_limit), FaultQueue(), settings.keys)
        application = Application([(r".*", Door, {"site": site})], log_function=_no_access_log)
        self._http = HTTPServer(application, max_body_size=LARGEST_BODY, max_buffer_size=2 * LARGEST_BODY)
        try:
            self.address = self._listen(settings)
        except ConfigError:
            self._http.stop()
            self.venue.close()
            raise
        self._beat = PeriodicCallback(self._tick, BEAT)
        if self.venue.clock.speed is not None:
            self._beat.start()
        self._feeding = None if settings.live is None else asyncio.ensure_future(self._feed(settings.live))

    def _listen(self, settings: Settings) -> Address:
        url = ""
        if settings.port is not None:
            listener = _tcp(settings.host, settings.port)
            self._http.add_socket(listener)
            url = f"http://{settings.host}:{listener.getsockname()[1]}"
        if settings.socket is not None:
            self._http.add_socket(_unix(settings.socket))
        return Address(url, settings.socket)

    def _tick(self) -> None:
        try:
            self.venue.tick()
        except StateUnavailable:
            log.debug("exchange.tick_not_written")

    async def _feed(self, tape: LiveTape) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                tape.take(await loop.run_in_executor(None, tape.fetch))
                self.venue.engine.refresh_tape()
            except Exception:
                # the feed must go on: prices that stay old are seen as such, a feed that ended is not
                log.exception("exchange.feed_failed")
            await asyncio.sleep(tape.every.total_seconds())

    async def stop(self) -> None:
        """Stop listening, close what is open, and let go of the state file."""
        self._beat.stop()
        if self._feeding is not None:
            self._feeding.cancel()
        self._http.stop()
        await self._http.close_all_connections()
        if self.address.socket is not None:
            self.address.socket.unlink(missing_ok=True)
        self.venue.close()


def run(settings: Settings, announce: Callable[[Address], None], alive: Callable[[], None] = lambda: None) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        announce: called once the server listens.
        alive: called by the event loop every second from then on.

    Raises:
        ConfigError: as :class:`Server`.
    """
    asyncio.run(_serve(settings, announce, alive))


async def _serve(settings: Settings, announce: Callable[[Address], None], alive: Callable[[], None]) -> None:
    server = Server(settings)
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    announce(server.address)
    alive()
    PeriodicCallback(alive, timedelta(seconds=1)).start()
    await ended.wait()
    await server.stop()


def _no_access_log(handler: object) -> None:
    """Keep quiet: clients poll, and every fault and failure has a line of its own."""


def _tcp(host: str, port: int) -> socket.socket:
    try:
        listener = socket.create_server((host, port), backlog=128)
        listener.setblocking(False)
        return listener
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"--port {port}", f"cannot listen on {host}: {error}", fix="use --port 0 for a free one"
        ) from None


def _unix(path: Path) -> socket.socket:
    """Bind a unix socket; one that a dead server left behind is taken over, one that answers is not."""
    if _answers(path):
        raise ConfigError(f"--socket {path}", "another server listens there", fix="stop it, or name another path")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return bind_unix_socket(str(path), mode=0o660)
    except (OSError, ValueError) as error:
        raise ConfigError(f"--socket {path}", f"cannot be made: {error}", fix="name another path") from None


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


# -- from settings to a venue ----------------------------------------------------------------------------------------
def make_venue(settings: Settings) -> Venue:
    """Return the exchange of the settings, taken up from its state file where there is one.

    Raises:
        ConfigError: see :class:`Server`.
    """
    sessions = _sessions(settings)
    clock = _clock(settings, sessions) if settings.live is None else LiveClock(settings.wall)
    plan = Plan(settings.tape, sessions, settings.calendar, settings.cash, settings.engine)
    store = None if settings.state is None else Store(settings.state, settings.origin)
    try:
        return Venue(plan, clock, store)
    except (StateUnavailable, ValueError, KeyError, TypeError) as error:
        if store is not None:
            store.close()
        raise ConfigError(
            f"--state {settings.state}", f"cannot be taken up: {error}", fix="use another file"
        ) from error


def _sessions(settings: Settings) -> Sequence[Session]:
    if settings.live is not None:
        today = new_york_day(settings.wall())
        return settings.calendar.sessions(today - timedelta(days=60), today + AFTER)
    first, last = _span(settings.tape)
    return settings.calendar.sessions(first - BEFORE, last + AFTER)


def _span(tape: Tape) -> tuple[date, date]:
    """Return the days of the first and the last bar."""
    bars = [bars for bars in (tape.bars(symbol) for symbol in tape.symbols()) if len(bars)]
    if not bars:
        raise ConfigError(
            "prices", "there is not a single bar", fix="give --bars DIR with files of bars, or --synthetic SEED"
        )
    begin, end = min(one.start[0] for one in bars), max(one.start[-1] for one in bars)
    return _day_of(begin), _day_of(end)


def _day_of(second: int) -> date:
    return new_york_day(datetime.fromtimestamp(second, UTC))


def _clock(settings: Settings, sessions: Sequence[Session]) -> VenueClock:
    first, last = _span(settings.tape)
    days = [session.day for session in sessions]
    start = settings.start or _default_start(sessions, bisect_left(days, first), bisect_left(days, last))
    until = settings.until or _end(sessions, last)
    if until <= start:
        raise ConfigError("--until", f"{until.isoformat()} is not after the start, {start.isoformat()}")
    return VenueClock(settings.wall, start, speed=settings.speed, until=until)


def _default_start(sessions: Sequence[Session], first: int, last: int) -> datetime:
    row = first + WARM_UP if last >= first + WARM_UP else first
    return sessions[row].open


def _end(sessions: Sequence[Session], last: date) -> datetime:
    closes = [session.close for session in sessions if session.day <= last]
    return closes[-1]
