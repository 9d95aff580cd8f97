"""What leaves, and that lists are read to their end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.unit.alpaca.doors import door, fill_body, order_body
from ztrade.domain.types import OrderClass, OrderRequest, OrderType, Side, TimeInForce
from ztrade.errors import ExchangeUnavailable, InvalidOrder
from ztrade.testing.scripted_server import Answer, Asked, in_turn

BEGIN = datetime(2022, 8, 22, 14, tzinfo=UTC)
BRACKET = OrderRequest(
    "spy-20220822T1400-entry",
    "SPY",
    Side.BUY,
    Decimal(5),
    order_class=OrderClass.BRACKET,
    time_in_force=TimeInForce.GTC,
    take_profit=Decimal("410.00"),
    stop_loss=Decimal("390.5"),
)


def stamp(at: datetime) -> str:
    """Write an instant with nine digits of a second."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f") + "789Z"


def test_a_bracket_as_it_leaves() -> None:
    """Numbers leave as plain text, legs nested, and nothing that was not set."""
    with door(in_turn(Answer(body=order_body(order_class="bracket", legs=[])))) as opened:
        opened.exchange.submit(BRACKET)
        assert opened.server.asked[0].body == {
            "symbol": "SPY",
            "qty": "5",
            "side": "buy",
            "type": "market",
            "time_in_force": "gtc",
            "client_order_id": "spy-20220822T1400-entry",
            "order_class": "bracket",
            "take_profit": {"limit_price": "410.00"},
            "stop_loss": {"stop_price": "390.5"},
        }


def test_prices_leave_without_an_exponent() -> None:
    """A Decimal with an exponent is written out."""
    request = OrderRequest(
        "spy-20220822T1400-entry",
        "SPY",
        Side.SELL,
        Decimal("1E+2"),
        type=OrderType.STOP_LIMIT,
        limit_price=Decimal("4E+2"),
        stop_price=Decimal("0.0001"),
    )
    with door(in_turn(Answer(body=order_body()))) as opened:
        opened.exchange.submit(request)
        body = opened.server.asked[0].body
        assert isinstance(body, dict)
        assert (body["qty"], body["limit_price"], body["stop_price"]) == ("100", "400", "0.0001")
        assert "order_class" not in body


@pytest.mark.parametrize(
    "change",
    [
        {"qty": Decimal(0)},
        {"qty": Decimal("NaN")},
        {"qty": Decimal(-1)},
        {"qty": Decimal("Infinity")},
        {"stop_loss": Decimal("NaN")},
        {"take_profit": Decimal(-1)},
        {"type": OrderType.OTHER},
        {"time_in_force": TimeInForce.OTHER},
        {"order_class": OrderClass.OTHER},
        {"client_order_id": ""},
        {"client_order_id": "x" * 129},
        {"client_order_id": "a\nb"},
    ],
)
def test_nonsense_does_not_leave(change: dict[str, Any]) -> None:
    """What cannot be an order is refused before anything is sent."""
    from dataclasses import replace

    with door(in_turn(Answer(body=order_body()))) as opened:
        with pytest.raises(InvalidOrder):
            opened.exchange.submit(replace(BRACKET, **change))
        assert opened.asked == []


def test_legs_are_fetched_where_the_answer_lacks_them() -> None:
    """Looking a bracket up by our id may give no legs: then it is read again by its own id."""
    bare = order_body(order_class="bracket", legs=None)
    whole = order_body(order_class="bracket", legs=[order_body(id="leg", side="sell")])
    with door(in_turn(Answer(body=bare), Answer(body=whole))) as opened:
        assert [leg.id for leg in opened.exchange.order_by_client_id(bare["client_order_id"]).legs] == ["leg"]
        assert opened.server.asked[1].query == {"nested": "true"}


