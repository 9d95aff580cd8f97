"""An order request as plain values, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal
from enum import StrEnum
from typing import Any

from ztrade.adapters.journal.values import to_money, word
from ztrade.domain.types import OrderClass, OrderRequest, OrderType, Side, TimeInForce

_WORDS: Mapping[str, type[StrEnum]] = {
    "side": Side,
    "type": OrderType,
    "time_in_force": TimeInForce,
    "order_class": OrderClass,
}
_MONEY = frozenset({"qty", "limit_price", "stop_price", "take_profit", "stop_loss"})


def to_plain(request: OrderRequest) -> dict[str, str]:
    """Return the fields that are set, as texts."""
    named = ((field.name, getattr(request, field.name)) for field in fields(request))
    return {name: to_money(value) if name in _MONEY else str(value) for name, value in named if value is not None}


def from_plain(values: Mapping[str, str]) -> OrderRequest:
    """Return the request. Raises DataError for a word that this version does not know."""
    known = {field.name for field in fields(OrderRequest)}
    return OrderRequest(**{name: _field(name, text) for name, text in values.items() if name in known})


def _field(name: str, text: str) -> Any:
    if name in _WORDS:
        return word(_WORDS[name], text)
    return Decimal(text) if name in _MONEY else text
