"""ops/celery_control.sh on real supervisord, Valkey, workers, beat and Flower."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.integration.celery_stage import write_config
from tests.waiting import wait_for
from ztrade.config import Config
from ztrade.service.pulse import SILENCE, pulse_file
from ztrade.service.stack import Stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("stack")]
SCRIPT = Path(__file__).resolve().parents[2] / "ops" / "celery_control.sh"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def on_paper(folder: Path) -> None:
    """Let no agent trade dry, so that no exchange is needed; with keys, so that nothing warns of none."""
    for path in (folder / "agents").glob("*.toml"):
        path.write_text(path.read_text().replace("dry_run = true", "dry_run = false"))
    keys = folder / "credentials.toml"
    keys.write_text('[paper]\nkey_id = "any"\nsecret_key = "any"\n')
    keys.chmod(0o600)


class Control:
    """The script on one configuration."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        state = ("--config", str(self.config.path), "--state", str(self.config.state_dir))
        return subprocess.run(
            [str(SCRIPT), *state, *arguments], capture_output=True, text=True, timeout=200, cwd="/", check=False
        )

    def status(self) -> dict[str, dict[str, Any]]:
        return {entry["name"]: entry for entry in json.loads(self("status", "--json").stdout)}


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Control]:
    folder = tmp_path_factory.mktemp("ctl")
    port = free_port()
    write_config(
        folder, agents={"spy": "5m", "tsla": "5m"}, more=f"[flower]\nport = {port}\n[exporter]\nport = {free_port()}\n"
    )
    on_paper(folder)
    from ztrade.config import load_config

    made = Control(load_config(folder / "ztrade.toml"))
    started = made("start")
    assert started.returncode == 0, started.stdout + started.stderr
    assert "Flower's password, shown once: " in started.stdout
    yield made
    assert made("stop").returncode == 0


def test_status_tells_that_everything_runs_and_consumes(control: Control) -> None:
    """All programs are up, both workers wait at their queues, the exit code is 0."""
    assert control("status").returncode == 0
    states = control.status()
    assert set(states) == {"alerts", "redis", "worker-spy", "worker-tsla", "beat", "keeper", "exporter", "flower"}
    assert states["worker-spy"]["consuming"] is True
    assert states["beat"]["consuming"] is None


def test_the_test_task_reaches_every_worker(control: Control) -> None:
    """Each worker answers for itself; the exit code is 0."""
    done = control("test", "--json")
    answers = {entry["agent"]: entry["answer"] for entry in json.loads(done.stdout)}
    assert done.returncode == 0
    assert {agent: node.partition("@")[0] for agent, node in answers.items()} == {"spy": "spy", "tsla": "tsla"}


def test_a_second_stack_on_the_same_state_is_refused(control: Control) -> None:
    """One line, exit 2, and the first goes on."""
    second = control("start")
    assert second.returncode == 2
    assert second.stderr.startswith("error: state directory")
    assert "another stack runs on it (supervisord " in second.stderr
    assert second.stderr.count("\n") == 1
    assert control("status").returncode == 0


def test_a_killed_worker_is_started_again_and_consumes(control: Control) -> None:
    """kill -9 of a worker's main process: status is fine again only with a new one that takes messages."""
    pid = control.status()["worker-spy"]["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: control("status").returncode == 0, 60)
    assert control.status()["worker-spy"]["pid"] != pid
    assert control("test").returncode == 0


def test_a_frozen_worker_is_not_fine(control: Control) -> None:
    """A worker that is up and takes nothing: status and test say so, with exit code 1."""
    pid = control.status()["worker-tsla"]["pid"]
    worker = psutil.Process(pid)
    worker.suspend()
    try:
        # its connection still blocks at Redis until the wait ends: a second at most
        time.sleep(2)
        states = control.status()
        assert (states["worker-tsla"]["state"], states["worker-tsla"]["fine"]) == ("RUNNING", False)
        tested = control("test", "--seconds", "2")
        assert tested.returncode == 1
        assert "no answer within 2 s" in tested.stdout
    finally:
        worker.resume()
    wait_for(lambda: control("status").returncode == 0, 30)


def test_a_frozen_beat_is_not_fine(control: Control) -> None:
    """A beat that is up and rings for nothing: status says for how long, with exit code 1."""
    beat = psutil.Process(control.status()["beat"]["pid"])
    beat.suspend()
    try:
        # as if half a minute had passed
        sign = pulse_file(control.config.state_dir)
        sign.write_text(f"{float(sign.read_text()) - SILENCE:.3f}")
        assert control("status").returncode == 1
        assert "has not looked at the schedule for" in control.status()["beat"]["detail"]
    finally:
        beat.resume()
    wait_for(lambda: control("status").returncode == 0, 30)


def test_one_program_can_be_restarted_by_its_agent_name(control: Control) -> None:
    """``restart spy`` gives spy's worker a new process and leaves tsla's alone."""
    before = control.status()
    assert control("restart", "agent_spy").returncode == 0
    after = control.status()
    assert after["worker-spy"]["pid"] != before["worker-spy"]["pid"]
    assert after["worker-tsla"]["pid"] == before["worker-tsla"]["pid"]


def test_logs_of_a_program_and_of_an_unknown_one(control: Control) -> None:
    """``logs beat`` prints its lines; an unknown name is one line and exit 2."""
    assert '"beat_started"' in control("logs", "beat").stdout
    wrong = control("logs", "nonsense")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)


