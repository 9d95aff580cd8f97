"""The exporter's sources of trading over a bench: all of the catalogue is served, and what is unknown is absent."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.unit.app.desks import BUY, CALENDAR, HOLD, OPEN, Bench
from tests.unit.service.trading_stand import Stand, found, names_of
from ztrade.config import EMBEDDED, AccountConfig
from ztrade.domain.ledger import Outcome
from ztrade.domain.messages import Message, Severity
from ztrade.domain.missed import Why, missed
from ztrade.domain.spread import Spread
from ztrade.service.exporter import catalogue_trading
from ztrade.service.exporter.exchange_source import ExchangeSource
from ztrade.service.exporter.hours import Paces
from ztrade.service.exporter.local_source import LocalSource
from ztrade.testing.sentiment import FixedSource


@pytest.fixture
def stand(tmp_path: Path) -> Stand:
    return Stand(tmp_path)


# -- everything that is promised ---------------------------------------------------------------------------------------
def test_every_metric_of_trading_is_served(tmp_path: Path) -> None:
    """By these sources, after a day on which everything happened, with the catalogue's labels."""
    item = {"at": OPEN.isoformat(), "headline": "h"}
    stand = Stand(tmp_path, Bench(sources=[FixedSource("news", 0.4, items=(item,))]))
    stand.bench.desk = replace(stand.bench.desk, speed=lambda: 1.0)
    stand.bench.cycle(30, BUY)
    stand.bench.cycle(35, HOLD)
    stand.metrics.count("ztrade_exchange_requests_total", labels={"account": EMBEDDED})
    stand.metrics.observe("ztrade_journal_write_seconds", 0.004)
    stand.keep()
    told = stand.look() | found(LocalSource(stand.config).look())
    several = [names_of(source.look()) for source in (stand.ledger, stand.exchange, LocalSource(stand.config))]
    assert sum(map(len, several)) == len(set[str]().union(*several)), "each metric is one source's alone"
    promised = {one.name.removeprefix("ztrade_"): one for one in catalogue_trading.METRICS}
    # only what Alpaca has: a budget of requests, and a clock at wall time
    absent = {"exchange_budget_left", "clock_skew_seconds"}
    assert set(promised) - set(told) == absent
    for name, one in promised.items():
        for labels, value in told.get(name, {}).items():
            assert len(labels) == len(one.labels), name
            assert isinstance(value, Spread) == bool(one.buckets), name


# -- slots -------------------------------------------------------------------------------------------------------------
def test_slots_and_silence(stand: Stand) -> None:
    """A slot that was missed and one that failed leave the agent silent since the one before."""
    stand.bench.cycle(30)
    stand.bench.at(46)
    for minutes, outcome in ((35, Outcome.MISSED), (40, Outcome.FAILED)):
        slot = OPEN + timedelta(minutes=minutes)
        stand.journal.close_slot("spy", slot, outcome, missed(Why.NOT_TAKEN), slot)
    told = stand.look()
    assert told["agent_slots_without_success"] == {("spy",): 3.0}
    assert told["agent_last_success_age_seconds"] == {("spy",): 16 * 60.0}
    assert told["slots_total"]["spy", "held"] == told["slots_total"]["spy", "missed"] == 1.0
    assert told["slots_total"]["spy", "entered"] == 0.0
    assert told["slots_missed_total"]["spy", "worker"] == 1.0
    assert told["sla_events_total"]["spy", "done_in_time"] == 3.0
    assert told["sla_bad_total"] == {
        ("spy", "done_in_time"): 2.0,
        ("spy", "not_missed"): 1.0,
        ("spy", "order_known"): 0.0,
    }
    assert told["sla_objective_ratio"]["not_missed",] == 0.999
    assert told["sla_within_seconds"] == {("done_in_time",): 30.0, ("order_known",): 60.0}


def test_a_slot_that_is_newer_than_the_clocks_last_reading_counts(stand: Stand) -> None:
    """The clock is read every two seconds, the journal now: only a clock that was set back is minutes behind it."""
    stand.bench.cycle(30)
    stand.bench.cycle(35)
    stand.bench.at(35.1)
    for behind, silent in ((timedelta(seconds=7), 0.0), (timedelta(minutes=4), 1.0)):
        stand.clock = lambda _dry_run, behind=behind: Behind(stand.bench.market, behind)  # type: ignore[method-assign, misc]
        told = stand.look()
        assert told["agent_slots_without_success"] == {("spy",): silent}
        assert told.get("agent_last_success_age_seconds") == (None if silent else {("spy",): 0.0})


