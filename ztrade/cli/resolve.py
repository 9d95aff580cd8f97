"""``ztrade resolve``: a person decides on an order that is not at the exchange as it was meant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from ztrade.cli.context import App, pass_app
from ztrade.cli.output import visible
from ztrade.cli.proposals import whoami
from ztrade.config import EMBEDDED

if TYPE_CHECKING:
    from ztrade.app.desk import Desk
    from ztrade.app.resolve import Case, Choice
    from ztrade.bootstrap import Runtime


@click.command()
@click.argument("order_id", metavar="ORDER_ID")
@click.option("--as-it-is", is_flag=True, help="The agent takes over what the exchange has.")
@click.option("--not-ours", is_flag=True, help="What the exchange has is somebody else's; the agent's was not sent.")
@click.option("--not-sent", is_flag=True, help="The exchange has no such order, and none will come.")
@click.option("--reason", help="Why; kept with the order.")
@click.option("--by", default=whoami, help="Who decides; you, unless said otherwise.")
@pass_app
def resolve(
    app: App, order_id: str, as_it_is: bool, not_ours: bool, not_sent: bool, reason: str | None, by: str
) -> int:
    """Decide on ORDER_ID (a client_order_id) that the exchange has, or has not, otherwise than it was meant.

    Without one of the three it shows both sides and what can be said of them, and changes nothing. A decision needs
    a halted agent; afterwards `ztrade release` lets it trade on.
    """
    from ztrade.adapters.process import may_live_here
    from ztrade.app.resolve import look
    from ztrade.app.resolve import resolve as settle

    choice = _choice(as_it_is=as_it_is, not_ours=not_ours, not_sent=not_sent)
    words = " ".join((reason or "").split())
    if (choice is None) != (not words):
        raise click.UsageError("a decision needs --reason TEXT" if choice else "--reason belongs to a decision")
    with app.runtime(app.config()) as runtime:
        desk = _desk(runtime, order_id)
        if choice is None:
            return _show(look(desk, order_id, may_live_here))
        case = settle(desk, order_id, choice, by=by, reason=words, may_live=may_live_here)
    return _done(case, choice, by)


def _desk(runtime: Runtime, order_id: str) -> Desk:
    """Return the desk of the agent that the order was meant for, on the account that it was meant for."""
    from ztrade.app.resolve import find

    intent = find(runtime.journal, order_id)
    return runtime.desk(intent.agent, dry_run=intent.account == EMBEDDED)


def _choice(*, as_it_is: bool, not_ours: bool, not_sent: bool) -> Choice | None:
    from ztrade.app.resolve import Choice

    given = {Choice.AS_IT_IS: as_it_is, Choice.NOT_OURS: not_ours, Choice.NOT_SENT: not_sent}
    chosen = [choice for choice, said in given.items() if said]
    if len(chosen) > 1:
        raise click.UsageError(f"{' and '.join(map(_option, chosen))}: only one of them can be")
    return chosen[0] if chosen else None


def _option(choice: Choice) -> str:
    return f"--{choice.replace(' ', '-')}"


def _show(case: Case) -> int:
    for line in _lines(case):
        click.echo(visible(line))
    return 1 if case.open else 0


def _lines(case: Case) -> Iterator[str]:
    from ztrade.app.resolve import Choice

    intent = case.intent
    why = f": {intent.reason}" if intent.reason else ""
    yield f"{intent.request.client_order_id} of {intent.agent} on {intent.account} is {intent.state}{why}"
    yield f"meant:    {case.meant}"
    yield f"exchange: {case.found}"
    if not case.open:
        yield "nothing to decide"
        return
    for choice in Choice:
        against = case.against.get(choice)
        yield f"{_option(choice)}: {f'no: {against}' if against else _MEANS[choice.name]}"
    if case.halted is None:
        yield f"first: ztrade halt {intent.agent}"


#: what each choice does, by its name
_MEANS = {
    "AS_IT_IS": "the agent takes the exchange's order over, with its quantity",
    "NOT_OURS": "the exchange's order is foreign, and never touched; ours counts as not sent",
    "NOT_SENT": "it counts as not sent",
}


def _done(case: Case, choice: Choice, by: str) -> int:
    name, agent = case.intent.request.client_order_id, case.intent.agent
    if case.again:
        click.echo(visible(f"{name}: {case.intent.reason}; nothing was changed"))
        return 0
    click.echo(visible(f"{name}: {choice}, by {by}; meant: {case.meant}; exchange: {case.found}"))
    click.echo(f"{agent} trades on after: ztrade release {agent}")
    return 0
