"""One screen, from whatever still answers."""

from __future__ import annotations

import pytest

from tests.unit.app.desks import BUY, HOLD
from tests.unit.cli.stage import Stage
from ztrade.service.stack import ProgramStatus

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


def test_a_worker_that_does_not_consume_is_not_fine(stage: Stage) -> None:
    """Up is not enough."""
    stage.programs = [FINE, DEAF]
    result = stage.run("status")
    assert result.exit_code == 1
    assert "worker-tsla running, NOT consuming" in result.stdout
    assert "problem: worker-tsla: not consuming" in result.stdout


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
