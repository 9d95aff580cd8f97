"""Timestamps, parameters, routes and bodies: what is read strictly, and how it is written."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ztrade.exchange.server.http import ApiError, Call, Reply, Route, Router, bad_parameter, number, unusable
from ztrade.exchange.server.orderbody import read_order, read_replacement
from ztrade.exchange.server.params import Params
from ztrade.exchange.server.stamps import eastern, eastern_nanos, nanos, read_instant, read_when

INSTANTS = st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(INSTANTS)
def test_nanosecond_stamps_are_exact_to_the_microsecond(at: datetime) -> None:
    """Nine digits that never end in 000, and cut to microseconds give the instant back."""
    text = nanos(at)
    assert len(text) == len("2022-08-22T13:35:00.123456789Z")
    assert not text.endswith("000Z")
    assert read_instant(text) == at


@given(INSTANTS)
def test_new_york_stamps_name_the_same_instant(at: datetime) -> None:
    """The clock's stamp in New York time is the instant, with the offset of that day."""
    assert read_instant(eastern_nanos(at)) == at
    assert read_instant(eastern(at)) == at.replace(microsecond=0)


@given(st.text(max_size=40))
def test_any_text_is_an_instant_or_a_value_error(text: str) -> None:
    """Nothing else comes out of reading a time."""
    with suppress(ValueError):
        assert read_when(text).tzinfo is not None


def test_a_day_is_a_day_in_new_york() -> None:
    """Its first moment is midnight there, its last the one before the next midnight, on a 25-hour day too."""
    begin, end = read_when("2022-11-06"), read_when("2022-11-06", end_of_day=True)
    assert begin == datetime(2022, 11, 6, 4, tzinfo=UTC)
    assert end - begin == timedelta(hours=25) - timedelta(microseconds=1)


def test_offsets_are_read() -> None:
    """An offset moves the instant; a time without one names none."""
    assert read_instant("2022-08-22T09:35:00-04:00") == datetime(2022, 8, 22, 13, 35, tzinfo=UTC)
    east = timezone(timedelta(hours=14))
    assert read_instant("2022-08-22T09:35:00.5+14:00") == datetime(2022, 8, 22, 9, 35, 0, 500_000, tzinfo=east)
    with pytest.raises(ValueError, match="error parsing"):
        read_instant("2022-08-22T09:35:00")


def test_numbers_of_market_data_are_whole_where_they_are() -> None:
    """177.0 is sent as 177, as Alpaca does."""
    assert (repr(number(177.0)), repr(number(177.25)), repr(number(Decimal("1.10")))) == ("177", "177.25", "1.1")


def params(**query: str) -> Params:
    return Params(Call("GET", "/", {name: [value] for name, value in query.items()}), unusable)


def test_parameters_are_read() -> None:
    """Absent and empty are the same; words are separated by commas, once each."""
    found = params(limit="5", nested="True", direction="ASC", symbols="spy, AAPL,SPY,,", empty="")
    assert (found.whole("limit", 50, 1, 500), found.whole("none", 50, 1, 500)) == (5, 50)
    assert found.flag("nested") is True
    assert found.choice("direction", ("asc", "desc"), "desc") == "asc"
    assert found.symbols() == ["SPY", "AAPL"]
    assert found.text("empty") is None


@pytest.mark.parametrize("text", ["0", "501", "-1", "1.5", "٣", "x", "99999999999999999999"])
def test_numbers_out_of_range_are_refused(text: str) -> None:
    """Each gets the range in the answer."""
    with pytest.raises(ApiError, match="from 1 to 500") as error:
        params(limit=text).whole("limit", 50, 1, 500)
    assert error.value.status == 422


def test_each_api_refuses_in_its_own_words() -> None:
    """Market data answers 400 without a code, trading 422 with one."""
    data, trading = bad_parameter("start", "bad"), unusable("start", "bad")
    assert (data.status, data.body) == (400, {"message": "Invalid format for parameter start: bad"})
    assert (trading.status, trading.body["code"]) == (422, 40010001)


