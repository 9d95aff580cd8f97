"""A person changes an agent's capital: what it gained and lost stays, and so does what its limits make of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import cast

import pytest

from tests.contract.journals import make
from tests.unit.app.desks import BUY, CALENDAR, HOLD, LEAVE, MINUTE, OPEN, Bench
from tests.unit.app.test_run_cycle_day import Counted
from ztrade.app.settle import settle
from ztrade.app.summary import summarize
from ztrade.cli.looking import fact
from ztrade.domain.ledger import Outcome, agent_scope
from ztrade.domain.messages import Severity
from ztrade.ports import Journal
from ztrade.service.exporter import money

D = Decimal
SPY = agent_scope("spy", "embedded")
YESTERDAY = OPEN - timedelta(hours=17)


@pytest.fixture(params=["twin", "sqlite"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """Give a desk that has recorded its first point with a capital of 10 000."""
    for journal in make(request.param, tmp_path):
        found = Bench(journal=journal)
        found.cycle(30)
        yield found


def told(bench: Bench) -> list[str]:
    """Return the titles of what is only for information."""
    return [message.title for message in bench.journal.messages() if message.severity is Severity.INFO]


@pytest.mark.parametrize("capital", [1_000, 9_500, 20_000])
def test_the_days_loss_is_the_same_with_any_capital(bench: Bench, capital: int) -> None:
    """More of it does not hide the loss, less of it is none."""
    bench.was_worth(SPY, YESTERDAY, D(10_500))
    bench.with_agent(capital=D(capital), limits=replace(bench.desk.agent.limits, max_drawdown=D("0.9")))
    bench.cycle(35)
    assert bench.halts.reducing("spy") == "daily loss 500.00 of 500"


@pytest.mark.parametrize("capital", [1_000, 9_500, 20_000])
def test_who_lost_nothing_trades_on(bench: Bench, capital: int) -> None:
    """No breaker trips, and no limit refuses the entry."""
    limits = replace(bench.desk.agent.limits, max_position_value=D(1_000))
    bench.with_agent(capital=D(capital), limits=limits)
    bench.cycle(35)
    assert bench.halts.reducing("spy") is None
    assert bench.cycle(40, BUY).outcome is Outcome.ENTERED


def test_an_entry_is_refused_for_the_same_loss(bench: Bench) -> None:
    """The rules of an order measure as the breakers do."""
    bench.was_worth(SPY, YESTERDAY, D(10_500))
    bench.with_agent(capital=D(20_000))
    record = bench.cycle(35, BUY)
    assert record.outcome is Outcome.BLOCKED
    assert "daily loss 500.00 of 500" in record.reason


@pytest.mark.parametrize(("capital", "fall"), [(5_000, "33.33%"), (10_000, "20.00%"), (20_000, None)])
def test_drawdown_is_a_share_of_what_the_peak_is_with_the_capital_of_now(
    bench: Bench, capital: int, fall: str | None
) -> None:
    """2 500 dollars lost are a third of 7 500, and a ninth of 22 500."""
    bench.was_worth(SPY, YESTERDAY, D(12_500))
    bench.with_agent(capital=D(capital), limits=replace(bench.desk.agent.limits, max_daily_loss=D(9_000)))
    bench.cycle(35)
    reason = bench.halts.reducing("spy")
    assert (reason or "").startswith(f"drawdown {fall}") if fall else reason is None


def test_a_peak_reached_with_another_capital_counts(bench: Bench) -> None:
    """The peak is of what was gained, whatever capital it was gained with, and back again."""
    bench.with_agent(capital=D(20_000))
    bench.cycle(35, BUY)
    bench.cycle(40, LEAVE)
    bench.cycle(45)
    points = [value for _, value in bench.journal.equity(SPY, capital=D(10_000))]
    state = bench.journal.agent_state("spy", "embedded", "SPY", OPEN, D(10_000))
    assert state.peak_equity == max(points)
    assert points[-1] == 10_000 + state.holding.realized


def test_processes_with_the_old_file_and_the_new_one_do_not_disturb_each_other(bench: Bench) -> None:
    """A worker that was not started anew measures with the old one: no loss for either; told once each way."""
    for minutes, capital in ((35, 20_000), (40, 10_000), (45, 20_000), (50, 10_000)):
        bench.with_agent(capital=D(capital))
        bench.cycle(minutes)
    assert bench.halts.reducing("spy") is None
    assert told(bench) == [
        "spy: capital changed from 10000 to 20000",
        "spy: capital changed from 20000 to 10000",
    ]


def test_a_release_holds_across_a_change(bench: Bench) -> None:
    """The fall that a person has looked at does not trip again, a further one does, in the same dollars."""
    bench.was_worth(SPY, YESTERDAY, D(10_600))
    bench.cycle(35)
    assert bench.halts.reduced.pop("spy")
    bench.journal.rebase(SPY)
    bench.journal.release("spy")
    for minutes, capital in ((40, 20_000), (45, 5_000)):
        bench.with_agent(capital=D(capital))
        bench.cycle(minutes)
        assert bench.halts.reducing("spy") is None
    bench.was_worth(SPY, OPEN + 35 * MINUTE, D(10_500))
    bench.with_agent(limits=replace(bench.desk.agent.limits, max_drawdown=D("0.5")))
    bench.cycle(50)
    assert bench.halts.reducing("spy") == "daily loss 500.00 of 500"


def test_the_accounts_curve_knows_no_capital(bench: Bench) -> None:
    """It is the exchange's figure."""
    before = bench.journal.account_state("embedded", OPEN)
    bench.with_agent(capital=D(20_000))
    bench.cycle(35)
    assert bench.journal.account_state("embedded", OPEN) == before


