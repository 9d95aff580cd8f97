"""The keeper as a process with Slack and a mail server beside it: killed, doubled, hung, in the dark for a while."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.integration.mail_server import PASSWORD, USER, Mailbox, mail_server
from tests.integration.served import ZTRADE, shipped
from tests.waiting import wait_for
from ztrade.adapters.clock import SystemClock
from ztrade.adapters.journal import open_journal
from ztrade.adapters.journal.store import SqlJournal
from ztrade.domain.digest import AGAIN
from ztrade.domain.messages import Message, Severity
from ztrade.testing.scripted_server import Answer, Asked, ScriptedServer, scripted

SECRET = "/services/T0/B0/verysecret"
OK = Answer(200, b"ok")


@dataclass
class Office:
    """A configuration with a Slack that answers as ``answer`` says, a mail server, and a journal."""

    folder: Path
    slack: ScriptedServer
    box: Mailbox
    answers: list[Answer]
    journal: SqlJournal
    logs: list[Path] = field(default_factory=list)

    def command(self, *arguments: str) -> list[str]:
        main = str(self.folder / "etc" / "ztrade.toml")
        return [ZTRADE, "--config", main, "--state", str(self.folder / "state"), *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=60, check=False)

    def start(self) -> subprocess.Popen[bytes]:
        self.logs.append(self.folder / f"keeper-{len(self.logs)}.log")
        with self.logs[-1].open("wb") as log:
            return subprocess.Popen(self.command("keeper"), stdout=log, stderr=subprocess.STDOUT)

    @contextmanager
    def keepers(self, count: int = 1) -> Iterator[None]:
        made = [self.start() for _ in range(count)]
        try:
            yield
        finally:
            for one in made:
                one.send_signal(signal.SIGTERM)
            ends = [one.wait(90) for one in made]
        assert ends == [0] * count, self.said()

    def said(self) -> str:
        return "".join(path.read_text() for path in self.logs)

    def tell(self, number: int, severity: Severity = Severity.INFO) -> None:
        self.journal.post(Message(f"k{number}", severity, f"title {number}", "text", SystemClock().wall(), "spy"))

    def posted(self) -> list[str]:
        return [str(asked.body) for asked in self.slack.asked]

    def states(self) -> list[str]:
        """Return what became of the newest message on each channel, by name."""
        (_, some) = self.journal.outbox.deliveries(1)[-1]
        return [one.state for one in some]

    def failures(self, channel: str) -> int:
        health = self.journal.outbox.health()
        return health[channel].failures if channel in health else 0

    def waiting(self) -> int:
        return len(self.journal.messages(unsent=True))


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Give an office; the exchange is down, which stops no message."""
    answers = [OK]

    def script(_asked: Asked) -> Answer:
        return answers[-1]

    with scripted(script) as slack, mail_server(tmp_path) as box:
        (tmp_path / "state").mkdir()
        config = shipped(tmp_path, "http://127.0.0.1:9")
        with config.path.open("a") as file:
            file.write(
                f'\n[alerts.channels.ops]\nkind = "slack"\n\n[alerts.channels.mail]\nkind = "email"\n'
                f'host = "localhost"\nport = {box.port}\nuser = "{USER}"\nfrom = "{USER}"\nto = ["ann@example.com"]\n'
                f'severities = ["critical"]\nca_file = "{box.ca_file}"\n'
            )
        keys = config.path.with_name("credentials.toml")
        keys.write_text(f'[alerts.ops]\nwebhook = "{slack.url}{SECRET}"\n[alerts.mail]\npassword = "{PASSWORD}"\n')
        keys.chmod(0o600)
        journal = open_journal(f"sqlite:///{tmp_path}/state/journal.db")
        yield Office(tmp_path, slack, box, answers, journal)
        journal.close()


def test_a_critical_message_reaches_slack_and_mail_within_seconds(office: Office) -> None:
    """Others go to Slack alone; neither the log at its lowest level nor the process list shows a secret."""
    with (office.folder / "etc" / "ztrade.toml").open("a") as main:
        main.write('\n[log]\nlevel = "debug"\n')
    office.tell(1)
    office.tell(2, Severity.CRITICAL)
    began = time.monotonic()
    with office.keepers():
        wait_for(lambda: office.waiting() == 0, 30, "both sent")
    assert time.monotonic() - began < 45
    assert ["title 2" in office.posted()[0], "title 1" in office.posted()[1]] == [True, True], "the worst goes first"
    assert [mail["subject"] for mail in office.box.got] == ["[ztrade] CRITICAL: title 2"]
    assert "verysecret" not in office.said()
    assert PASSWORD not in office.said()


def test_two_keepers_send_everything_once(office: Office) -> None:
    """Whoever sends holds the channel."""
    for number in range(8):
        office.tell(number, Severity.CRITICAL if number % 2 else Severity.INFO)
    with office.keepers(2):
        wait_for(lambda: office.waiting() == 0, 60, "all sent")
        time.sleep(2)
    for number in range(8):
        assert sum(f"title {number}\\n" in body for body in office.posted()) == 1
    assert len(office.box.got) == 4


