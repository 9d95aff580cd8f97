"""The composition root: the only place that knows which adapter stands behind which port."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from ztrade import alerting, opinions, ports
from ztrade.adapters.clock import EmbeddedClock, SystemClock
from ztrade.adapters.halts import FileHalts
from ztrade.adapters.metrics import Counters
from ztrade.adapters.process import end, is_gone, owner_name
from ztrade.config import EMBEDDED, Config, hard_time_limit, redis_login
from ztrade.domain.agent import Agent
from ztrade.domain.ledger import CycleRecord, Proposal, ProposalState
from ztrade.domain.schedule import Schedule, slots_of
from ztrade.domain.spread import WRITE
from ztrade.errors import AccessDenied, ConfigError

if TYPE_CHECKING:
    from ztrade.adapters.alpaca import AlpacaSettings
    from ztrade.adapters.budget import Budget
    from ztrade.app.desk import Desk
    from ztrade.app.outbox import Sender
    from ztrade.exchange.inprocess import InProcess
    from ztrade.exchange.tape import Tape

#: the histogram of how long the journal's writing takes
_WRITES = "ztrade_journal_write_seconds"
#: any non-empty pair opens the embedded exchange
_EMBEDDED_KEY = "embedded"
#: a claim outlives the longest cycle, so that it lapses only when its owner is gone
_LEASE_MARGIN = timedelta(seconds=30)
#: the sender gives up after 15 s; some more for an order that is still on the exchange's side of the wire
_UNKNOWN_GRACE = timedelta(seconds=45)
#: sessions before a backtest's first day whose bars strategies may look at
_HISTORY = timedelta(days=60)
#: objects made between two looks of the garbage collector in a backtest, 700 elsewhere
_SELDOM = 100_000


@dataclass(frozen=True, slots=True)
class Venue:
    """One account's doors: where orders go, where prices and news come from."""

    account: str
    exchange: ports.Exchange
    data: ports.MarketData
    news: ports.News


