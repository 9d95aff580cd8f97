"""The journals that the contract is held against, and the values of its stories."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import sqlalchemy as sa

from tests.faults import postgres
from ztrade.adapters.journal import open_journal
from ztrade.adapters.journal.store import SqlJournal
from ztrade.domain.ledger import Claim, CycleKind, CycleRecord, Holding, Intent, IntentState, Observed, Outcome
from ztrade.domain.types import (
    Activity,
    Leg,
    Order,
    OrderClass,
    OrderRequest,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
)
from ztrade.ports import Journal
from ztrade.testing.journal import MemoryJournal

_SERVE = "import pathlib, sys; from tests.faults import postgres; postgres.serve(pathlib.Path(sys.argv[1]))"

AnyJournal = SqlJournal | MemoryJournal
KINDS = ["twin", "sqlite", "postgresql"]
#: the same for stories of thousands of steps, for which a server takes its time
AND_SLOW = ["twin", "sqlite", pytest.param("postgresql", marks=pytest.mark.slow)]

#: the session's start, and the lease of every claim here
OPEN = datetime(2022, 8, 22, 13, 30, tzinfo=UTC)
LEASE = timedelta(minutes=10)
CASH = Decimal("100000.25")
ACCOUNT = "paper"


def make(kind: str, directory: Path) -> Iterator[AnyJournal]:
    """Give an empty journal of one kind, and close it afterwards."""
    if kind == "twin":
        yield MemoryJournal()
        return
    journal = open_journal(empty_sqlite(directory) if kind == "sqlite" else empty_postgres())
    yield journal
    journal.close()


def empty_sqlite(directory: Path) -> str:
    """Return the URL of an empty journal: a copy of one that was made once, because migrating takes its time."""
    path = directory / "journal.db"
    path.write_bytes(_template())
    return f"sqlite:///{path}"


@cache
def _template() -> bytes:
    with TemporaryDirectory() as directory:
        path = Path(directory, "journal.db")
        open_journal(f"sqlite:///{path}").close()
        return path.read_bytes()


def empty_postgres() -> str:
    """Return the URL of an empty journal on a real server: a copy of one that was made once."""
    folder = _server()
    admin = sa.create_engine(_driver(postgres.url(folder)), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql("DROP DATABASE IF EXISTS contract WITH (FORCE)")
        connection.exec_driver_sql("CREATE DATABASE contract TEMPLATE template1")
    admin.dispose()
    return _named(folder, "contract")


def isolate(url: str, level: str) -> None:
    """Make a level of isolation the default of every later connection to a database of the real server."""
    admin = sa.create_engine(_driver(url), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE contract SET default_transaction_isolation = '{level}'")
    admin.dispose()


def _driver(url: str) -> sa.URL:
    return sa.make_url(url).set(drivername="postgresql+psycopg")


def _named(folder: Path, database: str) -> str:
    return postgres.url(folder).replace("/postgres?", f"/{database}?")


@cache
def _server() -> Path:
    """Start a server for this process, with the journal's tables in its template; skip, in CI fail, without one."""
    trouble = postgres.trouble()
    if trouble:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(trouble)
    place = TemporaryDirectory(prefix="zp-")
    folder = Path(place.name, "pg")
    postgres.make(folder)
    server = subprocess.Popen([sys.executable, "-c", _SERVE, str(folder)], stderr=subprocess.DEVNULL)
    atexit.register(place.cleanup)
    atexit.register(server.wait, 20)
    atexit.register(server.send_signal, signal.SIGINT)
    until = time.monotonic() + 30
    while not postgres.answers(folder):
        assert time.monotonic() < until, "PostgreSQL does not answer"
        time.sleep(0.05)
    open_journal(_named(folder, "template1")).close()
    return folder


def at(minutes: float) -> datetime:
    """Return an instant by its minutes after the open."""
    return OPEN + timedelta(minutes=minutes)


def claim(
    journal: Journal, minutes: float = 5, kind: CycleKind = CycleKind.SLOT, agent: str = "spy", **more: Any
) -> Claim:
    """Claim a cycle that must be free."""
    values: dict[str, Any] = {"owner": "worker-1", "now": at(minutes), "wall": at(minutes), "lease": LEASE}
    found = journal.claim(agent, at(minutes), kind, **(values | more))
    assert found is not None
    return found


