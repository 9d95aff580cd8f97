"""The exporter as a process beside a real Redis, real workers and a real beat: what it serves, and when it notices."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.celery_stage import Stage, child_of, minutes, stage
from tests.integration.flower_calls import free_port
from tests.waiting import wait_for
from ztrade.adapters.journal import open_journal
from ztrade.service import broker, names
from ztrade.service.exporter import catalogue_service
from ztrade.service.exporter.catalogue import METRICS
from ztrade.service.exporter.redis_source import SEPARATOR

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("stack")]

#: told by others than this machine: systemd is tried on one that it booted, the journal's writes by their own test
ELSEWHERE = {"ztrade_unit_active", "ztrade_unit_restarts_total", "ztrade_journal_write_seconds"}
#: wall seconds in which a worker that was killed shows as down
DOWN = 15.0


class Served:
    """A stage, and the exporter that looks at it."""

    def __init__(self, stage: Stage) -> None:
        self.stage, port = stage, free_port()
        self.url = f"http://127.0.0.1:{port}/metrics"
        command = [sys.executable, "-m", "ztrade", "--config", str(stage.config.path), "exporter", "--port", str(port)]
        self.log = stage.folder / "exporter.txt"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        self.workers: dict[str, subprocess.Popen[bytes]] = {}

    def text(self) -> str:
        with urllib.request.urlopen(self.url, timeout=30) as page:
            return str(page.read().decode())

    def families(self) -> list[Family]:
        return list(text_string_to_metric_families(self.text()))

    def value(self, sample: str, **labels: str) -> float | None:
        """Return one sample's value, None where it is not served."""
        for family in self.families():
            for found in family.samples:
                if found.name == sample and found.labels == labels:
                    return float(found.value)
        return None

    def wait(self, sample: str, is_so: Callable[[float | None], bool], /, seconds: float = 20, **labels: str) -> None:
        """Wait until a sample's value is so."""
        wait_for(lambda: is_so(self.value(sample, **labels)), seconds, f"{sample}{labels}")

    def test(self, agent: str) -> None:
        """Let the agent's worker run the test task."""
        queue = names.control_queue(agent)
        assert self.stage.tasks.test_task.apply_async(queue=queue).get(timeout=90)["agent"] == agent


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Two workers of three agents on one machine, beat, and the exporter from before their time."""
    agents = {"spy": "5m", "tsla": "5m", "aapl": "1h"}
    with stage(tmp_path_factory.mktemp("exporter"), agents=agents) as made:
        made.clock.write(minutes(0), minutes(11), None)
        # the stage's workers have another one
        open_journal(made.config.journal_url).close()
        backups = made.config.state_dir / "backups"
        backups.mkdir()
        (backups / "journal-20220822T000000Z.db").write_text("")
        found = Served(made)
        try:
            _wait_for_page(found)
            found.workers = {name: made.start("worker", name) for name in ("spy", "tsla")}
            made.start("beat")
            for agent in found.workers:
                found.test(agent)
            wait_for(lambda: len(made.ran()) == 4, 60, "two slots of two agents")
            yield found
        finally:
            found.process.terminate()
            assert found.process.wait(90) == 0
            print(found.log.read_text())


def _wait_for_page(served: Served) -> None:
    def answers() -> bool:
        try:
            return bool(served.text())
        except OSError:
            return False

    wait_for(answers, 30, "the first page")


def is_told(value: float | None) -> bool:
    return value is not None


def counted(value: float) -> Callable[[float | None], bool]:
    return lambda found: found == value


def test_a_cycle_is_counted_from_its_message_to_its_end(served: Served) -> None:
    """A run by hand after the slots of beat's, each at its own agent."""
    samples = [
        *(f"ztrade_tasks_{kind}_total" for kind in ("sent", "received", "started", "succeeded")),
        *(f"ztrade_task_{what}_seconds_count" for what in ("run", "queue_wait")),
    ]
    for sample in samples:
        wait_for(lambda sample=sample: cycles(served, sample, "tsla") == 2.0, 20, f"beat's {sample}")  # type: ignore[misc]
    before = {sample: cycles(served, sample) for sample in samples}
    served.stage.tasks.trading_cycle.delay("agent_spy", dry_run=True, manual=True).get(timeout=90)
    for sample in samples:
        wait_for(lambda sample=sample: cycles(served, sample) == before[sample] + 1, 20, sample)  # type: ignore[misc]
    assert served.value("ztrade_exporter_events_lost_total") == 0.0


def cycles(served: Served, sample: str, agent: str = "spy") -> float:
    """Return what is counted of an agent's cycles."""
    return served.value(sample, task=names.TRADING_CYCLE, agent=agent) or 0.0


