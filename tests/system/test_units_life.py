"""The units live: ready, watched, drained, started again; on a real systemd, with the package as installed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

import pytest

from tests.system import lab, service
from tests.system.service import SPY, WATCHDOG
from tests.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("units")]


Figure = Callable[[str, float, str, str], None]


@pytest.fixture(scope="module")
def running(machine: lab.Machine, figure: Figure) -> lab.Machine:
    """All units, three agents; the start is timed, and what they take while there is nothing to do."""
    took = service.bring_up(machine)
    figure("systemctl start ztrade.target, three agents, to all READY", took, "s", "6")
    for agent in service.AGENTS:
        service.consumes(machine, agent)
    figure("the whole stack at rest", service.load(machine, 20), "% of a core", "3")
    return machine


@pytest.fixture(autouse=True)
def whole(running: lab.Machine) -> Iterator[None]:
    """Every test finds and leaves all units active."""
    for agent in service.AGENTS:
        service.consumes(running, agent)
    yield
    assert service.failed(running) == ""


def test_every_unit_is_ready_and_says_what_it_does(running: lab.Machine) -> None:
    """Active by their own word, none restarted, and the test task goes through all workers."""
    said = {unit: service.status(running, unit) for unit in service.SERVICES}
    assert {unit: running.active(unit) for unit in said} == dict.fromkeys(said, "active")
    assert {unit: service.restarts(running, unit) for unit in said} == dict.fromkeys(said, 0)
    assert said[SPY] == "consumes agent.spy"
    assert said["ztrade-beat.service"] == "sends what is due"
    assert said["ztrade-keeper.service"].startswith("keeps")
    assert all(said.values()), said
    assert service.answers(running)


def test_the_exporter_starts_at_the_first_scrape(running: lab.Machine) -> None:
    """On the socket that systemd holds; it has no network itself."""
    assert running.active("ztrade-exporter.service") == "inactive"
    scrape = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9540/metrics', timeout=60).read().decode())"
    wanted = {
        *(f"ztrade_{what}_up 1.0" for what in ("redis", "journal", "beat", "keeper")),
        *(f'ztrade_worker_{what}{{agent="spy"}} 1.0' for what in ("up", "consuming")),
        # from within its sandbox it asks systemd
        'ztrade_unit_active{unit="ztrade-worker@spy.service"} 1.0',
        *(f'ztrade_exporter_source_up{{source="{name}"}} 1.0' for name in ("events", "reports", "units", "files")),
    }
    lacking = wanted

    def is_told() -> str:
        nonlocal lacking
        page = service.python(running, scrape)
        lacking = wanted - set(page.splitlines())
        return "" if lacking else page

    try:
        said = wait_for(is_told, 60, "the page")
    finally:
        print("not told:", lacking)
    assert re.search(r"process_resident_memory_bytes \d", said), "ProcSubset=pid would hide it"


def test_flower_wants_its_login(running: lab.Machine) -> None:
    """Reached through the socket unit: 401 without, 200 with what it made at its first start."""
    program = (
        "import base64, json, urllib.request as u, urllib.error as e\n"
        "try: u.urlopen('http://127.0.0.1:5555/', timeout=20)\n"
        "except e.HTTPError as error: print(error.code)\n"
        "login = json.load(open('/var/lib/ztrade-flower/flower.auth'))\n"
        "word = base64.b64encode(('ztrade:' + login['password']).encode()).decode()\n"
        "r = u.Request('http://127.0.0.1:5555/', headers={'Authorization': 'Basic ' + word})\n"
        "print(u.urlopen(r, timeout=20).status)\n"
    )
    assert service.python(running, program).split() == ["401", "200"]


def test_a_worker_that_is_killed_comes_back(running: lab.Machine, figure: Figure) -> None:
    """Its child dies with it; the others do not notice."""
    before = service.restarts(running, SPY)
    others = {unit: running.pid(unit) for unit in service.SERVICES if unit != SPY}
    began = time.monotonic()
    running.run("kill", "-KILL", str(running.pid(SPY)))
    wait_for(lambda: service.restarts(running, SPY) == before + 1, 10, "the restart")
    service.consumes(running)
    figure("worker killed -9, to consuming again", time.monotonic() - began, "s", "5")
    assert service.answers(running)
    assert {unit: running.pid(unit) for unit in others} == others
    assert f"{SPY} ended: signal (killed KILL)" in running.journal("-p", "err", "-u", SPY)
    wait_for(lambda: f"{SPY} ended: signal" in service.messages(running), 30, "the message")


@pytest.mark.parametrize("unit", [SPY, *(unit for unit in service.WATCHED if "@" not in unit)])
def test_what_stands_is_restarted(running: lab.Machine, unit: str) -> None:
    """SIGSTOP stands for whatever freezes a process: the watchdog ends it, and leaves the trace of its threads."""
    before = service.restarts(running, unit)
    running.run("kill", "-STOP", str(running.pid(unit)))
    wait_for(
        lambda: service.restarts(running, unit) == before + 1, service.patience(unit) + 30, f"{unit} to be restarted"
    )
    wait_for(lambda: running.active(unit) == "active", 60, f"{unit} to be ready")
    said = running.journal("-u", unit, "-n", "200")
    assert "Watchdog timeout" in said
    assert "most recent call first" in said


def test_a_worker_that_is_deaf_is_restarted(running: lab.Machine) -> None:
    """Its loop turns and answers pings; it has lost its reader, as reconnects have done to Celery's."""
    unit = "ztrade-worker@aapl.service"
    running.write("/etc/ztrade/deaf.py", DEAF)
    service.drop_in(running, unit, "deaf", "ExecStart=", f"ExecStart={service.PYTHON} /etc/ztrade/deaf.py worker aapl")
    running.run("systemctl", "restart", unit)
    service.consumes(running, "aapl")
    try:
        running.write("/etc/ztrade/deaf", "")
        wait_for(lambda: service.restarts(running, unit) >= 1, 3 * WATCHDOG + 30, "the restart")
        said = running.journal("-u", unit, "-n", "200")
        assert "Redis answers, and nothing was consumed" in said
        assert "celery/worker/loops.py" in said
    finally:
        running.path("/etc/ztrade/deaf").unlink()
        service.take_drop_in(running, unit, "deaf")
        running.run("systemctl", "restart", unit)


