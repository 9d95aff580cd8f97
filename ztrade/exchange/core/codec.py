"""State to JSON-able values and back. Decimals and instants are written as text, so that they come back exactly."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from ztrade.exchange.core.records import ActivityRecord, OrderRecord
from ztrade.exchange.core.state import Pending, Rescale, Stake, State

Row = dict[str, object]
#: version of the format; another one is refused
FORMAT = 1


def _readers(kind: type) -> dict[str, Callable[[Any], Any]]:
    """Return per field how its text is read back, from the field's annotation."""
    readers: dict[str, Callable[[Any], Any]] = {}
    for entry in fields(kind):
        annotation = str(entry.type)
        if annotation.startswith("Decimal"):
            readers[entry.name] = Decimal
        elif annotation.startswith("datetime"):
            readers[entry.name] = datetime.fromisoformat
        elif annotation.startswith("tuple"):
            readers[entry.name] = tuple
    return readers


_ORDER = _readers(OrderRecord)
_ACTIVITY = _readers(ActivityRecord)
_ORDER_FIELDS = tuple(entry.name for entry in fields(OrderRecord))
_ACTIVITY_FIELDS = tuple(entry.name for entry in fields(ActivityRecord))


def _write(record: object, names: Sequence[str]) -> Row:
    return {name: _plain(getattr(record, name)) for name in names}


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, date):  # a datetime is one
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value


def _read(row: Mapping[str, Any], readers: Mapping[str, Callable[[Any], Any]]) -> dict[str, Any]:
    return {
        name: readers[name](value) if name in readers and value is not None else value for name, value in row.items()
    }


def order_row(order: OrderRecord) -> Row:
    """Return an order as a JSON-able row."""
    return _write(order, _ORDER_FIELDS)


def activity_row(activity: ActivityRecord) -> Row:
    """Return an entry of the account book as a JSON-able row."""
    return _write(activity, _ACTIVITY_FIELDS)


def order_of(row: Mapping[str, Any]) -> OrderRecord:
    """Return the order of a row."""
    return OrderRecord(**_read(row, _ORDER))


def activity_of(row: Mapping[str, Any]) -> ActivityRecord:
    """Return the entry of a row."""
    return ActivityRecord(**_read(row, _ACTIVITY))


def meta_row(state: State) -> Row:
    """Return everything but orders and the account book, JSON-able."""
    return {
        "format": FORMAT,
        "now": state.now,
        "created": state.created,
        "cash": str(state.cash),
        "last_equity": str(state.last_equity),
        "close_equity": str(state.close_equity),
        "accrued": str(state.accrued),
        "stakes": {symbol: [str(stake.qty), str(stake.cost)] for symbol, stake in state.stakes.items()},
        "counts": dict(state.counts),
        "entries": state.entries,
        "taken": {symbol: [bar, str(qty)] for symbol, (bar, qty) in state.taken.items()},
        "closes": {day.isoformat(): at for day, at in state.closes.items()},
        "halted": sorted(state.halted),
        "partials": [[symbol, str(fraction)] for symbol, fraction in state.partials],
        "rejects": [[symbol, reason] for symbol, reason in state.rejects],
        "rescales": [[item.symbol, item.at, str(item.factor), item.tape] for item in state.rescales],
        "pending": [
            [item.kind, item.symbol, item.day.isoformat(), str(item.amount), item.scale_prices]
            for item in state.pending
        ],
    }


def state_of(meta: Mapping[str, Any], orders: Mapping[str, Any], activities: Sequence[Any]) -> State:
    """Return the state of its parts.

    Raises:
        ValueError: the parts are not of this format.
    """
    if not isinstance(meta, Mapping) or meta.get("format") != FORMAT:
        raise ValueError(f"the exchange's state is not of format {FORMAT}, the one that this version reads")
    try:
        state = _state_of(meta)
        records = sorted((order_of(row) for row in orders.values()), key=lambda order: order.submitted_at)
        state.activities = [activity_of(row) for row in activities]
    except (KeyError, TypeError, ArithmeticError, ValueError) as error:
        raise ValueError(f"the exchange's state cannot be read: {error!r}") from error
    for record in records:
        state.add(record)
    state.dirty.clear()
    state.drained, state.moved = len(state.activities), False
    return state


def _state_of(meta: Mapping[str, Any]) -> State:
    return State(
        now=int(meta["now"]),
        created=int(meta["created"]),
        cash=Decimal(meta["cash"]),
        last_equity=Decimal(meta["last_equity"]),
        close_equity=Decimal(meta["close_equity"]),
        accrued=Decimal(meta["accrued"]),
        stakes={symbol: Stake(Decimal(qty), Decimal(cost)) for symbol, (qty, cost) in meta["stakes"].items()},
        counts=dict(meta["counts"]),
        entries=int(meta["entries"]),
        taken={symbol: (bar, Decimal(qty)) for symbol, (bar, qty) in meta["taken"].items()},
        closes={date.fromisoformat(day): at for day, at in meta["closes"].items()},
        halted=set(meta["halted"]),
        partials=[(symbol, Decimal(fraction)) for symbol, fraction in meta["partials"]],
        rejects=[(symbol, reason) for symbol, reason in meta["rejects"]],
        rescales=[Rescale(symbol, at, Decimal(factor), tape) for symbol, at, factor, tape in meta["rescales"]],
        pending=[
            Pending(kind, symbol, date.fromisoformat(day), Decimal(amount), scale)
            for kind, symbol, day, amount, scale in meta["pending"]
        ],
    )
