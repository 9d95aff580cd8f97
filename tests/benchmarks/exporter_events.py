"""Celery's events as its own workers and beat send them, many: what exporters are fed with."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from celery import Celery

#: a task's: sent by beat one by one; received, started, succeeded by its worker, up to 24 in one message
EVENTS_OF_TASK = 4
#: wall seconds between two heartbeats of a worker, as Celery has it
BEAT = 2.0
_BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
_DONE = (
    "{{'cycle_id': '{number}', 'agent': '{agent}', 'slot': '2024-03-05T15:00:00+00:00', 'outcome': 'held', "
    "'reason': 'held: score 0.12 under 0.30', 'order_ids': []}}"
)


class Senders:
    """Beat and one worker for each agent, as far as their events go.

    Args:
        url: of Redis.
        agents: their names; a worker's node is called ``AGENT@bench``.
    """

    def __init__(self, url: str, agents: Sequence[str]) -> None:
        self._app = Celery("senders", broker=url)
        self._connection = self._app.connection_for_write()
        self._beat = self._sender("gen1@bench")
        self._workers = {agent: self._sender(f"{agent}@bench", ["task"]) for agent in agents}
        self._processed = dict.fromkeys(agents, 0)
        self._numbers = count()

    def _sender(self, node: str, grouped: Sequence[str] = ()) -> Any:
        return self._app.events.Dispatcher(self._connection, hostname=node, buffer_group=grouped)

    def heartbeats(self) -> None:
        """Send one of each worker."""
        for agent, worker in self._workers.items():
            told = {"active": 0, "processed": self._processed[agent], "loadavg": os.getloadavg(), "freq": BEAT}
            worker.send("worker-heartbeat", sw_ident="py-celery", sw_ver="5.7.0", sw_sys="Linux", **told)

    def task(self, agent: str) -> None:
        """Send the events of one slot's cycle."""
        number = next(self._numbers)
        uuid = f"cycle:{agent}:{_BEGIN + timedelta(seconds=number):%Y%m%dT%H%M%SZ}"
        queue, name = f"agent.{agent}", "ztrade.trading_cycle"
        whole: dict[str, object] = {
            "uuid": uuid,
            "name": name,
            "args": f"('{agent}',)",
            "kwargs": "{'dry_run': True}",
            "root_id": uuid,
        }
        whole |= {"parent_id": None, "retries": 0, "eta": None, "expires": None}
        self._beat.send("task-sent", queue=queue, exchange="", routing_key=queue, **whole)
        worker = self._workers[agent]
        worker.send("task-received", **whole)
        worker.send("task-started", uuid=uuid)
        worker.send("task-succeeded", uuid=uuid, runtime=0.5, result=_DONE.format(number=number, agent=agent))
        self._processed[agent] += 1

    def tasks(self, events: int, rate: float) -> Iterator[int]:
        """Send events at a rate a second, all agents in turn; yields how many so far, each tenth of a second."""
        agents, began, sent, beaten = list(self._workers), time.monotonic(), 0, float("-inf")
        while sent < events:
            now = time.monotonic()
            if now - beaten > BEAT:
                beaten = now
                self.heartbeats()
            due = min(int((now - began) * rate), events)
            while sent < due:
                self.task(agents[(sent // EVENTS_OF_TASK) % len(agents)])
                sent += EVENTS_OF_TASK
            self.flush()
            yield sent
            time.sleep(max(0.0, 0.1 - (time.monotonic() - now)))
        self.heartbeats()

    def flush(self) -> None:
        """Send what waits to be put into one message."""
        for worker in self._workers.values():
            worker.flush()

    def close(self) -> None:
        """Give up the connection."""
        self._connection.release()
        self._app.close()
