"""The cycle over a day: leaving, sentiment, what it costs, limits that count over the day."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import pytest

from tests.unit.app.desks import AGENT, BUY, HOLD, LEAVE, MINUTE, OPEN, SELL, Bench, entered, failing
from ztrade.app.run_cycle import run_cycle
from ztrade.app.settle import settle
from ztrade.domain.decision import SourceReading
from ztrade.domain.ledger import Outcome
from ztrade.domain.types import Activity, OrderStatus, Side
from ztrade.errors import (
    AccessDenied,
    ExchangeUnavailable,
    OutcomeUnknown,
)
from ztrade.exchange.core.settings import Settings
from ztrade.ports import Journal
from ztrade.testing.journal import MemoryJournal


@pytest.fixture
def bench() -> Bench:
    return Bench()


# -- leaving ---------------------------------------------------------------------------------------------------------


def test_leaving_ends_the_legs_first(bench: Bench) -> None:
    """The bracket's legs hold the shares: they are cancelled, then the position is sold."""
    entered(bench)
    assert bench.cycle(40, LEAVE).outcome is Outcome.EXITED
    bench.cycle(45)
    assert not bench.market.positions()
    entry = bench.orders()[0]
    assert {leg.status for leg in entry.legs} == {OrderStatus.CANCELED}


def test_no_limit_keeps_a_position_open(bench: Bench) -> None:
    """Trades used up, loss over its limit, stale quote: the exit leaves all the same."""
    entered(bench)
    bench.with_agent(limits=replace(AGENT.limits, max_daily_trades=1, max_daily_loss=Decimal("0.01")))
    assert bench.cycle(40, LEAVE).outcome is Outcome.EXITED


def test_an_exit_whose_answer_was_lost_is_not_sent_twice(bench: Bench) -> None:
    """The exit's own id is asked for before anything else happens."""
    entered(bench)
    bench.exchange.after_submit = failing(OutcomeUnknown("zt.spy.20220822T141000Z.exit1", "reset"))
    assert bench.cycle(40, LEAVE).outcome is Outcome.UNKNOWN
    bench.exchange.after_submit = None
    bench.cycle(45, LEAVE)
    sells = [order for order in bench.orders() if order.side is Side.SELL]
    assert len(sells) == 1
    assert not bench.market.positions()


def test_an_interrupted_exit_goes_on_at_the_next_slot(bench: Bench) -> None:
    """The legs are gone, the sell did not leave: the position has no stop, so the next cycle sells."""
    entered(bench)
    bench.exchange.before["submit"] = failing(ExchangeUnavailable("refused"))
    assert bench.cycle(40, LEAVE).outcome is Outcome.FAILED
    assert bench.orders()[0].legs[0].status is OrderStatus.CANCELED
    del bench.exchange.before["submit"]
    record = bench.cycle(45, HOLD)
    assert record.outcome is Outcome.EXITED
    assert "no stop protects" in record.reason


def test_a_stop_that_a_person_cancelled_leaves_no_open_risk(bench: Bench) -> None:
    """Legs cancelled by hand: the next cycle closes the position."""
    entered(bench)
    for leg in bench.orders()[0].legs:
        if leg.stop_price is not None:
            bench.market.cancel(leg.id)
    assert bench.cycle(40, HOLD).outcome is Outcome.EXITED


def test_a_position_closed_by_hand_is_seen(bench: Bench) -> None:
    """A person sells the shares: the agent's book does not claim them for ever, and it does not sell again."""
    entered(bench)
    bench.market.engine.cancel_all()
    bench.market.engine.close_all()
    bench.cycle(40, LEAVE)
    bench.cycle(45, LEAVE)
    ours = [request for request in bench.exchange.submitted if request.side is Side.SELL]
    assert bench.market.positions() == []
    assert bench.journal.holdings() == []
    assert bench.cycle(50, BUY).outcome is Outcome.ENTERED
    assert len([order for order in bench.orders() if order.side is Side.SELL]) <= 1 + len(ours)


# -- sentiment -------------------------------------------------------------------------------------------------------


class Source:
    """A source of sentiment that says one thing, or fails."""

    name = "news"

    def __init__(self, score: float | None) -> None:
        self._score = score

    def read(self, *_args: object) -> SourceReading:
        if self._score is None:
            raise ExchangeUnavailable("news is down")
        return SourceReading("news", self._score, 0.9)


def test_bad_news_can_keep_an_agent_out() -> None:
    """The same technicals enter without news and hold with bad news."""
    assert Bench(sources=[Source(-0.9)]).cycle(30, BUY).outcome is Outcome.HELD
    assert Bench(sources=[]).cycle(30, BUY).outcome is Outcome.ENTERED


