"""The body of a new order or a replacement, read field by field, refused in Alpaca's words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from ztrade.exchange.core.records import OrderSpec
from ztrade.exchange.server.http import ApiError, invalid

#: Alpaca takes numbers as text or as JSON numbers; nine decimals are as fine as a quantity can be
_NUMBER = re.compile(r"[+-]?(\d{1,15}(\.\d{0,18})?|\.\d{1,18})([eE][+-]?\d)?\Z", re.ASCII)
LONGEST_CLIENT_ID = 128
TYPES = ("market", "limit", "stop", "stop_limit")
TIMES_IN_FORCE = ("day", "gtc")
CLASSES = ("", "simple", "bracket", "oco", "oto")
SIDES = ("buy", "sell")
INTENTS = {"buy": "buy_to_open", "sell": "sell_to_close"}

MALFORMED = 40010001


def read_order(body: object) -> OrderSpec:
    """Read the body of ``POST /v2/orders``.

    Raises:
        ApiError: 400 or 422 with Alpaca's code and text; whether the order makes sense is the engine's question.
    """
    fields = Fields(body)
    _refuse_unserved(fields)
    symbol = fields.text("symbol")
    if not symbol:
        raise invalid("symbol is required", MALFORMED)
    side = _needed(fields, "side", SIDES)
    _check_intent(fields, side)
    target, stop = fields.nested("take_profit"), fields.nested("stop_loss")
    return OrderSpec(
        symbol=symbol.upper() if len(symbol) < 20 else symbol,
        side=side,
        type=_needed(fields, "type", TYPES),
        qty=_quantity(fields, "qty"),
        notional=_quantity(fields, "notional"),
        time_in_force=_needed(fields, "time_in_force", TIMES_IN_FORCE),
        order_class=_class(fields),
        limit_price=fields.number("limit_price"),
        stop_price=fields.number("stop_price"),
        take_profit=target.number("limit_price"),
        stop_loss=stop.number("stop_price"),
        stop_loss_limit=stop.number("limit_price"),
        client_order_id=client_id(fields),
        extended_hours=fields.flag("extended_hours"),
    )


def read_replacement(body: object) -> dict[str, object]:
    """Read the body of ``PATCH /v2/orders/{id}`` into the engine's arguments.

    Raises:
        ApiError: 400 or 422; nothing to change is 422 too.
    """
    fields = Fields(body)
    tif = fields.text("time_in_force")
    if tif is not None:
        tif = _needed(fields, "time_in_force", TIMES_IN_FORCE)
    if fields.text("trail") is not None:
        raise invalid("trailing stops are not supported by this exchange")
    changes: dict[str, object] = {
        "qty": _quantity(fields, "qty"),
        "limit_price": fields.number("limit_price"),
        "stop_price": fields.number("stop_price"),
        "time_in_force": tif,
        "client_order_id": client_id(fields),
    }
    given = {name: value for name, value in changes.items() if value is not None}
    if not given.keys() - {"client_order_id"}:
        raise invalid("no order fields to replace", MALFORMED)
    return given


class Fields:
    """A JSON object whose values are read strictly; null is the same as absent."""

    def __init__(self, body: object, where: str = "") -> None:
        if not isinstance(body, dict):
            raise ApiError(400, "request body format is invalid", 40010000)
        self._body: Mapping[str, object] = body
        self._where = where

    def raw(self, name: str) -> object:
        return self._body.get(name)

    def text(self, name: str) -> str | None:
        value = self._body.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            raise self._refused(name, value)
        return str(value)

    def number(self, name: str) -> Decimal | None:
        text = self.text(name)
        if text is None or text == "":
            return None
        if _NUMBER.match(text) is None:
            raise self._refused(name, text)
        try:
            return Decimal(text)
        except InvalidOperation:
            raise self._refused(name, text) from None

    def flag(self, name: str) -> bool:
        value = self._body.get(name)
        if value is None or isinstance(value, bool):
            return value is True
        raise self._refused(name, value)

    def nested(self, name: str) -> Fields:
        value = self._body.get(name)
        if value is not None and not isinstance(value, dict):
            raise self._refused(name, value)
        return Fields(value or {}, f"{name}.")

    def _refused(self, name: str, value: object) -> ApiError:
        return invalid(f"cannot unmarshal {str(value)[:100]!r} into field {self._where}{name}", MALFORMED)


def _quantity(fields: Fields, name: str) -> Decimal | None:
    value = fields.number(name)
    if value is not None and value != round(value, 9):
        raise invalid(f"{name} must have at most 9 decimal places", MALFORMED)
    return value


def _needed(fields: Fields, name: str, allowed: tuple[str, ...]) -> str:
    text = fields.text(name)
    if not text:
        raise invalid(f"{name} is required", MALFORMED)
    if text.lower() not in allowed:
        raise invalid(f"invalid {name}: {text[:50]!r} (this exchange serves {', '.join(allowed)})", MALFORMED)
    return text.lower()


def _class(fields: Fields) -> str:
    text = (fields.text("order_class") or "").lower()
    if text not in CLASSES:
        raise invalid(f"invalid order_class: {text[:50]!r} (this exchange serves {', '.join(CLASSES[1:])})", MALFORMED)
    return "" if text == "simple" else text


def client_id(fields: Fields) -> str | None:
    """Return the client_order_id, None where Alpaca makes one up (absent or empty)."""
    text = fields.text("client_order_id")
    if text is not None and len(text) > LONGEST_CLIENT_ID:
        raise invalid(f"client_order_id must be no more than {LONGEST_CLIENT_ID} characters", MALFORMED)
    return text or None


def _refuse_unserved(fields: Fields) -> None:
    """Refuse what Alpaca has and this exchange has not: ignoring it would fill another order than was meant."""
    for name in ("trail_price", "trail_percent", "legs", "advanced_instructions"):
        if fields.raw(name) is not None:
            raise invalid(f"{name} is not supported by this exchange")


def _check_intent(fields: Fields, side: str) -> None:
    """Refuse an intent that is not what the order does here, where every buy opens and every sell closes."""
    intent, inferred = (fields.text("position_intent") or "").lower(), INTENTS[side]
    if intent not in ("", *INTENTS.values(), "buy_to_close", "sell_to_open"):
        raise invalid(f"invalid position_intent: {intent[:50]!r}", MALFORMED)
    if intent not in ("", inferred):
        raise invalid(f"position intent mismatch, inferred: {inferred}, specified: {intent}")
