"""Beat's sign of life: a file it rewrites while it ticks, so that a beat that stands is told from one that works."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

#: wall seconds between two signs
EVERY = 1.0
#: one tick may wait this long for Redis and the exchange before it is called dead
SILENCE = 30.0


def pulse_file(state_dir: Path) -> Path:
    """Return where the sign is."""
    return state_dir / "run" / "beat.pulse"


class Pulse:
    """Writes the sign; a disk that is full must not stop beat.

    Args:
        state_dir: the stack's.
        monotonic: seconds since the machine's start, the same for all its processes.
    """

    def __init__(self, state_dir: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path, self._monotonic = pulse_file(state_dir), monotonic
        self._last = float("-inf")

    def tick(self) -> None:
        """Give the sign, at most once a second."""
        now = self._monotonic()
        if now - self._last < EVERY:
            return
        self._last = now
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # whole or not at all: a reader that met an empty sign called a beat dead that worked
            fresh = self._path.with_suffix(f".{os.getpid()}")
            fresh.write_text(f"{now:.3f}\n", encoding="ascii")
            fresh.replace(self._path)


def trouble(state_dir: Path, monotonic: Callable[[], float] = time.monotonic) -> str:
    """Return why beat does not work, empty when it does."""
    try:
        silent = monotonic() - float(pulse_file(state_dir).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return "has not looked at the schedule yet"
    # a sign from the future is one from before the machine's last start
    return "" if 0 <= silent <= SILENCE else f"has not looked at the schedule for {silent:.0f} s"
