"""Settings, routing, names: what is decided before a message leaves."""

from __future__ import annotations

import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.integration.celery_stage import write_config
from tests.unit.service.conftest import agent
from ztrade.config import Config
from ztrade.domain.ledger import CycleKind
from ztrade.errors import ConfigError
from ztrade.service import broker, names
from ztrade.service.app import create_app
from ztrade.service.routing import route
from ztrade.service.settings import settings, time_limits, visibility_timeout
from ztrade.service.worker import options

SLOT = "2022-08-22T13:35:00+00:00"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return write_config(tmp_path, "redis://127.0.0.1:1/0", agents={"spy": "5m", "aapl": "1h"})


def test_slots_and_runs_by_hand_have_queues_of_their_own(config: Config) -> None:
    """With a slot: the agent's queue; without: its control queue; the older spelling of the name counts."""
    cycle = names.TRADING_CYCLE
    assert route(config, cycle, ("agent_spy",), {}) == {"queue": "agent.spy.ctl"}
    assert route(config, cycle, (), {"agent_id": "spy", "slot": SLOT}) == {"queue": "agent.spy"}
    assert route(config, cycle, ("spy", True, True, SLOT), {}) == {"queue": "agent.spy"}
    assert route(config, names.SETTLE, ("aapl", SLOT), {}) == {"queue": "agent.aapl.ctl"}
    assert route(config, names.TEST_TASK, (), {}) == {"queue": "maintenance"}
    assert route(config, "celery.chord", (), {}) is None


@pytest.mark.parametrize(
    ("args", "kwargs", "what"),
    [
        (("nobody",), {}, "known agents: aapl, spy"),
        ((None,), {}, "None is no name of an agent"),
        ((7,), {}, "7 is no name of an agent"),
        (("spy",), {"slot": "yesterday"}, "yesterday"),
        (("spy",), {"slot": "2022-08-22T13:35:00"}, "no time zone"),
        (("spy",), {"slot": 1661175300}, "is no text"),
    ],
)
def test_wrong_arguments_fail_where_the_message_is_sent(
    config: Config, args: tuple[object, ...], kwargs: dict[str, object], what: str
) -> None:
    """One line naming the argument; nothing is sent (the Redis of this test does not exist)."""
    with pytest.raises(ConfigError, match=what) as caught:
        create_app(config).tasks[names.TRADING_CYCLE].delay(*args, **kwargs)
    assert "\n" not in str(caught.value)


def test_redis_down_is_one_line_at_the_caller(config: Config) -> None:
    """A closed port: BrokerUnavailable with the address."""
    with pytest.raises(broker.BrokerUnavailable, match=r"Redis at redis://127.0.0.1:1/0 does not answer") as caught:
        create_app(config).tasks[names.TRADING_CYCLE].apply_async(("spy",), ignore_result=True)
    assert "\n" not in str(caught.value)


def test_a_message_expires_long_before_redis_gives_it_out_again(config: Config) -> None:
    """The visibility timeout is longer than any window plus any cycle: a redelivered message is always expired."""
    for every in ("5s", "5m", "1h", "6h29m"):
        one = agent("spy", every)
        assert visibility_timeout([one]) > one.every + timedelta(seconds=600)
    made = settings(config, "beat")
    timeouts = {
        made["broker_transport_options"]["visibility_timeout"],
        made["result_backend_transport_options"]["visibility_timeout"],
    }
    assert timeouts == {visibility_timeout(config.agents.values()).total_seconds()}


def test_what_the_money_rests_on(config: Config) -> None:
    """JSON alone is loaded; one message at a time; Redis never repeats one; the queues are served in their order."""
    made = settings(config, "worker-spy")
    for key in ("accept_content", "result_accept_content"):
        assert made[key] == ["json"]
    assert (made["worker_prefetch_multiplier"], made["worker_disable_prefetch"], made["worker_concurrency"]) == (
        1,
        True,
        1,
    )
    assert (made["task_acks_late"], made["task_reject_on_worker_lost"]) == (False, False)
    assert made["task_track_started"] is True
    assert made["broker_transport_options"]["queue_order_strategy"] == "priority"


