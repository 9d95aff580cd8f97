"""Every way in which the exchange may not answer, for reads and for orders."""

from __future__ import annotations

import contextlib
import gc
import socket
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import requests

from tests.unit.alpaca.doors import BRIEF, Door, account_body, door, settings
from ztrade.adapters.alpaca import AlpacaExchange, Gateway, HttpStats
from ztrade.adapters.alpaca.gateway import Api, _may_have_left
from ztrade.adapters.alpaca.transport import DeadlineAdapter
from ztrade.domain.types import OrderRequest, Side
from ztrade.errors import (
    AccessDenied,
    DuplicateOrderId,
    ExchangeUnavailable,
    InsufficientBuyingPower,
    InvalidOrder,
    NotCancelable,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    ZtradeError,
)
from ztrade.testing.scripted_server import Answer, in_turn, scripted

HTML = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
ORDER = OrderRequest("spy-20220822T1400-entry", "SPY", Side.BUY, Decimal(5))
ORDER_ID = "61e69015-8549-4bfd-b9c3-01e75843f47d"
GOOD = Answer(body=account_body())


@pytest.fixture
def closed_port() -> str:
    """Give a URL where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


NO_ANSWER = {
    "reset": Answer(reset=True),
    "hang": Answer(hang=True),
    "500": Answer(500, {"code": 50010000, "message": "internal server error"}),
    "502 html": Answer(502, HTML),
    "503": Answer(503, b""),
    "504": Answer(504, {"message": "gateway timeout"}),
    "408": Answer(408, {"message": "request timeout"}),
    "html with 200": Answer(200, HTML),
    "truncated json": Answer(200, b'{"id": "61e6'),
    "deep json": Answer(200, b"[" * 200_000),
    "redirect": Answer(302, None, {"Location": "https://elsewhere.example/v2"}),
    "permanent redirect": Answer(308, b"moved", {"Location": "https://elsewhere.example/v2"}),
}
NO_OBJECT = {
    "nothing with 200": Answer(200, b""),
    "null": Answer(200, b"null"),
    "a list": Answer(200, []),
    "a text": Answer(200, "fine"),
    "an empty object": Answer(200, {}),
}


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    """Let no finalizer run inside the recursion that a hostile answer provokes: it would fail there, at random."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def patience(answer: Answer) -> timedelta:
    """Return how long to wait for that answer: not long for one that never comes."""
    return BRIEF if answer.hang else timedelta(seconds=8)


@pytest.mark.parametrize("answer", [*NO_ANSWER.values(), *NO_OBJECT.values()], ids=[*NO_ANSWER, *NO_OBJECT])
def test_an_order_without_a_usable_answer_is_unknown_and_sent_once(answer: Answer) -> None:
    """Whatever goes wrong once the order left, its outcome is unknown, and it never leaves a second time."""
    with door(in_turn(answer), read_timeout=patience(answer)) as opened:
        with pytest.raises(OutcomeUnknown) as caught:
            opened.exchange.submit(ORDER)
        assert caught.value.client_order_id == ORDER.client_order_id
        assert opened.asked == ["POST /v2/orders"]
        assert opened.naps.taken == []


@pytest.mark.parametrize("answer", NO_ANSWER.values(), ids=NO_ANSWER)
def test_a_read_without_an_answer_is_tried_again_and_then_an_outage(answer: Answer) -> None:
    """A read is tried three times with growing pauses; then it is an outage, never an empty answer."""
    with door(in_turn(answer), read_timeout=patience(answer)) as opened:
        with pytest.raises(ExchangeUnavailable, match="account paper: GET /account"):
            opened.exchange.account()
        assert opened.asked == ["GET /v2/account"] * 3
        assert opened.naps.taken == sorted(opened.naps.taken)
        assert len(opened.naps.taken) == 2


@pytest.mark.parametrize("answer", NO_ANSWER.values(), ids=NO_ANSWER)
def test_a_read_recovers(answer: Answer) -> None:
    """One bad answer costs a pause, not the cycle."""
    with door(in_turn(answer, GOOD), read_timeout=patience(answer)) as opened:
        assert opened.exchange.account().cash == Decimal("98012.25")


@pytest.mark.parametrize("answer", NO_OBJECT.values(), ids=NO_OBJECT)
def test_a_list_that_is_none_is_an_outage(answer: Answer) -> None:
    """Positions, orders and activities are never empty because the answer was something else than a list."""
    if answer.body == []:
        return
    reads: list[Callable[[Door], object]] = [
        lambda opened: opened.exchange.positions(),
        lambda opened: opened.exchange.orders(),
        lambda opened: opened.exchange.activities(),
    ]
    for read in reads:
        with door(in_turn(answer)) as opened, pytest.raises(ExchangeUnavailable):
            read(opened)


def test_a_refused_connection_means_nothing_left(closed_port: str) -> None:
    """Where nobody listens, the order surely did not leave: an outage, not an unknown outcome."""
    exchange = AlpacaExchange(Gateway(settings(closed_port), sleep=lambda _seconds: None))
    with pytest.raises(ExchangeUnavailable, match=closed_port):
        exchange.submit(ORDER)
    with pytest.raises(ExchangeUnavailable, match=closed_port):
        exchange.account()


