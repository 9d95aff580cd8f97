"""A desk for tests: the real cycle over the real matching core, a scripted strategy, and faults where wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as changed
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NoReturn

from ztrade.adapters.calendar import NyseCalendar
from ztrade.app.desk import Desk
from ztrade.app.run_cycle import run_cycle
from ztrade.domain.agent import Agent
from ztrade.domain.decision import MarketView, Signal
from ztrade.domain.identity import entry_id
from ztrade.domain.ledger import CycleKind, CycleRecord, Observed, Outcome
from ztrade.domain.types import ExchangeClock, Order, OrderRequest, Quote
from ztrade.errors import OutcomeUnknown
from ztrade.exchange.core.engine import Engine
from ztrade.exchange.core.settings import Settings
from ztrade.exchange.inprocess import InProcess
from ztrade.ports import Journal, SentimentSource, all_in_this_process
from ztrade.testing.gather import InlineGather
from ztrade.testing.halts import MemoryHalts
from ztrade.testing.journal import MemoryJournal
from ztrade.testing.tapes import wave_tape

OPEN = datetime(2022, 8, 22, 13, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
CALENDAR = NyseCalendar()

BUY = Signal(0.9, 0.9, ("scripted buy",))
SELL = Signal(-0.9, 0.9, ("scripted sell",))
HOLD = Signal(0.0, 0.5, ("scripted hold",))
LEAVE = Signal(0.0, 0.0, (), exit_reason="scripted exit")

AGENT = Agent(
    "spy", "SPY", timedelta(minutes=5), timedelta(minutes=5), "scripted", manual=False, capital=Decimal(10_000)
)


@dataclass
class Scripted:
    """A strategy that says what the test wants."""

    say: Signal = HOLD
    views: list[MarketView] = field(default_factory=list)
    name: str = "scripted"
    min_bars: int = 1
    lookback: int = 30

    def __call__(self, view: MarketView) -> Signal:
        self.views.append(view)
        return self.say


class Faulty:
    """An exchange whose next calls can be made to fail; everything else is the engine's."""

    def __init__(self, inner: InProcess) -> None:
        self.inner = inner
        self.submitted: list[OrderRequest] = []
        self.calls: list[str] = []
        self.before: dict[str, Callable[[], None]] = {}
        self.after_submit: Callable[[], None] | None = None

    def submit(self, request: OrderRequest) -> Order:
        """Count the request, then fail before or after it lands, as told."""
        self.submitted.append(request)
        self._maybe("submit")
        order = self.inner.submit(request)
        if self.after_submit is not None:
            self.after_submit()
        return order

    def _maybe(self, name: str) -> None:
        self.calls.append(name)
        if name in self.before:
            self.before[name]()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)

        def call(*args: Any, **options: Any) -> Any:
            self._maybe(name)
            return found(*args, **options)

        return call


class Askew:
    """The clock and the quotes of an exchange, as far behind or ahead as a test wants."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bench.exchange, name)

    def quote(self, symbol: str) -> Quote:
        """Return the quote, older than it is."""
        found: Quote = self._bench.exchange.quote(symbol)
        return changed(found, at=found.at - self._bench.quote_age)

    def clock(self) -> ExchangeClock:
        """Return the exchange's clock, ahead of ours."""
        found: ExchangeClock = self._bench.exchange.clock()
        return changed(found, now=found.now + self._bench.clock_skew)


class Bench:
    """One agent's desk at 09:30 New York of 2022-08-22, with everything that tests turn."""

    def __init__(
        self,
        agent: Agent = AGENT,
        sources: Sequence[SentimentSource] = (),
        journal: Journal | None = None,
        settings: Settings | None = None,
    ) -> None:
        sessions = CALENDAR.sessions(date(2022, 7, 1), date(2022, 9, 2))
        engine = Engine(
            wave_tape(CALENDAR, ("QQQ", "SPY")), sessions, now=OPEN, cash=Decimal(100_000), settings=settings
        )
        self.wall_shift = self.quote_age = self.clock_skew = timedelta(0)
        self.market = InProcess(engine, wall=lambda: engine.now + self.wall_shift)
        self.exchange = Faulty(self.market)
        self.journal: Journal = journal or MemoryJournal()
        self.halts = MemoryHalts()
        self.strategy = Scripted()
        self.desk = Desk(
            agent=agent,
            account="embedded",
            owner="test",
            strategy=self.strategy,
            journal=self.journal,
            exchange=Askew(self),
            data=Askew(self),
            calendar=CALENDAR,
            clock=self.market,
            halts=self.halts,
            gather=InlineGather(),
            timer=lambda: 0.0,
            pause=lambda _seconds: None,
            end=all_in_this_process,
            sources=sources,
            source_weights={source.name: 1.0 for source in sources},
        )

    def at(self, minutes: float) -> datetime:
        """Move the exchange to so many minutes after the open."""
        self.market.advance(OPEN + minutes * MINUTE)
        return self.market.now()

    def cycle(self, minutes: float, say: Signal = HOLD, *, manual: bool = False) -> CycleRecord:
        """Run the slot at so many minutes after the open, with the strategy saying ``say``."""
        self.strategy.say = say
        record = run_cycle(self.desk, slot=self.at(minutes), manual=manual)
        assert record is not None
        return record

    def was_worth(self, scope: str, at: datetime, value: Decimal) -> None:
        """Let an equity curve have this point, seen by an extra cycle of somebody else."""
        claim = self.journal.claim(
            "another", at, CycleKind.EXTRA, owner="test", now=at, wall=self.market.wall(), lease=MINUTE
        )
        assert claim is not None
        record = CycleRecord(claim.cycle_id, "another", at, claim.kind, Outcome.HELD, "held", at, at)
        self.journal.finish(claim, record, Observed(at, "SPY", {scope: value}))

    def with_agent(self, **changes: Any) -> None:
        """Change the agent's settings from now on."""
        self.desk = changed(self.desk, agent=changed(self.desk.agent, **changes))

    def orders(self) -> Sequence[Order]:
        """Return what the exchange itself has."""
        return self.market.orders()


def failing(error: Exception) -> Callable[[], NoReturn]:
    def fail() -> NoReturn:
        raise error

    return fail


def unknown(bench: Bench, minutes: float) -> Callable[[], NoReturn]:
    return failing(OutcomeUnknown(entry_id("spy", OPEN + minutes * MINUTE), "timed out"))


def entered(bench: Bench) -> None:
    assert bench.cycle(30, BUY).outcome is Outcome.ENTERED
    assert bench.cycle(35, HOLD).outcome is Outcome.HELD
