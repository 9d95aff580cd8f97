"""The package: built twice with the same bytes, without lintian's errors, and gone without a trace."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system import lab
from tests.waiting import wait_for
from tools import deb

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("system")]


@pytest.fixture
def fresh(able: None) -> Iterator[lab.Machine]:
    """A machine with the package, for one test alone."""
    with lab.boot(lab.installed(lab.built())) as booted:
        yield booted


def test_two_builds_give_the_same_bytes(able: None, tmp_path: Path) -> None:
    """Who doubts a package builds it and compares."""
    first, second = (deb.build(tmp_path / name, deb.project_version(), "none") for name in ("one", "two"))
    assert hashlib.sha256(first.read_bytes()).digest() == hashlib.sha256(second.read_bytes()).digest()


def test_lintian_finds_no_error(able: None) -> None:
    """What is overridden says why, in deploy/debian/lintian-overrides."""
    # the tests' package alone is not compressed
    ours = "uses-no-compression-for-control-tarball,uses-no-compression-for-data-tarball"
    command = ["lintian", "--allow-root", "--suppress-tags", ours, "--fail-on", "error", str(lab.built())]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_nothing_runs_before_it_was_set_up(fresh: lab.Machine) -> None:
    """Installing is not agreeing to trade."""
    listed = fresh.out(
        "systemctl", "list-units", "--plain", "--no-legend", "ztrade*", "--state=active,activating,failed"
    )
    assert listed == ""
    assert fresh.out("ztrade", "--version") == f"ztrade {deb.project_version()}"
    assert "fine; agents: 3" in fresh.out("ztrade", "config", "check")
    assert "ztrade" in fresh.out("bash", "-c", ". /usr/share/bash-completion/completions/ztrade && complete -p ztrade")


def test_every_module_that_a_service_loads_is_there(fresh: lab.Machine) -> None:
    """Tests of libraries are left out of the package; nothing that runs may need them."""
    program = (
        "import pkgutil, importlib, ztrade\n"
        "names = [m.name for m in pkgutil.walk_packages(ztrade.__path__, 'ztrade.') "
        "if '__main__' not in m.name and '.migrations.' not in m.name]\n"
        "[importlib.import_module(name) for name in names]\n"
        "print(len(names))"
    )
    assert int(fresh.out("/opt/ztrade/bin/python", "-W", "ignore", "-c", program).splitlines()[-1]) > 100


def test_an_edited_configuration_survives_an_upgrade(fresh: lab.Machine) -> None:
    """Conffiles are the person's."""
    edited = fresh.out("cat", "/etc/ztrade/agents/spy.toml").replace("capital = 10000", "capital = 12345")
    fresh.write("/etc/ztrade/agents/spy.toml", edited + "# mine\n")
    install(fresh, lab.built("9.0.0"))
    assert fresh.out("ztrade", "--version") == f"ztrade {deb.project_version()}"  # the same code under another number
    assert fresh.out("dpkg-query", "-W", "-f", "${Version}", "ztrade") == "9.0.0"
    assert fresh.out("cat", "/etc/ztrade/agents/spy.toml").endswith("# mine")
    # a list of this upgrade that stayed would be taken for the next one's
    assert fresh.run("ls", "/var/lib/ztrade-resume", check=False).returncode != 0


def test_an_older_package_is_refused_over_a_newer_journal(fresh: lab.Machine) -> None:
    """It would have to guess what the newer tables mean."""
    newer = lab.built("9.0.0")
    install(fresh, newer)
    make_journal(fresh)
    older = lab.built()
    # an equal journal may go back
    install(fresh, older, "--allow-downgrades")
    install(fresh, newer)
    # a version with one more migration, which has run
    fresh.run("touch", f"{VERSIONS}/0999_more.py")
    fresh.run("/opt/ztrade/bin/python", "-c", NEWER_JOURNAL)
    refused = install(fresh, older, "--allow-downgrades", check=False)
    assert refused.returncode != 0
    assert "error: ztrade: the journal has revision 0999, version" in refused.stderr + refused.stdout
    assert fresh.out("dpkg-query", "-W", "-f", "${Version} ${db:Status-Abbrev}", "ztrade") == "9.0.0 ii"


def test_an_older_package_is_refused_where_the_journal_cannot_be_read(fresh: lab.Machine) -> None:
    """Not knowing is no permission."""
    install(fresh, lab.built("9.0.0"))
    fresh.write("/var/lib/ztrade/journal.db", "no database" * 1000)
    refused = install(fresh, lab.built(), "--allow-downgrades", check=False)
    assert refused.returncode != 0
    assert "cannot tell which version wrote the journal" in refused.stderr + refused.stdout


