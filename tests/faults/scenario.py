"""One run: start the stack, wait until a process stands at the point, strike, let time end, judge."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import json
import math
import os
import random
import shutil
import signal
import tempfile
import time
import traceback
import zlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from tests.faults import naive, plan, points
from tests.faults.actions import Run
from tests.faults.catalogue import FAULTS
from tests.faults.matrix import Pair
from tests.faults.process import RunFailed, end_with_parent, wait_for
from tests.faults.stack import Stack, agent_files, redis_kinds, run_quiet, stack
from tests.faults.witness import Wanted, judge
from ztrade.adapters.journal import open_journal
from ztrade.domain.ledger import CycleKind
from ztrade.ports import Journal

_PR_SET_CHILD_SUBREAPER, _CLONE_NEWNS, _CLONE_NEWNET = 36, 0x20000, 0x40000000
LONGEST = 240
#: a halt at these lets the order through that is under way
PAST_CHECKS = {
    "check>", "post<", "post>", "resolve<", "cancel<", "cancel>", "plansell<", "plansell>", "sell<", "sell>", "sold>"
}  # fmt: skip


def run_apart(pair: Pair, seed: int, is_naive: bool, logs: Path | None = None) -> dict[str, Any]:
    """Run in a process of its own."""
    found = apart(lambda folder: answered(lambda: run(folder, pair, seed, is_naive, logs)), LONGEST)
    return {"pair": pair.name, "seed": seed, "naive": is_naive, **found}


def apart(work: Callable[[Path], dict[str, Any]], longest: int) -> dict[str, Any]:
    """Work in a process of its own, which takes everything that it started along when it ends.

    Args:
        work: is given an empty folder of a short name; what it returns must be JSON.
        longest: wall seconds.
    """
    # removed from here: what is mounted in it is gone with the process
    with tempfile.TemporaryDirectory(prefix="zf-", ignore_cleanup_errors=True) as folder:
        reader, writer = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(reader)
            _as_child(writer, lambda: work(Path(folder)), longest)
        os.close(writer)
        with os.fdopen(reader, "rb") as answer:
            text = answer.read()
        os.waitpid(pid, 0)
    found: dict[str, Any] = json.loads(text) if text else {"failed": f"the run took more than {longest} s"}
    return found


def _as_child(writer: int, answer: Callable[[], dict[str, Any]], longest: int) -> None:
    try:
        signal.alarm(longest)
        os.setsid()
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
        end_with_parent()
        os.write(writer, json.dumps(answer()).encode())
    finally:
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        os._exit(0)


def answered(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what the work found, with the seconds it took, or ``failed`` and why it could not be judged."""
    began = time.monotonic()
    try:
        found = work()
    except Exception as error:  # noqa: BLE001 a run that cannot be judged is told as such, and tried again later
        place = traceback.extract_tb(error.__traceback__)[-1]
        found = {"failed": f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"}
    return {**found, "seconds": round(time.monotonic() - began, 1)}


def run(folder: Path, pair: Pair, seed: int, is_naive: bool, logs: Path | None = None) -> dict[str, Any]:
    """Run one pair once, in an empty folder of a short name. Raises RunFailed where it cannot be judged."""
    kinds = redis_kinds()
    kind = kinds[(seed + zlib.crc32(pair.name.encode())) % len(kinds)]
    needs = FAULTS[pair.fault].needs
    hour = plan.choose(needs)
    prepare(needs)
    step, after = points.read(pair.point)
    agents = agent_files(plan.AGENT, *([plan.NEIGHBOUR] if hour.speed else []))
    options = {"is_naive": is_naive, "fakes_time": needs == "clock", "point": step.point(after=after)}
    options |= {"speed": hour.speed, "agents": agents, "on_postgres": needs == "postgres"}
    with stack(folder / "s", redis_kind=kind, **options) as made:
        mount(made, needs)
        found: dict[str, Any] = {}
        try:
            found = _strike(made, pair, seed, step.slot)
        finally:
            if logs is not None and not found.get("sound"):
                keep(made, logs / f"{pair.name} {seed}{' naive' if is_naive else ''}")
    return {"redis": kind.name, **found}


def mount(made: Stack, needs: str, size: str = "6m") -> None:
    """Give the state directory a small disk of its own, where the fault is one of disks."""
    if needs == "mount":
        run_quiet("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(made.state))
    if needs == "disk":
        made.image.write_bytes(bytes(16 << 20))
        run_quiet("mkfs.ext4", "-q", str(made.image))
        run_quiet("mount", "-o", "loop", str(made.image), str(made.state))


def _strike(made: Stack, pair: Pair, seed: int, slot: int) -> dict[str, Any]:
    made.start_journal()
    journal = None if made.is_naive else open_journal(made.journal_url)
    made.start_all()
    # stepped time waits for everybody; what runs takes its time
    length = 60 + plan.EVERY.total_seconds() * plan.SLOTS / (made.speed or math.inf)
    wait_for(f"the point {pair.point}", made.stopped_pid, length)
    one = Run(made, random.Random(f"{pair.name} {seed}"), made.stopped_pid(), slot, Wanted(since=slot))
    one.journal = journal
    one.may_leave = int(pair.point in PAST_CHECKS)
    FAULTS[pair.fault].do(one)
    with contextlib.suppress(RunFailed):
        wait_for("the end", lambda: _over(made, journal), length)
    time.sleep(max(one.settled - time.monotonic(), 0.0))
    with contextlib.suppress(OSError, ValueError):
        made.url.clear_faults()  # the witness reads what is there
    verdict = judge(made, one.wanted)
    if (made.folder / "after-halt").exists():
        verdict.limits.append("an order left after the halt")
    return {**asdict(verdict), "sound": verdict.sound, "ended": dict(made.ended)}


def _over(made: Stack, journal: Journal | None) -> bool:
    time.sleep(0.2)
    if journal is None:
        return not made.program("beat").alive()
    made.tend()
    cycles = journal.cycles(kind=CycleKind.SLOT)
    return sum(1 for record in cycles if record.outcome is not None) >= plan.SLOTS * len(made.agents)


def prepare(needs: str) -> None:
    """Make the surroundings that a fault needs, for this process and its children alone."""
    libc = ctypes.CDLL(None, use_errno=True)
    if needs in {"mount", "disk"}:
        if libc.unshare(_CLONE_NEWNS):
            raise RunFailed("no mount namespace: run as root")
        run_quiet("mount", "--make-rprivate", "/")
    if needs == "network":
        if libc.unshare(_CLONE_NEWNET):
            raise RunFailed("no network namespace: run as root")
        run_quiet("ip", "link", "set", "lo", "up")


def keep(made: Stack, to: Path) -> None:
    """Copy the logs and the journal."""
    to.mkdir(parents=True, exist_ok=True)
    files = itertools.chain(made.folder.glob("*.log"), made.state.glob("journal.db*"), [naive.ledger(made)])
    for path in files:
        with contextlib.suppress(OSError):
            shutil.copy(path, to / path.name)
