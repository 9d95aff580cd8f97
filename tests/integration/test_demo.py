"""The demo from end to end: real workers, beat, Flower, Valkey, exchange, each a process of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from ztrade.domain.ledger import Outcome

ZTRADE = str(Path(sys.executable).with_name("ztrade"))
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200), pytest.mark.xdist_group("stack")]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: unix sockets have little room."""
    path = Path(tempfile.mkdtemp(prefix="zt-"))
    yield path
    for process in left_over(path):
        process.kill()
    shutil.rmtree(path, ignore_errors=True)


def environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("ZTRADE_")}


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start a demo whose files are in ``folder``."""
    state = ("--state", str(folder / "state"), "--json", str(folder / "books.json"))
    return subprocess.Popen(
        [ZTRADE, "demo", *state, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=environment(),
    )  # fmt: skip


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run a demo to its end and return exit code and output."""
    process = start(folder, *arguments)
    output, _ = process.communicate(timeout=800)
    return process.returncode, output


def left_over(folder: Path) -> list[psutil.Process]:
    """Return the processes of a stack whose state is in ``folder``."""
    found = []
    for process in psutil.process_iter():
        try:
            ours = process.environ().get("ZTRADE_STATE", "").startswith(str(folder))
            named = any(str(folder) in part for part in process.cmdline())
        except psutil.Error:
            continue
        if (ours or named) and process.pid != os.getpid():
            found.append(process)
    return found


def wait_for(process: subprocess.Popen[str], pattern: str) -> list[str]:
    """Read a demo's lines until one matches."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if re.search(pattern, line):
            return lines
    raise AssertionError(f"ended without {pattern!r}:\n{''.join(lines)}")


def books(folder: Path) -> Any:
    return json.loads((folder / "books.json").read_text())


def check_books(record: Any, slots: Counter[str]) -> None:
    """Hold a record of ``--json`` to what every finished demo promises."""
    assert record["books_agree"] is True
    assert record["differences"] == record["missed"] == record["trouble"] == []
    ours, theirs = record["journal"], record["exchange"]
    assert Counter(slot["agent"] for slot in ours["slots"]) == slots
    assert len({(slot["agent"], slot["slot"]) for slot in ours["slots"]}) == sum(slots.values())
    assert all(slot["outcome"] in set(Outcome) and slot["reason"] for slot in ours["slots"])
    assert {order["id"] for order in ours["orders"]} == {order["id"] for order in theirs["orders"]}
    assert {fill["id"] for fill in ours["fills"]} == {fill["id"] for fill in theirs["fills"]}
    assert (ours["cash"], ours["equity"]) == (theirs["cash"], theirs["equity"])


def test_a_synthetic_day_through_the_whole_stack_equals_its_backtest(folder: Path) -> None:
    """Exit code 0, one outcome per slot, books equal, a report, nothing left; the backtest takes the same decisions."""
    code, output = run(folder)
    assert code == 0, output
    record = books(folder)
    check_books(record, Counter(spy=77, tsla=77, aapl=6))
    assert {"entered", "exited"} <= {slot["outcome"] for slot in record["journal"]["slots"]}
    assert "journal and exchange agree to the cent" in output
    assert len(re.findall(r"^\w{3} \d\d \w{3} \d\d:\d\d  (?:aapl|spy|tsla) ", output, re.MULTILINE)) == 163
    page = (folder / "state" / "report.html").read_text()
    assert page.count('class="slot o-') == 160
    assert left_over(folder) == []
    assert decisions(record["journal"]) == decisions(backtested(folder, "--from", "2024-05-16", "--to", "2024-05-16"))


def backtested(folder: Path, *arguments: str) -> Any:
    path = folder / "backtest.json"
    subprocess.run([ZTRADE, "backtest", *arguments, "--json", str(path)], check=True, env=environment(), timeout=300)
    return json.loads(path.read_text())


def decisions(record: Any) -> Any:
    """Return what both ways of running must have in common: each slot's outcome and order, the money at the end."""
    slots = sorted((slot["slot"], slot["agent"], slot["outcome"], tuple(slot["order_ids"])) for slot in record["slots"])
    return slots, float(record["cash"]), float(record["equity"])


def test_a_killed_worker_costs_no_slot_and_no_money(folder: Path) -> None:
    """kill -9 of a worker in the middle of the day: supervisor brings it back, every slot gets its outcome."""
    process = start(folder, "--once", "2024-05-14")
    wait_for(process, r"10:\d\d  spy ")
    workers = [p for p in left_over(folder) if p.cmdline()[-2:] == ["worker", "spy"]]
    assert workers
    for worker in workers:
        worker.kill()
    output, _ = process.communicate(timeout=800)
    assert process.returncode == 0, output
    check_books(books(folder), Counter(spy=77, tsla=77, aapl=6))
    assert left_over(folder) == []


def test_ctrl_c_stops_everything_and_a_second_demo_is_refused_meanwhile(folder: Path) -> None:
    """130, and no process is left, were the terminal closed too; the second demo says in one line who is there."""
    process = start(folder, "--speed", "60")
    try:
        wait_for(process, r"^look closer")
        code, output = run(folder)
        assert code == 2
        assert "runs here (process" in output
        assert len(output.splitlines()) == 1
    finally:
        process.send_signal(signal.SIGINT)
        time.sleep(1)
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=120)
    assert process.returncode == 130
    assert left_over(folder) == []


def test_what_a_killed_demo_leaves_is_stopped_by_the_next_one(folder: Path) -> None:
    """kill -9 of the demo itself: the next demo on that directory says so, cleans up, and runs."""
    process = start(folder, "--speed", "60")
    wait_for(process, r"^look closer")
    process.kill()
    process.communicate()
    code, output = run(folder, "--once", "2022-11-25")
    assert code == 0, output
    check_books(books(folder), Counter(spy=41, tsla=41, aapl=3))
    deadline = time.monotonic() + 120
    while left_over(folder) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert left_over(folder) == []
