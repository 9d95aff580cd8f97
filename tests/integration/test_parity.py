"""One strategy, one fill model, everywhere: a backtest and the served exchange take the same path to the cent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.integration.served import (
    CALENDAR,
    all_slots,
    book_differences,
    needs_bars,
    recorded_tape,
    serving_agents,
    shipped,
)
from ztrade.bootstrap import Backtest, run_backtest
from ztrade.domain.ledger import CycleKind, CycleRecord, Outcome
from ztrade.domain.types import Bars, bars_from_rows, rows_of
from ztrade.exchange.bars import synthetic
from ztrade.exchange.tape import Tape
from ztrade.ports import Journal

SYMBOLS = ("AAPL", "SPY", "TSLA")
MONEY = {"price", "qty", "equity"}
Rows = list[tuple[Any, ...]]


def path_of(records: Sequence[CycleRecord]) -> Rows:
    """Return what was decided, in order, with every number that the reasons and the details name."""
    return [(r.agent, r.slot, r.kind, r.outcome, r.reason, r.order_ids, numbers(r.details)) for r in records]


def numbers(details: Mapping[str, object]) -> dict[str, object]:
    """Return the details with money as numbers: 184.1 and 184.10 are the same."""
    return {name: Decimal(value) if name in MONEY else value for name, value in details.items()}  # type: ignore[arg-type]


def fills_of(journal: Journal) -> Rows:
    return sorted((f.at, f.agent, f.leg, f.symbol, f.side, f.qty, f.price) for f in journal.fills())


def orders_of(journal: Journal) -> Rows:
    """Return every order; the ids that the exchange gives are made up anew in every run."""
    rows = (
        (o.submitted_at, agent, o.symbol, o.side, o.type, o.qty, o.status, o.filled_qty, o.filled_avg_price)
        for agent, o in journal.orders()
    )
    return sorted(rows, key=lambda row: [str(value) for value in row[:5]])


def curves_of(journal: Journal) -> dict[str, Any]:
    scopes = ["account:embedded", *(f"agent:{name}@embedded" for name in ("aapl", "spy", "tsla"))]
    return {scope: list(journal.equity(scope)) for scope in scopes}


def check_served_equals_backtest(folder: Path, tape: Tape, first: date, last: date) -> Backtest:
    """Run both, compare everything, and return the backtest for what a test wants to know besides."""
    again = run_backtest(shipped(folder), tape, first, last)
    with serving_agents(folder, tape, first, last) as served:
        records = served.run()
        assert path_of(records) == path_of(again.records)
        assert fills_of(served.journal) == fills_of(again.journal)
        assert orders_of(served.journal) == orders_of(again.journal)
        assert curves_of(served.journal) == curves_of(again.journal)
        ours, theirs = served.exchange.account(), again.exchange.account()
        assert (ours.cash, ours.equity) == (theirs.cash, theirs.equity)
        slots = [(r.slot, r.agent) for r in records if r.kind is CycleKind.SLOT]
        assert sorted(slots) == all_slots(served.runtime.config, served.sessions)
        assert not [r for r in records if r.outcome in {None, Outcome.MISSED, Outcome.FAILED, Outcome.UNKNOWN}]
        for journal, exchange in ((served.journal, served.exchange), (again.journal, again.exchange)):
            assert book_differences(journal, exchange, served.sessions[-1]) == []
    return again


def test_two_made_up_days_with_news_are_the_same_served_and_in_process(tmp_path: Path) -> None:
    """Decisions, reasons with their numbers, orders, fills, equity curves, cash: equal. News and trades took part."""
    first, last = date(2024, 5, 15), date(2024, 5, 16)
    tape = synthetic(7, first, 2, SYMBOLS, CALENDAR)
    done = check_served_equals_backtest(tmp_path, tape, first, last)
    outcomes = {record.outcome for record in done.records}
    assert {Outcome.HELD, Outcome.ENTERED, Outcome.EXITED, Outcome.SETTLED} <= outcomes
    assert any(record.details.get("sentiment") is not None for record in done.records)


def test_prices_with_many_decimals_are_the_same_served_and_in_process(tmp_path: Path) -> None:
    """A file adjusted for a 3:1 split has prices like 88.883333333333, which no exchange sends: a half day of them."""
    day = date(2024, 11, 29)
    tape = synthetic(3, day, 1, SYMBOLS, CALENDAR)
    thirds = {symbol: in_thirds(tape.bars(symbol)) for symbol in SYMBOLS}
    check_served_equals_backtest(tmp_path, replace(tape, by_symbol=thirds), day, day)


def in_thirds(bars: Bars) -> Bars:
    rows = ((at, *(price / 3 for price in prices), volume * 3 + 0.4) for at, *prices, volume in rows_of(bars))
    return bars_from_rows(bars.symbol, bars.span, rows)  # type: ignore[arg-type]


def test_the_day_after_the_clocks_change_is_the_same_served_and_in_process(tmp_path: Path) -> None:
    """The session begins an hour earlier in UTC than the one before."""
    day = date(2025, 3, 10)
    check_served_equals_backtest(tmp_path, synthetic(11, day, 1, SYMBOLS, CALENDAR), day, day)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        pytest.param(date(2022, 8, 22), date(2022, 8, 23), marks=needs_bars, id="two days"),
        pytest.param(date(2022, 11, 25), date(2022, 11, 25), marks=needs_bars, id="half day"),
        pytest.param(
            date(2022, 8, 22),
            date(2022, 8, 26),
            marks=[*needs_bars, pytest.mark.slow, pytest.mark.timeout(600)],
            id="week",
        ),
    ],
)
def test_recorded_days_are_the_same_served_and_in_process(tmp_path: Path, first: date, last: date) -> None:
    """Real bars, with their gaps and a split: the same again; the week has entries and exits for each agent."""
    done = check_served_equals_backtest(tmp_path, recorded_tape(), first, last)
    if (last - first).days >= 4:
        sides = {(fill.agent, fill.side.value) for fill in done.journal.fills()}
        assert sides == {(agent, side) for agent in ("aapl", "spy", "tsla") for side in ("buy", "sell")}
