"""What the exporter shows when all is well, as series of ``promtool test rules``, and how a test changes it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring.prometheus import OPS

RULES = sorted((OPS / "prometheus/rules").glob("*.yml"))
#: seconds between two scrapes, and two evaluations
STEP = 15
ABSENT = "absent"
SOURCES = ("events", "redis", "reports", "units", "files", "config", "halts", "journal", "exchange")
OBJECTIVES = {"done_in_time": 0.995, "not_missed": 0.999, "order_known": 1.0}
INTERVALS = {"spy": 300, "aapl": 3600}

#: a series' values: a number, :data:`ABSENT`, or (from second, value) in order
Values = float | str | Sequence[tuple[float, float | str]]
World = Mapping[str, Values]


def info(agent: str, account: str = "paper") -> str:
    """Return the series that says on which account an agent trades."""
    more = 'symbol="SPY",money="paper",dry_run="false",manual="false"'
    return f'ztrade_agent_info{{agent="{agent}",account="{account}",{more}}}'


def agent_series(agent: str) -> World:
    """Return the series of one agent in the middle of a good session."""
    name = f'{{agent="{agent}"}}'
    of = {
        "agent_interval_seconds": INTERVALS.get(agent, 300),
        "agent_market_open": 1,
        "agent_next_slot_seconds": 120,
        "agent_slots_without_success": 0,
        "agent_last_success_age_seconds": 100,
        "agent_halted": 0,
        "agent_halted_itself": 0,
        "agent_reducing": 0,
        "worker_up": 1,
        "worker_consuming": 1,
        "worker_last_ask_age_seconds": 1,
        "worker_start_timestamp_seconds": 1_000_000_000,
        "orders_unknown_age_seconds": 0,
    }
    made: dict[str, Values] = {f"ztrade_{metric}{name}": value for metric, value in of.items()}
    made[info(agent)] = 1
    for queue in (f"agent.{agent}", f"agent.{agent}.ctl"):
        made[f'ztrade_queue_oldest_message_age_seconds{{queue="{queue}"}}'] = 0
    for kind in ("unexplained", "unprotected", "foreign_order"):
        made[f'ztrade_reconciliation_differences{{agent="{agent}",kind="{kind}"}}'] = 0
    for objective in OBJECTIVES:
        made[f'ztrade_sla_events_total{{agent="{agent}",objective="{objective}"}}'] = 1000
        made[f'ztrade_sla_bad_total{{agent="{agent}",objective="{objective}"}}'] = 2
    made[f'ztrade_limit_used_ratio{{agent="{agent}",limit="daily_loss"}}'] = 0.2
    made[f'ztrade_limit_used_ratio{{agent="{agent}",limit="position_value"}}'] = 0.99
    made[f'ztrade_unit_restarts_total{{unit="ztrade-worker@{agent}.service"}}'] = 7
    return made


def calm() -> dict[str, Values]:
    """Return the whole world on a good day."""
    made: dict[str, Values] = {
        "up": 1,
        'ztrade_agent_halted{agent="ALL"}': 0,
        'ztrade_queue_oldest_message_age_seconds{queue="maintenance"}': 0,
        "ztrade_beat_up": 1,
        "ztrade_beat_last_tick_age_seconds": 1,
        "ztrade_keeper_up": 1,
        "ztrade_redis_up": 1,
        "ztrade_redis_safe": 1,
        "ztrade_redis_memory_bytes": 2e6,
        "ztrade_redis_memory_limit_bytes": 64e6,
        "ztrade_journal_up": 1,
        "ztrade_journal_current": 1,
        "ztrade_disk_free_bytes": 20e9,
        "ztrade_disk_size_bytes": 40e9,
        "ztrade_backup_age_seconds": 3600,
        "ztrade_config_valid": 1,
        'ztrade_config_current{program="beat"}': 1,
        'ztrade_exchange_up{account="paper"}': 1,
        'ztrade_clock_skew_seconds{account="paper"}': 0.1,
        "ztrade_exporter_events_lost_total": 9,
        'ztrade_channel_failures{channel="ops"}': 0,
        'ztrade_messages_lost_total{channel="ops"}': 1,
    }
    for agent in INTERVALS:
        made |= agent_series(agent)
    for source in SOURCES:
        made[f'ztrade_exporter_source_up{{source="{source}"}}'] = 1
        made[f'ztrade_exporter_source_age_seconds{{source="{source}"}}'] = 3
    for objective, ratio in OBJECTIVES.items():
        made[f'ztrade_sla_objective_ratio{{objective="{objective}"}}'] = ratio
    made |= {'ztrade_sla_within_seconds{objective="done_in_time"}': 30}
    made |= {'ztrade_sla_within_seconds{objective="order_known"}': 60}
    return made


def rests(world: World, next_slot: float = 50_000) -> dict[str, Values]:
    """Return the world when no session runs and none begins within ``next_slot`` seconds."""
    closed = {f'ztrade_agent_market_open{{agent="{agent}"}}': 0 for agent in INTERVALS}
    later = {f'ztrade_agent_next_slot_seconds{{agent="{agent}"}}': next_slot for agent in INTERVALS}
    return {**world, **closed, **later}


def from_on(world: World, at: float) -> dict[str, Values]:
    """Return a calm world that begins to be there at a moment."""
    return {series: [(0, ABSENT), (at, number(value))] for series, value in world.items()}


def up_to(world: World, at: float) -> dict[str, Values]:
    """Return a calm world that is gone from a moment on."""
    return {series: [(0, number(value)), (at, ABSENT)] for series, value in world.items()}


def number(values: Values) -> float:
    """Return the value of a series that does not change."""
    assert isinstance(values, float | int)
    return values


def name_of(series: str) -> str:
    """Return the metric's name."""
    return series.partition("{")[0]