def test_a_source_that_is_down_costs_only_its_weight() -> None:
    """Without its only source the technicals weigh 1, and the record says why it was without."""
    record = Bench(sources=[Source(None)]).cycle(30, BUY)
    assert record.outcome is Outcome.ENTERED
    assert record.details["sources_down"] == {"news": "ExchangeUnavailable: news is down"}


def test_what_the_sources_said_is_kept() -> None:
    """One sentiment per cycle, with each source's own reading."""
    bench = Bench(sources=[Source(0.4)])
    record = bench.cycle(30, BUY)
    assert isinstance(bench.journal, MemoryJournal)
    (kept,) = bench.journal.sentiments()
    assert (kept.cycle_id, kept.sentiment.score) == (record.cycle_id, 0.4)
    assert [(reading.source, reading.score) for reading in kept.sentiment.readings] == [("news", 0.4)]
    assert "sources_down" not in record.details


# -- what a cycle costs ----------------------------------------------------------------------------------------------


class Counted:
    """A journal that writes down what it is asked."""

    def __init__(self, inner: Journal) -> None:
        self.inner, self.asked = inner, list[str]()

    def __getattr__(self, name: str) -> Any:
        self.asked.append(name)
        return getattr(self.inner, name)


def test_a_hold_asks_the_journal_four_times(bench: Bench) -> None:
    """Each question is a transaction on a disk: the claim, one look at agent and account, the outcome with all else."""
    bench.cycle(30)
    counted = Counted(bench.journal)
    bench.desk = replace(bench.desk, journal=cast("Journal", counted))
    assert bench.cycle(35).outcome is Outcome.HELD
    assert counted.asked == ["claim", "agent_state", "account_state", "finish"]
    assert [at for at, _ in bench.journal.equity("account:embedded")][-1] == OPEN + timedelta(minutes=35)


# -- limits in a running day -----------------------------------------------------------------------------------------


def test_trades_a_day_are_counted_and_start_anew(bench: Bench) -> None:
    """One entry a day: the second is blocked, the next session's is not."""
    bench.with_agent(limits=replace(AGENT.limits, max_daily_trades=1))
    bench.cycle(30, BUY)
    bench.cycle(35, SELL)
    bench.cycle(40)
    blocked = bench.cycle(45, BUY)
    assert blocked.outcome is Outcome.BLOCKED
    assert "1 trades today of 1" in blocked.reason
    assert bench.cycle(24 * 60 + 30, BUY).outcome is Outcome.ENTERED


def test_a_quote_without_a_bid_is_no_measure_of_the_days_loss(bench: Bench) -> None:
    """IEX often has one side only: a bid of zero must not become the day's opening equity."""
    bench.cycle(30, BUY)
    bench.cycle(385)
    day = 24 * 60
    quote = bench.market.quote
    bench.exchange.quote = lambda symbol: replace(quote(symbol), bid=Decimal(0))  # type: ignore[attr-defined]
    bench.cycle(day + 5)
    del bench.exchange.quote
    state = bench.journal.agent_state("spy", "embedded", "SPY", OPEN + timedelta(days=1))
    assert state.day_open_equity is not None
    assert state.day_open_equity > Decimal(9_000)
    lowest = min(equity for _, equity in bench.journal.equity("agent:spy@embedded"))
    assert lowest > Decimal(9_000)


def test_what_is_lost_over_night_counts_today(bench: Bench) -> None:
    """The daily loss is measured from the last close: a gap through the stop is gone before the first slot."""
    bench.cycle(30, BUY)
    bench.cycle(385)
    yesterday = bench.journal.equity("agent:spy@embedded")[-1][1]
    bench.cycle(24 * 60 + 5)
    state = bench.journal.agent_state("spy", "embedded", "SPY", OPEN + timedelta(days=1))
    assert state.day_open_equity == yesterday


def test_a_settlement_waits_for_the_exchange(bench: Bench) -> None:
    """While the exchange is down nothing is claimed, so the next ring settles the day; wrong keys are an outcome."""
    bench.cycle(30, BUY)
    bench.at(391)
    close = OPEN + timedelta(minutes=390)
    for name in ("clock", "account"):
        bench.exchange.before[name] = failing(ExchangeUnavailable("refused"))
    with pytest.raises(ExchangeUnavailable):
        settle(bench.desk, close)
    bench.exchange.before.clear()
    record = settle(bench.desk, close)
    assert record is not None
    assert record.outcome is Outcome.SETTLED
    for name in ("clock", "account"):
        bench.exchange.before[name] = failing(AccessDenied("wrong keys"))
    record = settle(bench.desk, close + timedelta(days=1))
    assert record is not None
    assert record.outcome is Outcome.FAILED


