"""What every journal promises to those who send messages: once for each channel, by one sender, nothing forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.contract.journals import KINDS, AnyJournal, at, make
from ztrade.domain.messages import Health, Message, Severity
from ztrade.ports import nobody_is_gone

CALM = Message("fill:1", Severity.INFO, "spy bought", "10 SPY", at(1), "spy")
GRAVE = Message("halted:1", Severity.CRITICAL, "spy halted itself", "why", at(2), "spy")
LEASE = timedelta(minutes=2)


@pytest.fixture(params=KINDS)
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyJournal]:
    """Give each journal in turn, with two messages."""
    for journal in make(request.param, tmp_path):
        for message in (CALM, GRAVE):
            journal.post(message)
        yield journal


def routed(journal: AnyJournal, *names: str) -> None:
    journal.outbox.route({CALM.key: names, GRAVE.key: names}, at(3))


def begin(journal: AnyJournal, owner: str = "keeper-1", minutes: float = 3, key: str = CALM.key, **more: bool) -> bool:
    gone = (lambda _owner: True) if more.get("dead") else nobody_is_gone
    return journal.outbox.begin("ops", [key], owner=owner, at=at(minutes), lease=LEASE, gone=gone)


def test_a_message_is_routed_once(journal: AnyJournal) -> None:
    """Two keepers with different files: the first word stands."""
    assert list(journal.outbox.unrouted(10)) == [CALM, GRAVE]
    assert list(journal.outbox.unrouted(1)) == [CALM]
    routed(journal, "ops")
    routed(journal, "mail")
    assert list(journal.outbox.unrouted(10)) == []
    assert [len(some) for _, some in journal.outbox.deliveries(10)] == [1, 1]


def test_critical_messages_wait_apart(journal: AnyJournal) -> None:
    """No flood of others holds them back."""
    routed(journal, "ops", "mail")
    (calm,), (grave,) = (journal.outbox.waiting("ops", critical=critical, limit=5) for critical in (False, True))
    assert (calm.message, grave.message) == (CALM, GRAVE)
    assert (calm.channel, calm.attempts, calm.state, calm.doubtful) == ("ops", 0, "waiting", False)
    assert list(journal.outbox.waiting("other", critical=True, limit=5)) == []


def test_it_is_sent_once_every_channel_took_it(journal: AnyJournal) -> None:
    """Each channel by itself; posts of one instant are one."""
    routed(journal, "ops", "mail")
    assert begin(journal)
    journal.outbox.taken("ops", [CALM.key], at(4))
    assert len(journal.messages(unsent=True)) == 2, "mail does not have it yet"
    assert journal.outbox.begin("mail", [CALM.key], owner="k", at=at(4), lease=LEASE, gone=nobody_is_gone)
    journal.outbox.taken("mail", [CALM.key], at(5))
    assert list(journal.messages(unsent=True)) == [GRAVE]
    assert [journal.outbox.posts("ops", at(minute), critical=False) for minute in (3, 4)] == [1, 0]
    assert journal.outbox.posts("ops", at(3), critical=True) == 0


def test_messages_of_one_digest_are_one_post(journal: AnyJournal) -> None:
    """They end at one instant."""
    more = [Message(f"fill:{n}", Severity.INFO, "t", "x", at(1)) for n in range(2, 120)]
    for message in more:
        journal.post(message)
    keys = [CALM.key, *(message.key for message in more)]
    journal.outbox.route({key: ["ops"] for key in keys}, at(3))
    assert journal.outbox.begin("ops", keys, owner="k", at=at(3), lease=LEASE, gone=nobody_is_gone)
    journal.outbox.taken("ops", keys, at(4))
    assert journal.outbox.posts("ops", at(3), critical=False) == 1
    assert list(journal.messages(unsent=True)) == [GRAVE]


def test_one_sender_at_a_time_holds_a_channel(journal: AnyJournal) -> None:
    """Another has to wait for the lease, or to know that the holder is gone; one that holds it keeps it."""
    routed(journal, "ops")
    assert begin(journal)
    assert not begin(journal, "keeper-2", 4, GRAVE.key)
    assert begin(journal, "keeper-1", 4, GRAVE.key)
    assert begin(journal, "keeper-2", 4.5, GRAVE.key, dead=True)
    assert not begin(journal, "keeper-1", 5)
    assert begin(journal, "keeper-1", 7)


def test_what_was_sent_is_not_begun_again(journal: AnyJournal) -> None:
    """A sender that looked before the other one noted it must not send it again."""
    routed(journal, "ops")
    assert begin(journal)
    journal.outbox.taken("ops", [CALM.key], at(3))
    assert not begin(journal, minutes=4)
    assert not begin(journal, key="unknown")


def test_a_sender_that_died_leaves_a_doubt(journal: AnyJournal) -> None:
    """It was begun, and nobody knows how that ended; a failure that is known leaves none."""
    routed(journal, "ops")
    assert begin(journal)
    (left,) = journal.outbox.waiting("ops", critical=False, limit=5)
    assert (left.doubtful, left.attempts) == (True, 1)
    journal.outbox.put_off("ops", [CALM.key], "timed out", at(4), at(5))
    (left,) = journal.outbox.waiting("ops", critical=False, limit=5)
    assert (left.doubtful, left.trouble) == (False, "timed out")


def test_a_channel_that_fails_is_left_alone_and_gets_well(journal: AnyJournal) -> None:
    """Since when, how often, why, until when."""
    routed(journal, "ops")
    assert journal.outbox.health() == {}
    for minutes in (4, 6):
        assert begin(journal, minutes=minutes)
        journal.outbox.put_off("ops", [CALM.key], f"no at {minutes}", at(minutes), at(minutes + 1))
    assert journal.outbox.health() == {"ops": Health(2, at(4), "no at 6", at(7))}
    assert begin(journal, minutes=8)
    journal.outbox.taken("ops", [CALM.key], at(8))
    assert journal.outbox.health() == {"ops": Health()}


def test_what_is_lost_is_counted(journal: AnyJournal) -> None:
    """Refused, or too old; also for a channel that nobody uses any more. It waits no longer."""
    routed(journal, "ops", "old")
    journal.outbox.lose("ops", [GRAVE.key], "refused: 400", at(4))
    assert journal.outbox.give_up(at(2), at(5)) == {"old": 1, "ops": 1}
    assert journal.outbox.give_up(at(2), at(5)) == {}
    assert journal.outbox.lost() == {"old": 1, "ops": 2}
    assert [(one.channel, one.state) for _, some in journal.outbox.deliveries(1) for one in some] == [
        ("old", "waiting"), ("ops", "lost"),
    ]  # fmt: skip
    assert list(journal.messages(unsent=True)) == [GRAVE]
    assert journal.outbox.posts("ops", at(3), critical=True) == 0, "what was lost took no post"


def test_the_newest_messages_come_with_what_became_of_them(journal: AnyJournal) -> None:
    """Oldest first; one that goes nowhere has nothing."""
    journal.outbox.route({CALM.key: [], GRAVE.key: ["ops", "mail"]}, at(3))
    both = [(message, [one.channel for one in some]) for message, some in journal.outbox.deliveries(5)]
    assert both == [(CALM, []), (GRAVE, ["mail", "ops"])]
    assert [message for message, _ in journal.outbox.deliveries(1)] == [GRAVE]
