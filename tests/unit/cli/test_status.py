"""One screen, from whatever still answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.app.desks import BUY, HOLD
from tests.unit.cli.stage import Stage
from tests.unit.cli.units import unit
from ztrade.domain.ledger import CycleKind
from ztrade.service.doorbell import Doorbell, QueueState
from ztrade.service.states import ProgramStatus

FINE = ProgramStatus("worker-spy", "RUNNING", True, 7, True)
DEAF = ProgramStatus("worker-tsla", "RUNNING", False, 8, False, "not consuming: no consumer on agent.tsla")
ABSENT = ProgramStatus("beat", "ABSENT", False, detail="no stack runs")


def row(stage: Stage, agent: str) -> dict[str, object]:
    found: dict[str, object] = next(one for one in stage.json("status")["agents"] if one["agent"] == agent)
    return found


def test_status_shows_position_profit_outcome_and_next_slot(stage: Stage) -> None:
    """Everything a person asks first, per agent."""
    stage.bench.cycle(30, BUY)
    stage.bench.cycle(35, HOLD)
    spy = row(stage, "spy")
    assert spy["outcome"] == "held"
    assert str(spy["reason"]).startswith("held: holding")
    assert spy["next_slot"] == "2022-08-22T14:10:00Z"
    assert float(str(spy["qty"])) > 0
    assert spy["pnl_total"] is not None
    assert row(stage, "tsla")["outcome"] is None
    screen = stage.run("status")
    assert screen.exit_code == 0, screen.output
    assert "Mon 22 Aug 10:05 New York" in screen.stdout
    assert "dry run" in screen.stdout


def test_halts_are_on_the_screen_and_are_not_fine(stage: Stage) -> None:
    """Exit code 1 while anyone is halted."""
    stage.run("halt", "spy", "--reason", "too hot", "--by", "ann")
    result = stage.run("status")
    assert result.exit_code == 1
    assert "halted: spy: too hot (by ann)" in result.stdout


def test_nothing_from_outside_redraws_the_terminal(stage: Stage) -> None:
    """A reason is a person's, a model's, or a server's text."""
    stage.run("halt", "spy", "--reason", "\x1b[2J\x1b[31mall is fine\x07")
    shown = stage.run("status").stdout
    assert "[31mall is fine" in shown
    assert not [char for char in shown if not char.isprintable() and char != "\n"]
    said = stage.run("halt", "no\x1b[2Jbody").stderr
    assert "\x1b" not in said


def test_a_worker_that_does_not_consume_is_not_fine(stage: Stage) -> None:
    """Up is not enough."""
    stage.programs = [FINE, DEAF]
    result = stage.run("status")
    assert result.exit_code == 1
    assert "worker-tsla running, NOT consuming" in result.stdout
    assert "problem: worker-tsla: not consuming" in result.stdout


def test_a_mistake_in_one_agents_file_hides_no_other(stage: Stage) -> None:
    """At night, with halts and positions to be seen: what is wrong is a problem among others."""
    (stage.path.parent / "agents" / "tsla.toml").write_text("symbol = 3\n")
    stage.programs = [FINE]
    result = stage.run("status")
    assert result.exit_code == 1
    (problem,) = (line for line in result.stdout.splitlines() if line.startswith("problem: "))
    assert "tsla.toml: symbol" in problem
    agents = [line.split()[0] for line in result.stdout.splitlines() if line.startswith(("aapl", "spy", "tsla"))]
    assert agents == ["aapl", "spy"]


def test_agents_that_do_not_fit_together_are_seen(stage: Stage) -> None:
    """Two on one symbol, which nothing starts with."""
    spy = stage.path.parent / "agents" / "spy.toml"
    (stage.path.parent / "agents" / "tsla.toml").write_text(spy.read_text())
    result = stage.run("status")
    assert result.exit_code == 1
    assert "problem: agents 'spy' and 'tsla': both trade SPY" in result.stdout


def test_without_a_main_file_there_is_nothing_to_see(stage: Stage) -> None:
    """It says where the journal and the flags are."""
    stage.path.write_text("state_dir = 3\n")
    result = stage.run("status")
    assert result.exit_code == 2
    assert "state_dir" in result.stderr