class Listed:
    """A server's list of orders, filtered and cut into pages as Alpaca does it: ``after`` is exclusive."""

    def __init__(self, stamps: Sequence[datetime], legs: int = 0, legs_count: bool = False) -> None:
        self.bodies = [
            order_body(
                id=f"order-{number}",
                client_order_id=f"ours-{number}",
                submitted_at=stamp(at),
                legs=[order_body(id=f"leg-{number}-{leg}") for leg in range(legs)] or None,
            )
            for number, at in enumerate(stamps)
        ]
        self.weight = 1 + (legs if legs_count else 0)

    def __call__(self, asked: Asked) -> Answer:
        after = asked.query.get("after", "")
        later = [body for body in self.bodies if body["submitted_at"] > after.replace("Z", "").ljust(26, "0")]
        return Answer(body=later[: int(asked.query["limit"]) // self.weight])


def ids(count: int) -> list[str]:
    """Return the ids that a list of that length must give."""
    return [f"order-{number}" for number in range(count)]


@pytest.mark.parametrize("count", [0, 1, 499, 500, 501, 1203])
def test_all_orders_come_once(count: int) -> None:
    """Paging goes on to the end, whatever the length."""
    stamps = [BEGIN + timedelta(milliseconds=number) for number in range(count)]
    with door(Listed(stamps)) as opened:
        assert [order.id for order in opened.exchange.orders()] == ids(count)


def test_orders_of_one_instant_are_not_lost_between_pages() -> None:
    """Where a page ends amid orders of the same microsecond, the rest of them still come."""
    stamps = [BEGIN + timedelta(milliseconds=min(number, 480)) for number in range(700)]
    with door(Listed(stamps[:960])) as opened:
        assert [order.id for order in opened.exchange.orders()] == ids(700)


def test_legs_that_count_against_the_page_end_no_list() -> None:
    """Where the exchange counts legs too, a page of a third of the orders is not the last."""
    stamps = [BEGIN + timedelta(milliseconds=number) for number in range(400)]
    with door(Listed(stamps, legs=2, legs_count=True)) as opened:
        assert [order.id for order in opened.exchange.orders()] == ids(400)


def test_a_short_list_is_one_request() -> None:
    """A cycle's usual list costs one round trip."""
    with door(Listed([BEGIN])) as opened:
        opened.exchange.orders(open_only=True, symbol="SPY")
        assert len(opened.asked) == 1
        assert opened.server.asked[0].query == {
            "status": "open",
            "direction": "asc",
            "nested": "true",
            "limit": "500",
            "symbols": "SPY",
        }


def test_a_full_page_without_stamps_is_an_outage() -> None:
    """When the next page cannot be asked for, the list is not passed off as whole."""
    page = [order_body(id=f"order-{number}", submitted_at=None) for number in range(500)]
    with door(in_turn(Answer(body=page))) as opened, pytest.raises(ExchangeUnavailable):
        opened.exchange.orders()


def test_after_is_exclusive_to_the_microsecond() -> None:
    """Only orders submitted later than the instant come, though the page before it was asked for with an overlap."""
    stamps = [BEGIN, BEGIN + timedelta(microseconds=1), BEGIN + timedelta(seconds=1)]
    with door(Listed(stamps)) as opened:
        assert [order.id for order in opened.exchange.orders(after=stamps[1])] == ["order-2"]


class Book:
    """A server's account book with page tokens."""

    def __init__(self, bodies: Sequence[dict[str, Any]]) -> None:
        self.bodies = list(bodies)

    def __call__(self, asked: Asked) -> Answer:
        token = asked.query.get("page_token")
        first = 0 if token is None else [body["id"] for body in self.bodies].index(token) + 1
        return Answer(body=self.bodies[first : first + int(asked.query["page_size"])])


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 250])
def test_the_whole_account_book_comes(count: int) -> None:
    """Page tokens are followed to the end; each entry comes once."""
    with door(Book([fill_body(number) for number in range(count)])) as opened:
        found = opened.exchange.activities()
        assert [entry.id for entry in found] == [fill_body(number)["id"] for number in range(count)]
        assert len(opened.asked) == count // 100 + 1


def test_only_later_entries_come() -> None:
    """The endpoint takes whole seconds; the rest is sorted out here, exclusively."""
    stamps = ["2022-08-22T14:00:00.300Z", "2022-08-22T14:00:00.300001Z", "2022-08-22T14:00:01Z"]
    book = Book([fill_body(number, transaction_time=at) for number, at in enumerate(stamps)])
    with door(book) as opened:
        after = BEGIN + timedelta(milliseconds=300)
        assert [entry.id for entry in opened.exchange.activities(after=after)] == [
            fill_body(1)["id"],
            fill_body(2)["id"],
        ]
        assert opened.server.asked[0].query["after"] <= "2022-08-22T14:00:00Z"


def test_an_entry_that_was_booked_late_is_not_lost() -> None:
    """A dividend of last week that is booked today is later than yesterday; so is one that tells only its day."""
    late = {
        "id": "20220815::dividend",
        "activity_type": "DIV",
        "date": "2022-08-15",
        "created_at": "2022-08-22T15:00:00Z",
        "net_amount": "1.02",
    }
    day_only = {name: value for name, value in late.items() if name != "created_at"} | {"id": "20220815::fee"}
    with door(Book([late, day_only])) as opened:
        assert len(opened.exchange.activities(after=BEGIN)) == 2


def test_an_account_book_that_goes_in_circles_is_an_outage() -> None:
    """A server that ignores the page token is not followed for ever, nor believed."""
    page = [fill_body(number) for number in range(100)]
    with door(in_turn(Answer(body=page))) as opened, pytest.raises(ExchangeUnavailable, match="circles"):
        opened.exchange.activities()


def test_an_account_book_of_two_pages_in_turn_is_an_outage_too() -> None:
    """Noticed at the first page that says nothing new, and not after a thousand requests."""
    pages = [[fill_body(number) for number in range(first, first + 100)] for first in (0, 100)]

    def turning(asked: Asked) -> Answer:
        return Answer(body=pages[1 if asked.query.get("page_token") == pages[0][-1]["id"] else 0])

    with door(turning) as opened:
        with pytest.raises(ExchangeUnavailable, match="circles"):
            opened.exchange.activities(after=BEGIN + timedelta(days=9))
        assert len(opened.asked) == 3
