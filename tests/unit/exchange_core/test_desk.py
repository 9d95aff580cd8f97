"""Which orders are taken, and in which words the others are refused."""

# a Decimal equals an int of its value, which mypy does not believe inside tuples
# mypy: disable-error-code="comparison-overlap"

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.exchange_core.world import FREE, D, at, bars, bracket, engine, flat, order
from ztrade.exchange.core.engine import Engine
from ztrade.exchange.core.records import Asset, OrderSpec
from ztrade.exchange.core.refusal import Refusal
from ztrade.exchange.tape import ListTape


def refused(market: Engine, spec: OrderSpec) -> Refusal:
    """Submit and return the refusal; nothing of the exchange's state may have changed."""
    before = market.snapshot()
    with pytest.raises(Refusal) as caught:
        market.submit(spec)
    assert market.snapshot() == before
    return caught.value


@pytest.mark.parametrize(
    ("fields", "status", "code", "words"),
    [
        ({"qty": None}, 422, 40010001, "qty or notional is required"),
        ({"notional": "5"}, 422, 40010001, "only one of qty or notional"),
        ({"qty": "0"}, 422, 40010001, "qty must be > 0"),
        ({"qty": "-1"}, 422, 40010001, "qty must be > 0"),
        ({"qty": "NaN"}, 422, 40010001, "qty is out of range"),
        ({"qty": "Infinity"}, 422, 40010001, "qty is out of range"),
        ({"qty": "1E+30"}, 422, 40010001, "qty is out of range"),
        ({"qty": "0.0000000001"}, 422, 42210000, "9 decimal places"),
        ({"qty": "1E-400"}, 422, 42210000, "9 decimal places"),
        ({"qty": None, "notional": "0.99"}, 422, 42210000, "notional amount must be >= 1.00"),
        ({"qty": None, "notional": "10.001"}, 422, 42210000, "2 decimal places"),
        (
            {"qty": None, "notional": "10", "time_in_force": "gtc"},
            422,
            42210000,
            "fractional orders must be DAY orders",
        ),
        ({"qty": "0.5", "time_in_force": "gtc"}, 422, 42210000, "fractional orders must be DAY orders"),
        ({"side": "hold"}, 422, 40010001, "invalid side"),
        ({"type": "trailing_stop"}, 422, 42210000, "not supported"),
        ({"time_in_force": "ioc"}, 422, 42210000, "invalid time_in_force"),
        ({"order_class": "mleg"}, 422, 40010001, "invalid order_class"),
        ({"client_order_id": "x" * 129}, 422, 40010001, "128 characters"),
        ({"client_order_id": ""}, 422, 40010001, "128 characters"),
        ({"symbol": "NOPE"}, 422, 42210000, 'could not find asset "NOPE"'),
        ({"type": "limit"}, 422, 40010001, "require limit price"),
        ({"limit_price": "1"}, 422, 40010001, "require no limit price"),
        ({"type": "stop"}, 422, 40010001, "require stop price"),
        (
            {"type": "limit", "limit_price": "100.001"},
            422,
            42210000,
            "invalid limit_price 100.001. sub-penny increment",
        ),
        ({"type": "limit", "limit_price": "0.00001"}, 422, 42210000, "sub-penny increment"),
        ({"type": "limit", "limit_price": "-3"}, 422, 42210000, "limit_price must be > 0"),
        ({"type": "limit", "limit_price": "sNaN"}, 422, 42210000, "limit_price must be > 0"),
        ({"extended_hours": True}, 422, 42210000, "extended hours order must be DAY or GTC limit orders"),
        ({"take_profit": "120"}, 422, 40010001, "set order_class"),
        ({"side": "sell"}, 422, 42210000, 'asset "X" cannot be sold short'),
    ],
)
def test_an_order_out_of_shape_is_refused(fields: dict[str, Any], status: int, code: int, words: str) -> None:
    """One wrong field is one refusal with Alpaca's status and code."""
    refusal = refused(engine(flat(100), now=at("10:00")), order(**fields))
    assert (refusal.status, refusal.code) == (status, code)
    assert words in refusal.message