def test_a_change_costs_one_question_more_and_only_once(bench: Bench) -> None:
    """The message; a hold asks four."""
    bench.with_agent(capital=D(20_000))
    counted = Counted(bench.journal)
    bench.desk = replace(bench.desk, journal=cast("Journal", counted))
    bench.cycle(35)
    assert counted.asked == ["claim", "agent_state", "account_state", "post", "finish"]
    counted.asked.clear()
    bench.cycle(40)
    assert counted.asked == ["claim", "agent_state", "account_state", "finish"]


def test_what_a_person_reads_is_by_the_file_of_now(bench: Bench) -> None:
    """Status, metrics and the daily summary say the same profit before any cycle has seen the change, and after."""
    bench.was_worth(SPY, YESTERDAY, D(9_900))
    session = CALENDAR.session(OPEN.date())
    assert session is not None
    bench.with_agent(capital=D(20_000))
    for minutes in (None, 35):
        if minutes is not None:
            bench.cycle(minutes, HOLD)
        now, agent = bench.market.now(), bench.desk.agent
        seen = fact(bench.journal, replace(agent, dry_run=True), OPEN, now)
        assert seen.state is not None
        assert (seen.equity[-1][1], seen.state.day_open_equity) == (D(20_000), D(19_900))
        values = {name: value for name, _, value in money.of_agent(bench.desk, session, now)}
        assert values["ztrade_agent_equity_dollars"] == 20_000
        assert values["ztrade_agent_pnl_dollars"] == 0
        assert values["ztrade_agent_pnl_today_dollars"] == 100
        assert values["ztrade_agent_drawdown_ratio"] == 0


def test_the_day_is_summed_up_across_a_change(bench: Bench) -> None:
    """Yesterday ended with 9 900 of 10 000, today ends with 5 000 of 5 000: a hundred made; settling tells, too."""
    bench.was_worth(SPY, YESTERDAY, D(9_900))
    session = CALENDAR.session(OPEN.date())
    assert session is not None
    bench.with_agent(capital=D(5_000))
    bench.market.advance(session.close + MINUTE)
    assert settle(bench.desk, session.close) is not None
    assert summarize([bench.desk], session, bench.market.now())
    assert told(bench) == ["spy: capital changed from 10000 to 5000", "embedded, 2022-08-22: +100.00 dollars"]
