"""A request and an answer as plain values, the errors in Alpaca's words, and the table of routes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Generic, TypeVar

from ztrade.exchange.faults import Fault
from ztrade.exchange.regular import PLACES

#: what an answer's body is made of
Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]

C = TypeVar("C")

#: some clients encode the colon of ``/v2/orders:by_client_order_id``
_COLON = re.compile("%3a", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Call:
    """One request, read but not judged: ``query`` has every value of a name, ``body`` is the parsed JSON or None."""

    method: str
    path: str
    query: Mapping[str, Sequence[str]] = field(default_factory=dict)
    body: object = None
    parts: Mapping[str, str] = field(default_factory=dict)
    #: what goes wrong with this very call, on demand
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer; a body of None is sent as an empty body."""

    status: int
    body: Json = None
    headers: Mapping[str, str] = field(default_factory=dict)


class ApiError(Exception):
    """The request is refused with this status and this body."""

    def __init__(self, status: int, message: str, code: int | None = None, **extra: Json) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, Json] = {**extra, "message": message}
        if code is not None:
            self.body["code"] = code

    def reply(self) -> Reply:
        return Reply(self.status, self.body)


def invalid(message: str, code: int = 42210000) -> ApiError:
    """Return the trading API's refusal of a field."""
    return ApiError(422, message, code)


def missing(message: str) -> ApiError:
    return ApiError(404, message, 40410000)


def bad_parameter(name: str, why: str) -> ApiError:
    """Return the data API's refusal of a query parameter: 400, without a code."""
    return ApiError(400, f"Invalid format for parameter {name}: {why}")


def unusable(name: str, why: str) -> ApiError:
    """Return the trading API's refusal of a query parameter."""
    return ApiError(422, f"invalid {name}: {why}", 40010001)


Handler = Callable[[C, Call], Reply]


@dataclass(frozen=True, slots=True)
class Route(Generic[C]):
    """``pattern`` holds ``{name}`` where a part of the path is taken, ``/`` not included."""

    method: str
    pattern: str
    handler: Handler[C]


class Router(Generic[C]):
    """Finds the handler: 404 for a path nobody has, 405 for a path that has other methods."""

    def __init__(self, routes: Sequence[Route[C]]) -> None:
        self._routes = [(route, _compiled(route.pattern)) for route in routes]

    def find(self, method: str, path: str) -> tuple[Handler[C], dict[str, str]]:
        """Return the handler and the path's parts.

        Raises:
            ApiError: 404 or 405.
        """
        others: list[str] = []
        spelled = _COLON.sub(":", path)
        for route, pattern in self._routes:
            match = pattern.fullmatch(spelled)
            if match is not None and route.method == method:
                return route.handler, match.groupdict()
            if match is not None:
                others.append(route.method)
        if others:
            raise ApiError(
                405, f"method {method} is not allowed here; allowed: {', '.join(sorted(set(others)))}", 40510000
            )
        raise ApiError(404, "endpoint not found", 40410000)


def _compiled(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", pattern)
    return re.compile("".join(f"(?P<{part}>[^/]+)" if odd else re.escape(part) for odd, part in _numbered(parts)))


def _numbered(parts: Sequence[str]) -> list[tuple[int, str]]:
    return [(index % 2, part) for index, part in enumerate(parts)]


def number(value: float | Decimal) -> Json:
    """Return the market data API's number: an integer where it is whole."""
    as_float = float(value)
    return int(as_float) if as_float.is_integer() else round(as_float, PLACES)