@pytest.mark.parametrize(
    ("target", "stop", "fields", "words"),
    [
        ("100", "90", {}, "take_profit.limit_price must be >= base_price + 0.01"),
        ("110", "100", {}, "stop_loss.stop_price must be <= base_price - 0.01"),
        ("90", "95", {}, "take_profit.limit_price must be > stop_loss.stop_price"),
        ("110", "95.005", {}, "sub-penny"),
        ("110", "90", {"qty": "1.5", "time_in_force": "day"}, "fractional orders must be simple orders"),
        ("110", "90", {"stop_loss_limit": "91"}, "stop_loss.limit_price must be <="),
        ("110", "90", {"side": "sell"}, "cannot be sold short"),
        ("95", "90", {"type": "limit", "limit_price": "95"}, "take_profit.limit_price must be >="),
        ("110", "99.99", {"type": "limit", "limit_price": "99.99"}, "stop_loss.stop_price must be <="),
        ("110", "101", {"type": "limit", "limit_price": "105"}, "stop_loss.stop_price must be <="),
    ],
)
def test_a_bracket_out_of_relation_is_refused(target: str, stop: str, fields: dict[str, Any], words: str) -> None:
    """Targets lie above and stops below the base price by a cent at least."""
    refusal = refused(engine(flat(100), now=at("10:00")), bracket(target, stop, **fields))
    assert refusal.status == 422
    assert words in refusal.message


def test_too_near_legs_name_the_base_price() -> None:
    """The refusal of a leg tells the base price in the body, as Alpaca does."""
    refusal = refused(engine(flat(100), now=at("10:00")), bracket("100", "90"))
    assert refusal.body()["base_price"] == "100"


def test_one_cent_from_the_base_is_enough() -> None:
    """A target a cent above and a stop a cent below the market are taken."""
    assert engine(flat(100), now=at("10:00")).submit(bracket("100.01", "99.99")).leg_ids


@pytest.mark.parametrize("words", ["oto", "bracket", "oco"])
def test_complex_orders_need_their_legs(words: str) -> None:
    """A complex order without its legs' prices is refused."""
    refusal = refused(engine(flat(100), now=at("10:00")), order(order_class=words, type="limit", limit_price="100"))
    assert (refusal.status, refusal.code) == (422, 40010001)


def test_a_taken_id_is_refused_even_of_a_finished_order() -> None:
    """A client_order_id is taken for ever, and says so before money or shares are looked at."""
    market = engine(flat(100), now=at("10:00"), cash="1100")
    market.submit(order(client_order_id="a"))
    market.advance(at("10:01"))
    assert market.order_by_client_id("a").status == "filled"
    refusal = refused(market, order(client_order_id="a"))
    assert (refusal.status, refusal.code, refusal.message) == (422, 40010001, "client_order_id must be unique")


def test_buying_power_is_reserved_by_open_buys() -> None:
    """A market buy reserves ask and collar, a limit buy its limit; what is left is the buying power."""
    market = engine(flat(100), now=at("10:00"), cash="2100")
    market.submit(order(type="limit", limit_price="50", qty="10"))
    assert market.account().buying_power == 1600
    market.submit(order(qty="10"))
    assert market.account().buying_power == 575
    refusal = refused(market, order(qty="6"))
    assert (refusal.status, refusal.code, refusal.message) == (403, 40310000, "insufficient buying power")
    assert refusal.extra == {"buying_power": "575", "cost_basis": "615"}


