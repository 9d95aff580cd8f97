"""What ``ztrade deploy supervisor`` writes, run by a real supervisord: it comes up, is seen, its deaths are told."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waiting import wait_for
from ztrade.adapters.journal import open_journal
from ztrade.cli.deploy import NEXT
from ztrade.config import Config, load_config
from ztrade.service.deployed import Deployed
from ztrade.service.install.changes import Changes
from ztrade.service.install.files import Home, supervisor_files
from ztrade.service.stack import Stack
from ztrade.service.states import ProgramStatus

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("stack")]
#: as Debian's package has it, but for the paths
SUPERVISORD = """
[unix_http_server]
file = {0}/supervisor.sock
[supervisord]
nodaemon = true
logfile = {0}/supervisord.log
pidfile = {0}/supervisord.pid
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[include]
files = {0}/root/etc/supervisor/conf.d/*.conf
"""
#: enough to see that they come up; each other one costs an interpreter's start
CHOSEN = ("redis", "worker-spy", "ztrade-alerts")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The files as written, with this test's folder before their paths, and the folders that the command names next."""
    root = tmp_path / "root"
    Changes(supervisor_files(Home(Path(sys.prefix), Path(sys.executable)), root)).apply()
    for path in (path for path in root.rglob("*") if path.is_file()):
        text = re.sub(r"/(etc|var/lib|var/log)/ztrade\b", rf"{root}/\1/ztrade", path.read_text())
        path.write_text(text.replace("user = ztrade\n", ""))
    for folder in re.findall(r"(/var/[^ ;]+)", NEXT["supervisor"].partition("install")[2]):
        (root / folder.lstrip("/")).mkdir(mode=0o2770, parents=True, exist_ok=True)
    for name in ("aapl", "tsla"):
        (root / f"etc/ztrade/agents/{name}.toml").unlink()
    conf = root / "etc/supervisor/conf.d/ztrade.conf"
    sections = re.split(r"(?m)^(?=\[)", conf.read_text())
    conf.write_text("".join(map(_waits, sections)))
    (tmp_path / "supervisord.conf").write_text(SUPERVISORD.format(tmp_path))
    return tmp_path


def _waits(section: str) -> str:
    name = section.partition("]")[0].partition(":")[2]
    return section if name in CHOSEN else section.replace("autostart = true", "autostart = false")


@pytest.fixture
def config(place: Path) -> Config:
    return load_config(place / "root/etc/ztrade/ztrade.toml")


@pytest.fixture
def supervisord(place: Path, config: Config) -> Iterator[None]:
    open_journal(config.journal_url).close()
    command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(place / "supervisord.conf")]
    clean = {key: value for key, value in os.environ.items() if not key.startswith("ZTRADE_")}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=clean) as process:
        yield
        process.terminate()
        process.wait(60)


def test_it_comes_up_is_seen_and_its_deaths_are_told(place: Path, config: Config, supervisord: None) -> None:
    """Redis has its folders, the worker consumes, and who looks or is told learns what supervisord alone knows."""
    stack = Stack(config, deployed=Deployed(config.state_dir, place / "root/etc/supervisor/conf.d/ztrade.conf"))

    def seen() -> dict[str, ProgramStatus]:
        return {state.name: state for state in stack.status()}

    wait_for(lambda: seen()["worker-spy"].consuming, 60, "the worker to consume")
    states = seen()
    assert states["redis"].fine
    assert states["beat"].state == "EXITED", "was not started here, and should run"
    before = states["worker-spy"].pid
    assert before
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: seen()["worker-spy"].pid not in (None, before), 30, "another worker")

    def told() -> set[str]:
        journal = open_journal(config.journal_url)
        try:
            return {message.title for message in journal.messages(unsent=True)}
        finally:
            journal.close()

    # within its first seconds an end is supervisor's BACKOFF, afterwards its EXITED
    wait_for(lambda: told() & {"worker-spy has died", "worker-spy does not come up"}, 30, "the message")
