"""An offline Alpaca for anyone's tests: the real embedded exchange, served from a thread of the test's process."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from ztrade.adapters.calendar.nyse import NyseCalendar
from ztrade.adapters.clock.system import SystemClock
from ztrade.exchange.server.app import Server, Settings
from ztrade.exchange.tape import Tape
from ztrade.ports import Calendar
from ztrade.testing.tapes import wave_tape

START_TIMEOUT = 30.0


class ExchangeUrl(str):
    """The served exchange's base URL (give it to any Alpaca client), with what a test wants to do to it."""

    __slots__ = ()

    def clock(self) -> dict[str, Any]:
        """Return ``GET /admin/clock``."""
        return self._admin("GET", "clock")

    def advance(self, to: datetime) -> dict[str, Any]:
        """Step exchange time to ``to``; everything due up to then has happened when this returns."""
        return self._admin("POST", "clock", {"advance_to": to.isoformat()})

    def fault(
        self, kind: str, *, method: str | None = None, path: str | None = None, times: int | None = 1, **args: object
    ) -> dict[str, Any]:
        """Ask for a fault; ``args`` are those of its kind (docs/reference/exchange.md)."""
        match = {name: value for name, value in (("method", method), ("path", path)) if value is not None}
        return self._admin("POST", "faults", {"kind": kind, "match": match, "times": times, "args": args})

    def faults(self) -> list[dict[str, Any]]:
        """Return the faults that still wait for a request, each with its ``id``."""
        found: list[dict[str, Any]] = self._admin("GET", "faults")["faults"]
        return found

    def clear_faults(self) -> None:
        """Forget every fault that still waits."""
        self._admin("DELETE", "faults")

    def _admin(self, method: str, what: str, body: object = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self}/admin/{what}", data=data, method=method)  # noqa: S310
        try:
            with urlopen(request, timeout=START_TIMEOUT) as answer:  # noqa: S310
                found: dict[str, Any] = json.load(answer)
                return found
        except HTTPError as error:
            with error:
                raise ValueError(f"{method} /admin/{what}: {error.code} {error.read().decode()}") from None


@contextmanager
def running(
    tape: Tape | None = None,
    *,
    start: datetime | None = None,
    until: datetime | None = None,
    cash: Decimal = Decimal(100_000),
    speed: float | None = None,
    state: Path | None = None,
    socket: Path | None = None,
    rate_limit: int = 0,
    keys: dict[str, str] | None = None,
    calendar: Calendar | None = None,
) -> Iterator[ExchangeUrl]:
    """Serve ``tape`` on a free port of 127.0.0.1 for the length of the ``with`` block.

    Without a tape it is :func:`~ztrade.testing.tapes.wave_tape`: AAPL, SPY and TSLA in August 2022. Without ``speed``
    time is stepped: it stands until :meth:`ExchangeUrl.advance`. The other arguments are those of
    :class:`ztrade.exchange.server.app.Settings`.

    Raises:
        ConfigError: an argument is wrong.
    """
    calendar = calendar or NyseCalendar()
    settings = Settings(
        tape=tape if tape is not None else wave_tape(calendar),
        calendar=calendar,
        wall=SystemClock().wall,
        start=start,
        until=until,
        cash=cash,
        speed=speed,
        state=state,
        socket=socket,
        rate_limit=rate_limit,
        keys=keys or {},
    )
    with serving(settings) as url:
        yield url


@contextmanager
def serving(settings: Settings) -> Iterator[ExchangeUrl]:
    """Serve an exchange as ``settings`` say, on a thread of its own. Raises ConfigError."""
    thread = _Thread(settings)
    thread.start()
    try:
        yield thread.url()
    finally:
        thread.stop()


class _Thread(threading.Thread):
    def __init__(self, settings: Settings) -> None:
        super().__init__(name="embedded-exchange", daemon=True)
        self._settings = settings
        self._ready = threading.Event()
        self._url = ""
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Event | None = None

    def run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits for the server
            self._failure = error
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        server = Server(self._settings)
        self._url = server.address.url
        self._ready.set()
        await self._ended.wait()
        await server.stop()

    def url(self) -> ExchangeUrl:
        if not self._ready.wait(START_TIMEOUT):
            raise TimeoutError(f"the embedded exchange did not start within {START_TIMEOUT:g} seconds")
        if self._failure is not None:
            raise self._failure
        return ExchangeUrl(self._url)

    def stop(self) -> None:
        if self._loop is not None and self._ended is not None and self.is_alive():
            self._loop.call_soon_threadsafe(self._ended.set)
        self.join(START_TIMEOUT)