@pytest.fixture
def slow() -> Bench:
    """Give an exchange on which the last slot's entry is not filled before the close."""
    bench = Bench(settings=Settings(latency=timedelta(minutes=10)))
    assert bench.cycle(385, BUY).outcome is Outcome.ENTERED
    return bench


def test_an_entry_that_the_day_did_not_fill_buys_nothing_at_the_next_open(slow: Bench) -> None:
    """A trading halt, or orders that hang: tomorrow's price is one that nobody has looked at."""
    slow.at(391)
    record = settle(slow.desk, OPEN + timedelta(minutes=390))
    assert record is not None
    assert record.outcome is Outcome.SETTLED
    assert "ended what the day did not fill: zt.spy.20220822T195500Z.entry" in record.reason
    slow.at(24 * 60 + 20)
    assert not slow.market.positions()
    assert not slow.journal.intents(agent="spy", unfinished=True)
    assert not slow.journal.messages()


def test_an_entry_that_cannot_be_ended_at_the_close_is_told(slow: Bench) -> None:
    """The day is settled all the same."""
    slow.at(391)
    slow.exchange.before["cancel"] = failing(ExchangeUnavailable("down"))
    record = settle(slow.desk, OPEN + timedelta(minutes=390))
    assert record is not None
    assert record.outcome is Outcome.SETTLED
    assert [message.title for message in slow.journal.messages()] == ["spy: an entry rests over night"]


def test_a_settlement_that_comes_in_the_next_session_leaves_its_entry_alone(slow: Bench) -> None:
    """It is rung for until it is done."""
    slow.at(24 * 60 + 1)
    settle(slow.desk, OPEN + timedelta(minutes=390))
    slow.at(24 * 60 + 20)
    assert slow.market.positions()


def test_a_fee_that_is_booked_days_later_is_not_lost(bench: Bench) -> None:
    """It carries the day of the trade, which lies before fills that are in the books already."""
    bench.cycle(30, BUY)
    late: list[Activity] = []
    theirs = bench.market.activities

    def activities(after: datetime | None = None) -> list[Activity]:
        return [entry for entry in (*late, *theirs()) if after is None or entry.at > after]

    bench.exchange.activities = activities  # type: ignore[attr-defined]
    bench.cycle(40, LEAVE)
    later = 4 * 24 * 60
    bench.cycle(later + 30, BUY)
    bench.cycle(later + 35)
    late.append(Activity("fee", "FEE", OPEN, Decimal("-0.07"), description="TAF"))
    bench.at(later + 391)
    settle(bench.desk, OPEN + timedelta(minutes=later + 390))
    cash = bench.journal.account_state("embedded", OPEN).cash
    assert cash == bench.market.account().cash - Decimal("0.07")


@pytest.mark.parametrize("off", [45, -45])
def test_a_clock_that_is_off_blocks(bench: Bench, off: int) -> None:
    """Staleness, sessions and expiry are measured with our clock: where the exchange's differs, nothing is sent."""

    class Off:
        def now(self) -> datetime:
            return bench.market.now() + timedelta(seconds=off)

        def wall(self) -> datetime:
            return bench.market.wall()

    bench.desk = replace(bench.desk, clock=Off())
    bench.at(31)
    bench.strategy.say = BUY
    record = run_cycle(bench.desk, slot=OPEN + 30 * MINUTE)
    assert record is not None
    assert record.outcome is Outcome.BLOCKED
    assert "45 s off ours" in record.reason
    assert bench.exchange.submitted == []


def test_an_account_that_was_reset_is_called_so(bench: Bench) -> None:
    """The exchange knows nothing of an order that the journal has: nothing is traded, and the reason says why."""
    entered(bench)
    fresh = Bench()
    bench.exchange.inner = fresh.market
    fresh.at(40)
    record = bench.cycle(40, LEAVE)
    assert record.outcome is Outcome.FAILED
    assert "was the account reset?" in record.reason
    assert "a name, or a state directory, of its own" in record.reason


def test_an_account_worth_nothing_is_no_measure_of_the_days_loss(bench: Bench) -> None:
    """The exchange answers nonsense once: the day's loss is still measured from what the account was worth."""
    account = bench.market.account()
    bench.exchange.account = lambda: replace(account, equity=Decimal(0))  # type: ignore[attr-defined]
    assert bench.cycle(30, BUY).outcome is Outcome.BLOCKED
    del bench.exchange.account
    bench.cycle(35)
    assert bench.journal.account_state("embedded", OPEN).day_open_equity == account.equity