def test_no_stack_is_a_state_not_a_problem(stage: Stage) -> None:
    """Agents can be run by systemd, or not at all."""
    stage.programs = [ABSENT]
    result = stage.run("status")
    assert result.exit_code == 0
    assert "stack: not running" in result.stdout


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("exchange", "problem: exchange: connection refused"),
        ("journal", "problem: journal: the database is locked"),
        ("stack", "problem: stack: Redis does not answer"),
    ],
)
def test_what_is_down_is_named_and_the_rest_is_shown(stage: Stage, broken: str, said: str) -> None:
    """Exit code 1, and still a line for each agent."""
    stage.bench.cycle(30, HOLD)
    stage.broken.add(broken)
    result = stage.run("status")
    assert result.exit_code == 1
    assert said in result.stdout
    assert all(f"\n{name} " in result.stdout for name in ("aapl", "spy", "tsla"))


def test_everything_down_is_still_a_screen(stage: Stage) -> None:
    """Three problems, three agents, no traceback."""
    stage.broken |= {"exchange", "journal", "stack"}
    record = stage.json("status")
    assert len(record["problems"]) == 3
    assert len(record["agents"]) == 3
    assert record["fine"] is False


def test_without_the_exchanges_clock_the_newest_cycle_tells_the_time(stage: Stage) -> None:
    """A recorded day of 2022 must not be shown with the next slot of today."""
    stage.bench.cycle(30, HOLD)
    stage.broken.add("exchange")
    assert row(stage, "spy")["next_slot"] == "2022-08-22T14:05:00Z"


def test_under_systemd_the_programs_are_the_units(stage: Stage) -> None:
    """With restarts, and with what is missing, in one line each; an agent without a worker is not fine."""
    stage.units = [unit("ztrade-worker@spy.service", NRestarts="2"), unit("ztrade-beat.service")]
    stage.doorbell = Doorbell(frozenset({"spy"}), ())
    result = stage.run("status")
    assert result.exit_code == 1
    assert "systemd: beat running, " in result.stdout
    assert "worker-spy running, consuming, restarts: 2" in result.stdout
    assert "problem: worker-tsla: is not enabled; fix: systemctl enable --now ztrade-worker@tsla" in result.stdout
    assert stage.json("status")["manager"] == "systemd"


def test_units_that_do_not_run_are_a_state_not_a_problem(stage: Stage) -> None:
    """The package is installed, and nothing was started."""
    stage.units = [unit("ztrade-beat.service", ActiveState="inactive", UnitFileState="disabled")]
    result = stage.run("status")
    assert result.exit_code == 0
    assert "systemd: not running" in result.stdout


def test_redis_down_is_one_problem_and_not_one_per_worker_alone(stage: Stage) -> None:
    """Workers that run are shown as running; whether they consume, nobody knows."""
    stage.units = [unit(f"ztrade-worker@{name}.service") for name in ("aapl", "spy", "tsla")]
    stage.broken.add("Redis")
    result = stage.run("status")
    assert result.exit_code == 1
    assert "problem: Redis: Redis at " in result.stdout
    assert "NOT consuming" not in result.stdout
    assert "worker-spy running" in result.stdout


def test_a_worker_in_a_cycle_takes_messages(stage: Stage) -> None:
    """It waits at no queue; the journal says that its cycle runs."""
    bench = stage.bench
    slot = bench.at(30)
    bench.journal.claim("spy", slot, CycleKind.SLOT, owner="w", now=slot, wall=slot, lease=timedelta(minutes=1))
    stage.doorbell = Doorbell(frozenset({"tsla"}), ())
    stage.run("status")
    taken = stage.taken[0]
    assert (taken["spy"].yes, taken["tsla"].yes, taken["aapl"].yes) == (True, True, False)


def test_messages_that_wait_are_shown_with_their_age(stage: Stage) -> None:
    """By the slot that they are for, in exchange time."""
    stage.bench.cycle(35, HOLD)
    slot = datetime(2022, 8, 22, 14, 0, tzinfo=UTC)
    stage.doorbell = Doorbell(frozenset(), [QueueState("agent.spy", 3, slot), QueueState("maintenance", 1)])
    shown = stage.run("status").stdout
    assert "queue: agent.spy: 3 waiting, the oldest for 10:00, 5m ago" in shown
    assert "queue: maintenance: 1 waiting" in shown
    assert stage.json("status")["queues"][0]["oldest"] == "2022-08-22T14:00:00Z"


def test_a_journal_that_does_not_answer_is_no_flat_position(stage: Stage) -> None:
    """Who reads "flat" in an outage might enter by hand what is held already."""
    stage.broken.add("journal")
    shown = stage.run("status").stdout
    assert "unknown" in shown
    assert "flat" not in shown
    assert {agent["qty"] for agent in stage.json("status")["agents"]} == {None}
