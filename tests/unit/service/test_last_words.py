"""A keeper that cannot start: whom it tells, and for how long."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.configs import SLACK, WEBHOOK, copied, with_alerts, without_overrides
from ztrade.app.outbox import Sender
from ztrade.config import Config
from ztrade.domain.messages import Message, Severity
from ztrade.errors import ConfigError, JournalUnavailable
from ztrade.ports import Journal, nobody_is_gone
from ztrade.service.last_words import LEAST, MOST, say
from ztrade.testing.alerts import MemoryChannel
from ztrade.testing.clock import FakeClock
from ztrade.testing.journal import MemoryJournal

AT = datetime(2026, 11, 25, 15, 0, tzinfo=UTC)
MISTAKE = ConfigError("/etc/ztrade/agents/tsla.toml: capital", "found 'lots', a number is needed")


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the developer's own configuration out of the tests."""
    without_overrides(monkeypatch)


def told(config: Config, journal: Journal) -> float:
    """Say it to a channel that takes nothing in the time there is; return the wall seconds that it took."""
    seconds = [0.0]

    def pause(more: float) -> None:
        seconds[0] += more

    runtime = SimpleNamespace(
        config=config,
        journal=journal,
        clock=lambda *, dry_run: FakeClock(AT),
        channels={"ops": MemoryChannel()},
        sender=Sender("me", nobody_is_gone),
    )
    say(runtime, MISTAKE, monotonic=lambda: seconds[0], pause=pause)  # type: ignore[arg-type]
    return seconds[0]


def test_it_gives_up_after_a_minute(tmp_path: Path) -> None:
    """The unit's start has a limit, and the message waits for the next keeper."""
    journal = MemoryJournal()
    took = told(with_alerts(copied(tmp_path), SLACK, WEBHOOK), journal)
    assert MOST <= took < MOST + 2
    (message,) = journal.messages(unsent=True)
    assert "tsla.toml" in message.text


def test_it_waits_for_what_other_units_say_of_the_same(tmp_path: Path) -> None:
    """Nothing waits, as far as it sees: they may only be about to write."""
    quiet = with_alerts(copied(tmp_path), f'{SLACK}severities = ["info"]\n', WEBHOOK)
    assert LEAST < told(quiet, MemoryJournal()) < LEAST + 2


def test_an_agent_whose_file_has_the_mistake_is_still_one(tmp_path: Path) -> None:
    """What waits for its own channel does not go to everybody's."""
    journal = MemoryJournal()
    journal.post(Message("k1", Severity.WARNING, "tsla halted", "text", AT, "tsla"))
    told(with_alerts(copied(tmp_path), f'{SLACK}agents = ["spy"]\n', WEBHOOK), journal)
    (delivered,) = (some for message, some in journal.outbox.deliveries(10) if message.key == "k1")
    assert not delivered


def test_without_channels_nobody_is_kept_waiting(tmp_path: Path) -> None:
    """A person at a terminal sees the error at once."""
    journal = MemoryJournal()
    assert told(with_alerts(copied(tmp_path), ""), journal) == 0
    assert journal.messages(unsent=True) == []


def test_what_goes_wrong_on_the_way_hides_no_mistake(tmp_path: Path) -> None:
    """The keeper ends with the mistake, which a person mends; not with the disk that is full."""

    class Full(MemoryJournal):
        @property
        def outbox(self) -> Any:
            raise JournalUnavailable("database or disk is full")

    assert told(with_alerts(copied(tmp_path), SLACK, WEBHOOK), Full()) < MOST
