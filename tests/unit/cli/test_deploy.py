"""``ztrade deploy``: the package's files for a virtual environment; what is there is shown before it is replaced."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.integration.needs import needs
from tests.unit.cli.stage import one_error
from ztrade.cli.main import cli
from ztrade.service.share import share


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """Something that looks like one, where services see it."""
    prefix = tmp_path / "venv"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin/python").symlink_to(shutil.which("true") or "/bin/true")
    (prefix / "bin/ztrade").touch()
    return prefix


def deploy(venv: Path, *words: str, stdin: str = "") -> Result:
    root = venv.parent / "root"
    return CliRunner().invoke(cli, ["deploy", *words, "--prefix", str(venv), "--root", str(root)], input=stdin)


def test_units_have_the_environments_paths(venv: Path) -> None:
    """No path of the package is left in any file, and systemd understands them as it does the shipped ones."""
    result = deploy(venv, "systemd")
    assert result.exit_code == 0, result.output
    root = venv.parent / "root"
    texts = {path: path.read_text() for path in root.rglob("*") if path.is_file()}
    assert not [path for path, text in texts.items() if "/opt/ztrade" in text]
    worker = (root / "etc/systemd/system/ztrade-worker@.service").read_text()
    assert f"ExecStart={venv}/bin/python -m ztrade worker %i" in worker
    sandbox = (root / "etc/systemd/system/ztrade-.service.d/10-sandbox.conf").read_text()
    assert f"ExecPaths={venv}/bin {venv}/lib" in sandbox
    for name in ("sysusers.d/ztrade.conf", "tmpfiles.d/ztrade.conf", "logrotate.d/ztrade", "ztrade/redis/redis.conf"):
        assert (root / "etc" / name).exists(), name
    assert not list(root.rglob("network.conf")), "what is off as shipped stays off"
    assert "next: systemd-sysusers" in result.stdout


def test_a_second_time_changes_nothing(venv: Path) -> None:
    """And asks nothing."""
    deploy(venv, "systemd")
    assert deploy(venv, "systemd").stdout == "everything is as shipped already\n"


def test_what_would_be_overwritten_is_shown_and_asked(venv: Path) -> None:
    """A diff, and no as the answer of somebody who only presses Enter; --yes asks nothing."""
    deploy(venv, "systemd")
    unit = venv.parent / "root/etc/systemd/system/ztrade-beat.service"
    mine = unit.read_text().replace("WatchdogSec=60", "WatchdogSec=600")
    unit.write_text(mine)
    refused = deploy(venv, "systemd", stdin="\n")
    assert refused.exit_code == 1
    assert "-WatchdogSec=600" in refused.stdout
    assert "+WatchdogSec=60" in refused.stdout
    assert unit.read_text() == mine
    assert deploy(venv, "systemd", "--yes").exit_code == 0
    assert "WatchdogSec=60\n" in unit.read_text()


def test_a_configuration_that_is_there_is_a_persons(venv: Path) -> None:
    """Neither replaced, nor are agents brought back that were taken away."""
    deploy(venv, "systemd")
    etc = venv.parent / "root/etc/ztrade"
    (etc / "agents/tsla.toml").unlink()
    (etc / "ztrade.toml").write_text("# mine\n")
    assert deploy(venv, "systemd").stdout == "everything is as shipped already\n"
    assert not (etc / "agents/tsla.toml").exists()


def test_supervisor_has_a_program_per_agent(venv: Path) -> None:
    """Which supervisor's own parser reads, with what keeps a cycle from being killed half-way."""
    result = deploy(venv, "supervisor")
    assert result.exit_code == 0, result.output
    parsed = configparser.RawConfigParser(inline_comment_prefixes=(" ;",))
    parsed.read(venv.parent / "root/etc/supervisor/conf.d/ztrade.conf")
    workers = {name for name in parsed.sections() if name.startswith("program:worker-")}
    assert workers == {"program:worker-aapl", "program:worker-spy", "program:worker-tsla"}
    spy = parsed["program:worker-spy"]
    assert (spy["stopasgroup"], spy["killasgroup"], spy["stopsignal"]) == ("false", "true", "TERM")
    assert int(spy["stopwaitsecs"]) == 270
    assert spy["command"] == f"{venv}/bin/ztrade worker spy"
    assert 'ZTRADE_CONFIG="/etc/ztrade/ztrade.toml"' in spy["environment"]
    assert set(parsed["group:ztrade"]["programs"].split(",")) >= {"worker-spy", "beat", "keeper", "redis", "exchange"}
    written_by_root = {
        str(Path(place).parent)
        for part in parsed.values()
        for key, place in part.items()
        if "_logfile" in key and "/" in place
    }
    assert written_by_root == {"/var/log/ztrade-out"}, "nobody else may put a link there"
    listener = parsed["eventlistener:ztrade-alerts"]
    assert listener["command"] == f"{venv}/bin/python -m ztrade.service.listener --deployed"
    assert {"PROCESS_STATE_EXITED", "PROCESS_STATE_BACKOFF", "PROCESS_STATE_FATAL"} <= set(
        listener["events"].split(",")
    )
    assert 'directory = "/var/log/ztrade"' in (venv.parent / "root/etc/ztrade/ztrade.toml").read_text()


