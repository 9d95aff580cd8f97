"""``ztrade status``: one screen, from whatever still answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

import click

from ztrade.adapters.clock import SystemClock
from ztrade.app.report import text
from ztrade.app.status import LOOKBACK, AgentStatus, agent_status
from ztrade.cli.context import App, pass_app
from ztrade.cli.output import Record, columns_of, json_option, to_json
from ztrade.config import EMBEDDED
from ztrade.domain.agent import Agent
from ztrade.domain.ledger import AgentState, CycleRecord, agent_scope
from ztrade.domain.schedule import Session, market_day
from ztrade.errors import ZtradeError

if TYPE_CHECKING:
    from ztrade.bootstrap import Runtime
    from ztrade.config import Config
    from ztrade.ports import Calendar, Halts, Journal
    from ztrade.service.stack import ProgramStatus

T = TypeVar("T")
ABSENT = "ABSENT"


@dataclass(slots=True)
class Findings:
    """What did not answer; each problem is one line for a person."""

    problems: list[str] = field(default_factory=list)

    def attempt(self, what: str, call: Callable[[], T]) -> T | None:
        """Return the answer, or None with the failure noted."""
        try:
            return call()
        except ZtradeError as error:
            self.problems.append(f"{what}: {error}")
            return None


@dataclass(frozen=True, slots=True)
class Facts:
    """What the journal says of one agent; empty where it does not answer."""

    last: CycleRecord | None = None
    state: AgentState | None = None
    equity: Sequence[tuple[datetime, Decimal]] = ()


@dataclass(frozen=True, slots=True)
class Screen:
    """Everything that is shown."""

    now: datetime
    agents: Sequence[AgentStatus]
    halts: Mapping[str, str]
    reducing: Mapping[str, str]
    programs: Sequence[ProgramStatus]
    problems: Sequence[str]

    @property
    def fine(self) -> bool:
        return not self.problems and not self.halts and not self.reducing


@click.command()
@json_option
@pass_app
def status(app: App, as_json: bool) -> int:
    """Show agents, positions, halts and programs on one screen; exit 1 where something is not fine.

    What does not answer is named, and the rest is shown.
    """
    config = app.config()
    with app.runtime(config) as runtime:
        screen = look(app, config, runtime)
    click.echo(to_json(_record(screen)) if as_json else "\n".join(_lines(screen)))
    return 0 if screen.fine else 1


def look(app: App, config: Config, runtime: Runtime) -> Screen:
    """Collect what answers; nothing that is down keeps the rest from being seen."""
    found = Findings()
    dry = any(agent.dry_run for agent in config.agents.values())
    now = found.attempt("exchange", lambda: runtime.clock(dry).now()) or _last_known(app, config)
    programs = found.attempt("stack", lambda: app.programs(config)) or []
    found.problems += [f"{p.name}: {p.detail or p.state}" for p in programs if not p.fine and p.state != ABSENT]
    sessions = found.attempt("calendar", lambda: around(runtime.calendar, now)) or []
    facts = found.attempt("journal", lambda: _facts(app, config, sessions, now)) or {}
    agents = [
        _line(agent, facts.get(name, Facts()), sessions, now, runtime.halts)
        for name, agent in sorted(config.agents.items())
    ]
    halts = runtime.halts
    return Screen(now, agents, halts.active(), halts.active_reducing(), programs, found.problems)


def _last_known(app: App, config: Config) -> datetime:
    """Return the newest cycle's time where the exchange's own cannot be asked: its days need not be ours."""
    with suppress(ZtradeError), app.journal(config) as journal:
        for cycle in journal.cycles(limit=1):
            return cycle.finished_at or cycle.started_at
    return SystemClock().now()


def around(calendar: Calendar, now: datetime) -> Sequence[Session]:
    """Return the sessions from the one before ``now`` to the next ones."""
    day = market_day(now)
    return calendar.sessions(day - timedelta(days=7), day + timedelta(days=7))


def _line(agent: Agent, facts: Facts, sessions: Sequence[Session], now: datetime, halts: Halts) -> AgentStatus:
    return agent_status(
        agent,
        last=facts.last,
        state=facts.state,
        equity=facts.equity,
        sessions=sessions,
        now=now,
        halted=halts.reason(agent.name),
        reducing=halts.reducing(agent.name),
    )


def _facts(app: App, config: Config, sessions: Sequence[Session], now: datetime) -> Mapping[str, Facts]:
    opened = [session.open for session in sessions if session.open <= now]
    with app.journal(config) as journal:
        return {name: fact(journal, agent, opened[-1] if opened else now, now) for name, agent in config.agents.items()}


def fact(journal: Journal, agent: Agent, session_open: datetime, now: datetime) -> Facts:
    """Read one agent's line from the journal. Raises JournalUnavailable."""
    account = EMBEDDED if agent.dry_run else agent.account
    newest = journal.cycles(agent=agent.name, limit=1)
    state = journal.agent_state(agent.name, account, agent.symbol, session_open)
    return Facts(
        newest[-1] if newest else None, state, journal.equity(agent_scope(agent.name, account), now - LOOKBACK)
    )


def _record(screen: Screen) -> Record:
    return {
        "at": screen.now,
        "fine": screen.fine,
        "agents": [asdict(agent) for agent in screen.agents],
        "halts": screen.halts,
        "reducing": screen.reducing,
        "programs": [asdict(program) for program in screen.programs],
        "problems": screen.problems,
    }


HEADINGS = ("AGENT", "SYMBOL", "POSITION", "TODAY", "TOTAL", "LAST", "OUTCOME", "NEXT", "MODE", "REASON")


def _lines(screen: Screen) -> Iterator[str]:
    yield f"{text.stamp(screen.now)} New York"
    yield columns_of([HEADINGS, *map(cells, screen.agents)]) if screen.agents else "no agents"
    yield from (f"halted: {name}: {reason}" for name, reason in screen.halts.items())
    yield from (f"reducing: {name}: {reason}" for name, reason in screen.reducing.items())
    yield _programs(screen.programs)
    yield from (f"problem: {problem}" for problem in screen.problems)


def cells(agent: AgentStatus) -> Sequence[str]:
    """Return an agent's line as texts under :data:`HEADINGS`."""
    return (
        agent.agent,
        agent.symbol,
        _position(agent),
        "-" if agent.pnl_today is None else text.signed(agent.pnl_today),
        "-" if agent.pnl_total is None else text.signed(agent.pnl_total),
        text.clock(agent.slot),
        agent.outcome or "-",
        text.clock(agent.next_slot),
        agent.mode,
        (agent.reason or "-").removeprefix(f"{agent.outcome}: "),
    )


def _position(agent: AgentStatus) -> str:
    return f"{text.quantity(agent.qty)} at {text.price(agent.avg_entry_price)}" if agent.qty else "flat"


def _programs(programs: Sequence[ProgramStatus]) -> str:
    if not programs or all(program.state == ABSENT for program in programs):
        return "stack: not running"
    return "stack: " + ", ".join(_program(program) for program in programs)


def _program(program: ProgramStatus) -> str:
    consuming = {True: ", consuming", False: ", NOT consuming", None: ""}[program.consuming]
    return f"{program.name} {program.state.lower()}{consuming}"
