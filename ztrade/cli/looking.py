"""What ``ztrade status`` shows, collected from whatever answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from ztrade.adapters.clock import SystemClock
from ztrade.app.status import LOOKBACK, AgentStatus, agent_status
from ztrade.cli.asking import Answer, Asker
from ztrade.cli.context import App
from ztrade.config import EMBEDDED
from ztrade.domain.agent import Agent
from ztrade.domain.ledger import AgentState, CycleRecord, agent_scope
from ztrade.domain.schedule import Session, market_day
from ztrade.errors import ZtradeError
from ztrade.service import pulse
from ztrade.service.doorbell import Doorbell, QueueState, taking
from ztrade.service.states import ABSENT, ProgramStatus, of_units

if TYPE_CHECKING:
    from ztrade.bootstrap import Runtime
    from ztrade.config import Config
    from ztrade.ports import Calendar, Halts, Journal
    from ztrade.service.units import Unit


@dataclass(frozen=True, slots=True)
class Facts:
    """What the journal says of one agent; empty where it does not answer."""

    last: CycleRecord | None = None
    state: AgentState | None = None
    equity: Sequence[tuple[datetime, Decimal]] = ()


@dataclass(frozen=True, slots=True)
class Screen:
    """Everything that is shown; ``manager`` is who runs the programs: ``systemd`` or ``stack``."""

    now: datetime
    agents: Sequence[AgentStatus]
    halts: Mapping[str, str]
    reducing: Mapping[str, str]
    manager: str
    programs: Sequence[ProgramStatus]
    queues: Sequence[QueueState]
    problems: Sequence[str]

    @property
    def fine(self) -> bool:
        return not self.problems and not self.halts and not self.reducing


def look(app: App, config: Config, runtime: Runtime) -> Screen:
    """Collect what answers; nothing that is down, or hangs, keeps the rest from being seen."""
    _load(config)
    asker = Asker()
    dry = any(agent.dry_run for agent in config.agents.values())
    clock = asker.ask("exchange", lambda: runtime.clock(dry).now())
    bell = asker.ask("Redis", lambda: app.doorbell(config))
    units = asker.ask("systemd", lambda: app.units(config))
    calendar = app.calendar_kept(config)
    exchange_now = clock.get()
    now = exchange_now or _last_known(app, config)
    sessions = _sessions(calendar, now, asker)
    facts = asker.ask("journal", lambda: _facts(app, config, sessions, now)).get() or {}
    trouble = {} if exchange_now or not dry else {"exchange": "does not answer"}
    manager, programs, queues = _programs(app, config, asker, units, bell, _busy(facts), trouble)
    halts = runtime.halts
    agents = [
        _line(agent, facts.get(name, Facts()), sessions, now, halts) for name, agent in sorted(config.agents.items())
    ]
    problems = [*config.warnings, *asker.problems]
    return Screen(now, agents, halts.active(), halts.active_reducing(), manager, programs, queues, problems)


def _sessions(calendar: Calendar, now: datetime, asker: Asker) -> Sequence[Session]:
    """Return the sessions around ``now``; computed for the first time they take a second, which is no outage."""
    try:
        return around(calendar, now)
    except ZtradeError as error:
        asker.problems.append(f"calendar: {error}")
        return ()


def _load(config: Config) -> None:
    """Load what the questions need before their time runs: a slow machine is no outage."""
    import redis  # noqa: F401

    if config.journal_url.startswith("sqlite"):
        import ztrade.adapters.journal.store
        import ztrade.adapters.journal.upgrade  # noqa: F401


def _programs(
    app: App,
    config: Config,
    asker: Asker,
    units: Answer[Sequence[Unit]],
    bell: Answer[Doorbell],
    busy: Mapping[str, str],
    trouble: dict[str, str],
) -> tuple[str, Sequence[ProgramStatus], Sequence[QueueState]]:
    """Return who runs the programs, how they do, and what waits in the queues."""
    found, before = bell.get(), len(asker.problems)
    known = units.get() or ()
    silent = "" if found else asker.problems.pop(before - 1).removeprefix("Redis: ")
    taken = taking(found, config.agents, busy) if found else {}
    if known:
        wrong = trouble | {"redis": silent, "beat": pulse.trouble(config.state_dir)}
        programs: Sequence[ProgramStatus] = of_units(
            known, config.agents, taken, {name: words for name, words in wrong.items() if words}
        )
    else:
        programs = asker.ask("stack", lambda: app.programs(config, (taken, silent))).get() or []
    manager = "systemd" if known else "stack"
    runs = any(program.state not in (ABSENT, "STOPPED") for program in programs)
    if silent and (runs or config.main.redis.url):
        asker.problems.append(f"Redis: {silent}")
    missing = (ABSENT, "STOPPED") if not runs or manager == "stack" else ()
    ailing = [program for program in programs if not program.fine and program.state not in missing]
    # of workers of which nobody can tell while Redis is down, Redis' own line says enough
    asker.problems += [f"{one.name}: {one.detail or one.state}" for one in ailing if not silent or one.detail != silent]
    return manager, programs, found.queues if found else ()


def _busy(facts: Mapping[str, Facts]) -> dict[str, str]:
    """Return the cycle that runs, by agent: its worker rightly takes no other message."""
    lasts = {name: fact.last for name, fact in facts.items()}
    return {name: last.cycle_id for name, last in lasts.items() if last is not None and last.outcome is None}


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
    state = journal.agent_state(agent.name, account, agent.symbol, session_open, agent.capital)
    curve = journal.equity(agent_scope(agent.name, account), now - LOOKBACK, agent.capital)
    return Facts(newest[-1] if newest else None, state, curve)
