"""Every alert fires, does not quite, resolves, and is told where its metric is absent: by promtool, on whole worlds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.needs import needs
from tests.monitoring.rule_cases import BOTH, CASES, Case
from tests.monitoring.rule_files import ALERTS
from tests.monitoring.world import (
    ABSENT,
    RULES,
    STEP,
    Look,
    Values,
    World,
    calm,
    check,
    info,
    name_of,
    number,
    rests,
    trouble,
)

MINUTE = 60.0
#: alerts that last while nobody looks
NOT_SEEN = ("OrderUnknown", "BooksDiffer", "PositionUnprotected")
#: when a series turns bad
BAD = 3 * MINUTE


@pytest.fixture(autouse=True)
def _promtool() -> None:
    needs("promtool")


@dataclass(frozen=True, slots=True)
class Life:
    """A world in which a case's series are near, bad from :data:`BAD` on, well again, and then absent."""

    case: Case

    @property
    def well(self) -> float:
        return BAD + self.case.within + MINUTE

    @property
    def gone(self) -> float:
        return self.well + self.case.keeps + MINUTE

    @property
    def end(self) -> float:
        return self.gone + 4 * MINUTE

    def world(self) -> World:
        world = calm()
        for series in {**self.case.near, **self.case.bad}:
            near = self.case.near.get(series, number(world[series]))
            world[series] = [(0, near), (BAD, self.case.bad.get(series, near)), (self.well, near)]
        for series, values in world.items():
            if name_of(series) == self.case.metric:
                steps = [(0.0, values)] if isinstance(values, str | float | int) else list(values)
                world[series] = [*steps, (self.gone, ABSENT)]
        return world

    def looks(self) -> list[Look]:
        return [
            Look(BAD - STEP),
            Look(BAD + self.case.within, {self.case.alert} | self.case.also),
            Look(self.gone - STEP),
            Look(self.end, self.case.instead),
        ]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.alert}: {case.metric}")
def test_an_alert_fires_and_resolves(case: Case, tmp_path: Path) -> None:
    """Nothing fires just under its mark; it fires in time, alone; it ends; an absent metric is told."""
    life = Life(case)
    check(life.world(), life.end, life.looks(), tmp_path)


def test_what_is_told_at_night_is_about_money(tmp_path: Path) -> None:
    """Everything goes wrong while no session runs and none is near: only orders, books and breakers are told."""
    world = rests(calm())
    for case in CASES:
        if case.name not in ("ExporterDown", "AgentSilent"):
            world |= case.bad
    told = {case.alert for case in CASES if case.at_night} - {"AgentHalted spy"}
    check(world, 10 * MINUTE, [Look(10 * MINUTE, told)], tmp_path)


def test_an_hour_before_the_market_opens_all_is_told(tmp_path: Path) -> None:
    """There is time to mend it."""
    world = rests(calm(), 3000) | {"ztrade_beat_up": 0, 'ztrade_worker_up{agent="aapl"}': 0}
    check(world, 5 * MINUTE, [Look(5 * MINUTE, {"BeatStalled", "AgentAbsent aapl"})], tmp_path)


def test_where_nobody_knows_the_hours_it_is_told(tmp_path: Path) -> None:
    """Not knowing whether the market is open is no reason to be silent."""
    hours = ("ztrade_agent_market_open", "ztrade_agent_next_slot_seconds")
    world = {series: value for series, value in rests(calm()).items() if name_of(series) not in hours}
    world |= {"ztrade_redis_up": 0, "ztrade_journal_up": 0, 'ztrade_exporter_source_up{source="exchange"}': 0}
    told = {"RedisDown", "JournalUnusable", "ExporterBlind exchange"}
    check(world, 5 * MINUTE, [Look(5 * MINUTE, told)], tmp_path)


def test_no_agent_is_silent_when_the_market_is_closed(tmp_path: Path) -> None:
    """Whatever the count says."""
    world = rests(calm()) | {'ztrade_agent_slots_without_success{agent="spy"}': 9}
    check(world, 2 * MINUTE, [Look(2 * MINUTE)], tmp_path)


