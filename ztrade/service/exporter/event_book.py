"""What Celery's events say of tasks, by task and agent. Pure: events in, values out, and flat however many come."""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from ztrade.domain.spread import Spread
from ztrade.service import names
from ztrade.service.exporter.catalogue import METRICS
from ztrade.service.exporter.event_fields import Unknown, number, text, unpacked
from ztrade.service.exporter.nodes import Node
from ztrade.service.exporter.source import Value

log = structlog.get_logger("ztrade.exporter")

#: messages, and workers, that are remembered
MESSAGES, NODES = 10_000, 1_000
#: metric of each type of event
COUNTED: Mapping[str, str] = {
    "task-sent": "ztrade_tasks_sent_total",
    "task-received": "ztrade_tasks_received_total",
    "task-started": "ztrade_tasks_started_total",
    "task-succeeded": "ztrade_tasks_succeeded_total",
    "task-failed": "ztrade_tasks_failed_total",
    "task-retried": "ztrade_tasks_retried_total",
    "task-revoked": "ztrade_tasks_revoked_total",
}
EXPIRED, DUPLICATE = "ztrade_tasks_expired_total", "ztrade_tasks_duplicate_total"
RUN, WAIT = "ztrade_task_run_seconds", "ztrade_task_queue_wait_seconds"
ENDS = frozenset({"task-succeeded", "task-failed", "task-retried", "task-revoked", "task-rejected", "task-cancelled"})
WORKER = frozenset({"worker-online", "worker-heartbeat", "worker-offline"})
TYPES = frozenset(COUNTED) | ENDS | WORKER
#: how the summary of a cycle whose slot another message had begins, as Celery's event shows it
SUPPRESSED = "{'cycle_id': None,"

K = TypeVar("K")
V = TypeVar("V")


@dataclass(slots=True)
class Message:
    """What is remembered of a message; instants are Unix time.

    Args:
        sent: when, until its wait was told.
        received: when and by whose worker, until its wait was told: a worker may be faster than who sends the event.
    """

    task: str
    sent: float | None = None
    received: tuple[float, str] | None = None
    started: float | None = None