def record(held: Claim, outcome: Outcome = Outcome.HELD, reason: str = "held: calm", **more: Any) -> CycleRecord:
    """Return the record with which the claim's cycle ends."""
    values: dict[str, Any] = {"started_at": held.slot, "finished_at": held.slot + timedelta(seconds=2)} | more
    return CycleRecord(held.cycle_id, held.agent, held.slot, held.kind, outcome, reason, token=held.token, **values)


def see_equity(
    journal: Journal, scope: str, minutes: float, value: str | int, capital: str | int | None = None
) -> None:
    """Let a cycle of some agent see one point of an equity curve, which perhaps says which capital it contains."""
    capitals = {} if capital is None else {scope: Decimal(capital)}
    seen = Observed(at(minutes), "SPY", {scope: Decimal(value)}, capitals=capitals)
    held = claim(journal, minutes, CycleKind.EXTRA, "clerk")
    journal.finish(held, record(held), seen)


def request(name: str, side: Side = Side.BUY, qty: int = 10, **more: Any) -> OrderRequest:
    """Return an order as we would send it."""
    return OrderRequest(name, "SPY", side, Decimal(qty), **more)


def intent(held: Claim, name: str, leg: Leg = Leg.ENTRY, minutes: float = 5, **more: Any) -> Intent:
    """Return an intent of the claim's agent."""
    wanted = more.pop("request", None) or request(name, Side.BUY if leg is Leg.ENTRY else Side.SELL)
    account = more.pop("account", ACCOUNT)
    return Intent(
        held.agent, account, held.cycle_id, leg, wanted, IntentState.PLANNED, at(minutes), at(minutes), **more
    )


def order(order_id: str, name: str = "", **more: Any) -> Order:
    """Return an order as the exchange has it: 10 SPY to buy, new."""
    values: dict[str, Any] = {
        "client_order_id": name or order_id,
        "symbol": "SPY",
        "side": Side.BUY,
        "type": OrderType.MARKET,
        "order_class": OrderClass.SIMPLE,
        "time_in_force": TimeInForce.GTC,
        "qty": Decimal(10),
        "filled_qty": Decimal(0),
        "status": OrderStatus.NEW,
        "submitted_at": at(5),
    }
    return Order(id=order_id, **(values | more))


def bracket(order_id: str, name: str, **more: Any) -> Order:
    """Return an entry with its stop (``ID-stop``) and its target (``ID-target``)."""
    sell: dict[str, Any] = {"side": Side.SELL, "order_class": OrderClass.BRACKET, "status": OrderStatus.HELD}
    sell["submitted_at"] = more.get("submitted_at", at(5))
    stop = order(f"{order_id}-stop", type=OrderType.STOP, stop_price=Decimal("392.5"), **sell)
    target = order(f"{order_id}-target", type=OrderType.LIMIT, limit_price=Decimal(416), **sell)
    return order(order_id, name, order_class=OrderClass.BRACKET, legs=(stop, target), **more)


def fill(
    name: str, order_id: str, minutes: float, qty: str = "10", price: str = "400", side: Side = Side.BUY, **more: Any
) -> Activity:
    """Return a fill as the exchange's account book has it."""
    money = Decimal(qty) * Decimal(price) * (-1 if side is Side.BUY else 1)
    values: dict[str, Any] = {
        "symbol": "SPY",
        "order_id": order_id,
        "side": side,
        "qty": Decimal(qty),
        "price": Decimal(price),
    }
    return Activity(name, "FILL", at(minutes), money, **(values | more))


def send(journal: Journal, name: str, order_id: str, minutes: float = 5, agent: str = "spy") -> Claim:
    """Run a cycle that enters with a bracket."""
    held = claim(journal, minutes, agent=agent)
    journal.plan(held, intent(held, name, minutes=minutes))
    journal.resolve(name, IntentState.SENT, order=bracket(order_id, name, submitted_at=at(minutes)))
    journal.finish(held, record(held, Outcome.ENTERED, "entered: up"))
    return held


def sold(name: str, order_id: str, minutes: float, qty: str = "10", price: str = "410") -> Activity:
    """Return a fill that sells."""
    return fill(name, order_id, minutes, qty, price, side=Side.SELL)


def holding(journal: AnyJournal, agent: str = "spy") -> Holding:
    """Return the agent's holding of SPY."""
    return journal.agent_state(agent, ACCOUNT, "SPY", OPEN).holding


def opened(kind: str, folder: Path) -> Iterator[AnyJournal]:
    """Give one journal with an open account that has :data:`CASH`."""
    for found in make(kind, folder):
        found.open_account(ACCOUNT, CASH, OPEN, [])
        yield found