def test_time_limits() -> None:
    """Hard: the smaller of 600 s and 0.8 x the interval; soft: 5 s or a fifth less, so that there is time to write."""
    assert time_limits(agent("a", "5m")) == (235, 240)
    assert time_limits(agent("a", "1h")) == (595, 600)
    assert time_limits(agent("a", "10s")) == (6.4, 8)


def test_a_worker_that_celerys_own_command_starts_has_limits_too(config: Config, tmp_path: Path) -> None:
    """It may serve any agent, so the longest; in the settings they would count before an agent's own."""
    program = (
        "import sys\n"
        "from ztrade.celery_app import app, trading_cycle\n"
        "from ztrade.service.worker import options\n"
        "given = options(app.context.config.agents['spy'], 'info') if sys.argv[1:] else {'queues': ['agent.spy']}\n"
        "worker = app.Worker(**given)\n"
        "print(worker.pool.options['soft_timeout'], worker.pool.options['timeout'], trading_cycle.time_limit)\n"
    )

    def limits(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program, *arguments],
            cwd=tmp_path,
            env={"ZTRADE_CONFIG": str(tmp_path / "ztrade.toml")},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.splitlines()[-1]

    assert limits() == "595.0 600.0 None"
    assert limits("as `ztrade worker` does") == f"{' '.join(map(str, time_limits(config.agents['spy'])))} None"


def test_a_worker_consumes_its_control_queue_first() -> None:
    """The order of the queues is the order of service."""
    made = options(agent("spy"), "info")
    assert list(made["queues"]) == ["agent.spy.ctl", "agent.spy", "maintenance"]
    assert made["hostname"] == f"spy@{socket.gethostname()}"
    assert (made["soft_time_limit"], made["time_limit"]) == (235.0, 240.0)


def test_task_ids_are_functions_of_the_slot() -> None:
    """Readable, and the same for every sender."""
    at = datetime(2022, 8, 22, 14, 35, tzinfo=UTC)
    assert names.task_id(CycleKind.SLOT, "spy", at) == "cycle:spy:20220822T143500Z"
    assert names.task_id(CycleKind.SETTLE, "spy", at) == "settle:spy:20220822T143500Z"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://h:1/2", "redis://h:1/2"),
        ("redis+socket:///run/r.sock", "unix:///run/r.sock?db=0"),
        ("redis+socket:///run/r.sock?virtual_host=3", "unix:///run/r.sock?db=3"),
        ("redis+socket://u:p@/run/r.sock", "unix://u:p@/run/r.sock?db=0"),
    ],
)
def test_urls_in_redis_own_spelling(url: str, expected: str) -> None:
    """Celery and redis-py spell a unix socket differently."""
    assert broker.to_redis_py(url) == expected


@pytest.mark.parametrize("url", ["redis+socket://host/x", "redis+socket://", "redis+socket:///x?virtual_host=y"])
def test_wrong_socket_urls_are_config_errors(url: str) -> None:
    """One line that names redis.url."""
    with pytest.raises(ConfigError, match=r"redis\.url"):
        broker.client(url)


def test_passwords_are_never_shown() -> None:
    """The URL in a message has stars where the password was."""
    assert broker.shown("redis://user:geheim@host:1/0") == "redis://user:***@host:1/0"
    assert "geheim" not in str(broker.unavailable("redis://:geheim@host:1/0", OSError("x\ny")))


def test_importing_the_application_reads_nothing(tmp_path: Path) -> None:
    """Without any configuration the import works, the first use says which file is missing."""
    program = (
        "from ztrade.celery_app import trading_cycle, test_task\n"
        "try:\n    trading_cycle.delay('spy')\nexcept Exception as error:\n    print(type(error).__name__, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"ZTRADE_CONFIG": str(tmp_path / "none.toml")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("ConfigError")
    assert "none.toml: the file does not exist" in done.stdout
