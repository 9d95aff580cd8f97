"""The form in which the journal keeps values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ztrade.adapters.journal.requests import from_plain, to_plain
from ztrade.adapters.journal.values import pack, to_instant, to_json, to_money, to_ratio, to_stamp, unpack, word
from ztrade.domain.ledger import Outcome
from ztrade.domain.types import OrderClass, OrderRequest, OrderStatus, OrderType, Side, TimeInForce
from ztrade.errors import DataError

INSTANTS = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.timezones())  # noqa: DTZ001
MONEY = st.decimals(allow_nan=False, allow_infinity=False)


@given(INSTANTS, INSTANTS)
def test_the_order_of_texts_is_the_order_of_time(one: datetime, two: datetime) -> None:
    """So the database can compare them; and the instant comes back."""
    assert (to_stamp(one) < to_stamp(two)) == (one.astimezone(UTC) < two.astimezone(UTC))
    assert to_instant(to_stamp(one)) == one.astimezone(UTC)
    assert to_instant(to_stamp(one)).utcoffset() == timedelta(0)


def test_a_stamp_is_readable() -> None:
    """A person with a SQL prompt reads it."""
    assert to_stamp(datetime(2022, 8, 22, 14, 35, tzinfo=UTC)) == "2022-08-22T14:35:00.000000Z"


@given(MONEY)
def test_money_comes_back_digit_for_digit(value: Decimal) -> None:
    """Nothing is rounded, and there is no exponent to mislead a reader."""
    text = to_money(value)
    assert Decimal(text) == value
    assert "E" not in text


@pytest.mark.parametrize("value", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_money_is_a_number(value: str) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError, match="is no amount"):
        to_money(Decimal(value))
    with pytest.raises(ValueError, match="is no ratio"):
        to_ratio(float(value.removeprefix("s")))


def test_a_word_that_nobody_knows() -> None:
    """Where the enum has a member for others it is that one; elsewhere it is an error in words."""
    assert word(Outcome, "held") is Outcome.HELD
    assert word(OrderStatus, "levitating") is OrderStatus.OTHER
    with pytest.raises(DataError, match="Outcome 'delegated' is not known to this version"):
        word(Outcome, "delegated")


@dataclass
class Point:
    """A value that is no JSON."""

    x: Decimal


def test_whatever_is_in_the_inputs_has_a_plain_form() -> None:
    """A strange value costs its form, never the cycle's outcome."""
    value = MappingProxyType({"a": (1, Point(Decimal("1.50"))), "b": frozenset({"y", "x"}), "c": object})
    assert to_json(value) == """{"a":[1,{"x":"1.50"}],"b":["x","y"],"c":"<class 'object'>"}"""
    assert unpack(pack({"rows": [[1.5, 2.5]] * 3})) == {"rows": [[1.5, 2.5]] * 3}


@given(
    st.builds(
        OrderRequest,
        client_order_id=st.text(min_size=1),
        symbol=st.text(),
        side=st.sampled_from(Side),
        qty=MONEY,
        type=st.sampled_from(OrderType),
        time_in_force=st.sampled_from(TimeInForce),
        order_class=st.sampled_from(OrderClass),
        limit_price=st.none() | MONEY,
        stop_price=st.none() | MONEY,
        take_profit=st.none() | MONEY,
        stop_loss=st.none() | MONEY,
    )
)
def test_a_request_comes_back(request: OrderRequest) -> None:
    """Every field, set or not."""
    assert from_plain(to_plain(request)) == request


def test_a_request_of_a_newer_version_is_read() -> None:
    """A field that this version does not have is not its business."""
    request = OrderRequest("a", "SPY", Side.BUY, Decimal(1))
    assert from_plain(to_plain(request) | {"trail_percent": "2"}) == request
