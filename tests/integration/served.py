"""Agents on the served exchange: real HTTP, a SQLite journal, the runtime that the workers use; no Celery."""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from ztrade.adapters.calendar import NyseCalendar
from ztrade.app.backtest import backtest
from ztrade.bootstrap import Runtime
from ztrade.cli.books import JournalBooks, differences
from ztrade.cli.demo.closing import exchange_books
from ztrade.config import EMBEDDED, Config, load_config
from ztrade.domain.ledger import CycleRecord
from ztrade.domain.schedule import Session, slots_of
from ztrade.exchange.bars import load_directory
from ztrade.exchange.tape import ListTape, Tape
from ztrade.ports import Exchange, Journal
from ztrade.testing.exchange_server import ExchangeUrl, running

CALENDAR = NyseCalendar()
SHIPPED = Path(__file__).parents[2] / "deploy" / "config"
RECORDED = Path(__file__).parents[3] / "shared" / "data" / "bars" / "2022-5min"
ZTRADE = str(Path(sys.executable).with_name("ztrade"))
needs_bars = [
    pytest.mark.data,
    pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded bars are not in ../shared/data"),
]


def import_recorded(to: Path) -> None:
    """Bring the recorded bars along as a person does; rows that the import leaves out are listed beside them."""
    sources = sorted(map(str, RECORDED.glob("*.csv")))
    command = [ZTRADE, "bars", "import", *sources, "--out", str(to), "--tz", "America/Los_Angeles", "--label", "start"]
    subprocess.run(command, check=False, capture_output=True, timeout=300)


@functools.cache
def recorded_tape() -> ListTape:
    """Return the recorded bars of 2022, imported once per process."""
    with tempfile.TemporaryDirectory(prefix="zt-") as folder:
        import_recorded(Path(folder) / "bars")
        return load_directory(Path(folder) / "bars", calendar=CALENDAR)


def shipped(folder: Path, url: str = "") -> Config:
    """Return the shipped configuration, copied into ``folder``, its state there, dry runs going to ``url``."""
    etc = folder / "etc"
    if not etc.exists():
        shutil.copytree(SHIPPED, etc)
    main = etc / "ztrade.toml"
    if url:
        main.write_text(main.read_text().replace("http://127.0.0.1:8642", url))
    return load_config(main).with_state(folder / "state")


@dataclass
class Served:
    """What a test works with: the exchange, the runtime over it, and the sessions to trade."""

    url: ExchangeUrl
    runtime: Runtime
    sessions: Sequence[Session]

    @property
    def journal(self) -> Journal:
        return self.runtime.journal

    @property
    def exchange(self) -> Exchange:
        return self.runtime.exchange_for(next(iter(self.runtime.config.agents)))

    def run(self) -> list[CycleRecord]:
        """Run every slot and every settlement of the sessions."""
        desks = [self.runtime.desk(name, dry_run=True) for name in sorted(self.runtime.config.agents)]
        return list(backtest(desks, self.sessions, self.advance))

    def advance(self, to: datetime) -> None:
        """Step exchange time."""
        self.runtime.clock(True).advance_to(to)  # type: ignore[attr-defined]


@contextmanager
def serving_agents(folder: Path, tape: Tape, first: date, last: date) -> Iterator[Served]:
    """Serve ``tape`` in steps, with the shipped agents' runtime on it."""
    sessions = CALENDAR.sessions(first, last)
    begin, end = sessions[0].open, sessions[-1].close
    with running(tape, start=begin, until=end + timedelta(minutes=2), calendar=CALENDAR) as url:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "state").mkdir(exist_ok=True)
        runtime = Runtime(shipped(folder, url))
        yield Served(url, runtime, sessions)
        runtime.close()


def book_differences(journal: Journal, exchange: Exchange, session: Session) -> list[str]:
    """Return one sentence per difference between journal and exchange: orders, fills, positions, cash, equity."""
    theirs = exchange_books(exchange)
    holdings = journal.holdings(EMBEDDED)
    cash = journal.account_state(EMBEDDED, session.open).cash
    marks = {position.symbol: position.current_price for position in theirs.positions}
    worth = None if cash is None else cash + sum(h.qty * (marks.get(h.symbol) or 0) for h in holdings)
    return differences(JournalBooks(journal.orders(), journal.fills(), holdings, cash, worth), theirs)


def all_slots(config: Config, sessions: Sequence[Session]) -> list[tuple[datetime, str]]:
    """Return every slot of the agents in the sessions."""
    return sorted(
        (slot, agent.name)
        for session in sessions
        for agent in config.agents.values()
        for slot in slots_of(session, agent.every, agent.sessions)
    )
