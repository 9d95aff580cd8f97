"""`ztrade alerts`, and what commands tell others: a channel that does not work is said, and is exit 1."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.integration.mail_server import mail_server
from tests.unit.cli.stage import Stage
from ztrade.domain.messages import Message, Severity
from ztrade.testing.scripted_server import Answer, ScriptedServer, scripted

AT = datetime(2022, 8, 22, 14, 0, tzinfo=UTC)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@pytest.fixture
def slack() -> Iterator[ScriptedServer]:
    """Takes what goes to /good, and knows no other webhook."""
    with scripted(lambda asked: Answer(200, b"ok") if asked.path == "/good" else Answer(404, b"no_service")) as server:
        yield server


def configure(stage: Stage, url: str, **paths: str) -> None:
    with stage.path.open("a") as file:
        file.writelines(f'\n[alerts.channels.{name}]\nkind = "slack"\n' for name in paths)
    credentials = stage.path.with_name("credentials.toml")
    credentials.write_text("".join(f'[alerts.{name}]\nwebhook = "{url}{path}"\n' for name, path in paths.items()))
    credentials.chmod(0o600)


def test_each_channel_is_tried_and_the_answer_is_told(stage: Stage, slack: ScriptedServer) -> None:
    """Exit 1 where one does not work; the secret is in no line."""
    configure(stage, slack.url, ops="/good", old="/bad")
    result = stage.run("alerts", "test")
    assert result.exit_code == 1
    lines = [line.split(maxsplit=3) for line in result.stdout.splitlines()]
    assert lines[1:] == [["old", "slack", "False", "Slack answered 404 no_service"], ["ops", "slack", "True", "taken"]]
    assert slack.url not in result.output
    assert len(slack.asked) == 2


def test_one_channel_is_tried(stage: Stage, slack: ScriptedServer) -> None:
    """Exit 0: the others were not asked about."""
    configure(stage, slack.url, ops="/good", old="/bad")
    result = stage.run("alerts", "test", "--channel", "ops", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == [{"channel": "ops", "kind": "slack", "works": True, "detail": "taken"}]
    assert "Nothing is wrong" in str(slack.asked[0].body)


def test_a_receiver_who_gets_no_mail_is_named(stage: Stage, tmp_path: Path) -> None:
    """The channel goes on for the others, so that only this command tells of a mistyped address."""
    with mail_server(tmp_path, "none") as box:
        box.refused["bob@example.com"] = "550 5.1.1 no such user"
        with stage.path.open("a") as file:
            file.write(
                f'\n[alerts.channels.mail]\nkind = "email"\nhost = "127.0.0.1"\nport = {box.port}\nsecurity = "none"\n'
                'from = "z@example.com"\nto = ["ann@example.com", "bob@example.com"]\n'
            )
        result = stage.run("alerts", "test", "--json")
        assert (result.exit_code, len(box.got)) == (1, 1)
    (told,) = json.loads(result.stdout)
    assert told["detail"] == "taken, but not for bob@example.com: 550 5.1.1 no such user"


def test_an_unknown_channel_is_bad_usage(stage: Stage, slack: ScriptedServer) -> None:
    configure(stage, slack.url, ops="/good")
    result = stage.run("alerts", "test", "--channel", "opps")
    assert result.exit_code == 2
    assert "channel 'opps'" in result.stderr
    assert "known channels: ops" in result.stderr


def test_without_a_channel_nobody_is_told(stage: Stage) -> None:
    """Which is not fine, whoever asks."""
    result = stage.run("alerts", "test")
    assert result.exit_code == 1
    assert "no channel in" in result.stdout


def test_a_list_says_what_became_of_each_message(stage: Stage) -> None:
    """By channel; and of those that no channel wants."""
    journal = stage.bench.journal
    for number, severity in enumerate(Severity):
        journal.post(Message(f"k{number}", severity, f"title {number}", "text", AT, "spy"))
    outbox = journal.outbox
    outbox.route({"k0": [], "k1": ["ops"], "k2": ["mail", "ops"]}, AT)
    outbox.begin("ops", ["k1"], owner="x", at=AT, lease=AT - AT, gone=lambda _owner: False)
    outbox.taken("ops", ["k1"], AT)
    outbox.lose("mail", ["k2"], "552 too large", AT)
    seen = [
        (one["title"], one["channel"], one["state"]) for one in json.loads(stage.run("alerts", "list", "--json").stdout)
    ]
    assert seen == [
        ("title 0", None, "untold"),
        ("title 1", "ops", "sent"),
        ("title 2", "mail", "lost"),
        ("title 2", "ops", "waiting"),
    ]
    lost = stage.run("alerts", "list", "--state", "lost").stdout
    assert "552 too large" in lost
    assert "title 1" not in lost


def test_a_halt_and_its_release_are_told_to_everybody_else(stage: Stage) -> None:
    """Who, why, and how it goes on; once each."""
    stage.run("halt", "spy", "--reason", "earnings", "--flatten", "--by", "ann")
    stage.run("release", "spy")
    stage.run("halt", "--by", "bob")
    halt, release, everybody = stage.bench.journal.messages()
    assert (halt.title, halt.severity, halt.agent) == ("spy halted by ann", Severity.WARNING, "spy")
    assert halt.text == "earnings\nOrdered: close the positions.\nNothing is sent until: ztrade release spy"
    assert release.title.startswith("spy released by ")
    assert release.text == "was halted: earnings (by ann)"
    assert (everybody.title, everybody.agent) == ("all agents halted by bob", None)
    assert everybody.text.endswith("Nothing is sent until: ztrade release")


def test_the_configuration_that_is_shown_has_no_webhook(stage: Stage, slack: ScriptedServer) -> None:
    """What goes where is no secret; where to is."""
    configure(stage, slack.url, ops="/good")
    result = stage.run("config", "check", "--json")
    assert json.loads(result.stdout)["alerts"] == {
        "ops": {"kind": "slack", "severities": ["info", "warning", "critical"], "agents": "all"}
    }
    assert "/good" not in result.output + stage.run("config", "check").output
