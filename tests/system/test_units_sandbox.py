"""Each unit's sandbox holds, tried from inside, while the work goes on; and secrets are seen by nobody else."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.system import lab, probe, service
from tests.system.service import SPY
from tests.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("system")]

SECRET, LOGIN = "probe-secret-key", "probe-secret-login"
PROBED = (*service.SERVICES, "ztrade-exporter.service")
#: who reaches this machine's network
NETWORK = (*service.WORKERS, "ztrade-keeper.service", "ztrade-exchange.service")
#: who has ztrade's state
STATE = (*NETWORK, "ztrade-beat.service", "ztrade-exporter.service")


@pytest.fixture(scope="module")
def probed(machine: lab.Machine) -> Mapping[str, Mapping[str, Any]]:
    """What the probe found in each unit; the units run, with keys and a login."""
    machine.write(
        "/etc/ztrade/credentials/credentials.toml", f'[paper]\nkey_id = "probe"\nsecret_key = "{SECRET}"\n', 0o600
    )
    login = {"user": "ztrade", "password": LOGIN, "cookie_secret": "c" * 40}
    machine.write("/etc/ztrade/credentials/flower.auth", json.dumps(login), 0o600)
    machine.copy(Path(probe.__file__), "/etc/ztrade/probe.py")
    service.drop_in(machine, "ztrade-.service", "70-probe", f"ExecStartPre={service.PYTHON} /etc/ztrade/probe.py %n")
    machine.run("ip", "addr", "add", f"{probe.ELSEWHERE[0]}/32", "dev", "lo")
    with _listener(machine):
        service.bring_up(machine, watchdog=60)
        machine.run("systemctl", "start", "ztrade-exporter.service")
    said = machine.journal("-u", "ztrade-*")
    found = [json.loads(line.partition("PROBE ")[2]) for line in said.splitlines() if "PROBE {" in line]
    return {one["unit"]: one for one in found}


class _Listener:
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(10)


def _listener(machine: lab.Machine) -> _Listener:
    """Listen in the machine on an address that is not its loopback's."""
    program = f"import socket,time; s=socket.create_server({probe.ELSEWHERE!r}); time.sleep(300)"
    command = ["nsenter", "-t", str(machine.leader), "-n", "--", "python3", "-c", program]
    process = subprocess.Popen(command)
    check = f"import socket; socket.create_connection({probe.ELSEWHERE!r}, timeout=2)"
    wait_for(lambda: machine.run("python3", "-c", check, check=False).returncode == 0, 20, "the listener")
    return _Listener(process)


@pytest.mark.parametrize("unit", PROBED)
def test_what_must_be_refused_is_refused(probed: Mapping[str, Mapping[str, Any]], unit: str) -> None:
    """No shell, no program of its own, no file but its own, no other user's process, no way out of the machine."""
    found = probed[unit]
    for tried in ("write", "carried_in"):
        assert {place: said for place, said in found[tried].items() if said == "done"} == {}
    keys = ("shell", "keys", "shadow", "kill", "root", "namespace", "code_on_the_fly", "packet", "devices")
    assert {key: found[key] for key in keys if found[key] == "done"} == {}
    assert found["elsewhere"] != "done", "only this machine's loopback is reached"
    assert found["others"] == 0
    assert found["secret_in_environment"] == []


@pytest.mark.parametrize("unit", PROBED)
def test_what_the_work_needs_is_there(probed: Mapping[str, Mapping[str, Any]], machine: lab.Machine, unit: str) -> None:
    """And no more than that: the network for those that trade, the state for those that keep it."""
    found = probed[unit]
    assert machine.active(unit) == "active"
    assert found["tmp"] == "done"
    assert (found["inet"] == "done") is (unit in NETWORK)
    assert (found["state"] == "done") is (unit in STATE)


@pytest.mark.parametrize("unit", PROBED)
def test_each_unit_is_given_its_own_secrets(probed: Mapping[str, Mapping[str, Any]], unit: str) -> None:
    """Flower has no keys, beat and the exporter have none of either; a login at Redis is for those that go there."""
    keys, flower = ["credentials.toml"], ["flower.auth"]
    wanted = keys if unit in NETWORK else flower if unit == "ztrade-flower.service" else []
    login = [] if unit in ("ztrade-exchange.service", "ztrade-redis.service") else ["redis"]
    assert probed[unit]["credentials"] == wanted + login


def test_cycles_run_in_the_sandbox(probed: Mapping[str, Mapping[str, Any]], machine: lab.Machine) -> None:
    """Numbers, threads, journal, exchange: all of a cycle."""
    before = len(service.cycles(machine))
    service.send_cycle(machine)
    found = wait_for(lambda: _ended(machine, before), 60, "a cycle's outcome")
    assert found is not None
    assert found["outcome"] not in ("failed", "interrupted", "unknown"), found


def _ended(machine: lab.Machine, before: int) -> dict[str, Any] | None:
    found = service.cycles(machine)
    return found[-1] if len(found) > before and found[-1]["outcome"] else None


def test_the_keys_reach_who_needs_them(probed: Mapping[str, Mapping[str, Any]], machine: lab.Machine) -> None:
    """Flower lets its user in with the password that systemd handed it."""
    program = (
        "import base64, sys, urllib.request as u\n"
        "word = base64.b64encode(('ztrade:' + sys.argv[1]).encode()).decode()\n"
        "r = u.Request('http://127.0.0.1:5555/', headers={'Authorization': 'Basic ' + word})\n"
        "print(u.urlopen(r, timeout=20).status)\n"
    )
    assert service.python(machine, program, LOGIN) == "200"


def test_secrets_are_seen_nowhere(probed: Mapping[str, Mapping[str, Any]], machine: lab.Machine) -> None:
    """Not in `systemctl show`, environments, command lines, or the journal."""
    for unit in PROBED:
        assert "probe-secret" not in machine.out("systemctl", "show", unit)
    seen = "import pathlib\nfor p in pathlib.Path('/proc').glob('[0-9]*'):\n"
    seen += " for n in ('environ', 'cmdline'):\n"
    seen += "  try: t = (p / n).read_bytes()\n  except OSError: continue\n"
    seen += "  if b'probe-' + b'secret' in t: print(p, n)\n"
    assert machine.out("python3", "-c", seen) == ""
    assert "probe-secret" not in machine.journal()
    assert machine.run("cat", "/etc/ztrade/credentials/credentials.toml", check=False, user="ztrade").returncode != 0


def test_a_dropped_in_network_opens_it(probed: Mapping[str, Mapping[str, Any]], machine: lab.Machine) -> None:
    """As docs/reference/systemd.md says it: for Redis, a database or an exchange on another host."""
    shipped = machine.path("/usr/share/doc/ztrade/dropins/network.conf").read_text()
    for unit in (SPY, "ztrade-beat.service"):
        machine.write(f"/etc/systemd/system/{unit}.d/network.conf", shipped)
    machine.run("systemctl", "daemon-reload")
    with _listener(machine):
        machine.run("systemctl", "restart", SPY, "ztrade-beat.service")
    said = machine.journal("-u", SPY, "-u", "ztrade-beat.service")
    print(said)
    last = {one["unit"]: one["elsewhere"] for one in map(json.loads, re.findall(r"PROBE (\{.*\})", said))}
    assert last == {SPY: "done", "ztrade-beat.service": "done"}


@pytest.fixture(scope="module", autouse=True)
def nothing_failed(machine: lab.Machine) -> Iterator[None]:
    yield
    assert service.failed(machine) == ""
