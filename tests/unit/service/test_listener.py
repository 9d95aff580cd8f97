"""What supervisor's events make of a person's day."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ztrade.domain.messages import Severity
from ztrade.service.listener import Listener, held
from ztrade.service.supervisor import Supervisor


class Commands(Supervisor):
    """Remembers what it was asked, and shows the processes that a test names."""

    def __init__(self) -> None:
        super().__init__(Path("unused"))
        self.done: list[tuple[str, str]] = []
        self.shown: list[dict[str, Any]] = []

    def processes(self) -> list[dict[str, Any]]:
        return self.shown

    def stop(self, name: str) -> None:
        self.done.append(("stop", name))

    def start(self, name: str) -> None:
        self.done.append(("start", name))


@dataclass
class Desk:
    """A listener and what it told."""

    supervisor: Commands = field(default_factory=Commands)
    told: list[tuple[Severity, str]] = field(default_factory=list)
    weights: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        def tell(severity: Severity, key: str, title: str, text: str) -> None:
            assert key
            assert text
            self.told.append((severity, title))

        self.listener = Listener(self.supervisor, tell, lambda pid: self.weights.get(pid, 0), limit=100)

    def event(self, name: str, **data: str) -> None:
        self.listener.on_event(name, {"processname": "worker-spy", "groupname": "worker-spy", **data})


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_death_is_told_and_an_end_is_not(desk: Desk) -> None:
    """An exit that supervisor expects is somebody's stop."""
    desk.event("PROCESS_STATE_EXITED", expected="1", pid="7")
    assert desk.told == []
    desk.event("PROCESS_STATE_EXITED", expected="0", pid="7")
    assert desk.told == [(Severity.WARNING, "worker-spy has died")]


def test_a_program_that_never_comes_up_is_told_at_first_and_when_given_up(desk: Desk) -> None:
    """Each try in between would be noise."""
    for tries in "123":
        desk.event("PROCESS_STATE_BACKOFF", tries=tries)
    desk.event("PROCESS_STATE_FATAL")
    assert desk.told == [(Severity.WARNING, "worker-spy does not come up"), (Severity.CRITICAL, "worker-spy is down")]


def test_a_program_that_is_tried_for_ever_is_down_at_some_point(desk: Desk) -> None:
    """Under the machine's supervisord nobody gives up, so nothing is ever FATAL there."""
    for tries in range(1, 40):
        desk.event("PROCESS_STATE_BACKOFF", tries=str(tries))
    assert desk.told == [(Severity.WARNING, "worker-spy does not come up"), (Severity.CRITICAL, "worker-spy is down")]


def test_one_that_supervisor_starts_again_by_itself_is_weighed_again(desk: Desk) -> None:
    """Where the listener may only ask it to end: its exit is expected, and no death."""
    desk.supervisor.shown = [{"name": "worker-spy", "pid": 7}]
    desk.weights = {7: 101, 8: 101}
    desk.event("TICK_60", when="1")
    desk.event("PROCESS_STATE_EXITED", expected="1", pid="7")
    desk.supervisor.shown = [{"name": "worker-spy", "pid": 8}]
    desk.event("TICK_60", when="61")
    assert desk.supervisor.done == [("stop", "worker-spy"), ("stop", "worker-spy")]
    assert {title for _, title in desk.told} == {"worker-spy holds too much memory"}


def test_a_program_that_holds_too_much_is_stopped_politely_and_started_again(desk: Desk) -> None:
    """The stop lets a cycle finish, so the start waits for the event that it has ended; others are left alone."""
    desk.supervisor.shown = [{"name": "worker-spy", "pid": 7}, {"name": "beat", "pid": 8}, {"name": "flower", "pid": 0}]
    desk.weights = {7: 101, 8: 100}
    desk.event("TICK_60", when="1")
    desk.event("TICK_60", when="61")
    assert desk.supervisor.done == [("stop", "worker-spy")]
    assert desk.told == [(Severity.WARNING, "worker-spy holds too much memory")]
    desk.event("PROCESS_STATE_STOPPED")
    assert desk.supervisor.done == [("stop", "worker-spy"), ("start", "worker-spy")]


def test_a_person_s_stop_is_left_stopped(desk: Desk) -> None:
    """Only what was stopped for its memory is started again."""
    desk.event("PROCESS_STATE_STOPPED")
    assert desk.supervisor.done == []


@pytest.fixture
def hog() -> Iterator[int]:
    """A process whose child holds 60 MB."""
    child = "import sys; x = bytearray(60_000_000); print('full', flush=True); sys.stdin.read()"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}], stdin=sys.stdin)"
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "full\n"
        yield process.pid
        assert process.stdin is not None
        process.stdin.close()
        process.wait(10)


def test_children_count(hog: int) -> None:
    """A worker's weight is in the child that runs its cycles."""
    assert 60_000_000 < held(hog) < 150_000_000
    assert held(os.getpid()) > 10_000_000


def test_a_process_that_is_gone_holds_nothing() -> None:
    """It may end between the list and the look."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    assert held(done.pid) == 0