@dataclass(frozen=True, slots=True)
class Look:
    """What must fire at a moment, nothing else: ``BeatStalled``, ``AgentSilent spy``, with the label that tells."""

    at: float
    firing: Set[str] = frozenset()


#: labels that tell alerts of one name apart
TELLING = ("integration", "queue", "agent", "unit", "channel", "metric", "account", "program")


def trouble(
    world: World, until: float, looks: Iterable[Look], folder: Path, rules: Sequence[Path] = RULES, step: int = STEP
) -> str:
    """Run ``promtool test rules`` on a world; return what it says where something else fires, empty where all is so.

    Args:
        world: series and their values; each gets the labels that a scrape adds.
        until: seconds for which it lasts.
        looks: what must fire when.
        folder: for promtool's file.
        rules: files of rules.
        step: seconds between two scrapes, and two evaluations.
    """
    test = {
        "interval": f"{step}s",
        "external_labels": {"runbooks": "https://example.com/runbooks"},
        "input_series": series_of(world, until, step),
        "promql_expr_test": [_expectation(look) for look in looks],
    }
    files = [str(path) for path in rules]
    file = folder / "world.test.yml"
    content: dict[str, Any] = {"rule_files": files, "evaluation_interval": f"{step}s", "tests": [test]}
    file.write_text(yaml.safe_dump(content, width=1000), encoding="utf-8")
    done = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True, timeout=60, check=False)
    said = done.stdout + done.stderr
    return "" if done.returncode == 0 else "\n".join(line for line in said.splitlines() if "label_replace" not in line)


def summaries(world: World, at: float, alert: str, folder: Path, rules: Sequence[Path] = RULES) -> str:
    """Return what promtool says of an alert's texts at a moment, from which a test picks the words that it expects."""
    test = {
        "interval": f"{4 * STEP}s",
        "input_series": series_of(world, at, 4 * STEP),
        "alert_rule_test": [{"eval_time": f"{at:.0f}s", "alertname": alert, "exp_alerts": []}],
    }
    content = {"rule_files": [str(path) for path in rules], "evaluation_interval": "60s", "tests": [test]}
    file = folder / "words.test.yml"
    file.write_text(yaml.safe_dump(content, width=1000), encoding="utf-8")
    done = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def series_of(world: World, until: float, step: int = STEP) -> list[dict[str, str]]:
    """Return a world as promtool reads it."""
    return [{"series": _labelled(name), "values": _written(values, until, step)} for name, values in world.items()]


def _expectation(look: Look) -> dict[str, Any]:
    # the first telling label that an alert has, as "what" beside its name; a source is what ExporterBlind is about
    told = 'ALERTS{alertstate="firing",severity!="none",alertname!="ExporterBlind"}'
    for label in reversed(TELLING):
        told = f'label_replace({told}, "what", "$1", "{label}", "(.+)")'
    blind = 'label_replace(ALERTS{alertstate="firing",alertname="ExporterBlind"}, "what", "$1", "source", "(.+)")'
    samples = [_sample(firing) for firing in sorted(look.firing)]
    expression = f"max by (alertname, what) ({told} or {blind})"
    return {"expr": expression, "eval_time": f"{look.at:.0f}s", "exp_samples": samples}


def _sample(firing: str) -> dict[str, Any]:
    name, _, what = firing.partition(" ")
    labels = f'alertname="{name}"' + (f', what="{what}"' if what else "")
    return {"labels": f"{{{labels}}}", "value": 1}


def _labelled(series: str) -> str:
    name, _, labels = series.partition("{")
    more = [labels.removesuffix("}")] if labels else []
    every = ",".join([*more, 'job="ztrade"', 'instance="ztrade"'])
    return f"{name}{{{every}}}"


def _written(values: Values, until: float, step: int) -> str:
    steps = [(0.0, values)] if isinstance(values, str | float | int) else list(values)
    ends = [moment for moment, _ in steps[1:]] + [until + step]
    parts = []
    for (moment, value), end in zip(steps, ends, strict=True):
        count = int(end // step) - int(moment // step)
        if count > 0:
            parts.append(_stretch(value, count))
    return " ".join(parts)


def _stretch(value: float | str, count: int) -> str:
    if value == ABSENT:
        return f"stale _x{count - 1}" if count > 1 else "stale"
    return f"{value}+0x{count - 1}"


def check(
    world: World, until: float, looks: Iterable[Look], folder: Path, rules: Sequence[Path] = RULES, step: int = STEP
) -> None:
    """Fail with what promtool says where the rules of a world fire otherwise; arguments as for :func:`trouble`."""
    said = trouble(world, until, looks, folder, rules, step)
    if said:
        pytest.fail(said, pytrace=False)
