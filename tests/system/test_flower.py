"""Flower and the logins at Redis, as the package installs them: who gets in, what is refused, what is remembered."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.flower_calls import METHODS, PATHS
from tests.system import lab, service
from tests.system.test_install_page import BLOCK, types
from tests.system.web import Call, ask, basic, get
from tests.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("system")]

FLOWER = "http://127.0.0.1:5555"
UNIT = "ztrade-flower.service"
PASSWORD = "a password of ada's"
LOGIN = basic("ada", PASSWORD)
OPERATORS = "/etc/ztrade/operators/redis"
NGINX, CADDY = "/etc/nginx/conf.d/ztrade-flower.conf", "/etc/ztrade-caddy"


@pytest.fixture(scope="module")
def running(machine: lab.Machine) -> lab.Machine:
    """Three agents trade as fast as they can; Flower has the login that setup was given."""
    machine.run("useradd", "--groups", "ztrade-operators", "ada")
    machine.run("useradd", "eve")
    told = ("ztrade", "setup", "--demo", "--yes", "--flower-user", "ada", "--flower-password-file", "-")
    machine.run(*told, stdin=f"{PASSWORD}\n")
    service.bring_up(machine, exchange="--synthetic 7 --speed max", watchdog=0)
    return machine


def refused(machine: lab.Machine) -> list[str]:
    """Return whom Redis has refused something."""
    said = machine.out("ztrade", "redis-cli", "ACL", "LOG").splitlines()
    return [f"{said[at + 1]} {said[at - 1]}" for at, word in enumerate(said) if word == "username"]


def seen(machine: lab.Machine) -> None:
    """Wait until Flower shows spy's worker."""
    wait_for(lambda: '"spy@' in get(machine, f"{FLOWER}/workers?json=1", LOGIN).text, 60, "spy at Flower", every=1)


def test_a_day_of_everything_is_refused_nothing(running: lab.Machine) -> None:
    """Slots of all three agents, the keeper, Flower's pages, scrapes, an operator's commands: ACL LOG stays empty."""
    seen(running)
    for command in (
        ("ztrade", "status"), ("ztrade", "doctor"), ("ztrade", "stack", "test", "--seconds", "60"),
        (service.PYTHON, "-W", "ignore", "-c", _BY_HAND), ("ztrade", "halt", "tsla", "--reason", "a look"),
        ("ztrade", "release", "tsla"), ("ztrade", "redis-cli", "LLEN", "agent.spy"),
    ):  # fmt: skip
        done = running.run(*command, user="ada", check=False)
        assert done.returncode in (0, 1), f"{command}: {done.stdout}{done.stderr}"
        assert "refuses this login" not in done.stdout + done.stderr, command
        assert "NOPERM" not in done.stdout + done.stderr, command
    pages = ask(running, [Call(FLOWER + path, login=LOGIN) for path in (*PATHS, f"/worker/spy@{node(running)}")])
    assert [page.status for page in pages if page.status >= 500] == []
    scrape = get(running, "http://127.0.0.1:9540/metrics")
    assert scrape.status == 200
    wait_for(lambda: all(_scheduled(running, name) for name in service.AGENTS), 400, "the day", every=3)
    assert "ztrade_redis_up 1.0" in get(running, "http://127.0.0.1:9540/metrics").text
    assert refused(running) == []
    # enough: the rest wants a quiet machine
    running.write("/etc/ztrade/exchange.conf", "EXCHANGE_ARGS=--synthetic 7\n")
    running.run("systemctl", "restart", "ztrade-exchange")
    secrets = running.out("bash", "-c", "sed 's/.*:\\(.*\\)@.*/\\1/' /etc/ztrade/credentials/redis/*").split()
    assert len(secrets) == 9
    told = "".join(page.text for page in pages) + running.journal()
    assert [secret for secret in secrets if secret in told] == []
    assert PASSWORD not in told


