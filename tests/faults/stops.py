"""Where a process can be stopped: doors around the ports of a desk, which count calls and wait at the wanted one.

Nothing of this is in ztrade: the test's own programs build their runtime with these doors around the real adapters.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

#: wall seconds after which a stopped process goes on by itself: its driver is gone
LONGEST = 120.0
#: from here on a halt is looked at again, and the sender makes sure that it is alone
PLAN = "journal.plan"


@dataclass(frozen=True, slots=True)
class Point:
    """The ``nth`` call of a door in the cycle of one slot; ``after`` it has answered, or before it is made.

    ``label`` is ``port.method``; ``planned`` counts only calls made after the cycle's order was planned.
    """

    label: str
    slot: datetime
    after: bool = False
    nth: int = 1
    planned: bool = False


class Stops:
    """Waits at a point, once in a run, whichever process comes there first.

    Args:
        folder: where ``stopped`` tells the driver who waits, and ``go`` lets it go on; while ``die`` is there, whoever
            comes to the point later dies there.
    """

    def __init__(self, folder: Path, point: Point | None) -> None:
        self._folder, self._point = folder, point
        self._slot: datetime | None = None
        self._count = 0
        self._planned = False

    def around(self, label: str, call: Callable[..., Any], args: Any, options: Mapping[str, Any]) -> Any:
        """Make the call, and wait before or after it where this is the point."""
        if label == "journal.claim":
            self._slot, self._count, self._planned = args[1], 0, False
        here = self._is_here(label)
        if here and self._point is not None and not self._point.after:
            self._wait()
        answer = call(*args, **options)
        self._note(label, args, answer)
        if here and self._point is not None and self._point.after:
            self._wait()
        return answer

    def _note(self, label: str, args: Any, answer: Any) -> None:
        """Write down who got a claim, and who finished it: the journal alone would not show it done twice."""
        if label == PLAN:
            self._planned = True
        claim = {"journal.claim": answer, "journal.finish": args[0] if args else None}.get(label)
        if claim is not None:
            with (self._folder / "claims").open("a", encoding="ascii") as file:
                file.write(f"{label} {claim.cycle_id} {claim.token}\n")

    def _is_here(self, label: str) -> bool:
        point = self._point
        if point is None or (label, self._slot) != (point.label, point.slot) or (point.planned and not self._planned):
            return False
        self._count += 1
        return self._count == point.nth

    def _wait(self) -> None:
        try:
            with (self._folder / "stopped.part").open("x", encoding="ascii") as file:
                file.write(str(os.getpid()))
        except FileExistsError:
            if (self._folder / "die").exists():
                os.kill(os.getpid(), signal.SIGKILL)
            return  # another process waits, or waited, here
        (self._folder / "stopped.part").rename(self._folder / "stopped")
        (self._folder / "stopped.part").touch()
        until = time.monotonic() + LONGEST
        while not (self._folder / "go").exists() and time.monotonic() < until:
            time.sleep(0.01)


class Door:
    """A port behind which every call is looked at."""

    def __init__(self, name: str, inner: Any, stops: Stops) -> None:
        self._name, self._inner, self._stops = name, inner, stops

    def __getattr__(self, method: str) -> Any:
        found = getattr(self._inner, method)
        if not callable(found):
            return found

        def call(*args: Any, **options: Any) -> Any:
            return self._stops.around(f"{self._name}.{method}", found, args, options)

        return call

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Stand for a port that is one function."""
        return self._stops.around(self._name, self._inner, args, options)
