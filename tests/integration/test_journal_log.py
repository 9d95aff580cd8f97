"""Log lines in a real journal: journald without the rest of systemd, in a mount namespace of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.needs import needs

ROOT = Path(__file__).parents[2]
JOURNALD = "/lib/systemd/systemd-journald"
#: what systemd does for a service: standard output is a stream to the journal, and a variable says which
PROGRAM = """
import os, socket, structlog
stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
stream.connect("/run/systemd/journal/stdout")
stream.send(b"python\\nztrade-worker@spy.service\\n6\\n1\\n0\\n0\\n0\\n")
os.dup2(stream.fileno(), 1)
status = os.fstat(1)
os.environ["JOURNAL_STREAM"] = f"{status.st_dev}:{status.st_ino}"
from ztrade.service import logs
logs.configure(place=logs.Place("worker-spy"))
log = structlog.get_logger()
log.info("cycle_done", agent="spy", reason="held: score 0.12 under 0.30", cycle_id="c1")
log.info("order_taken", agent="tsla", order_id="tsla-1")
try: 1 / 0
except ZeroDivisionError: log.exception("cycle_crashed", agent="spy")
log.error("big", agent="spy", text="x" * 3_000_000)
if os.fork() == 0:
    log.info("from_the_child", agent="spy")
    os._exit(0)
os.wait()
for number in range(2000): log.info("burst", number=number)
"""
ASK = {
    "spy": "ZT_AGENT=spy",
    "errors": "-p err ZT_AGENT=spy",
    "order": "ZT_ORDER_ID=tsla-1",
    "burst": "ZT_EVENT=burst",
    "identifier": "-t ztrade-worker-spy ZT_EVENT=cycle_done",
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, object]]]:
    """Write the lines and ask for them, under a /run that nobody else sees."""
    needs("unshare", "systemd-journald", "journalctl", root=True)
    folder = tmp_path_factory.mktemp("journal")
    (folder / "program.py").write_text(PROGRAM)
    asking = "\n".join(f"journalctl -q --all -o json {words} > {folder}/{name}" for name, words in ASK.items())
    script = f"""
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/log/journal /run/systemd/journal
{JOURNALD} > {folder}/journald.out 2>&1 &
journald=$!
trap 'kill $journald' EXIT
for i in $(seq 100); do [ -S /run/systemd/journal/socket ] && break; sleep 0.1; done
{sys.executable} {folder}/program.py
journalctl --sync || sleep 2
{asking}
"""
    command = ["unshare", "--mount", "--propagation", "private", "bash", "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return {name: [json.loads(line) for line in (folder / name).read_text().splitlines()] for name in ASK}


def test_an_agents_lines_are_found_by_its_name(answers: dict[str, list[dict[str, object]]]) -> None:
    """The forked child's as well, and the one of megabytes whole."""
    events = [entry["ZT_EVENT"] for entry in answers["spy"]]
    assert events == ["cycle_done", "cycle_crashed", "big", "from_the_child"]
    assert len(str(answers["spy"][2]["ZT_TEXT"])) == 3_000_000
    assert answers["spy"][0]["MESSAGE"] == "cycle_done: held: score 0.12 under 0.30"
    assert len({entry["_PID"] for entry in answers["spy"]}) == 2


def test_errors_are_found_by_priority(answers: dict[str, list[dict[str, object]]]) -> None:
    """With the traceback in the message."""
    crashed = answers["errors"][0]
    assert "ZeroDivisionError" in str(crashed["MESSAGE"])
    assert crashed["CODE_FUNC"] == "<module>"
    assert len(answers["errors"]) == 2


def test_orders_and_programs_are_found(answers: dict[str, list[dict[str, object]]]) -> None:
    """By the order's id, and by the identifier."""
    assert [entry["ZT_AGENT"] for entry in answers["order"]] == ["tsla"]
    assert [entry["ZT_CYCLE_ID"] for entry in answers["identifier"]] == ["c1"]


def test_a_burst_arrives_whole(answers: dict[str, list[dict[str, object]]]) -> None:
    """The kernel's queue holds ten: a line waits for its place, none is dropped or out of order."""
    assert [int(str(entry["ZT_NUMBER"])) for entry in answers["burst"]] == list(range(2000))
