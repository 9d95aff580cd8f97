"""Commands that act: run, proposals, halts."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.unit.app.desks import BUY, OPEN
from tests.unit.cli.stage import Stage, one_error
from ztrade.adapters.halts import FileHalts


@pytest.fixture
def manual(tmp_path: Path) -> Stage:
    return Stage(tmp_path, manual=True)


def test_run_makes_an_extra_cycle_and_says_its_outcome(stage: Stage) -> None:
    """Without --slot the cycle is labelled extra and fills no slot."""
    stage.bench.at(31)
    result = stage.run("run", "agent_spy")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1].startswith("spy 2022-08-22 14:01:00Z held: score 0.00 within")
    (cycle,) = stage.json("cycles")
    assert cycle["kind"] == "extra"


def test_run_can_fill_a_slot_once(stage: Stage) -> None:
    """The second run of the same slot finds it taken, which is exit code 1."""
    stage.bench.at(31)
    slot = "2022-08-22T14:00:00Z"
    assert stage.run("run", "spy", "--slot", slot).exit_code == 0
    again = stage.run("run", "spy", "--slot", slot)
    assert again.exit_code == 1
    assert "has its outcome already" in again.stdout


def test_run_only_tightens_what_the_file_says(stage: Stage) -> None:
    """--no-manual does not switch a manual agent to trading; --manual makes any agent ask."""
    path = stage.path.parent / "agents" / "tsla.toml"
    path.write_text(path.read_text().replace("manual = false", "manual = true"))
    stage.bench.at(31)
    for arguments in (["spy"], ["spy", "--manual"], ["spy", "--no-manual"], ["tsla", "--no-manual"]):
        stage.run("run", *arguments)
    assert [(agent, dry_run, manual) for agent, dry_run, manual, _, _ in stage.asked] == [
        ("spy", True, False),
        ("spy", True, True),
        ("spy", True, False),
        ("tsla", True, True),
    ]


def test_run_of_a_halted_agent_is_not_fine(stage: Stage) -> None:
    """Nothing was done, and the exit code says so."""
    stage.bench.halts.halt("spy", "too hot")
    stage.bench.at(31)
    result = stage.run("run", "spy")
    assert result.exit_code == 1
    assert "halted: too hot" in result.stdout


def test_run_of_an_unknown_agent_names_the_known_ones(stage: Stage) -> None:
    """Exit code 2; nothing ran."""
    assert "known agents: aapl, spy, tsla" in one_error(stage.run("run", "gme"), 2)
    assert stage.asked == []


def test_a_proposal_is_listed_approved_and_gone(manual: Stage) -> None:
    """The list shows what would be sent; approving says what became of it."""
    manual.bench.cycle(30, BUY)
    (proposal,) = manual.json("proposals")
    assert (proposal["agent"], proposal["side"], proposal["state"]) == ("spy", "buy", "pending")
    manual.bench.at(31)
    result = manual.run("approve", proposal["id"], "--by", "ann")
    assert result.exit_code == 0, result.output
    assert "approved by ann: entered" in result.stdout
    assert manual.run("proposals").stdout.strip() == "no proposals"
    assert [one["state"] for one in manual.json("proposals", "--all")] == ["approved"]


def test_a_rejected_proposal_sends_nothing(manual: Stage) -> None:
    """Rejecting is final."""
    manual.bench.cycle(30, BUY)
    (proposal,) = manual.json("proposals")
    assert manual.run("reject", proposal["id"]).exit_code == 0
    manual.bench.at(31)
    assert "rejected" in one_error(manual.run("approve", proposal["id"]), 1)
    assert manual.bench.orders() == []


@pytest.mark.parametrize("command", ["approve", "reject"])
def test_a_proposal_that_is_not_there_is_said(manual: Stage, command: str) -> None:
    """The id is in the message."""
    assert "'nothing'" in one_error(manual.run(command, "nothing"), 1)


def test_halt_writes_the_flag_and_the_journal(stage: Stage) -> None:
    """The flag decides; the journal remembers who and why."""
    result = stage.run("halt", "agent_spy", "--reason", "looks  wrong\n", "--by", "ann")
    assert result.exit_code == 0, result.output
    assert FileHalts(stage.state).reason("spy") == "looks wrong (by ann)"
    assert FileHalts(stage.state).reason("tsla") is None
    (record,) = stage.bench.journal.halts()
    assert (record.agent, record.reason, record.by) == ("spy", "looks wrong", "ann")


def test_release_takes_the_flag_back(stage: Stage) -> None:
    """Releasing what is not halted is exit code 1: the person was wrong about something."""
    stage.run("halt", "spy")
    assert stage.run("release", "spy").exit_code == 0
    assert FileHalts(stage.state).reason("spy") is None
    assert stage.bench.journal.halts() == []
    assert stage.run("release", "spy").exit_code == 1


def test_a_halt_that_the_machine_s_services_do_not_see_says_so(stage: Stage) -> None:
    """A checkout's ztrade.toml, or a state_dir that units do not have: whoever reads "halted" walks away."""
    assert stage.run("halt", "spy").stderr == ""
    stage.elsewhere = True
    for verb in ("halt", "release"):
        said = stage.run(verb, "spy").stderr
        assert f"this is for {stage.state}" in said
        assert f"--config /etc/ztrade/ztrade.toml --state /var/lib/ztrade {verb} spy" in said


