"""A thread for each channel: one that hangs, or breaks, is its own trouble."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from ztrade.app.outbox import LEASE, Sender
from ztrade.domain.messages import Message, Route, Severity
from ztrade.errors import ChannelDown, JournalUnavailable, MessageRefused
from ztrade.ports import AlertChannel, Journal, nobody_is_gone
from ztrade.service.postmen import MOST, Bounded, Postmen
from ztrade.testing.alerts import MemoryChannel
from ztrade.testing.clock import FakeClock
from ztrade.testing.journal import MemoryJournal
from ztrade.testing.messages import MemoryMessages

AT = datetime(2026, 11, 25, 15, 0, tzinfo=UTC)
ALL = frozenset(Severity)


class Hanging(MemoryChannel):
    """Takes a message and says nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.let_go = threading.Event(), threading.Event()

    def send(self, message: Message) -> Mapping[str, str]:
        self.reached.set()
        self.let_go.wait(20)
        return super().send(message)


def filled(*names: str, count: int = 1) -> MemoryJournal:
    journal = MemoryJournal()
    for number in range(count):
        journal.post(Message(f"k{number}", Severity.INFO, f"t{number}", "x", AT))
        journal.outbox.route({f"k{number}": names}, AT)
    return journal


def postmen(journal: Journal, **channels: AlertChannel) -> Postmen:
    routes = [Route(name, ALL) for name in channels]
    return Postmen(journal, FakeClock(AT), routes, channels, Sender("me", nobody_is_gone), pace=0.01)


def wait(until: object) -> None:
    assert callable(until)
    end = time.monotonic() + 60
    while not until():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_channel_that_hangs_delays_no_other() -> None:
    """The other has everything while this one still has its first."""
    slow, fast = Hanging(), MemoryChannel()
    journal = filled("slow", "fast", count=3)
    mine = postmen(journal, slow=slow, fast=fast)
    mine.start()
    assert slow.reached.wait(10)
    wait(lambda: len(fast.got) == 3)
    assert slow.got == []
    slow.let_go.set()
    wait(lambda: not journal.messages(unsent=True))
    mine.close()
    assert [message.key for message in slow.got] == ["k0", "k1", "k2"]


def test_closing_waits_for_what_is_on_its_way_but_not_for_ever() -> None:
    """systemd would kill it in the end; what is not noted is sent again."""
    slow = Hanging()
    journal = filled("slow")
    mine = postmen(journal, slow=slow)
    mine.start()
    assert slow.reached.wait(10)
    began = time.monotonic()
    mine.close(patience=0.2)
    assert time.monotonic() - began < 5
    assert len(journal.messages(unsent=True)) == 1
    slow.let_go.set()
    mine.close()
    assert journal.messages(unsent=True) == []


def test_a_channel_that_never_comes_to_an_end_is_down() -> None:
    """It is noted while the lease on it still runs; and no second try begins beside the first."""
    slow = Hanging()
    channel, message = Bounded(slow, most=0.05), Message("k", Severity.INFO, "t", "x", AT)
    with pytest.raises(ChannelDown, match="neither yes nor no within 0 s"):
        channel.send(message)
    with pytest.raises(ChannelDown, match="an earlier try has not ended yet"):
        channel.send(message)
    slow.let_go.set()
    wait(lambda: slow.got)
    channel = Bounded(slow)
    channel.send(message)
    assert len(slow.got) == 2
    assert timedelta(seconds=MOST) < LEASE


def test_what_a_channel_raises_is_raised_and_what_it_says_is_said() -> None:
    channel = MemoryChannel()
    channel.missed = {"bob": "550"}
    assert Bounded(channel).send(Message("k", Severity.INFO, "t", "x", AT)) == {"bob": "550"}
    channel.refuses = "never"
    with pytest.raises(MessageRefused, match="never"):
        Bounded(channel).send(Message("k", Severity.INFO, "t", "x", AT))


class Trouble(MemoryMessages):
    """An outbox that fails so many times, each time in another way."""

    def __init__(self, *errors: Exception) -> None:
        super().__init__()
        self.errors = list(errors)

    def begin(self, *arguments: object, **more: object) -> bool:
        if self.errors:
            raise self.errors.pop()
        return super().begin(*arguments, **more)  # type: ignore[arg-type]


def test_a_thread_outlives_whatever_it_meets() -> None:
    """The journal is locked for a moment, or there is a mistake in ztrade: it goes on."""
    channel, journal = MemoryChannel(), MemoryJournal()
    journal._messages = Trouble(JournalUnavailable("locked"), RuntimeError("a mistake"), JournalUnavailable("locked"))
    journal.post(Message("k0", Severity.INFO, "t0", "x", AT))
    journal.outbox.route({"k0": ["ops"]}, AT)
    mine = postmen(journal, ops=channel)
    mine.start()
    wait(lambda: channel.got)
    mine.close()
