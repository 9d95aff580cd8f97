"""Column types: how :mod:`ztrade.adapters.journal.values` keeps values, told to SQLAlchemy."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

from ztrade.adapters.journal.values import (
    from_json,
    pack,
    to_instant,
    to_json,
    to_money,
    to_ratio,
    to_stamp,
    to_text,
    unpack,
    word,
)


class _Mapped(TypeDecorator[Any]):
    """A value with a form of its own in the database: ``forms`` are the way in and the way out; NULL stays None."""

    impl: Any = sa.Text
    cache_ok = True
    forms: tuple[Callable[..., Any], Callable[..., Any]] = (str, str)

    # the processors themselves, and not process_..._value: a listing reads hundreds of thousands of values
    def bind_processor(self, dialect: sa.Dialect) -> Callable[[Any], Any] | None:  # noqa: ARG002
        return _unless_none(self.forms[0])

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Callable[[Any], Any] | None:  # noqa: ARG002
        return _unless_none(self.forms[1])


def _unless_none(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else change(value)


class Instant(_Mapped):
    """An aware UTC instant as text; naive datetimes are refused."""

    impl = sa.String(27)
    cache_ok = True
    forms = (to_stamp, to_instant)


class Money(_Mapped):
    """A decimal as text: SQLite's NUMERIC is a binary float."""

    cache_ok = True
    forms = (to_money, Decimal)


class Words(_Mapped):
    """Text for people, from anywhere."""

    cache_ok = True
    forms = (to_text, str)


class Ratio(_Mapped):
    """A finite float."""

    impl = sa.Float(53)
    cache_ok = True
    forms = (to_ratio, float)


class Json(_Mapped):
    """Plain values as JSON text; decimals and instants become their text."""

    cache_ok = True
    forms = (to_json, from_json)


class PackedJson(_Mapped):
    """The same, compressed: a cycle's inputs are hundreds of bars."""

    impl = sa.LargeBinary
    cache_ok = True
    forms = (pack, unpack)


class Word(_Mapped):
    """A member of an enum as its text."""

    impl = sa.String
    cache_ok = True

    def __init__(self, kind: type[StrEnum]) -> None:
        super().__init__()
        self.kind = kind
        self.forms = (str, _word_of(kind))


def _word_of(kind: type[StrEnum]) -> Callable[[str], StrEnum]:
    members = {str(member): member for member in kind}
    return lambda text: members.get(text) or word(kind, text)
