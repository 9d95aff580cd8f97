"""How little each unit may do, as systemd itself scores it: the units as installed, drop-ins included."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ztrade.config import child_environment

UNITS = Path(__file__).resolve().parents[2] / "deploy" / "systemd"
#: exposure that a unit may have, in tenths; the best of others: Synapse's optional drop-in 13, Mastodon 16
LIMITS = {
    "ztrade-worker@.service": 11,
    "ztrade-beat.service": 3,
    "ztrade-flower.service": 3,
    "ztrade-exporter.service": 3,
}
OTHERS = 15
SERVICES = sorted(path.name for path in UNITS.glob("*.service"))


@pytest.fixture(scope="module")
def analyze() -> str:
    found = shutil.which("systemd-analyze")
    reason = "systemd-analyze is not installed; apt install systemd"
    if found is None and child_environment({}).get("CI") == "true":
        pytest.fail(reason)
    if found is None:
        pytest.skip(reason)
    return found


def _run(*command: str, units: Path = UNITS) -> subprocess.CompletedProcess[str]:
    # what this machine's own /etc adds to the units is none of their score
    found = child_environment({"SYSTEMD_UNIT_PATH": str(units)} if "security" in command else {})
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=units, env=found)


@pytest.mark.parametrize("unit", SERVICES)
def test_the_score_holds(analyze: str, unit: str) -> None:
    """A directive that is lost, in the unit or in the file that all share, is seen here."""
    limit = LIMITS.get(unit, OTHERS)
    done = _run(analyze, "security", "--offline=true", f"--threshold={limit}", "--no-pager", f"./{unit}")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_unit_that_may_more_is_refused(analyze: str, tmp_path: Path) -> None:
    """The gate bites: the same worker with the capabilities of root."""
    shutil.copytree(UNITS, tmp_path, dirs_exist_ok=True)
    loose = tmp_path / "ztrade-worker@.service.d" / "99-loose.conf"
    loose.write_text("[Service]\nCapabilityBoundingSet=~\n")
    command = ["security", "--offline=true", "--threshold=11", "--no-pager", "./ztrade-worker@.service"]
    assert _run(analyze, *command, units=tmp_path).returncode == 1
    loose.unlink()
    assert _run(analyze, *command, units=tmp_path).returncode == 0


@pytest.mark.parametrize(
    "unit", sorted(path.name for kind in ("service", "socket", "target", "slice") for path in UNITS.glob(f"*.{kind}"))
)
def test_systemd_understands_every_line(analyze: str, unit: str) -> None:
    """A key that systemd ignores protects nobody. The program itself is not on this machine."""
    done = _run(analyze, "verify", "--man=no", f"./{unit}")
    said = [line for line in done.stderr.splitlines() if not re.search("is not executable: No such file", line)]
    assert not said


def test_no_unit_holds_a_secret_or_runs_a_shell() -> None:
    """Secrets come by LoadCredential= alone: `systemctl show` tells everybody what a unit's environment is."""
    for path in sorted(UNITS.rglob("*.service")) + sorted(UNITS.rglob("*.conf")):
        for line in path.read_text().splitlines():
            assert not re.match(r"Environment=.*(?i:key|secret|password|token)", line), f"{path.name}: {line}"
            assert not re.match(r"Exec\w+=.*\b(sh|bash|env)\b", line), f"{path.name}: {line}"


def test_a_worker_is_given_longer_than_any_cycle(analyze: str) -> None:
    """The stop's limit is above the drain's, and that above the longest hard limit."""
    from ztrade.service.drain import GRACE, LAST
    from ztrade.service.settings import LONGEST

    found = re.search(r"^TimeoutStopSec=(\d+)$", (UNITS / "ztrade-worker@.service").read_text(), re.MULTILINE)
    assert found is not None
    assert LONGEST.total_seconds() < GRACE
    assert float(found[1]) > GRACE + 2 * LAST


def test_the_scores_on_the_page_are_the_measured_ones(analyze: str) -> None:
    """docs/reference/systemd.md has a table of them."""
    page = (UNITS.parents[1] / "docs" / "reference" / "systemd.md").read_text()
    for unit in SERVICES:
        done = _run(analyze, "security", "--offline=true", "--json=short", "--no-pager", f"./{unit}")
        assert json.loads(done.stdout), "the analysis is empty"
        plain = _run(analyze, "security", "--offline=true", "--no-pager", f"./{unit}").stdout
        score = re.search(r"Overall exposure level for \S+: ([\d.]+)", plain)
        assert score is not None
        row = re.search(rf"^\| `{re.escape(unit)}` \|.*\| ([\d.]+) \|$", page, re.MULTILINE)
        assert row is not None, unit
        assert row[1] == score[1], unit


#: units that may need another host, and where the page has them
NETWORKED = (
    ("ztrade-worker@", "ztrade-keeper"),
    ("ztrade-exchange", "ztrade-beat", "ztrade-flower", "ztrade-exporter"),
)


def test_the_scores_with_a_network_are_on_the_page(analyze: str, tmp_path: Path) -> None:
    """An agent that trades at Alpaca runs with the drop-in: what it costs is no secret."""
    page = (UNITS.parents[1] / "docs" / "reference" / "systemd.md").read_text()
    said = re.search(
        r"exposure of workers and keeper is ([\d.]+), that of exchange, beat, Flower and exporter ([\d.]+);", page
    )
    assert said is not None
    shutil.copytree(UNITS, tmp_path, dirs_exist_ok=True)
    for score, units in zip(said.groups(), NETWORKED, strict=True):
        for unit in units:
            folder = tmp_path / f"{unit}.service.d"
            folder.mkdir(exist_ok=True)
            shutil.copy(UNITS / "dropins" / "network.conf", folder)
            told = _run(analyze, "security", "--offline=true", "--no-pager", f"./{unit}.service", units=tmp_path).stdout
            assert re.search(rf"Overall exposure level for \S+: {re.escape(score)} ", told), unit
