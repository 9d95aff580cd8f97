"""What Celery's events add up to; nonsense is counted, and costs neither life nor memory."""

from __future__ import annotations

import base64
import json
import tracemalloc
from typing import Any

import pytest

from ztrade.domain.spread import Spread
from ztrade.service import names
from ztrade.service.app import summary
from ztrade.service.exporter.event_book import MESSAGES, NODES, SUPPRESSED, EventBook

SPY, TSLA = "spy@one", "tsla@one"
CYCLE = names.TRADING_CYCLE


class Told(dict[tuple[str, tuple[str, ...]], Any]):
    """What a book says now."""

    def __init__(self, book: EventBook) -> None:
        super().__init__({(name, labels): value for name, labels, value in book.counted()})

    def count(self, metric: str, agent: str = "spy", task: str = CYCLE) -> float:
        return float(self.get((f"ztrade_tasks_{metric}_total", (task, agent)), 0.0))

    def spread(self, metric: str, agent: str = "spy") -> Spread:
        found: Spread = self[metric, (CYCLE, agent)]
        return found

    @property
    def unknown(self) -> float:
        return float(self["ztrade_exporter_events_unknown_total", ()])

    @property
    def lost(self) -> float:
        return float(self["ztrade_exporter_events_lost_total", ()])


@pytest.fixture
def book() -> EventBook:
    return EventBook(["spy", "tsla"], lambda: 100.0)


def event(kind: str, at: float = 1000.0, node: str = SPY, uuid: str = "cycle:spy:x", **more: Any) -> dict[str, Any]:
    """Return a task's event."""
    return {"type": f"task-{kind}", "uuid": uuid, "hostname": node, "timestamp": at, "pid": 7, **more}


def sent(at: float, queue: str = "agent.spy", uuid: str = "cycle:spy:x", name: str = CYCLE) -> dict[str, Any]:
    return event("sent", at, "gen12@one", uuid, name=name, queue=queue)


def beat(processed: int, active: int = 0, node: str = SPY, pid: int = 7) -> dict[str, Any]:
    """Return a worker's sign of life."""
    return {"type": "worker-heartbeat", "hostname": node, "pid": pid, "processed": processed, "active": active}


def run(book: EventBook, uuid: str, took: float = 0.2, node: str = SPY) -> None:
    """Let a cycle run from its message to its end."""
    agent = node.partition("@")[0]
    book.count(sent(1000.0, f"agent.{agent}", uuid))
    book.count(event("received", 1000.5, node, uuid, name=CYCLE))
    book.count(event("started", 1000.6, node, uuid))
    book.count(event("succeeded", 1000.9, node, uuid, result="{'cycle_id': 'c'}", runtime=took))


def test_a_cycle_is_counted_where_it_ran(book: EventBook) -> None:
    """Two workers of one machine are two series."""
    run(book, "cycle:spy:x")
    run(book, "cycle:spy:y", took=0.3)
    run(book, "cycle:tsla:x", node=TSLA)
    told = Told(book)
    for metric in ("sent", "received", "started", "succeeded"):
        assert (told.count(metric), told.count(metric, "tsla")) == (2.0, 1.0), metric
    assert told.count("failed") == 0.0
    assert told.spread("ztrade_task_run_seconds").total == pytest.approx(0.5)
    assert told.spread("ztrade_task_queue_wait_seconds").total == pytest.approx(1.0)
    assert sum(told.spread("ztrade_task_queue_wait_seconds").counts) == 2
    assert (told.unknown, told.lost) == (0.0, 0.0)


def test_expected_agents_are_there_before_anything_happens(book: EventBook) -> None:
    told = Told(book)
    assert ("ztrade_tasks_started_total", (CYCLE, "tsla")) in told
    assert ("ztrade_task_run_seconds", (CYCLE, "tsla")) in told
    assert book.in_flight() == {"spy": 0, "tsla": 0}


def test_a_worker_that_was_faster_than_the_sender(book: EventBook) -> None:
    """Its event comes before the one of the sending, which is sent after the message."""
    book.count(event("received", 1000.0, name=CYCLE))
    book.count(sent(1000.002))
    spread = Told(book).spread("ztrade_task_queue_wait_seconds")
    assert (sum(spread.counts), spread.total) == (1, 0.0)


