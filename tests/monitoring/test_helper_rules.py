"""CauseKnown and Watchdog: alerts for Alertmanager, not for people."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.needs import needs
from tests.monitoring.world import ABSENT, RULES, STEP, Values, calm, info, series_of

MINUTE = 60.0


@pytest.fixture(autouse=True)
def _promtool() -> None:
    needs("promtool")


def known(changed: dict[str, Values], until: float, expected: Mapping[float, set[str]], folder: Path) -> None:
    """Check for which agents CauseKnown fires when; the watchdog fires always."""
    telling = 'count by (alertname, agent) (ALERTS{alertstate="firing",severity="none"})'
    tests: list[dict[str, Any]] = []
    for at, agents in expected.items():
        samples = [{"labels": f'{{alertname="CauseKnown", agent="{agent}"}}', "value": 1} for agent in sorted(agents)]
        samples.append({"labels": '{alertname="Watchdog"}', "value": 1})
        tests.append({"expr": telling, "eval_time": f"{at:.0f}s", "exp_samples": samples})
    group = {"interval": f"{STEP}s", "input_series": series_of(calm() | changed, until), "promql_expr_test": tests}
    content = {"rule_files": [str(rule) for rule in RULES], "evaluation_interval": f"{STEP}s", "tests": [group]}
    file = folder / "helpers.test.yml"
    file.write_text(yaml.safe_dump(content, width=1000), encoding="utf-8")
    done = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        pytest.fail(done.stdout + done.stderr, pytrace=False)


def test_a_cause_is_known_while_it_lasts_and_until_the_next_slot_has_run(tmp_path: Path) -> None:
    """Redis is away for ten minutes: both agents' silence is explained, the hourly one's for longer."""
    redis: dict[str, Values] = {"ztrade_redis_up": [(0, 1), (300, 0), (900, 1)]}
    both = {"spy", "aapl"}
    # 1.2 x 300 + 60 = 420 seconds after RedisDown fired last, a minute after Redis was away
    # groups of rules come in no order: what one records the other may see an evaluation later
    expected: dict[float, set[str]] = {285: set(), 300 + STEP: both, 890: both, 1335: both, 1410: {"aapl"}}
    known(redis, 1410, expected, tmp_path)


@pytest.mark.parametrize(
    "metric", ["ztrade_redis_up", 'ztrade_worker_consuming{agent="spy"}', 'ztrade_exchange_up{account="paper"}']
)
def test_what_comes_and_goes_untold_explains_no_silence(metric: str, tmp_path: Path) -> None:
    """One bad look every two minutes is no alert: it must not keep the agent's own one from being told."""
    blinks: Values = [(at + more, value) for at in range(0, 900, 120) for more, value in ((0, 1), (15, 0), (30, 1))]
    known({metric: blinks}, 880, {120 * n + 90: set() for n in range(1, 7)}, tmp_path)


def test_a_redis_that_is_nearly_full_explains_nothing_and_a_full_one_does(tmp_path: Path) -> None:
    """It refuses nothing yet, may stand so for days, and an agent may fall silent for another reason."""
    filled: dict[str, Values] = {"ztrade_redis_memory_bytes": [(0, 60e6), (300, 63.9e6), (600, 2e6)]}
    known(filled, 1500, {285: set(), 330: {"spy", "aapl"}, 900: {"spy", "aapl"}, 1200: {"aapl"}}, tmp_path)


def test_an_agents_own_cause_is_no_others(tmp_path: Path) -> None:
    """And what is absent is no cause: without its interval nothing is explained."""
    down: dict[str, Values] = {'ztrade_worker_up{agent="spy"}': [(0, 1), (60, 0)]}
    known(down, 120, {120: {"spy"}}, tmp_path)
    gone: dict[str, Values] = {'ztrade_agent_interval_seconds{agent="spy"}': ABSENT}
    known(down | gone, 120, {120: set()}, tmp_path)


def test_an_exchange_that_is_down_explains_only_its_own_agents_silence(tmp_path: Path) -> None:
    """A simulated exchange that nobody hurries to mend must not hide an agent with real money."""
    embedded: dict[str, Values] = {info("aapl"): ABSENT, info("aapl", "embedded"): 1}
    down: dict[str, Values] = {'ztrade_exchange_up{account="embedded"}': [(0, 1), (60, 0)]}
    known(embedded | down, 120, {45: set(), 120: {"aapl"}}, tmp_path)
