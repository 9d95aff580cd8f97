"""The exporter's frame: what is seen is told, what is away is said to be, and a scrape waits for nothing."""

from __future__ import annotations

import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.celery_stage import minutes, write_config
from ztrade.adapters.clock import SystemClock
from ztrade.adapters.halts import ALL, FileHalts
from ztrade.config import Config
from ztrade.config_alerts import AlertsSection, ChannelSection
from ztrade.domain.ledger import BY_ITSELF
from ztrade.domain.messages import Message, Severity
from ztrade.domain.spread import Spread
from ztrade.errors import JournalUnavailable
from ztrade.service import broker, names
from ztrade.service.exporter.event_book import EventBook
from ztrade.service.exporter.events_source import EventsSource
from ztrade.service.exporter.hours import Paces
from ztrade.service.exporter.journal_source import JournalSource
from ztrade.service.exporter.local_source import LocalSource
from ztrade.service.exporter.presence import Presence
from ztrade.service.exporter.redis_source import RedisSource
from ztrade.service.exporter.reports_source import ReportsSource
from ztrade.service.exporter.server import Page, Server
from ztrade.service.exporter.source import Board, Value
from ztrade.testing.calendar import PlainCalendar
from ztrade.testing.journal import MemoryJournal
from ztrade.testing.redis_server import RedisServer
from ztrade.testing.runtime import FileClock, FileRuntime

Found = dict[str, dict[tuple[str, ...], float]]


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    made = RedisServer(tmp_path / "redis")
    made.start()
    yield made
    made.close()


def told(*sources: Any) -> Found:
    """Return what a scrape would show after one look at each source."""
    board = Board(sources)
    for source in sources:
        board.look(source)
    return read(board.text())


def with_channel(config: Config, name: str) -> Config:
    """Return the configuration with one alert channel more."""
    alerts = AlertsSection(channels={name: ChannelSection(kind="slack")})
    return replace(config, main=config.main.model_copy(update={"alerts": alerts}))


def redis_source(config: Config) -> RedisSource:
    return RedisSource(config, Presence(), SystemClock())


def journal_source(config: Config) -> JournalSource:
    """Return the source over a journal in memory, in which two messages were lost."""
    journal = MemoryJournal()
    for key in ("m1", "m2"):
        journal.post(Message(key, Severity.INFO, "title", "text", minutes(0)))
        journal.outbox.route({key: ["ops"]}, minutes(0))
        journal.outbox.lose("ops", [key], "no", minutes(1))
    paces = Paces(FileRuntime(config))
    return JournalSource(config, paces, PlainCalendar(), lambda: journal, SystemClock().wall)


def read(text: bytes) -> Found:
    """Return what a page says, by metric and its labels' values."""
    found: Found = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def test_what_is_seen_is_told(tmp_path: Path, redis: RedisServer) -> None:
    """Redis, queues, halts, lost messages."""
    config = with_channel(write_config(tmp_path, redis.url), "ops")
    config.state_dir.mkdir()
    FileClock(config.state_dir / "clock.json").write(minutes(7), minutes(60), None)
    FileHalts(config.state_dir).halt("spy", "tired")
    found = told(LocalSource(config), redis_source(config), journal_source(config))
    assert found["ztrade_redis_up"] == found["ztrade_journal_up"] == {(): 1.0}
    assert found["ztrade_queue_messages"] == {("agent.spy",): 0.0, ("agent.spy.ctl",): 0.0, ("maintenance",): 0.0}
    assert found["ztrade_agent_halted"] == {("spy",): 1.0, (ALL,): 0.0}
    assert found["ztrade_agent_halted_itself"] == {("spy",): 0.0}
    assert found["ztrade_agent_reducing"] == {("spy",): 0.0}
    assert found["ztrade_messages_lost_total"] == {("ops",): 2.0}
    assert set(found["ztrade_exporter_source_up"].values()) == {1.0}


def test_an_agent_that_halted_itself_is_told_from_one_that_a_person_halted(tmp_path: Path) -> None:
    """Until a person has halted it as well: then somebody knows."""
    config = write_config(tmp_path, f"redis+socket://{tmp_path}/none.sock")
    halts = FileHalts(config.state_dir)
    halts.halt("spy", f"the exchange refuses these keys {BY_ITSELF}")
    found = told(LocalSource(config))
    assert found["ztrade_agent_halted"]["spy",] == found["ztrade_agent_halted_itself"]["spy",] == 1.0
    halts.halt("spy", "looked at (by ann)")
    assert told(LocalSource(config))["ztrade_agent_halted_itself"] == {("spy",): 0.0}


def test_what_is_down_leaves_the_rest(tmp_path: Path) -> None:
    """Unknown is absent, never 0 messages or 0 workers."""
    config = write_config(tmp_path, f"redis+socket://{tmp_path}/none.sock")
    found = told(redis_source(config), journal_source(config))
    assert found["ztrade_redis_up"] == {(): 0.0}
    assert "ztrade_worker_consuming" not in found
    assert "ztrade_queue_messages" not in found
    assert found["ztrade_journal_up"] == {(): 1.0}
    assert found["ztrade_exporter_source_up"] == {("redis",): 0.0, ("journal",): 1.0}


