"""``ztrade proposals``, ``approve`` and ``reject``: what waits for a person."""

from __future__ import annotations

import getpass

import click

from ztrade.app.report import text
from ztrade.cli.context import App, pass_app
from ztrade.cli.output import json_option, show, visible
from ztrade.cli.records import proposal_record
from ztrade.domain.ledger import Outcome, ProposalState


def whoami() -> str:
    """Return the name of the person at this terminal, for the journal."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no entry in the user database: containers
        return "unknown"


@click.command()
@click.option("--all", "everything", is_flag=True, help="Also those that are decided or expired.")
@json_option
@pass_app
def proposals(app: App, everything: bool, as_json: bool) -> None:
    """List the decisions of manual agents that wait for a person."""
    with app.journal(app.config()) as journal:
        found = journal.proposals(state=None if everything else ProposalState.PENDING)
    columns = ("id", "agent", "state", "side", "qty", "symbol", "stop_loss", "take_profit", "expires_at", "rationale")
    show([proposal_record(one) for one in found], columns, as_json=as_json, empty="no proposals")


@click.command()
@click.argument("proposal_id", metavar="ID")
@click.option("--by", default=whoami, help="Who decides; you, unless said otherwise.")
@pass_app
def approve(app: App, proposal_id: str, by: str) -> int:
    """Approve proposal ID: its order is sent now, after all checks are made again."""
    with app.runtime(app.config()) as runtime:
        record = runtime.approve(proposal_id, by)
    if record is None:
        click.echo(f"{proposal_id}: approved by {by}, but another process took its cycle over: see `ztrade cycles`")
        return 1
    click.echo(visible(f"{proposal_id}: approved by {by}: {record.outcome}: {text.why(record)}"))
    return 0 if record.outcome in (Outcome.ENTERED, Outcome.EXITED) else 1


@click.command()
@click.argument("proposal_id", metavar="ID")
@click.option("--by", default=whoami, help="Who decides; you, unless said otherwise.")
@pass_app
def reject(app: App, proposal_id: str, by: str) -> None:
    """Reject proposal ID: nothing is sent."""
    with app.runtime(app.config()) as runtime:
        runtime.reject(proposal_id, by)
    click.echo(f"{proposal_id}: rejected by {by}")
