"""A day of slots through the units, and a disk that fills up in the middle of one."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.system import lab, service
from tests.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("units")]
DAY = "--synthetic 7 --start 2024-05-16 --until 2024-05-16"
STATE = "/var/lib/ztrade"
GOOD = {"held", "entered", "exited", "blocked"}


@pytest.fixture
def fresh(able: None) -> Iterator[lab.Machine]:
    """A machine with the package, for one test alone."""
    with lab.boot(lab.installed(lab.built())) as booted:
        yield booted


def outcomes(machine: lab.Machine) -> dict[str, Counter[str]]:
    """Return by agent how its slots ended."""
    return {
        agent: Counter(str(one["outcome"]) for one in service.cycles(machine, agent) if one["kind"] == "slot")
        for agent in service.AGENTS
    }


def books(machine: lab.Machine) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Return orders as the journal has them, and positions with both books beside each other."""
    orders = json.loads(machine.out("ztrade", "orders", "--json", "--limit", "1000"))
    done = machine.run("ztrade", "positions", "--json", check=False)
    assert done.returncode == 0, f"the books differ: {done.stdout}{done.stderr}"
    return orders, json.loads(done.stdout)


def test_a_day_of_slots(fresh: lab.Machine) -> None:
    """A whole session at full speed: each slot of each agent ended well and once, there was trade, the books agree."""
    service.bring_up(fresh, exchange=f"{DAY} --speed max", watchdog=60)
    expected = {"aapl": 6, "spy": 77, "tsla": 77}
    wait_for(lambda: {a: sum(c.values()) for a, c in outcomes(fresh).items()} == expected, 400, "the day", every=2)
    found = outcomes(fresh)
    wait_for(lambda: all("None" not in c for c in outcomes(fresh).values()), 60, "every outcome", every=1)
    found = outcomes(fresh)
    assert {word for count in found.values() for word in count} <= GOOD, found
    orders, _ = books(fresh)
    assert orders, "a day without one order shows nothing"
    assert len({one["id"] for one in orders}) == len(orders)
    assert service.failed(fresh) == ""
    assert {unit: service.restarts(fresh, unit) for unit in service.SERVICES} == dict.fromkeys(service.SERVICES, 0)


def test_a_disk_that_fills_up_stops_trading_and_nothing_else(fresh: lab.Machine) -> None:
    """No service gives up; once there is room, slots end well again, and the books agree."""
    fresh.run("mount", "-t", "tmpfs", "-o", "size=24M", "ztrade", STATE)
    fresh.run("systemd-tmpfiles", "--create", "ztrade.conf")
    service.bring_up(fresh, exchange=f"{DAY} --speed 60", watchdog=60)
    wait_for(lambda: sum(outcomes(fresh)["spy"].values()) >= 2, 120, "the first slots", every=1)
    fresh.run("dd", "if=/dev/zero", f"of={STATE}/filling", "bs=64k", check=False)
    assert fresh.out("df", "--output=avail", STATE).split()[-1] == "0"
    halted = fresh.run("ztrade", "halt", "tsla", "--reason", "no room", check=False)
    assert halted.returncode in (0, 1, 2)
    assert "Traceback" not in halted.stderr
    before = sum(outcomes(fresh)["spy"][word] for word in GOOD)
    wait_for(lambda: "full" in fresh.journal("-p", "warning", "-n", "400"), 60, "somebody to say it", every=1)
    fresh.run("rm", f"{STATE}/filling")
    fresh.run("ztrade", "release", "tsla", check=False)
    wait_for(
        lambda: sum(outcomes(fresh)["spy"][word] for word in GOOD) >= before + 3, 200, "slots to end well", every=1
    )
    assert {unit: fresh.active(unit) for unit in service.SERVICES} == dict.fromkeys(service.SERVICES, "active")
    assert service.failed(fresh) == ""
    fresh.run("systemctl", "stop", "ztrade-beat")
    wait_for(lambda: fresh.run("ztrade", "positions", check=False).returncode == 0, 60, "books that agree", every=2)