def test_the_folders_of_the_next_command_are_the_package_s(venv: Path) -> None:
    """People and services make flags in the same ones: whoever came first must not own them."""
    shipped = (share("deploy/tmpfiles.d/ztrade.conf")).read_text()
    (line,) = (line for line in deploy(venv, "supervisor").stdout.splitlines() if line.startswith("next: "))
    assert set(re.findall(r"^d (/var/lib/ztrade\S*) 2770", shipped, re.MULTILINE)) <= set(line.replace(";", "").split())


def test_what_supervisor_is_given_for_a_configuration_that_is_there(venv: Path) -> None:
    """Its agents, and no others."""
    deploy(venv, "supervisor")
    (venv.parent / "root/etc/ztrade/agents/tsla.toml").unlink()
    deploy(venv, "supervisor", "--yes")
    assert "worker-tsla" not in (venv.parent / "root/etc/supervisor/conf.d/ztrade.conf").read_text()


@pytest.mark.parametrize("place", ["/home/ann/venv", "/no/such/folder"])
def test_an_environment_that_cannot_serve_is_refused(venv: Path, place: str) -> None:
    """Not there, or where services do not look."""
    said = one_error(CliRunner().invoke(cli, ["deploy", "systemd", "--prefix", place, "--root", str(venv)]), 2)
    assert "virtual environment" in said


@pytest.mark.parametrize("name", ["my venv", "100%", "a;b", "v\u00e9nv"])
def test_a_path_that_units_would_read_differently_is_refused(venv: Path, name: str) -> None:
    """A blank ends a word of ExecStart=, a percent sign begins a specifier."""
    said = one_error(deploy(venv.rename(venv.with_name(name)), "systemd"), 2)
    assert "has characters that units read differently" in said
    assert not list(venv.parent.glob("root/**/*"))


def test_an_interpreter_in_a_home_is_refused(tmp_path: Path, venv: Path) -> None:
    """The environment links to it, and ProtectHome= hides it."""
    (venv / "bin/python").unlink()
    (venv / "bin/python").symlink_to("/root/python-that-is-not-there")
    assert "virtual environment" in one_error(deploy(venv, "systemd"), 2)


def test_systemd_reads_the_units(venv: Path) -> None:
    """Verified by systemd itself, offline, where it is installed."""
    needs("systemd-analyze")
    deploy(venv, "systemd")
    units = venv.parent / "root/etc/systemd/system"
    scores = ["systemd-analyze", "security", "--offline=true", f"--root={venv.parent / 'root'}", "--threshold=20"]
    done = subprocess.run([*scores, str(units / "ztrade-beat.service")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
