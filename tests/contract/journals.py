"""The journals that the contract is held against, and the values of its stories."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import sqlalchemy as sa

from ztrade.adapters.journal import open_journal
from ztrade.adapters.journal.store import SqlJournal
from ztrade.domain.ledger import Claim, CycleKind, CycleRecord, Intent, IntentState, Observed, Outcome
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

AnyJournal = SqlJournal | MemoryJournal
#: a database that the tests may empty, such as postgresql://user@/scratch?host=/run/postgresql
POSTGRES = os.environ.get("ZTRADE_TEST_POSTGRES", "")
KINDS = ["twin", "sqlite", *(["postgresql"] if POSTGRES else [])]

#: the session's start, and the lease of every claim here
OPEN = datetime(2022, 8, 22, 13, 30, tzinfo=UTC)
LEASE = timedelta(minutes=10)
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
    """Return the URL of the PostgreSQL database, emptied."""
    engine = sa.create_engine(sa.make_url(POSTGRES).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    engine.dispose()
    return POSTGRES


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


def see_equity(journal: Journal, scope: str, minutes: float, value: str | int) -> None:
    """Let a cycle of some agent see one point of an equity curve."""
    seen = Observed(at(minutes), "SPY", {scope: Decimal(value)})
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
