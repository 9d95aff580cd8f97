"""Commands that look: logs, replay, config check."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from tests.unit.app.desks import BUY
from tests.unit.cli.stage import Stage, one_error
from ztrade.cli.config import masked
from ztrade.domain.decision import SourceReading
from ztrade.errors import InsufficientBuyingPower, ZtradeError


def failing(error: ZtradeError) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


@pytest.fixture
def logged(stage: Stage) -> Stage:
    folder = stage.state / "logs"
    folder.mkdir(parents=True)
    (folder / "worker-spy.log").write_text("".join(f"spy line {n}\n" for n in range(100)))
    (folder / "beat.log").write_text("beat line\n")
    return stage


def test_logs_of_one_agent_are_its_workers_last_lines(logged: Stage) -> None:
    """Either spelling of the agent's name works."""
    for name in ("spy", "agent_spy", "worker-spy"):
        lines = logged.run("logs", name, "-n", "2").stdout.splitlines()
        assert lines == ["spy line 98", "spy line 99"]


def test_logs_of_all_programs_are_labelled(logged: Stage) -> None:
    """Without a name every log is shown."""
    lines = logged.run("logs", "-n", "1").stdout.splitlines()
    assert lines == ["beat: beat line", "worker-spy: spy line 99"]


def test_logs_of_worker_are_those_of_every_worker(logged: Stage) -> None:
    """As `celery_control.sh logs worker` has always meant."""
    (logged.state / "logs" / "worker-tsla.log").write_text("t1\n")
    lines = logged.run("logs", "worker", "-n", "1").stdout.splitlines()
    assert {line.partition(":")[0] for line in lines} == {"worker-spy", "worker-tsla"}


def test_logs_as_json_are_an_object_per_line(logged: Stage) -> None:
    """A line that is JSON keeps its fields; plain text, as Valkey writes, becomes the event."""
    (logged.state / "logs" / "beat.log").write_text('{"event": "beat_started", "entries": []}\n[1]\n')
    found = [json.loads(line) for line in logged.run("logs", "-n", "2", "--json").stdout.splitlines()]
    assert found == [
        {"program": "beat", "event": "beat_started", "entries": []},
        {"program": "beat", "event": "[1]"},
        {"program": "worker-spy", "event": "spy line 98"},
        {"program": "worker-spy", "event": "spy line 99"},
    ]


def test_a_log_that_is_not_there_names_the_known_ones(logged: Stage) -> None:
    """Exit code 2."""
    assert "known: beat, spy" in one_error(logged.run("logs", "flower"), 2)


def test_no_logs_at_all_are_said(stage: Stage) -> None:
    """Nothing has run here."""
    assert "holds no logs" in one_error(stage.run("logs"), 2)


def test_a_cycle_replays_to_the_same_decision_by_the_real_strategy(stage: Stage) -> None:
    """What a scripted strategy decided is not what momentum decides: exit code 1 and both are shown."""
    stage.bench.cycle(30, BUY)
    (cycle,) = stage.json("cycles")
    record = stage.json("replay", cycle["cycle_id"])
    assert record["then"]["action"] == "buy"
    assert record["same"] is (record["then"] == record["now"])
    assert stage.run("replay", cycle["cycle_id"]).exit_code == (0 if record["same"] else 1)


def test_a_cycle_without_inputs_cannot_be_replayed(stage: Stage) -> None:
    """It says how the cycle ended instead."""
    stage.bench.halts.halt("spy", "too hot")
    stage.bench.cycle(30, BUY)
    (cycle,) = stage.json("cycles")
    result = stage.run("replay", cycle["cycle_id"])
    assert result.exit_code == 1
    assert "halted: too hot" in result.stdout
    assert stage.json("replay", cycle["cycle_id"]) == {
        "cycle_id": cycle["cycle_id"], "same": False, "then": None, "now": None
    }  # fmt: skip


def test_a_cycle_whose_order_was_refused_replays_too(stage: Stage) -> None:
    """The decision was made, whatever became of its order, and is compared and listed."""
    stage.bench.exchange.before["submit"] = failing(InsufficientBuyingPower("insufficient buying power"))
    stage.bench.cycle(30, BUY)
    (cycle,) = stage.json("cycles")
    assert cycle["outcome"] == "rejected"
    assert (cycle["action"], cycle["score"]) == ("buy", 0.9)
    assert stage.json("replay", cycle["cycle_id"])["then"]["action"] == "buy"


def test_a_replay_reads_one_instant(stage: Stage) -> None:
    """The inputs of all cycles are not fetched for one."""
    first, second = stage.bench.cycle(30, BUY), stage.bench.cycle(35)
    asked: list[tuple[object, object]] = []
    cycles = stage.bench.journal.cycles

    def look(**options: Any) -> Any:
        asked.append((options["since"], options["until"]))
        return cycles(**options)

    stage.bench.journal.cycles = look  # type: ignore[method-assign]
    stage.run("replay", first.cycle_id)
    assert asked == [(first.slot, first.slot)]
    assert second.slot != first.slot