class Recent(OrderedDict[K, V]):
    """Remembers the latest so many."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def remember(self, key: K, value: V) -> V:
        """Keep a value as the latest; the oldest goes."""
        self[key] = value
        self.move_to_end(key)
        if len(self) > self._most:
            self.popitem(last=False)
        return value


class EventBook:
    """Counts events; safe to use from several threads.

    Args:
        agents: names of the configured ones; nobody else becomes a label.
    """

    def __init__(self, agents: Collection[str], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._agents, self._monotonic, self._lock = sorted(agents), monotonic, threading.Lock()
        self._queues = {queue: agent for agent in agents for queue in names.queues(agent)} | {names.MAINTENANCE: ""}
        # there from the start: the first of a counter that was not there would be no increase
        expected = [(task, agent) for task in names.SCHEDULED for agent in self._agents]
        self._counts = Counter({(metric, *labels): 0 for metric in _COUNTERS for labels in expected})
        cycles = [(names.TRADING_CYCLE, agent) for agent in self._agents]
        self._spreads = {(metric, *labels): _spread(metric) for metric in (RUN, WAIT) for labels in cycles}
        self._events, self._unknown, self._told = Counter(dict.fromkeys(TYPES, 0)), 0, set[str]()
        self._messages, self._nodes = Recent[str, Message](MESSAGES), Recent[str, Node](NODES)
        self._lost = 0

    # -- events in -----------------------------------------------------------------------------------------------------
    def take(self, data: bytes) -> None:
        """Count the events of one message of Redis. Never raises."""
        try:
            events = unpacked(data)
        except Unknown as why:
            events = [why]
        for event in events:
            self.count(event)

    def count(self, event: object) -> None:
        """Count one event; one that makes no sense is counted as unknown. Never raises."""
        with self._lock:
            try:
                self._count(event)
            except Unknown as why:
                self._unknown += 1
                if why.what not in self._told:
                    self._told.add(why.what)
                    log.warning("event_unknown", what=why.what, sample=str(why.sample)[:100])

    def _count(self, event: object) -> None:
        if isinstance(event, Unknown):
            raise event
        if not isinstance(event, dict):
            raise Unknown("form", event)
        kind = text(event, "type")
        if kind not in TYPES:
            raise Unknown("type", kind)
        if kind in WORKER:
            self._worker(kind, event)
        elif kind == "task-sent":
            self._sent(event)
        else:
            self._ran(kind, event)
        self._events[kind] += 1

    def _sent(self, event: Mapping[str, Any]) -> None:
        task, agent, at = _task(text(event, "name")), self._of_queue(event), number(event, "timestamp")
        uuid = text(event, "uuid")
        self._counts[COUNTED["task-sent"], task, agent] += 1
        message = self._message(uuid, task)
        message.sent = at
        self._waited(message)

    def _of_queue(self, event: Mapping[str, Any]) -> str:
        queue = event.get("queue") or event.get("routing_key")
        if not isinstance(queue, str) or queue not in self._queues:
            raise Unknown("agent", queue)
        return self._queues[queue]

    def _ran(self, kind: str, event: Mapping[str, Any]) -> None:
        node, uuid, at = self._node(event), text(event, "uuid"), number(event, "timestamp")
        if kind == "task-started":
            node.began(uuid, event.get("pid"), self._monotonic())
        elif kind in ENDS:
            node.ended(uuid, self._monotonic())
        message = self._message(uuid, _task(text(event, "name")) if kind == "task-received" else "")
        labels = (message.task, node.agent)
        if kind in COUNTED:
            self._counts[COUNTED[kind], *labels] += 1
        if kind == "task-received":
            message.received = (at, node.agent)
            self._waited(message)
        elif kind == "task-started":
            message.started = at
        else:
            self._ended(kind, event, message, at, labels)

    def _message(self, uuid: str, task: str) -> Message:
        known = self._messages.get(uuid)
        if known is None:
            known = Message(task or _task_of(uuid))
        return self._messages.remember(uuid, known)

    def _waited(self, message: Message) -> None:
        """Tell how long a message waited, once both ends are known; one that is sent again waits again."""
        if message.sent is not None and message.received is not None:
            at, agent = message.received
            self._observe(WAIT, (message.task, agent), at - message.sent)
            message.sent = message.received = None

    def _ended(self, kind: str, event: Mapping[str, Any], message: Message, at: float, labels: tuple[str, str]) -> None:
        if kind == "task-revoked" and event.get("expired") is True:
            self._counts[EXPIRED, *labels] += 1
        if kind == "task-succeeded" and str(event.get("result", ""))[: len(SUPPRESSED)] == SUPPRESSED:
            self._counts[DUPLICATE, *labels] += 1
        if message.started is not None:
            took = event.get("runtime")
            self._observe(RUN, labels, number(event, "runtime") if took is not None else at - message.started)
            message.started = None

    def _observe(self, metric: str, labels: tuple[str, str], seconds: float) -> None:
        key = (metric, *labels)
        if key not in self._spreads:
            self._spreads[key] = _spread(metric)
        # two machines' clocks may differ
        self._spreads[key].add(max(seconds, 0.0))

    def _worker(self, kind: str, event: Mapping[str, Any]) -> None:
        node = self._node(event)
        if kind == "worker-offline":
            node.left()
            return
        pid, processed, active = (int(number(event, name)) for name in ("pid", "processed", "active"))
        self._lost += node.beat(pid, processed, active, self._monotonic())

    def _node(self, event: Mapping[str, Any]) -> Node:
        name = text(event, "hostname")
        agent = name.partition("@")[0]
        if agent not in self._agents:
            raise Unknown("agent", name)
        return self._nodes.remember(name, self._nodes.get(name) or Node(agent))

    # -- values out ----------------------------------------------------------------------------------------------------
    def counted(self) -> Iterator[Value]:
        """Yield counters and histograms: they hold whether or not Redis is there now."""
        with self._lock:
            counts, spreads = dict(self._counts), [(key, _copy(spread)) for key, spread in self._spreads.items()]
            events, lost, unknown = dict(self._events), self._lost, self._unknown
        yield from ((metric, (task, agent), float(count)) for (metric, task, agent), count in counts.items())
        yield from ((metric, (task, agent), spread) for (metric, task, agent), spread in spreads)
        yield from (("ztrade_exporter_events_total", (kind,), float(count)) for kind, count in events.items())
        yield "ztrade_exporter_events_lost_total", (), float(lost)
        yield "ztrade_exporter_events_unknown_total", (), float(unknown)

    def in_flight(self) -> Mapping[str, int]:
        """Return for each agent how many tasks run now; a worker that fell silent runs none."""
        now, found = self._monotonic(), dict.fromkeys(self._agents, 0)
        with self._lock:
            for node in self._nodes.values():
                found[node.agent] += node.in_flight(now)
        return found


_COUNTERS = (*COUNTED.values(), EXPIRED, DUPLICATE)


def _spread(metric: str) -> Spread:
    return Spread(METRICS[metric].buckets)


def _copy(spread: Spread) -> Spread:
    return Spread(spread.bounds, list(spread.counts), spread.total)


def _task(name: str) -> str:
    if name not in names.TASKS:
        raise Unknown("task", name)
    return name


def _task_of(uuid: str) -> str:
    """Return the task of a message of which nothing else was seen: ids of slots tell it."""
    found = names.task_of(uuid)
    if not found:
        raise Unknown("task", uuid)
    return found