_BY_HAND = (
    "from ztrade.celery_app import trading_cycle as c; print(c.delay('spy', dry_run=True, manual=True).get(timeout=60))"
)


def node(machine: lab.Machine) -> str:
    """Return the machine's name, as Celery's nodes have it."""
    return machine.out("hostname")


def _scheduled(machine: lab.Machine, agent: str) -> bool:
    """Tell whether a session's slots of the agent have their outcomes; days pass in no time here."""
    done = {one["slot"] for one in service.cycles(machine, agent) if one["outcome"] and one["kind"] == "slot"}
    return len(done) >= (6 if agent == "aapl" else 77)


def test_people_who_are_no_operators_reach_nothing(running: lab.Machine) -> None:
    """Neither Redis nor its logins, nor Flower's."""
    for command in (("ztrade", "redis-cli", "PING"), ("cat", OPERATORS), ("ls", "/etc/ztrade/credentials")):
        done = running.run(*command, user="eve", check=False)
        assert "PONG" not in done.stdout
        assert "ermission denied" in done.stdout + done.stderr
    assert running.run("ztrade", "redis-cli", "PING", user="ada").stdout.strip() == "PONG"
    denied = running.run("ztrade", "redis-cli", "CONFIG", "SET", "dir", "/", user="ada").stdout
    assert "NOPERM" in denied
    running.run("ztrade", "redis-cli", "ACL", "LOG", "RESET")


@pytest.mark.parametrize("unit", ["ztrade-worker@spy", "ztrade-flower", "ztrade-exporter", "ztrade-beat"])
def test_a_unit_has_its_own_login_and_no_other(running: lab.Machine, unit: str) -> None:
    """Not another unit's, not the operators', not root's; nor does systemctl or its environment show it."""
    get(running, "http://127.0.0.1:9540/metrics")
    role = unit.removeprefix("ztrade-").replace("@", "-")
    login = running.out("cat", f"/etc/ztrade/credentials/redis/{role}").strip()
    pid = running.pid(unit)
    given = running.out("nsenter", "-t", str(pid), "-m", "--wdns=/", service.PYTHON, "-c", _WALK).split()
    assert f"/run/credentials/{unit}.service/redis" in given
    assert {path.rpartition("/")[0] for path in given} == {f"/run/credentials/{unit}.service"}
    user = running.show(unit, "User")["User"]
    look = ("nsenter", "-t", str(pid), "-m", "--wdns=/", service.PYTHON, "-c", _AS_ITS_USER, user, OPERATORS)
    hidden = running.run(*look, check=False)
    assert "PermissionError" in hidden.stderr
    secret = login.rpartition(":")[2].partition("@")[0]
    assert len(secret) > 30
    assert secret not in running.out("systemctl", "show", unit)
    assert secret not in running.out("cat", f"/proc/{pid}/environ", f"/proc/{pid}/cmdline")


_AS_ITS_USER = (
    "import grp, os, pwd, sys; os.setgroups([]); os.setgid(grp.getgrnam('ztrade-operators').gr_gid); "
    "os.setuid(pwd.getpwnam(sys.argv[1]).pw_uid); print(open(sys.argv[2]).read())"
)
_WALK = "import os; print(*[os.path.join(d, f) for d, _, files in os.walk('/run/credentials') for f in files])"


def test_an_agent_that_is_new_has_a_login_when_its_worker_starts(running: lab.Machine) -> None:
    """One file and one command; nobody restarts Redis, no other worker notices."""
    before = {unit: running.pid(unit) for unit in ("ztrade-redis", service.SPY)}
    new = running.out("cat", "/etc/ztrade/agents/spy.toml").replace('symbol = "SPY"', 'symbol = "QQQ"')
    running.write("/etc/ztrade/agents/qqq.toml", new)
    running.run("systemctl", "start", "ztrade-worker@qqq", seconds=120)
    service.consumes(running, "qqq")
    assert "ztrade-redis-acl@qqq.service" in running.journal("-u", "ztrade-redis-acl@qqq", "-o", "short")
    running.run("systemctl", "stop", "ztrade-worker@qqq", seconds=120)
    running.path("/etc/ztrade/agents/qqq.toml").unlink()
    assert {unit: running.pid(unit) for unit in before} == before
    running.run("ztrade", "redis-acl")
    assert "worker-qqq" not in running.out("ztrade", "redis-cli", "ACL", "LIST")
    assert running.run("ls", "/etc/ztrade/credentials/redis/worker-qqq", check=False).returncode != 0
    assert refused(running) == []


