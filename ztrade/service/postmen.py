"""A thread for each alert channel: one that hangs delays neither the others nor what else the keeper does."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import structlog

from ztrade import ports
from ztrade.app.outbox import Sender, send_next
from ztrade.bootstrap import Runtime
from ztrade.domain.messages import Message, Route
from ztrade.errors import ChannelDown, ZtradeError

log = structlog.get_logger("ztrade.postmen")

#: wall seconds between two posts, which is what Slack allows, and between two looks
PACE = 1.0
#: wall seconds within which a channel says yes or no: less than the lease on it, after which another may send the same
MOST = 90.0
#: wall seconds that a stop waits for a post on its way; what is not noted by then may be sent again
PATIENCE = 15.0


class Bounded:
    """A channel that says yes or no in time: a server that drips bytes keeps within the limit of each step for ever.

    A try that does not end is left behind, and while it lasts no other begins: there is one such thread at most.
    """

    def __init__(self, channel: ports.AlertChannel, most: float = MOST) -> None:
        self._channel, self._most = channel, most
        self._last: threading.Thread | None = None

    def send(self, message: Message) -> Mapping[str, str]:
        """See :meth:`ztrade.ports.AlertChannel.send`; one that is left behind may still be taken."""
        if self._last is not None and self._last.is_alive():
            raise ChannelDown("an earlier try has not ended yet")
        errors: list[Exception] = []
        missed: dict[str, str] = {}
        self._last = threading.Thread(target=self._try, args=(message, missed, errors), name="try", daemon=True)
        self._last.start()
        self._last.join(self._most)
        if self._last.is_alive():
            raise ChannelDown(f"it said neither yes nor no within {self._most:.0f} s")
        for error in errors:
            raise error
        return missed

    def _try(self, message: Message, missed: dict[str, str], errors: list[Exception]) -> None:
        try:
            missed.update(self._channel.send(message))
        except Exception as error:  # noqa: BLE001 it is raised where it was asked for
            errors.append(error)


class Postmen:
    """Send what waits until they are closed; the journal holds everything, so that they may end at any time."""

    def __init__(
        self,
        journal: ports.Journal,
        clock: ports.Clock,
        routes: Sequence[Route],
        channels: Mapping[str, ports.AlertChannel],
        sender: Sender,
        pace: float = PACE,
    ) -> None:
        self._journal, self._clock, self._sender, self._pace = journal, clock, sender, pace
        self._over = threading.Event()
        self._threads = [
            threading.Thread(
                target=self._walk, args=(way, Bounded(channels[way.channel])), name=way.channel, daemon=True
            )
            for way in routes
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def close(self, patience: float = PATIENCE) -> None:
        """Let posts on their way end, and begin no more."""
        self._over.set()
        end = time.monotonic() + patience
        for thread in self._threads:
            thread.join(max(end - time.monotonic(), 0))

    def _walk(self, way: Route, channel: ports.AlertChannel) -> None:
        trouble = ""
        while not self._over.wait(self._pace):
            try:
                send_next(self._journal, self._clock, way, channel, self._sender)
            except ZtradeError as error:
                if str(error) != trouble:
                    log.warning("post_waits", channel=way.channel, reason=str(error))
                trouble = str(error)
            except Exception:  # the thread must outlive whatever it met
                log.exception("post_failed", channel=way.channel)
            else:
                trouble = ""


@contextmanager
def postmen(runtime: Runtime) -> Iterator[None]:
    """Let every configured channel have its thread for as long as the block lasts.

    One that cannot be used as it is configured fails at each try, as one that is down: the keeper has more to do.
    """
    routes = runtime.config.main.alerts.routes()
    mine = Postmen(runtime.journal, runtime.clock(dry_run=False), routes, runtime.channels, runtime.sender)
    mine.start()
    try:
        yield
    finally:
        mine.close()