def test_flower_needs_the_login_and_refuses_commands(control: Control) -> None:
    """401 without it, 200 with it, and 403 for sending a task even with it; no process shows the password."""
    section = control.config.main.flower
    base = f"http://{section.host}:{section.port}"
    password = json.loads((control.config.state_dir / "flower.auth").read_text())["password"]
    assert http(f"{base}/") == 401
    assert http(f"{base}/api/workers") == 401
    assert http(f"{base}/workers", password) == 200
    assert http(f"{base}/workers", "wrong-password") == 401
    assert http(f"{base}/api/task/send-task/ztrade.test_task", password, data=b"{}") == 403
    pid = control.status()["flower"]["pid"]
    shown = " ".join(psutil.Process(pid).cmdline()) + str(psutil.Process(pid).environ())
    assert password not in shown
    assert password not in "".join(path.read_text() for path in (control.config.state_dir / "logs").glob("*"))


def test_files_of_the_stack_are_the_owners_alone(control: Control) -> None:
    """Sockets, logs, login: nobody else reads or connects; no TCP ports but Flower's and the exporter's."""
    state = control.config.state_dir
    for path in [state, *state.rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path
    ports = {
        connection.laddr.port
        for entry in control.status().values()
        for connection in psutil.Process(entry["pid"]).net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert ports == {control.config.main.flower.port, control.config.main.exporter.port}


def test_a_killed_supervisord_leaves_nothing_running(control: Control) -> None:
    """kill -9 of supervisord: its programs end by themselves, and a new start finds a free state directory."""
    pids = [entry["pid"] for entry in control.status().values()]
    os.kill(int((control.config.state_dir / "run" / "supervisord.pid").read_text()), signal.SIGKILL)
    wait_for(lambda: not any(psutil.pid_exists(pid) for pid in pids), 30)
    assert control("status").returncode == 1
    again = control("start")
    assert again.returncode == 0, again.stderr
    assert "password" not in again.stdout


def test_stop_ends_every_process(tmp_path: Path) -> None:
    """After ``stop`` no process of the stack is left, and a second ``stop`` has nothing to do."""
    config = write_config(tmp_path, more=f"[flower]\nport = {free_port()}\n[exporter]\nport = {free_port()}\n")
    stack = Stack(config, with_exchange=False)
    started = stack.start()
    pids = [state.pid for state in started.programs if state.pid]
    assert len(pids) == 7
    stack.stop()
    assert not any(psutil.pid_exists(pid) for pid in pids)
    stack.stop()
    assert {state.state for state in stack.status()} == {"ABSENT"}


def test_a_taken_port_is_named_before_anything_starts(tmp_path: Path) -> None:
    """Flower's port is taken: exit 2, the port and the mend in one line, no process, no login."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        config = write_config(tmp_path, more=f"[flower]\nport = {port}\n[exporter]\nport = {free_port()}\n")
        on_paper(tmp_path)
        refused = Control(config)("start")
    assert refused.returncode == 2
    assert refused.stderr == (
        f"error: flower.port: 127.0.0.1:{port} is taken; fix: stop what listens there, or set another flower.port in"
        " ztrade.toml\n"
    )
    assert not (config.state_dir / "flower.auth").exists()


def test_a_state_path_that_is_too_long_is_refused(tmp_path: Path) -> None:
    """A unix socket cannot have that path: exit 2 and how many bytes too many."""
    config = write_config(tmp_path)
    refused = Control(config.with_state(tmp_path / ("x" * 100)))("start")
    assert refused.returncode == 2
    assert "is too long by" in refused.stderr


@pytest.mark.parametrize("arguments", [(), ("fly",), ("--config",)])
def test_nonsense_is_bad_usage(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """No verb, an unknown verb, an option without its value: exit 2."""
    done = subprocess.run([str(SCRIPT), *arguments], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert done.stderr


def http(url: str, password: str = "", data: bytes | None = None) -> int:
    request = urllib.request.Request(url, data=data)
    if password:
        request.add_header("Authorization", "Basic " + b64encode(f"ztrade:{password}".encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
