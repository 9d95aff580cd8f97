"""For each alert what makes it fire, and what does not quite."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

from tests.monitoring.world import name_of

SPY = '{agent="spy"}'
HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Case:
    """One way for an alert to fire.

    Args:
        alert: its name, and after a space the label that tells it from others of the name.
        bad: values of series with which it fires.
        near: values with which it does not yet; the calm ones where empty.
        instead: what fires where the first of these series is absent; empty: rightly nothing.
        also: what else fires with ``bad``.
        within: seconds after which it fires.
        keeps: seconds that it goes on firing when all is well.
        at_night: it is told when no market is near.
    """

    alert: str
    bad: Mapping[str, float]
    near: Mapping[str, float]
    instead: Set[str] = frozenset()
    also: Set[str] = frozenset()
    within: float = 45
    keeps: float = 60
    at_night: bool = False

    @property
    def name(self) -> str:
        return self.alert.partition(" ")[0]

    @property
    def metric(self) -> str:
        """What is absent in the case of that name."""
        return name_of(next(iter(self.bad)))


#: what fires where a metric is gone that each agent has
BOTH = frozenset({"MetricMissing spy", "MetricMissing aapl"})


def _agent(alert: str, metric: str, bad: float, near: float, *, night: bool = False) -> Case:
    series = f"ztrade_{metric}{SPY}"
    return Case(f"{alert} spy", {series: bad}, {series: near}, BOTH, at_night=night)


def _books(alert: str, kind: str) -> Case:
    series = f'ztrade_reconciliation_differences{{agent="spy",kind="{kind}"}}'
    other = 'ztrade_reconciliation_differences{agent="spy",kind="foreign_order"}'
    return Case(f"{alert} spy", {series: 2}, {series: 0, other: 3}, BOTH, within=60, at_night=True)


def _one(alert: str, series: str, bad: float, near: float, *, within: float = 45, keeps: float = 60) -> Case:
    missing = f"MetricMissing {name_of(series)}"
    return Case(alert, {series: bad}, {series: near}, {missing}, within=within, keeps=keeps)


CASES: tuple[Case, ...] = (
    _agent("AgentSilent", "agent_slots_without_success", 2, 1),
    _agent("AgentAbsent", "worker_up", 0, 1),
    _agent("WorkerDeaf", "worker_consuming", 0, 1),
    _one("BeatStalled", "ztrade_beat_up", 0, 1),
    _one("KeeperDown", "ztrade_keeper_up", 0, 1),
    Case(
        "QueueOld agent.spy",
        {'ztrade_queue_oldest_message_age_seconds{queue="agent.spy"}': 301},
        # an hour's agent waits no longer than the longest cycle
        {
            'ztrade_queue_oldest_message_age_seconds{queue="agent.spy"}': 299,
            'ztrade_queue_oldest_message_age_seconds{queue="agent.aapl.ctl"}': 599,
            'ztrade_queue_oldest_message_age_seconds{queue="maintenance"}': 599,
        },
        {"MetricMissing ztrade_queue_oldest_message_age_seconds"},
    ),
    _agent("OrderUnknown", "orders_unknown_age_seconds", 61, 60, night=True),
    _books("BooksDiffer", "unexplained"),
    _books("PositionUnprotected", "unprotected"),
    _agent("AgentReducing", "agent_reducing", 1, 0, night=True),
    _agent("AgentHalted", "agent_halted", 1, 0, night=True),
    Case(
        "AgentHaltedItself spy",
        {'ztrade_agent_halted_itself{agent="spy"}': 1, 'ztrade_agent_halted{agent="spy"}': 1},
        {},
        BOTH,
        at_night=True,
    ),
    Case(
        "AgentHalted ALL",
        {'ztrade_agent_halted{agent="ALL"}': 1, f"ztrade_agent_halted{SPY}": 1},
        {'ztrade_agent_halted{agent="ALL"}': 0},
        BOTH,
        at_night=True,
    ),
    Case(
        "LimitNear spy",
        {'ztrade_limit_used_ratio{agent="spy",limit="daily_loss"}': 0.8},
        {'ztrade_limit_used_ratio{agent="spy",limit="daily_loss"}': 0.79},
        BOTH,
        keeps=900,
        at_night=True,
    ),
    _one("RedisDown", "ztrade_redis_up", 0, 1),
    _one("RedisUnsafe", "ztrade_redis_safe", 0, 1, within=90, keeps=300),
    _one("RedisNearlyFull", "ztrade_redis_memory_bytes", 58e6, 57e6, keeps=300),
    _one("JournalUnusable", "ztrade_journal_up", 0, 1),
    _one("JournalUnusable", "ztrade_journal_current", 0, 1),
    _one("ExchangeDown paper", 'ztrade_exchange_up{account="paper"}', 0, 1),
    Case(
        "ClockSkew paper",
        {'ztrade_clock_skew_seconds{account="paper"}': -2.5},
        {'ztrade_clock_skew_seconds{account="paper"}': 1.9},
        within=90,
        keeps=300,
    ),
    Case(
        "DiskNearlyFull",
        {"ztrade_disk_free_bytes": 3.9e9},
        {"ztrade_disk_free_bytes": 4.1e9},
        {"MetricMissing ztrade_disk_free_bytes"},
        within=90,
        keeps=900,
    ),
    Case(
        "BackupOld",
        {"ztrade_backup_age_seconds": 26 * HOUR + 1},
        {"ztrade_backup_age_seconds": 26 * HOUR},
        within=90,
        keeps=300,
    ),
    Case(
        "ConfigNotApplied beat",
        {'ztrade_config_current{program="beat"}': 0},
        {'ztrade_config_current{program="beat"}': 1},
        within=645,
    ),
    _one("ConfigNotApplied", "ztrade_config_valid", 0, 1, within=645),
    Case("ExporterDown", {"up": 0}, {"up": 1}, {"ExporterDown"}),
    Case(
        "ExporterBlind units",
        {'ztrade_exporter_source_up{source="units"}': 0},
        {'ztrade_exporter_source_up{source="units"}': 1},
        {"MetricMissing ztrade_exporter_source_up"},
    ),
    Case(
        "ExporterBlind journal",
        {'ztrade_exporter_source_age_seconds{source="journal"}': 61},
        {'ztrade_exporter_source_age_seconds{source="journal"}': 60},
    ),
    Case(
        "ChannelDown ops",
        {'ztrade_channel_failures{channel="ops"}': 3},
        {'ztrade_channel_failures{channel="ops"}': 0},
        within=345,
        keeps=300,
    ),
)
