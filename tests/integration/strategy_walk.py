"""Walks an agent over 5-minute bars with the crudest of fills, to see how often it enters and leaves.

It measures behaviour, not profit: a market order fills at the open of the bar that begins at the slot, stop and target
fill at their price (or the open beyond it) inside a bar, the stop first. Backtests use the exchange's own core instead.
"""

from __future__ import annotations

import csv
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from ztrade.domain.agent import Agent, Limits
from ztrade.domain.decide import decide
from ztrade.domain.decision import Action, Decision, MarketView, Sentiment
from ztrade.domain.schedule import Session, slots
from ztrade.domain.types import BarRow, Bars, bars_from_rows, to_price
from ztrade.strategies import create
from ztrade.strategies.aggregate import aggregate, held_bars
from ztrade.strategies.strategy import Strategy

NEW_YORK = ZoneInfo("America/New_York")
FIVE = timedelta(minutes=5)
QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)
#: sessions of history that each cycle reads: 60 hourly bars are nine
HISTORY = 12

AGENTS = {
    "spy": Agent("spy", "SPY", QUARTER, FIVE, "momentum"),
    "tsla": Agent(
        "tsla",
        "TSLA",
        QUARTER,
        FIVE,
        "momentum",
        limits=Limits(min_confidence=0.65, stop_loss=Decimal("0.03"), take_profit=Decimal("0.05")),
    ),
    "aapl": Agent(
        "aapl",
        "AAPL",
        HOUR,
        HOUR,
        "mean_reversion",
        limits=Limits(min_confidence=0.70, max_daily_trades=3, stop_loss=Decimal("0.015"), take_profit=Decimal("0.03")),
    ),
}


@dataclass
class Trade:
    entered: datetime
    price: float
    decision: Decision
    held: int = 0
    left: datetime | None = None
    why: str = ""


@dataclass
class Walk:
    """An agent on its way through the bars; ``news`` says what sentiment there is at an instant."""

    agent: Agent
    bars: Bars
    sessions: Sequence[Session]
    news: Callable[[datetime], Sentiment | None] = lambda _: None
    trades: list[Trade] = field(default_factory=list)
    open: Trade | None = None
    stopped: datetime | None = None

    def run(self) -> Walk:
        strategy = create(self.agent.strategy, self.agent.parameters)
        starts = list(self.bars.start)
        for number, session in enumerate(self.sessions):
            history = self.sessions[max(0, number - HISTORY) : number + 1]
            first = bisect_left(starts, history[0].open.timestamp())
            seen = bisect_left(starts, session.open.timestamp())
            for slot in slots(session, self.agent.every):
                row = bisect_left(starts, slot.timestamp())
                self._protect(seen, row)
                if row > first and row < len(starts) and self.bars.start_at(row) < session.close:
                    self._cycle(strategy, slot, self.bars.slice(first, row), history, self.bars.open[row])
                seen = row
        return self

    def _protect(self, first: int, last: int) -> None:
        for row in range(first, last):
            if self.open is None:
                return
            stop, target = self.open.decision.stop, self.open.decision.target
            if stop is not None and self.bars.low[row] <= stop:
                self.stopped = self.bars.end_at(row)
                self._leave(self.bars.end_at(row), "stop")
            elif target is not None and self.bars.high[row] >= target:
                self._leave(self.bars.end_at(row), "target")

    def _cycle(self, strategy: Strategy, slot: datetime, bars: Bars, history: Sequence[Session], fill: float) -> None:
        made = aggregate(bars, self.agent.timeframe, history, slot)
        price = bars.close[len(bars) - 1]
        view = MarketView(self.agent.symbol, slot, made.bars, price, session=made.session, missing=made.missing)
        if self.open is not None:
            self.open.held = held_bars(made.bars, self.open.entered)
            view = MarketView(
                self.agent.symbol,
                slot,
                made.bars,
                price,
                self.open.decision.qty,
                self.open.price,
                self.open.held,
                made.session,
                made.missing,
            )
        decision = decide(self.agent, view, strategy(view), self.news(slot), price=to_price(price))
        if decision.action is Action.SELL:
            self._leave(slot, decision.rationale)
        elif decision.action is Action.BUY and self._may_enter(slot):
            self.open = Trade(slot, fill, decision)
            self.trades.append(self.open)

    def _may_enter(self, slot: datetime) -> bool:
        today = sum(1 for trade in self.trades if trade.entered.date() == slot.date())
        cooling = self.stopped is not None and slot < self.stopped + self.agent.limits.cooldown
        return today < self.agent.limits.max_daily_trades and not cooling

    def _leave(self, at: datetime, why: str) -> None:
        if self.open is not None:
            self.open.left, self.open.why, self.open = at, why, None


