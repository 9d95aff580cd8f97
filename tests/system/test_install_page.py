"""docs/how-to/install-on-debian.md, typed word for word on a clean Debian 12; an upgrade in the middle of a cycle."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.system import lab, service
from tests.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("system")]
PAGE = lab.ROOT / "docs" / "how-to" / "install-on-debian.md"
BLOCK = re.compile(r"^```sh *(?:as (\w+))?\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def clean(able: None) -> Iterator[lab.Machine]:
    """A machine without ztrade, the package beside it."""
    with lab.boot([lab.base()]) as machine:
        package = lab.built()
        machine.copy(package, f"/root/{package.name}")
        yield machine


def blocks() -> list[tuple[str, list[str]]]:
    """Return the page's blocks: who types, and the lines."""
    found = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    return [(user, [line for line in lines.splitlines() if line]) for user, lines in found]


def types(machine: lab.Machine, line: str, user: str = "") -> str:
    """Type a line as somebody; it must succeed."""
    line = line.replace("apt install", "apt-get install --yes --no-install-recommends")
    done = machine.run("bash", "-c", f"cd ~ && {line}", user=user, check=False, seconds=400)
    assert done.returncode == 0, f"{user or 'root'}$ {line}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def rows(machine: lab.Machine) -> list[dict[str, object]]:
    """Return all cycles."""
    found: list[dict[str, object]] = json.loads(machine.out("ztrade", "cycles", "--json", "--limit", "1000"))
    return found


def test_a_life_from_the_page_to_the_purge(clean: lab.Machine) -> None:
    """One machine, in the order of its life: the page, an upgrade, a reboot, the end."""
    the_page_is_true(clean)
    an_upgrade_in_the_middle_of_a_cycle_loses_nothing(clean)
    a_reboot_brings_back_what_was_enabled(clean)
    purged_in_full_run_it_is_gone(clean)


def the_page_is_true(clean: lab.Machine) -> None:
    """From nothing to three trading agents, an operator, a change, a stop: each line works, and slots have outcomes."""
    said = ""
    for user, lines in blocks():
        for line in lines:
            if line == "ztrade status":
                until_it_trades(clean)
            said += types(clean, line, user)
    assert "46 checks" in said or "checks:" in said
    assert "spy: halted: a look at the news" in said
    assert "fine; agents: 3" in said
    assert re.search(r"cycle_done: \w+: ", said), "journalctl shows what a slot did, and why"
    assert service.failed(clean) == ""
    found = rows(clean)
    assert found
    assert all(row["outcome"] and row["reason"] for row in found if row["finished_at"])
    assert not {row["outcome"] for row in found} & {"failed", "unknown"}


def until_it_trades(machine: lab.Machine) -> None:
    """Wait until every worker takes messages, and spy's first slot has its outcome."""
    for agent in service.AGENTS:
        service.consumes(machine, agent)
    wait_for(lambda: any(row["agent"] == "spy" and row["outcome"] for row in rows(machine)), 120, "a slot", every=1)


def an_upgrade_in_the_middle_of_a_cycle_loses_nothing(clean: lab.Machine) -> None:
    """It waits for the cycle, changes the files, and starts what ran: not what was stopped."""
    clean.run("systemctl", "stop", "ztrade-worker@aapl")
    before = {row["cycle_id"] for row in rows(clean)}
    # under alpaca.read_timeout, by more than a busy machine adds
    service.slow_exchange(clean, 7)
    service.send_cycle(clean)
    wait_for(service.says(clean, service.SPY, "runs "), 20, "a cycle", every=0.05)
    package = lab.built("9.0.0")
    clean.copy(package, f"/root/{package.name}")
    types(clean, f"apt install ./{package.name}")
    assert clean.out("dpkg-query", "-W", "-f", "${Version}", "ztrade") == "9.0.0"
    service.consumes(clean)
    new = [row for row in rows(clean) if row["cycle_id"] not in before]
    assert any(row["kind"] == "extra" for row in new)
    assert [row for row in new if row["outcome"] in ("interrupted", "failed", "unknown")] == []
    assert clean.active("ztrade-worker@aapl") == "inactive"
    others = [unit for unit in service.SERVICES if "aapl" not in unit]
    wait_for(lambda: all(clean.active(unit) == "active" for unit in others), 60, "all others to be active")
    assert clean.active("ztrade-backup.timer") == "active", "the nightly copy goes on, too"
    assert service.failed(clean) == ""


def a_reboot_brings_back_what_was_enabled(clean: lab.Machine) -> None:
    """Nobody logs in to start it; the stopped agent is enabled, and so it comes back too."""
    clean.reboot()
    for agent in service.AGENTS:
        service.consumes(clean, agent)
    assert service.failed(clean) == ""
    assert service.answers(clean)


def purged_in_full_run_it_is_gone(clean: lab.Machine) -> None:
    """Running units are drained first; no link, user, file or failed unit stays."""
    types(clean, "ztrade backup --to /root/carried")
    clean.run("apt-get", "purge", "--yes", "ztrade", seconds=200)
    found = clean.out("bash", "-c", "find / -xdev -name '*ztrade*' -not -path '/proc/*' -not -path '/root/*'")
    assert [line for line in found.splitlines() if not line.startswith("/var/log/journal")] == []
    assert "ztrade" not in clean.out("getent", "passwd")
    assert service.failed(clean) == ""
    assert clean.run("pgrep", "-f", "ztrade", check=False).stdout == ""
