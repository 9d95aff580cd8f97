"""What the demo will do, decided before anything is written: prices, days, agents."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from ztrade.domain.agent import Agent
from ztrade.domain.schedule import Session, market_day, slots_of
from ztrade.domain.types import Bars
from ztrade.errors import ConfigError
from ztrade.exchange.tape import Tape
from ztrade.ports import Calendar

#: what a demo shows that names nothing: a day of the synthetic market on which every shipped agent buys and sells
DEFAULT_SEED = 7
DEFAULT_DAY = date(2024, 5, 16)
#: exchange time begins this long before the first open: beat and workers find the market closed, then see it open
LEAD_IN = timedelta(minutes=1)
#: and it ends this long after the last close: the account book of the day is complete by then
LEAD_OUT = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Prices:
    """Where prices come from: arguments of ``ztrade exchange``, and the tape of recorded bars (None: made up)."""

    words: str
    arguments: tuple[str, ...]
    tape: Tape | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Days and agents of a demo; ``left_out`` are agents whose symbol the prices do not have."""

    prices: Prices
    sessions: Sequence[Session]
    agents: Mapping[str, Agent]
    left_out: Sequence[str]
    speed: str

    @property
    def start(self) -> datetime:
        return self.begin_of(self.sessions[0])

    @property
    def until(self) -> datetime:
        return self.end_of(self.sessions[-1])

    def begin_of(self, session: Session) -> datetime:
        """Return when a day begins: before the open, or before the first slot of the pre-market where one is due."""
        return min([session.open, *(slot for slot, _ in self._slots_of(session))]) - LEAD_IN

    def end_of(self, session: Session) -> datetime:
        """Return when everything of a day has been due: after the close, or after the last slot of late trading."""
        due = [slot + self.agents[name].delay for slot, name in self._slots_of(session)]
        return max([session.close, *due]) + LEAD_OUT

    @property
    def exchange_arguments(self) -> list[str]:
        """Return the arguments after ``ztrade exchange``."""
        symbols = ",".join(sorted(agent.symbol for agent in self.agents.values()))
        times = ("--speed", self.speed, "--start", _stamp(self.start), "--until", _stamp(self.until))
        return [*self.prices.arguments, "--symbols", symbols, *times]

    def slots(self) -> list[tuple[datetime, str]]:
        """Return every (slot, agent) that must get an outcome, in order."""
        return sorted(entry for session in self.sessions for entry in self._slots_of(session))

    def _slots_of(self, session: Session) -> list[tuple[datetime, str]]:
        return [
            (slot, agent.name)
            for agent in self.agents.values()
            for slot in slots_of(session, agent.every, agent.sessions)
        ]


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def make_plan(
    agents: Mapping[str, Agent], prices: Prices, days: tuple[date, date] | None, speed: str, calendar: Calendar
) -> Plan:
    """Decide days and agents.

    Raises:
        ConfigError: no agent is left, one would trade a real account, a day is none of trading or has no bars.
    """
    candidates = choose_agents(agents, prices.tape)
    sessions = choose_sessions(days, candidates, prices.tape, calendar)
    chosen = with_prices(candidates, prices.tape, sessions[-1].day)
    left_out = sorted(set(agents) - set(chosen))
    return Plan(prices, sessions, chosen, left_out, speed)


def read_prices(bars: Path | None, news: Path | None, seed: int | None, calendar: Calendar) -> Prices:
    """Read the bars to the last row, or name the synthetic market.

    Raises:
        ConfigError: options exclude each other, or a file is wrong.
    """
    if bars is None and news is not None:
        raise ConfigError("--news", "goes with --bars", fix="leave it out: the synthetic market brings its own news")
    if bars is None:
        seed = DEFAULT_SEED if seed is None else seed
        return Prices(f"Synthetic market, seed {seed}", ("--synthetic", str(seed)))
    if seed is not None:
        raise ConfigError("--synthetic", "excludes --bars", fix="give one of them")
    from ztrade.exchange.bars import load_directory

    told = ("--news", str(_read_news(news))) if news is not None else ()
    tape = load_directory(bars, calendar=calendar)
    return Prices(f"Recorded bars from {bars}", ("--bars", str(bars.absolute()), *told), tape)


