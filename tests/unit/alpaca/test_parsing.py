"""Reading what the exchange sends: tolerant where nothing depends on it, strict where money does."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.alpaca.doors import Counted, account_body, door, fill_body, order_body, position_body
from ztrade.adapters.alpaca import parsing
from ztrade.adapters.alpaca.fields import Drift, Row, UnreadableAnswer
from ztrade.domain.types import Order, OrderClass, OrderStatus, OrderType, Side, TimeInForce
from ztrade.errors import ExchangeUnavailable
from ztrade.testing.scripted_server import Answer, in_turn

#: what no number of money or shares may be
NONSENSE_NUMBERS: list[object] = [
    None,
    "",
    "NaN",
    "Infinity",
    "-Infinity",
    "1e400",
    "1e999999999",
    "twelve",
    "0x10",
    True,
    [],
    {},
    math.nan,
    math.inf,
    10**20,
]


def read_order(**changes: Any) -> Order:
    """Read one order whose fields were changed."""
    return parsing.order(Row("order", order_body(**changes), Drift()), Drift())


def without(body: dict[str, Any], field: str) -> dict[str, Any]:
    """Return the body with one field gone."""
    return {name: value for name, value in body.items() if name != field}


def test_an_order_is_read_whole() -> None:
    """Every field of an order comes through, stamps cut to microseconds in UTC."""
    order = read_order(
        status="filled",
        filled_qty="5",
        filled_avg_price="400.64",
        filled_at="2022-08-22T10:00:00.300999999-04:00",
        order_class="bracket",
        time_in_force="gtc",
        legs=[
            order_body(id="t", side="sell", type="limit", limit_price="410", status="new"),
            order_body(id="s", side="sell", type="stop", stop_price="390", status="held"),
        ],
    )
    assert order.id == "61e69015-8549-4bfd-b9c3-01e75843f47d"
    assert (order.side, order.type, order.order_class) == (Side.BUY, OrderType.MARKET, OrderClass.BRACKET)
    assert (order.qty, order.filled_qty, order.filled_avg_price) == (Decimal(5), Decimal(5), Decimal("400.64"))
    assert order.submitted_at == datetime(2022, 8, 22, 14, 0, 0, 123456, UTC)
    assert order.filled_at == datetime(2022, 8, 22, 14, 0, 0, 300999, UTC)
    assert [(leg.id, leg.type, leg.status) for leg in order.legs] == [
        ("t", OrderType.LIMIT, OrderStatus.NEW),
        ("s", OrderType.STOP, OrderStatus.HELD),
    ]


def test_the_end_of_an_order_is_whichever_came() -> None:
    """Cancelled, expired, rejected and replaced orders have ended; a filled one has not."""
    for field in ("canceled_at", "expired_at", "failed_at", "replaced_at"):
        assert read_order(**{field: "2022-08-22T20:00:00Z"}).ended_at == datetime(2022, 8, 22, 20, tzinfo=UTC)
    assert read_order(status="filled").ended_at is None


@pytest.mark.parametrize(
    ("field", "value", "read"),
    [
        ("status", "pending_review", lambda order: order.status is OrderStatus.OTHER),
        ("type", "trailing_stop", lambda order: order.type is OrderType.OTHER),
        ("order_class", "oto_chain", lambda order: order.order_class is OrderClass.OTHER),
        ("time_in_force", "gtd", lambda order: order.time_in_force is TimeInForce.OTHER),
    ],
)
def test_an_unknown_value_is_other_and_counted(field: str, value: str, read: Callable[[Order], bool]) -> None:
    """A value that the exchange invents is OTHER, with a counter, and the rest of the list is read."""
    orders = [order_body(), order_body(id="second", **{field: value})]
    with door(in_turn(Answer(body=orders))) as opened:
        first, second = opened.exchange.orders()
        assert first.status is OrderStatus.PENDING_NEW
        assert read(second)
        assert opened.counted.counts == [("exchange_schema_drift_total", {"kind": "order", "field": field})]


@pytest.mark.parametrize("value", ["NEW", "New"])
def test_case_is_no_news(value: str) -> None:
    """A known value in capitals is the known value."""
    assert read_order(status=value).status is OrderStatus.NEW


@pytest.mark.parametrize("spelled", ["", None, "simple"])
def test_a_simple_order_has_three_spellings(spelled: str | None) -> None:
    """An empty, a missing and a spelled-out class are the same."""
    assert read_order(order_class=spelled).order_class is OrderClass.SIMPLE


@pytest.mark.parametrize("field", ["id", "client_order_id", "symbol", "side", "qty", "filled_qty", "status"])
def test_an_order_without_what_money_depends_on_is_refused(field: str) -> None:
    """A missing essential field is an outage of meaning that names order and field, never a zero."""
    with pytest.raises(ExchangeUnavailable, match=field):
        parsing.order(Row("order", without(order_body(), field), Drift()), Drift())
    with pytest.raises(ExchangeUnavailable):
        read_order(**{field: None})


@pytest.mark.parametrize(
    "field",
    [
        "limit_price",
        "stop_price",
        "filled_avg_price",
        "legs",
        "replaced_by",
        "submitted_at",
        "order_class",
        "hwm",
        "source",
    ],
)
def test_an_order_without_the_rest_is_read(field: str) -> None:
    """Fields that nothing depends on may be gone."""
    assert parsing.order(Row("order", without(order_body(), field), Drift()), Drift()).qty == 5


@pytest.mark.parametrize("value", [*NONSENSE_NUMBERS, "0", "-5", 0, -1])
def test_no_nonsense_becomes_a_quantity(value: object) -> None:
    """NaN, infinity, negatives, zero, texts and absurd sizes are refused as a quantity."""
    with pytest.raises(UnreadableAnswer):
        read_order(qty=value)


@pytest.mark.parametrize("value", [value for value in NONSENSE_NUMBERS if value not in (None, "")])
def test_no_nonsense_becomes_an_optional_price(value: object) -> None:
    """A price may be missing, but not nonsense."""
    with pytest.raises(UnreadableAnswer):
        read_order(limit_price=value)


@pytest.mark.parametrize("side", ["hold", "", "BUYS", None, 1])
def test_a_side_is_never_guessed(side: object) -> None:
    """An unknown side has no OTHER: it is refused."""
    with pytest.raises(UnreadableAnswer):
        read_order(side=side)


def test_numbers_may_be_numbers() -> None:
    """What comes as text today may come as a JSON number tomorrow, exactly."""
    assert read_order(qty=5, filled_qty=0.1).filled_qty == Decimal("0.1")


def test_an_order_by_amount_of_money_is_read() -> None:
    """A person's notional order in the same account has no quantity, and does not break the list."""
    order = read_order(qty=None, notional="1000", filled_qty="2.5")
    assert order.qty == order.filled_qty == Decimal("2.5")


