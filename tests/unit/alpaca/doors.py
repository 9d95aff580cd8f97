"""What the adapter's tests share: bodies as Alpaca sends them, and a gateway to a scripted server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from ztrade.adapters.alpaca import AlpacaExchange, AlpacaSettings, Gateway
from ztrade.testing.scripted_server import Script, ScriptedServer, scripted

#: for tests in which nobody answers
BRIEF = timedelta(seconds=0.3)


def settings(url: str, **changes: Any) -> AlpacaSettings:
    """Write settings; patience is the usual one, because a busy machine is no outage."""
    return AlpacaSettings("paper", "PKTEST", "secret-word", url, url, **changes)


class Time:
    """Monotonic time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Naps:
    """Remembers how long the gateway wanted to sleep, and does not."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


class Counted:
    """Remembers what was counted: oddities of the answers, and how requests went."""

    def __init__(self) -> None:
        self.counts: list[tuple[str, Mapping[str, str]]] = []
        self.requests: list[tuple[str, Mapping[str, str]]] = []

    def observe(self, name: str, value: float, labels: Mapping[str, str] | None = None) -> None:
        """Nobody looks at these."""

    def count(self, name: str, value: float = 1, labels: Mapping[str, str] | None = None) -> None:
        found = self.requests if name.startswith("ztrade_exchange") else self.counts
        found.append((name, labels or {}))


class Door:
    """A scripted server with the adapter in front of it."""

    def __init__(self, server: ScriptedServer, **changes: Any) -> None:
        self.server = server
        self.naps, self.counted = Naps(), Counted()
        self.gateway = Gateway(settings(server.url, **changes), None, self.counted, sleep=self.naps, jitter=lambda: 0.5)
        self.exchange = AlpacaExchange(self.gateway)

    @property
    def asked(self) -> list[str]:
        """Return the requests so far, as method and path."""
        return [f"{asked.method} {asked.path}" for asked in self.server.asked]


@contextmanager
def door(script: Script, **changes: Any) -> Iterator[Door]:
    """Serve the script and give the adapter in front of it."""
    with scripted(script) as server:
        opened = Door(server, **changes)
        try:
            yield opened
        finally:
            opened.gateway.close()


def order_body(**changes: Any) -> dict[str, Any]:
    """Write an order as the trading API sends it."""
    return {
        "id": "61e69015-8549-4bfd-b9c3-01e75843f47d",
        "client_order_id": "spy-20220822T1400-entry",
        "created_at": "2022-08-22T14:00:00.000000123Z",
        "updated_at": "2022-08-22T14:00:00.3Z",
        "submitted_at": "2022-08-22T14:00:00.123456789Z",
        "filled_at": None,
        "expired_at": None,
        "canceled_at": None,
        "failed_at": None,
        "replaced_at": None,
        "replaced_by": None,
        "replaces": None,
        "asset_id": "b28f4066-5c6d-479b-a2af-85dc1a8f16fb",
        "symbol": "SPY",
        "asset_class": "us_equity",
        "notional": None,
        "qty": "5",
        "filled_qty": "0",
        "filled_avg_price": None,
        "order_class": "",
        "order_type": "market",
        "type": "market",
        "side": "buy",
        "position_intent": "buy_to_open",
        "time_in_force": "day",
        "limit_price": None,
        "stop_price": None,
        "status": "pending_new",
        "extended_hours": False,
        "legs": None,
        "trail_percent": None,
        "trail_price": None,
        "hwm": None,
        "subtag": None,
        "source": None,
        **changes,
    }


def account_body(**changes: Any) -> dict[str, Any]:
    """Write an account as the trading API sends it since July 2026, without the day-trading fields."""
    return {
        "id": "e6fe16f3-64a4-4921-8928-cadf02f92f98",
        "account_number": "PA3717PJAYWN",
        "status": "ACTIVE",
        "currency": "USD",
        "cash": "98012.25",
        "equity": "100010.5",
        "last_equity": "100000",
        "buying_power": "198022.75",
        "trading_blocked": False,
        "account_blocked": False,
        "trade_suspended_by_user": False,
        **changes,
    }


def position_body(**changes: Any) -> dict[str, Any]:
    """Write a position as the trading API sends it."""
    return {
        "symbol": "SPY",
        "side": "long",
        "qty": "5",
        "qty_available": "0",
        "avg_entry_price": "400.64",
        "market_value": "2003.5",
        "current_price": "400.7",
        **changes,
    }


def fill_body(number: int = 1, **changes: Any) -> dict[str, Any]:
    """Write a fill as the account book has it."""
    return {
        "id": f"20220822100000{number:03}::a15129aa-5e06-5ccc-aeb2-c79092dc{number:04}",
        "activity_type": "FILL",
        "transaction_time": "2022-08-22T14:00:00.300Z",
        "type": "fill",
        "price": "400.64",
        "qty": "5",
        "side": "buy",
        "symbol": "SPY",
        "leaves_qty": "0",
        "order_id": "61e69015-8549-4bfd-b9c3-01e75843f47d",
        "cum_qty": "5",
        "order_status": "filled",
        **changes,
    }
