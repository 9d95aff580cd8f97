"""``ztrade replay``: the stored inputs of a cycle through today's code, beside the decision of then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from ztrade.cli.context import App, pass_app
from ztrade.cli.output import json_option, to_json
from ztrade.domain.identity import slot_of
from ztrade.errors import ConfigError

if TYPE_CHECKING:
    from ztrade.domain.ledger import CycleRecord
    from ztrade.ports import Journal


@click.command()
@click.argument("cycle_id", metavar="CYCLE")
@json_option
@pass_app
def replay(app: App, cycle_id: str, as_json: bool) -> int:
    """Decide cycle CYCLE again from its stored inputs; exit 1 where the decision differs from the recorded one."""
    from ztrade.app.replay import replay as decide_again

    config = app.config()
    with app.journal(config) as journal:
        cycle = _find(journal, cycle_id)
    if not cycle.inputs:
        nothing = {"cycle_id": cycle_id, "same": False, "then": None, "now": None}
        words = f"{cycle_id}: it ended {cycle.outcome} before a decision was made ({cycle.reason})"
        click.echo(to_json(nothing) if as_json else words)
        return 1
    again = decide_again(config.agent(cycle.agent), cycle.inputs)
    then = {key: cycle.details.get(key) for key in again}
    same = then == again
    click.echo(to_json({"cycle_id": cycle_id, "same": same, "then": then, "now": again}) if as_json
               else _lines(cycle, then, again, same))  # fmt: skip
    return 0 if same else 1


def _find(journal: Journal, cycle_id: str) -> CycleRecord:
    slot = slot_of(cycle_id)
    # that instant alone: the inputs of all cycles of a year are some gigabytes
    for cycle in journal.cycles(since=slot, until=slot, with_inputs=True) if slot else ():
        if cycle.cycle_id == cycle_id:
            return cycle
    raise ConfigError(f"cycle {cycle_id!r}", "the journal has no such cycle", fix="`ztrade cycles --json` shows ids")


def _lines(cycle: CycleRecord, then: Mapping[str, object], now: Mapping[str, object], same: bool) -> str:
    lines = [f"{cycle.cycle_id}: {cycle.outcome}: {cycle.reason}"]
    lines += [f"  {key}: {then[key]} then, {now[key]} now" for key in now if then[key] != now[key]]
    lines.append("the same decision" if same else "a different decision")
    return "\n".join(lines)
