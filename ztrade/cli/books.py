"""Journal and exchange side by side: what both must say the same, and where they do not. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from typing import TypeVar

from ztrade.cli.output import Record
from ztrade.cli.records import (
    activity_fill,
    cycle_record,
    fill_record,
    flat,
    holding_record,
    order_record,
    position_record,
    short,
)
from ztrade.domain.ledger import CycleKind, CycleRecord, Fill, Holding
from ztrade.domain.types import CENT, Activity, Order, Position

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class JournalBooks:
    """The journal's side; orders include legs as orders of their own, money in dollars."""

    orders: Sequence[tuple[str, Order]]
    fills: Sequence[Fill]
    holdings: Sequence[Holding]
    cash: Decimal | None
    equity: Decimal | None


@dataclass(frozen=True, slots=True)
class ExchangeBooks:
    """The exchange's side; orders with their legs nested, fills as entries of the account book."""

    orders: Sequence[Order]
    fills: Sequence[Activity]
    positions: Sequence[Position]
    cash: Decimal
    equity: Decimal
    fees: Decimal = Decimal(0)


def journal_record(cycles: Sequence[CycleRecord], journal: JournalBooks) -> Record:
    """Return the journal's side as records: its slots, orders, fills, positions, cash and equity."""
    return {
        "slots": [cycle_record(cycle) for cycle in cycles if cycle.kind is CycleKind.SLOT],
        "orders": [order_record(order, agent) for agent, order in journal.orders],
        "fills": [fill_record(fill) for fill in journal.fills],
        "positions": [holding_record(holding) for holding in journal.holdings],
        "cash": journal.cash,
        "equity": journal.equity,
    }


def exchange_record(exchange: ExchangeBooks) -> Record:
    """Return the exchange's side with the keys of :func:`journal_record`, but for the slots."""
    return {
        "orders": [order_record(order) for order in flat(exchange.orders)],
        "fills": [activity_fill(entry) for entry in exchange.fills],
        "positions": [position_record(position) for position in exchange.positions],
        "cash": exchange.cash,
        "equity": exchange.equity,
    }


def differences(journal: JournalBooks, exchange: ExchangeBooks) -> list[str]:
    """Return one sentence per difference, nothing when both say the same to the cent."""
    return [
        *_matched("order", _by_id(_ours(journal)), _by_id(flat(exchange.orders))),
        *_matched("fill", _journal_fills(journal), _exchange_fills(exchange)),
        *_positions(journal.holdings, exchange.positions),
        *_money("cash", journal.cash, exchange.cash),
        *_money("equity", journal.equity, exchange.equity),
    ]


def summary(journal: JournalBooks) -> list[str]:
    """Return what was compared, as lines for a person."""
    held = ", ".join(f"{_number(h.qty)} {h.symbol}" for h in journal.holdings) or "none open"
    money = [f"{name} {value:,.2f}" for name, value in (("cash", journal.cash), ("equity", journal.equity)) if value]
    return [f"{len(journal.orders)} orders", f"{len(journal.fills)} fills", f"positions: {held}", *money]


def _ours(journal: JournalBooks) -> Iterator[Order]:
    yield from (order for _, order in journal.orders)


def _by_id(orders: Iterable[Order]) -> dict[str, Mapping[str, object]]:
    return {
        order.id: {
            "symbol": order.symbol,
            "side": order.side,
            "qty": order.qty,
            "status": order.status,
            "filled": order.filled_qty,
            "average": None if order.filled_avg_price is None else order.filled_avg_price.quantize(CENT),
        }
        for order in orders
    }


def _journal_fills(journal: JournalBooks) -> dict[str, Mapping[str, object]]:
    return {fill.id: _fill(fill) for fill in journal.fills}


def _exchange_fills(exchange: ExchangeBooks) -> dict[str, Mapping[str, object]]:
    return {entry.id: _fill(entry) for entry in exchange.fills}


def _fill(fill: Fill | Activity) -> Mapping[str, object]:
    return {"order": fill.order_id, "symbol": fill.symbol, "side": fill.side, "qty": fill.qty, "price": fill.price}


def _matched(
    what: str, ours: Mapping[str, Mapping[str, object]], theirs: Mapping[str, Mapping[str, object]]
) -> Iterator[str]:
    for key in sorted(ours.keys() | theirs.keys()):
        if key not in theirs:
            yield f"{what} {key}: only the journal has it"
        elif key not in ours:
            yield f"{what} {key}: only the exchange has it"
        else:
            yield from _fields(f"{what} {key}", ours[key], theirs[key])


def _fields(name: str, ours: Mapping[str, object], theirs: Mapping[str, object]) -> Iterator[str]:
    for field, value in ours.items():
        if value != theirs[field]:
            yield f"{name}: {field} is {value} in the journal, {theirs[field]} at the exchange"


def _positions(holdings: Sequence[Holding], positions: Sequence[Position]) -> Iterator[str]:
    for row in beside(holdings, positions):
        if not row["same"]:
            yield f"position {row['symbol']}: {row['note']}"


def _money(name: str, ours: Decimal | None, theirs: Decimal) -> Iterator[str]:
    if ours is None:
        yield f"{name}: the journal has none, the exchange has {theirs:.2f}"
    elif ours.quantize(CENT) != theirs.quantize(CENT):
        yield f"{name}: {ours:.2f} in the journal, {theirs:.2f} at the exchange"


def beside(holdings: Sequence[Holding], positions: Sequence[Position] | None, *, silent: str = "") -> list[Record]:
    """Return one row per symbol that either side holds, with ``same`` and a ``note`` on the difference.

    Args:
        holdings: the journal's, of one account; several agents may hold one symbol.
        positions: the exchange's, None when it did not answer.
        silent: why it did not answer.
    """
    ours = _grouped(holdings, lambda holding: holding.symbol)
    theirs = {position.symbol: position for position in positions or () if position.qty}
    if positions is None and not ours:
        return [{"symbol": None, "same": False, "note": f"the exchange does not say: {silent}"}]
    return [
        _row(symbol, ours.get(symbol, []), theirs.get(symbol), None if positions is not None else silent)
        for symbol in sorted(ours.keys() | theirs.keys())
    ]


def _grouped(values: Iterable[T], key: Callable[[T], str]) -> dict[str, list[T]]:
    return {name: list(group) for name, group in groupby(sorted(values, key=key), key)}


def _row(symbol: str, held: Sequence[Holding], there: Position | None, silent: str | None) -> Record:
    qty = sum((holding.qty for holding in held), Decimal(0))
    cost = sum((holding.cost for holding in held), Decimal(0))
    note = f"the exchange does not say: {silent}" if silent is not None else _note(qty, cost, there)
    return {
        "symbol": symbol,
        "agents": [holding.agent for holding in held],
        "qty": qty,
        "avg_entry_price": short(cost / qty) if qty else None,
        "exchange_qty": None if silent is not None else there.qty if there else Decimal(0),
        "exchange_avg": there.avg_entry_price if there else None,
        "same": not note,
        "note": note,
    }


def _note(qty: Decimal, cost: Decimal, there: Position | None) -> str:
    if qty != (there.qty if there else 0):
        return f"{_number(qty)} in the journal, {_number(there.qty) if there else 0} at the exchange"
    # the exchange rounds its average, so the cost may be off by half its last digit per share
    if there and abs(cost / qty - there.avg_entry_price) >= CENT:
        return f"average {short(cost / qty)} in the journal, {there.avg_entry_price} at the exchange"
    return ""


def _number(qty: Decimal) -> str:
    return f"{qty.normalize():f}"
