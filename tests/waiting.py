"""Waiting for what must happen. A wait that ends too early proves nothing, so a busy machine has more time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
#: how many times as long as it should take anything is waited for: two cores, three tests at once, and other people's
#: work beside them. What must be fast measures its own time.
PATIENCE = 5.0


def wait_for(look: Callable[[], T], seconds: float = 20.0, what: str = "it", every: float = 0.05) -> T:
    """Return the first true answer of ``look``.

    Args:
        look: asked every ``every`` wall seconds.
        seconds: within which it should come on a quiet machine.

    Raises:
        AssertionError: none within :data:`PATIENCE` times as long.
    """
    until = time.monotonic() + PATIENCE * seconds
    while not (found := look()):
        assert time.monotonic() < until, f"waited {PATIENCE * seconds:g} s for {what}: {found!r}"
        time.sleep(every)
    return found