def test_halting_all_halts_each_and_outlives_single_releases(stage: Stage) -> None:
    """A released agent stays halted while all are, and the command says so."""
    stage.run("halt", "--reason", "storm", "--by", "ann")
    stage.run("halt", "spy")
    result = stage.run("release", "spy")
    assert "but all agents are stopped: storm (by ann)" in result.stdout
    assert FileHalts(stage.state).reason("tsla") == "storm (by ann)"
    assert stage.run("release").exit_code == 0
    assert FileHalts(stage.state).active() == {}


def test_a_release_shows_what_tripped_and_lets_the_breakers_begin_anew(stage: Stage) -> None:
    """Halted by a person, reducing by a breaker: one release shows both, and measures from here."""
    FileHalts(stage.state).reduce("spy", "daily loss 512 of 500")
    stage.run("halt", "spy", "--reason", "looking", "--by", "ann")
    stage.bench.was_worth("agent:spy@embedded", OPEN, Decimal(12_000))
    stage.bench.cycle(30)
    result = stage.run("release", "spy")
    assert "spy: was halted: looking (by ann)" in result.stdout
    assert "spy: was reducing: daily loss 512 of 500" in result.stdout
    assert stage.bench.journal.released_at("spy") == stage.bench.at(30)
    assert stage.bench.journal.agent_state("spy", "embedded", "SPY", OPEN).peak_equity == Decimal(10_000)


def test_a_halt_may_order_to_flatten(stage: Stage) -> None:
    """The order stands in the flag for the keeper; --flatten cancels entries too."""
    result = stage.run("halt", "spy", "--flatten")
    assert "the keeper does it" in result.stdout
    wish = FileHalts(stage.state).wish("spy")
    assert wish is not None
    assert wish.flatten
    assert "stands until `ztrade release`" in stage.run("halt", "spy", "--reason", "look").stdout
    assert FileHalts(stage.state).wish("spy") == wish
    stage.run("halt", "tsla", "--cancel-entries")
    wish = FileHalts(stage.state).wish("tsla")
    assert wish is not None
    assert not wish.flatten


def test_a_flag_that_cannot_be_removed_still_stands(stage: Stage) -> None:
    """A folder in its place: one line, exit code 2, and the agent stays halted."""
    (stage.state / "halts" / "spy").mkdir(parents=True)
    line = one_error(stage.run("release", "spy"), 2)
    assert "cannot be removed" in line
    assert FileHalts(stage.state).reason("spy") is not None


def test_halting_works_with_the_journal_down(stage: Stage) -> None:
    """The flag is set, and the missing record is a warning."""
    stage.broken.add("journal")
    result = stage.run("halt", "--reason", "storm")
    assert result.exit_code == 0
    assert "warning: the journal has no record of this" in result.stderr
    assert FileHalts(stage.state).reason("spy") is not None


