"""The adapter against the served exchange with faults on demand: what it says must be what the exchange has."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from tests.contract.venues import BEGIN, CALENDAR
from ztrade.adapters.alpaca import AlpacaExchange, AlpacaMarketData, AlpacaSettings, Gateway
from ztrade.adapters.clock import EmbeddedClock
from ztrade.domain.types import OrderClass, OrderRequest, OrderStatus, Side, TimeInForce
from ztrade.errors import AccessDenied, DuplicateOrderId, ExchangeUnavailable, NotFound, OutcomeUnknown, RateLimited
from ztrade.testing.exchange_server import ExchangeUrl, running
from ztrade.testing.tapes import wave_tape

ORDER = OrderRequest("aapl-20220815T1400-entry", "AAPL", Side.BUY, Decimal(10))


@dataclass
class World:
    """The served exchange, and the adapter in front of it."""

    url: ExchangeUrl
    exchange: AlpacaExchange
    data: AlpacaMarketData
    gateway: Gateway


@pytest.fixture
def world() -> Iterator[World]:
    """Give a served exchange with a wave of prices."""
    with running(wave_tape(CALENDAR), start=BEGIN, calendar=CALENDAR) as url:
        settings = AlpacaSettings("embedded", "key", "secret", str(url), str(url), feed=None)
        gateway = Gateway(settings, sleep=lambda _seconds: None)
        yield World(url, AlpacaExchange(gateway), AlpacaMarketData(gateway, CALENDAR), gateway)
        gateway.close()


@pytest.mark.parametrize("kind", ["504", "reset_after"])
def test_an_order_whose_answer_was_lost_is_there_once(world: World, kind: str) -> None:
    """The outcome is unknown; asking by id finds it; sending it again would be refused, not doubled."""
    world.url.fault(kind, method="POST", path="/v2/orders$")
    with pytest.raises(OutcomeUnknown):
        world.exchange.submit(ORDER)
    found = world.exchange.order_by_client_id(ORDER.client_order_id)
    assert (found.symbol, found.side, found.qty) == (ORDER.symbol, ORDER.side, ORDER.qty)
    with pytest.raises(DuplicateOrderId):
        world.exchange.submit(ORDER)
    assert len(world.exchange.orders()) == 1


@pytest.mark.parametrize("kind", ["reset_before", "500"])
def test_an_order_that_never_landed_is_not_there(world: World, kind: str) -> None:
    """From here it looks the same: unknown. Asking by id says that it is not there."""
    world.url.fault(kind, method="POST", path="/v2/orders$")
    with pytest.raises(OutcomeUnknown):
        world.exchange.submit(ORDER)
    with pytest.raises(NotFound):
        world.exchange.order_by_client_id(ORDER.client_order_id)


def test_an_order_that_hangs_is_unknown_in_time(world: World) -> None:
    """The deadline of a submit holds."""
    world.url.fault("hang", method="POST", path="/v2/orders$", seconds=5)
    hurried = Gateway(replace(world.gateway.settings, submit_deadline=timedelta(seconds=0.5)))
    begun = time.monotonic()
    with pytest.raises(OutcomeUnknown):
        AlpacaExchange(hurried).submit(ORDER)
    assert time.monotonic() - begun < 4
    hurried.close()


def test_a_delivery_that_was_doubled_is_one_order(world: World) -> None:
    """A request that reaches the exchange twice makes one order."""
    world.url.fault("duplicate")
    try:
        world.exchange.submit(ORDER)
    except DuplicateOrderId:
        assert world.exchange.order_by_client_id(ORDER.client_order_id).qty == ORDER.qty
    assert len(world.exchange.orders()) == 1


@pytest.mark.parametrize("headers", [True, False])
def test_too_many_requests(world: World, headers: bool) -> None:
    """A refused order is not there; a refused read is asked again."""
    world.url.fault("429", method="POST", headers=headers)
    with pytest.raises(RateLimited):
        world.exchange.submit(ORDER)
    world.url.clear_faults()
    with pytest.raises(NotFound):
        world.exchange.order_by_client_id(ORDER.client_order_id)
    world.url.fault("429", method="GET", headers=False)
    assert world.exchange.account().cash == 100_000


@pytest.mark.parametrize("kind", ["500", "reset_before", "reset_after", "504"])
def test_one_failure_costs_a_read_nothing(world: World, kind: str) -> None:
    """Reads are tried again; failures that go on are an outage for each of them."""
    world.url.fault(kind, method="GET")
    assert world.exchange.positions() == []
    world.url.fault(kind, method="GET", times=None)
    for ask in (world.exchange.positions, world.exchange.orders, world.exchange.activities, world.exchange.account):
        with pytest.raises(ExchangeUnavailable):
            ask()


def test_a_field_that_is_gone(world: World) -> None:
    """A vanished optional field is no matter; a vanished essential one is an outage, for a submit an unknown."""
    world.url.fault("schema_drift", path="/v2/account$", remove=["trading_blocked", "account_number", "status"])
    assert world.exchange.account().equity == 100_000
    world.url.fault("schema_drift", path="/v2/account$", remove=["cash"])
    with pytest.raises(ExchangeUnavailable, match="cash"):
        world.exchange.account()
    world.url.fault("schema_drift", method="POST", path="/v2/orders$", remove=["id"])
    with pytest.raises(OutcomeUnknown):
        world.exchange.submit(ORDER)


def test_a_value_that_is_new(world: World) -> None:
    """An order in a status that nobody knows is read as OTHER, and stays adoptable."""
    world.exchange.submit(ORDER)
    world.url.fault("schema_drift", path="/v2/orders", set={"status": "pending_review"})
    assert world.exchange.order_by_client_id(ORDER.client_order_id).status is OrderStatus.OTHER


def test_a_rejected_order_has_ended(world: World) -> None:
    """An order that the exchange takes and then rejects ends without a fill."""
    world.url.fault("rejected")
    sent = world.exchange.submit(ORDER)
    world.url.advance(BEGIN + timedelta(minutes=1))
    order = world.exchange.order(sent.id)
    assert (order.status, order.filled_qty) == (OrderStatus.REJECTED, Decimal(0))
    assert order.ended_at is not None


def test_a_split_overnight_reaches_the_books(world: World) -> None:
    """Shares, cost and resting legs are adjusted, and the account book says so."""
    entry = OrderRequest(
        "aapl-20220815T1400-entry",
        "AAPL",
        Side.BUY,
        Decimal(10),
        order_class=OrderClass.BRACKET,
        time_in_force=TimeInForce.GTC,
        take_profit=Decimal(150),
        stop_loss=Decimal(50),
    )
    sent = world.exchange.submit(entry)
    world.url.advance(BEGIN + timedelta(minutes=5))
    world.url.fault("split", symbol="AAPL", ratio=2)
    world.url.advance(BEGIN + timedelta(days=1))
    (position,) = world.exchange.positions()
    assert position.qty == 20
    assert [leg.qty for leg in world.exchange.order(sent.id).legs] == [20, 20]
    split = [activity for activity in world.exchange.activities() if activity.kind == "SPLIT"]
    assert {(half.symbol, half.net_amount) for half in split} == {("AAPL", Decimal(0))}
    assert {half.qty for half in split} == {Decimal(-10), Decimal(20)}


def test_wrong_keys() -> None:
    """Keys that the exchange does not know are said in words that help."""
    with running(wave_tape(CALENDAR), start=BEGIN, calendar=CALENDAR, keys={"right": "secret"}) as url:
        gateway = Gateway(AlpacaSettings("paper", "PKWRONG", "secret", str(url), str(url)))
        with pytest.raises(AccessDenied, match="check key_id and secret_key of account paper"):
            AlpacaExchange(gateway).account()
        gateway.close()


def test_the_clock_follows_the_exchange(world: World) -> None:
    """The follower sees every step, moves the clock itself, and says when the exchange is gone."""
    clock = EmbeddedClock(str(world.url))
    assert clock.now() == BEGIN
    assert clock.advance_to(BEGIN + timedelta(minutes=5)) == BEGIN + timedelta(minutes=5)
    world.url.advance(BEGIN + timedelta(minutes=10))
    assert clock.now() == BEGIN + timedelta(minutes=10) == world.exchange.clock().now
    status = clock.status()
    assert status.stands
    assert status.is_open
    with pytest.raises(ExchangeUnavailable, match="409"):
        clock.advance_to(BEGIN + timedelta(days=400))
    clock.close()


def test_a_running_exchange_is_followed_closely() -> None:
    """At 600 times the speed, the follower stays within a second of wall time of the exchange."""
    with running(wave_tape(CALENDAR), start=BEGIN, calendar=CALENDAR, speed=600.0) as url:
        clock = EmbeddedClock(str(url))
        before = clock.now()
        for _ in range(50):
            assert clock.now() >= before
            before = clock.now()
        apart = abs(datetime.fromisoformat(url.clock()["now"]) - clock.now())
        assert apart < timedelta(seconds=600)
        clock.close()
