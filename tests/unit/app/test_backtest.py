"""A backtest runs every slot that a demo runs, the extended sessions' too."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

from tests.unit.app.desks import CALENDAR
from ztrade.bootstrap import run_backtest
from ztrade.config import load_config
from ztrade.domain.agent import SessionKind
from ztrade.domain.ledger import CycleKind, Outcome
from ztrade.exchange.bars import synthetic

SHIPPED = Path(__file__).parents[3] / "deploy" / "config" / "ztrade.toml"
DAY = date(2024, 5, 16)


def test_the_first_pre_market_is_observed_and_not_missed() -> None:
    """10 slots before the open, 12 in regular hours, 7 after the close, the settlement among those at its time."""
    config = load_config(SHIPPED)
    agent = replace(config.agents["spy"], every=timedelta(minutes=30), sessions=tuple(SessionKind))
    tape = synthetic(7, DAY, 1, ("SPY",), CALENDAR)
    done = run_backtest(replace(config, agents={"spy": agent}), tape, DAY, DAY)
    slots = Counter(record.outcome for record in done.records if record.kind is CycleKind.SLOT)
    assert slots[Outcome.OBSERVED] == 17
    assert sum(slots.values()) == 29
    assert Outcome.MISSED not in slots
    assert [record.started_at for record in done.records] == sorted(record.started_at for record in done.records)
