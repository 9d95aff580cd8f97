"""A source that is slow, hangs or breaks costs a cycle nothing but the source's weight."""

from __future__ import annotations

import contextvars
import os
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from datetime import datetime, timedelta
from functools import partial

from ztrade.domain.decision import SourceReading
from ztrade.errors import ExchangeUnavailable
from ztrade.ports import SentimentSource

_Job = tuple["Future[SourceReading | None]", Callable[[], SourceReading | None]]


class Punctual:
    """:class:`~ztrade.ports.SentimentSource` that reads another one on a thread of its own, and waits only so long.

    The thread is kept, so that the source keeps its connections. One that has not come back from the question before
    is not asked again before it has.

    Args:
        source: the source to read.
        patience: wall time that a cycle waits for it.
    """

    def __init__(self, source: SentimentSource, patience: timedelta) -> None:
        self.name = source.name
        self._source, self._patience = source, patience
        self._lock = threading.Lock()
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._running: Future[SourceReading | None] | None = None
        self._pid = 0

    def read(self, symbol: str, aliases: Sequence[str], at: datetime) -> SourceReading | None:
        """Return the source's reading. Raises TemporaryError: it is down, or has not answered in time."""
        future = self._submitted(partial(self._source.read, symbol, aliases, at))
        try:
            return future.result(self._patience.total_seconds())
        except Late:
            waited = self._patience.total_seconds()
            raise ExchangeUnavailable(f"{self.name} has not answered within {waited:g} s") from None

    def _submitted(self, call: Callable[[], SourceReading | None]) -> Future[SourceReading | None]:
        with self._lock:
            if self._pid != os.getpid():
                # a thread does not survive a fork, and neither does what it was waiting for
                self._jobs, self._running, self._pid = queue.SimpleQueue(), None, os.getpid()
                # a daemon: a source that hangs must not keep the process from ending
                threading.Thread(target=_work, args=(self._jobs,), name=f"source {self.name}", daemon=True).start()
            if self._running is not None and not self._running.done():
                raise ExchangeUnavailable(f"{self.name} still owes the answer to the question before")
            self._running = Future()
            self._jobs.put((self._running, partial(contextvars.copy_context().run, call)))
            return self._running


def _work(jobs: queue.SimpleQueue[_Job]) -> None:
    while True:
        future, call = jobs.get()
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            future.set_exception(error)
