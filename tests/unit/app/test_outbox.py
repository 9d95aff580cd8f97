"""Sending what waits: in order, within the limit, again after a failure, never lost without being counted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from ztrade.app.outbox import Sender, route, send_next
from ztrade.domain.digest import AGAIN
from ztrade.domain.messages import Message, Route, Severity
from ztrade.errors import MessageRefused
from ztrade.ports import nobody_is_gone
from ztrade.testing.alerts import MemoryChannel
from ztrade.testing.clock import FakeClock
from ztrade.testing.journal import MemoryJournal

NOW = datetime(2026, 11, 25, 15, 0, tzinfo=UTC)
DAY = timedelta(hours=24)
ALL = frozenset(Severity)
AGENTS = frozenset({"spy", "tsla"})
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


class Office:
    """A journal, a channel, and a keeper that goes round once a second."""

    def __init__(self, *ways: Route) -> None:
        self.journal, self.clock = MemoryJournal(), FakeClock(NOW)
        self.ways = ways or (Route("ops", ALL, limit=5),)
        self.channels = {way.channel: MemoryChannel() for way in self.ways}
        self.sender = Sender("keeper-1", nobody_is_gone)

    @property
    def ops(self) -> MemoryChannel:
        return self.channels["ops"]

    def tell(self, number: int, severity: Severity = Severity.INFO, agent: str | None = "spy") -> None:
        message = Message(f"k{number}", severity, f"t{number}", f"x{number}", self.clock.wall(), agent)
        self.journal.post(message)

    def goes_round(self, seconds: int = 1) -> None:
        for _ in range(seconds):
            route(self.journal, self.clock, self.ways, DAY, AGENTS)
            for way in self.ways:
                send_next(self.journal, self.clock, way, self.channels[way.channel], self.sender)
            self.clock.advance(SECOND)

    def told(self, channel: str = "ops") -> list[str]:
        return [message.title for message in self.channels[channel].got]


def test_messages_go_out_in_order_and_once() -> None:
    """One a second."""
    office = Office()
    for number in range(3):
        office.tell(number)
    office.goes_round(5)
    assert office.told() == ["t0", "t1", "t2"]
    assert office.journal.messages(unsent=True) == []


def test_a_message_goes_where_its_severity_and_its_agent_say() -> None:
    """What concerns no single agent goes by its severity alone."""
    office = Office(
        Route("ops", frozenset({Severity.CRITICAL})), Route("spy", ALL, frozenset({"spy"})), Route("all", ALL)
    )
    office.tell(1)
    office.tell(2, Severity.CRITICAL, "tsla")
    office.tell(3, agent=None)
    office.goes_round(5)
    assert (office.told("ops"), office.told("spy")) == (["t2"], ["t1", "t3"])
    assert sorted(office.told("all")) == ["t1", "t2", "t3"]


def test_what_concerns_an_agent_whose_file_is_gone_goes_by_its_severity() -> None:
    """It may hold shares without a stop: no channel can name it, and somebody must hear."""
    office = Office(Route("ops", ALL, frozenset({"spy"})), Route("mail", frozenset({Severity.INFO})))
    office.tell(1, Severity.CRITICAL, "gone")
    office.tell(2, Severity.CRITICAL, "tsla")
    office.goes_round(3)
    assert (office.told("ops"), office.told("mail")) == (["t1"], [])


def test_what_is_over_the_limit_goes_as_one_message() -> None:
    """Four by themselves, and the fifth names the rest; ten minutes later single ones go out again."""
    office = Office()
    for number in range(21):
        office.tell(number)
    office.goes_round(60)
    assert office.told() == ["t0", "t1", "t2", "t3", "and 17 more: 17 info"]
    digest = office.ops.got[-1]
    assert digest.text.splitlines()[0] == "15:00 t4"
    assert digest.text.splitlines()[-2:] == ["and 7 more", "All of them: ztrade alerts list"]
    assert office.journal.messages(unsent=True) == []
    office.tell(30)
    office.goes_round(60)
    assert len(office.told()) == 5, "the limit holds"
    office.goes_round(500)
    assert office.told()[5:] == ["t30"]


def test_a_flood_holds_no_critical_message_back() -> None:
    """It goes first, and has a limit of its own."""
    office = Office()
    for number in range(50):
        office.tell(number)
    office.goes_round(10)
    for number in range(50, 60):
        office.tell(number, Severity.CRITICAL)
    office.goes_round(10)
    assert office.told()[5:] == ["t50", "t51", "t52", "t53", "and 6 more: 6 critical"]
    assert office.ops.got[-1].severity is Severity.CRITICAL


def test_what_is_critical_overtakes() -> None:
    """Whatever was written before it."""
    office = Office()
    for number in range(3):
        office.tell(number)
    office.tell(3, Severity.CRITICAL)
    office.goes_round(4)
    assert office.told() == ["t3", "t0", "t1", "t2"]


def test_a_digest_names_the_worst_first() -> None:
    """A warning among fills must not be below the fold."""
    office = Office(Route("ops", ALL, limit=1))
    for number in range(12):
        office.tell(number)
    office.tell(12, Severity.WARNING)
    office.goes_round()
    (digest,) = office.ops.got
    assert (digest.title, digest.severity) == ("and 13 more: 1 warning, 12 info", Severity.WARNING)
    assert digest.text.startswith("15:00 t12\n15:00 t0\n")


def test_ten_thousand_messages_drain_politely() -> None:
    """Never more than the limit in ten minutes; each is noted once, in a post of its own or in one of the digests."""
    office = Office(Route("ops", ALL, limit=20))
    for number in range(10_000):
        office.tell(number)
    while office.journal.messages(unsent=True, limit=1):
        office.goes_round()
        office.clock.advance(9 * SECOND)
        assert office.clock.wall() < NOW + timedelta(hours=1)
    everything = office.journal.outbox.deliveries(10_000)
    ended = sorted({one.ended_at for _, some in everything for one in some if one.ended_at})
    assert len(ended) == len(office.told()) < 40
    assert all(later - first >= 10 * MINUTE for first, later in zip(ended, ended[20:], strict=False))
    sizes = [int(title.split()[1]) if title.startswith("and") else 1 for title in office.told()]
    assert sum(sizes) == 10_000


def test_a_channel_that_was_down_for_hours_gets_everything_once() -> None:
    """It is tried less and less often, at least every five minutes; nothing is sent twice."""
    office = Office(Route("ops", ALL, limit=5), Route("mail", ALL))
    office.ops.down = "Slack answered 503"
    for number in range(3):
        office.tell(number)
    for _ in range(180):
        office.goes_round()
        office.clock.advance(59 * SECOND)
    assert office.told("mail")[:3] == ["t0", "t1", "t2"]
    assert office.told("mail")[3:] == ["alerts over ops do not arrive"]
    assert "ztrade alerts test --channel ops" in office.channels["mail"].got[-1].text
    attempts = [one.attempts for _, some in office.journal.outbox.deliveries(9) for one in some if one.channel == "ops"]
    assert 30 <= attempts[0] <= 50
    assert attempts[1:3] == [0, 0], "those behind it wait untried"
    office.ops.down = ""
    office.goes_round(310)
    assert office.told() == ["t0", "t1", "t2", "alerts over ops do not arrive"]


def test_what_waited_too_long_is_given_up_counted_and_told_once() -> None:
    """Never for ever: whoever gets nothing hears of it over the other channel, and by this one when it works again."""
    office = Office(Route("ops", ALL, limit=5), Route("mail", ALL))
    office.ops.down = "down"
    office.tell(1)
    office.tell(2)
    office.goes_round(10)
    office.clock.advance(DAY)
    office.goes_round(10)
    assert office.journal.outbox.lost() == {"ops": 2}
    assert "2 messages to ops lost" in office.told("mail")
    office.goes_round(400)
    assert office.told("mail").count("2 messages to ops lost") == 1
    office.ops.down = ""
    office.goes_round(310)
    assert "t1" not in office.told()
    assert "2 messages to ops lost" in office.told()


def test_a_message_for_a_channel_that_is_no_more_does_not_wait_for_ever() -> None:
    """Its section was removed from the file."""
    office = Office()
    office.tell(1)
    route(office.journal, office.clock, [Route("gone", ALL)], DAY, AGENTS)
    office.clock.advance(DAY + MINUTE)
    office.goes_round(5)
    assert office.journal.outbox.lost() == {"gone": 1}
    assert office.told() == ["1 message to gone lost"]


def test_a_message_that_is_refused_holds_no_other_back() -> None:
    """It is lost at once, and counted."""
    office = Office(Route("ops", ALL), Route("mail", ALL))
    office.ops.refuses = "400 invalid_payload"
    office.tell(1)
    office.goes_round()
    office.goes_round(5)
    assert len(office.journal.messages()) == 2, "a loss of the message about a loss is told no more"
    office.ops.refuses = ""
    office.clock.advance(DAY)
    office.tell(2)
    office.goes_round(2)
    assert office.told() == ["t2"]
    assert office.told("mail") == ["t1", "1 message to ops lost", "t2"]
    (first, *_) = office.journal.outbox.deliveries(5)
    assert [(one.channel, one.state, one.trouble) for one in first[1]] == [
        ("mail", "sent", ""),
        ("ops", "lost", "400 invalid_payload"),
    ]


def test_a_receiver_whom_nothing_reaches_is_told_of_once_a_day() -> None:
    """The channel works for its others: no failure counts, and nobody else would ever hear that one is not woken."""
    office = Office(Route("ops", ALL), Route("mail", ALL))
    office.channels["mail"].missed = {"bob@example.com": "550 no such user"}
    for number in range(3):
        office.tell(number, Severity.CRITICAL)
    office.goes_round(10)
    title = "alerts over mail do not reach bob@example.com"
    assert office.told("mail").count(title) == office.told("ops").count(title) == 1
    assert office.journal.outbox.health()["mail"].failures == 0
    office.clock.advance(DAY)
    office.tell(9, Severity.CRITICAL)
    office.goes_round(10)
    assert office.told("ops").count(title) == 2


class Picky(MemoryChannel):
    """Refuses whatever holds one word."""

    def send(self, message: Message) -> Mapping[str, str]:
        if "t7" in f"{message.title} {message.text}":
            raise MessageRefused("554 looks like spam")
        return super().send(message)


def test_one_bad_message_costs_a_digest_none_of_the_others() -> None:
    """Where many are refused as one, they are tried again, and by themselves when the limit lets them."""
    office = Office(Route("ops", ALL, limit=5))
    office.channels["ops"] = Picky()
    for number in range(12):
        office.tell(number)
    office.goes_round(1800)
    lost = [message.title for message, some in office.journal.outbox.deliveries(99) for one in some if one.lost]
    assert lost == ["t7"]
    assert office.journal.messages(unsent=True) == []
    assert office.told()[:7] == [f"t{number}" for number in range(7)]


def test_a_digest_that_may_have_come_already_says_so() -> None:
    """Its sender died while it sent."""
    office = Office(Route("ops", ALL, limit=1))
    for number in range(3):
        office.tell(number)
    route(office.journal, office.clock, office.ways, DAY, AGENTS)
    keys = ["k0", "k1", "k2"]
    office.journal.outbox.begin("ops", keys, owner="dead", at=NOW, lease=SECOND, gone=nobody_is_gone)
    office.clock.advance(2 * SECOND)
    office.goes_round()
    assert [message.text.splitlines()[-1] for message in office.ops.got] == [AGAIN]


def test_a_channel_says_how_long_it_wants_to_be_left_alone() -> None:
    """429 with Retry-After."""
    office = Office()
    office.ops.down, office.ops.rest = "429", timedelta(seconds=90)
    office.tell(1)
    office.goes_round()
    office.ops.down = ""
    office.goes_round(89)
    assert office.told() == []
    office.goes_round(3)
    assert office.told() == ["t1"]


def test_a_sender_that_died_is_followed_by_one_that_says_so() -> None:
    """At least once: it may have been sent, and is sent again."""
    office = Office()
    office.tell(1)
    route(office.journal, office.clock, office.ways, DAY, AGENTS)
    office.journal.outbox.begin(
        "ops", ["k1"], owner="keeper-0", at=office.clock.wall(), lease=MINUTE, gone=nobody_is_gone
    )
    office.goes_round(59)
    assert office.told() == [], "the other one may be sending"
    office.goes_round(3)
    assert [message.text for message in office.ops.got] == [f"x1\n{AGAIN}"]


def test_two_senders_do_not_send_twice() -> None:
    """Who sends holds the channel."""
    office, other = Office(), Sender("keeper-2", nobody_is_gone)
    for number in range(4):
        office.tell(number)
    for _ in range(10):
        office.goes_round()
        send_next(office.journal, office.clock, office.ways[0], office.ops, other)
    assert office.told() == ["t0", "t1", "t2", "t3"]


class Broken(MemoryChannel):
    """Fails in a way that no channel should."""

    def send(self, message: Message) -> Mapping[str, str]:
        raise RuntimeError("https://hooks.slack.com/services/secret")


def test_an_unexpected_failure_is_the_channels_trouble_and_names_no_secret() -> None:
    """The message waits; what a library says may hold an address."""
    office = Office()
    office.channels["ops"] = Broken()
    office.tell(1)
    office.goes_round()
    assert office.journal.outbox.health()["ops"].trouble == "unexpected RuntimeError"


@pytest.mark.parametrize("text", ["", "a\nb", "<!channel> & <http://x|y> *bold* `code`", "\x00\x1b[31m", "é" * 5000])
def test_any_text_is_sent_as_it_is(text: str) -> None:
    """Names and reasons come from people and from the exchange."""
    office = Office()
    office.journal.post(Message("k", Severity.INFO, text, text, NOW))
    office.goes_round()
    assert [(message.title, message.text) for message in office.ops.got] == [(text, text)]