def test_what_is_served_is_what_the_catalogue_says(served: Served) -> None:
    """Each metric once, with its type, labels and words; none of the machinery's is missing."""
    served.wait("ztrade_beat_last_publish_age_seconds", is_told)
    text, found = served.text(), served.families()
    ours = {_full(family): family for family in found if family.name.startswith("ztrade_")}
    assert set(ours) <= set(METRICS)
    assert {name for name in ours if text.count(f"# TYPE {name} ") != 1} == set()
    for name, family in ours.items():
        metric = METRICS[name]
        assert (family.type, family.documentation) == (metric.kind.value, metric.help), name
        seen = {tuple(sorted(set(sample.labels) - {"le"})) for sample in family.samples}
        assert seen == {tuple(sorted(metric.labels))}, name
    assert {metric.name for metric in catalogue_service.METRICS} - set(ours) - ELSEWHERE == set()
    sources = {sample.labels["source"] for sample in ours["ztrade_exporter_source_up"].samples}
    assert {"events", "redis", "reports", "files"} <= sources
    assert "units" not in sources or Path("/run/systemd/system").is_dir()


def _full(family: Family) -> str:
    return f"{family.name}_total" if family.type == "counter" else str(family.name)


def test_each_worker_is_a_series_and_one_never_seen_is_nought(served: Served) -> None:
    for agent, up in (("spy", 1.0), ("tsla", 1.0), ("aapl", 0.0)):
        served.wait("ztrade_worker_up", counted(up), agent=agent)
    assert served.value("ztrade_worker_consuming", agent="aapl") == 0.0
    served.wait("ztrade_worker_consuming", counted(1.0), agent="spy")
    age = served.value("ztrade_worker_last_ask_age_seconds", agent="spy")
    assert age is not None
    assert age < 10
    for process in ("main", "child"):
        served.wait("ztrade_worker_memory_bytes", lambda size: (size or 0) > 10e6, agent="spy", process=process)
    assert abs((served.value("ztrade_worker_start_timestamp_seconds", agent="spy") or 0) - time.time()) < 300
    assert served.value("ztrade_beat_up") == 1.0
    served.wait("ztrade_redis_clients", lambda count: (count or 0) > 0, name="ztrade-worker-tsla")
    assert served.value("ztrade_redis_clients", name="ztrade-worker-aapl") == 0.0


def push(served: Served, name: str, **headers: Any) -> None:
    """Put a message into a list of Redis as kombu would."""
    import json

    queue = name.partition(SEPARATOR)[0]
    properties = {"delivery_tag": "x", "delivery_info": {"exchange": queue, "routing_key": queue}}
    properties |= {"body_encoding": "base64", "correlation_id": "x"}
    properties["delivery_info"] |= {key: headers[key] for key in ("redelivered",) if key in headers}  # type: ignore[operator]
    message = {
        "body": "W1tdLCB7fSwge31d", "content-encoding": "utf-8", "content-type": "application/json",
        "headers": {"id": "x", "task": names.TEST_TASK, "lang": "py", **headers}, "properties": properties,
    }  # fmt: skip
    connection = broker.client(served.stage.redis.url)
    connection.lpush(name, json.dumps(message))
    connection.close()


def test_what_waits_is_counted_in_all_its_lists(served: Served) -> None:
    """Messages with a priority, which no worker of ours asks for, and the age of the oldest."""
    push(served, "agent.aapl")
    push(served, f"agent.aapl{SEPARATOR}9", **{names.SENT_AT: time.time() - 100})
    served.stage.tasks.trading_cycle.apply_async(kwargs={"agent_id": "aapl"}, ignore_result=True)
    served.wait("ztrade_queue_messages", counted(2.0), queue="agent.aapl")
    assert served.value("ztrade_queue_messages", queue="agent.aapl.ctl") == 1.0
    oldest = served.value("ztrade_queue_oldest_message_age_seconds", queue="agent.aapl") or 0.0
    assert 100 <= oldest < 130
    first = served.value("ztrade_queue_oldest_message_age_seconds", queue="agent.aapl.ctl") or 0.0
    served.wait("ztrade_queue_oldest_message_age_seconds", lambda age: (age or 0) > first + 1, queue="agent.aapl.ctl")
    assert served.value("ztrade_queue_oldest_message_age_seconds", queue="agent.spy") == 0.0
    connection = broker.client(served.stage.redis.url)
    connection.delete("agent.aapl", f"agent.aapl{SEPARATOR}9", "agent.aapl.ctl")
    connection.close()


def test_a_worker_tells_of_messages_that_came_again_or_made_no_sense(served: Served) -> None:
    push(served, "agent.spy", redelivered=True)
    push(served, "agent.spy", task="somebody.elses")
    served.wait("ztrade_tasks_redelivered_total", counted(1.0), task=names.TEST_TASK, agent="spy")
    served.wait("ztrade_tasks_rejected_total", counted(1.0), task="unknown", agent="spy")
    assert served.value("ztrade_tasks_rejected_total", task="unknown", agent="tsla") == 0.0


