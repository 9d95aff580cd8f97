"""What every alert channel promises: it takes a message once, or says that it did not, in words that show no secret."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.integration.mail_server import PASSWORD, USER, mail_server
from ztrade.adapters.alerts.email import EmailChannel, MailServer
from ztrade.adapters.alerts.slack import SlackChannel
from ztrade.domain.messages import Message, Severity
from ztrade.errors import ChannelDown, MessageRefused
from ztrade.ports import AlertChannel
from ztrade.testing.alerts import MemoryChannel
from ztrade.testing.scripted_server import Answer, scripted

MESSAGE = Message(
    "halted:1", Severity.CRITICAL, "spy halted itself", "Nothing is sent.\nLook, then: ztrade release spy",
    datetime(2026, 11, 25, 15, 0, tzinfo=UTC), "spy",
)  # fmt: skip
SECRET_PATH = "/services/T0/B0/verysecret"


@dataclass
class Stand:
    """A channel, what it took so far, and how to make the far side refuse, or be in trouble."""

    channel: AlertChannel
    got: Callable[[], list[str]]
    refuse: Callable[[], None]
    trouble: Callable[[], None]


@contextmanager
def twin(_folder: Path) -> Iterator[Stand]:
    channel = MemoryChannel()

    def say(**words: str) -> None:
        for name, value in words.items():
            setattr(channel, name, value)

    yield Stand(
        channel,
        lambda: [f"{one.title}\n{one.text}" for one in channel.got],
        lambda: say(refuses="400"),
        lambda: say(down="503"),
    )


@contextmanager
def slack(_folder: Path) -> Iterator[Stand]:
    answers = [Answer(200, b"ok")]
    with scripted(lambda _asked: answers[-1]) as server:
        taken = lambda: [str(asked.body) for asked in server.asked] if len(answers) == 1 else []  # noqa: E731
        yield Stand(
            SlackChannel(server.url + SECRET_PATH, timedelta(seconds=1)),
            taken,
            lambda: answers.append(Answer(400, b"invalid_payload")),
            lambda: answers.append(Answer(500, b"oops")),
        )


@contextmanager
def email(folder: Path) -> Iterator[Stand]:
    with mail_server(folder) as box:
        server = MailServer("localhost", box.port, "starttls", USER, PASSWORD, box.ca_file)

        def say(answer: str) -> None:
            box.answer = answer

        yield Stand(
            EmailChannel(server, USER, ["ann@example.com"], timedelta(seconds=5)),
            lambda: [f"{mail['subject']}\n{mail.get_content()}" for mail in box.got],
            lambda: say("554 5.7.1 looks like spam"),
            lambda: say("451 4.3.0 try again"),
        )


@pytest.fixture(params=[twin, slack, email], ids=["twin", "slack", "email"])
def stand(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stand]:
    """Give each channel in turn, with a far side of its own."""
    with request.param(tmp_path) as made:
        yield made


def test_a_message_arrives_with_title_text_and_what_to_do(stand: Stand) -> None:
    """Once; it reaches everybody."""
    assert stand.channel.send(MESSAGE) == {}
    (got,) = stand.got()
    for words in ("spy halted itself", "Nothing is sent.", "Look, then: ztrade release spy"):
        assert words in got


def test_trouble_of_the_channel_is_not_the_messages(stand: Stand) -> None:
    """It may be taken another time."""
    stand.trouble()
    with pytest.raises(ChannelDown):
        stand.channel.send(MESSAGE)
    assert stand.got() == []


def test_a_message_may_be_refused_for_good(stand: Stand) -> None:
    """Trying again would change nothing."""
    stand.refuse()
    with pytest.raises(MessageRefused):
        stand.channel.send(MESSAGE)
    assert stand.got() == []


def test_nothing_that_is_said_or_logged_shows_a_secret(stand: Stand, caplog: pytest.LogCaptureFixture) -> None:
    """Neither in success nor in trouble, at any level of the log."""
    caplog.set_level(logging.DEBUG)
    stand.channel.send(MESSAGE)
    said = []
    for break_it in (stand.trouble, stand.refuse):
        break_it()
        with pytest.raises((ChannelDown, MessageRefused)) as raised:
            stand.channel.send(MESSAGE)
        said.append(f"{raised.value!r} {raised.value.__cause__!r}")
    everything = caplog.text + repr(stand.channel) + "".join(said)
    assert "verysecret" not in everything
    assert PASSWORD not in everything
