"""The exporter's sources over files and answers as they are: what is unknown is absent, what is expected is there."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.integration.celery_stage import write_config
from ztrade.adapters.journal import open_journal
from ztrade.config import Config
from ztrade.service import names, report
from ztrade.service.exporter.files_source import FilesSource
from ztrade.service.exporter.presence import IDLE, KNOWN, Presence
from ztrade.service.exporter.redis_source import is_safe
from ztrade.service.exporter.reports_source import ReportsSource
from ztrade.service.exporter.units_source import UnitsSource
from ztrade.service.exporter.waiting import Waiting, sent_at
from ztrade.service.units import Unit
from ztrade.testing.clock import FakeClock

Told = dict[tuple[str, tuple[str, ...]], Any]


def told(values: Iterable[Any]) -> Told:
    return {(name, labels): value for name, labels, value in values}


class Machine:
    """Reports, Redis' word and events of a machine at one moment."""

    def __init__(self, folder: Path) -> None:
        self.now, self.running = 1000.0, dict[str, int]()
        self.config: Config = write_config(folder, agents={"spy": "5m", "tsla": "5m"})
        self.presence = Presence(lambda: self.now)
        self._source = ReportsSource(self.config, self.presence, lambda: self.running, lambda: self.now)

    def reports(self, role: str, **facts: Any) -> None:
        report.write(self.config.state_dir, role, facts, lambda: self.now)

    def connected(self, role: str, *, idle: int = 0, waits: bool = False) -> None:
        """Let Redis show one connection, and nobody else's."""
        cmd, flags = ("brpop", "b") if waits else ("ping", "N")
        self.presence.see([{"name": names.client_name(role), "idle": str(idle), "cmd": cmd, "flags": flags}])

    def told(self) -> Told:
        return told(self._source.look())

    def worker(self, metric: str, agent: str = "spy") -> Any:
        return self.told().get((f"ztrade_worker_{metric}", (agent,)))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


WORKER: dict[str, Any] = {
    "started": 1_661_178_600.0, "asked": 999.5, "running": False, "healthy": True, "status": "consumes agent.spy",
    "memory": {"main": 40e6, "child": 30e6}, "reconnects": 2, "deaths": {"signal": 1},
    "redelivered": {names.TRADING_CYCLE: 3}, "rejected": {"unknown": 4},
}  # fmt: skip


def test_what_a_worker_reports_is_told(machine: Machine) -> None:
    machine.reports("worker-spy", **WORKER)
    found = machine.told()
    assert found["ztrade_worker_up", ("spy",)] == found["ztrade_worker_consuming", ("spy",)] == 1.0
    assert found["ztrade_worker_last_ask_age_seconds", ("spy",)] == 0.5
    assert found["ztrade_worker_start_timestamp_seconds", ("spy",)] == 1_661_178_600.0
    assert found["ztrade_worker_memory_bytes", ("spy", "child")] == 30e6
    assert found["ztrade_worker_watchdog_healthy", ("spy",)] == 1.0
    assert found["ztrade_worker_broker_reconnects_total", ("spy",)] == 2.0
    assert found["ztrade_worker_child_deaths_total", ("spy", "signal")] == 1.0
    assert found["ztrade_worker_child_deaths_total", ("spy", "memory")] == 0.0
    assert found["ztrade_tasks_redelivered_total", (names.TRADING_CYCLE, "spy")] == 3.0
    assert found["ztrade_tasks_rejected_total", ("unknown", "spy")] == 4.0


def test_one_never_seen_is_down_where_redis_can_tell(machine: Machine) -> None:
    assert machine.worker("up") is None, "nobody knows: it may run on another machine"
    machine.connected("beat")
    assert machine.worker("up") == machine.worker("consuming") == 0.0
    assert machine.worker("last_ask_age_seconds") is None
    assert machine.told()["ztrade_worker_broker_reconnects_total", ("spy",)] == 0.0


