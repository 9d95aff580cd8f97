"""A made-up trading day with faults in it, as Prometheus would have stored it: what the pictures show.

Redis is away from 15:04 to 15:16 UTC, spy's daily loss trips its breaker at 17:50, and tsla's worker is killed at 18:37
and does not come back. The page is looked at at 18:57.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from ztrade.service.exporter.catalogue import METRICS
from ztrade.service.exporter.metric import Kind

STEP = 60
BEGIN = int(datetime(2026, 6, 9, 12, 0, tzinfo=UTC).timestamp())
END = int(datetime(2026, 6, 9, 18, 57, tzinfo=UTC).timestamp())
INSTANCE = "ztrade"

_OPEN, _CLOSE = BEGIN + 90 * 60, BEGIN + 480 * 60
_REDIS_AWAY = range(BEGIN + 184 * 60, BEGIN + 196 * 60)
_TRIPPED, _KILLED = BEGIN + 350 * 60, BEGIN + 397 * 60
_MESSAGES = ("sent", "received", "started", "succeeded")

#: labels of what Prometheus itself writes
_OF_PROMETHEUS: Mapping[str, tuple[str, ...]] = {
    "up": (),
    "ALERTS": ("alertname", "severity", "agent", "alertstate"),
    "ALERTS_FOR_STATE": ("alertname", "severity", "agent"),
}

Key = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Agent:
    """One of the three; ``curve`` are the size and the slope of its profit in dollars."""

    name: str
    symbol: str
    account: str
    every: int
    curve: tuple[float, float]

    def due(self, now: int) -> bool:
        """Tell whether a slot is due in this minute."""
        return _OPEN < now < _CLOSE and (now - _OPEN) % self.every == 0

    def profit(self, now: int) -> float:
        """Return today's profit in dollars."""
        minutes = max(0, min(now, _CLOSE) - _OPEN) / 60
        if self.name == "spy" and now >= _TRIPPED:
            return -512.0
        size, slope = self.curve
        return size * math.sin(minutes / 47 + size) * min(1, minutes / 60) + slope * minutes


AGENTS = (
    Agent("spy", "SPY", "paper", 300, (60, -1.75)),
    Agent("tsla", "TSLA", "embedded", 300, (95, 0.9)),
    Agent("aapl", "AAPL", "main", 3600, (35, 0.3)),
)
#: counters that are there from the beginning, as 0: the first of a kind is counted, too
_KNOWN: Mapping[str, tuple[str, ...]] = {
    "ztrade_slots_total": ("held", "entered", "exited", "blocked", "missed"),
    "ztrade_slots_missed_total": ("beat", "redis", "worker", "journal", "exchange", "other"),
    "ztrade_orders_total": ("filled", "canceled", "expired", "rejected"),
    "ztrade_fills_total": ("buy", "sell"),
    "ztrade_refusals_total": ("daily_loss",),
    "ztrade_sla_events_total": ("done_in_time", "not_missed", "order_known"),
    "ztrade_sla_bad_total": ("done_in_time", "not_missed", "order_known"),
}