@dataclass(frozen=True)
class Summary:
    """Full weeks (4 sessions or more, the first left out as warm-up), and how many of them had an entry and an exit."""

    weeks: int
    active: int
    entries: int
    busiest_day: int
    held_bars: float
    exits: dict[str, int]

    def __str__(self) -> str:
        exits = ", ".join(f"{count} {why}" for why, count in sorted(self.exits.items()))
        return (
            f"{self.active} of {self.weeks} weeks with entry and exit, {self.entries} entries (at most "
            f"{self.busiest_day} a day), held {self.held_bars:.1f} bars on average, exits: {exits}"
        )


def summary(walk: Walk, *, warm_up: bool = True) -> Summary:
    lengths: dict[tuple[int, int], int] = defaultdict(int)
    for session in walk.sessions:
        lengths[_week(session.open)] += 1
    weeks = [week for week, length in lengths.items() if length >= 4][1 if warm_up else 0 :]
    entries = {_week(trade.entered) for trade in walk.trades}
    exits = {_week(trade.left) for trade in walk.trades if trade.left}
    days: dict[date, int] = defaultdict(int)
    kinds: dict[str, int] = defaultdict(int)
    for trade in walk.trades:
        days[trade.entered.date()] += 1
        if trade.left:
            kinds[_kind(trade.why)] += 1
    left = [trade.held for trade in walk.trades if trade.left]
    active = sum(1 for week in weeks if week in entries and week in exits)
    mean = sum(left) / len(left) if left else 0.0
    return Summary(len(weeks), active, len(walk.trades), max(days.values(), default=0), mean, dict(kinds))


def weeks_of(sessions: Sequence[Session]) -> list[list[Session]]:
    """Return the weeks of five sessions."""
    weeks: dict[tuple[int, int], list[Session]] = defaultdict(list)
    for session in sessions:
        weeks[_week(session.open)].append(session)
    return [week for week in weeks.values() if len(week) == 5]


def _week(at: datetime) -> tuple[int, int]:
    year, week, _ = at.isocalendar()
    return year, week


def _kind(why: str) -> str:
    known = ("time stop", "momentum gone", "mean reached", "score")
    return next((kind for kind in known if kind in why), why)


def read_2022(folder: Path, symbol: str) -> Bars:
    """Read the 5-minute set: Pacific bar starts, the first of each double row."""
    rows: dict[datetime, BarRow] = {}
    with (folder / "2022-5min" / f"{symbol}_5m.csv").open() as file:
        for line in csv.DictReader(file):
            form = "%m/%d/%Y %H:%M" if "/" in line["date"] else "%Y-%m-%d %H:%M:%S"
            naive = datetime.strptime(line["date"], form)  # noqa: DTZ007 -- the zone is the file's, set below
            at = naive.replace(tzinfo=ZoneInfo("America/Los_Angeles")).astimezone(UTC)
            rows.setdefault(at, _row(at, line))
    return bars_from_rows(symbol, FIVE, [rows[at] for at in sorted(rows)])


def read_2019(folder: Path, symbol: str) -> Bars:
    """Read the 1-minute set (New York bar ends, newest first) as 5-minute bars."""
    buckets: dict[int, list[BarRow]] = defaultdict(list)
    with (folder / "2019-1min" / f"{symbol}_1min.csv").open() as file:
        for line in csv.DictReader(file):
            at = datetime.fromisoformat(line["datetime"]).replace(tzinfo=NEW_YORK).astimezone(UTC)
            start = at - timedelta(minutes=1)
            buckets[int(start.timestamp()) // 300 * 300].append(_row(start, line))
    rows: list[BarRow] = []
    for epoch in sorted(buckets):
        part = sorted(buckets[epoch])
        high, low, volume = max(row[2] for row in part), min(row[3] for row in part), sum(row[5] for row in part)
        rows.append((datetime.fromtimestamp(epoch, UTC), part[0][1], high, low, part[-1][4], volume))
    return bars_from_rows(symbol, FIVE, rows)


def _row(at: datetime, line: dict[str, str]) -> BarRow:
    return (
        at,
        float(line["open"]),
        float(line["high"]),
        float(line["low"]),
        float(line["close"]),
        float(line["volume"]),
    )


def sessions_of(bars: Bars, half_days: Sequence[date] = (date(2022, 11, 25),)) -> list[Session]:
    """Return a session for every New York day that has bars."""
    days = sorted({bars.start_at(row).astimezone(NEW_YORK).date() for row in range(len(bars))})
    found = []
    for day in days:
        begin = datetime.combine(day, time(9, 30), NEW_YORK).astimezone(UTC)
        end = datetime.combine(day, time(13 if day in half_days else 16), NEW_YORK).astimezone(UTC)
        found.append(Session(day, begin, end, begin - timedelta(hours=5, minutes=30), end + timedelta(hours=4)))
    return found
