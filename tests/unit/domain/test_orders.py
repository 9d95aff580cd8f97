"""The life of orders and intents: one table each, no way back, adoption only of what was meant."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from ztrade.domain.ledger import IntentState
from ztrade.domain.orders import (
    FINAL,
    INTENT_TRANSITIONS,
    TRANSITIONS,
    check_adoption,
    is_final,
    live_parts,
    newer,
    state_of,
)
from ztrade.domain.types import Order, OrderClass, OrderRequest, OrderStatus, OrderType, Side, TimeInForce
from ztrade.errors import AdoptionMismatch

D = Decimal


def order(status: OrderStatus, filled: int = 0, *legs: Order, name: str = "o") -> Order:
    return Order(
        name, "c", "SPY", Side.BUY, OrderType.MARKET, OrderClass.SIMPLE, TimeInForce.DAY, D(10), D(filled), status,
        legs=legs,
    )  # fmt: skip


def test_the_tables_know_every_status() -> None:
    """A status without a row would be a KeyError in the middle of a cycle."""
    assert set(TRANSITIONS) == set(OrderStatus)
    assert set(INTENT_TRANSITIONS) == set(IntentState)


@pytest.mark.parametrize("final", sorted(FINAL))
@pytest.mark.parametrize("late", sorted(OrderStatus))
def test_nothing_follows_a_final_status(final: OrderStatus, late: OrderStatus) -> None:
    """A snapshot that arrives late never brings an order back to life."""
    old = order(final, 10)
    assert newer(old, order(late, 10)).status is final


def test_fills_never_shrink() -> None:
    """An older snapshot with fewer shares filled is ignored."""
    old = order(OrderStatus.PARTIALLY_FILLED, 6)
    assert newer(old, order(OrderStatus.PARTIALLY_FILLED, 3)).filled_qty == 6
    assert newer(old, order(OrderStatus.FILLED, 10)).status is OrderStatus.FILLED


def test_legs_move_on_their_own() -> None:
    """A stale parent may carry fresh legs, a new leg is added, a leg that is not listed is kept."""
    stop = order(OrderStatus.HELD, name="stop")
    target = order(OrderStatus.NEW, name="target")
    old = order(OrderStatus.FILLED, 10, stop)
    fresh = order(OrderStatus.NEW, 0, replace(stop, status=OrderStatus.CANCELED), target)
    found = newer(old, fresh)
    assert found.status is OrderStatus.FILLED
    assert [(leg.id, leg.status) for leg in found.legs] == [
        ("stop", OrderStatus.CANCELED),
        ("target", OrderStatus.NEW),
    ]
    assert newer(old, order(OrderStatus.FILLED, 10)).legs == (stop,)


def test_a_leg_replaced_by_hand_is_over() -> None:
    """The exchange lists the new leg in the old one's place; a leg that is only missing may still live."""
    stop = replace(order(OrderStatus.HELD, name="stop"), type=OrderType.STOP)
    target = replace(order(OrderStatus.NEW, name="target"), type=OrderType.LIMIT)
    moved = replace(stop, id="moved", replaces="stop")
    old = order(OrderStatus.FILLED, 10, stop, target)
    known = newer(old, order(OrderStatus.FILLED, 10, moved, target))
    assert [leg.id for leg in live_parts(known)] == ["target", "moved"]
    assert known.legs[0].replaced_by == "moved"
    late = newer(known, old)
    assert [leg.id for leg in live_parts(late)] == ["target", "moved"]
    assert len(list(live_parts(newer(old, order(OrderStatus.FILLED, 10, target))))) == 2


@pytest.mark.parametrize("end", [OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED])
def test_legs_of_an_entry_that_never_filled_are_over(end: OrderStatus) -> None:
    """The exchange may not list them any more: they must not keep the agent from trading for ever."""
    stop = order(OrderStatus.HELD, name="stop")
    entry = replace(order(OrderStatus.NEW, 0, stop), order_class=OrderClass.BRACKET)
    dead = newer(entry, replace(entry, status=end, legs=()))
    assert is_final(dead)
    assert [leg.status for leg in dead.legs] == [OrderStatus.CANCELED], "the journal must not tell of a resting stop"
    listed = newer(entry, replace(entry, status=end))
    assert is_final(listed)
    assert [leg.status for leg in listed.legs] == [OrderStatus.HELD], "what the exchange says is true"
    part = replace(order(end, 4, stop), order_class=OrderClass.BRACKET)
    assert not is_final(part)


def test_an_order_is_over_when_its_legs_are() -> None:
    """A filled entry with a resting stop is still alive: its intent stays open."""
    entry = order(OrderStatus.FILLED, 10, order(OrderStatus.NEW, name="stop"))
    assert not is_final(entry)
    assert [part.id for part in live_parts(entry)] == ["stop"]
    assert state_of(entry) is IntentState.SENT
    assert state_of(order(OrderStatus.FILLED, 10, order(OrderStatus.CANCELED))) is IntentState.DONE
    assert state_of(order(OrderStatus.REJECTED)) is IntentState.REJECTED


@pytest.mark.parametrize(
    "changes", [{"symbol": "QQQ"}, {"side": Side.SELL}, {"qty": D(11)}, {"type": OrderType.LIMIT}], ids=str
)
def test_only_the_order_that_was_meant_is_adopted(changes: dict[str, object]) -> None:
    """Symbol, side, quantity and type must match the intent."""
    request = OrderRequest("c", "SPY", Side.BUY, D(10))
    check_adoption(request, order(OrderStatus.NEW))
    with pytest.raises(AdoptionMismatch, match="instead of"):
        check_adoption(request, replace(order(OrderStatus.NEW), **changes))  # type: ignore[arg-type]


def test_quantities_are_compared_as_numbers() -> None:
    """The exchange may write 10 as 10.000000000."""
    check_adoption(OrderRequest("c", "SPY", Side.BUY, D(10)), replace(order(OrderStatus.NEW), qty=D("10.000000000")))
