"""Celery's events, heard as they happen: nobody keeps them, so a thread listens all the time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import structlog
from redis.exceptions import RedisError

from ztrade.config import Config
from ztrade.errors import TemporaryError
from ztrade.service import broker, names
from ztrade.service.exporter.event_book import EventBook
from ztrade.service.exporter.source import Value

log = structlog.get_logger("ztrade.exporter")

#: wall seconds between two looks whether this should end
LISTEN = 1.0
#: wall seconds of silence after which Redis is asked for a sign of life, and after which it is connected to anew
ASK, DEAD = 10.0, 20.0
#: wall seconds that the first look waits for a connection
FIRST = 3.0
#: wall seconds between two attempts to reach Redis
SOON, LATE = 0.5, 5.0


def channels(url: str) -> str:
    """Return the pattern of the channels on which kombu publishes events, which have the database's number in them."""
    with closing(broker.client(url)) as connection:
        return f"/{connection.get_connection_kwargs().get('db') or 0}.celeryev/*"


class EventsSource:
    """Implements :class:`ztrade.service.exporter.source.Source`; :meth:`listen` runs in a thread beside the looks.

    No worker is asked for anything: they send events by themselves, and signs of life with their counts every two
    seconds, by which events that were missed are known.
    """

    name, every = "events", 2.0

    def __init__(self, config: Config, book: EventBook, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._url, self.book, self._monotonic = config.redis_url, book, monotonic
        self._trouble, self._tried = "has not connected yet", threading.Event()

    def look(self) -> Iterator[Value]:
        """Return what was counted. Raises TemporaryError: nobody is heard."""
        self._tried.wait(FIRST)
        if self._trouble:
            raise TemporaryError(self._trouble)
        yield from self.book.counted()
        for agent, count in self.book.in_flight().items():
            yield "ztrade_tasks_in_flight", (agent,), float(count)

    def blind(self) -> Iterator[Value]:
        """Say what was counted; what runs is unknown."""
        yield from self.book.counted()

    def start(self, over: threading.Event) -> None:
        """Listen in a thread until ``over``."""
        threading.Thread(target=self.listen, args=(over,), name="events", daemon=True).start()

    def listen(self, over: threading.Event) -> None:
        """Listen until ``over``, again and again. Never raises."""
        pause = SOON
        while not over.is_set():
            began = self._monotonic()
            try:
                self._hear(over)
            except (RedisError, OSError) as error:
                self._trouble = broker.one_line(error)
            except Exception as error:  # one event that is stranger than all before must not make us deaf
                if self._trouble != repr(error):
                    log.exception("listening_failed")
                self._trouble = repr(error)
            self._tried.set()
            pause = SOON if self._monotonic() - began > LATE else min(pause * 2, LATE)
            over.wait(pause)

    def _hear(self, over: threading.Event) -> None:
        with (
            closing(broker.client(self._url, role=names.EXPORTER, as_text=False)) as connection,
            closing(connection.pubsub()) as heard,  # type: ignore[no-untyped-call]
        ):
            heard.psubscribe(channels(self._url))
            last = asked = self._monotonic()
            while not over.is_set():
                message = heard.get_message(timeout=LISTEN)
                now = self._monotonic()
                if message is not None:
                    last, self._trouble = now, ""
                    self._tried.set()
                    self._take(message)
                elif now - last > DEAD:
                    raise TimeoutError(f"Redis says nothing for {now - last:.0f} s")
                elif now - max(last, asked) > ASK:
                    asked = now
                    heard.ping()

    def _take(self, message: Any) -> None:
        data = message.get("data")
        if message.get("type") == "pmessage" and isinstance(data, bytes):
            self.book.take(data)
