"""A keeper over the real matching core, for tests of its duties."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from tests.unit.app.desks import CALENDAR, Bench
from ztrade.adapters.metrics import Counters
from ztrade.app.desk import Desk
from ztrade.config import Config, load_config
from ztrade.exchange.inprocess import InProcess
from ztrade.ports import Calendar, Halts, Journal
from ztrade.service.ended import Ended
from ztrade.service.health import Health, Look
from ztrade.service.keeper import Keeper

SHIPPED = Path(__file__).parents[3] / "deploy" / "config" / "ztrade.toml"
D = Decimal


class Stand:
    """A runtime over one bench; every agent trades on its account."""

    def __init__(self, bench: Bench, *others: Desk) -> None:
        self.bench = bench
        self.others = {desk.agent.name: desk for desk in others}
        mine = {"spy": bench.desk.agent, **{name: desk.agent for name, desk in self.others.items()}}
        self.config: Config = replace(load_config(SHIPPED), agents=mine)
        self.calendar: Calendar = CALENDAR
        self.metrics = Counters()

    @property
    def journal(self) -> Journal:
        return self.bench.journal

    @property
    def halts(self) -> Halts:
        return self.bench.halts

    def clock(self, dry_run: bool) -> InProcess:
        return self.bench.market

    def desk(self, name: str, *, dry_run: bool = False, owner: str = "") -> Desk:
        return self.others.get(name, self.bench.desk)


class Seconds:
    """Wall seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def keeper(
    bench: Bench,
    *others: Desk,
    look: Look | None = None,
    ended: Callable[[], Iterable[Ended]] = tuple,
    alive: Callable[[str], None] = lambda _status: None,
    seconds: Callable[[], float] | None = None,
) -> Keeper:
    """Return a keeper; ``look`` is what it sees of Redis, beat and workers whenever it looks."""

    def see(now: datetime) -> Look:
        return replace(look, at=now) if look else Look(now)

    return Keeper(
        Stand(bench, *others),
        Health(see),
        monotonic=seconds or Seconds(),
        pause=lambda _seconds: None,
        alive=alive,
        ended=ended,
    )


def titles(bench: Bench) -> list[str]:
    return [message.title for message in bench.journal.messages()]


def outcomes(bench: Bench) -> dict[str, str]:
    return {f"{c.slot:%H:%M}": f"{c.outcome}: {c.reason}" for c in bench.journal.cycles(agent="spy")}
