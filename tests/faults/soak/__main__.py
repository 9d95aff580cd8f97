"""``python -m tests.faults.soak``: soak once, say what was found, and write it into docs/reliability.md."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import requests

from tests.faults import page, scenario
from tests.faults.__main__ import PAGE, RESULTS, version
from tests.faults.page import SOAKS
from tests.faults.process import RunFailed, wait_for
from tests.faults.programs import CALENDAR, warm_up
from tests.faults.soak import blows, verdict
from tests.faults.soak.blows import Blow
from tests.faults.soak.stage import AGENTS, LEAD, Stage
from tests.faults.soak.strikes import KINDS, strike
from tests.faults.stack import redis_kinds
from ztrade.adapters.journal import open_journal
from ztrade.domain.ledger import CycleKind
from ztrade.domain.schedule import Session
from ztrade.ports import Journal

#: a month with a day off, an early close and the end of summer time in it
FIRST = date(2024, 11, 1)
MONTH = 21
#: wall seconds within which exchange time must have moved
STANDSTILL = 180.0
#: exchange time for which a fault waits for an order, and wall seconds for which the order's answer is held back
LONGEST_AIM = timedelta(hours=4)
HELD_BACK = 1.2


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="of the market and of the faults; one by chance without")
    parser.add_argument("--days", type=int, default=MONTH, help="sessions (default: a month of them)")
    parser.add_argument("--start", type=date.fromisoformat, default=FIRST, help="the first day")
    parser.add_argument("--kinds", default="", help="only these faults, by comma")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the matrix'; the soaks' lie beside them")
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--logs", type=Path, help="keep the logs and the journal of an unsound soak here")
    return parser.parse_args()


def plan(seed: int, start: date, days: int, words: str) -> tuple[Sequence[Session], list[Blow], list[str]]:
    """Return the sessions, what strikes in them, and the kinds that are left out for want of root."""
    sessions = CALENDAR.sessions(start, start + timedelta(days=2 * days + 10))[:days]
    kinds = [kind.strip() for kind in words.split(",") if kind.strip()] or list(KINDS)
    chosen = blows.blows(seed, sessions, AGENTS, kinds)
    left_out = [kind for kind in kinds if KINDS[kind].needs == "root" and os.geteuid()]
    return sessions, [blow for blow in chosen if blow.kind not in left_out], left_out


def soak(folder: Path, seed: int, sessions: Sequence[Session], todo: Sequence[Blow], logs: Path | None) -> Any:
    """Soak in a folder of a short name."""
    kinds = redis_kinds()
    if not os.geteuid():
        scenario.prepare("mount")
        scenario.prepare("network")
    stage = Stage(folder / "s", kinds[seed % len(kinds)], sessions=sessions, seed=seed)
    try:
        if not os.geteuid():
            scenario.mount(stage, "mount", "512m")
        journal = open_journal(stage.journal_url)
        found = _soak(stage, todo, journal)
        if logs is not None and not found["sound"]:
            scenario.keep(stage, logs / f"soak {seed}")
        return found
    except Exception:
        if logs is not None:
            scenario.keep(stage, logs / f"soak {seed}")
        raise
    finally:
        stage.close()


def _soak(stage: Stage, todo: Sequence[Blow], journal: Journal) -> dict[str, Any]:
    began = time.monotonic()
    stage.start_all()
    clock = Clock(stage)
    struck: Counter[str] = Counter()
    for blow in todo:
        clock.wait_until(blow.at)
        if blow.aimed:
            clock.wait_for_order(min(blow.at + LONGEST_AIM, stage.until - LEAD))
        print(f"{time.monotonic() - began:6.0f} s  {blow}", flush=True)
        with contextlib.suppress(requests.RequestException):  # what a person asks meets the faults, too
            strike(stage, blow)
        struck[blow.kind] += 1
    clock.wait_until(stage.until)
    _settle(stage, journal)
    found = verdict.judge(stage, journal)
    return {
        **asdict(found),
        "sound": found.sound,
        "redis": stage.redis_kind.name,
        "faults": dict(struck),
        "ended": dict(stage.ended),
        "seconds": round(time.monotonic() - began),
    }


def _settle(stage: Stage, journal: Journal) -> None:
    """Wait until the last day is settled, so that both books are final; what does not come is found by the verdict."""
    stage.url.clear_faults()
    last = stage.sessions[-1].close

    def settled() -> bool:
        stage.tend()
        time.sleep(0.2)
        known = journal.cycles(kind=CycleKind.SETTLE, since=last)
        return sum(record.outcome is not None for record in known) >= len(AGENTS)

    with contextlib.suppress(RunFailed):
        wait_for("the settlement", settled, 60)


class Clock:
    """Waits for exchange time, and sees that it goes on."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def wait_until(self, at: datetime) -> None:
        """Wait; programs that end are started again meanwhile. Raises RunFailed where time stands still."""
        self._wait(at, lambda: False)

    def wait_for_order(self, until: datetime) -> None:
        """Wait until an order is on its way, whose answer is held back for a while; no longer than ``until``."""
        number = self._stage.url.fault("latency", method="POST", path="^/v2/orders$", seconds=HELD_BACK)["id"]
        self._wait(until, lambda: number not in self._waiting(number))
        if number in self._waiting(0):
            self._stage.url.clear_faults()  # no order came: the next one must not meet this beside another fault

    def _waiting(self, unless_told: int) -> set[int]:
        """Return the numbers of the faults that nobody has met yet, ``unless_told`` while the exchange is silent."""
        with contextlib.suppress(OSError, ValueError):
            return {fault["id"] for fault in self._stage.url.faults()}
        return {unless_told}

    def _wait(self, at: datetime, over: Callable[[], bool]) -> None:
        seen, moved = None, time.monotonic()
        while not over():
            self._stage.tend()
            now = self._now()
            if now is not None and now >= at:
                return
            if now is not None and now != seen:
                seen, moved = now, time.monotonic()
            if time.monotonic() - moved > STANDSTILL:
                raise RunFailed(f"time stands still at {seen}")
            time.sleep(0.02)

    def _now(self) -> datetime | None:
        with contextlib.suppress(OSError, ValueError):
            return datetime.fromisoformat(self._stage.url.clock()["now"])
        return None


def main() -> int:
    given = arguments()
    seed = given.seed if given.seed is not None else int.from_bytes(os.urandom(3))
    sessions, todo, left_out = plan(seed, given.start, given.days, given.kinds)
    print(f"seed {seed}: {len(sessions)} sessions, {sessions[0].day} to {sessions[-1].day}, {len(todo)} faults")
    if left_out:
        print(f"left out without root: {', '.join(left_out)}")
    warm_up()
    found = scenario.apart(
        lambda folder: scenario.answered(lambda: soak(folder, seed, sessions, todo, given.logs)), 600 * given.days
    )
    line = {"seed": seed, "start": str(sessions[0].day), "days": len(sessions), **found, "code": version()}
    given.results.parent.mkdir(parents=True, exist_ok=True)
    with given.results.with_name(SOAKS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    print(json.dumps(line, indent=1))
    page.write(given.page, given.results)
    return 0 if found.get("sound") else 1


if __name__ == "__main__":
    sys.exit(main())
