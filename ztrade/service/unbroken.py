"""A signal to the whole process group must not cut a cycle in two."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: Celery lets a pool's child die of these, and supervisors, terminals and ``kill -- -GROUP`` send them to everybody
GROUP_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def unbroken() -> Iterator[None]:
    """Let the process go on through the signals that ask a group to end; the worker's main process obeys them."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only a main thread receives signals, and only it may say what they do
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in GROUP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