def test_an_unknown_host_means_nothing_left() -> None:
    """A name that does not resolve is an outage too."""
    exchange = AlpacaExchange(Gateway(settings("http://exchange.invalid"), sleep=lambda _seconds: None))
    with pytest.raises(ExchangeUnavailable):
        exchange.submit(ORDER)


def test_a_connection_that_never_opens_means_nothing_left() -> None:
    """A connect timeout is an outage: the order did not leave."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(3)]
        try:
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(full.getsockname())
            url = f"http://127.0.0.1:{full.getsockname()[1]}"
            exchange = AlpacaExchange(Gateway(settings(url, connect_timeout=BRIEF)))
            with pytest.raises(ExchangeUnavailable, match="ConnectTimeout"):
                exchange.submit(ORDER)
        finally:
            for filler in fillers:
                filler.close()


def test_nothing_leaves_after_the_deadline() -> None:
    """Where looking the host up took too long, the connection is not used: the order did not leave."""
    with scripted(in_turn(GOOD)) as server:
        readings = iter([0.0, 100.0, 100.0])
        adapter = DeadlineAdapter(1, 1, HttpStats(), lambda: next(readings))
        adapter.deadline = 15.0
        request = requests.Request("POST", server.url, json={}).prepare()
        with pytest.raises(requests.ConnectionError) as caught:
            adapter.send(request)
        assert server.asked == []
        assert not _may_have_left(caught.value)


def test_nothing_leaves_after_the_connection_was_given_up() -> None:
    """What the kernel still held when the time was up is forgotten: it must not leave when the network is back."""
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        adapter = DeadlineAdapter(1, 0.3, HttpStats(), time.monotonic)
        adapter.deadline = time.monotonic() + 15
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        with pytest.raises(requests.RequestException):
            adapter.send(requests.Request("POST", url, data=b"x" * 300_000).prepare())
        assert _all_that_arrives(deaf) < 300_000


def _all_that_arrives(listener: socket.socket) -> int:
    connection, _ = listener.accept()
    size = 0
    with connection, contextlib.suppress(ConnectionResetError):
        connection.settimeout(5)
        while part := connection.recv(65536):
            size += len(part)
    return size


def test_a_dripping_answer_ends_at_the_deadline() -> None:
    """A body that comes byte by byte never trips the read timeout; the deadline ends it."""
    dripping = Answer(body=account_body(), drip=0.1)
    with door(
        in_turn(dripping), read_deadline=timedelta(seconds=0.8), submit_deadline=timedelta(seconds=0.5)
    ) as opened:
        begun = time.monotonic()
        with pytest.raises(ExchangeUnavailable):
            opened.exchange.account()
        assert time.monotonic() - begun < 8
        with pytest.raises(OutcomeUnknown):
            opened.exchange.submit(ORDER)
        assert time.monotonic() - begun < 12


def test_retries_stop_at_the_deadline() -> None:
    """With a hanging exchange a read ends by its deadline, however many tries are left."""
    with door(in_turn(Answer(hang=True)), read_deadline=timedelta(seconds=0.4)) as opened:
        begun = time.monotonic()
        with pytest.raises(ExchangeUnavailable):
            opened.exchange.account()
        assert time.monotonic() - begun < 8


TRADING_429 = Answer(429, {"code": 42910000, "message": "rate limit exceeded"})
DATA_429 = Answer(429, {"message": "too many requests."})


@pytest.mark.parametrize("answer", [TRADING_429, DATA_429, Answer(429, HTML), Answer(429, b"")])
def test_a_429_on_an_order_is_not_there_and_not_repeated(answer: Answer) -> None:
    """Both forms of 429, and bodies that are no JSON, are RateLimited at once for an order."""
    with door(in_turn(answer)) as opened:
        with pytest.raises(RateLimited):
            opened.exchange.submit(ORDER)
        assert opened.asked == ["POST /v2/orders"]


@pytest.mark.parametrize("answer", [TRADING_429, DATA_429])
def test_a_429_on_a_read_is_waited_for(answer: Answer) -> None:
    """A read comes back after a pause; where it stays refused, the caller learns that it was the limit."""
    with door(in_turn(answer, GOOD)) as opened:
        opened.exchange.account()
        assert len(opened.naps.taken) == 1
    with door(in_turn(answer)) as opened, pytest.raises(RateLimited):
        opened.exchange.account()


def test_retry_after_is_respected() -> None:
    """The pause is at least what the exchange asks for."""
    with door(in_turn(Answer(429, {}, {"Retry-After": "2"}), GOOD)) as opened:
        opened.exchange.account()
        assert 2 <= opened.naps.taken[0] < 3


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "3600"},
        {"Retry-After": "60"},
        {"X-Ratelimit-Reset": "1661176800", "Date": "Mon, 22 Aug 2022 13:59:00 GMT"},
    ],
)
def test_a_longer_wait_than_the_deadline_is_told_instead(headers: dict[str, str]) -> None:
    """When the exchange wants a longer pause than the read may take, the error carries it and nobody sleeps."""
    answer = Answer(429, {}, headers)
    with door(in_turn(answer), read_deadline=timedelta(seconds=2)) as opened, pytest.raises(RateLimited) as caught:
        opened.exchange.account()
    if "3600" in headers.values():
        assert caught.value.retry_after is None, "an absurd wait is not believed"
    else:
        assert opened.naps.taken == []
        assert caught.value.retry_after == timedelta(seconds=60)


@pytest.mark.parametrize("value", ["soon", "nan", "-5", "inf", "Wed, 21 Oct 2015 07:28:00 GMT", "1e400", "", "9" * 400])
def test_a_nonsense_retry_after_is_ignored(value: str) -> None:
    """Whatever stands in the header, the read goes on with its own pause."""
    with door(in_turn(Answer(429, {}, {"Retry-After": value}), GOOD)) as opened:
        opened.exchange.account()
        assert 0 <= opened.naps.taken[0] < 2


REFUSALS: list[tuple[int, Any, type[ZtradeError]]] = [
    (422, {"code": 40010001, "message": "client_order_id must be unique"}, DuplicateOrderId),
    (422, {"code": 42210000, "message": "invalid limit_price 1.001. sub-penny increment"}, InvalidOrder),
    (403, {"code": 40310000, "message": "insufficient buying power", "buying_power": "1"}, InsufficientBuyingPower),
    (403, {"code": 40310000, "message": 'asset "OCGN" is not fractionable'}, Rejected),
    (403, {"message": "forbidden."}, AccessDenied),
    (401, {"code": 40110000, "message": "request is not authorized"}, AccessDenied),
    (401, b"", AccessDenied),
    (403, HTML, AccessDenied),
    (400, {"message": None}, InvalidOrder),
    (400, {"code": "40010000", "message": "bad"}, InvalidOrder),
]


@pytest.mark.parametrize(("status", "body", "error"), REFUSALS)
def test_a_refused_order_says_why(status: int, body: object, error: type[ZtradeError]) -> None:
    """A refusal is sorted by status and text, whatever is missing from its body, and is never repeated."""
    with door(in_turn(Answer(status, body))) as opened:
        with pytest.raises(error):
            opened.exchange.submit(ORDER)
        assert len(opened.asked) == 1


def test_wrong_keys_name_the_account_and_what_to_do_and_no_secret() -> None:
    """The message says which account, which host, and what to check; keys are never in it."""
    with door(in_turn(Answer(403, {"message": "forbidden."}))) as opened:
        with pytest.raises(AccessDenied) as caught:
            opened.exchange.account()
        said = str(caught.value)
        assert "account paper" in said
        assert opened.server.url in said
        assert "begins like a paper key" in said
        assert "secret-word" not in said
        assert "PKTEST" not in said + repr(opened.gateway.settings)


def test_a_feed_that_the_plan_lacks_says_so() -> None:
    """A refused feed is about the subscription, not about the keys."""
    refused = Answer(403, {"message": "subscription does not permit querying recent SIP data"})
    with door(in_turn(refused)) as opened, pytest.raises(AccessDenied, match="set feed to iex"):
        opened.gateway.get(Api.DATA, "/stocks/bars", {})


@pytest.mark.parametrize(
    "answer",
    [
        Answer(404, HTML),
        Answer(404, b""),
        Answer(404, {"message": "Not Found"}),
        Answer(404, {"code": 40410000, "message": "endpoint not found."}),
        Answer(404, ["order not found"]),
    ],
)
def test_only_the_exchange_itself_may_say_that_an_order_is_not_there(answer: Answer) -> None:
    """A gateway's 404 is an outage: "not sent" would be concluded from it."""
    with door(in_turn(answer)) as opened:
        for ask in (
            lambda: opened.exchange.order_by_client_id("spy-1"),
            lambda: opened.exchange.order(ORDER_ID),
            lambda: opened.exchange.cancel(ORDER_ID),
        ):
            with pytest.raises(ExchangeUnavailable):
                ask()


def test_an_order_that_is_not_there() -> None:
    """The exchange's own 404 is NotFound, asked once."""
    missing = Answer(404, {"code": 40410000, "message": "order not found for spy-1"})
    with door(in_turn(missing)) as opened:
        with pytest.raises(NotFound):
            opened.exchange.order_by_client_id("spy-1")
        with pytest.raises(NotFound):
            opened.exchange.cancel(ORDER_ID)
        assert len(opened.asked) == 2


def test_a_cancel_is_repeated_after_no_answer() -> None:
    """Cancelling twice does no harm, so a lost answer is asked for again."""
    with door(in_turn(Answer(reset=True), Answer(204))) as opened:
        opened.exchange.cancel(ORDER_ID)
        assert opened.asked == [f"DELETE /v2/orders/{ORDER_ID}"] * 2


def test_a_final_order_cannot_be_cancelled() -> None:
    """422 on a cancel is NotCancelable."""
    final = Answer(422, {"code": 42210000, "message": "order is not cancelable"})
    with door(in_turn(final)) as opened, pytest.raises(NotCancelable):
        opened.exchange.cancel(ORDER_ID)
