"""``ztrade status``: one screen, from whatever still answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta

import click

from ztrade.app.report import text
from ztrade.app.status import AgentStatus
from ztrade.cli.context import App, pass_app
from ztrade.cli.looking import Screen, look
from ztrade.cli.output import Record, columns_of, json_option, to_json, visible
from ztrade.domain.durations import format_duration
from ztrade.service.doorbell import QueueState
from ztrade.service.states import ABSENT, ProgramStatus


@click.command()
@json_option
@pass_app
def status(app: App, as_json: bool) -> int:
    """Show agents, positions, halts and programs on one screen; exit 1 where something is not fine.

    What does not answer is named, and the rest is shown.
    """
    config = app.config_to_look()
    with app.runtime(config) as runtime:
        screen = look(app, config, runtime)
    click.echo(to_json(_record(screen)) if as_json else "\n".join(_lines(screen)))
    return 0 if screen.fine else 1


def _record(screen: Screen) -> Record:
    return {
        "at": screen.now,
        "fine": screen.fine,
        "agents": [asdict(agent) for agent in screen.agents],
        "halts": screen.halts,
        "reducing": screen.reducing,
        "manager": screen.manager,
        "programs": [asdict(program) for program in screen.programs],
        "queues": [asdict(queue) for queue in screen.queues],
        "problems": screen.problems,
    }


HEADINGS = ("AGENT", "SYMBOL", "POSITION", "TODAY", "TOTAL", "LAST", "OUTCOME", "NEXT", "MODE", "REASON")


def _lines(screen: Screen) -> Iterator[str]:
    yield f"{text.stamp(screen.now)} New York"
    yield columns_of([HEADINGS, *map(cells, screen.agents)]) if screen.agents else "no agents"
    yield from map(visible, _more(screen))


def _more(screen: Screen) -> Iterator[str]:
    yield from (f"halted: {name}: {reason}" for name, reason in screen.halts.items())
    yield from (f"reducing: {name}: {reason}" for name, reason in screen.reducing.items())
    yield _programs(screen.manager, screen.programs)
    yield from (f"queue: {_queue(queue, screen.now)}" for queue in screen.queues)
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
    if agent.qty is None:
        return "unknown"  # a journal that does not answer says nothing of positions
    return f"{text.quantity(agent.qty)} at {text.price(agent.avg_entry_price)}" if agent.qty else "flat"


def _programs(manager: str, programs: Sequence[ProgramStatus]) -> str:
    if not programs or all(program.state == ABSENT for program in programs):
        return f"{manager}: not running"
    return f"{manager}: " + ", ".join(_program(program) for program in programs)


def _program(program: ProgramStatus) -> str:
    consuming = {True: ", consuming", False: ", NOT consuming", None: ""}[program.consuming]
    restarts = f", restarts: {program.restarts}" if program.restarts else ""
    return f"{program.name} {program.state.lower()}{consuming}{restarts}"


def _queue(queue: QueueState, now: datetime) -> str:
    waits = f"{queue.name}: {queue.length} waiting"
    if queue.oldest is None:
        return waits
    age = format_duration(max(timedelta(seconds=int((now - queue.oldest).total_seconds())), timedelta(0)))
    return f"{waits}, the oldest for {text.clock(queue.oldest)}, {age} ago"
