"""A stage for commands: the shipped configuration in a folder, a runtime over the matching core, no network."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from click.testing import CliRunner, Result

from tests.unit.app.desks import AGENT, CALENDAR, Bench
from ztrade.adapters.halts import FileHalts
from ztrade.app.desk import Desk
from ztrade.app.proposals import approve
from ztrade.app.run_cycle import run_cycle
from ztrade.cli.context import App
from ztrade.cli.main import cli
from ztrade.config import Config, load_config
from ztrade.domain.agent import Agent
from ztrade.domain.ledger import CycleRecord, Proposal, ProposalState
from ztrade.errors import ExchangeUnavailable, JournalUnavailable, NotFound, TemporaryError
from ztrade.ports import Calendar, Clock, Journal
from ztrade.service.broker import BrokerUnavailable
from ztrade.service.doorbell import Doorbell, Taken
from ztrade.service.states import ProgramStatus
from ztrade.service.units import Unit

SHIPPED = Path(__file__).parents[3] / "deploy" / "config"


class BenchRuntime:
    """Twin of the runtime: one agent's bench behind every question."""

    def __init__(self, stage: Stage, config: Config) -> None:
        self._stage, self.config = stage, config
        self.halts = FileHalts(config.state_dir)
        self.calendar: Calendar = CALENDAR
        self.journal: Journal = stage.bench.journal

    def clock(self, _dry_run: bool) -> Clock:
        return self._stage.clock()

    def venue(self, _agent: Agent) -> Any:
        return SimpleNamespace(exchange=self._stage.bench.exchange, data=self._stage.bench.exchange)

    def open_venue(self, _account: str) -> Any:
        return SimpleNamespace(exchange=self._stage.bench.exchange, data=self._stage.bench.exchange)

    def desk(self, name: str, *, dry_run: bool = False) -> Desk:
        assert dry_run, "the bench trades on the embedded exchange"
        self.config.agent(name)
        return replace(self._stage.bench.desk, halts=self.halts)

    def run_cycle(
        self, agent: str, *, dry_run: bool, manual: bool, slot: datetime | None, owner: str
    ) -> CycleRecord | None:
        self._stage.asked.append((agent, dry_run, manual, slot, owner))
        return run_cycle(self._stage.bench.desk, slot=slot, manual=manual)

    def approve(self, proposal_id: str, by: str) -> CycleRecord | None:
        return approve(self._stage.bench.desk, proposal_id, by=by)

    def reject(self, proposal_id: str, by: str) -> Proposal:
        known = {proposal.id for proposal in self.journal.proposals()}
        if proposal_id not in known:
            raise NotFound(f"there is no proposal {proposal_id!r}")
        now = self._stage.bench.market.now()
        return self.journal.decide_proposal(proposal_id, ProposalState.REJECTED, by=by, now=now)

    def close(self) -> None:
        self._stage.closed += 1


class Stage:
    """Runs commands on a bench; ``broken`` names what is down: journal, exchange, stack, Redis."""

    def __init__(self, folder: Path, *, manual: bool = False) -> None:
        shutil.copytree(SHIPPED, folder / "etc")
        self.path, self.state = folder / "etc" / "ztrade.toml", folder / "state"
        #: what --state says
        self.said_state: Path | None = self.state
        #: where the machine's units have their state, whatever the file says
        self.units_state: Path | None = None
        self.bench = Bench(replace(AGENT, manual=manual))
        self.broken: set[str] = set()
        self.programs: Sequence[ProgramStatus] = ()
        self.units: Sequence[Unit] = ()
        self.doorbell = Doorbell(frozenset(), ())
        self.taken: Taken = ({}, "")
        self.asked: list[tuple[str, bool, bool, datetime | None, str]] = []
        self.closed = 0
        #: whether the machine's services use another state directory
        self.elsewhere = False

    def clock(self) -> Clock:
        if "exchange" in self.broken:
            return DeafClock()
        return self.bench.market

    def _journal(self, _config: Config) -> Journal:
        if "journal" in self.broken:
            raise JournalUnavailable("the database is locked")
        return self.bench.journal

    def _doorbell(self, config: Config) -> Doorbell:
        if "Redis" in self.broken:
            raise BrokerUnavailable(f"Redis at {config.redis_url} does not answer")
        return self.doorbell

    def _programs(self, _config: Config, taken: Taken) -> Sequence[ProgramStatus]:
        self.taken = taken
        if "stack" in self.broken:
            raise TemporaryError("Redis does not answer")
        return self.programs

    def run(self, *arguments: str) -> Result:
        """Run ``ztrade ARGUMENTS``."""
        app = App(
            self.path,
            self.said_state,
            load=load_config,
            make_runtime=lambda config: BenchRuntime(self, config),  # type: ignore[arg-type, return-value]
            open_journal=self._journal,
            programs=self._programs,
            units=lambda _config: self.units,
            doorbell=self._doorbell,
            state_elsewhere=lambda _state: self.elsewhere,
            units_state=lambda _config: self.units_state,
            calendar_kept=lambda _config: CALENDAR,
            calendar=lambda: CALENDAR,
            quiet=lambda: None,
        )
        return CliRunner().invoke(cli, arguments, obj=app)

    def json(self, *arguments: str) -> Any:
        """Run a command with ``--json`` and return what it printed."""
        return json.loads(self.run(*arguments, "--json").stdout)


class DeafClock:
    """A clock whose exchange does not answer."""

    def now(self) -> datetime:
        raise ExchangeUnavailable("connection refused")

    def wall(self) -> datetime:
        raise ExchangeUnavailable("connection refused")


def one_error(result: Result, code: int) -> str:
    """Return the one line on stderr of a command that ended with ``code`` and printed nothing else."""
    assert result.exit_code == code, result.output
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("error: ")
    assert "Traceback" not in result.output
    return lines[0]