def test_a_slot_that_is_rung_for_again_waits_again(book: EventBook) -> None:
    for at in (1000.0, 1060.0):
        book.count(sent(at))
        book.count(event("received", at + 1.0, name=CYCLE))
    spread = Told(book).spread("ztrade_task_queue_wait_seconds")
    assert (sum(spread.counts), spread.total) == (2, 2.0)


def test_ends_by_kind(book: EventBook) -> None:
    for number, kind in enumerate(("failed", "retried", "revoked")):
        book.count(event("started", 1000.0, uuid=f"cycle:spy:{number}"))
        book.count(event(kind, 1002.0, uuid=f"cycle:spy:{number}"))
    told = Told(book)
    assert [told.count(kind) for kind in ("failed", "retried", "revoked", "expired")] == [1.0, 1.0, 1.0, 0.0]
    assert told.spread("ztrade_task_run_seconds").total == pytest.approx(6.0)


def test_an_expired_message_is_known_by_its_id(book: EventBook) -> None:
    """It was never received: its event names no task."""
    book.count(event("revoked", uuid="settle:spy:20220822T200000Z", expired=True, terminated=False))
    told = Told(book)
    assert told.count("expired", task=names.SETTLE) == told.count("revoked", task=names.SETTLE) == 1.0


def test_a_message_for_a_slot_that_another_had_is_a_duplicate(book: EventBook) -> None:
    """By the summary that the cycle returns, as Celery shows it."""
    told = repr(summary(None, "spy", None))
    assert told.startswith(SUPPRESSED)
    book.count(event("succeeded", result=told, runtime=0.01))
    assert Told(book).count("duplicate") == 1.0


def test_a_message_that_any_worker_may_take(book: EventBook) -> None:
    book.count(sent(1000.0, names.MAINTENANCE, "random", names.TEST_TASK))
    assert Told(book).count("sent", "", names.TEST_TASK) == 1.0


# -- what runs ---------------------------------------------------------------------------------------------------------
def test_what_runs_is_known_by_events(book: EventBook) -> None:
    book.count(event("started"))
    assert book.in_flight() == {"spy": 1, "tsla": 0}
    book.count(event("succeeded", result="", runtime=1.0))
    assert book.in_flight() == {"spy": 0, "tsla": 0}


def test_a_task_that_ran_before_the_exporter_started(book: EventBook) -> None:
    book.count(beat(5, active=1))
    assert book.in_flight()["spy"] == 1
    assert Told(book).lost == 0.0, "what it did before is not lost"


def test_an_end_that_was_not_heard_is_seen_by_signs_of_life(book: EventBook) -> None:
    """By two: events of tasks wait for their turn, signs of life do not."""
    book.count(beat(0))
    book.count(event("started"))
    book.count(beat(1, active=0))
    assert book.in_flight()["spy"] == 1
    book.count(beat(1, active=0))
    assert book.in_flight()["spy"] == 0


def test_a_worker_that_fell_silent_runs_nothing() -> None:
    now = [100.0]
    book = EventBook(["spy"], lambda: now[0])
    book.count(event("started"))
    now[0] += 16.0
    assert book.in_flight() == {"spy": 0}


# -- what was missed ---------------------------------------------------------------------------------------------------
def test_events_that_never_came_are_counted(book: EventBook) -> None:
    book.count(beat(10))
    run(book, "cycle:spy:1")
    book.count(beat(13))
    assert Told(book).lost == 0.0, "the other two may be under way"
    book.count(beat(13))
    book.count(beat(13))
    assert Told(book).lost == 2.0


def test_a_new_process_of_a_worker_counts_from_nought(book: EventBook) -> None:
    """One that came back while nobody listened has begun tasks that were never heard of."""
    book.count(beat(10, pid=7))
    for _ in range(2):
        book.count(beat(3, pid=8))
    assert Told(book).lost == 3.0


