"""Scripted days on the served exchange while it misbehaves, and what must be true of the money whatever it does."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.integration.served import CALENDAR, book_differences
from ztrade.adapters.alpaca import AlpacaExchange, AlpacaMarketData, AlpacaSettings, Gateway, ThreadGather
from ztrade.adapters.journal import open_journal
from ztrade.app.desk import Desk
from ztrade.app.run_cycle import run_cycle
from ztrade.app.settle import settle
from ztrade.config import EMBEDDED
from ztrade.domain.agent import Agent, Limits
from ztrade.domain.decision import MarketView, Signal
from ztrade.domain.ledger import UNRESOLVED, CycleKind, CycleRecord
from ztrade.domain.orders import live_parts
from ztrade.domain.schedule import Session, slots_of
from ztrade.domain.types import OrderStatus, OrderType
from ztrade.errors import TemporaryError
from ztrade.ports import Journal
from ztrade.testing.exchange_server import ExchangeUrl, running
from ztrade.testing.halts import MemoryHalts
from ztrade.testing.tapes import wave_tape

HOLD = Signal(0.0, 0.5, ("scripted hold",))
BUY = Signal(0.9, 0.9, ("scripted buy",))
LEAVE = Signal(0.0, 0.0, (), exit_reason="scripted exit")
EVERY = timedelta(minutes=30)
#: seconds that a request is waited for: short, for hangs cost it, and long enough for a machine under load
PATIENCE = 1.0
FIRST = date(2022, 8, 22)
SESSIONS = CALENDAR.sessions(FIRST, date(2022, 8, 23))
TAPE = wave_tape(CALENDAR, ("AAPL", "SPY"))
STOPS = {OrderType.STOP, OrderType.STOP_LIMIT}
AGENT = Agent(
    "spy",
    "SPY",
    timedelta(minutes=5),
    EVERY,
    "scripted",
    limits=Limits(max_daily_trades=20, cooldown=timedelta(0)),
    manual=False,
    capital=Decimal(10_000),
)

Script = Mapping[int, Signal]


@dataclass(frozen=True)
class Trouble:
    """A fault that is asked for before the cycle of slot number ``slot``, and taken back after ``lasts`` slots."""

    slot: int
    kind: str
    method: str | None = None
    path: str | None = None
    times: int | None = 1
    args: Mapping[str, Any] = field(default_factory=dict)
    lasts: int = 1


@dataclass
class Scripted:
    """A strategy that says what the script has for the slot."""

    script: Script
    numbers: Mapping[datetime, int]
    name: str = "scripted"
    min_bars: int = 1
    lookback: int = 30

    def __call__(self, view: MarketView) -> Signal:
        return self.script.get(self.numbers.get(view.at, -1), HOLD)


class RealTime:
    """The clocks of a machine on which exchange time is wall time, as against Alpaca."""

    def __init__(self, begin: datetime) -> None:
        self.at = begin

    def now(self) -> datetime:
        return self.at

    def wall(self) -> datetime:
        return self.at


class Day:
    """One agent's scripted days; :meth:`run` runs them, :meth:`check` holds the books to their promises."""

    def __init__(
        self, folder: Path, url: ExchangeUrl, script: Script, sessions: Sequence[Session], agent: Agent
    ) -> None:
        self.url, self.sessions, self.agent = url, sessions, agent
        self.clock = RealTime(sessions[0].open)
        self.slots = [slot for session in sessions for slot in slots_of(session, agent.every, agent.sessions)]
        numbers = {slot: number for number, slot in enumerate(self.slots, 1)}
        self.journal: Journal = open_journal(f"sqlite:///{folder}/journal.db")
        self._hasty, self._calm = self._gateway(PATIENCE), self._gateway(5)
        self.calm = AlpacaExchange(self._calm)
        self._gather = ThreadGather()
        self.desk = self._desk(Scripted(script, numbers))
        self.records: list[CycleRecord] = []
        self.unprotected: list[int] = []

    def _gateway(self, seconds: float) -> Gateway:
        """Return a door with so much patience; a hang must not cost the test more."""
        patience = dict.fromkeys(("read_timeout", "submit_deadline"), timedelta(seconds=seconds))
        deadline = timedelta(seconds=2.5 * seconds)
        settings = AlpacaSettings(
            EMBEDDED, "key", "secret", self.url, self.url, feed=None, read_deadline=deadline, **patience
        )
        return Gateway(settings, sleep=lambda _seconds: None)

    def _desk(self, strategy: Scripted) -> Desk:
        return Desk(
            agent=self.agent,
            account=EMBEDDED,
            owner="test",
            strategy=strategy,
            journal=self.journal,
            exchange=AlpacaExchange(self._hasty),
            data=AlpacaMarketData(self._hasty, CALENDAR),
            calendar=CALENDAR,
            clock=self.clock,
            halts=MemoryHalts(),
            gather=self._gather,
            timer=time.perf_counter,
            pause=lambda _seconds: None,
            unknown_grace=timedelta(seconds=45),
            keep_inputs=False,
        )

    def close(self) -> None:
        self._gather.close()
        self._hasty.close()
        self._calm.close()

    def run(self, troubles: Sequence[Trouble]) -> None:
        """Run every slot and settlement, with the troubles at their slots."""
        waiting = {trouble.slot: trouble for trouble in troubles}
        number, ends = 0, 0
        for session in self.sessions:
            for slot in slots_of(session, EVERY, self.agent.sessions):
                number += 1
                self._step(slot)
                if number in waiting:
                    trouble = waiting[number]
                    self._ask(trouble)
                    ends = max(ends, number + trouble.lasts - 1)
                self._keep(run_cycle(self.desk, slot=slot))
                if number >= ends:
                    time.sleep(self._still_under_way(waiting.get(number)))
                    self.url.clear_faults()
                    self._look(number)
            self._step(session.close + timedelta(minutes=1))
            self._settle(session)

    def _settle(self, session: Session) -> None:
        """Settle; where the exchange is down, once more when it is back, as the schedule does."""
        if session is self.sessions[-1]:
            self.url.clear_faults()  # what a failed settlement leaves, the next day takes over: here is none
        try:
            self._keep(settle(self.desk, session.close))
        except TemporaryError:
            self.url.clear_faults()
            self._keep(settle(self.desk, session.close))

    def _still_under_way(self, trouble: Trouble | None) -> float:
        """Return how long a request may still be on its way: far less than a slot, but slots here take no time."""
        return 0.5 if trouble is not None and trouble.kind == "latency" else 0.0

    def _step(self, to: datetime) -> None:
        self.url.advance(to)
        self.clock.at = to

    def _ask(self, trouble: Trouble) -> None:
        self.url.fault(
            trouble.kind, method=trouble.method, path=trouble.path, times=trouble.times, **trouble.args
        )  # fmt: skip

    def _keep(self, record: CycleRecord | None) -> None:
        assert record is not None
        self.records.append(record)

    def _look(self, number: int) -> None:
        """Note whether the exchange holds shares that no stop protects."""
        held = sum((position.qty for position in self.calm.positions()), Decimal(0))
        covered = sum(
            (
                part.qty - part.filled_qty
                for order in self.calm.orders()
                for part in live_parts(order)
                if part.type in STOPS or (part is order and part.side.value == "sell")
            ),
            Decimal(0),
        )
        if held > covered:
            self.unprotected.append(number)

    # -- what must be true ---------------------------------------------------------------------------------------------
    def outcome(self, number: int) -> str:
        """Return outcome and reason of slot ``number``."""
        at = self.slots[number - 1]
        (record,) = [r for r in self.records if r.kind is CycleKind.SLOT and r.slot == at]
        return f"{record.outcome}: {record.reason}"

    def check(self) -> None:
        """Hold the end of the days to everything that is promised whatever happened."""
        self._check_slots()
        self._check_orders()
        assert book_differences(self.journal, self.calm, self.sessions[-1]) == []
        assert [i for i in self.journal.intents(agent="spy") if i.state in UNRESOLVED] == []
        for one, other in zip(self.unprotected, self.unprotected[1:], strict=False):
            assert other - one > 1, f"unprotected in slots {self.unprotected}: {self.story()}"

    def _check_slots(self) -> None:
        ended = [r for r in self.journal.cycles(agent="spy", kind=CycleKind.SLOT) if r.outcome is not None]
        assert [record.slot for record in ended] == self.slots
        assert all(record.reason for record in ended)

    def _check_orders(self) -> None:
        """One order per (agent, slot, leg) at most, each planned before the exchange had it, none over the limits."""
        intents = {intent.request.client_order_id: intent for intent in self.journal.intents(agent="spy")}
        sent = self.calm.orders()
        legs = Counter(order.client_order_id.rstrip("0123456789") for order in sent)
        assert [leg for leg, many in legs.items() if many > 1] == [], self.story()
        for order in sent:
            intent = intents[order.client_order_id]
            assert order.submitted_at is not None
            assert intent.planned_at <= order.submitted_at
            assert order.status is not OrderStatus.REJECTED or order.filled_qty == 0
        assert all(position.qty >= 0 for position in self.calm.positions())

    def round_trips(self) -> int:
        """Return how many positions were opened and closed."""
        return len(self.journal.round_trips(agent="spy"))

    def story(self) -> str:
        return "\n".join(f"{r.slot:%d %H:%M} {r.kind} {r.outcome}: {r.reason}" for r in self.records)


@contextmanager
def day(
    folder: Path, script: Script, sessions: Sequence[Session] = SESSIONS[:1], agent: Agent = AGENT
) -> Iterator[Day]:
    """Serve the exchange for these sessions and give the agent's days on it."""
    end = sessions[-1].close + timedelta(minutes=2)
    with running(TAPE, start=sessions[0].open, until=end, calendar=CALENDAR) as url:
        made = Day(folder, url, script, sessions, agent)
        try:
            yield made
        finally:
            made.close()