def test_one_odd_scrape_wakes_nobody(tmp_path: Path) -> None:
    """A count that jumps for a moment is a mistake of the exporter, not silence."""
    odd = {'ztrade_agent_slots_without_success{agent="spy"}': [(0, 0), (120, 77), (135, 0)]}
    check(calm() | odd, 180, [Look(at) for at in (120, 135, 150)], tmp_path)


@pytest.mark.parametrize(
    ("within", "age", "told"), [(120, 119, False), (120, 121, True), (20, 21, True), (ABSENT, 61, True)]
)
def test_an_unknown_order_is_told_when_its_objective_says(
    within: Values, age: float, told: bool, tmp_path: Path
) -> None:
    """And after a minute where an older exporter does not tell the objective."""
    changed = {'ztrade_sla_within_seconds{objective="order_known"}': within}
    world = calm() | changed | {'ztrade_orders_unknown_age_seconds{agent="spy"}': age}
    check(world, MINUTE, [Look(MINUTE, {"OrderUnknown spy"} if told else set())], tmp_path)


@pytest.mark.parametrize(
    ("timer", "files", "backup", "told"),
    [
        (1, 1, ABSENT, {"BackupOld"}),
        (1, 1, 3600, set()),
        # nobody plans any; the exporter does not see what there is
        (0, 1, ABSENT, set()),
        (ABSENT, 1, ABSENT, set()),
        (1, 0, ABSENT, {"ExporterBlind files"}),
    ],
    ids=["never made", "made", "not planned", "no timer", "not seen"],
)
def test_a_backup_that_was_never_made_is_told(
    timer: Values, files: float, backup: Values, told: set[str], tmp_path: Path
) -> None:
    """A day after the timer first ran: what is absent gets no older."""
    world: dict[str, Values] = {
        "up": 1,
        'ztrade_unit_active{unit="ztrade-backup.timer"}': timer,
        'ztrade_exporter_source_up{source="files"}': files,
        "ztrade_backup_age_seconds": backup,
    }
    (alerts,) = (file for file in RULES if file.name == "ztrade-alerts.yml")
    early = told - {"BackupOld"}
    check(world, 97_200, [Look(90_000, early), Look(97_200, told)], tmp_path, [alerts], 300)


def test_an_exporter_that_is_down_says_nothing_of_backups(tmp_path: Path) -> None:
    """On the second day: what nobody sees is not "no backup", which would outlast the word of the exporter."""
    out, back, end = 100_800.0, 101_700.0, 102_300.0
    seen: dict[str, float] = {
        'ztrade_unit_active{unit="ztrade-backup.timer"}': 1,
        'ztrade_exporter_source_up{source="files"}': 1,
        "ztrade_backup_age_seconds": 3600,
    }
    world: dict[str, Values] = {name: [(0, value), (out, ABSENT), (back, value)] for name, value in seen.items()}
    world["up"] = [(0, 1), (out, 0), (back, 1)]
    (alerts,) = (file for file in RULES if file.name == "ztrade-alerts.yml")
    looks = [Look(back - 60, {"ExporterDown"}), Look(back + 60), Look(end)]
    check(world, end, looks, tmp_path, [alerts], 60)


def test_an_account_whose_books_nobody_compares_is_told(tmp_path: Path) -> None:
    """Another's exchange answers: BooksDiffer and PositionUnprotected of this one could never fire."""
    world = calm() | {'ztrade_exchange_up{account="embedded"}': 1, info("aapl", "embedded"): 1}
    del world[info("aapl")], world['ztrade_exchange_up{account="paper"}']
    for series in [name for name in world if name.startswith('ztrade_reconciliation_differences{agent="spy"')]:
        del world[series]
    told = {"MetricMissing ztrade_exchange_up", "MetricMissing spy"}
    check(world, 5 * MINUTE, [Look(5 * MINUTE, told)], tmp_path)
    keeper = world | {"ztrade_keeper_up": 0}
    check(keeper, 5 * MINUTE, [Look(5 * MINUTE, {"KeeperDown"})], tmp_path)


