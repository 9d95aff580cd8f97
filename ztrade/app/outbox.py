"""Messages that wait in the journal, given to the channels.

At least once: a message is noted as sent after the channel took it. A sender that dies in between leaves it waiting,
and the next one sends it again, saying so: told twice is a nuisance, a halt that nobody hears of is not. Two senders
that live never send one twice: who sends on a channel holds it (a lease, by compare-and-set).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from ztrade.app.tell import tell
from ztrade.domain.digest import as_one
from ztrade.domain.durations import format_duration
from ztrade.domain.messages import Delivery, Health, Route, Severity
from ztrade.errors import ChannelDown, MessageRefused
from ztrade.ports import AlertChannel, Clock, Journal

log = structlog.get_logger("ztrade.outbox")

#: messages routed in one round: a flood must not keep the keeper from its other duties
ROUND = 200
#: the time over which a channel's posts are counted
WINDOW = timedelta(minutes=10)
#: longer than a channel is given to say yes or no
LEASE = timedelta(minutes=2)
#: rest after the first failure, doubled with each further one up to the longest
REST, LONGEST_REST = timedelta(seconds=5), timedelta(minutes=5)
#: messages that one digest takes
DIGEST = 1_000
#: a channel that fails for so long is told of, over the others
TOLD_AFTER = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends: ``owner`` names this process, ``gone`` tells whether another one has surely ended."""

    owner: str
    gone: Callable[[str], bool]


def route(
    journal: Journal, clock: Clock, routes: Sequence[Route], give_up_after: timedelta, agents: Collection[str]
) -> None:
    """Say where new messages go, and give up those that waited too long, also for a channel that is no more.

    Args:
        agents: those that are configured. Shares of another, whose file is gone, are still somebody's: what is told of
            it goes by its severity alone.

    Raises:
        JournalUnavailable
    """
    at = clock.wall()
    new = journal.outbox.unrouted(ROUND)
    if new:
        told = [message if message.agent in agents else replace(message, agent=None) for message in new]
        wanted = {message.key: [one.channel for one in routes if one.wants(message)] for message in told}
        journal.outbox.route(wanted, at)
    for channel, count in journal.outbox.give_up(at - give_up_after, at).items():
        why = f"the channel took nothing for {format_duration(give_up_after)}"
        log.error("messages_lost", channel=channel, count=count, reason=why)
        _tell_of_loss(journal, clock, channel, count, why)


def _tell_of_loss(journal: Journal, clock: Clock, channel: str, count: int, why: str) -> None:
    """Tell once a day: the message about what a channel refused may be refused by it, too."""
    title = f"{count} message{'s' if count > 1 else ''} to {channel} lost"
    text = f"{why}\nThey are in: ztrade alerts list --state lost"
    tell(journal, clock, Severity.CRITICAL, f"lost:{channel}:{clock.wall():%Y-%m-%d}", title, text)


def send_next(journal: Journal, clock: Clock, way: Route, channel: AlertChannel, sender: Sender) -> bool:
    """Send what is next on a channel, if anything is, may be now, and nobody else does; returns whether it was.

    Raises:
        JournalUnavailable: nothing was sent, or what was is not noted; then it is sent again.
    """
    at = clock.wall()
    health = journal.outbox.health().get(way.channel, Health())
    if health.resume is not None and at < health.resume:
        return False
    post = _next_post(journal, way, at)
    if not post:
        return False
    keys = [one.message.key for one in post]
    if not journal.outbox.begin(way.channel, keys, owner=sender.owner, at=at, lease=LEASE, gone=sender.gone):
        return False
    return _send(journal, clock, way, channel, post, health)


def _next_post(journal: Journal, way: Route, at: datetime) -> Sequence[Delivery]:
    """Return the oldest message, critical ones first; all that wait, where the limit leaves one post for them."""
    for critical in (True, False):
        found = journal.outbox.waiting(way.channel, critical=critical, limit=2)
        if not found:
            continue
        left = way.limit - journal.outbox.posts(way.channel, at - WINDOW, critical=critical)
        if left > 1 or (left == 1 and len(found) == 1):
            return found[:1]
        if left == 1:
            return journal.outbox.waiting(way.channel, critical=critical, limit=DIGEST)
    return []


def _send(
    journal: Journal, clock: Clock, way: Route, channel: AlertChannel, post: Sequence[Delivery], health: Health
) -> bool:
    keys = [one.message.key for one in post]
    try:
        missed = channel.send(as_one(post, clock.wall()))
    except MessageRefused as error:
        if len(keys) > 1:
            # one of many is why: they are tried again, by themselves once the limit lets them
            _put_off(journal, clock, way, keys, ChannelDown(str(error)), health)
            return False
        log.error("message_lost", channel=way.channel, key=keys[0], reason=str(error))
        journal.outbox.lose(way.channel, keys, str(error), clock.wall())
        _tell_of_loss(journal, clock, way.channel, 1, str(error))
    except Exception as error:  # noqa: BLE001 whatever a channel raises, it is the channel's trouble alone
        _put_off(journal, clock, way, keys, error, health)
        return False
    else:
        journal.outbox.taken(way.channel, keys, clock.wall())
        if health.failures:
            log.info("channel_works_again", channel=way.channel, failures=health.failures)
        _tell_of_missed(journal, clock, way.channel, missed)
    return True


def _tell_of_missed(journal: Journal, clock: Clock, channel: str, missed: Mapping[str, str]) -> None:
    """Tell once a day of each receiver whom a channel does not reach: for the others it works."""
    for receiver, why in missed.items():
        key = f"missed:{channel}:{receiver}:{clock.wall():%Y-%m-%d}"
        text = f"{why}\nThe others have it. Try: ztrade alerts test --channel {channel}"
        tell(journal, clock, Severity.WARNING, key, f"alerts over {channel} do not reach {receiver}", text)


def _put_off(journal: Journal, clock: Clock, way: Route, keys: Sequence[str], error: Exception, health: Health) -> None:
    rest = min(REST * 2 ** min(health.failures, 10), LONGEST_REST)
    if isinstance(error, ChannelDown):
        trouble, rest = str(error), max(rest, error.retry_after or rest)
    else:
        # the words of an unknown error may hold the channel's secret
        trouble = f"unexpected {type(error).__name__}"
    if not health.failures:
        log.warning("channel_down", channel=way.channel, reason=trouble, waiting=keys[:3])
    at = clock.wall()
    journal.outbox.put_off(way.channel, keys, trouble, at, at + rest)
    if health.since is not None and at - health.since > TOLD_AFTER:
        key = f"channel:{way.channel}:{health.since:%Y%m%dT%H%M%S}"
        text = f"{trouble}\nWhat it should tell waits. Try: ztrade alerts test --channel {way.channel}"
        tell(journal, clock, Severity.WARNING, key, f"alerts over {way.channel} do not arrive", text)
