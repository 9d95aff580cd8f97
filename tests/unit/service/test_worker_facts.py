"""What a worker tells of itself: its weight, the ends of its child by cause, messages come again or refused."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ztrade.service import names
from ztrade.service.progress import Seen
from ztrade.service.watchdog import Verdict
from ztrade.service.worker_facts import CAUSES, Deaths, Messages, WorkerFacts, killed_for_memory, memory

ROLLUP = """55a-7ff ---p 00000000 00:00 0                          [rollup]
Rss:              102400 kB
Pss:               51200 kB
Pss_Dirty:         40000 kB
"""


def process(pid: int, code: int | None = None) -> Any:
    """Return a pool's process as billiard has it; ``code`` None while it runs."""
    return SimpleNamespace(pid=pid, _popen=SimpleNamespace(returncode=code))


def test_memory_is_the_share_of_the_process(tmp_path: Path) -> None:
    (tmp_path / "17").mkdir()
    (tmp_path / "17" / "smaps_rollup").write_text(ROLLUP)
    assert memory(17, tmp_path) == 51_200 * 1024


@pytest.mark.parametrize("text", [None, "", "Pss:", "Pss: much kB"], ids=["no file", "empty", "cut", "no number"])
def test_memory_that_cannot_be_read_is_unknown(tmp_path: Path, text: str | None) -> None:
    (tmp_path / "17").mkdir()
    if text is not None:
        (tmp_path / "17" / "smaps_rollup").write_text(text)
    assert memory(17, tmp_path) is None


def test_this_kernel_tells_it() -> None:
    assert (memory("self") or 0) > 1_000_000


def test_what_the_kernel_killed_for_memory_is_counted(tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "cgroup").write_text("0::/ztrade.slice/ztrade-worker@spy.service\n")
    group = tmp_path / "groups" / "ztrade.slice" / "ztrade-worker@spy.service"
    assert killed_for_memory(tmp_path, tmp_path / "groups") == 0
    group.mkdir(parents=True)
    (group / "memory.events").write_text("low 0\nhigh 7\nmax 3\noom 2\noom_kill 2\n")
    assert killed_for_memory(tmp_path, tmp_path / "groups") == 2


@pytest.mark.parametrize(
    ("code", "cause"),
    [(0, "exit"), (1, "exit"), (155, "exit"), (-signal.SIGKILL, "signal"), (-signal.SIGSEGV, "signal")],
    ids=["ended", "failed", "renewed", "killed", "crashed"],
)
def test_an_end_has_a_cause(code: int, cause: str) -> None:
    deaths = Deaths(lambda: 0)
    child = process(7)
    deaths.look([child])
    assert set(deaths.counts.values()) == {0}
    child._popen.returncode = code
    deaths.look([process(8)])
    deaths.look([process(8)])
    assert deaths.counts == dict.fromkeys(CAUSES, 0) | {cause: 1}


def test_a_kill_for_memory_is_told_from_another() -> None:
    kills = [3]
    deaths = Deaths(lambda: kills[0])
    deaths.look([process(7, -signal.SIGKILL)])
    kills[0] = 4
    deaths.look([process(8, -signal.SIGKILL)])
    deaths.look([process(9, -signal.SIGKILL)])
    assert (deaths.counts["memory"], deaths.counts["signal"]) == (1, 2)


def test_a_child_that_its_time_limit_ended() -> None:
    deaths = Deaths(lambda: 0)
    deaths.limit()
    deaths.look([process(7, -signal.SIGTERM)])
    deaths.look([process(8, -signal.SIGTERM)])
    assert (deaths.counts["time_limit"], deaths.counts["signal"]) == (1, 1)


def test_messages_that_came_again_are_counted_by_task() -> None:
    messages = Messages(names.TASKS)
    for name, again in ((names.TRADING_CYCLE, True), (names.TRADING_CYCLE, False), ("another's", True)):
        messages.take(SimpleNamespace(name=name, delivery_info={"redelivered": again}))
    messages.take(SimpleNamespace(name=names.SETTLE, delivery_info=None))
    assert messages.redelivered == {names.TRADING_CYCLE: 1, "unknown": 1}


def test_a_report_says_what_the_worker_does() -> None:
    """Before the pool and the consumer are there, too; the pool's processes are weighed."""
    worker = SimpleNamespace(pool=None, consumer=None)
    facts = WorkerFacts(
        worker,
        tasks=names.TASKS,
        look=lambda: Seen(turned=1.0, asked=12.5, tasks=["cycle:spy:x"]),
        judge=lambda: Verdict(True, "runs cycle:spy:x"),
        started=1_661_178_600.0,
    )
    first = facts()
    assert (first["asked"], first["running"], first["healthy"], first["reconnects"]) == (12.5, True, True, 0)
    assert list(first["memory"]) == ["main"]
    worker.pool = SimpleNamespace(_pool=SimpleNamespace(_pool=[process(os.getpid())]))
    worker.consumer = SimpleNamespace(restart_count=2)
    second = facts()
    assert sorted(second["memory"]) == ["child", "main"], "a new process is weighed at once"
    assert second["reconnects"] == 2
