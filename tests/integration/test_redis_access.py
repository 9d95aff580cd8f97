"""Every role with its own login, on Debian's Redis and on Valkey: all that ztrade does is allowed, and no more."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import NoPermissionError, RedisError

from tests.integration.celery_stage import Stage, minutes, write_config
from tests.integration.flower_calls import Browser, free_port
from tests.integration.needs import needs
from tests.waiting import wait_for
from ztrade.adapters.budget import LocalBudget, Purpose, RedisBudget
from ztrade.adapters.clock import SystemClock
from ztrade.config import redis_login
from ztrade.config_credentials import login_in
from ztrade.errors import ConfigError, TemporaryError
from ztrade.service import broker
from ztrade.service.access_files import Place, Renewed, renew
from ztrade.service.app import create_app
from ztrade.service.consuming import consuming
from ztrade.service.exporter.event_book import EventBook
from ztrade.service.exporter.events_source import EventsSource
from ztrade.service.exporter.presence import Presence
from ztrade.service.exporter.redis_source import RedisSource
from ztrade.service.exporter.source import Value
from ztrade.service.probe import probe
from ztrade.testing.redis_server import RedisServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("stack")]

AGENTS = {"spy": "5m", "tsla": "5m", "aapl": "1h"}


class Guarded:
    """A Redis that lets nobody in without a login, and processes that each have their role's."""

    def __init__(self, folder: Path, binary: str) -> None:
        self.folder = folder
        self.redis = RedisServer(folder / "redis", binary=binary, more={"aclfile": str(folder / "users.acl")})
        self.place = Place(folder / "logins", folder / "operators/redis", folder / "users.acl", self.redis.url)
        self.renew()
        self.redis.start()
        flower = f"[flower]\nport = {free_port()}\n"
        self.stage = Stage(folder, self.redis, write_config(folder / "etc", self.redis.url, agents=AGENTS, more=flower))
        self.config = self.stage.config
        self.browser = Browser(f"http://127.0.0.1:{self.config.main.flower.port}", self.config.state_dir)

    def renew(self, *, control: bool = False, agents: tuple[str, ...] = tuple(AGENTS)) -> Renewed:
        """Make the logins."""
        return renew(self.place, {name: name for name in agents}, control=control)

    def as_role(self, role: str) -> dict[str, str]:
        """Return the environment in which systemd would run the role."""
        folder = self.folder / "credentials" / role
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.place.logins / role, folder / "redis")
        return {"CREDENTIALS_DIRECTORY": str(folder)}

    def user(self, role: str) -> Redis:
        """Return a client with the role's login."""
        login = login_in(self.place.logins / role)
        assert login is not None
        return Redis(unix_socket_path=str(self.redis.socket), username=login.user, password=login.password, protocol=2)

    def refused(self) -> list[tuple[str, str, str]]:
        """Return whom Redis has refused what, and why."""
        with closing(self.user("admin")) as admin:
            found: list[dict[str, Any]] = admin.acl_log()
            return [(entry["username"], entry["object"], entry["reason"]) for entry in found]

    def passwords(self) -> list[str]:
        """Return all passwords."""
        found = [login_in(file) for file in self.place.logins.iterdir()]
        return [login.password for login in found if login is not None]

    def close(self) -> None:
        """End everything."""
        self.stage.close()
        self.redis.close()


@pytest.fixture(params=["redis-server", "valkey"])
def guarded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Guarded]:
    """Give it on both servers."""
    binary = ""
    if request.param == "redis-server":
        needs("redis-server")
        binary = str(shutil.which("redis-server"))
    made = Guarded(tmp_path, binary)
    yield made
    made.close()


