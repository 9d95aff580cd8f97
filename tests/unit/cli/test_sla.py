"""A month against the objectives: what is shown, what it exits with, and that the exporter counts the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.contract.journals import at, bracket, claim, intent, record
from tests.unit.app.desks import CALENDAR
from tests.unit.cli.stage import Stage, one_error
from ztrade.app.sla import month
from ztrade.app.tally import Tally
from ztrade.domain.ledger import DONE, IntentState, Outcome
from ztrade.domain.missed import Why, missed
from ztrade.domain.sla import Objective, Objectives
from ztrade.ports import Journal


def fill_in(journal: Journal, slots: int = 40, *, bad: bool = False) -> None:
    """Write slots of spy from the open on, and one order; the bad ones are a missed, a late and a failed one."""
    for number in range(1, slots + 1):
        held = claim(journal, 5 * number)
        if number == 1:
            journal.plan(held, intent(held, "o1"))
            journal.resolve("o1", IntentState.SENT, order=bracket("x1", "o1"), wall=at(5) + timedelta(seconds=1))
        late = 31.5 if bad and number == 7 else 0.5
        outcome = Outcome.FAILED if bad and number == 8 else Outcome.HELD
        journal.finish(held, record(held, outcome, f"{outcome}: so", timings={DONE: late}))
    if bad:
        journal.close_slot("spy", at(5 * slots + 5), Outcome.MISSED, missed(Why.BEAT_DOWN), at(5 * slots + 10))


def test_a_good_month_is_met(stage: Stage) -> None:
    """The month is that of the newest slot."""
    fill_in(stage.bench.journal)
    result = stage.run("sla", "--agent", "agent_spy")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "2022-08, spy"
    assert lines[3].split() == [
        "slots",
        "done",
        "within",
        "30s",
        "99.50%",
        "100.000%",
        "40",
        "0",
        "0.2",
        "events,",
        "100%",
    ]
    assert " ".join(lines[5].split()) == "orders known within 1m 100.00% 100.000% 1 0 0.0 events"
    assert "worst" not in result.stdout


def test_a_bad_month_says_what_went_wrong(stage: Stage) -> None:
    """Those without a good outcome first; exit code 1."""
    fill_in(stage.bench.journal, bad=True)
    result = stage.run("sla")
    assert result.exit_code == 1
    assert "missed by 2.8 events" in result.stdout
    bad = [line.split("  ") for line in result.stdout.splitlines()[7:]]
    assert [row[0] for row in bad] == ["worst slots", "2022-08-22 14:10Z", "2022-08-22 16:55Z", "2022-08-22 14:05Z"]
    assert bad[2][-1] == "missed: beat was down"
    assert bad[3][-1] == "done 31.5 s after it was due: held: so"


def test_programs_get_exact_numbers(stage: Stage) -> None:
    fill_in(stage.bench.journal, bad=True)
    found = stage.json("sla", "--month", "2022-08")
    assert (found["month"], found["met"]) == ("2022-08", False)
    first, second, third = found["objectives"]
    assert (first["objective"], first["wanted"], first["within_seconds"]) == ("done_in_time", "0.995", 30.0)
    assert (first["events"], first["bad"], first["budget_left"], first["met"]) == (41, 3, "-2.795", False)
    assert (second["bad"], second["within_seconds"]) == (1, None)
    assert (third["events"], third["budget_left_share"], third["met"]) == (1, None, True)
    assert [(one["outcome"], one["cause"], one["done_seconds"]) for one in found["worst"]] == [
        ("failed", None, 0.5),
        ("missed", "beat", None),
        ("held", None, 31.5),
    ]


def test_a_month_without_slots_is_met(stage: Stage) -> None:
    """Also before the first one."""
    assert stage.json("sla")["objectives"][0]["achieved"] is None
    fill_in(stage.bench.journal, bad=True)
    assert stage.run("sla", "--month", "2022-07").exit_code == 0
    assert stage.json("sla", "--agent", "tsla")["objectives"][0]["events"] == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--month", "August"), "'August' is not a month; write it like 2022-08"),
        (("--month", "2022-13"), "'2022-13' is not a month"),
        (("--month", "0001-01"), "'0001-01' is no month of an exchange"),
        (("--agent", "nobody"), "there is no such agent"),
    ],
)
def test_bad_usage_is_one_error(stage: Stage, arguments: tuple[str, ...], says: str) -> None:
    assert says in one_error(stage.run("sla", *arguments), 2)


def test_without_agents_there_is_nothing_to_judge(stage: Stage) -> None:
    """A wrong agents_dir must not read as a month in which all went well."""
    for file in (stage.path.parent / "agents").glob("*.toml"):
        file.unlink()
    said = one_error(stage.run("sla", "--json"), 2)
    assert "/agents: has no agent files, so there is nothing to judge; fix: add one" in said


def test_a_journal_that_does_not_answer_is_an_error(stage: Stage) -> None:
    stage.broken.add("journal")
    assert "the database is locked" in one_error(stage.run("sla"), 1)


def test_the_objectives_are_those_of_the_configuration(stage: Stage) -> None:
    fill_in(stage.bench.journal, bad=True)
    with stage.path.open("a") as file:
        file.write('[sla]\ndone_in_time = 0.9\ndone_within = "1m"\nnot_missed = 0.9\n')
    found = stage.json("sla")
    assert [(one["wanted"], one["bad"], one["met"]) for one in found["objectives"]] == [
        ("0.9", 2, True),
        ("0.9", 1, True),
        ("1", 0, True),
    ]


def test_an_objective_is_shown_as_it_was_configured(stage: Stage) -> None:
    """Rounded to two places this one would be 100 %, which has no budget."""
    fill_in(stage.bench.journal)
    with stage.path.open("a") as file:
        file.write("[sla]\nnot_missed = 0.99995\ndone_in_time = 0.9\n")
    lines = stage.run("sla").stdout.splitlines()
    assert " 90.00% " in lines[3]
    assert " 99.995% " in lines[4]


@pytest.mark.parametrize("unanswered", [True, False])
def test_the_exporter_counts_the_same_from_the_same_journal(stage: Stage, unanswered: bool) -> None:
    """Every objective, an order that is late without an answer included."""
    journal = stage.bench.journal
    fill_in(journal, bad=True)
    if unanswered:
        held = claim(journal, 300)
        journal.plan(held, intent(held, "o2", minutes=300))
    objectives, wall = replace(Objectives(), not_missed=Decimal("0.9")), at(302)
    tally = Tally(["spy"], objectives, CALENDAR.session)
    assert tally.look(journal.tallies)
    page = month(journal, ["spy"], at(0).date().replace(day=1), objectives, session_of=CALENDAR.session, wall=wall)
    served = tally.scores("spy", wall)
    assert {result.objective: result.score for result in page.results} == dict(served)
    assert served[Objective.ORDER_KNOWN].bad == unanswered