def test_one_that_fell_silent_is_down_and_what_it_was_is_not_told(machine: Machine) -> None:
    machine.reports("worker-spy", **WORKER)
    machine.now += report.FRESH + 0.1
    assert machine.worker("up") == 0.0
    assert machine.worker("start_timestamp_seconds") is None
    assert machine.worker("watchdog_healthy") is None
    assert machine.worker("broker_reconnects_total") == 2.0, "what was counted stays"


def test_one_on_another_machine_is_seen_by_its_connection(machine: Machine) -> None:
    machine.connected("worker-spy", waits=True)
    assert (machine.worker("up"), machine.worker("up", "tsla")) == (1.0, 0.0)
    assert (machine.worker("consuming"), machine.worker("last_ask_age_seconds")) == (1.0, 0.0)
    machine.now += 5
    machine.connected("worker-spy")
    assert machine.worker("last_ask_age_seconds") == 5.0
    machine.now += 6
    machine.connected("worker-spy")
    assert machine.worker("consuming") == 0.0, "connected, and deaf"
    machine.running = {"spy": 1}
    assert (machine.worker("consuming"), machine.worker("last_ask_age_seconds")) == (1.0, 0.0), "it runs a cycle"


def test_a_connection_on_which_nothing_is_said_is_nobodys(machine: Machine) -> None:
    machine.connected("worker-spy", idle=int(IDLE) + 1)
    assert machine.worker("up") == 0.0


def test_while_redis_is_away_only_reports_count(machine: Machine) -> None:
    machine.connected("worker-tsla")
    machine.reports("worker-spy", **WORKER)
    machine.now += KNOWN + 1
    machine.reports("worker-spy", **WORKER)
    assert (machine.worker("up"), machine.worker("up", "tsla")) == (1.0, None)
    assert machine.worker("consuming") == 0.0, "it has asked for nothing since"


@pytest.mark.parametrize(
    ("facts", "consumes"),
    [({"running": True, "asked": 900.0}, 1.0), ({"asked": 900.0}, 0.0), ({"healthy": False}, 0.0)],
    ids=["busy", "deaf", "stuck"],
)
def test_whether_a_worker_consumes(machine: Machine, facts: dict[str, Any], consumes: float) -> None:
    machine.reports("worker-spy", **{**WORKER, **facts})
    assert machine.worker("consuming") == consumes


def test_a_cycle_that_has_just_begun_is_known_by_its_event(machine: Machine) -> None:
    """Before the worker's next report, after an outage in which it asked for nothing."""
    machine.reports("worker-spy", **{**WORKER, "asked": 900.0})
    machine.running = {"spy": 1}
    assert machine.worker("consuming") == 1.0


def test_a_report_of_nonsense_costs_its_values_only(machine: Machine) -> None:
    strange = dict.fromkeys(WORKER, "x") | {"memory": [5], "deaths": {"exit": None}, "reconnects": 10**400}
    machine.reports("worker-spy", **strange)
    machine.reports("worker-tsla", **WORKER)
    assert machine.worker("up") == 1.0
    assert machine.told()["ztrade_worker_broker_reconnects_total", ("spy",)] == 0.0
    assert machine.told()["ztrade_worker_memory_bytes", ("tsla", "main")] == 40e6


@pytest.mark.parametrize(
    "strange", [-5, float("nan"), float("inf"), 10**400, True, "7", None], ids=lambda value: repr(value)[:5]
)
def test_what_is_no_count_is_none(machine: Machine, strange: Any) -> None:
    """Prometheus would take a counter that falls for a restart, and add up what never was."""
    of_process = {"reconnects": strange, "memory": {"main": strange}, "started": strange}
    by_name = {"deaths": {"signal": strange}, "redelivered": {names.TRADING_CYCLE: strange}}
    machine.reports("worker-spy", **WORKER | of_process | by_name | {"rejected": {"unknown": strange}})
    found = machine.told()
    counts = {value for (name, labels), value in found.items() if name.endswith("_total") and "spy" in labels}
    assert counts == {0.0}
    assert machine.worker("start_timestamp_seconds") is None
    assert ("ztrade_worker_memory_bytes", ("spy", "main")) not in found


