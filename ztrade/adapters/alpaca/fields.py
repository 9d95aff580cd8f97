"""Reading Alpaca's JSON field by field: tolerant where a field is not needed, strict where it is.

Alpaca adds and removes fields and enum values without notice (the day-trading fields of the account vanished on
2026-07-06 and stopped every client that insisted on them). So an unknown value becomes OTHER and a missing field its
default, each with a warning and a counter; but where money depends on a field there is no default.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import TypeVar

import structlog

from ztrade.errors import ExchangeUnavailable
from ztrade.ports import Metrics

E = TypeVar("E", bound=StrEnum)

#: larger numbers are nonsense for money and shares alike
LARGEST = Decimal(10) ** 15
_log = structlog.get_logger("ztrade.alpaca")


class UnreadableAnswer(ExchangeUnavailable):
    """The exchange answered, but not with what was asked for: an outage of meaning, never "nothing there"."""


class Drift:
    """Counts what the exchange says differently from what we know, and warns once of each.

    Args:
        metrics: receives ``exchange_schema_drift_total`` with the labels ``kind`` and ``field``.
    """

    def __init__(self, metrics: Metrics | None = None) -> None:
        self._metrics = metrics
        self._warned: set[tuple[str, str, str]] = set()

    def note(self, kind: str, field: str, found: object) -> None:
        """Count one oddity; never raises."""
        if self._metrics is not None:
            self._metrics.count("exchange_schema_drift_total", labels={"kind": kind, "field": field})
        mark = (kind, field, repr(found)[:80])
        if mark not in self._warned and len(self._warned) < 1000:
            self._warned.add(mark)
            _log.warning("exchange_schema_drift", kind=kind, field=field, found=mark[2])


class Row:
    """One JSON object of the exchange.

    Raises:
        UnreadableAnswer: it is no object; and from every method for a field that is missing or nonsense.
    """

    def __init__(self, kind: str, raw: object, drift: Drift) -> None:
        if not isinstance(raw, Mapping):
            raise UnreadableAnswer(f"{kind}: expected an object, got {_short(raw)}")
        self.kind, self.raw, self._drift = kind, raw, drift

    def text(self, field: str) -> str:
        """Return a field that must be a text with something in it."""
        value = self.raw.get(field)
        if not isinstance(value, str) or not value.strip():
            raise self._wrong(field, value)
        return value

    def text_or(self, field: str, default: str = "") -> str:
        """Return a text that may be missing."""
        value = self.raw.get(field)
        if value is None:
            return default
        if isinstance(value, str):
            return value
        self._drift.note(self.kind, field, value)
        return default

    def flag(self, field: str) -> bool:
        """Return a truth value that must be there."""
        value = self.raw.get(field)
        if not isinstance(value, bool):
            raise self._wrong(field, value)
        return value

    def flag_or(self, field: str, default: bool) -> bool:
        """Return a truth value that may be missing."""
        value = self.raw.get(field)
        if isinstance(value, bool):
            return value
        self._drift.note(self.kind, field, value)
        return default

    def number(self, field: str, *, least: Decimal | None = None, above: Decimal | None = None) -> Decimal:
        """Return a finite number, sent as text or as a JSON number, not below ``least`` and above ``above``."""
        value = self.raw.get(field)
        number = _decimal(value)
        low = number is not None and ((least is not None and number < least) or (above is not None and number <= above))
        if number is None or low:
            raise self._wrong(field, value)
        return number

    def number_or_none(self, field: str, *, above: Decimal | None = None) -> Decimal | None:
        """Return a number that may be missing or null; nonsense is refused all the same."""
        return None if self.raw.get(field) in (None, "") else self.number(field, above=above)

    def instant(self, field: str) -> datetime:
        """Return an instant that must be there, in UTC; digits past the microsecond are cut off."""
        at = _instant(self.raw.get(field))
        if at is None:
            raise self._wrong(field, self.raw.get(field))
        return at

    def instant_or_none(self, field: str) -> datetime | None:
        """Return an instant that may be missing; one that cannot be read is counted as missing."""
        value = self.raw.get(field)
        at = _instant(value)
        if at is None and value is not None:
            self._drift.note(self.kind, field, value)
        return at

    def member(self, field: str, known: type[E], unknown: E) -> E:
        """Return an enum's member; a value that we do not know is ``unknown``, with a warning and a counter."""
        value = self.text(field)
        try:
            return known(value.lower())
        except ValueError:
            self._drift.note(self.kind, field, value)
            return unknown

    def note(self, field: str) -> None:
        """Count a value that is out of the ordinary."""
        self._drift.note(self.kind, field, self.raw.get(field))

    def _wrong(self, field: str, found: object) -> UnreadableAnswer:
        missing = "is missing" if field not in self.raw else f"is {_short(found)}"
        who = next((f" {self.raw[name]}" for name in ("id", "symbol") if self.raw.get(name)), "")
        self._drift.note(self.kind, field, "missing" if field not in self.raw else found)
        return UnreadableAnswer(f"{self.kind}{who}: {field} {missing}")


def rows(kind: str, raw: object, drift: Drift) -> list[Row]:
    """Return the objects of a JSON list.

    Raises:
        UnreadableAnswer: it is no list of objects. Null, an object or a text is never "none".
    """
    if not isinstance(raw, list):
        raise UnreadableAnswer(f"{kind}: expected a list, got {_short(raw)}")
    return [Row(kind, entry, drift) for entry in raw]


def _decimal(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    # is_finite first: comparing a NaN raises
    return number if number.is_finite() and number.copy_abs() < LARGEST else None


def _instant(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
        # the zero time of Go's JSON means "never"
        return at.astimezone(UTC) if at.tzinfo is not None and at.year > 1900 else None
    except (ValueError, OverflowError):
        return None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