def test_a_cycle_that_is_not_there_is_said(stage: Stage) -> None:
    """Exit code 2 with the way to find ids."""
    assert "ztrade cycles --json" in one_error(stage.run("replay", "spy.nothing"), 2)


def test_config_check_shows_what_counts_and_warns(stage: Stage) -> None:
    """Exit code 0 with warnings; every agent's effective limits are there."""
    path = stage.path.parent / "agents" / "spy.toml"
    path.write_text(path.read_text().replace("max_position_value = 5000", "max_position_value = 50000"))
    result = stage.run("config", "check")
    assert result.exit_code == 0, result.output
    assert "warning: spy: max_position_value 50000 is above capital 10000" in result.stdout
    assert "agents.spy.limits.cooldown" in result.stdout
    assert re.search(r"^agents\.spy\.sessions +regular$", result.stdout, re.MULTILINE)
    assert "<" not in result.stdout
    assert stage.json("config", "check")["agents"]["aapl"]["limits"]["stop_loss"] == "0.015"


def test_config_check_masks_what_is_secret(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, no password of a URL."""
    secrets = stage.path.parent / "credentials.toml"
    secrets.write_text('[paper]\nkey_id = "PKABCDEFGH"\nsecret_key = "very-secret"\n')
    secrets.chmod(0o600)
    monkeypatch.setenv("ZTRADE_REDIS__URL", "redis://:hunter2@127.0.0.1:6379/0")
    monkeypatch.setenv("ZTRADE_JOURNAL__URL", "postgresql://me:hunter3@db/ztrade")
    output = stage.run("config", "check").output + stage.run("config", "check", "--json").output
    assert not {word for word in ("very-secret", "PKABCDEFGH", "hunter2", "hunter3") if word in output}
    assert "PKAB…" in output


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:pa:ss@host/0", "redis://:***@host/0"),
        ("redis://user:p%40ss@host:6379/0", "redis://user:***@host:6379/0"),
        ("sqlite:////var/lib/j.db", "sqlite:////var/lib/j.db"),
        ("redis://host/0", "redis://host/0"),
    ],
)
def test_passwords_of_urls_are_hidden(url: str, shown: str) -> None:
    """Everything else of the URL stays readable."""
    assert masked(url) == shown


class Stories:
    """A source with one story."""

    name = "news"

    def read(self, symbol: str, aliases: object, at: datetime) -> SourceReading:
        item = {"id": "1", "headline": f"{symbol} plunges", "score": 0.4, "weight": 0.9, "scorer": "old", "at": "x"}
        return SourceReading("news", 0.3, 0.6, (item,))


def test_the_news_behind_a_decision_are_shown_with_todays_scores(stage: Stage) -> None:
    """By cycle, by agent, or of whoever decided last; with what the scores of today would lead to."""
    stage.bench.desk = replace(stage.bench.desk, sources=[Stories()], source_weights={"news": 1.0})
    cycle = stage.bench.cycle(185)
    for what in ([], ["spy"], ["agent_spy"], [cycle.cycle_id]):
        record = stage.json("sentiment", *what)
        assert record["cycle_id"] == cycle.cycle_id
        assert (record["stories"][0]["score"], record["stories"][0]["scorer"]) == (0.4, "old")
        assert record["stories"][0]["score_now"] < 0
        assert record["now"]["sentiment"] < 0 < record["then"]["sentiment"]
    text = stage.run("sentiment").stdout
    assert "plunges" in text
    assert "sentiment +0.30 then" in text


def test_without_news_there_is_nothing_to_show(stage: Stage) -> None:
    """Exit code 1, and it says so; what does not exist is bad usage."""
    cycle = stage.bench.cycle(30)
    for what in ([], ["spy"], [cycle.cycle_id]):
        assert stage.run("sentiment", *what).exit_code == 1
    assert "no news was known" in stage.run("sentiment").stdout
    assert "no such cycle" in one_error(stage.run("sentiment", "spy.20220101T000000Z"), 2)
    assert "no such agent" in one_error(stage.run("sentiment", "nobody"), 2)


def test_config_check_says_which_sources_are_off(stage: Stage) -> None:
    """And what each of them lacks; with it, they are on."""
    found = stage.json("config", "check")["sentiment"]
    assert found["scorer"] == "ztrade"
    assert found["sources"]["news"] == 1.0
    assert "lacks contact" in found["sources"]["filings"]
    assert "lacks client_id" in found["sources"]["reddit"]
    with stage.path.open("a") as file:
        file.write('\n[sentiment]\ncontact = "A Person a@b.cc"\nnews = 0.0\n')
    found = stage.json("config", "check")["sentiment"]
    assert found["sources"]["filings"] == 0.25
    assert found["sources"]["news"] == "off: its weight is 0"