class Runtime:
    """The adapters of one process, each built when it is first needed, and shared by all its agents."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.halts = FileHalts(config.state_dir)
        self.metrics = Counters({_WRITES: WRITE})
        self._venues: dict[str, Venue] = {}
        self._clocks: dict[bool, ports.Clock] = {}
        self._sources_of: dict[str, Sequence[ports.SentimentSource]] = {}

    @cached_property
    def journal(self) -> ports.Journal:
        from ztrade.adapters.journal import open_journal

        return open_journal(self.config.journal_url, observe=partial(self.metrics.observe, _WRITES))

    @cached_property
    def calendar(self) -> ports.Calendar:
        from ztrade.adapters.calendar import NyseCalendar

        return NyseCalendar()

    @property
    def schedule(self) -> Schedule:
        """The exchange's hours, by instant."""
        return Schedule(self.calendar.session)

    @cached_property
    def gather(self) -> ports.Gather:
        from ztrade.adapters.alpaca import ThreadGather

        return ThreadGather()

    @cached_property
    def scorer(self) -> ports.SentimentScorer:
        return opinions.scorer(self.config, lambda: self.journal)

    @cached_property
    def channels(self) -> Mapping[str, ports.AlertChannel]:
        """The alert channels by name; one that cannot be used as it is configured says so when it should send."""
        return alerting.usable_channels(self.config)

    @property
    def sender(self) -> Sender:
        """Who sends messages from here."""
        from ztrade.app.outbox import Sender

        return Sender(owner_name("keeper"), is_gone)

    def clock(self, dry_run: bool) -> ports.Clock:
        """Return the clock that rules an agent's slots: the embedded exchange's for a dry run, else the wall's."""
        if dry_run not in self._clocks:
            section = self.config.main.exchange
            self._clocks[dry_run] = EmbeddedClock(section.socket or section.url) if dry_run else SystemClock()
        return self._clocks[dry_run]

    def venue(self, agent: Agent) -> Venue:
        """Return the doors for the agent's account; without keys each of them says so when it is used."""
        account = EMBEDDED if agent.dry_run else agent.account
        try:
            return self.open_venue(account)
        except (AccessDenied, ConfigError) as error:
            # not kept: the next cycle looks for the keys again
            shut: Any = _Shut(error)
            return Venue(account, shut, shut, shut)

    def open_venue(self, account: str) -> Venue:
        """Return one account's doors, which share its keys and its request budget with every agent of it.

        Raises:
            AccessDenied: the account has no keys.
            ConfigError: an address or a key cannot be used.
        """
        if account not in self._venues:
            settings = self._embedded() if account == EMBEDDED else self._alpaca(account)
            self._venues[account] = self._make_venue(account, settings)
        return self._venues[account]

    def _make_venue(self, account: str, settings: AlpacaSettings) -> Venue:
        from ztrade.adapters.alpaca import AlpacaExchange, AlpacaMarketData, AlpacaNews, Gateway

        gateway = Gateway(settings, None if account == EMBEDDED else self._budget(account), self.metrics)
        return Venue(account, AlpacaExchange(gateway), AlpacaMarketData(gateway, self.calendar), AlpacaNews(gateway))

    def _embedded(self) -> AlpacaSettings:
        from ztrade.adapters.alpaca import AlpacaSettings

        url = self.config.main.exchange.url
        return AlpacaSettings(EMBEDDED, _EMBEDDED_KEY, _EMBEDDED_KEY, url, url, feed=None, **self._timeouts())

    def _alpaca(self, account: str) -> AlpacaSettings:
        from ztrade.adapters.alpaca import DATA_URL, LIVE_URL, PAPER_URL, AlpacaSettings

        keys = self.config.keys(account)
        if keys is None:
            file = self.config.path.parent / self.config.main.credentials
            raise AccessDenied(f"account {account} has no keys: put key_id and secret_key under [{account}] in {file}")
        section = self.config.accounts[account]
        usual = PAPER_URL if section.kind == "paper" else LIVE_URL
        return AlpacaSettings(
            account,
            keys.key_id,
            keys.secret_key,
            section.trading_url or usual,
            section.data_url or section.trading_url or DATA_URL,
            feed=self.config.main.alpaca.feed,
            **self._timeouts(),
        )

    def _timeouts(self) -> dict[str, timedelta]:
        section = self.config.main.alpaca
        return {"connect_timeout": section.connect_timeout, "read_timeout": section.read_timeout}

    def _budget(self, account: str) -> Budget:
        from ztrade.adapters.budget import LocalBudget, RedisBudget

        local = LocalBudget(self.config.main.alpaca.requests_per_minute)
        url = self.config.redis_url

        def login() -> tuple[str, str] | None:
            found = redis_login(url)
            return found.pair if found else None

        return RedisBudget(url, account, local, login=login)

    def _sources(self, venue: Venue) -> Sequence[ports.SentimentSource]:
        """Return the sources that are on, kept from desk to desk as the account's doors are: each has a thread."""
        if venue.account not in self._venues:
            return opinions.sources(self.config, venue.news, self.scorer)
        if venue.account not in self._sources_of:
            self._sources_of[venue.account] = opinions.sources(self.config, venue.news, self.scorer)
        return self._sources_of[venue.account]

    def desk(self, name: str, *, dry_run: bool = False, owner: str = "") -> Desk:
        """Return everything that a cycle of the agent works with; ``dry_run`` only tightens its file."""
        from ztrade.app.desk import Desk
        from ztrade.strategies import create

        agent = self.config.agent(name)
        agent = replace(agent, dry_run=agent.dry_run or dry_run)
        venue, clock = self.venue(agent), self.clock(agent.dry_run)
        return Desk(
            agent=agent,
            account=venue.account,
            owner=owner_name(owner or "ztrade"),
            strategy=create(agent.strategy, agent.parameters),
            journal=self.journal,
            exchange=venue.exchange,
            data=venue.data,
            calendar=self.calendar,
            clock=clock,
            speed=clock.speed if isinstance(clock, EmbeddedClock) else lambda: 1.0,
            halts=self.halts,
            gather=self.gather,
            timer=time.perf_counter,
            pause=time.sleep,
            gone=is_gone,
            end=end,
            account_limits=self.config.limits,
            sources=self._sources(venue),
            source_weights=opinions.source_weights(self.config),
            lease=hard_time_limit(agent.every) + _LEASE_MARGIN,
            unknown_grace=_UNKNOWN_GRACE,
        )

    def run_cycle(
        self, agent: str, *, dry_run: bool, manual: bool, slot: datetime | None, owner: str
    ) -> CycleRecord | None:
        """Run one cycle; None when somebody else has or had this slot. Raises as :func:`ztrade.app.run_cycle`."""
        from ztrade.app.run_cycle import run_cycle

        return run_cycle(self.desk(agent, dry_run=dry_run, owner=owner), slot=slot, manual=manual)

    def recover(self, agent: str, *, owner: str) -> None:
        """Resolve what earlier processes left of the agent. Raises as :func:`ztrade.app.recover.recover`."""
        from ztrade.app.recover import recover

        recover(self.desk(agent, owner=owner))

    def settle(self, agent: str, *, dry_run: bool, session_close: datetime, owner: str) -> CycleRecord | None:
        """Take the account book over after the close; None when somebody else has or had it."""
        from ztrade.app.settle import settle

        return settle(self.desk(agent, dry_run=dry_run, owner=owner), session_close)

    def approve(self, proposal_id: str, by: str) -> CycleRecord | None:
        """Send what a manual agent proposed. Raises NotFound, Rejected."""
        from ztrade.app.proposals import approve, find

        proposal = find(self.journal, proposal_id)
        desk = self.desk(proposal.agent, dry_run=proposal.account == EMBEDDED)
        return approve(desk, proposal_id, by=by)

    def reject(self, proposal_id: str, by: str) -> Proposal:
        """Refuse what a manual agent proposed. Raises NotFound, Rejected."""
        from ztrade.app.proposals import find

        # the clock that its expiry was written with, whatever the agent's file says by now
        now = self.clock(find(self.journal, proposal_id).account == EMBEDDED).now()
        return self.journal.decide_proposal(proposal_id, ProposalState.REJECTED, by=by, now=now)

    def exchange_for(self, agent: str, *, dry_run: bool = False) -> ports.Exchange:
        return self.desk(agent, dry_run=dry_run).exchange

    def preload(self) -> None:
        """Import and build what every cycle needs, so that the first one does not wait for it."""
        for agent in self.config.agents:
            self.desk(agent)
        self.calendar.session(date(2025, 1, 9))
        self.scorer.score(["warm"])
        gc.collect()
        gc.freeze()

    def close(self) -> None:
        """Give back connections; the runtime can be used again."""
        for clock in self._clocks.values():
            if isinstance(clock, EmbeddedClock):
                clock.close()
        self._clocks.clear()
        self._venues.clear()
        self._sources_of.clear()


