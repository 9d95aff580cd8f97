"""What a person types on a machine that trades: setup, status, logs, doctor; as root and as an operator."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.system import lab
from tests.system.test_install_page import BLOCK, types
from tests.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("system")]

AGENTS = ("aapl", "spy", "tsla")
READ = ("bash", "-c")


@pytest.fixture(scope="module")
def trading(able: None) -> Iterator[lab.Machine]:
    """Installed, set up as a demo, started, and at its first cycles; with ann, an operator who may read logs."""
    with lab.boot(lab.installed(lab.built())) as machine:
        machine.run("ztrade", "setup", "--demo")
        machine.run("systemctl", "start", "ztrade.target", seconds=400)
        machine.run("useradd", "--create-home", "--groups", "ztrade-operators,systemd-journal", "ann")
        wait_for(lambda: events(machine, "ZT_EVENT=cycle_done", "ZT_AGENT=spy"), 240, "spy's first cycle")
        yield machine


def events(machine: lab.Machine, *matches: str) -> list[dict[str, Any]]:
    lines = machine.journal("--output=json", *matches).splitlines()
    return [json.loads(line) for line in lines]


def status(machine: lab.Machine, user: str = "") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(machine.run("ztrade", "status", "--json", check=False, user=user).stdout)
    return found


def program(found: dict[str, Any], name: str) -> dict[str, Any]:
    return next(dict(one) for one in found["programs"] if one["name"] == name)


def findings(machine: lab.Machine, name: str) -> list[dict[str, Any]]:
    told = json.loads(machine.run("ztrade", "doctor", "--json", check=False).stdout)
    return next(list(check["findings"]) for check in told["checks"] if check["name"] == name)


# -- setup -------------------------------------------------------------------------------------------------------------
def test_a_demo_trades(trading: lab.Machine) -> None:
    """Two commands after the installation there are cycles in the journal, and nothing hurts."""
    cycles = json.loads(trading.out("ztrade", "cycles", "--json"))
    assert {cycle["agent"] for cycle in cycles} >= {"spy"}
    assert trading.out("systemctl", "--failed", "--no-legend") == ""
    assert trading.run("ztrade", "doctor").returncode == 0


def test_setup_a_second_time_changes_nothing(trading: lab.Machine) -> None:
    """Files and units are as asked."""
    assert "everything is as asked already" in trading.out("ztrade", "setup", "--demo")


def test_secrets_are_roots_alone(trading: lab.Machine) -> None:
    """Nobody else reads the login, nor looks into the folder."""
    assert trading.out("stat", "-c", "%a %U", "/etc/ztrade/credentials/flower.auth") == "600 root"
    assert trading.run("ls", "/etc/ztrade/credentials", user="ann", check=False).returncode != 0


# -- the journal -------------------------------------------------------------------------------------------------------
def test_lines_are_found_by_unit_agent_event_and_priority(trading: lab.Machine) -> None:
    """The worker's forked child, which runs the cycles, belongs to the unit; its fields are the line's."""
    (cycle, *_) = events(trading, "--unit=ztrade-worker@spy", "ZT_EVENT=cycle_done")
    assert cycle["ZT_AGENT"] == "spy"
    assert cycle["SYSLOG_IDENTIFIER"] == "ztrade-worker-spy"
    assert cycle["MESSAGE"].startswith("cycle_done: ")
    assert cycle["_TRANSPORT"] == "journal"
    assert int(cycle["_PID"]) != trading.pid("ztrade-worker@spy.service")
    assert {line["ZT_AGENT"] for line in events(trading, "ZT_AGENT=spy")} == {"spy"}
    assert events(trading, "--priority=err", "--unit=ztrade-worker@*") == []


def test_logs_shows_the_journal(trading: lab.Machine) -> None:
    """By agent, as JSON, since when, and an unknown name with those that there are."""
    assert "cycle_done" in trading.out("ztrade", "logs", "spy")
    (line,) = trading.out("ztrade", "logs", "spy", "-n", "1", "--json").splitlines()
    assert json.loads(line)["program"] == "worker-spy"
    assert "keeper_started" in trading.out("ztrade", "logs", "keeper", "--since", "1h")
    assert trading.run("ztrade", "logs", "nonsense", check=False).returncode == 2


def test_logs_follows_and_ends_with_its_reader(trading: lab.Machine) -> None:
    """A new cycle appears; when the pipe is closed nothing is left running."""
    script = "ztrade logs spy -f -n 0 --json | head -n 1"
    line = trading.run(*READ, script, seconds=120).stdout
    assert json.loads(line)["agent"] == "spy"
    wait_for(lambda: "logs spy" not in trading.out("ps", "-eo", "args"), 20, "the reader to end")


# -- operators ---------------------------------------------------------------------------------------------------------
def test_an_operator_looks_reads_and_stops_without_being_root(trading: lab.Machine) -> None:
    """Status, logs, doctor, halt and release; and what a halt does is seen by the worker."""
    assert status(trading, "ann")["problems"] == []
    assert "cycle_done" in trading.run("ztrade", "logs", "spy", user="ann").stdout
    assert trading.run("ztrade", "doctor", user="ann").returncode == 0
    trading.run("ztrade", "halt", "spy", "--reason", "lunch", user="ann")
    assert status(trading)["halts"] == {"spy": "lunch (by ann)"}
    wait_for(lambda: events(trading, "ZT_AGENT=spy", "ZT_OUTCOME=halted"), 120, "a cycle that the halt stopped")
    trading.run("ztrade", "release", "spy", user="ann")
    assert status(trading, "ann")["halts"] == {}


def test_a_stranger_sees_nothing_and_stops_nothing(trading: lab.Machine) -> None:
    """Who is not in the group."""
    trading.run("useradd", "--create-home", "bob")
    assert trading.run("ztrade", "halt", "spy", user="bob", check=False).returncode != 0
    assert "spy" not in status(trading)["halts"]
    assert trading.run("ls", "/var/lib/ztrade", user="bob", check=False).returncode != 0


# -- status ------------------------------------------------------------------------------------------------------------
def test_status_is_true_and_quick(trading: lab.Machine, figure: Callable[[str, float, str, str], None]) -> None:
    """Every worker consumes, by its connection; how long it takes is a figure."""
    status(trading)  # the calendar is computed once
    times = []
    for _ in range(5):
        began = time.monotonic()
        found = status(trading)
        times.append(time.monotonic() - began)
    figure("ztrade status, best of 5", min(times), "s", "1")
    figure("ztrade status, worst of 5", max(times), "s", "1")
    assert found["manager"] == "systemd"
    assert [program(found, f"worker-{name}")["consuming"] for name in AGENTS] == [True] * 3


def test_restarts_are_counted(trading: lab.Machine) -> None:
    """A worker that was killed is back, and that is seen."""
    before = program(status(trading), "worker-tsla")
    trading.run("kill", "-9", str(before["pid"]))

    def back() -> bool:
        now = program(status(trading), "worker-tsla")
        return bool(now["consuming"]) and now["pid"] != before["pid"]

    wait_for(back, 60, "tsla's worker to come back")
    assert program(status(trading), "worker-tsla")["restarts"] == before["restarts"] + 1


def test_what_is_down_is_named_and_the_rest_is_shown(trading: lab.Machine) -> None:
    """Redis, beat and the exchange one after another; each time all agents have their line."""
    for unit, said in (("redis", "Redis: "), ("beat", "beat: "), ("exchange", "exchange: ")):
        trading.run("systemctl", "stop", f"ztrade-{unit}")
        done = trading.run("ztrade", "status", check=False)
        trading.run("systemctl", "start", f"ztrade-{unit}")
        assert done.returncode == 1
        assert f"problem: {said}" in done.stdout, done.stdout
        assert all(f"\n{name} " in done.stdout for name in AGENTS)
    wait_for(lambda: not status(trading)["problems"], 90, "all to be well again")


def test_a_worker_that_is_frozen_is_not_consuming(trading: lab.Machine) -> None:
    """Its process is there and its connection open: what it does not do is wait at its queue."""
    pid = trading.pid("ztrade-worker@aapl.service")
    trading.run("kill", "-STOP", str(pid))
    try:
        wait_for(lambda: not program(status(trading), "worker-aapl")["consuming"], 30, "aapl to be seen deaf")
    finally:
        trading.run("kill", "-CONT", str(pid))
    wait_for(lambda: program(status(trading), "worker-aapl")["consuming"], 60, "aapl to consume again")


# -- doctor ------------------------------------------------------------------------------------------------------------
def test_doctor_finds_an_agent_without_a_worker_and_a_worker_without_an_agent(trading: lab.Machine) -> None:
    """And its own words mend both."""
    trading.run("systemctl", "disable", "--now", "ztrade-worker@aapl")
    trading.run("systemctl", "enable", "ztrade-worker@qqq")
    (without,) = findings(trading, "agents-without-worker")
    (orphan,) = findings(trading, "workers-without-agent")
    assert "aapl" in without["what"]
    assert "qqq" in orphan["what"]
    for finding in (without, orphan):
        trading.run(*READ, finding["fix"])
    assert findings(trading, "agents-without-worker") == findings(trading, "workers-without-agent") == []


def test_doctor_finds_a_redis_that_forgets(trading: lab.Machine) -> None:
    """Eviction switched on in the running server."""
    redis = ("ztrade", "redis-cli", "CONFIG", "SET", "maxmemory-policy")
    trading.run(*redis, "allkeys-lru")
    (finding,) = findings(trading, "redis-eviction")
    trading.run(*redis, "noeviction")
    assert "allkeys-lru" in finding["what"]


def test_doctor_finds_that_the_sandbox_shuts_a_remote_redis_out(trading: lab.Machine) -> None:
    """Beat has no network; the finding's own command opens it, until the drop-in goes again."""
    main = trading.out("cat", "/etc/ztrade/ztrade.toml")
    trading.write(
        "/etc/ztrade/ztrade.toml", main.replace("redis+socket:///run/ztrade-redis/redis.sock", "redis://10.9.9.9/0")
    )
    found = {finding["what"].split()[0]: finding for finding in findings(trading, "sandbox")}
    trading.write("/etc/ztrade/ztrade.toml", main + "\n")
    assert {"ztrade-beat.service", "ztrade-worker@spy.service", "ztrade-flower.service"} <= set(found)
    fix = found["ztrade-beat.service"]["fix"].partition(" && systemctl restart")[0]
    trading.run(*READ, fix)
    assert trading.show("ztrade-beat.service", "PrivateNetwork")["PrivateNetwork"] == "no"
    trading.run(*READ, "rm -r /etc/systemd/system/ztrade-beat.service.d && systemctl daemon-reload")


