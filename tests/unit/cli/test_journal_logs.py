"""``ztrade logs`` under systemd: what it asks journalctl, and what it makes of the answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.stage import Stage, one_error
from tests.unit.cli.units import unit
from ztrade.service.journal_reader import is_readable

ENTRY = {
    "MESSAGE": "cycle_done: held (outcome=held)",
    "PRIORITY": "6",
    "SYSLOG_IDENTIFIER": "ztrade-worker-spy",
    "ZT_EVENT": "cycle_done",
    "ZT_OUTCOME": "held",
    "__REALTIME_TIMESTAMP": "1661178900000000",
    "_SYSTEMD_UNIT": "ztrade-worker@spy.service",
}
OF_SYSTEMD = {
    "MESSAGE": [72, 105], "PRIORITY": "5", "SYSLOG_IDENTIFIER": "systemd", "UNIT": "ztrade-worker@spy.service",
    "__REALTIME_TIMESTAMP": "1661178900000000",
}  # fmt: skip


@pytest.fixture
def units(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A machine with units, and a journalctl that writes down how it was called."""
    stage.units = [unit("ztrade-worker@spy.service"), unit("ztrade-beat.service", LogNamespace="ztrade")]
    program = tmp_path / "bin" / "journalctl"
    program.parent.mkdir()
    answer = "\n".join(json.dumps(entry) for entry in (ENTRY, OF_SYSTEMD))
    program.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" > {tmp_path}/asked\ncat <<'END'\n{answer}\nEND\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return stage


def asked(tmp_path: Path) -> set[str]:
    return set((tmp_path / "asked").read_text().split())


def test_an_agents_lines_are_its_units(units: Stage, tmp_path: Path) -> None:
    """In the namespace that a unit's drop-in names, with what systemd says of it."""
    assert units.run("logs", "spy").exit_code == 0
    assert {"--unit=ztrade-worker@spy.service", "--lines=40", "--namespace=+ztrade"} <= asked(tmp_path)
    assert "--follow" not in asked(tmp_path)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "--unit=ztrade-*"),
        (["worker"], "--unit=ztrade-worker@*.service"),
        (["beat"], "--unit=ztrade-beat.service"),
        (["tsla"], "--unit=ztrade-worker@tsla.service"),
        (["backup"], "--unit=ztrade-backup.service"),
        (["-f"], "--follow"),
        (["-p", "warning"], "--priority=4"),
        (["-n", "3"], "--lines=3"),
        (["--since", "2022-08-22T14:35Z"], "--since=@1661178900"),
        (["--since", "2022-08-22T14:35Z"], "--lines=all"),
    ],
)
def test_options_are_journalctls(units: Stage, tmp_path: Path, words: list[str], expected: str) -> None:
    """An agent without a unit is asked for, too: its worker may have run once."""
    assert units.run("logs", *words).exit_code == 0
    assert expected in asked(tmp_path)


def test_a_unit_with_the_older_spelling_is_found_by_the_agents_name(units: Stage, tmp_path: Path) -> None:
    """Whose lines are asked for is what its unit is called."""
    units.units = [unit("ztrade-worker@agent_spy.service")]
    for name in ("spy", "agent_spy"):
        assert units.run("logs", name).exit_code == 0
        assert "--unit=ztrade-worker@agent_spy.service" in asked(tmp_path)


def test_the_log_is_read_though_an_agents_file_has_a_mistake(units: Stage, tmp_path: Path) -> None:
    """It is where a person looks for why a unit failed."""
    (units.path.parent / "agents" / "tsla.toml").write_text("capital = lots")
    for name in ("spy", "tsla"):
        assert units.run("logs", name).exit_code == 0
        assert f"--unit=ztrade-worker@{name}.service" in asked(tmp_path)


def test_json_has_the_fields_of_a_files_line(units: Stage) -> None:
    """Whoever reads it need not know where the lines are kept."""
    ours, theirs = (json.loads(line) for line in units.run("logs", "spy", "--json").stdout.splitlines())
    assert ours == {
        "program": "worker-spy", "timestamp": "2022-08-22T14:35:00Z", "level": "info", "event": "cycle_done",
        "outcome": "held", "message": "cycle_done: held (outcome=held)",
    }  # fmt: skip
    assert (theirs["program"], theirs["event"]) == ("worker-spy", "Hi")


def test_an_unknown_program_is_one_line(units: Stage) -> None:
    """With those that there are."""
    assert "known: aapl, backup, beat, spy, tsla" in one_error(units.run("logs", "nonsense"), 2)


def test_a_directory_of_files_wins(units: Stage, tmp_path: Path) -> None:
    """Units that write files write nothing to the journal."""
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "beat.log").write_text("from the file\n")
    with units.path.open("a") as file:
        file.write(f'[log]\ndirectory = "{tmp_path}/log"\n')
    assert units.run("logs", "beat").stdout == "from the file\n"


def test_a_duration_means_back_from_now(units: Stage, tmp_path: Path) -> None:
    """`--since 30m`; nonsense is refused in the words of an instant."""
    assert units.run("logs", "--since", "30m").exit_code == 0
    assert any(word.startswith("--since=@") for word in asked(tmp_path))
    assert "is not an instant" in one_error(units.run("logs", "--since", "soon"), 2)


def test_a_journal_of_ones_own_is_not_the_system_s(tmp_path: Path) -> None:
    """journalctl shows that one, without a word, to who may not read the other."""
    (tmp_path / "5f").mkdir()
    (tmp_path / "5f" / "user-1000.journal").touch()
    assert is_readable([tmp_path], lambda _file: False), "there is none of the system's: journalctl says so itself"
    (tmp_path / "5f" / "system.journal").touch()
    assert not is_readable([tmp_path, tmp_path / "not-there"], lambda _file: False)
    assert is_readable([tmp_path], lambda file: file.name == "system.journal")


def test_who_may_not_read_the_journal_is_told_what_to_do(units: Stage, tmp_path: Path) -> None:
    """journalctl ends with 1, in words of its own."""
    (tmp_path / "bin" / "journalctl").write_text("#!/bin/sh\nexit 1\n")
    for words in ((), ("--json",)):
        assert "a member of group systemd-journal" in one_error(units.run("logs", "spy", *words), 1)