class Behind:
    """A clock that runs behind another one."""

    def __init__(self, clock: Any, behind: timedelta) -> None:
        self._clock, self._behind = clock, behind

    def now(self) -> datetime:
        return cast("datetime", self._clock.now()) - self._behind


def test_a_halted_agent_is_not_silent(stand: Stand) -> None:
    stand.bench.halts.halt("spy", "tired")
    stand.bench.cycle(30)
    stand.bench.at(31)
    assert stand.look()["agent_slots_without_success"] == {("spy",): 0.0}


def test_an_agent_that_never_ran_is_silent_since_it_is_looked_at(stand: Stand) -> None:
    """Not since the session's open: it may have been installed at noon."""
    stand.bench.at(32)
    assert stand.look()["agent_slots_without_success"] == {("spy",): 0.0}
    stand.bench.at(41)
    told = stand.look()
    assert told["agent_slots_without_success"] == {("spy",): 2.0}
    assert "agent_last_success_age_seconds" not in told


@pytest.mark.parametrize(("alone", "silent"), [(True, 6.0), (False, 0.0)])
def test_an_exchange_owes_every_slot_since_its_beginning_but_not_to_who_joins_later(
    stand: Stand, alone: bool, silent: float
) -> None:
    """As beat sees it."""
    if not alone:
        tsla = replace(stand.bench.desk.agent, name="tsla")
        stand.bench.cycle(30)
        stand = Stand(stand.config.state_dir, stand.bench, name="tsla")
        agents = {"spy": replace(tsla, name="spy"), "tsla": tsla}
        stand.ledger._config = replace(stand.config, agents=agents)
        stand.ledger._tally = stand.ledger._new_tally()
    now = stand.bench.at(32)
    began = SimpleNamespace(now=now, stands=False, speed=1.0, stepped=False, finished=False, start=OPEN, until=None)
    stand.clock = lambda _dry_run: SimpleNamespace(status=lambda: began)  # type: ignore[method-assign]
    told = found(stand.ledger.look())
    assert told["agent_slots_without_success"]["spy" if alone else "tsla",] == silent


def test_a_clock_that_is_away_leaves_what_the_journal_knows(stand: Stand) -> None:
    """Nothing that depends on now; money is what the last cycle recorded."""
    stand.bench.cycle(30, BUY)
    before = stand.look()
    assert before["exchange_up"] == {(EMBEDDED,): 1.0}
    stand.broken.add("exchange")
    told = stand.look()
    assert told["exchange_up"] == {(EMBEDDED,): 0.0}
    for name in ("market_open", "next_slot_seconds", "slots_without_success", "last_success_age_seconds"):
        assert f"agent_{name}" not in told
    for name in ("agent_interval_seconds", "agent_equity_dollars", "limit_used_ratio", "slots_total", "agent_info"):
        assert told[name] == before[name]


@pytest.mark.parametrize(
    ("dry_run", "account", "money"),
    [(True, "main", "simulated"), (False, "practice", "paper"), (False, "main", "real")],
)
def test_an_agent_with_real_money_is_known_by_its_accounts_kind(
    dry_run: bool, account: str, money: str, tmp_path: Path
) -> None:
    """Not by the account's name, which anybody may choose."""
    stand = Stand(tmp_path, dry_run=dry_run, account=account)
    kinds = {"main": AccountConfig("main", "live"), "practice": AccountConfig("practice", "paper")}
    stand.exchange = ExchangeSource(replace(stand.config, accounts=kinds), Paces(stand), CALENDAR)  # type: ignore[arg-type]
    named = EMBEDDED if dry_run else account
    expected = ("spy", stand.bench.desk.agent.symbol, named, money, str(dry_run).lower(), "false")
    assert stand.look()["agent_info"] == {expected: 1.0}


def test_a_cycle_of_an_agent_without_a_file_is_no_series(stand: Stand) -> None:
    stand.bench.cycle(30)
    stand.journal.close_slot("gone", OPEN, Outcome.MISSED, missed(Why.BEAT_DOWN), OPEN)
    told = stand.look()
    assert not [labels for series in told.values() for labels in series if "gone" in labels]


# -- money -------------------------------------------------------------------------------------------------------------
def test_money_is_what_the_last_cycle_recorded(stand: Stand) -> None:
    stand.bench.cycle(30, BUY)
    record = stand.bench.cycle(35)
    told = stand.look()
    (trip,) = stand.journal.holdings()
    assert told["agent_position_shares"] == {("spy", "SPY"): float(trip.qty)}
    assert told["agent_exposure_dollars"] == {("spy",): float(trip.cost)}
    equity = stand.journal.equity("agent:spy@embedded")[-1][1]
    assert told["agent_equity_dollars"] == {("spy",): float(equity)}
    assert told["agent_pnl_dollars"] == {("spy",): float(equity - 10_000)}
    assert told["account_cash_dollars"] == {(EMBEDDED,): float(100_000 - trip.cost)}
    assert told["limit_used_ratio"]["spy", "position_value"] == float(trip.cost / 5000)
    assert told["limit_used_ratio"]["spy", "daily_trades"] == 0.2
    deployed = trip.cost / stand.journal.equity("account:embedded")[-1][1] / Decimal("0.8")
    assert told["limit_used_ratio"]["spy", "deployed"] == float(deployed)
    assert record.outcome is Outcome.HELD


