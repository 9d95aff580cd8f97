"""What package scripts ask of the journal."""

from __future__ import annotations

import click

from ztrade.cli.context import App, pass_app


@click.command("journal-revision", hidden=True)
@pass_app
def journal_revision(app: App) -> None:
    """Print the revision of the journal's tables, or ``none``: no package that is older than them may be installed."""
    from ztrade.adapters.journal import revision

    click.echo(revision(app.config().journal_url) or "none")