def test_a_keeper_killed_between_sending_and_noting_is_followed_by_one_that_says_so(office: Office) -> None:
    """At least once: Slack had it, and gets it again, marked; the next one does not wait for the dead one's lease."""
    office.answers.append(Answer(hang=True))
    office.tell(1)
    first = office.start()
    wait_for(lambda: office.slack.asked, 30, "the post on its way")
    first.kill()
    first.wait(90)
    office.answers.append(OK)
    with office.keepers():
        wait_for(lambda: office.waiting() == 0, 30, "sent")
    assert len(office.slack.asked) == 2
    assert [AGAIN in body for body in office.posted()] == [False, True]


def test_a_keeper_killed_before_sending_loses_nothing(office: Office) -> None:
    """What was posted while nobody ran is sent by the next one, once."""
    office.tell(1)
    with office.keepers():
        wait_for(lambda: office.waiting() == 0, 30, "sent")
    office.tell(2)
    with office.keepers():
        wait_for(lambda: office.waiting() == 0, 30, "sent")
    assert ["title 1" in body for body in office.posted()] == [True, False]
    assert AGAIN not in "".join(office.posted())


def test_a_slack_that_hangs_holds_back_neither_mail_nor_the_keeper(office: Office) -> None:
    """The keeper goes on, tells what it finds, and ends when it is asked to."""
    office.answers.append(Answer(hang=True))
    office.tell(1, Severity.CRITICAL)
    with office.keepers():
        wait_for(lambda: office.slack.asked, 30, "the post on its way")
        wait_for(lambda: office.box.got, 10, "the mail")
        office.tell(2, Severity.CRITICAL)
        wait_for(lambda: len(office.box.got) == 2, 10, "the second mail")
        # the mail is there before the keeper knows it
        wait_for(lambda: office.states() == ["sent", "waiting"], 10, "mail sent, Slack waited for")


def test_a_channel_that_is_down_is_seen_and_gets_everything_afterwards(office: Office) -> None:
    """The list says what waits and why, and the log says it once."""
    office.answers.append(Answer(503, b"down"))
    for number in range(3):
        office.tell(number)
    with office.keepers():
        wait_for(lambda: office.slack.asked, 30, "a try")
        wait_for(lambda: "503" in office.run("alerts", "list").stdout, 10, "the reason in the list")
        office.answers.append(OK)
        wait_for(lambda: office.waiting() == 0, 40, "everything after the rest of 5 s")
    taken = office.posted()[-3:]
    assert [f"title {number}" in body for number, body in enumerate(taken)] == [True] * 3
    assert office.said().count("channel_down") == 1
    listed = json.loads(office.run("alerts", "list", "--json").stdout)
    assert {one["state"] for one in listed} == {"sent"}


def test_a_mistake_about_a_channel_stops_no_keeper(office: Office) -> None:
    """It says so and goes on, also over the other channel; `config check` refuses it with file, key and mend."""
    keys = office.folder / "etc" / "credentials.toml"
    keys.write_text(keys.read_text().replace("http://", "ftp://"))
    done = office.run("config", "check")
    assert done.returncode == 2
    assert "[alerts.ops] webhook: must look like https://hooks.slack.com/services/..." in done.stderr
    with office.keepers():
        wait_for(lambda: "keeper_started" in office.said(), 30, "the keeper")
        office.tell(1, Severity.CRITICAL)
        wait_for(lambda: office.states() == ["sent", "waiting"], 30, "the mail: the other channel is well")
        assert len(office.box.got) == 1
        wait_for(lambda: office.failures("ops"), 10, "the failure that the alert needs")
    assert "channel_off" in office.said()
    assert "verysecret" not in done.stderr + done.stdout + office.said()


def test_a_keeper_that_cannot_start_says_so_and_sends_what_waits(office: Office) -> None:
    """One agent's file with a mistake, and a reboot at night: nobody else would tell that nothing runs any more."""
    office.tell(1, Severity.CRITICAL)
    (office.folder / "etc" / "agents" / "tsla.toml").write_text("capital = lots")
    assert office.start().wait(90) == 2
    assert "tsla.toml" in office.said()
    assert office.waiting() == 0
    assert any("the keeper cannot start" in body and "tsla.toml" in body for body in office.posted())
    assert any("title 1" in body for body in office.posted())
    assert len(office.box.got) == 2


def test_the_channels_are_tried_by_hand(office: Office) -> None:
    """Both, from the command line, without a keeper."""
    done = office.run("alerts", "test", "--json")
    assert done.returncode == 0, done.stderr
    assert [(one["channel"], one["works"]) for one in json.loads(done.stdout)] == [("mail", True), ("ops", True)]
    assert len(office.slack.asked) == len(office.box.got) == 1
    office.box.refused["ann@example.com"] = "550 5.1.1 no such user"
    done = office.run("alerts", "test")
    assert done.returncode == 1
    assert "refused every receiver: 550 5.1.1 no such user" in done.stdout