def test_events_of_nonsense_are_counted(served: Served) -> None:
    before = served.value("ztrade_exporter_events_unknown_total") or 0.0
    connection = broker.client(served.stage.redis.url, as_text=False)
    for data in (b"", b"\xff\x00", b"{}", b"[" * 10_000, b"x" * 200_000):
        connection.publish("/0.celeryev/task.sent", data)
    connection.close()
    served.wait("ztrade_exporter_events_unknown_total", lambda value: (value or 0) >= before + 5)
    before = served.value("ztrade_tasks_succeeded_total", task=names.TEST_TASK, agent="tsla") or 0.0
    served.test("tsla")
    served.wait(
        "ztrade_tasks_succeeded_total", lambda value: (value or 0) > before, task=names.TEST_TASK, agent="tsla"
    )  # fmt: skip


def test_a_message_is_not_unacknowledged_while_it_runs(served: Served) -> None:
    """It is acknowledged when its task begins: what stays was taken by a worker that died."""
    # another instant than that of other runs by hand, which is one slot
    served.stage.clock.write(minutes(12), minutes(12), None)
    served.stage.seconds("spy", 7)
    started = time.monotonic()
    try:
        _runs_long(served)
    finally:
        served.stage.seconds("spy", 0)
    assert time.monotonic() - started >= 6


def _runs_long(served: Served) -> None:
    served.stage.tasks.trading_cycle.apply_async(args=["spy"], ignore_result=True)
    served.wait("ztrade_tasks_in_flight", counted(1.0), agent="spy")
    served.wait("ztrade_unacked_messages", counted(0.0), agent="spy")
    served.wait("ztrade_worker_consuming", counted(1.0), agent="spy")
    served.wait("ztrade_tasks_in_flight", counted(0.0), agent="spy")


def test_a_message_whose_worker_died_before_it_began(served: Served) -> None:
    connection = broker.client(served.stage.redis.url)
    keys: Mapping[str, str] = names.unacked_keys(names.worker_role("aapl"))
    connection.hset(keys["unacked_key"], "tag", "[{}]")
    connection.zadd(keys["unacked_index_key"], {"tag": time.time() - 30})
    served.wait("ztrade_unacked_messages", counted(1.0), agent="aapl")
    assert 30 <= (served.value("ztrade_unacked_oldest_age_seconds", agent="aapl") or 0.0) < 60
    connection.delete(*keys.values())
    connection.close()


def test_the_end_of_a_child_is_told_with_its_cause(served: Served) -> None:
    os.kill(child_of(served.workers["tsla"]).pid, signal.SIGKILL)
    served.wait("ztrade_worker_child_deaths_total", counted(1.0), agent="tsla", cause="signal")
    assert served.value("ztrade_worker_up", agent="tsla") == 1.0
    served.test("tsla")


def test_while_redis_is_down_the_rest_is_served(served: Served) -> None:
    """Queues are unknown, counters stay, and all comes back with it; workers count their reconnects."""
    before = served.value("ztrade_exporter_events_total", type="task-succeeded") or 0.0
    served.stage.redis.stop()
    try:
        served.wait("ztrade_redis_up", counted(0.0))
        served.wait("ztrade_exporter_source_up", counted(0.0), source="events")
        assert served.value("ztrade_queue_messages", queue="agent.spy") is None
        assert served.value("ztrade_tasks_in_flight", agent="spy") is None
        assert (served.value("ztrade_exporter_events_total", type="task-succeeded") or 0.0) >= before
        assert served.value("ztrade_worker_up", agent="spy") == 1.0, "its report tells"
        assert (served.value("ztrade_exporter_scrape_seconds_count") or 0) > 0
    finally:
        served.stage.redis.start()
    served.wait("ztrade_redis_up", counted(1.0))
    served.wait("ztrade_exporter_source_up", counted(1.0), source="events")
    served.wait("ztrade_worker_consuming", counted(1.0), seconds=60, agent="tsla")
    served.test("tsla")
    served.wait("ztrade_exporter_events_total", lambda value: (value or 0) > before, type="task-succeeded")
    assert (served.value("ztrade_worker_broker_reconnects_total", agent="tsla") or 0) >= 1.0


def test_a_worker_that_was_killed_shows_as_down_while_its_neighbour_lives(served: Served) -> None:
    os.killpg(served.workers["spy"].pid, signal.SIGKILL)
    served.wait("ztrade_worker_up", counted(0.0), seconds=DOWN, agent="spy")
    assert served.value("ztrade_worker_up", agent="tsla") == 1.0
    served.wait("ztrade_worker_consuming", counted(0.0), agent="spy")
    assert served.value("ztrade_worker_start_timestamp_seconds", agent="spy") is None
    assert cycles(served, "ztrade_tasks_succeeded_total") > 0.0, "what was counted stays"
    served.workers["spy"] = served.stage.start("worker", "spy")
    served.test("spy")
