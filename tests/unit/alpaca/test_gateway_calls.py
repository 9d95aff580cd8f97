"""How calls are made: ids, keys, connections of threads and children, the budget, and what is counted."""

from __future__ import annotations

import os
import threading
from decimal import Decimal

import pytest

from tests.unit.alpaca.doors import Time, account_body, door, order_body, settings
from ztrade.adapters.alpaca import AlpacaExchange, Gateway
from ztrade.adapters.budget import LocalBudget
from ztrade.domain.types import OrderRequest, Side
from ztrade.errors import (
    ExchangeUnavailable,
    InvalidOrder,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    ZtradeError,
)
from ztrade.testing.scripted_server import Answer, in_turn, scripted

ORDER = OrderRequest("spy-20220822T1400-entry", "SPY", Side.BUY, Decimal(5))
GOOD = Answer(body=account_body())


@pytest.mark.parametrize("order_id", ["", " ", ".", "..", "../account", "a/b", "a?b", "a#b", "ü", "x" * 65, "a\nb"])
def test_no_id_never_becomes_another_path(order_id: str) -> None:
    """An empty id would name all orders, and deleting them cancels all: nothing is sent."""
    with door(in_turn(Answer(204))) as opened:
        for ask in (opened.exchange.cancel, opened.exchange.order):
            with pytest.raises(InvalidOrder):
                ask(order_id)
        assert opened.asked == []


def test_another_order_than_asked_for_is_an_outage() -> None:
    """An answer about a different order is never adopted."""
    with door(in_turn(Answer(body=order_body(client_order_id="somebody-else")))) as opened:
        with pytest.raises(ExchangeUnavailable):
            opened.exchange.order_by_client_id(ORDER.client_order_id)
        with pytest.raises(OutcomeUnknown):
            opened.exchange.submit(ORDER)


def test_the_environment_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies of the environment are not used: the configuration alone says where orders go."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with door(in_turn(GOOD)) as opened:
        assert opened.exchange.account().status == "ACTIVE"


def test_keys_are_sent_and_round_trips_counted() -> None:
    """Every request carries the keys; retries count as the round trips they are."""
    with door(in_turn(Answer(503), GOOD)) as opened:
        opened.exchange.account()
        assert opened.server.asked[0].headers["APCA-API-KEY-ID"] == "PKTEST"
        assert opened.gateway.stats.requests == 2
        assert 0 < opened.gateway.stats.seconds < 2


def test_threads_do_not_share_connections() -> None:
    """Each thread has a connection of its own, and keeps it."""
    with door(in_turn(GOOD)) as opened:
        barrier = threading.Barrier(3)

        def ask() -> None:
            for _ in range(3):
                barrier.wait(30)
                opened.exchange.account()
            opened.gateway.close()

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        by_peer = [asked.peer for asked in opened.server.asked]
        assert len(by_peer) == 9
        assert len(set(by_peer)) == 3


def test_a_forked_child_has_its_own_connections() -> None:
    """A worker forked from a parent that already asked does not speak on the parent's connection."""
    with door(in_turn(GOOD)) as opened:
        opened.exchange.account()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = 0 if opened.exchange.account().status == "ACTIVE" else 1
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        opened.exchange.account()
        first, forked, again = (asked.peer for asked in opened.server.asked)
        assert first == again != forked


def test_no_budget_means_nothing_is_sent() -> None:
    """When our own budget is used up, neither reads nor orders leave."""
    with scripted(in_turn(GOOD)) as server:
        budget = LocalBudget(2, 1, sleep=lambda _seconds: None)
        gateway = Gateway(settings(server.url), budget)
        exchange = AlpacaExchange(gateway)
        exchange.account()
        with pytest.raises(RateLimited, match="budget"):
            exchange.account()
        with pytest.raises(OutcomeUnknown):
            exchange.submit(ORDER)
        with pytest.raises(RateLimited, match="budget"):
            exchange.submit(ORDER)
        assert [asked.method for asked in server.asked] == ["GET", "POST"]
        gateway.close()


def test_an_order_does_not_wait_long_for_its_place() -> None:
    """The halt was looked at before: one that comes while the order waits must hold within a second."""
    with scripted(in_turn(GOOD)) as server:
        time = Time()
        budget = LocalBudget(1, 0, monotonic=time, sleep=time.sleep)
        exchange = AlpacaExchange(Gateway(settings(server.url), budget))
        exchange.account()
        time.now += 59.2
        with pytest.raises(RateLimited, match="budget"):
            exchange.submit(ORDER)
        assert [asked.method for asked in server.asked] == ["GET"]
        time.now += 0.4
        with pytest.raises(OutcomeUnknown):
            exchange.submit(ORDER)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(500, {"message": "no"}), "server"),
        (Answer(404, b"<html>"), "server"),
        (Answer(reset=True), "timeout"),
        (Answer(200, b"<html>"), "server"),
        (Answer(429, {"message": "too many"}), "throttled"),
        (Answer(401, {"message": "unauthorized."}), "denied"),
        (Answer(422, {"code": 40010001, "message": "qty is required"}), "refused"),
    ],
)
def test_requests_without_a_usable_answer_are_counted_by_kind(answer: Answer, kind: str) -> None:
    """Each try is a request of its own."""
    with door(lambda _asked: answer) as opened:
        with pytest.raises(ZtradeError):
            opened.exchange.account()
        requests = [labels for name, labels in opened.counted.requests if name == "ztrade_exchange_requests_total"]
        errors = [labels for name, labels in opened.counted.requests if name == "ztrade_exchange_errors_total"]
    account = opened.gateway.settings.account
    assert requests == [{"account": account}] * len(opened.asked)
    assert errors == [{"account": account, "kind": kind}] * len(opened.asked)


def test_that_there_is_no_such_order_is_an_answer() -> None:
    """It is what recovery asks for."""
    with door(lambda _asked: Answer(404, {"code": 40410000, "message": "order not found"})) as opened:
        with pytest.raises(NotFound):
            opened.exchange.order("61e69015")
        assert [name for name, _ in opened.counted.requests] == ["ztrade_exchange_requests_total"]
