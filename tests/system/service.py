"""ztrade running as its units on a machine: bring it up, look at it, disturb it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence

from tests.system import lab
from tests.waiting import wait_for

PYTHON = "/opt/ztrade/bin/python"
AGENTS = ("aapl", "spy", "tsla")
WORKERS = tuple(f"ztrade-worker@{name}.service" for name in AGENTS)
SERVICES = (
    *WORKERS, "ztrade-beat.service", "ztrade-keeper.service", "ztrade-exchange.service", "ztrade-redis.service",
    "ztrade-flower.service",
)  # fmt: skip
#: redis-server says that it is ready, and nothing after that
WATCHED = ("ztrade-worker@.service", *(unit for unit in SERVICES if unit not in (*WORKERS, "ztrade-redis.service")))
SOCKETS = ("ztrade-flower.socket", "ztrade-exporter.socket")
SPY = "ztrade-worker@spy.service"
#: seconds of WatchdogSec= in tests
WATCHDOG = 10


def bring_up(
    machine: lab.Machine, *, exchange: str = "--synthetic 7", watchdog: int = WATCHDOG, agents: Sequence[str] = AGENTS
) -> float:
    """Enable the units of these agents and start all, with a short watchdog; returns the seconds to all ready."""
    machine.write("/etc/ztrade/exchange.conf", f"EXCHANGE_ARGS={exchange}\n")
    for unit in WATCHED:
        drop_in(machine, unit, "60-watchdog", f"WatchdogSec={patience(unit, watchdog)}")
    chosen = [unit for unit in SERVICES if unit not in WORKERS]
    chosen += [f"ztrade-worker@{name}.service" for name in agents]
    machine.run("systemctl", "enable", "ztrade.target", *chosen, *SOCKETS)
    began = time.monotonic()
    machine.run("systemctl", "start", "ztrade.target", seconds=180)
    return time.monotonic() - began


def load(machine: lab.Machine, seconds: float) -> float:
    """Return what all services together take of a core over some wall seconds, in percent."""
    before, began = _used(machine), time.monotonic()
    time.sleep(seconds)
    return 100 * (_used(machine) - before) / (time.monotonic() - began)


def _used(machine: lab.Machine) -> float:
    """Return the processor seconds of all processes of ztrade so far."""
    ticks = "cat $(ls -d /proc/[0-9]*/cgroup | xargs grep -l ztrade.slice | sed s/cgroup/stat/)"
    lines = machine.out("bash", "-c", ticks).splitlines()
    return sum(sum(map(int, line.rpartition(") ")[2].split()[11:15])) for line in lines) / os.sysconf("SC_CLK_TCK")


def patience(unit: str, watchdog: int = WATCHDOG) -> int:
    """Return the seconds of WatchdogSec= in tests; one piece of the keeper's work may wait for several timeouts."""
    return 3 * watchdog if unit == "ztrade-keeper.service" else watchdog


def drop_in(machine: lab.Machine, unit: str, name: str, *lines: str, section: str = "Service") -> None:
    """Write a drop-in as an operator does, and let systemd read it."""
    place = f"/etc/systemd/system/{unit}.d/{name}.conf"
    machine.write(place, "\n".join([f"[{section}]", *lines, ""]))
    machine.run("systemctl", "daemon-reload")


def take_drop_in(machine: lab.Machine, unit: str, name: str) -> None:
    """Take a drop-in away again."""
    machine.path(f"/etc/systemd/system/{unit}.d/{name}.conf").unlink()
    machine.run("systemctl", "daemon-reload")


def status(machine: lab.Machine, unit: str) -> str:
    """Return what the unit says that it does."""
    return machine.show(unit, "StatusText")["StatusText"]


def restarts(machine: lab.Machine, unit: str) -> int:
    """Return how often systemd has restarted the unit."""
    return int(machine.show(unit, "NRestarts")["NRestarts"])


def says(machine: lab.Machine, unit: str, words: str) -> Callable[[], bool]:
    """Return a condition: the unit is active and its status begins so."""
    return lambda: machine.active(unit) == "active" and status(machine, unit).startswith(words)


def consumes(machine: lab.Machine, agent: str = "spy", seconds: float = 60) -> None:
    """Wait until the agent's worker takes messages."""
    unit = f"ztrade-worker@{agent}.service"
    wait_for(says(machine, unit, f"consumes agent.{agent}"), seconds, f"{unit} to consume: {status(machine, unit)}")


def answers(machine: lab.Machine, seconds: int = 20) -> bool:
    """Send the test task through every worker; tells whether all answered."""
    return machine.run("ztrade", "stack", "test", "--seconds", str(seconds), check=False).returncode == 0


def python(machine: lab.Machine, program: str, *arguments: str) -> str:
    """Run a program with ztrade's interpreter and configuration; returns what it printed."""
    return machine.out(PYTHON, "-W", "ignore", "-c", program, *arguments, seconds=60)


def send_cycle(machine: lab.Machine, agent: str = "spy") -> str:
    """Send an extra cycle to the agent's worker, as `trading_cycle.delay` does, and return the message's id."""
    program = (
        "import sys; from ztrade.celery_app import trading_cycle as c; "
        "print(c.delay(sys.argv[1], dry_run=True, manual=False).id)"
    )
    return python(machine, program, agent)


def slow_exchange(machine: lab.Machine, seconds: float, path: str = "^/v2/account$") -> None:
    """Let the exchange answer requests to a path late, whoever asks: the cycle that does lasts as long.

    Until :func:`quick_exchange`, or the exchange's next start: one late answer alone might be the keeper's.
    """
    fault = {"kind": "latency", "match": {"path": path}, "times": None, "args": {"seconds": seconds}}
    _ask_for_faults(machine, "POST", json.dumps(fault))


def quick_exchange(machine: lab.Machine) -> None:
    """Let it answer at once again."""
    _ask_for_faults(machine, "DELETE", "")


def _ask_for_faults(machine: lab.Machine, method: str, body: str) -> None:
    program = (
        "import sys, urllib.request as u; "
        "asked = u.Request('http://127.0.0.1:8642/admin/faults', sys.argv[2].encode(), method=sys.argv[1]); "
        "u.urlopen(asked, timeout=60)"
    )
    python(machine, program, method, body)


def cycles(machine: lab.Machine, agent: str = "spy") -> list[dict[str, object]]:
    """Return the agent's cycles as `ztrade cycles` lists them."""
    found: list[dict[str, object]] = json.loads(
        machine.out("ztrade", "cycles", "--json", "--limit", "500", "--agent", agent)
    )
    return found


def failed(machine: lab.Machine) -> str:
    """Return what `systemctl --failed` lists."""
    return machine.out("systemctl", "--failed", "--no-legend", "--plain")


def messages(machine: lab.Machine) -> str:
    """Return the titles and texts that wait for people, oldest first."""
    program = (
        "from ztrade.config import load_config; from ztrade.adapters.journal import open_journal; "
        "j = open_journal(load_config().journal_url, create=False); "
        "[print(m.title, '|', m.text) for m in j.messages()]"
    )
    return python(machine, program)