DEAF = """
import os
from kombu.transport import redis
asks = redis.Channel._brpop_start
def deaf(self, *arguments, **options):
    if not os.path.exists("/etc/ztrade/deaf"):
        asks(self, *arguments, **options)
redis.Channel._brpop_start = deaf
from ztrade.cli.main import main
main()
"""


def test_an_outage_of_redis_restarts_nobody(running: lab.Machine) -> None:
    """Three times as long as the watchdog's patience: everybody says what for, and goes on when it is back."""
    before = {unit: service.restarts(running, unit) for unit in service.SERVICES}
    running.run("systemctl", "stop", "ztrade-redis.service")
    wait_for(lambda: "waits for Redis" in service.status(running, SPY), 30, "the status")
    time.sleep(3 * WATCHDOG)
    assert "waits for Redis" in service.status(running, SPY)
    assert {unit: service.restarts(running, unit) for unit in service.SERVICES} == before
    assert "waits for Redis" in running.out("systemctl", "status", "--no-pager", SPY)
    running.run("systemctl", "start", "ztrade-redis.service")
    for agent in service.AGENTS:
        service.consumes(running, agent)
    assert service.answers(running)
    assert {unit: service.restarts(running, unit) for unit in service.SERVICES} == before


def test_a_redis_that_stands_restarts_nobody(running: lab.Machine) -> None:
    """It accepts connections and answers nothing: the main loop stands in a read, and the worker is not to blame."""
    before = {unit: service.restarts(running, unit) for unit in service.SERVICES}
    redis = str(running.pid("ztrade-redis.service"))
    running.run("kill", "-STOP", redis)
    time.sleep(3 * WATCHDOG)
    assert "waits for Redis" in service.status(running, SPY)
    running.run("kill", "-CONT", redis)
    for agent in service.AGENTS:
        service.consumes(running, agent)
    assert service.answers(running)
    assert {unit: service.restarts(running, unit) for unit in service.SERVICES} == before