class _Shut:
    """Stands for the doors of an account that cannot be opened: every use says why."""

    def __init__(self, why: Exception) -> None:
        self._why = why

    def __getattr__(self, _name: str) -> Callable[..., object]:
        def refuse(*_args: object, **_options: object) -> object:
            raise self._why

        return refuse


@dataclass(frozen=True, slots=True)
class Backtest:
    """A finished backtest: every cycle's record, the journal it wrote, and the exchange it traded on."""

    records: Sequence[CycleRecord]
    journal: ports.Journal
    exchange: InProcess
    agents: Sequence[Agent]


def run_backtest(
    config: Config,
    tape: Tape,
    first: date,
    last: date,
    *,
    agents: Sequence[str] | None = None,
    cash: Decimal = Decimal(100_000),
) -> Backtest:
    """Run the agents over the tape's sessions from ``first`` to ``last``, on the matching core that is also served.

    Every agent trades dry and without asking, whatever its file says.

    Raises:
        ConfigError: there is no such agent, or no session in that time.
    """
    from ztrade.adapters.calendar import NyseCalendar
    from ztrade.app.backtest import backtest
    from ztrade.exchange.core.engine import Engine
    from ztrade.exchange.core.settings import Settings
    from ztrade.exchange.inprocess import InProcess
    from ztrade.testing.journal import MemoryJournal

    calendar = NyseCalendar()
    sessions = calendar.sessions(first, last)
    if not sessions:
        raise ConfigError(f"{first} to {last}", "the exchange does not trade on any of these days")
    covered = calendar.sessions(first - _HISTORY, last + timedelta(days=7))
    chosen = [replace(config.agent(name), dry_run=True, manual=False) for name in agents or sorted(config.agents)]
    # the pre-market's first slot is due before the open
    early = [slot for agent in chosen for slot in slots_of(sessions[0], agent.every, agent.sessions)[:1]]
    now = min([sessions[0].open, *early])
    exchange = InProcess(Engine(tape, covered, now=now, cash=cash, settings=Settings()))
    journal = MemoryJournal()
    scorer = opinions.plain_scorer(config)
    desks = [backtest_desk(config, agent, exchange, journal, calendar, scorer) for agent in chosen]
    with _collecting_less():
        records = list(backtest(desks, sessions, exchange.advance))
    return Backtest(records, journal, exchange, chosen)


@contextmanager
def _collecting_less() -> Iterator[None]:
    """Let the collector look seldom: a backtest keeps nearly all that it makes, and little of it is in cycles."""
    usual = gc.get_threshold()
    gc.set_threshold(_SELDOM)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def backtest_desk(
    config: Config,
    agent: Agent,
    exchange: InProcess,
    journal: ports.Journal,
    calendar: ports.Calendar,
    scorer: ports.SentimentScorer,
) -> Desk:
    """Return the desk of an agent that trades on an engine in this process, the clock of which is the exchange's."""
    from ztrade.adapters.sentiment import NewsSource
    from ztrade.app.desk import Desk
    from ztrade.strategies import create
    from ztrade.testing.gather import InlineGather
    from ztrade.testing.halts import MemoryHalts

    section = config.main.sentiment
    return Desk(
        agent=agent,
        account=EMBEDDED,
        owner="backtest",
        strategy=create(agent.strategy, agent.parameters),
        journal=journal,
        exchange=exchange,
        data=exchange,
        calendar=calendar,
        clock=exchange,
        halts=MemoryHalts(),
        gather=InlineGather(),
        timer=time.perf_counter,
        pause=lambda _seconds: None,
        end=ports.all_in_this_process,
        account_limits=config.limits,
        sources=[NewsSource(exchange, scorer, lookback=section.lookback)] if section.news > 0 else [],
        source_weights={"news": section.news},
        keep_inputs=False,
    )


def runtime(config: Config) -> Runtime:
    """Return the runtime of a configuration; nothing is opened before it is needed."""
    return Runtime(config)