def test_doctor_finds_a_journal_that_root_took_over(trading: lab.Machine) -> None:
    """What `sudo ztrade run` on an empty machine would leave."""
    path = "/var/lib/ztrade/journal.db"
    trading.run("chown", "root", path)
    fixes = [finding["fix"] for finding in findings(trading, "journal-owner")]
    assert f"chown ztrade:ztrade-operators {path}" in fixes
    # SQLite, as root, has given the files beside it the same owner
    for fix in fixes:
        trading.run(*READ, fix)
    assert findings(trading, "journal-owner") == []


# -- the end: these change what the others rely on ---------------------------------------------------------------------
def test_keys_are_proved_and_kept_encrypted_by_this_machine(trading: lab.Machine) -> None:
    """The paper account is the embedded exchange here; the worker finds the keys, the disk does not have them."""
    main = trading.out("cat", "/etc/ztrade/ztrade.toml")
    there = 'kind = "paper"\ntrading_url = "http://127.0.0.1:8642"'
    trading.write("/etc/ztrade/ztrade.toml", main.replace('kind = "paper"', there) + "\n")
    words = ("ztrade", "setup", "--encrypt", "--paper-key-id", "PKTEST", "--paper-secret-file", "-")
    said = trading.run(*words, stdin="s3cret-of-paper\n").stdout
    assert "keys of account paper work" in said
    assert trading.out("ls", "/etc/ztrade/credentials").split().count("credentials.toml.cred") == 1
    assert trading.run("grep", "-r", "s3cret-of-paper", "/etc", check=False).stdout == ""
    trading.run("systemctl", "restart", "ztrade-worker@spy", seconds=400)
    kept = trading.out("cat", "/run/credentials/ztrade-worker@spy.service/credentials.toml")
    assert 'secret_key = "s3cret-of-paper"' in kept
    assert trading.out("ls", "/run/credentials/ztrade-worker@spy.service").split() == ["credentials.toml", "redis"]
    # root's own commands read them too
    assert '"keys": "PKTE' in trading.out("ztrade", "config", "check", "--json")
    trading.run("ztrade", "setup", "--plain")
    assert "s3cret-of-paper" in trading.out("cat", "/etc/ztrade/credentials/credentials.toml")


