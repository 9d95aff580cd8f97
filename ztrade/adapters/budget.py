"""The request budget of one account, shared by everything that uses its keys. Wall time, never exchange time."""

from __future__ import annotations

import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Protocol

import structlog

from ztrade.errors import RateLimited

if TYPE_CHECKING:
    import redis

#: Alpaca's limit per account and minute on the trading API
ALPACA_PER_MINUTE = 200
#: kept free for orders and cancels: reads leave this many untouched
RESERVED_FOR_ORDERS = 40
WINDOW = timedelta(minutes=1)
#: how long a request waits for its turn before it is refused
PATIENCE = timedelta(seconds=2)
#: a Redis that failed is left alone this long
REDIS_PAUSE = timedelta(seconds=5)
_REDIS_TIMEOUT_SECONDS = 0.25

_log = structlog.get_logger("ztrade.budget")


class Purpose(Enum):
    """What a request is for: orders may use the share that reads may not."""

    READ = "read"
    ORDER = "order"


class Budget(Protocol):
    """Grants one request at a time."""

    def take(self, purpose: Purpose, patience: timedelta = PATIENCE) -> None:
        """Wait for a free place, at most ``patience``.

        Raises:
            RateLimited: there was none; nothing was sent.
        """
        ...


class LocalBudget:
    """A sliding window in this process: never more than ``per_minute`` requests within any minute."""

    def __init__(
        self,
        per_minute: int = ALPACA_PER_MINUTE,
        reserved: int = RESERVED_FOR_ORDERS,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.limits = {Purpose.READ: max(per_minute - reserved, 1), Purpose.ORDER: per_minute}
        self._monotonic, self._sleep = monotonic, sleep
        self._taken: deque[float] = deque()
        self._lock = threading.Lock()

    def take(self, purpose: Purpose, patience: timedelta = PATIENCE) -> None:
        """Wait for a free place, at most ``patience``; raises RateLimited when there was none."""
        _wait(lambda: self.try_take(purpose), patience, self._monotonic, self._sleep)

    def try_take(self, purpose: Purpose) -> float:
        """Take a place and return 0, or return in how many seconds one will be free."""
        with self._lock:
            now = self._monotonic()
            while self._taken and self._taken[0] <= now - WINDOW.total_seconds():
                self._taken.popleft()
            over = len(self._taken) - self.limits[purpose]
            if over >= 0:
                return max(self._taken[over] + WINDOW.total_seconds() - now, 0.001)
            self._taken.append(now)
            return 0.0

    def note(self) -> None:
        """Count a request that was granted elsewhere."""
        with self._lock:
            self._taken.append(self._monotonic())


#: KEYS[1] the window; ARGV: limit, a unique member, length of the window in microseconds.
#: Answers 0 when a place was taken, else in how many microseconds one is free.
_SCRIPT = """
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[3])
local over = redis.call('ZCARD', KEYS[1]) - ARGV[1]
if over >= 0 then
  local oldest = redis.call('ZRANGE', KEYS[1], over, over, 'WITHSCORES')
  return math.max(oldest[2] + ARGV[3] - now, 1)
end
redis.call('ZADD', KEYS[1], now, ARGV[2])
redis.call('PEXPIRE', KEYS[1], math.ceil(ARGV[3] / 1000))
return 0
"""


class RedisBudget:
    """One sliding window for all processes, in Redis and by Redis' clock; without Redis each process counts alone.

    Counting alone can overrun the account's limit together; the exchange's own 429 is then what holds. Connects when
    first used. Safe between threads and across a fork.

    Args:
        url: ``redis://``, ``rediss://``, ``unix://`` or the ``redis+socket://`` that Celery writes.
        account: budgets of different accounts are apart.
        local: what this process counts by itself; its limits are those of the shared window too.
        login: gives user and password where the URL has none; None where there are none.
    """

    def __init__(
        self,
        url: str,
        account: str,
        local: LocalBudget,
        *,
        login: Callable[[], tuple[str, str] | None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._login = login
        self._url = url.replace("redis+socket://", "unix://", 1)
        self._key = f"ztrade:budget:{account}"
        self._local = local
        self._monotonic, self._sleep = monotonic, sleep
        self._client: redis.Redis | None = None
        self._silent_until = 0.0

    def take(self, purpose: Purpose, patience: timedelta = PATIENCE) -> None:
        """Wait for a free place, at most ``patience``; raises RateLimited when there was none."""
        _wait(lambda: self._try_take(purpose), patience, self._monotonic, self._sleep)

    def close(self) -> None:
        """Close the connections; the next request opens another."""
        if self._client is not None:
            self._client.close()
        self._client = None

    def _try_take(self, purpose: Purpose) -> float:
        import redis  # 60 ms that a process without a shared budget need not pay

        if self._monotonic() < self._silent_until:
            return self._local.try_take(purpose)
        try:
            wait = self._ask(purpose)
        except (redis.RedisError, OSError, ValueError) as error:
            self._silent_until = self._monotonic() + REDIS_PAUSE.total_seconds()
            _log.warning("budget_counts_alone", reason=repr(error), account=self._key)
            return self._local.try_take(purpose)
        if wait == 0:
            # so that counting alone, should Redis go, starts from what this process has used
            self._local.note()
        return wait

    def _ask(self, purpose: Purpose) -> float:
        import redis

        if self._client is None:
            user, password = self._login() or (None, None)
            waits = {"socket_timeout": _REDIS_TIMEOUT_SECONDS, "socket_connect_timeout": _REDIS_TIMEOUT_SECONDS}
            self._client = redis.Redis.from_url(self._url, username=user, password=password, **waits)
        micros = int(WINDOW.total_seconds() * 1e6)
        answer = self._client.eval(_SCRIPT, 1, self._key, self._local.limits[purpose], uuid.uuid4().hex, micros)
        return float(answer) / 1e6


def _wait(
    attempt: Callable[[], float],
    patience: timedelta,
    monotonic: Callable[[], float],
    sleep: Callable[[float], None],
) -> None:
    give_up = monotonic() + patience.total_seconds()
    while wait := attempt():
        if monotonic() + wait > give_up:
            raise RateLimited(
                "the account's request budget is used up, for less than a minute", retry_after=timedelta(seconds=wait)
            )
        sleep(wait)