def test_an_option_order_of_several_legs_does_not_break_the_list() -> None:
    """A multi-leg option order of a person has no symbol: it is counted and left out."""
    with door(in_turn(Answer(body=[order_body(order_class="mleg", symbol="", side=""), order_body()]))) as opened:
        assert len(opened.exchange.orders()) == 1
        assert len(opened.counted.counts) == 1


@pytest.mark.parametrize("stamp", ["0001-01-01T00:00:00Z", "tomorrow", "2022-08-22T14:00:00", 1661176800, ""])
def test_an_optional_stamp_that_is_none_is_missing(stamp: object) -> None:
    """Go's zero time, a naive stamp and nonsense are no instant; the oddity is counted."""
    counted = Counted()
    drift = Drift(counted)
    assert parsing.order(Row("order", order_body(filled_at=stamp), drift), drift).filled_at is None
    assert len(counted.counts) == 1


def test_the_account_without_its_day_trading_fields() -> None:
    """The account is read as it is sent today, and by what it does not need."""
    account = parsing.account(account_body(), Drift())
    assert (account.cash, account.equity, account.buying_power) == (
        Decimal("98012.25"),
        Decimal("100010.5"),
        Decimal("198022.75"),
    )
    assert not account.trading_blocked
    bare = {name: account_body()[name] for name in ("cash", "equity", "buying_power")}
    assert parsing.account(bare, Drift()).status == "UNKNOWN"
    assert parsing.account(account_body(last_equity=None), Drift()).last_equity is None