def test_nothing_without_the_login(running: lab.Machine) -> None:
    """401 for every path and every method, without a login and with a wrong one; Flower leaves some of them open."""
    seen(running)
    wrong = ("", basic("ada", "wrong"), basic("ada", ""), basic("", PASSWORD), "Basic x", "Bearer x", LOGIN[:-4])
    calls = [Call(FLOWER + path, method, login) for path in PATHS for method in METHODS for login in wrong[:2]]
    calls += [Call(f"{FLOWER}{path}", login=login) for path in ("/", "/metrics") for login in wrong]
    answers = ask(running, calls)
    assert {(call.url, call.method, answer.status) for call, answer in zip(calls, answers, strict=True)} == {
        (call.url, call.method, 401) for call in calls
    }
    assert all("Basic" in answer.headers.get("Www-Authenticate", "") for answer in answers)
    with_it = ask(running, [Call(FLOWER + path, login=LOGIN) for path in PATHS])
    assert [answer.status for answer in with_it] == [200] * (len(PATHS) - 1) + [404]


def test_it_is_reached_from_this_machine_alone(running: lab.Machine) -> None:
    """The socket is loopback's, and Flower's process has no network but by it."""
    listening = running.out("ss", "-tlnH")
    assert re.search(r"127\.0\.0\.1:5555\b", listening)
    assert not re.search(r"(0\.0\.0\.0|\[::\]|\*):5555\b", listening)
    inside = running.out("nsenter", "-t", str(running.pid(UNIT)), "-n", "ip", "-brief", "address")
    assert [line.split()[0] for line in inside.splitlines()] == ["lo"], "a loopback of its own, which nobody shares"


def test_read_only_starts_nothing(running: lab.Machine) -> None:
    """Flower refuses, with the login; Redis would, and so would the workers. Nothing is queued, nobody stops."""
    before = {unit: running.pid(unit) for unit in service.WORKERS}
    host = node(running)
    orders = [
        "/api/task/async-apply/ztrade.test_task", "/api/task/send-task/ztrade.trading_cycle",
        "/api/task/revoke/cycle:spy:20220822T143500Z", f"/api/worker/shutdown/spy@{host}",
        f"/api/worker/pool/shrink/spy@{host}", f"/api/worker/queue/cancel-consumer/spy@{host}?queue=agent.spy",
    ]  # fmt: skip
    answers = ask(running, [Call(FLOWER + path, "POST", LOGIN, "{}") for path in orders])
    assert [answer.status for answer in answers] == [403] * len(orders)
    running.copy(running.path("/etc/ztrade/credentials/redis/flower"), "/root/flower/redis")
    taken = (
        "from ztrade.service.app import create_app; from ztrade.config import load_config\n"
        "print(create_app(load_config()).control.broadcast('shutdown', reply=True, timeout=5))\n"
        "from ztrade.service.broker import client\n"
        "try: client(load_config().redis_url).lpush('agent.spy', 'x')\n"
        "except Exception as error: print(type(error).__name__)\n"
    )
    said = running.out("env", "CREDENTIALS_DIRECTORY=/root/flower", service.PYTHON, "-W", "ignore", "-c", taken)
    assert said.count("flower.control is off") == 3
    assert "NoPermissionError" in said
    assert {unit: running.pid(unit) for unit in before} == before
    assert refused(running) == ["flower agent.spy"]
    running.run("ztrade", "redis-cli", "ACL", "LOG", "RESET")