def test_nothing_is_lost_where_everything_is_heard(book: EventBook) -> None:
    book.count(beat(0))
    for number in range(50):
        run(book, f"cycle:spy:{number}")
        book.count(beat(number + 1))
    assert Told(book).lost == 0.0


# -- nonsense ----------------------------------------------------------------------------------------------------------
NONSENSE: dict[str, Any] = {
    "a number": 5,
    "nothing": None,
    "empty": {},
    "no type": {"uuid": "x"},
    "an unknown type": {"type": "task-exploded", "hostname": SPY},
    "a type that is no text": {"type": ["task-sent"]},
    "no agent": {"type": "task-started", "uuid": "cycle:spy:x", "timestamp": 1.0},
    "a stranger": event("started", node="mallory@one"),
    "no id": event("started", uuid=""),
    "an id that is long": event("started", uuid="cycle:" + "x" * 1000),
    "an id that is a list": event("started", uuid=["x"]),  # type: ignore[arg-type]
    "an instant of text": event("started", at="now"),  # type: ignore[arg-type]
    "an instant before all": event("started", at=-5.0),
    "an instant beyond all": event("started", at=10**400),
    "not a number": event("started", at=float("nan")),
    "a stranger's task": event("received", name="rm.rf"),
    "an id that tells no task": event("started", uuid="random"),
    "a queue of nobody": sent(1.0, queue="agent.mallory"),
    "a queue that is a list": sent(1.0, queue=["agent.spy"]),  # type: ignore[arg-type]
    "a count of text": beat(processed="many"),  # type: ignore[arg-type]
    "a count that is true": beat(processed=True),
    "a runtime of text": [event("started"), event("succeeded", runtime="long")][1],
}


@pytest.mark.parametrize("strange", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_counted_and_harms_nobody(book: EventBook, strange: Any) -> None:
    book.count(event("started"))
    before = Told(book).unknown
    book.count(strange)
    assert Told(book).unknown == before + 1
    run(book, "cycle:spy:after")
    assert Told(book).count("sent") == 1.0
    assert {labels for _, labels in Told(book) if "mallory" in str(labels)} == set()


def wrapped(body: bytes) -> bytes:
    """Return events as kombu puts them into Redis."""
    envelope = {"body": base64.b64encode(body).decode(), "properties": {"body_encoding": "base64"}}
    return json.dumps(envelope).encode()


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"\xff\xfe", b'{"body": 5, "properties": {}}', b'{"body": "!", "properties": null}',
     wrapped(b"\x80"), b"[" * 100_000, wrapped(b"[" * 100_000), b"x" * 5_000_000],
    ids=["empty", "cut", "a list", "no text", "a number", "no properties", "no json", "deep", "deep inside", "huge"],
)  # fmt: skip
def test_messages_that_are_none(book: EventBook, data: bytes) -> None:
    book.take(data)
    assert Told(book).unknown == 1.0


def test_one_message_may_hold_many_events(book: EventBook) -> None:
    book.take(wrapped(json.dumps([beat(0), event("started"), "nonsense"]).encode()))
    assert (Told(book).count("started"), Told(book).unknown) == (1.0, 1.0)


def test_strangers_are_logged_once(book: EventBook, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(100):
        book.count(event("started", node=f"mallory{number}@one"))
    assert capsys.readouterr().out.count("event_unknown") <= 1
    assert Told(book).unknown == 100.0


def test_memory_is_flat() -> None:
    """However many messages, and names of machines, come."""
    book = EventBook(["spy", "tsla"])

    def feed(first: int, count: int) -> None:
        for number in range(first, first + count):
            book.count(event("started", uuid=f"cycle:spy:{number}", node=f"spy@host{number}"))
            book.count(event("succeeded", uuid=f"cycle:spy:{number}", node=f"spy@host{number}", result="", runtime=1.0))

    feed(0, max(MESSAGES, NODES) + 1000)
    tracemalloc.start()
    feed(100_000, 1)
    before = tracemalloc.get_traced_memory()[0]
    feed(200_000, 12_000)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    series = len(list(book.counted()))
    feed(300_000, 100)
    assert len(list(book.counted())) == series
    # every message that it knew has been replaced by one that tracemalloc knows
    assert grown < 800 * MESSAGES
