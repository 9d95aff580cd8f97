"""Alpaca's own clients, and the embedded exchange that they talk to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from alpaca.common.exceptions import APIError
from alpaca.data.historical.news import NewsClient
from alpaca.data.historical.stock import StockHistoricalDataClient
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import (
    OrderClass,
    OrderSide,
    TimeInForce,
)
from alpaca.trading.models import (
    Order,
    Position,
)
from alpaca.trading.requests import (
    GetOrderByIdRequest,
    GetOrdersRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    StopLossRequest,
    TakeProfitRequest,
)

from ztrade.adapters.calendar.nyse import NyseCalendar
from ztrade.domain.types import NewsItem
from ztrade.testing.exchange_server import ExchangeUrl, running
from ztrade.testing.tapes import wave_tape

OPEN = datetime(2022, 8, 15, 13, 30, tzinfo=UTC)
STORIES = tuple(
    NewsItem(str(number), OPEN - timedelta(hours=number), f"Story {number}", f"It's no {number}", "wire", tags)
    for number, tags in enumerate([("AAPL",), ("AAPL", "SPY"), ("TSLA",), ()], 1)
)


@dataclass
class World:
    """The exchange and Alpaca's clients for it."""

    url: ExchangeUrl
    trading: TradingClient
    data: StockHistoricalDataClient
    news: NewsClient

    def wait(self, minutes: int = 5) -> None:
        """Let exchange time pass."""
        now = datetime.fromisoformat(self.url.clock()["now"])
        self.url.advance(now + timedelta(minutes=minutes))

    def buy(self, symbol: str = "AAPL", qty: float = 10, **more: Any) -> Order:
        request = MarketOrderRequest(
            symbol=symbol, qty=qty, side=OrderSide.BUY, time_in_force=more.pop("time_in_force", TimeInForce.DAY), **more
        )
        return cast("Order", self.trading.submit_order(request))

    def limit(self, price: float, symbol: str = "AAPL", **more: Any) -> Order:
        request = LimitOrderRequest(
            symbol=symbol, qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.DAY, limit_price=price, **more
        )
        return cast("Order", self.trading.submit_order(request))

    def bracket(self) -> Order:
        return self.buy(
            time_in_force=TimeInForce.GTC,
            order_class=OrderClass.BRACKET,
            take_profit=TakeProfitRequest(limit_price=110),
            stop_loss=StopLossRequest(stop_price=90),
        )

    def read(self, order: Order, *, nested: bool = True) -> Order:
        return cast("Order", self.trading.get_order_by_id(order.id, GetOrderByIdRequest(nested=nested)))

    def orders(self, **filters: Any) -> list[Order]:
        return cast("list[Order]", self.trading.get_orders(GetOrdersRequest(**filters)))

    def positions(self) -> list[Position]:
        return cast("list[Position]", self.trading.get_all_positions())


@contextmanager
def opened() -> Iterator[World]:
    """Serve the waves of prices, and open Alpaca's clients for it."""
    tape = wave_tape(NyseCalendar(), stories=STORIES)
    with running(tape, start=OPEN) as url:
        keys: dict[str, Any] = {"api_key": "key", "secret_key": "secret", "url_override": str(url)}
        trading, data, news = TradingClient(**keys), StockHistoricalDataClient(**keys), NewsClient(**keys)
        clients = (trading, data, news)
        for client in clients:
            client._retry = 0
        yield World(url, *clients)
        for client in clients:
            client._session.close()


def refusal(error: pytest.ExceptionInfo[APIError]) -> tuple[int, int, str]:
    """Return status, code and message of a refusal."""
    return error.value.status_code, error.value.code, error.value.message