@pytest.mark.parametrize("role", ["beat", "keeper"])
def test_a_service_is_up_while_its_loop_turns(machine: Machine, role: str) -> None:
    metric = (f"ztrade_{role}_up", ())
    assert machine.told()[metric] == 0.0
    machine.reports(role, turned=machine.now - 5)
    assert machine.told()[metric] == 1.0
    machine.reports(role, turned=machine.now - 40)
    assert machine.told()[metric] == 0.0, "its thread lives, its loop stands"
    machine.reports(role, turned=machine.now)
    machine.now += report.FRESH + 1
    assert machine.told()[metric] == 0.0


def test_when_beat_last_came_round_and_sent(machine: Machine) -> None:
    machine.reports("beat", turned=machine.now - 1, published=None)
    found = machine.told()
    assert found["ztrade_beat_last_tick_age_seconds", ()] == 1.0
    assert ("ztrade_beat_last_publish_age_seconds", ()) not in found
    machine.reports("beat", turned=machine.now - 1, published=machine.now - 200)
    assert machine.told()["ztrade_beat_last_publish_age_seconds", ()] == 200.0


# -- Redis' answers ----------------------------------------------------------------------------------------------------
SAFE = {
    "maxmemory_policy": "noeviction", "aof_enabled": 1, "aof_last_write_status": "ok", "rdb_last_bgsave_status": "ok",
}  # fmt: skip


@pytest.mark.parametrize(
    "unsafe",
    [{"maxmemory_policy": "allkeys-lru"}, {"aof_enabled": 0}, {"aof_last_write_status": "err"},
     {"rdb_last_bgsave_status": "err"}],
    ids=["evicts", "no file", "cannot append", "cannot save"],
)  # fmt: skip
def test_a_redis_that_forgets_is_not_safe(unsafe: dict[str, Any]) -> None:
    assert is_safe(SAFE)
    assert not is_safe({**SAFE, **unsafe})


def message(**headers: Any) -> bytes:
    return json.dumps({"body": "W10=", "headers": {"id": "x", **headers}}).encode()


def test_a_message_carries_when_it_was_sent() -> None:
    assert sent_at(message(**{names.SENT_AT: 995.5})) == 995.5
    waiting = Waiting()
    assert waiting.ages({"agent.spy": message(**{names.SENT_AT: 995.5})}, 1000.0) == {"agent.spy": 4.5}
    assert waiting.ages({"agent.spy": message(**{names.SENT_AT: 2000.0})}, 1000.0) == {"agent.spy": 0.0}


def test_a_message_of_tomorrow_gets_older_all_the_same() -> None:
    """Else a clock that was wrong for a moment hides for ever that nobody takes it."""
    waiting, odd = Waiting(), message(**{names.SENT_AT: 1e12})
    assert waiting.ages({"agent.spy": odd}, 1000.0) == {"agent.spy": 0.0}
    assert waiting.ages({"agent.spy": odd}, 1400.0) == {"agent.spy": 400.0}


def test_one_that_does_not_has_waited_since_it_was_first_seen() -> None:
    waiting = Waiting()
    assert waiting.ages({"agent.spy": message()}, 1000.0) == {"agent.spy": 0.0}
    assert waiting.ages({"agent.spy": message()}, 1007.0) == {"agent.spy": 7.0}
    assert waiting.ages({"agent.spy": message(other=1)}, 1008.0) == {"agent.spy": 0.0}
    assert waiting.ages({}, 1009.0) == {}


@pytest.mark.parametrize(
    "nonsense",
    [b"", b"[]", b"{", b"\xff", b'{"headers": 5}', message(**{names.SENT_AT: "soon"}), message(**{names.SENT_AT: -1}),
     message(**{names.SENT_AT: 10**400}), b"[" * 100_000],
    ids=["empty", "a list", "cut", "no text", "no headers", "text", "negative", "huge", "deep"],
)  # fmt: skip
def test_a_message_of_nonsense_has_an_age_too(nonsense: bytes) -> None:
    assert sent_at(nonsense) is None
    assert Waiting().ages({"agent.spy": nonsense}, 5.0) == {"agent.spy": 0.0}


