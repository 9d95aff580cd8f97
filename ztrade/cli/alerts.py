"""``ztrade alerts``: try the channels, and see what became of the messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from ztrade.cli.context import App, pass_app
from ztrade.cli.output import Record, json_option, show
from ztrade.errors import ConfigError, ZtradeError

if TYPE_CHECKING:
    from ztrade.domain.messages import Delivery, Message
    from ztrade.ports import AlertChannel


@click.group()
def alerts() -> None:
    """Messages for people: try the channels, list what was told."""


@alerts.command("test")
@click.option("--channel", metavar="NAME", help="Only this one.")
@json_option
@pass_app
def test_channels(app: App, channel: str | None, as_json: bool) -> int:
    """Send a test message over each channel, now and from here; exit 1 unless every one took it."""
    from ztrade.adapters.clock import SystemClock
    from ztrade.alerting import channels

    app.quiet()
    config = app.main_file()
    found = channels(config)
    if channel is not None and channel not in found:
        known = ", ".join(found) or "none"
        raise ConfigError(f"channel {channel!r}", f"is not in {config.path}", fix=f"known channels: {known}")
    at, kinds = SystemClock().wall(), config.main.alerts.channels
    records = [
        {"channel": name, "kind": kinds[name].kind, **_tried(found[name], name, at)}
        for name in ([channel] if channel else found)
    ]
    where = f"no channel in {config.path}: docs/how-to/get-alerts.md"
    show(records, ["channel", "kind", "works", "detail"], as_json=as_json, empty=where)
    return 0 if records and all(record["works"] for record in records) else 1


def _tried(channel: AlertChannel, name: str, at: datetime) -> Record:
    from ztrade.domain.messages import Message, Severity

    text = f"This is how messages over the channel {name} look. Nothing is wrong, and nothing is to be done."
    message = Message(f"test:{name}:{at.isoformat()}", Severity.INFO, "ztrade alerts test", text, at)
    try:
        missed = channel.send(message)
    except ZtradeError as error:
        return {"works": False, "detail": str(error)}
    without = "; ".join(f"not for {receiver}: {why}" for receiver, why in missed.items())
    return {"works": not missed, "detail": f"taken, but {without}" if missed else "taken"}


@alerts.command("list")
@click.option("--state", type=click.Choice(["waiting", "sent", "lost", "untold"]), help="Only those.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="The newest so many.")
@json_option
@pass_app
def list_alerts(app: App, state: str | None, limit: int, as_json: bool) -> None:
    """List messages, oldest first, with what became of each on each channel."""
    app.quiet()
    with app.journal(app.main_file()) as journal:
        found = journal.outbox.deliveries(100_000 if state else limit)
    records = [record for message, some in found for record in _records(message, some)]
    chosen = [record for record in records if state in (None, record["state"])][-limit:]
    columns = ["at", "severity", "title", "channel", "state", "detail"]
    show(chosen, columns, as_json=as_json, empty="there is nothing")


def _records(message: Message, some: Sequence[Delivery]) -> Iterator[Record]:
    about = {
        "at": message.at,
        "severity": message.severity,
        "agent": message.agent,
        "title": message.title,
        "text": message.text,
        "key": message.key,
    }
    for one in some:
        ended = {"ended_at": one.ended_at, "attempts": one.attempts}
        yield {**about, "channel": one.channel, "state": one.state, "detail": one.trouble, **ended}
    if not some:
        yield {**about, "channel": None, "state": "untold", "detail": "", "ended_at": None, "attempts": 0}
