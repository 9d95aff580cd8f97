"""A real supervisord with programs that die, never come up, or grow: each is told once, in the journal."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.integration.celery_stage import write_config
from tests.waiting import wait_for
from ztrade.adapters.journal import open_journal
from ztrade.config import Config
from ztrade.domain.messages import Severity
from ztrade.service.programs import Program, write_programs
from ztrade.service.supervisor import Supervisor

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("stack")]
GROWS = "import sys, time; x = bytearray(120_000_000 if len(sys.argv) < 2 else 1); time.sleep(600)"
RESTS = "import time; time.sleep(600)"
DIES = "raise SystemExit(3)"
#: as supervisord's child before it is the program: a signal of its first moment is lost
DEAF = "trap : TERM; sleep 0.4; trap - TERM; exec sleep 600"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return write_config(tmp_path)


@pytest.fixture
def supervisor(config: Config) -> Iterator[Supervisor]:
    """A supervisord with four programs and the listener, which weighs them every five seconds.

    There is a mistake in an agent's file, for which programs do not come up: the listener tells all the same.
    """
    state = config.state_dir
    (config.path.parent / "agents" / "spy.toml").write_text("capital = lots")
    for name in ("run", "logs"):
        (state / name).mkdir(parents=True, exist_ok=True)
    open_journal(config.journal_url).close()
    wanted = [
        # a busy machine takes its time to start an interpreter that ends at once
        Program(name, (sys.executable, "-c", program), 100, timedelta(seconds=5), 6 if program is DIES else 1)
        for name, program in {"grows": GROWS, "rests": RESTS, "dies": DIES}.items()
    ]
    wanted.append(Program("deaf", ("/bin/sh", "-c", DEAF), 100, timedelta(seconds=30), 1))
    write_programs(config, wanted, memory=80_000_000)
    listener = state / "run" / "programs" / "listener.conf"
    listener.write_text(listener.read_text().replace("TICK_60", "TICK_5"))
    found = Supervisor(state)
    with found.lock() as lock:
        found.launch(lock, {"ZTRADE_CONFIG": str(config.path), "ZTRADE_STATE": str(state)}, timedelta(seconds=15))
    yield found
    found.shutdown(timedelta(seconds=60))


def pid(supervisor: Supervisor, name: str) -> int:
    """Return the program's process, 0 where there is none."""
    return next(int(info["pid"]) for info in supervisor.processes() if info["name"] == name)


def running(supervisor: Supervisor) -> set[str]:
    """Return what has been up for longer than its start may take: an end before that is another event."""
    return {str(info["name"]) for info in supervisor.processes() if info["statename"] == "RUNNING"}


def told(config: Config) -> dict[str, Severity]:
    """Return what is in the outbox."""
    journal = open_journal(config.journal_url)
    try:
        return {message.title: message.severity for message in journal.messages(unsent=True)}
    finally:
        journal.close()


def test_each_trouble_is_told_and_what_grew_is_restarted(config: Config, supervisor: Supervisor) -> None:
    """Death, a start that never works, memory: the three things that supervisor by itself keeps silent about."""
    wait_for(lambda: {"rests", "grows", "alerts"} <= running(supervisor), 30)
    rests, grows = pid(supervisor, "rests"), pid(supervisor, "grows")
    os.kill(rests, signal.SIGKILL)
    wait_for(lambda: pid(supervisor, "grows") not in (0, grows), 60)
    wait_for(lambda: pid(supervisor, "rests") not in (0, rests), 20)
    expected = {
        "rests has died": Severity.WARNING,
        "dies does not come up": Severity.WARNING,
        "dies is down": Severity.CRITICAL,
        "grows holds too much memory": Severity.WARNING,
    }
    wait_for(lambda: set(told(config)) >= set(expected), 60)
    assert told(config) == expected


def test_who_is_stopped_in_the_moment_of_its_start_ends(supervisor: Supervisor) -> None:
    """A worker would trade on until its grace time is over, and be killed in the middle of a cycle then."""
    wait_for(lambda: "deaf" in running(supervisor), 30)
    for _ in range(3):
        os.kill(pid(supervisor, "deaf"), signal.SIGKILL)
        wait_for(lambda: _state(supervisor, "deaf") == "STARTING", 30, "its next start", every=0.01)
        time.sleep(0.1)
        supervisor.stop("deaf")
        supervisor.wait_ended(["deaf"], timedelta(seconds=15))
        supervisor.start("deaf")
        wait_for(lambda: "deaf" in running(supervisor), 30)


def _state(supervisor: Supervisor, name: str) -> str:
    return next(str(info["statename"]) for info in supervisor.processes() if info["name"] == name)
