"""Budgets that burn: what pages, what is work for today, and what one bad slot does."""

from __future__ import annotations

from collections.abc import Mapping, Set
from pathlib import Path

import pytest

from tests.integration.needs import needs
from tests.monitoring.prometheus import OPS
from tests.monitoring.test_counting_rules import counts
from tests.monitoring.world import ABSENT, OBJECTIVES, Look, Values, check, info, summaries

HOUR = 3600.0
RULES = [OPS / "prometheus/rules/ztrade-sla.yml"]
FAST, SLOW = "BudgetBurnsFast spy", "BudgetBurnsSlow spy"


@pytest.fixture(autouse=True)
def _promtool() -> None:
    needs("promtool")


def slots(agent: str, objective: str, every: float, bad: Set[int], hours: float = 8) -> dict[str, Values]:
    """Return the counters of slots that come each ``every`` seconds, of which those in ``bad`` are bad."""
    ends = [every * (number + 1) for number in range(int(hours * HOUR // every))]
    name = f'{{agent="{agent}",objective="{objective}"}}'
    return {
        f"ztrade_sla_events_total{name}": counts(*ends),
        f"ztrade_sla_bad_total{name}": counts(*(end for number, end in enumerate(ends) if number in bad)),
    }


def ratio(objective: str, to: float) -> dict[str, Values]:
    """Return the objective as configured."""
    return {f'ztrade_sla_objective_ratio{{objective="{objective}"}}': to}


def burns(changed: Mapping[str, Values], fires: Mapping[float, Set[str]], folder: Path, step: int = 60) -> None:
    """Check what fires at which hour."""
    world: dict[str, Values] = {'ztrade_exporter_source_up{source="journal"}': 1}
    for objective, configured in OBJECTIVES.items():
        world |= ratio(objective, configured)
    looks = [Look(hour * HOUR, told) for hour, told in fires.items()]
    check(world | dict(changed), max(fires) * HOUR, looks, folder, RULES, step)


def test_one_bad_slot_in_an_hour_is_no_page(tmp_path: Path) -> None:
    """17 times the budget by the rate alone; nor are two."""
    none: Set[str] = frozenset()
    burns(slots("spy", "done_in_time", 300, {12, 20}), {1.2: none, 1.5: none, 2: none, 3: none}, tmp_path)


def test_three_bad_slots_in_an_hour_are(tmp_path: Path) -> None:
    """Every fourth slot of a 5-minute agent, no two in a row; over 70 minutes after the last."""
    changed = slots("spy", "done_in_time", 300, {12, 16, 20})
    burns(changed, {1.7: set(), 1.8: {FAST}, 3: set()}, tmp_path)


def test_a_looser_objective_burns_slower(tmp_path: Path) -> None:
    """The same three slots against 95 %: five times the rate, no page; nine of them: fifteen times."""
    loose = ratio("done_in_time", 0.95)
    three = slots("spy", "done_in_time", 300, {60, 64, 68})
    burns(three, {5.85: {FAST}}, tmp_path)
    burns(three | loose, {5.85: set(), 6: set()}, tmp_path)
    nine = slots("spy", "done_in_time", 300, {60, 61, 63, 64, 66, 67, 69, 70, 71})
    burns(nine | loose, {5.9: set(), 6.05: {FAST}}, tmp_path)


def test_an_hourly_agent_has_three_bad_slots_in_six_hours(tmp_path: Path) -> None:
    """The short window holds one slot; two are no page."""
    changed = slots("aapl", "not_missed", 3600, {1, 3, 5})
    burns(changed, {5.5: set(), 6.05: {"BudgetBurnsFast aapl"}, 7.3: set()}, tmp_path)
    burns(slots("aapl", "not_missed", 3600, {3, 5}), {6.05: set()}, tmp_path)


def test_an_objective_of_one_has_no_budget(tmp_path: Path) -> None:
    """The first order whose outcome was not known in time is told."""
    burns(slots("spy", "order_known", 1200, {6}), {2.2: set(), 2.4: {FAST}, 3.6: set()}, tmp_path)


@pytest.mark.parametrize(
    ("objective", "bad", "words"),
    [
        ("order_known", {6}, "spy missed order_known, which has no budget"),
        ("done_in_time", {3, 4, 6}, "spy burns its done_in_time budget 86 times too fast"),
    ],
)
def test_its_words_hold_a_number_that_a_person_can_read(
    objective: str, bad: Set[int], words: str, tmp_path: Path
) -> None:
    """What is divided by no budget is infinite."""
    every, at = 1200 if objective == "order_known" else 300, 2.4 if objective == "order_known" else 0.6
    world: dict[str, Values] = {'ztrade_exporter_source_up{source="journal"}': 1}
    world |= slots("spy", objective, every, bad) | ratio(objective, OBJECTIVES[objective])
    assert words in summaries(world, at * HOUR, "BudgetBurnsFast", tmp_path, RULES)


def test_a_first_bad_event_may_be_a_new_series(tmp_path: Path) -> None:
    """Born at 1."""
    name = '{agent="spy",objective="order_known"}'
    born: dict[str, Values] = {f"ztrade_sla_bad_total{name}": [(0, ABSENT), (7 * HOUR, 1)]}
    burns(slots("spy", "order_known", 1200, set()) | born, {6.9: set(), 7.05: {FAST}}, tmp_path)


def test_what_another_alert_told_is_no_page_again(tmp_path: Path) -> None:
    """Four slots in a row are AgentSilent; the budget that went with them is work for today."""
    labels = 'agent="spy",alertname="AgentSilent",alertstate="firing",severity="critical"'
    silent: dict[str, Values] = {f"ALERTS{{{labels}}}": [(0, ABSENT), (1.2 * HOUR, 1), (1.5 * HOUR, ABSENT)]}
    changed = slots("spy", "not_missed", 300, {13, 14, 15, 16})
    burns(changed, {1.55: {FAST}}, tmp_path)
    burns(changed | silent, {1.55: set(), 2: set(), 2.6: {SLOW}, 3: {SLOW}}, tmp_path)


def test_an_exchange_that_was_told_excuses_only_its_own_agents(tmp_path: Path) -> None:
    """Spy on an account that was down, then on another one than that."""
    labels = 'account="embedded",alertname="ExchangeDown",alertstate="firing",severity="critical"'
    down: dict[str, Values] = {f"ALERTS{{{labels}}}": [(0, ABSENT), (1.2 * HOUR, 1), (1.5 * HOUR, ABSENT)]}
    changed = slots("spy", "not_missed", 300, {13, 14, 15, 16})
    burns(changed | down | {info("spy", "embedded"): 1}, {1.55: set()}, tmp_path)
    burns(changed | down | {info("spy", "live"): 1}, {1.55: {FAST}}, tmp_path)


def test_a_journal_that_was_put_back_burns_nothing(tmp_path: Path) -> None:
    """Its counts are lower, which looks as if all of them had come at once."""
    name = '{agent="spy",objective="not_missed"}'
    restored: dict[str, Values] = {
        f"ztrade_sla_events_total{name}": [(0, 1000), (6.5 * HOUR, 900)],
        f"ztrade_sla_bad_total{name}": [(0, 20), (6.5 * HOUR, 15)],
    }
    burns(restored, {6.55: set(), 7: set(), 8: set()}, tmp_path)


def test_absent_counters_burn_nothing(tmp_path: Path) -> None:
    """That they are absent is MetricMissing's to tell."""
    burns({}, {1: set()}, tmp_path)


def test_a_slow_burn_is_work_for_today(tmp_path: Path) -> None:
    """Four bad slots far apart: told after an hour; over when a day was clean."""
    changed = slots("spy", "done_in_time", 300, {10, 30, 50, 90}, 34)
    burns(changed, {7.5: set(), 8.8: {SLOW}, 31: {SLOW}, 32: set()}, tmp_path, step=300)


def test_three_bad_slots_in_a_week_are_no_work(tmp_path: Path) -> None:
    """Nor are four against a looser objective."""
    burns(slots("spy", "done_in_time", 300, {10, 50, 90}, 10), {8.8: set()}, tmp_path, step=300)
    burns(
        slots("spy", "done_in_time", 300, {10, 30, 50, 90}, 10) | ratio("done_in_time", 0.9),
        {8.8: set()},
        tmp_path,
        step=300,
    )