class Day:
    """Steps through the day; what it has set and counted is what a scrape would show."""

    def __init__(self) -> None:
        self.now = BEGIN
        self.values: dict[Key, float] = {}
        self._spreads: dict[Key, list[float]] = {}
        self._success = {agent.name: BEGIN - 64_800 for agent in AGENTS}
        self._silent = {agent.name: 0 for agent in AGENTS}
        for agent in AGENTS:
            for name, known in _KNOWN.items():
                for value in known:
                    self.count(name, agent.name, value, by=0)

    def step(self) -> None:
        """Let a minute pass."""
        for agent in AGENTS:
            self._agent(agent)
            self._money(agent)
            self._orders(agent)
            self._worker(agent)
        for part in (
            self._accounts,
            self._queues,
            self._services,
            self._redis,
            self._disk,
            self._exporter,
            self._people,
        ):
            part()
        self._alerts()

    def set(self, name: str, value: float, *labels: str) -> None:
        """Show a gauge."""
        self.values[name, labels] = value

    def count(self, name: str, *labels: str, by: float = 1) -> None:
        """Let a counter grow."""
        self.values[name, labels] = self.values.get((name, labels), 0) + by

    def observe(self, name: str, value: float, *labels: str) -> None:
        """Put a value into a histogram."""
        bounds = METRICS[name].buckets
        counts = self._spreads.setdefault((name, labels), [0.0] * (len(bounds) + 1))
        for place, bound in enumerate((*bounds, math.inf)):
            counts[place] += value <= bound
            self.values[f"{name}_bucket", (*labels, "+Inf" if bound == math.inf else repr(bound))] = counts[place]

    def drop(self, *names: str) -> None:
        """Show a metric no longer."""
        for key in [key for key in self.values if key[0] in names]:
            del self.values[key]

    def wave(self, period: float, seed: float = 0) -> float:
        """Return something between 0 and 1 that differs from minute to minute, the same in each run."""
        minutes = (self.now - BEGIN) / 60
        return 0.5 + 0.3 * math.sin(minutes / period + seed) + 0.2 * math.sin(minutes * 7.3 + seed * 3)

    @property
    def _redis_up(self) -> bool:
        return self.now not in _REDIS_AWAY

    def _dead(self, agent: Agent) -> bool:
        return agent.name == "tsla" and self.now >= _KILLED

    # -- slots ---------------------------------------------------------------------------------------------------------
    def _agent(self, agent: Agent) -> None:
        name, market = agent.name, _OPEN + agent.every <= self.now < _CLOSE
        if agent.due(self.now):
            self._slot(agent)
        money = {"spy": "paper", "tsla": "simulated", "aapl": "real"}[name]
        switches = (str(money == "simulated").lower(), "false")
        self.set("ztrade_agent_info", 1, name, agent.symbol, agent.account, money, *switches)
        self.set("ztrade_agent_interval_seconds", agent.every, name)
        self.set("ztrade_agent_market_open", market, name)
        self.set("ztrade_agent_slots_without_success", self._silent[name] if market else 0, name)
        self.set("ztrade_agent_last_success_age_seconds", self.now - self._success[name], name)
        following = agent.every - (self.now - _OPEN) % agent.every
        self.set(
            "ztrade_agent_next_slot_seconds", following if self.now > _OPEN else _OPEN + agent.every - self.now, name
        )
        self.set("ztrade_sentiment_score", round(1.2 * self.wave(61, agent.every + len(name)) - 0.5, 2), name)
        self.set("ztrade_news_age_seconds", 600 + (self.now * 3) % 5400, name)

    def _slot(self, agent: Agent) -> None:
        name = agent.name
        cause = "" if self._redis_up else "redis"
        cause = "worker" if self._dead(agent) else cause
        self.count("ztrade_sla_events_total", name, "done_in_time")
        self.count("ztrade_sla_events_total", name, "not_missed")
        for objective in ("done_in_time", "not_missed"):
            self.count("ztrade_sla_bad_total", name, objective, by=bool(cause))
        self._silent[name] = self._silent[name] + 1 if cause else 0
        if cause:
            self.count("ztrade_slots_missed_total", name, cause)
            self.count("ztrade_slots_total", name, "missed")
            return
        self._success[name] = self.now
        self._ran(agent)

    def _ran(self, agent: Agent) -> None:
        name, late = agent.name, 0.15 + 0.5 * self.wave(13, len(agent.symbol))
        ran = 0.6 + 2.4 * self.wave(29, agent.every)
        self.observe("ztrade_slot_lateness_seconds", late, name)
        self.observe("ztrade_slot_done_seconds", late + ran, name)
        self.observe("ztrade_task_queue_wait_seconds", late / 3, "trading_cycle", name)
        self.observe("ztrade_task_run_seconds", ran, "trading_cycle", name)
        self.observe("ztrade_journal_write_seconds", 0.004 + 0.01 * self.wave(17), f"worker-{name}")
        for step in _MESSAGES:
            self.count(f"ztrade_tasks_{step}_total", "trading_cycle", name)
        self.count("ztrade_exchange_requests_total", agent.account, f"worker-{name}", by=4)
        self.count("ztrade_slots_total", name, self._outcome(agent))

    def _outcome(self, agent: Agent) -> str:
        if agent.name == "spy" and self.now >= _TRIPPED:
            self.count("ztrade_refusals_total", agent.name, "daily_loss")
            return "blocked"
        minutes = (self.now - _OPEN) // 60
        if minutes % 45 == 0:
            self._filled(agent, "buy" if minutes % 90 else "sell")
            return "entered" if minutes % 90 else "exited"
        return "held"

    # -- money and orders ----------------------------------------------------------------------------------------------
    def _filled(self, agent: Agent, side: str) -> None:
        name = agent.name
        self.count("ztrade_orders_total", name, "filled")
        self.count("ztrade_orders_total", name, "canceled", by=side == "sell")
        self.count("ztrade_fills_total", name, side)
        self.observe("ztrade_order_answer_seconds", 0.08 + 0.3 * self.wave(11, len(name)), name)
        self.observe("ztrade_slippage_ratio", 0.0006 * self.wave(5, len(name)) - 0.0002, name)
        self.count("ztrade_sla_events_total", name, "order_known")
        self.set("ztrade_agent_position_shares", 12 if side == "buy" else 0, name, agent.symbol)
        self.set("ztrade_agent_exposure_dollars", 12 * 310.5 if side == "buy" else 0, name)

    def _money(self, agent: Agent) -> None:
        name, profit = agent.name, agent.profit(self.now)
        before = {"spy": 240.0, "tsla": -80.0, "aapl": 130.0}[name]
        self.set("ztrade_agent_equity_dollars", round(25_000 + before + profit, 2), name)
        self.set("ztrade_agent_pnl_today_dollars", round(profit, 2), name)
        self.set("ztrade_agent_pnl_dollars", round(before + profit, 2), name)
        self.set("ztrade_agent_drawdown_ratio", max(0.0, 150 - profit) / 25_000, name)
        self.set("ztrade_limit_used_ratio", min(1.0, max(0.0, -profit / 500)), name, "daily_loss")
        self.set("ztrade_limit_used_ratio", max(0.0, 150 - profit) / 2500, name, "drawdown")
        self.set("ztrade_limit_used_ratio", 0.84 if name == "aapl" else 0.45, name, "daily_trades")
        self.set("ztrade_agent_halted", 0, name)
        self.set("ztrade_agent_halted_itself", 0, name)
        self.set("ztrade_agent_reducing", name == "spy" and self.now >= _TRIPPED, name)

    def _orders(self, agent: Agent) -> None:
        name = agent.name
        holds = self.values.get(("ztrade_agent_position_shares", (name, agent.symbol)), 0) > 0
        self.values.setdefault(("ztrade_agent_position_shares", (name, agent.symbol)), 0)
        self.values.setdefault(("ztrade_agent_exposure_dollars", (name,)), 0)
        self.set("ztrade_orders_open", 2 if holds else 0, name, "accepted")
        self.set("ztrade_orders_unknown", 0, name)
        self.set("ztrade_orders_unknown_age_seconds", 0, name)
        self.count("ztrade_unknown_outcomes_total", name, by=0)
        for kind in ("unexplained", "adopted"):
            self.set("ztrade_reconciliation_differences", 0, name, kind)
        self.set("ztrade_proposals_pending", 0, name)

    def _accounts(self) -> None:
        self.set("ztrade_agent_halted", 0, "ALL")
        for account, cash in (("paper", 61_240.18), ("embedded", 40_000.0), ("main", 20_310.55)):
            profit = sum(agent.profit(self.now) for agent in AGENTS if agent.account == account)
            self.set("ztrade_account_equity_dollars", round(cash + 14_000 + profit, 2), account)
            self.set("ztrade_account_cash_dollars", cash, account)
            self.set("ztrade_account_drawdown_ratio", max(0.0, 200 - profit) / cash, account)
            self.set("ztrade_exchange_up", 1, account)
            self.set("ztrade_exchange_budget_left", 200 - 14 * self.wave(3), account)
            self.set("ztrade_clock_skew_seconds", 0.06 * self.wave(90), account)
            self.count("ztrade_exchange_requests_total", account, "keeper")
            self.count("ztrade_exchange_errors_total", account, "timeout", by=self.now % 7200 == 0)
        for name, value in (("done_in_time", 0.995), ("not_missed", 0.999), ("order_known", 1.0)):
            self.set("ztrade_sla_objective_ratio", value, name)
        for name, value in (("done_in_time", 30.0), ("order_known", 60.0)):
            self.set("ztrade_sla_within_seconds", value, name)

    # -- machinery -----------------------------------------------------------------------------------------------------
    def _worker(self, agent: Agent) -> None:
        name, lives = agent.name, not self._dead(agent)
        self.set("ztrade_worker_up", lives, name)
        self.set("ztrade_worker_consuming", lives and self._redis_up, name)
        self.set("ztrade_worker_watchdog_healthy", lives, name)
        since = self.now - (_KILLED if not lives else _REDIS_AWAY.start)
        self.set("ztrade_worker_last_ask_age_seconds", 1 if lives and self._redis_up else since, name)
        self.set("ztrade_worker_start_timestamp_seconds", BEGIN - 86_400, name)
        for process, size in (("main", 46e6), ("child", 61e6)):
            self.values.pop(("ztrade_worker_memory_bytes", (name, process)), None)
            if lives:
                self.set("ztrade_worker_memory_bytes", size * (1 + 0.02 * self.wave(40, len(name))), name, process)
        self.count("ztrade_worker_broker_reconnects_total", name, by=self.now == _REDIS_AWAY.stop)
        self.count("ztrade_worker_child_deaths_total", name, "signal", by=name == "tsla" and self.now == _KILLED)
        self.set("ztrade_tasks_in_flight", 0, name)
        for other in ("failed", "retried", "revoked", "expired", "rejected", "redelivered", "duplicate"):
            self.count(f"ztrade_tasks_{other}_total", "trading_cycle", name, by=0)
        if agent.due(self.now) and not lives:
            self.count("ztrade_tasks_sent_total", "trading_cycle", name)

    def _queues(self) -> None:
        names = ("ztrade_queue_messages", "ztrade_queue_oldest_message_age_seconds")
        if not self._redis_up:
            self.drop(*names, "ztrade_unacked_messages", "ztrade_unacked_oldest_age_seconds")
            return
        for agent in AGENTS:
            waits = self._dead(agent) and self.now >= _KILLED + 180
            self.set("ztrade_queue_messages", waits, f"agent.{agent.name}")
            age = (self.now - _OPEN) % agent.every if waits else 0
            self.set("ztrade_queue_oldest_message_age_seconds", age, f"agent.{agent.name}")
            self.set("ztrade_unacked_messages", 0, agent.name)
            self.set("ztrade_unacked_oldest_age_seconds", 0, agent.name)
        for name in names:
            self.set(name, 0, "maintenance")

    def _services(self) -> None:
        self.set("ztrade_beat_up", 1)
        self.set("ztrade_keeper_up", 1)
        self.set("ztrade_beat_last_tick_age_seconds", 0.4 + self.wave(2))
        self.set("ztrade_beat_last_publish_age_seconds", (self.now - _OPEN) % 300 if self.now > _OPEN else 61_200)
        units = [f"ztrade-worker@{agent.name}.service" for agent in AGENTS]
        for unit in (*units, "ztrade-beat.service", "ztrade-keeper.service", "ztrade-redis.service"):
            away = (unit == units[1] and self.now >= _KILLED) or ("redis" in unit and not self._redis_up)
            self.set("ztrade_unit_active", not away, unit)
            restarted = unit == units[1] and _KILLED <= self.now < _KILLED + 300
            self.count("ztrade_unit_restarts_total", unit, by=restarted)

    def _redis(self) -> None:
        self.set("ztrade_redis_up", self._redis_up)
        if not self._redis_up:
            self.drop("ztrade_redis_safe", "ztrade_redis_memory_bytes", "ztrade_redis_clients")
            return
        self.set("ztrade_redis_safe", 1)
        self.set("ztrade_redis_memory_bytes", 9e6 + 1e6 * self.wave(70))
        self.set("ztrade_redis_memory_limit_bytes", 256e6)
        self.set("ztrade_redis_last_save_age_seconds", (self.now * 2) % 3600)
        self.count("ztrade_redis_evicted_keys_total", by=0)
        for agent in AGENTS:
            self.set("ztrade_redis_clients", 0 if self._dead(agent) else 4, f"ztrade-worker@{agent.name}")
        self.set("ztrade_redis_clients", 2, "ztrade-beat")
        self.set("ztrade_redis_blocked_clients", 2 if self.now >= _KILLED else 3)

    def _disk(self) -> None:
        minutes = (self.now - BEGIN) / 60
        self.set("ztrade_journal_up", 1)
        self.set("ztrade_journal_current", 1)
        self.set("ztrade_journal_size_bytes", 41e6 + 9_000 * minutes)
        self.set("ztrade_disk_free_bytes", 9.1e9 - 0.6e6 * minutes)
        self.set("ztrade_disk_size_bytes", 40e9)
        self.set("ztrade_backup_age_seconds", 32_400 + self.now - BEGIN)

    def _exporter(self) -> None:
        self.set("ztrade_config_valid", 1)
        for program in ("beat", "keeper", "exporter"):
            self.set("ztrade_config_current", 1, program)
        self.set("up", 1)
        self.set("ztrade_build_info", 1, "0.1.0")
        for place, source in enumerate(("events", "reports", "units", "config", "redis", "journal", "exchange")):
            seen = self._redis_up or source not in ("events", "redis")
            self.set("ztrade_exporter_source_up", seen, source)
            self.set("ztrade_exporter_source_age_seconds", 2 if seen else self.now - _REDIS_AWAY.start, source)
            self.set("ztrade_exporter_source_duration_seconds", 0.002 * (1 + place) * (1 + self.wave(9)), source)
        for kind, each in (("worker-heartbeat", 90), ("task-succeeded", 1)):
            self.count("ztrade_exporter_events_total", kind, by=each if self._redis_up else 0)
        self.count("ztrade_exporter_events_lost_total", by=0)
        self.count("ztrade_exporter_events_unknown_total", by=0)
        for _scrape in range(4):
            self.observe("ztrade_exporter_scrape_seconds", 0.002 + 0.004 * self.wave(4))

    def _people(self) -> None:
        for channel in ("slack", "mail"):
            self.set("ztrade_messages_waiting", 0, channel)
            self.set("ztrade_channel_failures", 0, channel)
            self.count("ztrade_messages_lost_total", channel, by=0)
            told = self.now in (_REDIS_AWAY.start + 120, _TRIPPED, _KILLED + 540)
            self.count("ztrade_messages_sent_total", channel, by=told)

    def _alerts(self) -> None:
        for name, severity, agent, begin, end in (
            ("RedisDown", "critical", "", _REDIS_AWAY.start + 120, _REDIS_AWAY.stop),
            ("LimitNear", "warning", "aapl", _OPEN + 10_800, END + STEP),
            ("AgentReducing", "critical", "spy", _TRIPPED, END + STEP),
            ("AgentAbsent", "critical", "tsla", _KILLED + 60, END + STEP),
            ("AgentSilent", "critical", "tsla", _KILLED + 540, END + STEP),
        ):
            fires, since = ("ALERTS", (name, severity, agent, "firing")), ("ALERTS_FOR_STATE", (name, severity, agent))
            if begin <= self.now < end:
                self.values |= {fires: 1, since: begin}
            elif fires in self.values:
                del self.values[fires], self.values[since]
        self.values |= {
            ("ALERTS", ("Watchdog", "none", "", "firing")): 1,
            ("ALERTS_FOR_STATE", ("Watchdog", "none", "")): BEGIN,
        }


def open_metrics() -> Iterator[str]:
    """Yield the day as promtool reads it, line by line."""
    day = Day()
    while day.now <= END:
        day.step()
        for (name, values), value in day.values.items():
            labels = zip((*_labels(name), "instance"), (*values, INSTANCE), strict=True)
            inside = ",".join(f'{label}="{text}"' for label, text in labels if text)
            yield f"{name}{{{inside}}} {float(value)} {day.now}\n"
        day.now += STEP
    yield "# EOF\n"


def _labels(name: str) -> tuple[str, ...]:
    if name in _OF_PROMETHEUS:
        return _OF_PROMETHEUS[name]
    if name.endswith("_bucket") and METRICS[name.removesuffix("_bucket")].kind is Kind.HISTOGRAM:
        return (*METRICS[name.removesuffix("_bucket")].labels, "le")
    return METRICS[name].labels
