"""The machine boots again, and operators do their work without being root."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.system import lab, service
from tests.system.service import SPY
from tests.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("units")]

OPERATOR, STRANGER = "olga", "sam"


@pytest.fixture(scope="module")
def running(machine: lab.Machine) -> Iterator[lab.Machine]:
    """All units, and two people: one in the operators' group."""
    machine.run("useradd", "--create-home", "--groups", "ztrade-operators", OPERATOR)
    machine.run("useradd", "--create-home", STRANGER)
    service.bring_up(machine, watchdog=60)
    yield machine
    assert service.failed(machine) == ""


def test_an_operator_looks_and_halts(running: lab.Machine) -> None:
    """Journal, sockets and flags belong to the group; the keys do not."""
    running.run("ztrade", "cycles", user=OPERATOR)
    assert '"agents"' in running.run("ztrade", "status", "--json", user=OPERATOR, check=False).stdout
    running.run("ztrade", "halt", "spy", "--reason", "lunch", user=OPERATOR)
    assert "lunch" in running.run("ztrade", "status", "--json", user=OPERATOR, check=False).stdout
    message = service.send_cycle(running)
    assert message
    found = wait_for(lambda: [one for one in service.cycles(running) if one["outcome"]], 60, "the cycle")
    assert found[-1]["outcome"] == "halted", found[-1]
    assert running.run("ztrade", "release", "spy", user=OPERATOR).stderr == ""
    other = running.run("ztrade", "--state", f"/home/{OPERATOR}/state", "halt", "spy", user=OPERATOR)
    assert "this machine's services look into /var/lib/ztrade" in other.stderr
    assert running.run("cat", "/etc/ztrade/credentials/credentials.toml", user=OPERATOR, check=False).returncode != 0


def test_an_operator_who_may_not_read_the_journal_is_told_so(running: lab.Machine) -> None:
    """With a journal of their own journalctl would show nothing, as if the worker had never said anything."""
    running.run("logger", "a line of olga's", user=OPERATOR)
    wait_for(lambda: "olga's" in running.run("journalctl", "-q", user=OPERATOR, check=False).stdout, 20, "her line")
    for words in (("spy",), ("spy", "--json")):
        done = running.run("ztrade", "logs", *words, user=OPERATOR, check=False)
        assert done.returncode == 1
        assert "a member of group systemd-journal" in done.stderr


def test_a_stranger_sees_nothing(running: lab.Machine) -> None:
    """Neither state nor sockets are open to everybody."""
    for command in ("cycles", "status", "doctor", "alerts list"):
        done = running.run("ztrade", *command.split(), user=STRANGER, check=False)
        assert done.returncode != 0
        assert "log in again" in done.stdout + done.stderr, command
        assert "unexpected" not in done.stderr, done.stderr
    assert running.run("ls", "/var/lib/ztrade", user=STRANGER, check=False).returncode != 0
    connect = "import socket,sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
    for path in ("/run/ztrade-redis/redis.sock", "/run/ztrade-exchange/exchange.sock"):
        assert running.run("python3", "-c", connect, path, user=STRANGER, check=False).returncode != 0
        running.run("python3", "-c", connect, path, user=OPERATOR)


def test_an_operator_starts_and_stops_units(running: lab.Machine) -> None:
    """By polkit's rule, ztrade's units and no others; a stranger none."""
    for verb in ("stop", "start", "restart"):
        running.run("systemctl", "--no-ask-password", verb, SPY, user=OPERATOR)
    service.consumes(running)
    for command in (("stop", "dbus.service"), ("start", "nginx.service"), ("enable", SPY), ("poweroff",)):
        assert running.run("systemctl", "--no-ask-password", *command, user=OPERATOR, check=False).returncode != 0
    assert running.run("systemctl", "--no-ask-password", "stop", SPY, user=STRANGER, check=False).returncode != 0
    assert running.active(SPY) == "active"


#: what polkit is asked, and whether an operator may; newer versions of systemd ask it for transient units as well
ASKED = (
    (SPY, "restart", True), ("ztrade.target", "stop", True), ("ztrade-flower.socket", "start", True),
    ("ztrade-backup.timer", "start", True), (f"ztrade-alert@{SPY}.service", "reset-failed", True),
    ("ztrade-mine.service", "start", False), ("ztrade.service", "start", False), (SPY, "set-property", False),
    ("ztrade-beat.service.service", "start", False), ("dbus.service", "start", False),
    ("ztrade-backup.socket", "start", False),
)  # fmt: skip


