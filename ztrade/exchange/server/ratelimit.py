"""Alpaca's budget of requests a minute, in both of the forms in which it says that it is used up."""

from __future__ import annotations

from collections import OrderedDict

from ztrade.exchange.server.http import ApiError, Reply

MINUTE = 60.0
#: keys remembered at most, so that a client which makes up keys cannot fill the memory
MOST_KEYS = 1000


class RateLimiter:
    """Counts requests of each key in fixed wall-clock minutes; ``per_minute`` of 0 is no limit."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._used: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def take(self, key: str, wall: float) -> dict[str, str]:
        """Count one request at ``wall`` epoch seconds and return the headers that tell what is left.

        Raises:
            TooMany: the minute's budget is used up.
        """
        if not self._per_minute:
            return {}
        minute = int(wall // MINUTE)
        began, used = self._used.get(key, (minute, 0))
        used = used + 1 if began == minute else 1
        self._used[key] = (minute, min(used, self._per_minute + 1))
        self._used.move_to_end(key)
        if len(self._used) > MOST_KEYS:
            self._used.popitem(last=False)
        headers = self._headers(used, minute)
        if used > self._per_minute:
            raise TooMany(headers)
        return headers

    def _headers(self, used: int, minute: int) -> dict[str, str]:
        return {
            "X-Ratelimit-Limit": str(self._per_minute),
            "X-Ratelimit-Remaining": str(max(self._per_minute - used, 0)),
            "X-Ratelimit-Reset": str(int((minute + 1) * MINUTE)),
        }


class TooMany(Exception):
    """The budget of this minute is used up."""

    def __init__(self, headers: dict[str, str]) -> None:
        super().__init__("rate limit exceeded")
        self.headers = headers


def too_many(*, data_api: bool, headers: dict[str, str] | None = None) -> Reply:
    """Return the 429 of the trading API (with code and headers) or of the data API (neither, as measured)."""
    if data_api:
        return Reply(429, {"message": "too many requests."})
    return Reply(429, ApiError(429, "rate limit exceeded", 42910000).body, headers or {})
