"""Files that were changed after a program read them: which program, which file, and what is no change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.celery_stage import write_config
from ztrade.config import Config, load_config
from ztrade.service import names, report
from ztrade.service.exporter.config_source import ConfigSource

CURRENT, VALID = "ztrade_config_current", "ztrade_config_valid"


class Installed:
    """Two agents, beat, keeper and exporter, all started on the files as they were."""

    def __init__(self, folder: Path) -> None:
        self.config: Config = write_config(folder, agents={"spy": "5m", "tsla": "5m"})
        self.agents = self.config.path.parent / self.config.main.agents_dir
        for role in (names.BEAT, names.KEEPER, names.EXPORTER, "worker-spy", "worker-tsla"):
            self.start(role)

    def start(self, role: str) -> None:
        report.Reporter(load_config(self.config.path), role, dict).tell()

    def told(self) -> dict[tuple[str, ...], float]:
        values = list(ConfigSource(self.config).look())
        assert all(isinstance(value, float) for *_, value in values)
        return {(name, *labels): float(str(value)) for name, labels, value in values}

    def old(self) -> set[str]:
        return {labels[1] for labels, value in self.told().items() if labels[0] == CURRENT and not value}


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    return Installed(tmp_path)


def test_all_is_as_it_was_read(installed: Installed) -> None:
    roles = ("beat", "keeper", "exporter", "worker-spy", "worker-tsla")
    assert installed.told() == {(VALID,): 1.0} | {(CURRENT, role): 1.0 for role in roles}


def _new_agent(at: Installed) -> None:
    (at.agents / "qqq.toml").write_text((at.agents / "spy.toml").read_text().replace("SPY", "QQQ"))


def _other_limit(at: Installed) -> None:
    file = at.agents / "spy.toml"
    file.write_text(file.read_text().replace('"5m"', '"10m"'))


def _no_agent(at: Installed) -> None:
    (at.agents / "tsla.toml").unlink()


def _main_file(at: Installed) -> None:
    with at.config.path.open("a") as file:
        file.write('\n[log]\nlevel = "debug"\n')


ALL = {"beat", "keeper", "exporter"}


@pytest.mark.parametrize(
    ("change", "old"),
    [
        (_new_agent, ALL),
        (_other_limit, ALL | {"worker-spy"}),
        (_no_agent, ALL | {"worker-tsla"}),
        (_main_file, ALL | {"worker-spy", "worker-tsla"}),
    ],
    ids=["new", "changed", "gone", "main"],
)
def test_a_change_makes_those_old_that_read_the_file(
    installed: Installed, change: Callable[[Installed], None], old: set[str]
) -> None:
    """And a restart makes them new."""
    change(installed)
    assert installed.old() == old
    for role in old - {"worker-tsla"}:
        installed.start(role)
    assert installed.old() <= {"worker-tsla"}


def test_comments_and_the_environment_are_no_change(installed: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit's own override is meant to differ from what others read."""
    file = installed.agents / "spy.toml"
    file.write_text(f"# bought low\n{file.read_text()}\n")
    monkeypatch.setenv("ZTRADE_LOG__LEVEL", "debug")
    installed.start("worker-spy")
    assert installed.old() == set()


def test_a_mistake_is_told_and_nothing_else_is_known(installed: Installed) -> None:
    (installed.agents / "spy.toml").write_text("symbol = [")
    assert installed.told() == {(VALID,): 0.0}


@pytest.mark.parametrize("facts", [{}, {"files": 3}])
def test_who_does_not_tell_what_it_read_is_unknown(installed: Installed, facts: dict[str, Any]) -> None:
    """An older program; unknown is absent, and not 1."""
    report.write(installed.config.state_dir, "beat", facts)
    assert (CURRENT, "beat") not in installed.told()


def test_a_forged_report_does_not_end_the_look(installed: Installed) -> None:
    report.write(installed.config.state_dir, "beat", {"files": {"spy": ["x"], "": None}})
    assert installed.old() == {"beat"}
