"""What doctor sees where all is well, and for each check the one thing that is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.unit.app.desks import AGENT
from tests.unit.cli.units import unit
from ztrade.config import Config, load_config
from ztrade.config_alerts import ChannelSection
from ztrade.domain.ledger import Intent, IntentState
from ztrade.domain.types import Leg, OrderRequest, Side
from ztrade.service.doctor.evidence import (
    AccountFacts,
    DiskFacts,
    FileFacts,
    JournalFacts,
    Listener,
    LogFacts,
    PythonFacts,
    RedisFacts,
    TimeFacts,
)
from ztrade.service.doctor.findings import Failed, Finding
from ztrade.service.doorbell import QueueState
from ztrade.service.report import Report

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)
GIB = 1 << 30
PAPER = AccountFacts("paper", "paper", number="PA1")
REDIS = RedisFacts(
    url="redis+socket:///run/ztrade-redis/redis.sock",
    info={"redis_version": "7.0.15", "used_memory": "1000", "maxmemory": "1000000", "aof_last_write_status": "ok"},
    settings={"maxmemory-policy": "noeviction", "appendonly": "yes", "timeout": "0"},
    waiting=frozenset({"aapl", "spy", "tsla"}),
    socket_mode=0o770,
)
JOURNAL = JournalFacts(NOW, "/var/lib/ztrade/journal.db", GIB, 1000)
TIME = TimeFacts(NOW, True, True, timedelta(hours=-5), timedelta(hours=-4), datetime(2040, 12, 31, tzinfo=UTC))
DISK = DiskFacts("/var/lib/ztrade", 20 * GIB, 40 * GIB, 900, 1000)
FILES = (
    FileFacts("/etc/ztrade/ztrade.toml", 0o644, "root", "root"),
    FileFacts("/etc/ztrade/credentials", 0o700, "root", "root", secret=True),
    FileFacts("/var/lib/ztrade/journal.db", 0o660, "ztrade", "ztrade-operators"),
)
WORKERS = tuple(unit(f"ztrade-worker@{name}.service", TimeoutStopUSec="11min 30s") for name in ("aapl", "spy", "tsla"))
COMPANY = tuple(unit(f"ztrade-{name}.service") for name in ("beat", "keeper", "redis", "exchange"))


def config(tmp_path: Path, **agent: Any) -> Config:
    loaded = load_config(ROOT / "deploy" / "config" / "ztrade.toml")
    agents = {name: replace(one, **agent) for name, one in loaded.agents.items()}
    return replace(loaded, agents=agents, warnings=(), path=Path("/etc/ztrade/ztrade.toml")).with_state(
        Path("/var/lib/ztrade")
    )


def all_is_well(tmp_path: Path) -> dict[str, Any]:
    """A machine on which all is well."""
    return {
        "config": config(tmp_path), "now": NOW, "files": FILES, "accounts": (PAPER,), "numbers": {"paper": "PA1"},
        "exchange_now": NOW, "journal": JOURNAL, "user": "ztrade", "halts": {}, "reducing": {},
        "newest_backup": NOW - timedelta(hours=3), "disks": (DISK,), "redis": REDIS, "units": (*WORKERS, *COMPANY),
        "reports": {},
        "listening": (Listener("127.0.0.1", 5555, True), Listener("0.0.0.0", 22, False)),
        "ports": {5555: "Flower"}, "channels": ("slack",), "logs": LogFacts(None, journal_kept=True),
        "python": PythonFacts((3, 11), "/opt/ztrade/bin/python"), "time": TIME,
    }  # fmt: skip


def remote(loaded: Config, **sections: Mapping[str, Any]) -> Config:
    changed = {name: getattr(loaded.main, name).model_copy(update=values) for name, values in sections.items()}
    return replace(loaded, main=loaded.main.model_copy(update=changed))


def intent(state: IntentState, age: timedelta) -> Intent:
    request = OrderRequest("zt.spy.x.entry", "SPY", Side.BUY, Decimal(1))
    return Intent("spy", "paper", "c", Leg.ENTRY, request, state, NOW - age, NOW - age)


@dataclass(frozen=True)
class Case:
    """One thing that is wrong: which check says what, and whether that hurts."""

    check: str
    change: Mapping[str, Any]
    said: str
    hurts: bool = True


def cases(well: Mapping[str, Any]) -> list[Case]:
    fine: Config = well["config"]
    live = replace(
        fine, agents={"spy": replace(AGENT, dry_run=False), "tsla": replace(AGENT, name="tsla", dry_run=False)}
    )
    two = replace(live, agents={**live.agents, "tsla": replace(live.agents["tsla"], account="other")})
    failed = {"ActiveState": "failed", "Result": "watchdog", "ExecMainStatus": "6"}
    far = remote(fine, redis={"url": "redis://:pw@10.0.0.2/0"})
    mail = {"kind": "email", "host": "smtp.example.com", "from": "z@example.com", "to": ["a@example.com"]}
    alerted = remote(fine, alerts={"channels": {
        "ops": ChannelSection(kind="slack"),
        "mail": ChannelSection.model_validate(mail),
        "relay": ChannelSection.model_validate(mail | {"host": "127.0.0.1"}),
    }})  # fmt: skip
    return [
        Case("config", {"config": replace(fine, agents={})}, "has no agent files"),
        Case(
            "file-modes",
            {"files": (FileFacts("/etc/ztrade/agents/spy.toml", 0o666, "root", "root"),)},
            "everybody can write",
        ),
        Case(
            "file-modes",
            {"files": (FileFacts("/k", 0o640, "root", "root", secret=True),)},
            "is a secret, and not its owner's",
        ),
        Case(
            "readers",
            {"files": (FileFacts(str(fine.path.parent / "agents/spy.toml"), 0o600, "root", "root"),)},
            "the services run as ztrade and cannot read",
        ),
        Case("secrets", {"config": far}, "/etc/ztrade/ztrade.toml holds a password"),
        Case(
            "limits",
            {"config": replace(fine, warnings=("spy: max_position_value 5 is above capital 1",))},
            "above capital",
        ),
        Case("keys", {"config": live}, "account paper has no keys"),
        Case("keys-work", {"accounts": (replace(PAPER, refused="401 unauthorized"),)}, "paper: 401 unauthorized"),
        Case("account", {"accounts": (replace(PAPER, blocked="trading is blocked"),)}, "trading is blocked"),
        Case("twins", {"config": two, "numbers": {"paper": "PA1", "other": "PA1"}}, "both trade SPY on account PA1"),
        Case(
            "exchange",
            {"accounts": (AccountFacts("embedded", "embedded", down="connection refused"),)},
            "connection refused",
        ),
        Case("feed", {"accounts": (replace(PAPER, no_prices={"SPY": "403: sip"}),)}, "no price of SPY: 403: sip"),
        Case("clock-skew", {"accounts": (replace(PAPER, skew=timedelta(seconds=-9)),)}, "-9.0 s off that of paper"),
        Case("time-sync", {"time": replace(TIME, synchronised=False)}, "is not synchronised"),
        Case("time-sync", {"time": replace(TIME, synchronised=False, real=False)}, "is not synchronised", hurts=False),
        Case("time-zone", {"time": replace(TIME, new_york_in_july=timedelta(hours=-5))}, "America/New_York"),
        Case("calendar", {"time": replace(TIME, now=datetime(2040, 9, 1, tzinfo=UTC))}, "ends on 2040-12-31"),
        Case("journal", {"journal": Failed(Finding("has revision 9999", "w", "f"), "r")}, "has revision 9999"),
        Case(
            "journal-owner", {"files": (replace(FILES[2], owner="root"),)}, "/var/lib/ztrade/journal.db belongs to root"
        ),
        Case("journal-size", {"journal": replace(JOURNAL, size=11 * GIB)}, "11.0 GiB", hurts=False),
        Case("journal-size", {"journal": replace(JOURNAL, log_size=2 * GIB)}, "write-ahead log has 2.0 GiB"),
        Case(
            "orders",
            {"journal": replace(JOURNAL, unresolved=[intent(IntentState.UNKNOWN, timedelta(hours=1))])},
            "zt.spy.x.entry is unknown",
        ),
        Case("halts", {"halts": {"ALL": "too hot"}}, "ALL is halted: too hot"),
        Case("halts", {"reducing": {"spy": "loss streak"}}, "spy is reducing: loss streak"),
        Case("backup", {"newest_backup": NOW - timedelta(days=3)}, "the newest backup is of 2026-11-21"),
        Case("backup", {"newest_backup": None}, "there is no backup", hurts=False),
        Case("disk", {"disks": (replace(DISK, free=GIB // 2),)}, "0.5 GiB free"),
        Case("disk", {"disks": (replace(DISK, free_inodes=3),)}, "3 inodes free"),
        Case("redis", {"redis": Failed(Finding("Redis does not answer", "w", "f"), "r")}, "Redis does not answer"),
        Case("redis-version", {"redis": replace(REDIS, info={"redis_version": "5.0.7"})}, "Redis is 5.0.7"),
        Case(
            "redis-eviction", {"redis": replace(REDIS, settings={"maxmemory-policy": "allkeys-lru"})}, "is allkeys-lru"
        ),
        Case("redis-persistence", {"redis": replace(REDIS, settings={"appendonly": "no"})}, "no append-only file"),
        Case("redis-persistence", {"redis": replace(REDIS, info={"aof_last_write_status": "err"})}, "cannot write"),
        Case(
            "redis-memory",
            {"redis": replace(REDIS, info={"used_memory": "900", "maxmemory": "1000"})},
            "uses 90% of its memory",
        ),
        Case(
            "redis-memory",
            {"redis": replace(REDIS, info={"used_memory": "900", "maxmemory": "0"})},
            "no maxmemory",
            hurts=False,
        ),
        Case("redis-timeout", {"redis": replace(REDIS, settings={"timeout": "300"})}, "idle for 300 s"),
        Case("redis-access", {"redis": replace(REDIS, socket_mode=0o777)}, "every user of this machine"),
        Case(
            "redis-access",
            {"redis": replace(REDIS, socket_mode=None, url="rediss://10.0.0.2/0", open_to_all=True)},
            "asks for no password",
        ),
        Case(
            "redis-access",
            {"redis": replace(REDIS, socket_mode=None, url="redis://:***@10.0.0.2/0")},
            "are not encrypted",
        ),
        Case("redis-refusals", {"redis": replace(REDIS, refused=("worker-spy",))}, "worker-spy", hurts=False),
        Case(
            "deaf-queues",
            {"redis": replace(REDIS, waiting=frozenset(), queues=[QueueState("agent.spy", 1)])},
            "messages wait in agent.spy",
        ),
        Case("piles", {"redis": replace(REDIS, queues=[QueueState("agent.spy", 9)])}, "9 messages wait in agent.spy"),
        Case(
            "piles",
            {"redis": replace(REDIS, queues=[QueueState("agent.spy", 1, NOW - timedelta(minutes=11))])},
            "1 messages wait",
        ),
        Case("strange-queues", {"redis": replace(REDIS, strange=("agent.qqq",))}, "agent.qqq", hurts=False),
        Case("agents-without-worker", {"units": (*WORKERS[1:], *COMPANY)}, "ztrade-worker@aapl is not enabled"),
        Case(
            "workers-without-agent",
            {"units": (*WORKERS, *COMPANY, unit("ztrade-worker@qqq.service"))},
            "there is no agent qqq",
        ),
        Case(
            "unit-state", {"units": (*WORKERS, *COMPANY, unit("ztrade-flower.service", **failed))}, "(watchdog, exit 6)"
        ),
        Case(
            "unit-state",
            {"units": Failed(Finding("systemctl does not answer", "w", "f"), "r")},
            "systemctl does not answer",
        ),
        Case(
            "unit-restarts", {"units": (unit("ztrade-beat.service", NRestarts="9"),)}, "came back 9 times", hurts=False
        ),
        Case(
            "unit-running",
            {"units": (*WORKERS, *COMPANY, unit("ztrade-flower.service", **STOPPED))},
            "ztrade-flower.service is enabled, and does not run",
        ),
        Case("unit-running", {"units": (unit("ztrade-beat.service", **STOPPED),)}, "nothing of ztrade runs"),
        Case(
            "unit-company",
            {"units": (*WORKERS, *COMPANY, unit("ztrade.target", UnitFileState="disabled"))},
            "ztrade.target is not enabled",
        ),
        Case("unit-folder", {"config": fine.with_state(Path("/data/ztrade"))}, "commands use /data/ztrade"),
        Case("unit-company", {"units": WORKERS}, "ztrade-beat is not enabled"),
        Case("unit-services", {"units": WORKERS}, "ztrade-exchange is not enabled"),
        Case(
            "sandbox",
            {"config": far, "units": (unit("ztrade-beat.service", PrivateNetwork="yes"),)},
            "needs Redis at 10.0.0.2",
        ),
        Case(
            "sandbox",
            {"config": live, "units": (unit("ztrade-worker@spy.service", IPAddressDeny="::/0 0.0.0.0/0"),)},
            "needs Alpaca",
        ),
        Case(
            "sandbox",
            {"config": alerted, "units": (unit("ztrade-keeper.service", IPAddressDeny="::/0 0.0.0.0/0"),)},
            "needs Slack, the mail server smtp.example.com",
        ),
        Case(
            "unit-files",
            {"units": (unit("ztrade-beat.service", NeedDaemonReload="yes"),)},
            "changed since systemd read them",
        ),
        Case(
            "restarted",
            {"reports": {"worker-spy": Report(7, 1.0, {"files": {"": "old", "spy": "old"}})}},
            "worker-spy runs on what ztrade.toml, spy said before it was changed",
        ),
        Case(
            "stop-time",
            {"units": (unit("ztrade-worker@spy.service", TimeoutStopUSec="1min 30s"),)},
            "is killed after 90 s",
        ),
        Case("ports", {"listening": (Listener("0.0.0.0", 5555, False),)}, "Flower listens on 0.0.0.0:5555"),
        Case("alerts", {"channels": ()}, "no alert channel", hurts=False),
        Case(
            "messages",
            {"journal": replace(JOURNAL, unsent=2, unsent_since=NOW - timedelta(hours=1))},
            "2 messages for people wait",
        ),
        Case("logs", {"logs": LogFacts("/var/log/ztrade", writable=False)}, "cannot be written"),
        Case("logs", {"logs": LogFacts("/var/log/ztrade", rotated=False)}, "nothing rotates", hurts=False),
        Case("logs", {"logs": LogFacts(None, journal_kept=False)}, "in memory only", hurts=False),
        Case("python", {"python": PythonFacts((3, 10), "/usr/bin/python3")}, "Python is 3.10"),
        Case("python", {"python": PythonFacts((3, 11), "/p", ("redis is missing",))}, "/p: redis is missing"),
    ]


STOPPED = {"ActiveState": "inactive", "SubState": "dead", "MainPID": "0"}
