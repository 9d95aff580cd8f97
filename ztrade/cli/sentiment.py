"""``ztrade sentiment``: the news behind a decision, as it was scored then and as it would be scored now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ztrade.cli.context import App, pass_app
from ztrade.cli.output import Record, json_option, show, to_json, visible
from ztrade.domain.identity import slot_of
from ztrade.errors import ConfigError

if TYPE_CHECKING:
    from ztrade.app.explain import Explained
    from ztrade.config import Config
    from ztrade.domain.ledger import CycleRecord
    from ztrade.ports import Journal

#: how many of an agent's cycles are looked through for one that knew news
_NEWEST = 20
_COLUMNS = ("source", "at", "weight", "relevance", "score", "score_now", "scorer", "headline", "dropped")


@click.command()
@click.argument("what", metavar="[AGENT|CYCLE]", required=False)
@json_option
@pass_app
def sentiment(app: App, what: str | None, as_json: bool) -> int:
    """Show the news behind a cycle's decision, or behind the newest one of AGENT, with today's scores beside it.

    Exit 1 where no such cycle knew any news.
    """
    from ztrade.app.explain import explain
    from ztrade.opinions import scorer

    config = app.config()
    with app.journal(config) as journal:
        cycle = _wanted(config, journal, what)
        found = explain(config.agent(cycle.agent), cycle, scorer(config, lambda: journal)) if cycle else None
    if cycle is None or found is None:
        nothing = f"{what or 'any agent'}: no news was known"
        click.echo(to_json({"cycle_id": cycle.cycle_id if cycle else None, "stories": []}) if as_json else nothing)
        return 1
    if as_json:
        click.echo(to_json(_record(cycle, found)))
    else:
        _tell(cycle, found)
    return 0


def _wanted(config: Config, journal: Journal, what: str | None) -> CycleRecord | None:
    slot = slot_of(what) if what else None
    if slot is not None:
        # that instant alone: the inputs of all cycles of a year are some gigabytes
        same = [cycle for cycle in journal.cycles(since=slot, until=slot, with_inputs=True) if cycle.cycle_id == what]
        if not same:
            raise ConfigError(
                f"cycle {what!r}", "the journal has no such cycle", fix="`ztrade cycles --json` shows ids"
            )
        return same[0] if same[0].inputs else None
    agent = config.agent(what).name if what else None
    newest = journal.cycles(agent=agent, limit=_NEWEST, with_inputs=True)
    return next((cycle for cycle in reversed(newest) if cycle.inputs.get("sentiment")), None)


def _record(cycle: CycleRecord, found: Explained) -> Record:
    return {
        "cycle_id": cycle.cycle_id,
        "agent": cycle.agent,
        "outcome": cycle.outcome,
        "reason": cycle.reason,
        "scorer": found.scorer,
        "stories": found.stories,
        "weights": found.then.weights,
        "missing": found.then.missing,
        "then": {"sentiment": found.then.score, "action": cycle.details.get("action")},
        "now": {"sentiment": found.now.score, "action": found.decision.action},
    }


def _tell(cycle: CycleRecord, found: Explained) -> None:
    click.echo(visible(f"{cycle.cycle_id}: {cycle.outcome}: {cycle.reason}"))
    show(found.stories, _COLUMNS, as_json=False, empty="no stories")
    for name, why in found.then.missing.items():
        click.echo(visible(f"without {name}: {why}"))
    then, now = f"{found.then.score:+.2f}", f"{found.now.score:+.2f}"
    click.echo(f"sentiment {then} then, {now} by {found.scorer} now: {found.decision.rationale}")