def test_routes_are_found_with_their_parts() -> None:
    """A path nobody has is 404; one that has other methods is 405 and names them."""

    def handler(_venue: None, _call: Call) -> Reply:
        return Reply(204)

    router: Router[None] = Router(
        [Route("GET", "/v2/orders/{id}", handler), Route("DELETE", "/v2/orders/{id}", handler)]
    )
    assert router.find("GET", "/v2/orders/7")[1] == {"id": "7"}
    with pytest.raises(ApiError, match="allowed: DELETE, GET") as error:
        router.find("POST", "/v2/orders/7")
    assert error.value.status == 405
    for path in ("/v2/orders/7/8", "/v2/orders/", "/v3/orders/7"):
        with pytest.raises(ApiError) as error:
            router.find("GET", path)
        assert error.value.status == 404


def test_a_colon_may_be_encoded() -> None:
    """Some HTTP clients write ``:`` in a path as ``%3A``, which means the same."""
    router: Router[None] = Router([Route("GET", "/v2/orders:by_client_order_id", lambda _venue, _call: Reply(204))])
    for colon in (":", "%3A", "%3a"):
        assert router.find("GET", f"/v2/orders{colon}by_client_order_id")[1] == {}


ORDER = {"symbol": "spy", "qty": "1", "side": "BUY", "type": "market", "time_in_force": "day"}


def test_order_body_is_read_with_numbers_as_text_or_not() -> None:
    """Alpaca takes both; null and absent are the same."""
    spec = read_order(ORDER | {"qty": Decimal("1.5"), "limit_price": 3, "stop_price": None, "order_class": "simple"})
    assert (spec.symbol, spec.side, spec.qty, spec.limit_price, spec.stop_price) == (
        "SPY",
        "buy",
        Decimal("1.5"),
        Decimal(3),
        None,
    )
    assert spec.order_class == ""
    for side, intent in (("buy", "buy_to_open"), ("sell", "sell_to_close"), ("buy", ""), ("sell", None)):
        assert read_order(ORDER | {"side": side, "position_intent": intent}).side == side


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"side": "hold"}, "invalid side"),
        ({"side": None}, "side is required"),
        ({"type": "trailing_stop"}, "invalid type"),
        ({"trail_price": "1"}, "trail_price is not supported"),
        ({"time_in_force": "ioc"}, "invalid time_in_force"),
        ({"order_class": "mleg"}, "invalid order_class"),
        ({"qty": "1e400"}, "into field qty"),
        ({"qty": "NaN"}, "into field qty"),
        ({"qty": True}, "into field qty"),
        ({"qty": "0.0000000001"}, "at most 9 decimal places"),
        ({"take_profit": "110"}, "into field take_profit"),
        ({"take_profit": {"limit_price": []}}, "into field take_profit.limit_price"),
        ({"client_order_id": "x" * 129}, "no more than 128"),
        ({"extended_hours": "yes"}, "into field extended_hours"),
        ({"symbol": ""}, "symbol is required"),
        ({"position_intent": "go_long"}, "invalid position_intent"),
        ({"position_intent": "buy_to_close"}, "position intent mismatch, inferred: buy_to_open"),
        ({"side": "sell", "position_intent": "sell_to_open"}, "inferred: sell_to_close, specified: sell_to_open"),
    ],
)
def test_wrong_order_bodies_are_refused(changes: dict[str, object], words: str) -> None:
    """Each is a 422 that names the field; nothing is ignored."""
    with pytest.raises(ApiError) as error:
        read_order(ORDER | changes)
    assert error.value.status == 422
    assert words in str(error.value)


def test_replacement_needs_something_to_change() -> None:
    """A client_order_id alone changes nothing."""
    assert read_replacement({"qty": "3", "limit_price": None}) == {"qty": Decimal(3)}
    for body in ({}, {"client_order_id": "new"}, {"qty": None}):
        with pytest.raises(ApiError, match="no order fields to replace"):
            read_replacement(body)


def test_dates_beyond_the_calendar_are_refused() -> None:
    """Instants that Python cannot move to UTC are a ValueError, not an overflow."""
    for text in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "9999-12-31", "0000-01-01"):
        with pytest.raises(ValueError, match="error parsing"):
            read_when(text, end_of_day=True)
    assert read_when("2022-08-22").date() == date(2022, 8, 22)