def test_agents_are_switched_off_by_setup(trading: lab.Machine) -> None:
    """Their workers are stopped, and nothing is wrong afterwards."""
    done = trading.out("ztrade", "setup", "--agents", "spy,tsla")
    assert "disabled: ztrade-worker@aapl.service" in done
    # its running cycle is finished first
    wait_for(lambda: trading.active("ztrade-worker@aapl.service") == "inactive", 60, "aapl to be stopped")
    trading.run("systemctl", "restart", "ztrade.target", seconds=400)
    wait_for(lambda: not status(trading)["problems"], 90, "all to be well again")
    assert [agent["agent"] for agent in status(trading)["agents"]] == ["spy", "tsla"]


def test_in_a_namespace_of_its_own_logs_still_shows_them(trading: lab.Machine) -> None:
    """The page's commands; plain journalctl shows none of the lines that come after, and ztrade logs does."""
    page = (lab.ROOT / "docs/how-to/read-the-logs.md").read_text()
    block = next(part for part in page.split("```") if "ztrade-.service.d" in part)
    trading.run(*READ, f"set -e\n{block}", seconds=400)
    began = trading.out("date", "+@%s")
    ask = ("--namespace=ztrade", "ZT_AGENT=spy", "ZT_EVENT=cycle_done")
    inside = wait_for(lambda: events(trading, *ask), 240, "a cycle in the namespace")
    shown = [json.loads(line) for line in trading.out("ztrade", "logs", "spy", "--json").splitlines()]
    assert inside[-1]["ZT_SLOT"] in {line.get("slot") for line in shown}
    assert trading.journal("--unit=ztrade-worker@spy", f"--since={began}", "ZT_EVENT=cycle_done") == ""