def _read_news(news: Path) -> Path:
    """Read the file as the exchange will, so that a wrong one stops before anything starts."""
    from ztrade.exchange.bars import load_news

    load_news(news)
    return news.absolute()


def choose_agents(agents: Mapping[str, Agent], tape: Tape | None) -> dict[str, Agent]:
    """Return the agents whose symbol has prices: all of them on the synthetic market.

    Raises:
        ConfigError: no agent is left, or one would trade a real account.
    """
    chosen = {n: agent for n, agent in sorted(agents.items()) if tape is None or agent.symbol in tape.symbols()}
    for name, agent in chosen.items():
        if not agent.dry_run:
            raise ConfigError(f"agent {name!r}", "has dry_run = false", "the demo trades the embedded exchange only")
    if not chosen:
        names = ", ".join(f"{agent.name} ({agent.symbol})" for agent in agents.values()) or "none"
        raise ConfigError(
            "ztrade demo",
            f"no agent trades one of {', '.join(tape.symbols()) if tape else 'these symbols'}",
            f"the agents are: {names}",
            "give bars of one of their symbols, or a configuration with other agents (--config)",
        )
    return chosen


def with_prices(agents: Mapping[str, Agent], tape: Tape | None, last: date) -> dict[str, Agent]:
    """Return the agents whose bars have begun by the day ``last``; the others would find no price in any slot."""
    return {
        name: agent
        for name, agent in agents.items()
        if tape is None or market_day(tape.bars(agent.symbol).start_at(0)) <= last
    }


def choose_sessions(
    days: tuple[date, date] | None, agents: Mapping[str, Agent], tape: Tape | None, calendar: Calendar
) -> Sequence[Session]:
    """Return the sessions to trade: the days asked for, else a fixed one, or the last that every agent's bars reach.

    Raises:
        ConfigError: a day is none of trading, or there are no bars for it.
    """
    series = {agent.symbol: tape.bars(agent.symbol) for agent in agents.values()} if tape else {}
    if days is None:
        day = last_day(series) if series else DEFAULT_DAY
        days = (day, day)
    sessions = calendar.sessions(*days)
    if not sessions:
        raise ConfigError(f"day {_span(days)}", "the exchange is closed", fix=_other_day(days[0], calendar))
    if series:
        # a day between may lack its bars: to the agents that is a feed that stands still, and they hold
        for session in (sessions[0], sessions[-1]):
            _check_day(session, series)
    return sessions


def last_day(series: Mapping[str, Bars]) -> date:
    """Return the last New York day that the bars of every symbol reach."""
    return market_day(min(bars.start_at(len(bars) - 1) for bars in series.values()))


def _check_day(session: Session, series: Mapping[str, Bars]) -> None:
    if any(_has_bars(bars, session) for bars in series.values()):
        return
    first = min(bars.start_at(0) for bars in series.values())
    last = max(bars.start_at(len(bars) - 1) for bars in series.values())
    raise ConfigError(
        f"day {session.day}",
        "there are no bars for it",
        fix=f"the bars reach from {market_day(first)} to {market_day(last)}",
    )


def _has_bars(bars: Bars, session: Session) -> bool:
    first = bisect_left(bars.start, int(session.open.timestamp()))
    return first < len(bars) and bars.start[first] < session.close.timestamp()


def _other_day(day: date, calendar: Calendar) -> str:
    """Return what to do instead, with the session before a closed day."""
    before = calendar.sessions(day - timedelta(days=7), day)
    return f"name a day of trading, like {before[-1].day}" if before else "name a day of trading"


def _span(days: tuple[date, date]) -> str:
    return str(days[0]) if days[0] == days[1] else f"{days[0]}..{days[1]}"
