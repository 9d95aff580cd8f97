"""Threads beside a main loop that forks: the child gets a copy of every lock that they hold, and nobody to release it.

A worker forked while its reporter was in the middle of an import, or of a request to Redis: the child waited for that
lock in its first cycle, until the time limit killed it. So whoever forks waits until the threads rest.
"""

from __future__ import annotations

import os
import threading

_AT_WORK = threading.RLock()


def at_work() -> threading.RLock:
    """Return what a thread holds while it does anything but wait: no fork happens meanwhile."""
    return _AT_WORK


def guard() -> None:
    """Let forks of this process wait for its threads; once, by a program that forks and has threads."""
    os.register_at_fork(before=_AT_WORK.acquire, after_in_parent=_AT_WORK.release, after_in_child=_AT_WORK.release)
