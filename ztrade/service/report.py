"""What a process tells of itself: a small file that it rewrites while it lives, for the exporter to read.

``STATE/run/reports/ROLE.json``. Who dies, or stands, leaves an old one. Instants are monotonic seconds, which all
processes of a machine share since its start; a report from before it is from the future, and counts as none.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from ztrade.config import Config
from ztrade.service.forks import at_work

log = structlog.get_logger("ztrade.report")

#: wall seconds between two reports of one process
EVERY = 2.0
#: a report older than this is one of a process that is gone, or stands; wall seconds
FRESH = 8.0
#: under which a report has the digests of the files that its process read
DIGESTS = "files"
#: no fact is so large; neither infinity nor "not a number" is below it
_MOST = 1e18
#: bytes; a longer file is not a report
_LONGEST = 256_000


@dataclass(frozen=True, slots=True)
class Report:
    """What a process last told.

    Args:
        pid: whose it is.
        age: wall seconds since it was written, never negative.
        facts: what it tells: JSON values, which the reader checks before use.
    """

    pid: int
    age: float
    facts: Mapping[str, Any]

    @property
    def fresh(self) -> bool:
        """Tell whether the process still reports."""
        return self.age <= FRESH


def report_file(state_dir: Path, role: str) -> Path:
    """Return where a role's report is: ``worker-spy``, and ``worker-spy.cycles`` for the process that runs cycles."""
    return state_dir / "run" / "reports" / f"{role}.json"


def cycles(role: str) -> str:
    """Return the name under which the process that runs a worker's cycles reports."""
    return f"{role}.cycles"


def write(
    state_dir: Path, role: str, facts: Mapping[str, Any], monotonic: Callable[[], float] = time.monotonic
) -> None:
    """Write a report, whole or not at all; a full disk must stop nobody, so what fails is an old report."""
    path = report_file(state_dir, role)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_suffix(f".{os.getpid()}")
        try:
            said = {"pid": os.getpid(), "at": monotonic(), "facts": facts}
            fresh.write_text(json.dumps(said), encoding="utf-8")
            fresh.replace(path)
        except OSError:
            fresh.unlink(missing_ok=True)


def read(state_dir: Path, role: str, monotonic: Callable[[], float] = time.monotonic) -> Report | None:
    """Return a role's last report; None where there is none, or it makes no sense."""
    try:
        with report_file(state_dir, role).open("rb") as file:
            said = json.loads(file.read(_LONGEST))
        age = monotonic() - float(said["at"])
        report = Report(int(said["pid"]), age, dict(said["facts"]))
    except (OSError, ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return None
    return report if age >= 0 else None


def number(value: object) -> float | None:
    """Return a fact that is a number; None of anything else: a report may be anybody's file."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_MOST < value < _MOST:
        return None
    return float(value)


def count(value: object) -> float | None:
    """Return a fact that is a number and not negative, as what is counted, a size, or an instant."""
    found = number(value)
    return found if found is not None and found >= 0 else None


class Turns:
    """What a service tells whose main loop comes round: when it last did.

    Args:
        more: further facts.
    """

    def __init__(
        self,
        more: Callable[[], Mapping[str, Any]] = dict,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._more, self._monotonic = more, monotonic
        self._turned, self._status = monotonic(), "starts"

    def tick(self, status: str) -> None:
        """Hear that the loop has come round, and what it does."""
        self._turned, self._status = self._monotonic(), status

    def __call__(self) -> Mapping[str, Any]:
        """Return what is to be told."""
        return {"turned": self._turned, "status": self._status, **self._more()}


class Reporter(threading.Thread):
    """Reports from a thread of its own, so that a main loop that stands is seen to stand.

    Args:
        config: what the process read when it started, which is told, too.
        facts: gathers what is told; one that fails is logged once, and the report gets old.
    """

    def __init__(self, config: Config, role: str, facts: Callable[[], Mapping[str, Any]]) -> None:
        super().__init__(name="report", daemon=True)
        self._config, self._role, self._facts = config, role, facts
        self._over = threading.Event()
        self._failed = False

    def run(self) -> None:
        """Report until :meth:`close`."""
        self.tell()
        while not self._over.wait(EVERY):
            self.tell()

    def tell(self) -> None:
        """Report once. Never raises."""
        try:
            with at_work():
                facts = {**self._facts(), DIGESTS: dict(self._config.digests)}
                write(self._config.state_dir, self._role, facts)
        except Exception:
            if not self._failed:
                log.exception("report_failed", role=self._role)
            self._failed = True

    def close(self) -> None:
        """End the thread; the last report gets old."""
        self._over.set()
