"""Exchange time of the embedded exchange, read from ``/admin/clock`` with the standard library alone.

Units without a network follow it through the unix socket, so nothing here needs more than a file descriptor.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock

from ztrade.adapters.clock.wire import JsonWire
from ztrade.domain.types import aware_utc
from ztrade.errors import ExchangeUnavailable

CLOCK_PATH = "/admin/clock"
RESYNC = timedelta(seconds=1)
TIMEOUT = timedelta(seconds=3)


@dataclass(frozen=True, slots=True)
class ExchangeTime:
    """One answer of ``/admin/clock``; instants are aware UTC.

    ``stands`` is True while time only moves when told to (stepped or paused); ``speed`` is exchange seconds per wall
    second while it runs. ``session`` is the exchange's own word on the part of the day;
    ``start`` is where its time began.
    ``stepped`` is True where whoever drives it may move time on, which a pause does not allow.
    """

    now: datetime
    stands: bool
    speed: float
    finished: bool
    is_open: bool
    until: datetime | None = None
    next_open: datetime | None = None
    next_close: datetime | None = None
    session: object = None
    start: datetime | None = None
    stepped: bool = False

    def after(self, wall_seconds: float) -> datetime:
        """Return exchange time ``wall_seconds`` later, never beyond ``until``."""
        if self.stands or self.finished:
            return self.now
        ahead = self.now + timedelta(seconds=max(wall_seconds, 0.0) * self.speed)
        return ahead if self.until is None else min(ahead, max(self.until, self.now))


class EmbeddedClock:
    """:class:`~ztrade.ports.Clock` that follows the embedded exchange.

    Where time is stepped every question is one request, so no step is ever missed; where it runs, the answer is
    carried on at the exchange's speed and read again every second. Safe to share between threads and across a fork.

    Args:
        target: ``http://HOST:PORT``, ``unix:///PATH/TO/SOCKET``, or the socket's absolute path.
        headers: sent with every request.
        timeout: for connecting, and for each answer.
        monotonic: seconds that never go back; the machine's own unless a test says otherwise.

    Raises:
        ConfigError: ``target`` is none of the three forms.
    """

    def __init__(
        self,
        target: str,
        *,
        headers: dict[str, str] | None = None,
        timeout: timedelta = TIMEOUT,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wire = JsonWire(target, headers or {}, timeout.total_seconds())
        self._monotonic = monotonic
        self._lock = Lock()
        self._seen: ExchangeTime | None = None
        self._seen_at = 0.0
        self._latest: datetime | None = None

    def now(self) -> datetime:
        """Return exchange time, aware UTC.

        Raises:
            ExchangeUnavailable: the embedded exchange does not answer, or not with a clock.
        """
        with self._lock:
            age = self._monotonic() - self._seen_at
            seen = self._seen
            if seen is None or seen.stands or not 0 <= age < RESYNC.total_seconds():
                seen, age = self._read(), 0.0
            return self._forward(seen, seen.after(age))

    def speed(self) -> float | None:
        """Return exchange seconds per wall second as last heard; None while time only moves when told to."""
        seen = self._seen
        return None if seen is None or seen.stands or not seen.speed else seen.speed

    def wall(self) -> datetime:
        """Return wall time, aware UTC."""
        return datetime.now(UTC)

    def status(self) -> ExchangeTime:
        """Ask the exchange for its time and state now.

        Raises:
            ExchangeUnavailable: as :meth:`now`.
        """
        with self._lock:
            return self._read()

    def advance_to(self, at: datetime) -> datetime:
        """Move stepped time forward to ``at`` and return the time then; a moment that has passed changes nothing.

        Raises:
            ExchangeUnavailable: no answer, or the exchange refused (it says why).
        """
        body = {"advance_to": aware_utc(at).isoformat()}
        with self._lock:
            return self._keep(self._wire.exchange("POST", CLOCK_PATH, body)).now

    def close(self) -> None:
        """Close the kept connection; the next question opens another."""
        with self._lock:
            self._wire.close()

    def _read(self) -> ExchangeTime:
        return self._keep(self._wire.exchange("GET", CLOCK_PATH, None))

    def _keep(self, body: object) -> ExchangeTime:
        # stamped after the answer: carrying on from before it would run ahead of the exchange by the latency
        self._seen, self._seen_at = parse(body), self._monotonic()
        return self._seen

    def _forward(self, seen: ExchangeTime, now: datetime) -> datetime:
        """Hide the jitter of re-reading a running clock; a clock that was set back by more is believed."""
        jitter = timedelta(0) if seen.stands else RESYNC * seen.speed
        if self._latest is not None and now < self._latest <= now + jitter:
            return self._latest
        self._latest = now
        return now


def parse(body: object) -> ExchangeTime:
    """Read an answer of ``/admin/clock``.

    Raises:
        ExchangeUnavailable: it is not one.
    """
    try:
        if not isinstance(body, dict):
            raise TypeError("no JSON object")
        return ExchangeTime(
            now=_instant(body["now"]),
            stands=_stands(body),
            speed=_speed(body.get("speed")),
            finished=body.get("finished") is True,
            is_open=body.get("is_open") is True,
            until=_optional(body.get("until")),
            next_open=_optional(body.get("next_open")),
            next_close=_optional(body.get("next_close")),
            session=body.get("session"),
            start=_optional(body.get("start")),
            stepped=body["mode"] == "stepped",
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ExchangeUnavailable(
            f"{CLOCK_PATH} did not answer with a clock: {error!r} in {str(body)[:200]}"
        ) from error


def _stands(body: dict[str, object]) -> bool:
    if body["mode"] not in {"stepped", "running"}:
        raise ValueError(f"mode {body['mode']!r}")
    return body["mode"] == "stepped" or body.get("paused") is True


def _speed(value: object) -> float:
    if value is None:
        return 1.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1e6:
        raise ValueError(f"speed {value!r}")
    return float(value)


def _instant(value: object) -> datetime:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no instant")
    return aware_utc(datetime.fromisoformat(value))


def _optional(value: object) -> datetime | None:
    return None if value is None else _instant(value)
