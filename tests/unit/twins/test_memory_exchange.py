"""The exchange in memory fails when told, and does what was asked first where only the answer was lost."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from ztrade.domain.types import OrderRequest, OrderStatus, Side
from ztrade.errors import ExchangeUnavailable, NotFound, OutcomeUnknown
from ztrade.testing.exchange import memory_exchange

ORDER = OrderRequest("spy-1", "SPY", Side.BUY, Decimal(1))


def test_it_fails_as_often_as_told() -> None:
    """The next calls of the method fail, the others do not, and then it works again."""
    exchange = memory_exchange()
    exchange.fail("account", ExchangeUnavailable("down"), times=2)
    for _ in range(2):
        with pytest.raises(ExchangeUnavailable, match="down"):
            exchange.account()
    assert exchange.positions() == []
    assert exchange.account().cash == 100_000
    assert exchange.calls == ["account", "account", "positions", "account"]


def test_an_order_may_land_though_the_answer_is_lost() -> None:
    """With ``landed`` the order is there, without it is not."""
    for landed in (True, False):
        exchange = memory_exchange()
        exchange.fail("submit", OutcomeUnknown("spy-1", "timed out"), landed=landed)
        with pytest.raises(OutcomeUnknown):
            exchange.submit(ORDER)
        if landed:
            assert exchange.order_by_client_id("spy-1").qty == 1
        else:
            with pytest.raises(NotFound):
                exchange.order_by_client_id("spy-1")


def test_time_moves_when_told_and_fills_follow() -> None:
    """The clock is the engine's: after it moved, the market order is filled."""
    exchange = memory_exchange(cash=Decimal(1000))
    sent = exchange.submit(ORDER)
    exchange.advance(exchange.now() + timedelta(minutes=1))
    assert exchange.order(sent.id).status is OrderStatus.FILLED
    assert exchange.account().cash < 1000
    assert len(exchange.bars("SPY", exchange.now() - timedelta(days=2), exchange.now())) > 78
    assert exchange.quote("SPY").bid > 0
    assert exchange.news("SPY", exchange.now(), exchange.now()) == []
