"""Programs under the machine's supervisord, seen by what it put into their environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from ztrade.service.deployed import Deployed

STATE = Path("/var/lib/ztrade")


@pytest.fixture
def deployed(tmp_path: Path) -> Deployed:
    """A file for the state directory, and nothing that runs."""
    conf = tmp_path / "ztrade.conf"
    conf.write_text(f'[program:beat]\nenvironment = ZTRADE_CONFIG="/etc/ztrade/ztrade.toml",ZTRADE_STATE="{STATE}"\n')
    (tmp_path / "proc").mkdir()
    return Deployed(STATE, conf, tmp_path / "proc")


def runs(place: Path, pid: int, name: str, *, parent: int = 1, group: str = "ztrade", state: Path = STATE) -> None:
    """Show a process as the kernel does."""
    folder = place / "proc" / str(pid)
    folder.mkdir()
    told = {"SUPERVISOR_PROCESS_NAME": name, "SUPERVISOR_GROUP_NAME": group, "ZTRADE_STATE": str(state)}
    (folder / "environ").write_bytes(b"".join(f"{key}={value}\0".encode() for key, value in told.items()))
    (folder / "stat").write_text(f"{pid} (a ) b) S {parent} {pid} 0\n")


def test_a_program_is_its_first_process(deployed: Deployed, tmp_path: Path) -> None:
    """Its children have the same environment; programs of other groups and other stacks are not ours."""
    runs(tmp_path, 7, "worker-spy")
    runs(tmp_path, 8, "worker-spy", parent=7)
    runs(tmp_path, 9, "nginx", group="nginx")
    runs(tmp_path, 10, "beat", state=Path("/srv/other"))
    (tmp_path / "proc" / "11").mkdir()
    assert [(info["name"], info["pid"]) for info in deployed.processes()] == [("worker-spy", 7)]


def test_what_should_run_and_does_not_is_no_absence(deployed: Deployed, tmp_path: Path) -> None:
    """Somebody deployed it: that it does not run is a trouble."""
    runs(tmp_path, 7, "worker-spy")
    states = {info["name"]: info["statename"] for info in deployed.infos(["worker-spy", "beat"])}
    assert states == {"worker-spy": "RUNNING", "beat": "EXITED"}


def test_nothing_is_said_where_nothing_was_deployed(deployed: Deployed, tmp_path: Path) -> None:
    """No file, or one of another state directory."""
    assert Deployed(STATE, tmp_path / "none", tmp_path / "proc").infos(["beat"]) == []
    assert Deployed(Path("/var/lib/zt"), tmp_path / "ztrade.conf", tmp_path / "proc").infos(["beat"]) == []


def test_an_end_between_two_looks_is_no_error(deployed: Deployed, tmp_path: Path) -> None:
    """A process whose parent is gone, or that goes while it is told to end."""
    runs(tmp_path, 4_194_301, "beat")
    (tmp_path / "proc" / "4194301" / "stat").unlink()
    deployed.stop("beat")
    deployed.stop("keeper")
    deployed.start("beat")