def test_files_are_rotated_on_the_machine(trading: lab.Machine) -> None:
    """With a log directory: the package's logrotate file, as the package's users."""
    main = trading.out("cat", "/etc/ztrade/ztrade.toml")
    trading.write("/etc/ztrade/ztrade.toml", f'{main}\n[log]\ndirectory = "/var/log/ztrade"\n')
    trading.run("install", "-d", "-o", "ztrade", "-g", "ztrade-operators", "-m", "2770", "/var/log/ztrade")
    folder = "/etc/systemd/system/ztrade-.service.d"
    shipped = "/usr/share/doc/ztrade/dropins/log-directory.conf"
    trading.run("install", "-D", "-m", "644", shipped, f"{folder}/log-directory.conf")
    trading.run(*READ, "systemctl daemon-reload && systemctl restart ztrade.target", seconds=400)
    wait_for(lambda: "cycle_done" in trading.out("ztrade", "logs", "spy"), 240, "a cycle in the file")
    trading.run("apt-get", "install", "--yes", "--no-install-recommends", "logrotate")
    rotated: subprocess.CompletedProcess[str] = trading.run("logrotate", "--force", "/etc/logrotate.d/ztrade")
    assert "error" not in rotated.stderr
    names = trading.out("ls", "/var/log/ztrade")
    assert "worker-spy.log-" in names
    assert trading.out("stat", "-c", "%a %U:%G", "/var/log/ztrade/worker-spy.log") == "640 ztrade:ztrade-operators"
    wait_for(
        lambda: "cycle_done" in trading.out("cat", "/var/log/ztrade/worker-spy.log"), 120, "a cycle in the new file"
    )


# -- Prometheus --------------------------------------------------------------------------------------------------------
SLACK = """
import http.server
class Slack(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        with open("/root/slack.log", "ab") as log:
            log.write(self.rfile.read(int(self.headers["Content-Length"])) + b"\\n")
        self.send_response(200); self.end_headers(); self.wfile.write(b"ok")
http.server.HTTPServer(("127.0.0.1", 9321), Slack).serve_forever()
"""


def test_the_page_on_monitoring_is_true(trading: lab.Machine) -> None:
    """docs/how-to/monitor.md, word for word: Debian's Prometheus scrapes, has the rules, and an alert is in Slack."""
    trading.run("systemd-run", "--unit=slack", "python3", "-c", SLACK)
    page = (lab.ROOT / "docs/how-to/monitor.md").read_text(encoding="utf-8")
    said = ""
    for _, lines in BLOCK.findall(page):
        for line in lines.splitlines():
            said = types(trading, line.replace("https://hooks.slack.com", "http://127.0.0.1:9321"))
            if line.startswith("systemctl restart"):  # a person takes longer to type the next line
                wait_for(lambda: listening(trading) == OURS, 30, "both to listen, on this machine alone")
    assert "Hello" in said
    wait_for(lambda: "a test of the way to Slack" in told(trading), 40, "the message in Slack")
    wait_for(lambda: asked(trading, 'up{job="ztrade"} == 1'), 40, "a scrape")
    wait_for(lambda: asked(trading, 'ALERTS{alertname="Watchdog",alertstate="firing"}'), 40, "the rules")
    wait_for(lambda: asked(trading, "ztrade_agent_slots_without_success"), 40, "all sources")
    assert asked(trading, 'ALERTS{alertname="MetricMissing"}') == ""


OURS = ["127.0.0.1:9090", "127.0.0.1:9093"]


def listening(machine: lab.Machine) -> list[str]:
    """Return the addresses on which Prometheus' programs listen."""
    listens = machine.out("ss", "--listening", "--tcp", "--numeric", "--no-header", "--processes")
    return sorted(line.split()[3] for line in listens.splitlines() if "prometheus" in line)


def told(machine: lab.Machine) -> str:
    return machine.run("cat", "/root/slack.log", check=False).stdout


def asked(machine: lab.Machine, expression: str) -> str:
    return machine.run("promtool", "query", "instant", "http://127.0.0.1:9090", expression, check=False).stdout.strip()