def test_history_survives_restarts(running: lab.Machine) -> None:
    """Of the unit; what a crash loses is the last minutes; a damaged history is put aside. The cookies' key stays."""
    tasks = f"{FLOWER}/api/tasks?limit=1000000"
    assert service.answers(running, 60)
    before = set(json.loads(get(running, tasks, LOGIN).text))
    assert before
    running.run("systemctl", "restart", UNIT)
    assert before <= set(json.loads(get(running, tasks, LOGIN).text))
    running.run("kill", "-KILL", str(running.pid(UNIT)))
    wait_for(lambda: running.active(UNIT) == "active" and running.pid(UNIT), 60, "Flower")
    assert before <= set(json.loads(get(running, tasks, LOGIN).text))
    files = running.out("stat", "-c", "%a %U", "/var/lib/ztrade-flower")
    assert files == "700 ztrade-flower"
    running.run("systemctl", "stop", UNIT)
    running.write("/var/lib/ztrade-flower/flower.db", "no shelf\x00")
    running.run("systemctl", "start", UNIT)
    assert get(running, tasks, LOGIN).status == 200
    assert "flower.db.corrupt" in running.out("ls", "/var/lib/ztrade-flower")


def test_control_is_the_operators_to_give(running: lab.Machine) -> None:
    """On, and the target restarted, a login starts a task; off again, it does not. Pages of another host never do."""
    path, main = "/api/task/async-apply/ztrade.test_task", "/etc/ztrade/ztrade.toml"
    before = running.path(main).read_text()
    body = '{"queue": "agent.spy.ctl"}'
    try:
        running.write(main, before.replace("control = false", "control = true"))
        running.run("systemctl", "restart", "ztrade.target", seconds=240)
        service.consumes(running)
        seen(running)
        foreign = {"Origin": "https://evil.example"}
        across, own = ask(
            running, [Call(FLOWER + path, "POST", LOGIN, body, foreign), Call(FLOWER + path, "POST", LOGIN, body)]
        )
        assert (across.status, own.status) == (403, 200), own.text
        told = json.loads(own.text)["task-id"]
        result = f"{FLOWER}/api/task/result/{told}"
        wait_for(lambda: '"SUCCESS"' in get(running, result, LOGIN).text, 30, "the answer", every=1)
        assert refused(running) == []
    finally:
        running.write(main, before)
        running.run("systemctl", "restart", "ztrade.target", seconds=240)
    service.consumes(running)
    assert ask(running, [Call(FLOWER + path, "POST", LOGIN, body)])[0].status == 403


def test_what_it_remembers_is_bounded(running: lab.Machine, figure: Callable[[str, float, str, str], None]) -> None:
    """Three times as many tasks as it keeps: it keeps the last, within the unit's memory, and writes them in time."""
    from ztrade.service.flower import MAX_TASKS

    running.run(service.PYTHON, "-W", "ignore", "-c", _FLOOD, str(3 * MAX_TASKS), seconds=300)
    count = f"{FLOWER}/api/tasks?limit=1000000"
    last = f'"flood-{3 * MAX_TASKS - 1}"'
    wait_for(lambda: last in get(running, count, LOGIN).text, 120, "the last task", every=3)
    assert len(json.loads(get(running, count, LOGIN).text)) == MAX_TASKS
    used = int(running.show(UNIT, "MemoryCurrent")["MemoryCurrent"]) / 2**20
    began = time.monotonic()
    running.run("systemctl", "restart", UNIT, seconds=120)
    took = time.monotonic() - began
    figure(f"Flower with {MAX_TASKS} tasks", used, "MiB", "384")
    figure("Flower's history written, restarted and read", took, "s", "none")
    assert used < 384
    assert service.restarts(running, UNIT) <= 1
    assert last in get(running, count, LOGIN).text