def test_a_key_of_another_kind_costs_its_queue_alone(tmp_path: Path, redis: RedisServer) -> None:
    """Somebody else's text under a queue's name: Redis is not down, and no alert must say so."""
    config = write_config(tmp_path, redis.url)
    with closing(broker.client(redis.url)) as client:
        client.set("agent.spy", "text")
        client.set(names.unacked_keys(names.worker_role("spy"))["unacked_key"], "text")
        client.rpush("maintenance", "{}")
    found = told(redis_source(config))
    assert found["ztrade_redis_up"] == found["ztrade_redis_safe"] == {(): 1.0}
    assert found["ztrade_queue_messages"] == {("agent.spy.ctl",): 0.0, ("maintenance",): 1.0}
    assert "ztrade_unacked_messages" not in found
    assert found["ztrade_exporter_source_up"] == {("redis",): 1.0}


class Scripted:
    """A source that does what it is told, the newest instruction last."""

    name, every = "journal", 1.0

    def __init__(self, *looks: Callable[[], Iterable[Value]]) -> None:
        self._looks = list(looks)

    def look(self) -> Iterable[Value]:
        return self._looks.pop(0)()

    def blind(self) -> Iterable[Value]:
        return [("ztrade_journal_up", (), 0.0)]


def fails(error: Exception) -> Callable[[], Iterable[Value]]:
    """Return a look that meets the error half-way."""

    def look() -> Iterator[Value]:
        yield "ztrade_journal_up", (), 1.0
        raise error

    return look


@pytest.mark.parametrize("error", [JournalUnavailable("locked"), ValueError("a defect"), OSError("no")])
def test_a_source_that_fails_is_blind_and_ages(error: Exception) -> None:
    """Half of a look is not told; the age is that of the last whole one."""
    now = [100.0]
    source = Scripted(lambda: [("ztrade_journal_up", (), 1.0)], fails(error))
    board = Board([source], lambda: now[0])
    board.look(source)
    now[0] = 130.0
    board.look(source)
    found = read(board.text())
    assert found["ztrade_journal_up"] == {(): 0.0}
    assert found["ztrade_exporter_source_up"] == {("journal",): 0.0}
    assert found["ztrade_exporter_source_age_seconds"] == {("journal",): 30.0}


def test_a_source_may_tell_a_histogram() -> None:
    spread = Spread((0.1, 1.0))
    spread.add(0.5)
    source = Scripted(lambda: [("ztrade_slot_done_seconds", ("spy",), spread)])
    found = told(source)
    assert found["ztrade_slot_done_seconds_bucket"] == {("spy", "0.1"): 0, ("spy", "1.0"): 1, ("spy", "+Inf"): 1}
    assert (found["ztrade_slot_done_seconds_count"], found["ztrade_slot_done_seconds_sum"]) == (
        {("spy",): 1},
        {("spy",): 0.5},
    )


def test_a_scrape_is_served_from_memory() -> None:
    """While a look hangs: its source's age is what tells."""
    hung = threading.Event()

    def hangs() -> Iterable[Value]:
        hung.wait(90)
        return []

    board = Board([Scripted(hangs)])
    over = threading.Event()
    board.start(over)
    ticked = threading.Event()
    server = Server(socket.create_server(("127.0.0.1", 0)), Page(board), ticked.set)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.socket.getsockname()[1]}/metrics"
        said = urllib.request.urlopen(url, timeout=30).read().decode()
        assert 'ztrade_exporter_source_up{source="journal"} 0.0' in said
        assert "ztrade_build_info{version=" in said
        assert "process_resident_memory_bytes" in said
        assert "ztrade_exporter_scrape_seconds_count 1.0" in urllib.request.urlopen(url, timeout=30).read().decode()
        asked = urllib.request.Request(url, method="HEAD")
        with urllib.request.urlopen(asked, timeout=30) as head:
            assert (head.status, head.read()) == (200, b"")
            assert int(head.headers["Content-Length"]) > 1000
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(url.replace("metrics", "other"), timeout=5)
        assert ticked.wait(5), "its loop says that it goes round"
    finally:
        over.set()
        hung.set()
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(("error", "told"), [(ConnectionResetError("reset"), "debug"), (ValueError("x"), "error")])
def test_who_hangs_up_leaves_no_traceback(error: Exception, told: str, capfd: pytest.CaptureFixture[str]) -> None:
    """A Prometheus that is slow or restarts would fill the log; a mistake of ours is told as one."""
    server = Server(socket.create_server(("127.0.0.1", 0)), Page(Board([])), lambda: None)
    with structlog.testing.capture_logs() as lines:
        try:
            raise error
        except (OSError, ValueError):
            server.handle_error(None, None)
    server.server_close()
    assert [line["log_level"] for line in lines] == [told]
    assert capfd.readouterr().err == ""


def test_a_scrape_of_two_hundred_agents_is_quick(tmp_path: Path, redis: RedisServer) -> None:
    """What was looked at is only put together. Its own CPU time: the machine is shared."""
    config = write_config(tmp_path, redis.url, agents={f"a{number}": "5m" for number in range(200)})
    presence, events = Presence(), EventsSource(config, EventBook(config.agents))
    over = threading.Event()
    events.start(over)
    sources: list[Any] = [RedisSource(config, presence, SystemClock()), ReportsSource(config, presence, dict), events]
    board = Board(sources)
    for source in sources:
        board.look(source)
    over.set()
    page, took = Page(board), []
    for _ in range(21):
        began = time.thread_time()
        text = page.text()
        took.append(time.thread_time() - began)
    assert text.count(b"\n") > 10_000
    assert sorted(took)[10] < 0.05