def test_halting_all_works_with_a_broken_configuration(stage: Stage) -> None:
    """A typo in a file must not keep anyone from stopping."""
    stage.path.write_text("nonsense = ")
    assert stage.run("halt").exit_code == 0
    assert FileHalts(stage.state).reason("spy") is not None


def test_halting_one_works_with_a_broken_configuration_too(stage: Stage) -> None:
    """Nobody can check the name then, and the command says so."""
    stage.path.write_text("nonsense = ")
    result = stage.run("halt", "agent_spy")
    assert result.exit_code == 0
    assert "nobody can tell whether there is such an agent" in result.stderr
    assert FileHalts(stage.state).reason("spy") is not None
    assert FileHalts(stage.state).reason("tsla") is None


def spoil_tsla(stage: Stage) -> None:
    """Leave a mistake in another agent's file, as an editor does while everything runs on what was there before."""
    stage.said_state = None
    stage.path.write_text(f'state_dir = "{stage.state}"\n{stage.path.read_text()}')
    (stage.path.parent / "agents" / "tsla.toml").write_text("capital = lots")


@pytest.mark.parametrize("words", [(), ("spy",), ("agent_tsla", "--flatten")])
def test_halting_works_with_a_mistake_in_an_agents_file(stage: Stage, words: tuple[str, ...]) -> None:
    """Nobody needs to know of --state: the main file says where the flags are, and the journal has its record."""
    spoil_tsla(stage)
    result = stage.run("halt", *words)
    assert result.exit_code == 0, result.stderr
    assert "warning: the configuration is broken: " in result.stderr
    assert "tsla.toml" in result.stderr
    name = words[0].removeprefix("agent_") if words else "ALL"
    assert list(FileHalts(stage.state).active()) == [name]
    assert [record.agent for record in stage.bench.journal.halts()] == [name]


def test_a_misspelt_name_halts_nobody_though_a_file_has_a_mistake(stage: Stage) -> None:
    """The files' names are known, whatever is in them."""
    spoil_tsla(stage)
    assert "known agents: aapl, spy, tsla" in one_error(stage.run("halt", "sppy"), 2)
    assert not FileHalts(stage.state).active()


def test_halting_works_with_a_broken_main_file_where_units_say_their_state(stage: Stage) -> None:
    """Theirs is fixed; elsewhere nobody can tell, and the error says how to."""
    stage.said_state = None
    stage.path.write_text("nonsense = ")
    assert "ztrade --state DIR halt" in one_error(stage.run("halt", "spy"), 2)
    stage.units_state = stage.state
    assert stage.run("halt", "spy").exit_code == 0
    assert list(FileHalts(stage.state).active()) == ["spy"]


def test_a_release_needs_the_agents(stage: Stage) -> None:
    """Released without a look at its breakers it would trip again; the halt stands until the file is mended."""
    stage.run("halt", "spy")
    spoil_tsla(stage)
    assert "tsla.toml" in one_error(stage.run("release", "spy"), 2)
    assert list(FileHalts(stage.state).active()) == ["spy"]


@pytest.mark.parametrize("kind", ["halts", "reducing"])
def test_the_halt_of_an_agent_that_is_no_more_is_taken_back(stage: Stage, kind: str) -> None:
    """Its file is gone; its flag is not, and `status` and `doctor` go on naming it."""
    (stage.state / kind).mkdir(parents=True)
    (stage.state / kind / "qqq").write_text("a look\n")
    assert stage.run("release", "agent_qqq").exit_code == 0
    assert list((stage.state / kind).iterdir()) == []
    assert "known agents" in one_error(stage.run("release", "qqq"), 2)


def test_halting_an_unknown_agent_halts_nobody(stage: Stage) -> None:
    """A misspelt name must not look as if it had worked."""
    assert "known agents" in one_error(stage.run("halt", "sppy"), 2)
    assert FileHalts(stage.state).active() == {}