_FLOOD = """
import sys, time
from ztrade.service.app import create_app
from ztrade.config import load_config
app = create_app(load_config())
with app.connection() as connection, app.events.Dispatcher(connection, hostname="spy@flood") as events:
    for number in range(int(sys.argv[1])):
        task = dict(uuid=f"flood-{number}", name="ztrade.trading_cycle", args="('spy',)", kwargs="{}", retries=0)
        events.send("task-received", **task)
        events.send("task-succeeded", uuid=task["uuid"], result="'x' * 200", runtime=0.1)
        if number % 500 == 499:
            time.sleep(0.2)
"""


# -- behind a proxy ----------------------------------------------------------------------------------------------------
def certificate(machine: lab.Machine) -> None:
    """Make one of our own for the host of the shipped files, and let its name lead here."""
    machine.write("/etc/hosts", "127.0.0.1 localhost vm ztrade.example.org\n")
    make = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=ztrade.example.org"
        " -addext subjectAltName=DNS:ztrade.example.org"
        " -keyout /etc/ssl/private/ztrade.example.org.key -out /etc/ssl/certs/ztrade.example.org.pem 2> /dev/null"
    )
    machine.run("bash", "-c", make)


@pytest.fixture(scope="module")
def proxied(running: lab.Machine) -> Iterator[lab.Machine]:
    """Flower at /flower, and a certificate of our own for its host."""
    certificate(running)
    before = running.path("/etc/ztrade/ztrade.toml").read_text()
    running.write("/etc/ztrade/ztrade.toml", before.replace('url_prefix = ""', 'url_prefix = "/flower"'))
    running.run("systemctl", "restart", UNIT)
    yield running
    running.write("/etc/ztrade/ztrade.toml", before)
    running.run("systemctl", "restart", UNIT)


@pytest.fixture
def nginx(proxied: lab.Machine) -> Iterator[lab.Machine]:
    """The file as it is shipped."""
    proxied.copy(lab.ROOT / "ops/nginx/ztrade-flower.conf", NGINX)
    proxied.run("nginx", "-t")
    proxied.run("systemctl", "restart", "nginx")
    yield proxied
    proxied.run("systemctl", "stop", "nginx")


@pytest.fixture
def caddy(proxied: lab.Machine) -> Iterator[lab.Machine]:
    """Debian's program, and the file as it is shipped but for whose certificate it takes."""
    proxied.copy(_caddy(), "/usr/local/bin/caddy")
    text = (lab.ROOT / "ops/caddy/Caddyfile").read_text()
    own = "tls /etc/ssl/certs/ztrade.example.org.pem /etc/ssl/private/ztrade.example.org.key"
    proxied.write(f"{CADDY}/Caddyfile", text.replace("ztrade.example.org {\n", f"ztrade.example.org {{\n\t{own}\n", 1))
    proxied.run(
        "systemd-run", "--unit=caddy", "--setenv=HOME=/root",
        "/usr/local/bin/caddy", "run", "--adapter", "caddyfile", "--config", f"{CADDY}/Caddyfile",
    )  # fmt: skip
    wait_for(lambda: get(proxied, "http://ztrade.example.org/").status, 30, "Caddy", every=1)
    yield proxied
    proxied.run("systemctl", "stop", "caddy")


def _caddy() -> Path:
    """Return Debian's program, fetched once: installing it would start it here."""
    found = shutil.which("caddy")
    if found:
        return Path(found)
    place = lab.cache() / "caddy"
    if not (place / "usr/bin/caddy").exists():
        place.mkdir(exist_ok=True)
        subprocess.run(["apt-get", "download", "-qq", "caddy"], cwd=place, check=True)
        (package,) = place.glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", str(package), str(place)], check=True)
    return place / "usr/bin/caddy"


@pytest.fixture(params=["nginx", "caddy"])
def proxy(request: pytest.FixtureRequest) -> lab.Machine:
    """One and the other."""
    found: lab.Machine = request.getfixturevalue(request.param)
    return found


