"""Independent reads at once, on a few threads that are kept."""

from __future__ import annotations

import contextvars
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor


class ThreadGather:
    """:class:`~ztrade.ports.Gather` on a pool of threads, which starts when first used and again after a fork.

    The threads are kept, so that each keeps its connections. They see the caller's context (bound log fields).

    Args:
        threads: how many calls run at once; a cycle's reads are fewer than ten.
    """

    def __init__(self, threads: int = 12) -> None:
        self._threads = threads
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._pid = 0

    def __call__(self, calls: Mapping[str, Callable[[], object]]) -> Mapping[str, object | BaseException]:
        """Return each call's result, or the exception it raised, under its name, in the order of ``calls``."""
        pool = self._started()
        waiting = {name: pool.submit(contextvars.copy_context().run, call) for name, call in calls.items()}
        return {name: _outcome(future) for name, future in waiting.items()}

    def close(self) -> None:
        """Stop the threads once their calls are done; the next use starts others."""
        with self._lock:
            if self._pool is not None and self._pid == os.getpid():
                self._pool.shutdown()
            self._pool = None

    def _started(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None or self._pid != os.getpid():
                # threads do not survive a fork: the parent's pool would take calls and never run them
                self._pool = ThreadPoolExecutor(self._threads, "gather")
                self._pid = os.getpid()
            return self._pool


def _outcome(future: Future[object]) -> object | BaseException:
    error = future.exception()
    return future.result() if error is None else error
