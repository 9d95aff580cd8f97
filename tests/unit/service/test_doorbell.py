"""One look at a real Redis: who waits at which queue, and what waits there."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from redis import Redis

from ztrade.service import broker, names
from ztrade.service.doorbell import Consuming, Doorbell, QueueState, look, taking
from ztrade.testing.redis_server import RedisServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    made = RedisServer(tmp_path / "redis")
    made.start()
    yield made
    made.stop()


def message(task_id: str) -> str:
    return json.dumps({"body": "", "headers": {"id": task_id}})


def test_queues_with_messages_are_listed_with_their_oldest(server: RedisServer) -> None:
    """A message's slot is part of its id; one by hand has none."""
    with closing(broker.client(server.url)) as redis:
        for slot in ("20220822T143500Z", "20220822T144000Z"):
            redis.lpush(names.slot_queue("spy"), message(f"cycle:spy:{slot}"))
        redis.lpush(names.control_queue("tsla"), message("5f0c"), "no JSON")
    found = look(server.url, ["spy", "tsla"], looks=1)
    oldest = datetime(2022, 8, 22, 14, 35, tzinfo=UTC)
    assert found.queues == [QueueState("agent.spy", 2, oldest), QueueState("agent.tsla.ctl", 2, None)]
    assert found.waiting == frozenset()


def test_a_worker_that_waits_at_its_queue_is_seen(server: RedisServer) -> None:
    """By its connection's name and what it is doing."""
    worker = Redis.from_url(broker.to_redis_py(server.url), client_name=names.client_name("worker-spy"))
    thread = threading.Thread(target=lambda: worker.brpop(["agent.spy"], timeout=30))
    thread.start()
    deadline = time.monotonic() + 25
    while "spy" not in look(server.url, ["spy", "tsla"], looks=2).waiting:
        assert time.monotonic() < deadline
    with closing(broker.client(server.url)) as redis:
        redis.lpush("agent.spy", "x")
    thread.join()
    worker.close()


def test_one_that_does_not_answer_is_an_outage(tmp_path: Path) -> None:
    """Said as everywhere else."""
    with pytest.raises(broker.BrokerUnavailable, match="does not answer"):
        look(f"redis+socket://{tmp_path}/none.sock", ["spy"])


def test_a_busy_worker_takes_messages_too() -> None:
    """It waits at no queue because a cycle fills it, and the journal knows which."""
    bell = Doorbell(frozenset({"spy"}), ())
    assert taking(bell, ["spy", "tsla", "aapl"], {"tsla": "c7"}) == {
        "spy": Consuming(True, "waits at its queues"),
        "tsla": Consuming(True, "busy with c7"),
        "aapl": Consuming(False, "does not take messages"),
    }
