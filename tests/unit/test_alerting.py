"""The channel behind each name: one that is configured wrongly is its own trouble, and no process'."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.unit.configs import MAIL, SHIPPED, SLACK, WEBHOOK, with_alerts
from ztrade.adapters.alerts.email import EmailChannel
from ztrade.adapters.alerts.slack import SlackChannel
from ztrade.alerting import channels, usable_channels
from ztrade.app.outbox import Sender, send_next
from ztrade.domain.messages import Message, Route, Severity
from ztrade.errors import ChannelDown, ConfigError
from ztrade.ports import nobody_is_gone
from ztrade.testing.clock import FakeClock
from ztrade.testing.journal import MemoryJournal

AT = datetime(2026, 11, 25, 15, 0, tzinfo=UTC)
MESSAGE = Message("k", Severity.CRITICAL, "title", "text", AT)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(SHIPPED, tmp_path / "etc")
    return tmp_path / "etc"


@pytest.mark.parametrize(
    ("mistake", "credentials", "says"),
    [
        ('user = "z"\n', WEBHOOK, "password is missing"),
        ('ca_file = "no/such.pem"\n', WEBHOOK, "is no file that can be seen"),
        # a folder that is not ours ends is_file() in the same way
        (f'ca_file = "{"x" * 300}"\n', WEBHOOK, "is no file that can be seen"),
    ],
    ids=["no password", "no authorities", "authorities out of sight"],
)
def test_one_that_cannot_be_used_holds_no_other_back(mistake: str, credentials: str, says: str, folder: Path) -> None:
    """A keeper that a mail server's file keeps from starting closes no position."""
    config = with_alerts(folder, SLACK + MAIL + mistake, credentials)
    with pytest.raises(ConfigError, match=says):
        channels(config)
    found = usable_channels(config)
    assert isinstance(found["ops"], SlackChannel)
    with pytest.raises(ChannelDown, match=says):
        found["mail"].send(MESSAGE)


def test_what_it_should_tell_waits_and_its_failures_count(folder: Path) -> None:
    """As of a channel that is down: whoever watches hears of it."""
    found, journal = usable_channels(with_alerts(folder, SLACK, "")), MemoryJournal()
    journal.post(MESSAGE)
    journal.outbox.route({"k": ["ops"]}, AT)
    way = Route("ops", frozenset(Severity))
    assert not send_next(journal, FakeClock(AT), way, found["ops"], Sender("me", nobody_is_gone))
    assert (journal.outbox.health()["ops"].failures, len(journal.messages(unsent=True))) == (1, 1)


def test_a_file_of_secrets_that_is_none_is_the_trouble_of_those_that_need_it(folder: Path) -> None:
    """It is told without a secret."""
    found = usable_channels(with_alerts(folder, SLACK + MAIL, WEBHOOK + "x = [\n"))
    assert isinstance(found["mail"], EmailChannel)
    with pytest.raises(ChannelDown, match="is not valid TOML") as raised:
        found["ops"].send(MESSAGE)
    assert "verysecret" not in str(raised.value)
