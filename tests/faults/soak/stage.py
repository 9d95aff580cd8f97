"""The soak's stack: the three shipped agents on a made-up market, their workers, and who starts again what ends."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from tests.faults import programs
from tests.faults.process import Program
from tests.faults.stack import CONFIG, ROOT, Stack
from ztrade.app.desk import Desk
from ztrade.cli.exchange import made_up
from ztrade.domain.schedule import Session
from ztrade.exchange.tape import Tape
from ztrade.strategies.strategy import Strategy

SHIPPED = ROOT / "deploy" / "config" / "agents"
AGENTS = ("aapl", "spy", "tsla")
LEAD = timedelta(minutes=2)
#: limits at which nobody's breaker trips: nobody is there who would release, and a soak that only holds proves nothing
MAIN = CONFIG.replace("[sentiment]\nnews = 0\n", "") + "[limits]\nmax_daily_loss = 50000\nmax_drawdown = 0.9\n"
_FREE = {"max_daily_loss": "10000", "max_drawdown": "0.9"}
_BREAKERS = {"loss_streak": 1000, "orders_per_hour": 10_000, "unknown_outcomes": 1000, "troubled_cycles": 1000}


def agent_files() -> dict[str, str]:
    """Return the shipped agents' files, with breakers that do not trip."""
    return {name: _freed((SHIPPED / f"{name}.toml").read_text(encoding="utf-8")) for name in AGENTS}


def _freed(text: str) -> str:
    for key, value in _FREE.items():
        text, count = re.subn(rf"^{key} = .*$", f"{key} = {value}", text, flags=re.MULTILINE)
        assert count == 1, key
    return text + "\n[breakers]\n" + "".join(f"{key} = {value}\n" for key, value in _BREAKERS.items())


class SoakRuntime(programs.StoppingRuntime):
    """The runtime with the shipped strategies; its doors only write down who claims and finishes what."""

    def thinker(self, made: Desk) -> Strategy:
        """Return the agent's own strategy."""
        return made.strategy


class SoakBeatRuntime(SoakRuntime):
    """The runtime of a beat."""

    def clock(self, dry_run: bool) -> Any:
        """Return the clock that it steps."""
        if dry_run not in self._paced:
            self._paced[dry_run] = programs.Patient(super().clock(dry_run), lambda: self.journal)
        return self._paced[dry_run]


@dataclass
class Stage(Stack):
    """The stack of a soak."""

    sessions: Sequence[Session] = ()
    seed: int = 0
    main_file: str = MAIN
    agents: dict[str, str] = field(default_factory=agent_files)

    # -- places --------------------------------------------------------------------------------------------------------
    @property
    def start_at(self) -> datetime:
        return self.sessions[0].open - LEAD

    @property
    def until(self) -> datetime:
        return self.sessions[-1].close + LEAD

    # -- processes -----------------------------------------------------------------------------------------------------
    def start_exchange(self) -> None:
        spec = programs.ExchangePlan(
            self.port, self.exchange_socket, self.folder / "exchange.db", None, self.start_at, self.until, self._tape
        )
        self._start_exchange(spec)

    def _tape(self) -> Tape:
        return made_up(self.seed, programs.CALENDAR, self.start_at, self.until)

    def start_worker(self, name: str = "worker-spy") -> Program:
        """Start ``worker-AGENT``, or a second one: ``second-AGENT``."""
        agent = name.rpartition("-")[2]
        return self.start(name, partial(programs.worker, self.config, self.stops, None, agent, SoakRuntime))

    def start_beat(self, name: str = "beat") -> Program:
        return self.start(name, partial(programs.beat, self.config, self.stops, SoakBeatRuntime))

    def start_keeper(self) -> Program:
        return self.start("keeper", partial(programs.keeper, self.config, self.stops, None, SoakRuntime))

    def start_all(self) -> None:
        for start in self.starts().values():
            start()

    def starts(self) -> dict[str, Callable[[], object]]:
        """Return how each program is started, by name, in order."""
        workers = {f"worker-{agent}": partial(self.start_worker, f"worker-{agent}") for agent in AGENTS}
        return {
            "redis": self.start_redis,
            "exchange": self.start_exchange,
            **workers,
            "keeper": self.start_keeper,
            "beat": self.start_beat,
        }