@pytest.fixture
def operator(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> Guarded:
    """Let this process be a person in group ztrade-operators."""
    become(guarded, "operator", monkeypatch)
    return guarded


def become(guarded: Guarded, role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process have the role's login."""
    for name, value in guarded.as_role(role).items():
        monkeypatch.setenv(name, value)


def test_a_day_of_everything_is_refused_nothing(operator: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day of slots, runs by hand, tests, Flower's every page, status and budget: ACL LOG stays empty."""
    stage = operator.stage
    stage.clock.write(minutes(0), minutes(24 * 60), None)
    for name in AGENTS:
        stage.start("worker", name, more=operator.as_role(f"worker-{name}"))
    stage.start("flower", more=operator.as_role("flower"))
    assert {answer.agent for answer in probe(operator.config, 30) if answer.worker} == set(AGENTS)
    stage.start("beat", more=operator.as_role("beat"))
    ran = stage.tasks.trading_cycle.delay("agent_spy", dry_run=True, manual=True).get(timeout=90)
    assert ran["agent"] == "spy"
    pages = operator.browser.every_page(operator.config)
    wait_for(lambda: stage.clock.status().finished, 90, "the day's end")
    assert len(stage.ran()) == 77 + 77 + 6
    for role in ("keeper", "operator"):
        become(operator, role, monkeypatch)
        assert all(state.yes for state in consuming(operator.config, sorted(AGENTS)).values())
    become(operator, "exporter", monkeypatch)
    _export(operator)
    for role in ("keeper", "worker-spy"):
        become(operator, role, monkeypatch)
        RedisBudget(operator.redis.url, "paper", LocalBudget(), login=_pair(operator)).take(Purpose.READ)
    assert operator.refused() == []
    # nobody who may see Flower learns from it what opens Redis
    seen = pages + operator.browser.every_page(operator.config) + stage.output()
    become(operator, "flower", monkeypatch)
    app = create_app(operator.config)
    seen += json.dumps([app.control.inspect(timeout=2).conf(), app.control.inspect(timeout=2).stats()], default=str)
    app.close()
    assert "spy@" in seen
    assert [word for word in operator.passwords() if word in seen] == []


def _export(guarded: Guarded) -> None:
    """Let the exporter hear events, and look at Redis with messages in it, which it then reads."""
    with closing(guarded.user("admin")) as admin:
        admin.lpush("maintenance\x06\x169", "x")
        over, events = threading.Event(), EventsSource(guarded.config, EventBook(AGENTS))
        events.start(over)
        found = dict(_values(RedisSource(guarded.config, Presence(), SystemClock()).look()))
        wait_for(lambda: dict(_values(events.look()))["ztrade_exporter_events_total", ("worker-heartbeat",)] > 2, 20)
        over.set()
        admin.delete("maintenance\x06\x169")
    assert found["ztrade_redis_up", ()] == found["ztrade_queue_messages", ("maintenance",)] == 1.0
    assert found["ztrade_redis_safe", ()] == 1.0
    assert all(found["ztrade_redis_clients", (f"ztrade-worker-{agent}",)] for agent in AGENTS)
    assert all(("ztrade_unacked_messages", (agent,)) in found for agent in AGENTS)


def _values(told: Iterable[Value]) -> Iterator[tuple[Any, Any]]:
    return (((name, labels), value) for name, labels, value in told)


def _pair(guarded: Guarded) -> Any:
    def pair() -> tuple[str, str] | None:
        login = redis_login(guarded.redis.url)
        return login.pair if login else None

    return pair


@pytest.mark.parametrize(
    ("role", "command"),
    [
        ("worker-spy", ("LPUSH", "agent.tsla", "x")),
        ("worker-spy", ("LPUSH", "agent.tsla.ctl", "x")),
        ("worker-spy", ("BRPOP", "agent.tsla", "1")),
        ("worker-spy", ("HSET", "unacked.worker-tsla", "x", "y")),
        ("worker-spy", ("SADD", "_kombu.binding.agent.tsla", "x")),
        ("worker-spy", ("FLUSHALL",)),
        ("worker-spy", ("KEYS", "*")),
        ("flower", ("LPUSH", "agent.spy", "x")),
        ("flower", ("LPUSH", "maintenance", "x")),
        ("flower", ("DEL", "agent.spy")),
        ("flower", ("SET", "celery-task-meta-x", "y")),
        ("flower", ("HSET", "unacked.worker-spy", "x", "y")),
        ("exporter", ("LPUSH", "agent.spy", "x")),
        ("exporter", ("RPOP", "agent.spy")),
        ("exporter", ("ZREM", "unacked.worker-spy.index", "x")),
        ("exporter", ("PUBLISH", "/0.celeryev/task.sent", "x")),
        ("exporter", ("PUBLISH", "/0.celery.pidbox", "x")),
        ("exporter", ("GET", "celery-task-meta-x")),
        ("keeper", ("LPUSH", "agent.spy", "x")),
        ("beat", ("BRPOP", "agent.spy", "1")),
        ("operator", ("ACL", "SETUSER", "operator", "+@all")),
        ("operator", ("CONFIG", "SET", "dir", "/")),
        ("operator", ("FLUSHALL",)),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value[:2]),
)
def test_what_a_role_may_not_do(guarded: Guarded, role: str, command: tuple[str, ...]) -> None:
    """NOPERM, and a line in ACL LOG that names the user."""
    with closing(guarded.user(role)) as client, pytest.raises(NoPermissionError):
        client.execute_command(*command)  # type: ignore[no-untyped-call]
    assert [user for user, _, _ in guarded.refused()] == [role]


def test_nobody_comes_in_without_a_login(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default user is off, and the error says what mends it."""
    with closing(Redis(unix_socket_path=str(guarded.redis.socket))) as stranger, pytest.raises(RedisError):
        stranger.ping()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(guarded.folder / "none"))
    with pytest.raises(TemporaryError, match=r"refuses this login: .*; fix: be in group ztrade-operators"):
        broker.check(guarded.redis.url)


def test_a_flower_without_control_starts_nothing(guarded: Guarded) -> None:
    """Not by Flower, not by its login at Redis, and no worker listens to its orders."""
    stage = guarded.stage
    worker = stage.start("worker", "spy", more=guarded.as_role("worker-spy"))
    stage.start("flower", more=guarded.as_role("flower"))
    guarded.browser.wait_for_worker("spy")
    for path, body in ORDERS:
        assert guarded.browser.post(path, body) == 403, path
    with closing(guarded.user("flower")) as flower:
        for order in COMMANDS:
            # what Celery's control sends, word for word
            flower.publish("/0.celery.pidbox", _envelope(order))
    assert guarded.browser.get("/api/workers?refresh=1")[0] == 200
    wait_for(lambda: stage.output().count("flower.control is off") >= len(COMMANDS), 20, "the refusals")
    assert worker.poll() is None
    with closing(guarded.user("admin")) as admin:
        assert [admin.llen(queue) for queue in ("agent.spy", "agent.spy.ctl", "maintenance")] == [0, 0, 0]
    assert guarded.refused() == []


COMMANDS = ("shutdown", "cancel_consumer", "add_consumer", "rate_limit", "revoke", "pool_shrink", "terminate")
#: at Flower's API
ORDERS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("/api/task/async-apply/ztrade.test_task", {}),
    ("/api/task/apply/ztrade.test_task", {}),
    ("/api/task/send-task/ztrade.trading_cycle", {"args": ["spy"]}),
    ("/api/task/revoke/cycle:spy:20220822T143500Z?terminate=true", {}),
    ("/api/worker/shutdown/spy@{host}", {}),
    ("/api/worker/pool/shrink/spy@{host}", {}),
    ("/api/worker/queue/cancel-consumer/spy@{host}?queue=agent.spy", {}),
)


def _envelope(order: str) -> str:
    from base64 import b64encode

    arguments = {"task_id": "x", "queue": "agent.spy", "task_name": "ztrade.test_task", "rate_limit": "1/h", "n": 1}
    body = {"method": order, "arguments": arguments, "destination": None}
    properties = {
        "body_encoding": "base64", "delivery_mode": 2, "priority": 0, "delivery_tag": "x", "correlation_id": "x",
        "delivery_info": {"exchange": "celery.pidbox", "routing_key": ""},
    }  # fmt: skip
    return json.dumps(
        {
            "body": b64encode(json.dumps(body).encode()).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {"clock": 1, "expires": 1e12},
            "properties": properties,
        }
    )


def test_an_agent_that_is_new_or_gone_is_told_to_a_redis_that_runs(guarded: Guarded) -> None:
    """No restart, no connection cut but that of the agent that is gone; what there was stays as it was."""
    with closing(guarded.user("worker-spy")) as spy, closing(guarded.user("worker-tsla")) as tsla:
        me = spy.client_id()
        tsla.ping()
        before = (guarded.place.logins / "worker-spy").read_text()
        done = guarded.renew(agents=("spy", "qqq"))
        assert done.made == ["worker-qqq"]
        assert sorted(done.told) == ["worker-aapl", "worker-qqq", "worker-tsla"]
        assert spy.client_id() == me
        assert (guarded.place.logins / "worker-spy").read_text() == before
        with closing(guarded.user("worker-qqq")) as qqq:
            assert qqq.lpush("agent.qqq", "x") == 1
        with pytest.raises(RedisError):
            tsla.ping()
    assert not (guarded.place.logins / "worker-tsla").exists()
    assert guarded.renew(agents=("spy", "qqq")) == Renewed(done.users, [], [])
    # what Redis reads at its next start says the same
    guarded.redis.stop()
    guarded.redis.start()
    with closing(guarded.user("worker-qqq")) as qqq:
        assert qqq.llen("agent.qqq") == 1


def test_what_was_taken_in_a_transaction_survives_a_crash_of_redis(guarded: Guarded) -> None:
    """Redis 7.0 replays transactions as its default user: one without rights would lose them, and say so in ACL LOG."""
    with closing(guarded.user("worker-spy")) as spy:
        taken = spy.pipeline()
        taken.zadd("unacked.worker-spy.index", {"tag": 1})
        taken.hset("unacked.worker-spy", "tag", "message")
        taken.execute()
    time.sleep(1.5)  # what Redis may take to write it
    guarded.redis.kill()
    guarded.redis.start()
    with closing(guarded.user("worker-spy")) as spy:
        assert spy.hget("unacked.worker-spy", "tag") == b"message"
        assert spy.zrange("unacked.worker-spy.index", 0, -1) == [b"tag"]
    assert guarded.refused() == []
    logins: tuple[dict[str, Any], ...] = ({}, {"username": "default", "password": ""}, {"password": "x"})
    for login in logins:
        with closing(Redis(unix_socket_path=str(guarded.redis.socket), **login)) as none, pytest.raises(RedisError):
            none.ping()


def test_control_lets_flower_send(guarded: Guarded) -> None:
    """The operator's switch, and nothing else, gives it the queues."""
    assert guarded.renew(control=True).told == ["flower"]
    with closing(guarded.user("flower")) as flower:
        assert flower.lpush("agent.spy", "x") == 1
    assert guarded.renew(control=False).told == ["flower"]
    with closing(guarded.user("flower")) as flower, pytest.raises(NoPermissionError):
        flower.lpush("agent.spy", "x")


def test_a_redis_that_runs_with_other_logins_is_said(guarded: Guarded) -> None:
    """Their files were lost while it ran: one line, and what mends it."""
    shutil.rmtree(guarded.place.logins)
    with pytest.raises(ConfigError, match=r"does not take the logins: .*; fix: systemctl restart ztrade.target"):
        guarded.renew()