# -- units and files ---------------------------------------------------------------------------------------------------
def unit(name: str, active: str = "active", restarts: int = 0, load: str = "loaded", **properties: str) -> Unit:
    return Unit(name, name, load, active, "running", "enabled", "success", restarts, 5, "", 0, properties)


def test_units_are_told_by_name(tmp_path: Path) -> None:
    """Programs that run on, and timers; not what runs to an end, is neither, or is not installed."""
    found = [
        unit("ztrade-worker@spy.service", restarts=3),
        unit("ztrade-beat.service", "failed"),
        unit("ztrade-backup.service", "inactive", Type="oneshot"),
        unit("ztrade-backup.timer"),
        unit("ztrade-flower.socket"),
        unit("ztrade-worker@qqq.service", "inactive", load="not-found"),
    ]
    values = told(UnitsSource(write_config(tmp_path), lambda _agents: found).look())
    assert values == {
        ("ztrade_unit_active", ("ztrade-worker@spy.service",)): 1.0,
        ("ztrade_unit_restarts_total", ("ztrade-worker@spy.service",)): 3.0,
        ("ztrade_unit_active", ("ztrade-beat.service",)): 0.0,
        ("ztrade_unit_restarts_total", ("ztrade-beat.service",)): 0.0,
        ("ztrade_unit_active", ("ztrade-backup.timer",)): 1.0,
    }


def test_files_tell_of_journal_disk_and_backups(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    config.state_dir.mkdir()
    clock = FakeClock(datetime(2022, 8, 22, tzinfo=UTC))
    source = FilesSource(config, clock)
    before = told(source.look())
    assert before["ztrade_disk_size_bytes", ()] > before["ztrade_disk_free_bytes", ()] > 0
    assert ("ztrade_journal_current", ()) not in before
    assert ("ztrade_backup_age_seconds", ()) not in before
    assert ("ztrade_journal_size_bytes", ()) not in before
    open_journal(config.journal_url).close()
    (config.state_dir / "journal.db-wal").write_bytes(b"x" * 5000)
    backups = config.state_dir / "backups"
    backups.mkdir()
    for name, age in (("journal-20220821T000000Z.db", 90_000), (".journal-20220822T000000Z.db.new", 5)):
        (backups / name).write_text("x")
        at = clock.wall().timestamp() - age
        os.utime(backups / name, (at, at))
    found = told(source.look())
    assert found["ztrade_journal_size_bytes", ()] >= (config.state_dir / "journal.db").stat().st_size + 5000
    assert found["ztrade_backup_age_seconds", ()] == 90_000.0, "one that is being made does not count"


@pytest.mark.parametrize(("damage", "current"), [("", 1.0), ("0001", 0.0), ("9999", 0.0)], ids=["same", "old", "newer"])
def test_a_journal_of_another_version_is_told(tmp_path: Path, damage: str, current: float) -> None:
    import sqlite3

    config = write_config(tmp_path)
    config.state_dir.mkdir()
    open_journal(config.journal_url).close()
    if damage:
        with sqlite3.connect(config.state_dir / "journal.db") as database:
            database.execute("update alembic_version set version_num = ?", (damage,))
        database.close()
    assert told(FilesSource(config, FakeClock(datetime.now(UTC))).look())["ztrade_journal_current", ()] == current


def test_many_agents_are_looked_at_quickly(tmp_path: Path) -> None:
    """Two hundred reports; an aim, so a bound with room for a busy machine."""
    config = write_config(tmp_path, agents={f"a{number}": "5m" for number in range(200)})
    presence = Presence()
    for name in config.agents:
        report.write(config.state_dir, names.worker_role(name), WORKER)
    source = ReportsSource(config, presence, dict)
    began = time.perf_counter()
    assert len(told(source.look())) > 2000
    assert time.perf_counter() - began < 10