def test_the_reserve_ends_with_the_order() -> None:
    """A fill turns the reserve into its price, a cancel gives it back."""
    market = engine(flat(100), now=at("10:00"), cash="2100")
    rests = market.submit(order(type="limit", limit_price="50"))
    market.submit(order())
    market.cancel(rests.id)
    market.advance(at("10:01"))
    assert (market.account().buying_power, market.account().cash) == (1100, 1100)


def test_selling_above_what_is_available() -> None:
    """The refusal tells what is held, what resting sells hold back, and what is left."""
    market = engine(flat(100), now=at("10:00"))
    market.submit(order(qty="10"))
    market.advance(at("10:01"))
    market.submit(order("sell", qty="4", type="limit", limit_price="120"))
    refusal = refused(market, order("sell", qty="7"))
    assert (refusal.status, refusal.code) == (403, 40310000)
    assert refusal.message == "insufficient qty available for order (requested: 7, available: 6)"
    assert refusal.extra == {"available": "6", "existing_qty": "10", "held_for_orders": "4", "symbol": "X"}


@pytest.mark.parametrize(
    ("resting", "spec", "reason"),
    [
        ({"type": "limit", "limit_price": "120"}, {}, "opposite side limit order exists"),
        ({"type": "limit", "limit_price": "120"}, {"type": "limit", "limit_price": "120"}, "opposite side limit"),
        ({"type": "stop", "stop_price": "80"}, {}, "opposite side market/stop order exists"),
    ],
)
def test_wash_trades_are_refused(resting: dict[str, str], spec: dict[str, str], reason: str) -> None:
    """A buy that could meet a resting sell of the same account is refused with the order in its way."""
    market = engine(flat(100), now=at("10:00"))
    market.submit(order(qty="10"))
    market.advance(at("10:01"))
    rests = market.submit(order("sell", **resting))
    refusal = refused(market, order(**spec))
    assert (refusal.status, refusal.message) == (403, "potential wash trade detected. use complex orders")
    assert refusal.extra["existing_order_id"] == rests.id
    assert refusal.extra["reject_reason"].startswith(reason)


def test_orders_that_cannot_meet_rest_together() -> None:
    """A buy limit below a sell limit is no wash trade, and neither is a complex order."""
    market = engine(flat(100), now=at("10:00"))
    market.submit(order(qty="10"))
    market.advance(at("10:01"))
    market.submit(order("sell", type="limit", limit_price="120"))
    market.submit(order(type="limit", limit_price="119.99"))
    market.submit(bracket("110", "90"))
    assert len(market.orders(status="open")) == 3


def test_unfractionable_assets() -> None:
    """An asset without fractions takes whole shares only."""
    whole = [Asset("X", fractionable=False), Asset("Y", tradable=False)]
    tape = ListTape({"X": bars("X", flat(100)), "Y": bars("Y", flat(100))})
    market = Engine(tape, engine(flat(1)).sessions(), now=at("10:00"), cash=D(1000), settings=FREE, assets=whole)
    assert refused(market, order(qty="0.5")).message == 'asset "X" is not fractionable'
    assert refused(market, order(symbol="Y")).message == 'asset "Y" is not tradable'
    assert market.submit(order(qty="1")).status == "pending_new"


def test_before_the_first_bar_there_is_no_price() -> None:
    """A market order that nobody can price yet is refused, not guessed."""
    for spec in (order(), order(qty=None, notional="10"), bracket("110", "90", type="limit", limit_price="100")):
        assert (refused(engine(flat(100)), spec).status, refused(engine(flat(100)), spec).code) == (422, 42210000)


def test_ids_follow_from_the_orders_alone() -> None:
    """An order's id is a function of its client_order_id, or of its number among its symbol's orders."""
    one, two = engine(flat(100), now=at("10:00")), engine(flat(100), now=at("10:07"))
    assert one.submit(order(client_order_id="a")).id == two.submit(order(client_order_id="a")).id
    assert one.submit(order()).id == two.submit(order()).id
    assert len({entry.id for entry in [*one.orders(), *two.orders()]}) == 2
