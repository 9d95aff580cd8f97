"""A made-up week of one or more agents, for looking at and for checking the report."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from ztrade.app.report.data import AgentStory, Books, Story
from ztrade.domain.agent import Agent
from ztrade.domain.ledger import CycleKind, CycleRecord, Fill, Holding, Outcome, RoundTrip
from ztrade.domain.schedule import Session, slots
from ztrade.domain.types import (
    BarRow,
    Bars,
    Leg,
    Order,
    OrderClass,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
    bars_from_rows,
    to_price,
)
from ztrade.testing.calendar import PlainCalendar

MONDAY = date(2022, 8, 22)
FIVE = timedelta(minutes=5)


def a_story(days: int = 1, agents: int = 1, books: Books | None = None) -> Story:
    """Return a story of ``days`` sessions from a Monday on, in which each agent trades once a day."""
    sessions = PlainCalendar().sessions(MONDAY, MONDAY + timedelta(days=days - 1))
    stories = [agent_story(name, sessions) for name in ("spy", "tsla", "aapl")[:agents]]
    start = Decimal(100_000)
    points = [(session.open + k * FIVE, start + Decimal(k * 3 - 90)) for session in sessions for k in range(1, 78)]
    return Story(
        title="Demo of 22 August 2022",
        source="Synthetic market, seed 7",
        sessions=sessions,
        agents=stories,
        equity=points,
        start_equity=start,
        end_equity=points[-1][1],
        cash=points[-1][1],
        fees=Decimal("1.27"),
        books=books or Books(compared=("12 orders", "12 fills", "cash 100,141.00")),
    )


def agent_story(name: str, sessions: Sequence[Session]) -> AgentStory:
    """Return an agent that buys at the tenth slot of each day, and sells at the fiftieth."""
    every = timedelta(hours=1) if name == "aapl" else FIVE
    agent = Agent(name, name.upper(), timedelta(minutes=15), every, "momentum")
    bars = walk(agent.symbol, sessions)
    trades = [_trade(agent, bars, session, at) for at, session in enumerate(sessions)]
    return AgentStory(
        agent,
        bars,
        cycles=[_cycle(agent, session, k) for session in sessions for k in range(len(list(slots(session, every))))],
        orders=[order for orders, _, _ in trades for order in orders],
        fills=[fill for _, fills, _ in trades for fill in fills],
        trips=[trip for _, _, trip in trades],
        holding=Holding(name, agent.symbol, realized=sum((trip.pnl for _, _, trip in trades), Decimal(0))),
    )


def walk(symbol: str, sessions: Sequence[Session]) -> Bars:
    """Return a seeded random walk of 5-minute bars over the sessions."""
    rows: list[BarRow] = []
    draw, price = random.Random(symbol), 413.0
    for session in sessions:
        for k in range((session.close - session.open) // FIVE):
            close = price + draw.gauss(0, 0.5) + 0.2 * math.sin(k / 9)
            high, low = max(price, close) + draw.random() * 0.4, min(price, close) - draw.random() * 0.4
            rows.append((session.open + k * FIVE, price, high, low, close, 1000.0))
            price = close
    return bars_from_rows(symbol, FIVE, rows)


def _cycle(agent: Agent, session: Session, k: int) -> CycleRecord:
    slot = session.open + agent.every * (k + 1)
    outcome, reason = Outcome.HELD, f"score {math.sin(k):+.2f} under 0.30"
    if k == 9:
        outcome, reason = Outcome.ENTERED, "score 0.44: RSI 61, above SMA 20"
    elif k == 49:
        outcome, reason = Outcome.EXITED, "score -0.35: MACD crossed down"
    elif k in (60, 61):
        outcome, reason = Outcome.BLOCKED, "daily loss 512 of 500"
    details = {"score": math.sin(k), "confidence": 0.7}
    cycle_id = f"{agent.name}-{slot:%Y%m%dT%H%M}"
    return CycleRecord(cycle_id, agent.name, slot, CycleKind.SLOT, outcome, reason, slot, slot, details=details)


def _trade(agent: Agent, bars: Bars, session: Session, day: int) -> tuple[list[Order], list[Fill], RoundTrip]:
    entry_at, exit_at = session.open + 10 * FIVE, session.open + 50 * FIVE
    entry_price, exit_price = to_price(bars.close[day * 78 + 9]), to_price(bars.close[day * 78 + 49])
    qty = Decimal(12)
    entry = Order(
        f"{agent.name}-{day}-e", f"{agent.name}-{session.day:%Y%m%d}T1020Z-entry", agent.symbol, Side.BUY,
        OrderType.MARKET, OrderClass.BRACKET, TimeInForce.GTC, qty, qty, OrderStatus.FILLED,
        filled_avg_price=entry_price, submitted_at=entry_at, filled_at=entry_at,
    )  # fmt: skip
    stop = replace(
        entry, id=f"{agent.name}-{day}-s", client_order_id="", side=Side.SELL, type=OrderType.STOP,
        status=OrderStatus.CANCELED, stop_price=entry_price - 2, filled_qty=Decimal(0), filled_avg_price=None,
        filled_at=None, ended_at=exit_at,
    )  # fmt: skip
    target = replace(
        stop, id=f"{agent.name}-{day}-t", type=OrderType.LIMIT, stop_price=None, limit_price=entry_price + 3
    )
    out = replace(
        entry, id=f"{agent.name}-{day}-x", side=Side.SELL, order_class=OrderClass.SIMPLE, filled_avg_price=exit_price,
        submitted_at=exit_at, filled_at=exit_at,
    )  # fmt: skip
    fills = [
        Fill(f"{entry.id}-1", entry.id, agent.name, Leg.ENTRY, agent.symbol, Side.BUY, qty, entry_price, entry_at),
        Fill(f"{out.id}-1", out.id, agent.name, Leg.EXIT, agent.symbol, Side.SELL, qty, exit_price, exit_at),
    ]
    pnl = qty * (exit_price - entry_price)
    trip = RoundTrip(agent.name, agent.symbol, qty, entry_at, exit_at, entry_price, exit_price, pnl, Leg.EXIT)
    return [entry, stop, target, out], fills, trip