def test_a_removal_that_is_broken_off_starts_what_ran(fresh: lab.Machine) -> None:
    """Ctrl-C while a cycle is waited for: dpkg puts the package back as it was, and so nothing stays stopped."""
    fresh.run("systemctl", "start", "ztrade-redis", "ztrade-backup.timer")
    scripts = "/var/lib/dpkg/info/ztrade"
    fresh.run(f"{scripts}.prerm", "remove")
    assert fresh.active("ztrade-redis") == "inactive"
    fresh.run(f"{scripts}.postinst", "abort-remove")
    for unit in ("ztrade-redis", "ztrade-backup.timer"):
        wait_for(lambda unit=unit: fresh.active(unit) == "active", 20, unit)  # type: ignore[misc]
    assert fresh.active("ztrade-flower") == "inactive", "what did not run stays as it was"
    # the same with a mistake that waited for the next start: whoever upgrades is told, and not by silence
    fresh.run(f"{scripts}.prerm", "upgrade", "9.0.0")
    fresh.write("/etc/ztrade/agents/spy.toml", "capital = lots")
    said = fresh.run(f"{scripts}.postinst", "configure", "0.0.9").stderr
    assert "ztrade: nothing starts again: error: /etc/ztrade/agents/spy.toml" in said
    assert fresh.run("ls", "/var/lib/ztrade-resume", check=False).returncode != 0


def test_removed_it_leaves_the_journal_and_purged_nothing(fresh: lab.Machine) -> None:
    """What money did is kept until a person says otherwise."""
    make_journal(fresh)
    fresh.write("/etc/ztrade/credentials/credentials.toml", "[paper]\n", 0o600)
    # what the pages tell an operator to add
    fresh.run("systemctl", "mask", "ztrade-flower")
    dropins = "/usr/share/doc/ztrade/dropins"
    fresh.run("install", "-D", "-t", "/etc/systemd/system/ztrade-.service.d", f"{dropins}/journal-namespace.conf")
    fresh.run("cp", f"{dropins}/journald@ztrade.conf", "/etc/systemd/journald@ztrade.conf")
    fresh.run("systemctl", "start", "systemd-journald@ztrade.socket", "systemd-journald-varlink@ztrade.socket")
    fresh.run("systemd-run", "--wait", "--quiet", "--property=LogNamespace=ztrade", "echo", "a line of its own")
    wait_for(lambda: "a line of its own" in fresh.journal("--namespace=ztrade"), 30, "the line")
    fresh.run("install", "-m", "0440", "/usr/share/doc/ztrade/sudoers/ztrade", "/etc/sudoers.d/ztrade")
    fresh.run("apt-get", "remove", "--yes", "ztrade")
    assert fresh.out("ls", "-A", "/opt") == ""
    assert fresh.out("ls", "/var/lib/ztrade/journal.db", "/etc/ztrade/agents/spy.toml")
    fresh.run("apt-get", "purge", "--yes", "ztrade")
    left = fresh.out("bash", "-c", "find / -xdev -name '*ztrade*' -not -path '/proc/*'")
    assert left == ""
    assert "ztrade" not in fresh.out("getent", "passwd") + fresh.out("getent", "group")
    assert fresh.out("systemctl", "--failed", "--no-legend") == ""


VERSIONS = "/opt/ztrade/lib/python3.11/site-packages/ztrade/adapters/journal/migrations/versions"
NEWER_JOURNAL = (
    "import sqlite3; c = sqlite3.connect('/var/lib/ztrade/journal.db'); "
    "c.execute(\"UPDATE alembic_version SET version_num = '0999'\"); c.commit()"
)
MAKE_JOURNAL = "from ztrade.adapters.journal import open_journal; open_journal('sqlite:////var/lib/ztrade/journal.db')"


def make_journal(machine: lab.Machine) -> None:
    """Make an empty journal where the services would."""
    machine.run("/opt/ztrade/bin/python", "-W", "ignore", "-c", MAKE_JOURNAL, user="ztrade")


def install(machine: lab.Machine, package: Path, *options: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Install a package as a person does, and return what was said."""
    target = f"/root/{package.name}"
    machine.copy(package, target)
    done = machine.run(
        "apt-get", "install", "--yes", "--no-install-recommends", *options, target, check=check, seconds=300
    )
    machine.run("rm", target)
    return done