@pytest.mark.parametrize("field", ["trading_blocked", "account_blocked", "trade_suspended_by_user"])
def test_any_block_blocks(field: str) -> None:
    """Each of the three ways in which an account can be blocked counts."""
    assert parsing.account(account_body(**{field: True}), Drift()).trading_blocked


@pytest.mark.parametrize("field", ["cash", "equity", "buying_power"])
@pytest.mark.parametrize("value", NONSENSE_NUMBERS)
def test_money_is_never_made_up(field: str, value: object) -> None:
    """An account without usable money is an outage."""
    with pytest.raises(UnreadableAnswer, match=field):
        parsing.account(account_body(**{field: value}), Drift())


def test_a_negative_cash_is_no_nonsense() -> None:
    """A margin account may owe money."""
    assert parsing.account(account_body(cash="-12.5"), Drift()).cash == Decimal("-12.5")


def test_a_position_is_read() -> None:
    """Quantity, cost and the shares that are free come through; marks may be null."""
    position = parsing.position(Row("position", position_body(market_value=None, current_price=None), Drift()))
    assert (position.qty, position.avg_entry_price, position.qty_available) == (
        Decimal(5),
        Decimal("400.64"),
        Decimal(0),
    )
    assert position.market_value is None


@pytest.mark.parametrize("qty", ["5", "-5"])
def test_a_short_is_negative(qty: str) -> None:
    """A short position is negative, whichever way it is spelled."""
    assert parsing.position(Row("position", position_body(side="short", qty=qty), Drift())).qty == -5


@pytest.mark.parametrize("field", ["symbol", "qty", "avg_entry_price"])
def test_a_position_without_what_counts_is_refused(field: str) -> None:
    """One unreadable position makes the whole answer an outage: the others alone would be a lie."""
    positions = [position_body(), without(position_body(), field)]
    with door(in_turn(Answer(body=positions))) as opened, pytest.raises(ExchangeUnavailable, match=field):
        opened.exchange.positions()


def test_a_fill_changes_cash_by_what_was_paid() -> None:
    """A fill has no amount on the wire: it is computed, negative for a purchase."""
    bought = parsing.activity(Row("activity", fill_body(), Drift()))
    assert (bought.kind, bought.net_amount, bought.side) == ("FILL", Decimal("-2003.20"), Side.BUY)
    for side in ("sell", "sell_short"):
        sold = parsing.activity(Row("activity", fill_body(side=side), Drift()))
        assert (sold.net_amount, sold.side) == (Decimal("2003.20"), Side.SELL)


@pytest.mark.parametrize("field", ["id", "transaction_time", "price", "qty", "side", "symbol", "order_id"])
def test_a_fill_without_what_counts_is_refused(field: str) -> None:
    """Every field of a fill is needed to book it."""
    with pytest.raises(UnreadableAnswer):
        parsing.activity(Row("activity", without(fill_body(), field), Drift()))


DIVIDEND = {
    "id": "20220823000000000::5f596936-6f23-4cef-bdf1-3806aae57dbf",
    "activity_type": "DIV",
    "date": "2022-08-22",
    "created_at": "2022-08-23T10:01:04.650275Z",
    "net_amount": "1.02",
    "per_share_amount": "0.51",
    "qty": "2",
    "symbol": "T",
    "status": "executed",
}


def test_other_entries_are_filed_by_when_they_were_booked() -> None:
    """A dividend is filed by its booking; one that tells only its day, by New York's midnight."""
    dividend = parsing.activity(Row("activity", DIVIDEND, Drift()))
    assert (dividend.kind, dividend.net_amount, dividend.symbol) == ("DIV", Decimal("1.02"), "T")
    assert dividend.at == datetime(2022, 8, 23, 10, 1, 4, 650275, UTC)
    by_day = parsing.activity(Row("activity", without(DIVIDEND, "created_at"), Drift()))
    assert by_day.at == datetime(2022, 8, 22, 4, tzinfo=UTC)


def test_an_entry_of_money_must_name_the_amount() -> None:
    """A dividend or fee without an amount is refused; a split moves shares and needs none."""
    with pytest.raises(UnreadableAnswer, match="net_amount"):
        parsing.activity(Row("activity", without(DIVIDEND, "net_amount"), Drift()))
    split = {**without(DIVIDEND, "net_amount"), "activity_type": "SPLIT", "qty": "15"}
    found = parsing.activity(Row("activity", split, Drift()))
    assert (found.net_amount, found.qty) == (Decimal(0), Decimal(15))


