"""Limits bite: an agent that eats memory or processes dies alone, and its neighbour stays on time."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from tests.system import lab, service
from tests.system.service import SPY
from tests.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("units")]

#: a worker with one task more: it runs what it is sent, in the pool's child, in the unit's sandbox and limits
WILD = """
from ztrade.service import app as module
define = module._define
def more(app):
    tasks = define(app)
    @app.task(name="wild", shared=False)
    def wild(program):
        exec(program, {})
    return tasks
module._define = more
from ztrade.cli.main import main
main()
"""
EATER = "block = []\nwhile True: block.append(bytearray(b'x' * (8 << 20)))"
BOMB = """
import os, time
seen = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(20)
            os._exit(0)
        seen += 1
except OSError as error:
    open('/var/lib/ztrade/bomb', 'w').write(f'{seen} {type(error).__name__}')
"""

GREEDY = """
import time
start = time.process_time()
end = time.monotonic() + 6
while time.monotonic() < end: pass
open('/var/lib/ztrade/greedy', 'w').write(str(time.process_time() - start))
"""


@pytest.fixture(scope="module")
def running(machine: lab.Machine) -> lab.Machine:
    """Three agents on an exchange whose day passes thirty times as fast: a slot every ten seconds."""
    machine.write("/etc/ztrade/wild.py", WILD)
    service.drop_in(machine, SPY, "wild", "ExecStart=", f"ExecStart={service.PYTHON} /etc/ztrade/wild.py worker spy")
    service.drop_in(machine, SPY, "80-limits", "MemoryHigh=infinity", "MemoryMax=320M", "TasksMax=40")
    service.bring_up(machine, exchange="--synthetic 7 --speed 30", watchdog=30)
    return machine


@pytest.fixture(autouse=True)
def whole(running: lab.Machine) -> Iterator[None]:
    for agent in service.AGENTS:
        service.consumes(running, agent)
    yield
    assert service.failed(running) == ""


def send_wild(machine: lab.Machine, program: str) -> None:
    """Let spy's worker run a program."""
    sent = (
        "import sys; from ztrade.celery_app import app; "
        "app.send_task('wild', args=[sys.argv[1]], queue='agent.spy.ctl', ignore_result=True)"
    )
    service.python(machine, sent, program)


def slots(machine: lab.Machine, agent: str) -> list[str]:
    """Return the slots of an agent whose cycles ended well, oldest first."""
    good = ("held", "entered", "exited", "blocked", "proposed")
    return sorted(str(one["slot"]) for one in service.cycles(machine, agent) if one["outcome"] in good)


def bad(machine: lab.Machine, agent: str) -> list[str]:
    """Return the slots of an agent that nobody ran, or that did not end well."""
    lost = ("missed", "interrupted", "failed", "unknown")
    return sorted(f"{one['slot']} {one['reason']}" for one in service.cycles(machine, agent) if one["outcome"] in lost)


def neighbour_goes_on(machine: lab.Machine, disturb: str, seconds: float) -> None:
    """Run the program beside tsla: each of its slots in that time is run, none is missed."""
    before, lost = len(slots(machine, "tsla")), bad(machine, "tsla")
    pid = machine.pid("ztrade-worker@tsla.service")
    send_wild(machine, disturb)
    time.sleep(seconds)
    after = slots(machine, "tsla")
    assert len(after) - before >= int(seconds / 10) - 1, "a slot every ten seconds"
    assert bad(machine, "tsla") == lost, "those from before the start alone"
    assert machine.pid("ztrade-worker@tsla.service") == pid
    assert service.restarts(machine, "ztrade-worker@tsla.service") == 0


def test_the_limits_are_those_of_the_files(running: lab.Machine) -> None:
    """What docs/reference/systemd.md says of a worker, of the others, of all."""
    worker = running.show(
        "ztrade-worker@tsla.service", "MemoryMax", "TasksMax", "CPUQuotaPerSecUSec", "OOMPolicy", "Slice"
    )
    assert worker == {
        "MemoryMax": str(768 << 20), "TasksMax": "128", "CPUQuotaPerSecUSec": "1.500000s", "OOMPolicy": "continue",
        "Slice": "ztrade.slice",
    }  # fmt: skip
    beat = running.show("ztrade-beat.service", "MemoryMax", "TasksMax", "LimitNOFILE", "LimitCORE")
    assert beat == {"MemoryMax": str(512 << 20), "TasksMax": "64", "LimitNOFILE": "4096", "LimitCORE": "1"}
    assert running.show("ztrade.slice", "TasksMax") == {"TasksMax": "2048"}


def test_who_eats_memory_dies_alone(running: lab.Machine) -> None:
    """The kernel ends the pool's child at MemoryMax=; the worker starts another and consumes on."""
    main = running.pid(SPY)
    neighbour_goes_on(running, EATER, 40)
    said = running.journal("-u", SPY, "-n", "200")
    assert "signal 9 (SIGKILL)" in said, said[-2000:]
    service.consumes(running)
    assert running.active(SPY) == "active"
    if service.restarts(running, SPY) == 0:
        assert running.pid(SPY) == main
    assert service.answers(running)


def test_a_fork_bomb_stays_in_its_unit(running: lab.Machine) -> None:
    """TasksMax= refuses the next process; nobody else is short of one."""
    neighbour_goes_on(running, BOMB, 30)
    count, error = running.out("cat", "/var/lib/ztrade/bomb").split()
    assert error == "BlockingIOError"
    assert 1 <= int(count) < 40
    service.consumes(running)
    assert service.answers(running)


def test_the_quota_of_processor_time_holds(running: lab.Machine) -> None:
    """A child that computes without end gets its share and no more."""
    service.drop_in(running, SPY, "80-limits", "CPUQuota=20%", "MemoryMax=320M")
    send_wild(running, GREEDY)
    place = running.path("/var/lib/ztrade/greedy")
    used = float(wait_for(lambda: place.exists() and place.read_text(), 60, "its own count"))
    assert 0.3 < used < 2.0, f"{used} of 6 s"


def test_what_ran_is_in_the_journal_once(running: lab.Machine) -> None:
    """After all that: every slot of every agent has one outcome."""
    for agent in service.AGENTS:
        found = [str(one["slot"]) for one in service.cycles(running, agent) if one["slot"]]
        assert len(found) == len(set(found)), json.dumps(found)
