"""Faults on demand: what can be asked for, checked word by word, and the queue that hands them out."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from itertools import count

MOST_FAULTS = 1000
#: a hanging request is let go after this many seconds at the latest
LONGEST_HANG = 3600.0
LONGEST_PATTERN = 200


class FaultKind(StrEnum):
    """The kinds; the first group meets a request, the second the next new order, the third the exchange at once."""

    LATENCY = "latency"
    HANG = "hang"
    TOO_MANY = "429"
    ERROR = "500"
    LANDED_504 = "504"
    RESET_BEFORE = "reset_before"
    RESET_AFTER = "reset_after"
    SCHEMA_DRIFT = "schema_drift"

    DUPLICATE = "duplicate"
    PARTIAL_FILL = "partial_fill"
    REJECTED = "rejected"

    EARLY_CLOSE = "early_close"
    CLOCK_SKEW = "clock_skew"
    SPLIT = "split"
    DIVIDEND = "dividend"


#: these happen when they are asked for; the others wait for a request that matches
AT_ONCE = frozenset({FaultKind.EARLY_CLOSE, FaultKind.CLOCK_SKEW, FaultKind.SPLIT, FaultKind.DIVIDEND})
#: these wait for a new order, whatever else matches
AT_ORDER = frozenset({FaultKind.DUPLICATE, FaultKind.PARTIAL_FILL, FaultKind.REJECTED})


class BadFault(ValueError):
    """The fault asked for makes no sense; the message says what is allowed."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. ``times`` of None stays until it is cleared."""

    kind: FaultKind
    args: Mapping[str, object] = field(default_factory=dict)
    method: str | None = None
    path: re.Pattern[str] | None = None
    times: int | None = 1

    def meets(self, method: str, path: str) -> bool:
        """Tell whether a request gets this fault."""
        if self.kind in AT_ONCE or (self.kind in AT_ORDER and (method, path) != ("POST", "/v2/orders")):
            return False
        right_method = self.method is None or self.method == method
        return right_method and (self.path is None or self.path.search(path) is not None)


class FaultQueue:
    """Faults in the order in which they were asked for; a request gets the first that meets it."""

    def __init__(self) -> None:
        self._waiting: dict[int, tuple[Fault, int | None]] = {}
        self._numbers = count(1)

    def add(self, fault: Fault) -> int:
        """Queue a fault and return its number. Raises BadFault when there are too many."""
        if len(self._waiting) >= MOST_FAULTS:
            raise BadFault(f"{MOST_FAULTS} faults are waiting already: DELETE /admin/faults first")
        number = next(self._numbers)
        self._waiting[number] = (fault, fault.times)
        return number

    def take(self, method: str, path: str) -> Fault | None:
        """Return the first fault that meets the request, and count it down."""
        for number, (fault, left) in self._waiting.items():
            if fault.meets(method, path):
                self._count_down(number, fault, left)
                return fault
        return None

    def _count_down(self, number: int, fault: Fault, left: int | None) -> None:
        if left is not None and left <= 1:
            del self._waiting[number]
        elif left is not None:
            self._waiting[number] = (fault, left - 1)

    def listed(self) -> list[dict[str, object]]:
        return [described(number, fault, left) for number, (fault, left) in self._waiting.items()]

    def clear(self) -> int:
        """Forget all that waits and return how many that were."""
        many = len(self._waiting)
        self._waiting.clear()
        return many


def described(number: int, fault: Fault, left: int | None) -> dict[str, object]:
    """Return a fault as it is listed, in the words in which it is asked for."""
    match = {"method": fault.method, "path": None if fault.path is None else fault.path.pattern}
    return {"id": number, "kind": fault.kind.value, "match": match, "times": left, "args": dict(fault.args)}


def read_fault(body: object) -> Fault:
    """Read ``{"kind": ..., "match": {"method", "path"}, "times": N, "args": {...}}``.

    Raises:
        BadFault: a key or value is wrong; the message says what is allowed.
    """
    fields = _object(body, "a fault", {"kind", "match", "times", "args"})
    kind = _kind(fields.get("kind"))
    match = _object(fields.get("match") or {}, "match", {"method", "path"})
    given = _object(fields.get("args") or {}, f"args of {kind.value}", set(_ARGS[kind]))
    args = {name: check(given.get(name), f"{kind.value}.{name}") for name, check in _ARGS[kind].items()}
    if kind is FaultKind.SCHEMA_DRIFT and not (args["remove"] or args["set"]):
        raise BadFault("schema_drift needs remove, set or both")
    return Fault(kind, args, _method(match.get("method")), _pattern(match.get("path")), _times(fields.get("times", 1)))


