"""``ztrade sla``: how a month went against the objectives."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from ztrade.cli.context import App, pass_app
from ztrade.cli.listings import known
from ztrade.cli.options import agent_option
from ztrade.cli.output import Record, columns_of, json_option, to_json
from ztrade.domain.durations import format_duration
from ztrade.domain.ledger import DONE, CycleRecord, Outcome
from ztrade.domain.missed import cause_of
from ztrade.domain.schedule import market_day
from ztrade.errors import ConfigError

if TYPE_CHECKING:
    from ztrade.app.sla import Month, Result

_WORDS = {
    "done_in_time": "slots done within {within}",
    "not_missed": "slots not missed",
    "order_known": "orders known within {within}",
}


class MonthName(click.ParamType[date]):
    """A month of the exchange, ``2022-08``."""

    name = "YYYY-MM"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            found = datetime.strptime(value, "%Y-%m").replace(tzinfo=UTC).date()
        except ValueError:
            self.fail(f"{value!r} is not a month; write it like 2022-08", param, ctx)
        if not 1792 <= found.year <= 2200:
            self.fail(f"{value!r} is no month of an exchange", param, ctx)
        return found


@click.command()
@click.option("--month", "wanted", type=MonthName(), help="Of the exchange's time; default: that of the newest slot.")
@agent_option
@json_option
@pass_app
def sla(app: App, wanted: date | None, agent: str | None, as_json: bool) -> int:
    """Show how a month went against the objectives, what is left of the budget, and the worst slots; exit 1 if missed.

    From the journal alone. Slots count in the exchange's regular hours, orders in the month in which they were planned.
    """
    from ztrade.adapters.clock import SystemClock
    from ztrade.app.sla import month, newest_month

    config = app.config()
    if not config.agents:
        folder = config.path.parent / config.main.agents_dir
        raise ConfigError(str(folder), "has no agent files, so there is nothing to judge", fix="add one, like spy.toml")
    name = known(config, agent)
    agents = [name] if name else sorted(config.agents)
    objectives = config.objectives
    with app.journal(config) as journal:
        calendar, wall = app.calendar(), SystemClock().wall()
        first = wanted or newest_month(journal, agents) or market_day(wall).replace(day=1)
        found = month(journal, agents, first, objectives, session_of=calendar.session, wall=wall)
    click.echo(to_json(_record(first, agents, found)) if as_json else _page(first, agents, found))
    return 0 if found.met else 1


def _record(first: date, agents: Sequence[str], found: Month) -> Record:
    return {
        "month": f"{first:%Y-%m}",
        "agents": agents,
        "met": found.met,
        "objectives": [_objective(result) for result in found.results],
        "worst": [_bad(record, what) for record, what in found.worst],
    }


def _objective(result: Result) -> Record:
    return {
        "objective": str(result.objective),
        "wanted": result.wanted,
        "within_seconds": result.within.total_seconds() if result.within else None,
        "events": result.score.events,
        "bad": result.score.bad,
        "achieved": result.score.achieved(),
        "met": result.met,
        "budget_left": result.budget_left,
        "budget_left_share": result.budget_share,
    }


def _bad(record: CycleRecord, what: str) -> Record:
    return {
        "slot": record.slot,
        "agent": record.agent,
        "outcome": str(record.outcome),
        "cause": str(cause_of(record.reason)) if record.outcome is Outcome.MISSED else None,
        "done_seconds": record.timings.get(DONE),
        "what": what,
        "cycle_id": record.cycle_id,
    }


def _page(first: date, agents: Sequence[str], found: Month) -> str:
    head = ("objective", "wanted", "achieved", "events", "bad", "budget left")
    lines = [f"{first:%Y-%m}, {', '.join(agents)}", "", columns_of([head, *map(_row, found.results)])]
    if found.worst:
        bad = [(f"{record.slot:%Y-%m-%d %H:%MZ}", record.agent, _printable(what)) for record, what in found.worst]
        lines += ["", columns_of([("worst slots", "agent", "what"), *bad])]
    return "\n".join(lines)


def _row(result: Result) -> Sequence[str]:
    within = format_duration(result.within) if result.within else ""
    achieved = result.score.achieved()
    share = result.budget_share
    left = f"{abs(result.budget_left):.1f} events"
    if result.met:
        left += "" if share is None else f", {share:.0%}"
    else:
        left = f"missed by {left}"
    return (
        _WORDS[result.objective].format(within=within),
        _percent(result.wanted),
        "-" if achieved is None else f"{achieved:.3%}",
        str(result.score.events),
        str(result.score.bad),
        left,
    )


def _percent(share: Decimal) -> str:
    """Return what is wanted as it was configured: 0.99995 is not 100 %."""
    places = -int(share.normalize().as_tuple().exponent)
    return f"{share:.{max(places - 2, 2)}%}"


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)