def test_workers_have_their_time_to_hear_a_redis_that_is_back(tmp_path: Path) -> None:
    """They connect after the exporter has: no second message; one that stays deaf is told."""
    back = 3 * MINUTE
    changed = {
        "ztrade_redis_up": [(0, 1), (MINUTE, 0), (back, 1)],
        'ztrade_worker_consuming{agent="spy"}': [(0, 1), (MINUTE + 15, 0), (back + 30, 1)],
        'ztrade_worker_consuming{agent="aapl"}': [(0, 1), (MINUTE + 15, 0)],
    }
    down = [Look(at, {"RedisDown"}) for at in (back - STEP, back, back + 45)]
    looks = [*down, Look(back + 75), Look(back + 120, {"WorkerDeaf aapl"})]
    check(calm() | changed, back + 120, looks, tmp_path)


def test_events_that_are_heard_again_after_redis_are_no_second_message(tmp_path: Path) -> None:
    """A source that stays blind is told."""
    back = 3 * MINUTE
    changed = {
        "ztrade_redis_up": [(0, 1), (MINUTE, 0), (back, 1)],
        'ztrade_exporter_source_up{source="redis"}': [(0, 1), (MINUTE, 0), (back, 1)],
        'ztrade_exporter_source_up{source="events"}': [(0, 1), (MINUTE, 0), (back + 30, 1)],
        'ztrade_exporter_source_up{source="halts"}': [(0, 1), (MINUTE, 0)],
    }
    blind = {"ExporterBlind halts"}
    looks = [Look(back, {"RedisDown"} | blind), Look(back + 45, {"RedisDown"} | blind), Look(back + 75, blind)]
    check(calm() | changed, back + 75, looks, tmp_path)


def test_a_failed_scrape_ends_no_alert(tmp_path: Path) -> None:
    """All series are gone for a moment, as when the exporter restarts: no message that it is over, and none again."""
    silent = {'ztrade_agent_slots_without_success{agent="spy"}': 3}
    world = calm() | silent
    blink: dict[str, Values] = {
        series: [(0, number(v)), (300, ABSENT), (330, number(v))] for series, v in world.items()
    }
    blink["up"] = [(0, 1), (300, 0), (330, 1)]
    looks = [Look(at, {"AgentSilent spy"}) for at in (285, 300, 315, 330, 345, 400)]
    check(blink, 400, looks, tmp_path)


def test_each_metric_that_alerts_need_is_missed_and_found_again(tmp_path: Path) -> None:
    """All are gone but intervals and the health of sources: each is told, and nothing else; then all is well."""
    kept = ("up", "ztrade_agent_interval_seconds", "ztrade_exporter_source_up", "ztrade_exporter_source_age_seconds")
    world = calm()
    for series, value in world.items():
        if name_of(series) not in kept:
            world[series] = [(0, number(value)), (60, ABSENT), (360, number(value))]
    (rule,) = (rule for rule in ALERTS if rule.name == "MetricMissing")
    needed = set(re.findall(r'"metric", "(\w+)"', rule.expression)) - set(kept)
    of_agents = {name for name in needed if f"(instance, agent) {name}" in rule.expression}
    told = {f"MetricMissing {name}" for name in needed - of_agents} | BOTH
    assert len(told) > 10
    looks = [Look(225), Look(270, told), Look(345, told), Look(375)]
    check(world, 375, looks, tmp_path)


def test_an_exchange_that_is_down_excuses_only_its_own_agents(tmp_path: Path) -> None:
    """A simulated exchange that is silent must not hide that an agent with real money is not watched."""
    clocks = ("agent_market_open", "agent_next_slot_seconds", "agent_slots_without_success", "agent_interval_seconds")
    for agent, told in (("spy", {"MetricMissing spy"}), ("aapl", set[str]())):
        world = calm() | {'ztrade_exchange_up{account="embedded"}': 0, info("aapl", "embedded"): 1}
        del world[info("aapl")]
        for name in clocks:
            del world[f'ztrade_{name}{{agent="{agent}"}}']
        check(world, 5 * MINUTE, [Look(5 * MINUTE, {"ExchangeDown embedded"} | told)], tmp_path)