def test_today_and_the_peak_count_the_night(stand: Stand) -> None:
    """100 dollars below yesterday's end, which was the peak."""
    yesterday = OPEN - timedelta(hours=17)
    stand.bench.was_worth("agent:spy@embedded", yesterday, Decimal(10_100))
    stand.bench.was_worth("account:embedded", yesterday, Decimal(100_000))
    stand.bench.cycle(30)
    told = stand.look()
    assert told["agent_pnl_today_dollars"] == {("spy",): -100.0}
    assert told["agent_drawdown_ratio"]["spy",] == pytest.approx(100 / 10_100)
    assert told["limit_used_ratio"]["spy", "daily_loss"] == 0.2
    assert told["limit_used_ratio"]["spy", "drawdown"] == pytest.approx(100 / 10_100 / 0.2)


def test_troubled_cycles_are_a_share_of_their_breaker(stand: Stand) -> None:
    """As they stand between two cycles."""
    stand.bench.quote_age = timedelta(minutes=3)
    for minutes in (30, 35, 40):
        stand.bench.cycle(minutes)
    assert stand.look()["limit_used_ratio"]["spy", "stale_data"] == 0.25
    stand.bench.quote_age = timedelta(0)
    stand.bench.cycle(45)
    assert stand.look()["limit_used_ratio"]["spy", "stale_data"] == 0.0


def test_every_limit_has_a_name_without_blanks(stand: Stand) -> None:
    stand.bench.cycle(30)
    limits = {limit for _, limit in stand.look()["limit_used_ratio"]}
    assert limits == {
        "account_daily_loss", "account_drawdown", "clock_skew", "daily_loss", "daily_trades", "deployed", "drawdown",
        "loss_streak", "order_rate", "position_value", "stale_data", "unknown_outcomes",
    }  # fmt: skip


def test_an_account_is_what_its_last_cycle_recorded(stand: Stand) -> None:
    """Equity with its fall from the peak of an earlier day."""
    stand.bench.was_worth("account:embedded", OPEN - timedelta(hours=17), Decimal(125_000))
    stand.bench.cycle(30)
    told = stand.look()
    assert told["account_equity_dollars"] == {(EMBEDDED,): 100_000.0}
    assert told["account_drawdown_ratio"] == {(EMBEDDED,): 0.2}


def test_news_and_what_they_say_are_the_last_cycles(tmp_path: Path) -> None:
    """The newest story's age goes on by the exchange's clock."""
    item = {"at": (OPEN + timedelta(minutes=10)).isoformat(), "headline": "h"}
    stand = Stand(tmp_path, Bench(sources=[FixedSource("news", 0.4, items=(item,))]))
    stand.bench.cycle(30)
    stand.bench.at(45)
    told = stand.look()
    assert told["sentiment_score"] == {("spy",): 0.4}
    assert told["news_age_seconds"] == {("spy",): 35 * 60.0}


# -- messages ----------------------------------------------------------------------------------------------------------
def test_a_channel_that_fails_is_told_with_what_waits_for_it(stand: Stand) -> None:
    """And counts from 0 again when it takes something."""
    assert stand.look()["channel_failures"] == {("ops",): 0.0}
    outbox, later = stand.journal.outbox, OPEN + timedelta(minutes=5)
    for key in ("a", "b"):
        stand.journal.post(Message(key, Severity.WARNING, key, key, OPEN))
    outbox.route({"a": ["ops"], "b": ["ops"]}, OPEN)
    outbox.put_off("ops", ["a"], "no answer", OPEN, later)
    outbox.put_off("ops", ["a"], "no answer", later, later)
    told = stand.look()
    assert told["channel_failures"] == {("ops",): 2.0}
    assert told["messages_waiting"] == {("ops",): 2.0}
    assert told["messages_sent_total"] == {("ops",): 0.0}
    outbox.taken("ops", ["a"], later)
    told = stand.look()
    assert told["channel_failures"] == {("ops",): 0.0}
    assert told["messages_waiting"] == told["messages_sent_total"] == {("ops",): 1.0}
