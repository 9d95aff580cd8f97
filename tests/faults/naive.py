"""The version that most people write first, under the same faults. Nothing of ztrade's safeguards is in here.

One Celery task per slot: acknowledged late, rejected when its worker is lost, retried three times; it asks alpaca-py
for the position, sends a market order without an id of its own, and then writes down what it sent.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import URLError

import requests
from celery import Celery
from kombu.exceptions import OperationalError

from tests.faults import plan
from tests.faults.stops import Stops

if TYPE_CHECKING:
    from tests.faults.stack import Stack

TASK = "naive.trade"
#: wall seconds for a slot to be traded before the clock moves on
PATIENCE = 8.0
RETRY_AFTER = 0.5


def make_app(stack: Stack) -> Celery:
    """Return the application, as its sender and its worker need it."""
    app = Celery("naive", broker=f"redis+socket://{stack.redis_socket}")
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        task_ignore_result=True,
        broker_transport_options={"socket_timeout": 5.0},
    )
    return app


def worker(stack: Stack, stops: Path) -> None:
    """Run one prefork worker with one child."""
    app = make_app(stack)
    trader = Trader(stack, Stops(stops, stack.point))

    @app.task(name=TASK, bind=True, max_retries=3)  # type: ignore[untyped-decorator]
    def trade(self: Any, slot: str) -> None:
        try:
            trader.trade(datetime.fromisoformat(slot))
        except Exception as error:
            raise self.retry(exc=error, countdown=RETRY_AFTER) from error

    app.Worker(concurrency=1, quiet=True, loglevel="WARNING", without_mingle=True, without_gossip=True).start()


class Trader:
    """What the task does; its stops lie where ztrade's steps have their like."""

    def __init__(self, stack: Stack, stops: Stops) -> None:
        self._stack, self._stops = stack, stops
        self._client: Any = None

    def trade(self, slot: datetime) -> None:
        """Buy, sell or do nothing, and write it down."""
        self._step("journal.claim", lambda *_: None, "", slot)
        self._step("journal.intents", lambda: None)
        side = self._step("gather", self._wanted, slot)
        self._step("strategy", lambda: side)
        order = None
        if side:
            self._step("exchange.cancel", lambda: None)
            self._step("journal.plan", lambda: None)
            self._step("halts.reason", lambda: None)
            order = self._step("exchange.submit", self._submit, side)
            self._step("journal.resolve", lambda: None)
        self._step("journal.finish", lambda: self._write(slot, order))

    def _step(self, label: str, call: Callable[..., Any], *args: Any) -> Any:
        return self._stops.around(label, call, args, {})

    def _wanted(self, slot: datetime) -> tuple[str, float] | None:
        held = [position for position in self._door().get_all_positions() if position.symbol == plan.SYMBOL]
        word = plan.word(slot)
        if word == "B" and not held:
            return "buy", 24.0
        return ("sell", float(held[0].qty)) if word == "X" and held else None

    def _submit(self, wanted: tuple[str, float]) -> Any:
        from alpaca.trading.requests import MarketOrderRequest

        side, qty = wanted
        values: dict[str, Any] = {"symbol": plan.SYMBOL, "qty": qty, "side": side, "time_in_force": "day"}
        return self._door().submit_order(MarketOrderRequest(**values))

    def _write(self, slot: datetime, order: Any) -> None:
        line = json.dumps({"slot": slot.isoformat(), "order": None if order is None else str(order.id)})
        with ledger(self._stack).open("a", encoding="ascii") as file:
            file.write(line + "\n")

    def _door(self) -> Any:
        if self._client is None:
            from alpaca.trading.client import TradingClient

            self._client = TradingClient("key", "secret", url_override=self._stack.url)
            send = self._client._session.request
            # alpaca-py waits for ever; with that alone a hang would never end
            self._client._session.request = lambda *a, **o: send(*a, **{**o, "timeout": 2.0})
        return self._client


def ledger(stack: Stack) -> Path:
    """Return where the naive version writes down what it did."""
    return stack.state / "ledger.jsonl"


def lines(stack: Stack) -> list[dict[str, Any]]:
    """Return what it wrote down."""
    with contextlib.suppress(OSError):
        return [json.loads(line) for line in ledger(stack).read_text().splitlines()]
    return []


def beat(stack: Stack) -> None:
    """Send one message per slot, wait for its line, then let exchange time go on."""
    app = make_app(stack)
    while True:
        with contextlib.suppress(URLError, OSError, ValueError, requests.RequestException):
            now = datetime.fromisoformat(stack.url.clock()["now"])
            number = plan.number_of(now)
            if number >= 1:
                _one(app, stack, plan.slot(number))
            if number >= plan.SLOTS:
                stack.url.advance(plan.until())
                return
            stack.url.advance(plan.slot(number + 1))
        time.sleep(0.01)


def _one(app: Celery, stack: Stack, slot: datetime) -> None:
    with contextlib.suppress(OperationalError, OSError):
        app.send_task(TASK, (slot.isoformat(),), retry=False)
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and not any(line["slot"] == slot.isoformat() for line in lines(stack)):
        time.sleep(0.02)
