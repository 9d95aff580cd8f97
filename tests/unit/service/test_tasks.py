"""The tasks as they are called: arguments only tighten the agent's file, and leaving them out is the tightest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.integration.celery_stage import write_config
from ztrade.config import Config
from ztrade.domain.ledger import CycleRecord
from ztrade.errors import ConfigError, JournalUnavailable
from ztrade.service import report
from ztrade.service.app import create_app, tasks_of
from ztrade.testing.runtime import FileClock, FileRuntime

NOW = datetime(2022, 8, 22, 13, 41, tzinfo=UTC)
SLOT = "2022-08-22T13:40:00+00:00"


def config(folder: Path, *, dry_run: bool, manual: bool) -> Config:
    """Return one agent in the given modes, on an exchange whose time stands at :data:`NOW`."""
    made = write_config(folder)
    made.state_dir.mkdir()
    FileClock(made.state_dir / "clock.json").write(NOW, NOW + timedelta(hours=1), 0.0)
    return replace(made, agents={"spy": replace(made.agents["spy"], dry_run=dry_run, manual=manual)})


@pytest.mark.parametrize("file", [(True, True), (True, False), (False, True), (False, False)], ids=str)
@pytest.mark.parametrize(
    "arguments", [{}, *({"dry_run": dry, "manual": hand} for dry in (True, False) for hand in (True, False))], ids=str
)
def test_a_mode_is_the_files_or_the_arguments(
    tmp_path: Path, file: tuple[bool, bool], arguments: Mapping[str, bool]
) -> None:
    """A real agent called without arguments runs dry and asks; no argument sends a dry or manual agent's order."""
    tasks = tasks_of(create_app(config(tmp_path, dry_run=file[0], manual=file[1]), FileRuntime))
    answer = tasks.trading_cycle("agent_spy", **arguments)
    dry, manual = (kept or arguments.get(name, True) for name, kept in zip(("dry_run", "manual"), file, strict=True))
    assert answer["reason"] == f"held: dry_run={dry} manual={manual}"


def test_a_slot_and_an_extra_cycle_have_their_own_answers(tmp_path: Path) -> None:
    """An extra cycle names no slot; a slot that is over answers without an outcome; what is no slot is refused."""
    tasks = tasks_of(create_app(config(tmp_path, dry_run=True, manual=False), FileRuntime))
    assert tasks.trading_cycle("spy")["slot"] is None
    assert tasks.trading_cycle("spy", slot=SLOT)["slot"] == SLOT
    again = tasks.trading_cycle("spy", slot=SLOT)
    assert (again["slot"], again["outcome"], again["order_ids"]) == (SLOT, None, [])
    with pytest.raises(ConfigError, match="is no slot"):
        tasks.trading_cycle("spy", slot=SLOT.replace("13:40", "13:41"))


class Failing(FileRuntime):
    """A runtime that counts a request and then fails."""

    def run_cycle(self, agent: str, **_more: object) -> CycleRecord | None:
        self.metrics.count("ztrade_exchange_requests_total", labels={"account": "embedded"})
        raise JournalUnavailable("locked")


def test_what_a_process_counted_is_told_after_each_task(tmp_path: Path) -> None:
    """However it ended: the exporter reads it, and no worker serves metrics."""
    made = config(tmp_path, dry_run=True, manual=False)
    tasks = tasks_of(create_app(made, Failing))
    for count in (1, 2):
        with pytest.raises(JournalUnavailable):
            tasks.trading_cycle("spy")
        said = report.read(made.state_dir, "worker-spy.cycles")
        assert said is not None
        assert said.facts["counts"] == [["ztrade_exchange_requests_total", {"account": "embedded"}, count]]
