"""Journal and exchange side by side."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from ztrade.cli.books import ExchangeBooks, JournalBooks, beside, differences, summary
from ztrade.domain.ledger import Fill, Holding
from ztrade.domain.types import (
    Activity,
    Leg,
    Order,
    OrderClass,
    OrderStatus,
    OrderType,
    Position,
    Side,
    TimeInForce,
)

AT = datetime(2022, 8, 22, 14, 0, tzinfo=UTC)
LEG = Order(
    "o2", "", "SPY", Side.SELL, OrderType.STOP, OrderClass.BRACKET, TimeInForce.GTC, Decimal(10), Decimal(0),
    OrderStatus.NEW, stop_price=Decimal(390),
)  # fmt: skip
ENTRY = Order(
    "o1", "zt.spy.entry", "SPY", Side.BUY, OrderType.MARKET, OrderClass.BRACKET, TimeInForce.GTC, Decimal(10),
    Decimal(10), OrderStatus.FILLED, filled_avg_price=Decimal("400.125"), legs=(LEG,),
)  # fmt: skip
FILL = Fill("f1", "o1", "spy", Leg.ENTRY, "SPY", Side.BUY, Decimal(10), Decimal("400.125"), AT)
HELD = Holding("spy", "SPY", Decimal(10), Decimal("4001.25"))
OURS = JournalBooks(
    [("spy", replace(ENTRY, legs=())), ("spy", LEG)], [FILL], [HELD], Decimal("95998.75"), Decimal(100100)
)
ENTRY_FILL = Activity(
    "f1", "FILL", AT, Decimal("-4001.25"), "SPY", "o1", Side.BUY, Decimal(10), Decimal("400.125"), "fill"
)
POSITION = Position("SPY", Decimal(10), Decimal("400.125"))
THEIRS = ExchangeBooks([ENTRY], [ENTRY_FILL], [POSITION], Decimal("95998.75"), Decimal("100100.00"))


def test_equal_books_have_no_differences() -> None:
    """Legs nested at the exchange are orders of their own in the journal; trailing zeros do not matter."""
    assert differences(OURS, THEIRS) == []
    assert summary(OURS) == [
        "2 orders", "1 fills", "positions: 10 SPY", "cash 95,998.75", "equity 100,100.00"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        ({}, {"cash": Decimal("95998.76")}, "cash: 95998.75 in the journal, 95998.76 at the exchange"),
        ({"cash": None}, {}, "cash: the journal has none"),
        ({"equity": None}, {}, "equity: the journal has none"),
        ({}, {"equity": Decimal("100100.01")}, "equity: 100100.00 in the journal"),
        ({"fills": []}, {}, "fill f1: only the exchange has it"),
        ({}, {"fills": []}, "fill f1: only the journal has it"),
        ({"fills": [replace(FILL, price=Decimal("400.13"))]}, {}, "fill f1: price is 400.13 in the journal"),
        ({"fills": [replace(FILL, order_id="o9")]}, {}, "fill f1: order is o9 in the journal"),
        ({"orders": [("spy", ENTRY)]}, {}, "order o2: only the exchange has it"),
        ({}, {"orders": [replace(ENTRY, status=OrderStatus.CANCELED)]}, "order o1: status is filled in the journal"),
        ({}, {"orders": [replace(ENTRY, legs=())]}, "order o2: only the journal has it"),
        ({"holdings": []}, {}, "position SPY: 0 in the journal, 10 at the exchange"),
        ({}, {"positions": []}, "position SPY: 10 in the journal, 0 at the exchange"),
        ({"holdings": [replace(HELD, cost=Decimal(4002))]}, {}, "position SPY: average 400.2 in the journal"),
    ],
)
def test_each_kind_of_difference_is_one_sentence(ours: dict[str, object], theirs: dict[str, object], said: str) -> None:
    """A missing entry, another value, another cent."""
    (found,) = differences(replace(OURS, **ours), replace(THEIRS, **theirs))  # type: ignore[arg-type]
    assert said in found


def test_two_agents_of_one_symbol_are_one_position() -> None:
    """The exchange knows no agents."""
    half = replace(HELD, qty=Decimal(5), cost=Decimal("2000.625"))
    (row,) = beside([half, replace(half, agent="other")], [POSITION])
    assert row["same"] is True
    assert row["agents"] == ["spy", "other"]


def test_silence_is_not_agreement() -> None:
    """Without an answer of the exchange nothing is the same, even where the journal holds nothing."""
    assert [row["same"] for row in beside([], None, silent="timeout")] == [False]
    (row,) = beside([HELD], None, silent="timeout")
    assert (row["same"], row["exchange_qty"]) == (False, None)
