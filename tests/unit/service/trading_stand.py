"""A bench, a keeper over it, and the exporter's sources that look at both."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.unit.app.desks import CALENDAR, Bench
from ztrade.adapters.metrics import Counters
from ztrade.config import Config, load_config
from ztrade.config_alerts import AlertsSection, ChannelSection
from ztrade.domain.spread import WRITE
from ztrade.errors import ExchangeUnavailable, JournalUnavailable, ZtradeError
from ztrade.service.exporter.exchange_source import ExchangeSource
from ztrade.service.exporter.hours import Paces
from ztrade.service.exporter.journal_source import JournalSource
from ztrade.service.health import Health, Look
from ztrade.service.keeper import Keeper

SHIPPED = Path(__file__).parents[3] / "deploy" / "config" / "ztrade.toml"
Found = dict[str, dict[tuple[str, ...], Any]]


class Stand:
    """A bench, a keeper over it, and the exporter's sources that look at both."""

    def __init__(self, folder: Path, bench: Bench | None = None, **agent: Any) -> None:
        self.bench = bench or Bench()
        self.bench.with_agent(**agent)
        config = load_config(SHIPPED)
        channels = {"ops": ChannelSection(kind="slack")}
        main = config.main.model_copy(update={"alerts": AlertsSection(channels=channels)})
        self.config: Config = replace(config, state_dir=folder, main=main, agents={"spy": self.bench.desk.agent})
        self.calendar, self.metrics, self.seconds = CALENDAR, Counters({"ztrade_journal_write_seconds": WRITE}), 0.0
        self.broken: set[str] = set()
        paces = Paces(self, self._monotonic)  # type: ignore[arg-type]
        self.exchange = ExchangeSource(self.config, paces, CALENDAR)
        self.ledger = JournalSource(self.config, paces, CALENDAR, self._open, self.bench.market.wall, self._monotonic)

    @property
    def journal(self) -> Any:
        return self.bench.journal

    @property
    def halts(self) -> Any:
        return self.bench.halts

    def clock(self, _dry_run: bool) -> Any:
        if "exchange" in self.broken:
            raise ExchangeUnavailable("refused")
        return self.bench.market

    def desk(self, _name: str, *, dry_run: bool = False, owner: str = "") -> Any:
        return self.bench.desk

    def _open(self) -> Any:
        if "journal" in self.broken:
            raise JournalUnavailable("the database is locked")
        return self.bench.journal

    def _monotonic(self) -> float:
        self.seconds += 60.0
        return self.seconds

    def keep(self) -> None:
        """Let the keeper reconcile and report."""
        keeper = Keeper(self, Health(Look), pause=lambda _seconds: None, ended=tuple)
        for duty in (keeper.reconcile, keeper.report):
            try:
                duty()
            except ZtradeError:
                continue

    def look(self) -> Found:
        """Return what both sources tell."""
        return found([*self.ledger.look(), *self.exchange.look()])


def names_of(values: Iterable[Any]) -> set[str]:
    return {name for name, _, _ in values}


def found(values: Iterable[Any]) -> Found:
    told: Found = {}
    for name, labels, value in values:
        assert labels not in told.get(name, {}), f"{name}{labels} is told twice"
        told.setdefault(name.removeprefix("ztrade_"), {})[labels] = value
    return told