def test_a_start_in_an_outage_does_not_hang(running: lab.Machine) -> None:
    """Ready because it knows what it waits for; nothing runs before."""
    running.run("systemctl", "stop", "ztrade-redis.service", "ztrade-exchange.service")
    try:
        began = time.monotonic()
        running.run("systemctl", "restart", SPY, "ztrade-beat.service", seconds=90)
        assert time.monotonic() - began < 60
        assert service.status(running, SPY).startswith("waits for Redis")
        wait_for(lambda: "waits: " in service.status(running, "ztrade-beat.service"), 20, "beat's status")
    finally:
        running.run("systemctl", "start", "ztrade-redis.service", "ztrade-exchange.service")
    wait_for(service.says(running, "ztrade-beat.service", "sends what is due"), 60, "beat to go on")


def _in_a_cycle(machine: lab.Machine, seconds: float = 6) -> str:
    """Get spy's worker into a cycle that lasts a while; returns the message's id."""
    service.slow_exchange(machine, seconds)
    message = service.send_cycle(machine)
    wait_for(service.says(machine, SPY, "runs "), 20, f"a cycle: {service.status(machine, SPY)}", every=0.05)
    return message


def _extras(machine: lab.Machine) -> list[dict[str, object]]:
    """Return the cycles that were sent by hand; a slot may come due at any time beside them."""
    return [record for record in service.cycles(machine) if record["kind"] == "extra"]


def _finished(machine: lab.Machine, count: int) -> None:
    """See that one more extra cycle ended with an outcome, and none without; the exchange is quick again."""
    service.quick_exchange(machine)
    found = _extras(machine)
    assert len(found) == count + 1
    assert all(record["outcome"] for record in found), found
    assert not [record for record in found if record["outcome"] in ("interrupted", "failed")], found


def test_a_stop_in_a_cycle_finishes_it(running: lab.Machine) -> None:
    """systemctl waits for it, and the result is success."""
    count = len(_extras(running))
    _in_a_cycle(running)
    running.run("systemctl", "stop", SPY, seconds=60)
    shown = running.show(SPY, "Result", "ActiveState", "ExecMainStatus", "ExecMainCode")
    assert shown == {"Result": "success", "ActiveState": "inactive", "ExecMainStatus": "0", "ExecMainCode": "1"}
    _finished(running, count)
    running.run("systemctl", "start", SPY)


def test_a_stop_limit_that_is_too_short_cuts_nothing(running: lab.Machine) -> None:
    """The worker asks for more time while it finishes a cycle."""
    service.drop_in(running, SPY, "short", "TimeoutStopSec=2")
    count = len(_extras(running))
    _in_a_cycle(running, 8)
    running.run("systemctl", "stop", SPY, seconds=60)
    assert running.show(SPY, "Result") == {"Result": "success"}
    _finished(running, count)
    service.take_drop_in(running, SPY, "short")
    running.run("systemctl", "start", SPY)


def test_a_restart_of_all_in_a_cycle_loses_nothing(running: lab.Machine) -> None:
    """Redis and the exchange outlive the workers: the cycle ends with its outcome, the next one runs."""
    before = {unit: running.pid(unit) for unit in service.SERVICES}
    count = len(_extras(running))
    _in_a_cycle(running)
    running.run("systemctl", "restart", "ztrade.target", seconds=180)
    for agent in service.AGENTS:
        service.consumes(running, agent)
    after = {unit: running.pid(unit) for unit in service.SERVICES}
    assert [unit for unit in before if before[unit] == after[unit]] == []
    _finished(running, count)
    assert service.answers(running)


def test_a_mistake_in_the_configuration_is_said_and_not_tried_again(running: lab.Machine) -> None:
    """Exit code 2, no restart, a line of priority err, a message; mended and started, it runs."""
    before, place = service.restarts(running, SPY), "/etc/ztrade/agents/spy.toml"
    right = running.path(place).read_text()
    running.write(place, right.replace("[schedule]", "[shedule]"))
    done = running.run("systemctl", "restart", SPY, check=False)
    assert done.returncode != 0
    shown = running.show(SPY, "ActiveState", "ExecMainStatus", "Result")
    assert shown == {"ActiveState": "failed", "ExecMainStatus": "2", "Result": "exit-code"}
    time.sleep(3)
    assert service.restarts(running, SPY) == before
    wait_for(lambda: "unit_failed" in running.journal("-p", "err", "-n", "20"), 30, "the alert")
    assert "shedule: unknown key" in running.journal("-p", "err", "-n", "20")
    running.write(place, right)
    running.run("systemctl", "reset-failed")
    running.run("systemctl", "start", SPY)
