"""``ztrade doctor`` from the command line: on a machine without systemd, with things down, and with a wrong file."""

from __future__ import annotations

from typing import Any

from tests.unit.cli.stage import Stage
from tests.unit.cli.units import unit


def states(stage: Stage) -> dict[str, str]:
    return {check["name"]: check["state"] for check in stage.json("doctor")["checks"]}


def finding(stage: Stage, name: str) -> dict[str, Any]:
    checks = stage.json("doctor")["checks"]
    return dict(next(check["findings"][0] for check in checks if check["name"] == name))


def test_each_finding_says_what_why_and_the_mend(stage: Stage) -> None:
    """Redis does not run on this stage; exit 1."""
    result = stage.run("doctor")
    assert result.exit_code == 1
    assert "bad: redis: Redis at " in result.stdout
    assert "    why: no slot reaches a worker" in result.stdout
    assert "    fix: systemctl start ztrade-redis" in result.stdout
    assert "skipped, because systemd does not run ztrade here: " in result.stdout


def test_a_configuration_that_cannot_be_read_is_a_finding_not_an_error(stage: Stage) -> None:
    """The rest of the machine is looked at all the same."""
    stage.path.write_text("no toml")
    result = stage.run("doctor")
    assert result.exit_code == 1
    assert "bad: config: " in result.stdout
    assert states(stage)["python"] == "fine"
    assert states(stage)["redis"] == "skipped"


def test_an_agent_without_a_worker_and_a_worker_without_an_agent(stage: Stage) -> None:
    """With the commands that mend it."""
    stage.units = [unit(f"ztrade-worker@{name}.service") for name in ("spy", "tsla", "qqq")]
    assert finding(stage, "agents-without-worker")["fix"] == "systemctl enable --now ztrade-worker@aapl"
    assert "disable --now ztrade-worker@qqq" in finding(stage, "workers-without-agent")["fix"]


def test_a_halt_is_found(stage: Stage) -> None:
    """Nobody wonders for days why nothing is traded."""
    stage.run("halt", "spy", "--reason", "too hot", "--by", "ann")
    assert finding(stage, "halts")["fix"] == "ztrade release spy"


def test_a_journal_that_is_locked_is_found(stage: Stage) -> None:
    """And what is asked of it is skipped."""
    stage.broken.add("journal")
    found = states(stage)
    assert (found["journal"], found["orders"]) == ("bad", "skipped")


def test_a_limit_that_never_binds_is_found(stage: Stage) -> None:
    """As `config check` warns of it."""
    path = stage.path.parent / "agents" / "spy.toml"
    path.write_text(path.read_text().replace("max_position_value = 5000", "max_position_value = 50000"))
    assert "above capital" in finding(stage, "limits")["what"]


def test_a_file_that_everybody_writes_is_found(stage: Stage) -> None:
    """Whoever writes an agent file trades."""
    path = stage.path.parent / "agents" / "spy.toml"
    path.chmod(0o666)
    assert finding(stage, "file-modes")["fix"] == f"chmod o-w {path}"


def test_what_is_fine_is_said_when_asked(stage: Stage) -> None:
    """`--verbose`."""
    assert "fine: limits: every limit can bind" in stage.run("doctor", "--verbose").stdout
    assert "fine: limits" not in stage.run("doctor").stdout