def _object(value: object, what: str, known: set[str]) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise BadFault(f"{what} must be a JSON object")
    unknown = sorted(str(name) for name in value if name not in known)
    if unknown:
        raise BadFault(f"{what} has unknown {', '.join(unknown)}; allowed: {', '.join(sorted(known)) or 'nothing'}")
    return value


def _kind(value: object) -> FaultKind:
    try:
        return FaultKind(str(value))
    except ValueError:
        raise BadFault(f"kind {value!r} is unknown; allowed: {', '.join(FaultKind)}") from None


def _method(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or value.upper() not in {"GET", "POST", "PATCH", "DELETE"}:
        raise BadFault(f"match.method {value!r} must be GET, POST, PATCH or DELETE")
    return value.upper()


def _pattern(value: object) -> re.Pattern[str] | None:
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > LONGEST_PATTERN:
        raise BadFault(f"match.path must be a regular expression of at most {LONGEST_PATTERN} characters")
    try:
        return re.compile(value)
    except re.error as error:
        raise BadFault(f"match.path {value!r} is no regular expression: {error}") from None


def _times(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1_000_000:
        raise BadFault(f"times {value!r} must be a whole number from 1 to 1000000, or null for ever")
    return value


def _number(low: float, high: float, default: float | None = None) -> Callable[[object, str], object]:
    def check(value: object, name: str) -> object:
        if value is None and default is not None:
            return default
        number = value if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else math.nan
        if not low <= number <= high:
            raise BadFault(f"{name} must be a number from {low:g} to {high:g}, not {value!r}")
        return float(number)

    return check


def _decimal(value: object, name: str) -> object:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if isinstance(value, bool) or not number.is_finite() or not Decimal("0.0001") <= number <= 10000:
        raise BadFault(f"{name} must be a number from 0.0001 to 10000, not {value!r}")
    return str(number)


def _symbol(value: object, name: str) -> object:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z.]{1,10}", value, re.ASCII):
        raise BadFault(f"{name} must be a stock's symbol, not {value!r}")
    return value.upper()


def _flag(value: object, name: str) -> object:
    if value is not None and not isinstance(value, bool):
        raise BadFault(f"{name} must be true or false, not {value!r}")
    return value is not False


def _text(value: object, name: str) -> object:
    if value is not None and (not isinstance(value, str) or len(value) > 1000):
        raise BadFault(f"{name} must be a text of at most 1000 characters")
    return value


def _names(value: object, name: str) -> object:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise BadFault(f"{name} must be a list of field names")
    return value


def _values(value: object, name: str) -> object:
    if value is not None and not isinstance(value, dict):
        raise BadFault(f"{name} must be an object of field names and values")
    return value or {}


def _clock_time(value: object, name: str) -> object:
    try:
        at = time.fromisoformat(value) if isinstance(value, str) and re.fullmatch(r"\d\d:\d\d", value) else None
    except ValueError:
        at = None
    if at is None:
        raise BadFault(f"{name} must be a New York time like 13:00, not {value!r}")
    return value


def _day(value: object, name: str) -> object:
    try:
        return None if value is None else date.fromisoformat(str(value)).isoformat()
    except ValueError:
        raise BadFault(f"{name} must be a day like 2022-08-25, not {value!r}") from None


_ARGS: dict[FaultKind, dict[str, Callable[[object, str], object]]] = {
    FaultKind.LATENCY: {"seconds": _number(0, 600)},
    FaultKind.HANG: {"seconds": _number(0, LONGEST_HANG, LONGEST_HANG)},
    FaultKind.TOO_MANY: {"headers": _flag},
    FaultKind.ERROR: {"status": _number(500, 599, 500.0), "body": _text},
    FaultKind.LANDED_504: {},
    FaultKind.RESET_BEFORE: {},
    FaultKind.RESET_AFTER: {},
    FaultKind.SCHEMA_DRIFT: {"remove": _names, "set": _values},
    FaultKind.DUPLICATE: {},
    FaultKind.PARTIAL_FILL: {"fraction": _number(0.000001, 0.999999, 0.5)},
    FaultKind.REJECTED: {},
    FaultKind.EARLY_CLOSE: {"at": _clock_time},
    FaultKind.CLOCK_SKEW: {"seconds": _number(-86400, 86400)},
    FaultKind.SPLIT: {"symbol": _symbol, "ratio": _decimal, "ex_date": _day},
    FaultKind.DIVIDEND: {"symbol": _symbol, "amount": _decimal, "ex_date": _day},
}


def drifted(body: object, remove: Sequence[str], values: Mapping[str, object]) -> object:
    """Return an answer's body with fields gone and fields set, in every object of it that is not nested deeper."""
    if isinstance(body, dict):
        kept = {name: value for name, value in body.items() if name not in remove}
        return {**kept, **values}
    if isinstance(body, list):
        return [drifted(item, remove, values) for item in body]
    return body