def test_a_new_kind_of_entry_is_booked_by_its_amount() -> None:
    """A kind that the exchange invents changes cash by what it says."""
    assert parsing.activity(Row("activity", {**DIVIDEND, "activity_type": "REBATE"}, Drift())).kind == "REBATE"


def test_a_correction_is_counted() -> None:
    """An entry that was corrected or cancelled is kept, and brought to attention."""
    counted = Counted()
    parsing.activity(Row("activity", {**DIVIDEND, "status": "canceled"}, Drift(counted)))
    assert len(counted.counts) == 1


@pytest.mark.parametrize(("sent", "shown"), [(184.1, "184.10"), (0.44, "0.4400"), (0.4312, "0.4312"), (1, "1.00")])
def test_a_quote_has_the_zeros_of_its_tick(sent: float, shown: str) -> None:
    """JSON's numbers lose them; a backtest's reasons have them, and a demo's must be the same."""
    quote = parsing.quote("SPY", {"bp": sent, "ap": sent, "t": "2022-08-22T14:00:00Z"}, Drift())
    assert (str(quote.bid), str(quote.ask)) == (shown, shown)


def test_a_quote_with_one_side_keeps_its_zero() -> None:
    """Without an offer the ask is zero, as the exchange says it: what that means is for the risk rules."""
    quote = parsing.quote("SPY", {"bp": 400.55, "ap": 0, "bs": 2, "as": 0, "t": "2022-08-22T14:00:00.1Z"}, Drift())
    assert (quote.bid, quote.ask) == (Decimal("400.55"), Decimal(0))


@pytest.mark.parametrize(
    "change", [{"bp": -1}, {"ap": None}, {"bp": "NaN"}, {"t": None}, {"t": "0001-01-01T00:00:00Z"}]
)
def test_a_quote_without_prices_or_time_is_refused(change: dict[str, object]) -> None:
    """A price or a time that is none is never a quote."""
    with pytest.raises(UnreadableAnswer):
        parsing.quote("SPY", {"bp": 1, "ap": 2, "t": "2022-08-22T14:00:00Z", **change}, Drift())


def test_the_clock_is_strict() -> None:
    """The clock gates trading: nothing in it may be guessed."""
    body: dict[str, object] = {
        "timestamp": "2026-08-30T14:53:54.905548592-04:00",
        "is_open": False,
        "next_open": "2026-08-31T09:30:00-04:00",
        "next_close": "2026-08-31T16:00:00-04:00",
    }
    clock = parsing.clock(body, Drift())
    assert clock.now == datetime(2026, 8, 30, 18, 53, 54, 905548, UTC)
    for field in body:
        with pytest.raises(UnreadableAnswer):
            parsing.clock(without(body, field), Drift())
    with pytest.raises(UnreadableAnswer):
        parsing.clock({**body, "is_open": "false"}, Drift())


def test_one_oddity_warns_once_and_counts_always() -> None:
    """The log gets one line for each oddity, the counter every one of them."""
    counted = Counted()
    drift = Drift(counted)
    for _ in range(5):
        drift.note("order", "status", "strange")
    assert len(counted.counts) == 5


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(order_body())), JSON)
def test_no_field_of_an_order_can_break_the_reader(field: str, value: object) -> None:
    """Whatever stands in any field, the order is read or refused, and nothing else is raised."""
    try:
        order = read_order(**{field: value})
    except ExchangeUnavailable:
        return
    assert order.qty > 0
    assert order.qty.is_finite()


@given(JSON)
def test_no_answer_can_break_the_readers(value: object) -> None:
    """Whatever JSON arrives, a reader gives a value or refuses."""
    drift = Drift()
    for read in (
        parsing.account,
        parsing.clock,
        parsing.orders,
        lambda raw, d: parsing.quote("SPY", raw, d),
        lambda raw, d: parsing.position(Row("position", raw, d)),
        lambda raw, d: parsing.activity(Row("activity", raw, d)),
    ):
        try:
            read(value, drift)
        except ExchangeUnavailable:
            continue