def test_a_name_like_ours_is_nobodys_way_to_root(running: lab.Machine) -> None:
    """`systemd-run --unit=ztrade-mine sh` is whatever its caller says, as root; what has a file cannot be that."""
    running.run("systemd-run", f"--uid={OPERATOR}", "--unit=olga-is-here", "sleep", "300")
    asks = (
        "pkcheck",
        "--action-id",
        "org.freedesktop.systemd1.manage-units",
        "--process",
        str(running.pid("olga-is-here")),
    )
    for unit, verb, may in ASKED:
        answer = running.run(*asks, "--detail", "unit", unit, "--detail", "verb", verb, check=False)
        assert (answer.returncode == 0) is may, (unit, verb, answer.stderr)
    mine = ("systemd-run", "--no-ask-password", "--unit=ztrade-mine", "id")
    assert running.run(*mine, user=OPERATOR, check=False).returncode != 0


def test_the_sudo_rule_gives_the_same(running: lab.Machine) -> None:
    """For machines without polkit."""
    running.run("install", "-m", "0440", "/usr/share/doc/ztrade/sudoers/ztrade", "/etc/sudoers.d/ztrade")
    running.run("visudo", "-c")
    running.run("sudo", "-n", "systemctl", "restart", SPY, user=OPERATOR)
    service.consumes(running)
    for words in (("restart", "dbus.service"), ("restart", SPY, "dbus.service"), ("edit", SPY)):
        assert running.run("sudo", "-n", "systemctl", *words, user=OPERATOR, check=False).returncode != 0
    assert running.run("sudo", "-n", "systemctl", "restart", SPY, user=STRANGER, check=False).returncode != 0


def test_a_journal_of_its_own_is_opt_in(running: lab.Machine) -> None:
    """As the drop-in's comment says: its lines are in the namespace, and plain journalctl -u has no more of them."""
    place = "/usr/share/doc/ztrade/dropins"
    running.run("mkdir", "-p", "/etc/systemd/system/ztrade-.service.d")
    running.run("cp", f"{place}/journal-namespace.conf", "/etc/systemd/system/ztrade-.service.d/journal-namespace.conf")
    running.run("cp", f"{place}/journald@ztrade.conf", "/etc/systemd/journald@ztrade.conf")
    running.run("systemctl", "start", "systemd-journald@ztrade.socket", "systemd-journald-varlink@ztrade.socket")
    running.run("systemctl", "daemon-reload")
    # by cursor: the worker's last start may be less than a second ago
    mark = running.journal("-n", "0", "--show-cursor").strip().removeprefix("-- cursor: ")
    running.run("systemctl", "restart", SPY)
    service.consumes(running)
    wait_for(lambda: "worker_starts" in running.journal("--namespace=ztrade", "-u", SPY), 20, "its lines")
    plain = running.journal("-u", SPY, f"--after-cursor={mark}")
    assert "worker_starts" not in plain
    assert "Deactivated successfully" in plain, "the worker of before was stopped as it should"
    service.take_drop_in(running, "ztrade-.service", "journal-namespace")


def test_a_reboot_brings_everything_back(running: lab.Machine, figure: Callable[[str, float, str, str], None]) -> None:
    """In the middle of a cycle and of a backup: the one ends well, the other calls nobody, all is up."""
    count = len(service.cycles(running))
    wait = f'ExecStartPre={service.PYTHON} -c "import time; time.sleep(600)"'
    service.drop_in(running, "ztrade-backup.service", "slow", wait)
    running.run("systemctl", "start", "--no-block", "ztrade-backup.service")
    service.slow_exchange(running, 6)
    service.send_cycle(running)
    wait_for(service.says(running, SPY, "runs "), 20, "a cycle", every=0.05)
    began = time.monotonic()
    running.reboot()
    for agent in service.AGENTS:
        service.consumes(running, agent)
    figure("power off, to all agents consuming again", time.monotonic() - began, "s", "none")
    for unit in service.SERVICES:
        wait_for(lambda unit=unit: running.active(unit) == "active", 60, unit)  # type: ignore[misc]
    assert service.answers(running)
    found = service.cycles(running)
    assert len(found) > count
    assert all(one["outcome"] for one in found if one["kind"] == "extra")
    assert not {one["outcome"] for one in found} & {"interrupted", "failed", "unknown"}
    assert "ztrade-backup.service has failed" not in service.messages(running)
    service.take_drop_in(running, "ztrade-backup.service", "slow")
