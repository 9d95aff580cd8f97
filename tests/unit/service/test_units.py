"""What systemd says of the units, and what is made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.unit.cli.units import block, unit
from ztrade.errors import TemporaryError
from ztrade.service.doorbell import Consuming
from ztrade.service.states import ProgramStatus, of_units
from ztrade.service.units import CONFIG, STATE, call, linked, look, program_of, state_elsewhere, state_of, unit_of

WAITS = {"spy": Consuming(True, "waits at its queues"), "tsla": Consuming(False, "does not take messages")}


@pytest.mark.parametrize(
    ("program", "name"), [("beat", "ztrade-beat.service"), ("worker-spy", "ztrade-worker@spy.service")]
)
def test_programs_and_units_have_each_others_names(program: str, name: str) -> None:
    """Both ways."""
    assert unit_of(program) == name
    assert program_of(name) == program


def test_systemd_is_asked_once_about_everything() -> None:
    """A worker that nobody enabled, too, and what else runs under our name."""
    asked: list[Sequence[str]] = []

    def run(words: Sequence[str]) -> str:
        asked.append(words)
        return "\n\n".join([block("ztrade.target"), block("ztrade-worker@spy.service"), block("ztrade-beat.service")])

    assert {one.name for one in look(["spy"], run)} >= {"worker-spy", "beat"}
    (words,) = asked
    assert {"ztrade.target", "ztrade-backup.timer", "ztrade-worker@spy.service", "ztrade-*.service"} <= set(words)


def test_without_the_package_there_are_no_units() -> None:
    """A checkout on a machine with systemd: supervisord's stack is what there is."""
    assert look(["spy"], lambda _words: block("ztrade.target", LoadState="not-found")) == []


def test_a_program_that_is_missing_or_refuses_is_an_outage() -> None:
    """One line, whatever it was."""
    with pytest.raises(TemporaryError, match="does not answer"):
        call(["no-such-program-of-systemd"])
    with pytest.raises(TemporaryError, match="cat"):
        call(["cat", "/no/such/file"])


def judged(name: str, properties: Mapping[str, str] = {}, trouble: Mapping[str, str] = {}) -> ProgramStatus:
    (found,) = of_units([unit(name, **properties)], (), WAITS, trouble)
    return found


def test_a_worker_consumes_by_its_connection_not_by_its_word() -> None:
    """systemd's status line says consuming; Redis knows better."""
    assert judged("ztrade-worker@spy.service").consuming is True
    deaf = judged("ztrade-worker@tsla.service")
    assert (deaf.fine, deaf.consuming, deaf.detail) == (False, False, "does not take messages (consuming)")


def test_a_unit_with_the_older_spelling_is_the_same_agents() -> None:
    """`agent_spy.toml` and its unit: one worker, and not an agent without one beside a worker without an agent."""
    (found,) = of_units([unit("ztrade-worker@agent_spy.service")], ["spy"], WAITS, {})
    assert (found.name, found.consuming, found.fine) == ("worker-spy", True, True)


def test_the_state_of_units_is_known_without_their_configuration(tmp_path: Path) -> None:
    """Where they are installed, and for the file that they read; of any other nobody can tell."""
    (tmp_path / "ztrade.target").touch()
    assert state_of(CONFIG, booted=tmp_path, places=[tmp_path]) == STATE
    assert state_of(tmp_path / "ztrade.toml", booted=tmp_path, places=[tmp_path]) is None
    assert state_of(CONFIG, booted=tmp_path / "not", places=[tmp_path]) is None
    assert state_of(CONFIG, booted=tmp_path, places=[]) is None


def test_with_redis_down_nobody_can_tell() -> None:
    """Not the same as deaf."""
    (found,) = of_units([unit("ztrade-worker@spy.service")], (), {}, {"redis": "connection refused"})
    assert (found.consuming, found.detail, found.fine) == (None, "connection refused", False)


@pytest.mark.parametrize(
    ("properties", "state"),
    [
        ({"ActiveState": "failed", "SubState": "failed", "Result": "exit-code", "ExecMainStatus": "2"}, "FATAL"),
        ({"ActiveState": "activating", "SubState": "auto-restart", "Result": "watchdog"}, "BACKOFF"),
        ({"ActiveState": "activating", "SubState": "start"}, "STARTING"),
        ({"ActiveState": "deactivating", "SubState": "stop"}, "STOPPING"),
        ({"ActiveState": "inactive", "SubState": "dead"}, "STOPPED"),
    ],
)
def test_states_are_in_supervisors_words(properties: dict[str, str], state: str) -> None:
    """One vocabulary, whoever runs the programs; each says where to look."""
    found = judged("ztrade-worker@spy.service", properties)
    assert (found.state, found.fine) == (state, False)
    assert "ztrade logs spy" in found.detail


def test_restarts_are_systemds_count() -> None:
    """A worker that comes back is fine, and its restarts are seen."""
    assert judged("ztrade-worker@spy.service", {"NRestarts": "3"}).restarts == 3


def test_what_should_not_run_is_not_shown_and_what_should_is() -> None:
    """No exchange where nobody enabled it; an agent without a worker with the command that mends it; no alerts."""
    off = {"UnitFileState": "disabled", "ActiveState": "inactive"}
    units = [
        unit("ztrade-exchange.service", **off),
        unit("ztrade-worker@tsla.service", **off),
        unit("ztrade-alert@ztrade-beat.service.service", UnitFileState="static"),
        unit("ztrade-beat.service"),
    ]
    found = {one.name: one for one in of_units(units, ["tsla"], WAITS, {})}
    assert set(found) == {"beat", "worker-tsla"}
    assert found["worker-tsla"].detail == "is not enabled; fix: systemctl enable --now ztrade-worker@tsla"


def test_a_program_that_runs_and_does_not_serve_says_why() -> None:
    """Beat's sign of life, the exchange's silence."""
    found = judged("ztrade-beat.service", trouble={"beat": "has not looked at the schedule for 40 s"})
    assert (found.fine, found.detail) == (False, "has not looked at the schedule for 40 s")


def test_a_worker_that_was_enabled_and_never_loaded_is_asked_for(tmp_path: Path) -> None:
    """By the link that enabling made: without it nobody would know before the next boot."""
    wants = tmp_path / "ztrade.target.wants"
    wants.mkdir()
    for name in ("ztrade-worker@qqq.service", "ztrade-beat.service", "ztrade-worker@.service"):
        (wants / name).symlink_to("/usr/lib/systemd/system/x")
    assert linked(tmp_path) == ["ztrade-worker@qqq.service"]


def test_units_have_their_state_whatever_a_file_says(tmp_path: Path) -> None:
    """Told where units are installed and systemd is in charge, and nowhere else."""
    (tmp_path / "ztrade.target").touch()
    assert state_elsewhere(Path("/data/ztrade"), booted=tmp_path, places=[tmp_path])
    assert not state_elsewhere(STATE, booted=tmp_path, places=[tmp_path])
    assert not state_elsewhere(Path("/data/ztrade"), booted=tmp_path, places=[tmp_path / "none"])
    assert not state_elsewhere(Path("/data/ztrade"), booted=tmp_path / "none", places=[tmp_path])
