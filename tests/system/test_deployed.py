"""``ztrade deploy systemd``: the same units for a virtual environment somewhere else, without the package."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.system import lab, service

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("system")]
HOME = "/srv/zt"


@pytest.fixture(scope="module")
def bare(able: None) -> Iterator[lab.Machine]:
    """A machine with Redis and a virtual environment in /srv, and no package of ours."""
    with lab.boot(lab.installed(lab.built())) as machine:
        machine.run("cp", "-a", "/opt/ztrade", HOME)
        machine.run("sed", "-i", f"s#/opt/ztrade#{HOME}#", f"{HOME}/bin/ztrade")
        machine.run("apt-get", "purge", "--yes", "ztrade", seconds=200)
        yield machine


def test_the_units_of_a_virtual_environment_trade(bare: lab.Machine) -> None:
    """Deployed, set up, started: ready and watched as the package's are; a second time nothing is to do."""
    said = bare.out(f"{HOME}/bin/ztrade", "deploy", "systemd", "--yes")
    (following,) = (line.removeprefix("next: ") for line in said.splitlines() if line.startswith("next: "))
    bare.run("bash", "-c", f"{following} --demo")
    assert bare.run("ls", "/opt/ztrade", check=False).returncode != 0
    bare.run("systemctl", "start", "ztrade.target", seconds=180)
    for agent in service.AGENTS:
        service.consumes(bare, agent)
    assert HOME in bare.out("cat", f"/proc/{bare.pid(service.SPY)}/cmdline")
    assert bare.run(f"{HOME}/bin/ztrade", "stack", "test", "--seconds", "60", check=False).returncode == 0
    assert service.failed(bare) == ""
    again = bare.out(f"{HOME}/bin/ztrade", "deploy", "systemd", "--yes")
    assert "written" not in again, again