@pytest.mark.parametrize("case", [case for case in CASES if case.name in NOT_SEEN], ids=lambda case: case.name)
def test_what_nobody_sees_is_not_well_again(case: Case, tmp_path: Path) -> None:
    """The exporter is down with money in doubt: no message that it is over."""
    gone = 5 * MINUTE
    bad = {**calm(), **case.bad}
    world: dict[str, Values] = {series: [(0, number(value)), (gone, ABSENT)] for series, value in bad.items()}
    world["up"] = [(0, 1), (gone, 0)]
    look = Look(20 * MINUTE, {case.alert, "ExporterDown"})
    check(world, 20 * MINUTE, [Look(gone - STEP, {case.alert}), look], tmp_path)


def _every(step: float, *values: float | str) -> list[tuple[float, float | str]]:
    """Return values that take turns, for a quarter of an hour."""
    return [(at * step, values[at % len(values)]) for at in range(int(15 * MINUTE / step))]


def test_an_exporter_that_answers_now_and_then_is_told(tmp_path: Path) -> None:
    """Every second scrape fails: nothing that must last fires, so that an absent agent would be nobody's business."""
    world: dict[str, Values] = {series: _every(STEP, number(value), ABSENT) for series, value in calm().items()}
    world |= {'ztrade_worker_up{agent="spy"}': _every(STEP, 0, ABSENT), "up": _every(STEP, 1, 0)}
    check(world, 10 * MINUTE, [Look(10 * MINUTE, {"ExporterDown"})], tmp_path)


def test_an_exporter_that_was_restarted_twice_is_not_told(tmp_path: Path) -> None:
    """Two scrapes lost within five minutes."""
    lost = ((2 * MINUTE, STEP), (4 * MINUTE, STEP))
    turns = [(0.0, 1.0), *(turn for at, long in lost for turn in ((at, 0.0), (at + long, 1.0)))]
    check({**calm(), "up": turns}, 6 * MINUTE, [Look(6 * MINUTE)], tmp_path)


#: file, what is changed in it, to what, and the alert whose case must see it
MUTANTS = (
    ("alerts", "slots_without_success >= 2", "slots_without_success >= 3", "AgentSilent spy"),
    ("alerts", "slots_without_success >= 2", "slots_without_success >= 1", "AgentSilent spy"),
    (
        "alerts",
        'within_seconds{objective="order_known"}\n            or',
        'within_seconds{objective="done_in_time"}\n            or',
        "OrderUnknown spy",
    ),
    ("alerts", "clamp_max(ztrade_agent_interval_seconds, 600)", "600", "QueueOld agent.spy"),
    ("alerts", 'kind="unexplained"', 'kind=~"un.+"', "PositionUnprotected spy"),
    ("alerts", "> 0.9", "> 0.95", "RedisNearlyFull"),
    ("alerts", "abs(ztrade_clock_skew_seconds)", "ztrade_clock_skew_seconds", "ClockSkew paper"),
    ("alerts", " or ztrade_exporter_source_age_seconds > 60", "", "ExporterBlind journal"),
    ("alerts", 'or absent(up{job="ztrade"})', "", "ExporterDown"),
    ("missing", "unless on (instance) ztrade_beat_up", "unless on (instance) up", "BeatStalled"),
)


@pytest.mark.parametrize(("file", "old", "new", "alert"), MUTANTS, ids=[f"{m[1]} -> {m[2]}" for m in MUTANTS])
def test_a_rule_that_is_changed_is_noticed(file: str, old: str, new: str, alert: str, tmp_path: Path) -> None:
    """The cases above can fail."""
    mutated = []
    for rules in RULES:
        text = rules.read_text(encoding="utf-8")
        if rules.stem == f"ztrade-{file}":
            assert old in text
            text = text.replace(old, new)
        mutated.append(tmp_path / rules.name)
        mutated[-1].write_text(text, encoding="utf-8")
    (case, *_) = (case for case in CASES if case.alert == alert)
    life = Life(case)
    assert trouble(life.world(), life.end, life.looks(), tmp_path, mutated)