HOST, TRUST = "https://ztrade.example.org", "/etc/ssl/certs/ztrade.example.org.pem"


def test_flower_behind_tls_at_a_path(proxy: lab.Machine) -> None:
    """Redirects, the login, every page and file, no metrics, nothing beside it; and orders know their own host."""
    plain, bare, slashed, root, metrics, inside = ask(
        proxy,
        [
            Call("http://ztrade.example.org/flower/"), Call(f"{HOST}/flower", login=LOGIN), Call(f"{HOST}/flower/"),
            Call(f"{HOST}/", login=LOGIN), Call(f"{HOST}/flower/metrics", login=LOGIN), Call(f"{FLOWER}/", login=LOGIN),
        ],
        authority=TRUST,
    )  # fmt: skip
    assert plain.status in (301, 308)
    assert plain.location == f"{HOST}/flower/"
    assert (bare.status, bare.location.removeprefix(HOST)) == (301, "/flower/")
    assert slashed.status == 401
    assert (root.status, metrics.status, inside.status) == (404, 404, 404)
    paths = ["/", "/workers", "/tasks", "/broker", "/worker/spy@" + node(proxy), "/api/workers", "/healthcheck"]
    pages = ask(proxy, [Call(f"{HOST}/flower{path}", login=LOGIN) for path in paths], authority=TRUST)
    assert [page.status for page in pages] == [200] * len(paths)
    assert all(page.headers.get("Strict-Transport-Security") for page in pages)
    links = {
        link for page in pages for link in re.findall(r'(?:href|src)="([^"#]+)"', page.text) if "://" not in link
    } - {""}
    assert len(links) > 10
    assert [link for link in links if not link.startswith("/flower/")] == []
    files = ask(proxy, [Call(HOST + link, login=LOGIN) for link in sorted(links)], authority=TRUST)
    assert {answer.status for answer in files} == {200}
    kinds = {Path(link.partition("?")[0]).suffix: file.kind for link, file in zip(sorted(links), files, strict=True)}
    assert "javascript" in kinds[".js"]
    assert "css" in kinds[".css"]
    scripts = "".join(file.text for link, file in zip(sorted(links), files, strict=True) if "/js/flower.js" in link)
    assert "url_prefix()" in scripts
    assert "new WebSocket" not in scripts, "the page says that none is needed"


def test_a_page_of_another_host_orders_nothing(proxy: lab.Machine) -> None:
    """Flower compares hosts, so the proxy must pass on which one was asked: else its own pages would be refused too."""
    order = f"{HOST}/flower/api/task/async-apply/ztrade.test_task"
    ours, theirs = ask(
        proxy,
        [
            Call(order, "POST", LOGIN, "{}", {"Origin": HOST}),
            Call(order, "POST", LOGIN, "{}", {"Origin": "https://evil.example"}),
        ],
        authority=TRUST,
    )
    assert "Read only mode" in ours.text
    assert (theirs.status, "Read only mode" in theirs.text) == (403, False)


def test_the_page_is_true(able: None) -> None:
    """docs/how-to/flower.md typed word for word on a machine that has only the package."""
    page = (lab.ROOT / "docs" / "how-to" / "flower.md").read_text(encoding="utf-8")
    said = ""
    with lab.boot(lab.installed(lab.built())) as fresh:
        certificate(fresh)
        for _, lines in BLOCK.findall(page):
            for line in lines.splitlines():
                said += types(fresh, line)
        made = json.loads(said[said.index("{") : said.index("}") + 1])
        shown = re.search(r"Flower's password, shown once: (\S+)", said)
        assert shown is not None
        calls = [
            Call(f"{HOST}/flower/", login=basic(*login)) for login in (("ann", shown[1]), ("ztrade", made["password"]))
        ]
        assert [answer.status for answer in ask(fresh, calls, authority=TRUST)] == [200, 401]
        assert service.failed(fresh) == ""
