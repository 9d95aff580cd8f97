"""A breaker that trips refuses entries until a person releases the agent; exits always run."""

from __future__ import annotations

from dataclasses import replace as changed
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.unit.app.desks import BUY, HOLD, LEAVE, MINUTE, OPEN, Bench
from ztrade.domain.agent import BreakerLimits
from ztrade.domain.identity import entry_id
from ztrade.domain.ledger import BY_ITSELF, Outcome, agent_scope
from ztrade.domain.messages import Severity
from ztrade.domain.types import OrderRequest, Side
from ztrade.errors import OutcomeUnknown, Rejected

D = Decimal
SPY = agent_scope("spy", "embedded")
ACCOUNT = "account:embedded"
YESTERDAY = OPEN - timedelta(hours=17)


def told(bench: Bench, severity: Severity = Severity.CRITICAL) -> list[str]:
    return [message.title for message in bench.journal.messages() if message.severity is severity]


def lost(bench: Bench, dollars: int, scope: str = SPY) -> None:
    """Let yesterday end so much above where the curve is today."""
    usual = 10_000 if scope == SPY else 100_000
    bench.was_worth(scope, YESTERDAY, D(usual + dollars))


def test_a_daily_loss_makes_the_agent_reducing() -> None:
    """At its first cycle of the day, whatever that wanted; one message, which says how to go on."""
    bench = Bench()
    lost(bench, 500)
    assert bench.cycle(30, HOLD).outcome is Outcome.HELD
    assert bench.halts.reducing("spy") == "daily loss 500.00 of 500"
    blocked = bench.cycle(35, BUY)
    assert blocked.outcome is Outcome.BLOCKED
    assert blocked.reason.startswith("blocked: reducing: daily loss 500.00 of 500; wanted to buy")
    assert told(bench) == ["spy is reducing: daily loss 500.00 of 500"]
    assert "ztrade release spy" in bench.journal.messages()[0].text
    assert bench.exchange.submitted == []


def test_exits_run_while_the_agent_is_reducing() -> None:
    """The position is left by strategy as ever."""
    bench = Bench()
    assert bench.cycle(30, BUY).outcome is Outcome.ENTERED
    bench.halts.reduce("spy", "a breaker")
    assert bench.cycle(40, LEAVE).outcome is Outcome.EXITED


def test_a_position_that_falls_trips_on_equity_with_its_open_loss() -> None:
    """Nothing was realized yet: the peak and the open loss are what count."""
    bench = Bench()
    assert bench.cycle(30, BUY).outcome is Outcome.ENTERED
    bench.was_worth(SPY, YESTERDAY, D(12_600))
    bench.with_agent(limits=changed(bench.desk.agent.limits, max_daily_loss=D(9_000)))
    bench.cycle(35, HOLD)
    assert (bench.halts.reducing("spy") or "").startswith("drawdown 20.")


def test_at_80_percent_there_is_one_warning_a_day() -> None:
    """Near is told, and changes nothing."""
    bench = Bench()
    lost(bench, 400)
    for minutes in (30, 35):
        assert bench.cycle(minutes, HOLD).outcome is Outcome.HELD
    assert told(bench, Severity.WARNING) == ["spy: daily loss at 80% of its limit"]
    assert bench.halts.reducing("spy") is None
    assert bench.cycle(40, BUY).outcome is Outcome.ENTERED


def test_the_accounts_loss_counts_for_every_agent() -> None:
    """The agent itself lost nothing; the company did."""
    bench = Bench()
    lost(bench, 2_000, ACCOUNT)
    bench.cycle(30, HOLD)
    assert bench.halts.reducing("spy") == "account's daily loss 2000.00 of 2000"


def test_after_a_release_losses_are_measured_from_there() -> None:
    """The fall that a person has looked at does not trip again; a further one does."""
    bench = Bench()
    lost(bench, 600)
    bench.cycle(30, HOLD)
    bench.halts.reduced.clear()
    for scope in (SPY, ACCOUNT):
        bench.journal.rebase(scope)
    bench.journal.release("spy")
    bench.cycle(35, HOLD)
    assert bench.halts.reducing("spy") is None
    bench.was_worth(SPY, OPEN + 30 * MINUTE, D(10_500))
    bench.cycle(40, HOLD)
    assert bench.halts.reducing("spy") == "daily loss 500.00 of 500"


def test_a_streak_of_losses_is_measured_before_an_entry() -> None:
    """Two losing trades of two: the third is refused, though the day's loss is small."""
    bench = Bench()
    bench.with_agent(breakers=BreakerLimits(loss_streak=2), limits=changed(bench.desk.agent.limits, max_daily_trades=9))
    minutes = 30
    while len([t for t in bench.journal.round_trips() if t.pnl < 0]) < 2 and minutes < 300:
        bench.cycle(minutes, BUY)
        bench.cycle(minutes + 5, LEAVE)
        bench.cycle(minutes + 10, HOLD)
        minutes += 15
    trips = [t.pnl < 0 for t in bench.journal.round_trips()]
    assert trips[-2:] == [True, True], "the market of this test must lose twice in a row"
    record = bench.cycle(minutes, BUY)
    assert record.outcome is Outcome.BLOCKED
    assert "loss streak: 2 losing trades in a row, limit 2" in record.reason


def test_too_many_orders_within_an_hour_trip() -> None:
    """An agent that runs away: what it planned counts, whatever became of it."""
    bench = Bench()
    bench.with_agent(breakers=BreakerLimits(orders_per_hour=2))

    def refuse() -> None:
        raise Rejected("no")

    bench.exchange.before["submit"] = refuse
    for minutes in (30, 35):
        assert bench.cycle(minutes, BUY).outcome is Outcome.REJECTED
    assert "order rate: 2 orders within an hour, limit 2" in bench.cycle(40, BUY).reason
    assert bench.halts.reducing("spy")


def test_repeated_unknown_outcomes_trip() -> None:
    """Each was resolved; that it happens again and again is the trouble."""
    bench = Bench()
    bench.with_agent(breakers=BreakerLimits(unknown_outcomes=2))

    def vanish() -> None:
        raise OutcomeUnknown("x", "timed out")

    bench.exchange.before["submit"] = vanish
    for minutes in (30, 40):
        assert bench.cycle(minutes, BUY).outcome is Outcome.UNKNOWN
        bench.wall_shift += timedelta(minutes=2)
        bench.cycle(minutes + 5, HOLD)
    assert "unknown outcomes: 2 orders without an answer today, limit 2" in bench.cycle(60, BUY).reason


@pytest.mark.parametrize(("kind", "words"), [("quote", "stale data"), ("clock", "clock skew")])
def test_trouble_in_a_row_trips_and_one_good_cycle_ends_the_row(kind: str, words: str) -> None:
    """Each such cycle is a reasoned hold or block by itself."""
    bench = Bench()
    bench.with_agent(breakers=BreakerLimits(troubled_cycles=3))
    old = timedelta(minutes=10)

    def trouble(on: bool) -> None:
        bench.quote_age = old if on and kind == "quote" else timedelta(0)
        bench.clock_skew = old if on and kind == "clock" else timedelta(0)

    for minutes, on in ((30, True), (35, True), (40, False), (45, True), (50, True)):
        trouble(on)
        bench.cycle(minutes, HOLD)
        assert bench.halts.reducing("spy") is None, minutes
    trouble(True)
    bench.cycle(55, HOLD)
    assert bench.halts.reducing("spy") == f"{words}: 3 cycles in a row, limit 3"


def test_a_breaker_that_trips_between_risk_and_submit_still_refuses() -> None:
    """The keeper, or another agent of the account, tripped it meanwhile: the intent is not sent."""
    bench = Bench()
    seen = bench.journal.plan

    class Late:
        """The journal, with a breaker that trips as the intent is written."""

        def __getattr__(self, name: str) -> object:
            return getattr(bench.journal, name)

        def plan(self, *arguments: object) -> None:
            seen(*arguments)  # type: ignore[arg-type]
            bench.halts.reduce("spy", "tripped meanwhile")

    bench.desk = changed(bench.desk, journal=Late())  # type: ignore[arg-type]
    record = bench.cycle(30, BUY)
    assert (record.outcome, record.reason) == (Outcome.BLOCKED, "blocked: reducing: tripped meanwhile")
    assert bench.exchange.submitted == []


def test_an_agent_that_halts_itself_is_told_as_critical() -> None:
    """Its id is taken by an order that it never meant: going on would be guessing."""
    bench = Bench()
    bench.at(28)
    bench.market.submit(OrderRequest(entry_id("spy", OPEN + timedelta(minutes=30)), "QQQ", Side.BUY, D(1)))
    record = bench.cycle(30, BUY)
    assert record.outcome is Outcome.HALTED
    assert (bench.halts.reason("spy") or "").endswith(BY_ITSELF), "the exporter tells it from a person's halt"
    assert told(bench) == ["spy halted itself"]
    assert bench.cycle(35, BUY).reason.startswith("halted: order zt.spy")


def test_a_flag_that_cannot_be_written_refuses_entries_and_keeps_no_exit() -> None:
    """A state directory that is read-only: the breaker's answer counts, and the position is left all the same."""
    bench = Bench()
    assert bench.cycle(30, BUY).outcome is Outcome.ENTERED
    lost(bench, 900)

    def refuse(agent: str, reason: str) -> bool:
        raise OSError("read-only")

    bench.halts.reduce = refuse  # type: ignore[method-assign]
    assert bench.cycle(35, LEAVE).outcome is Outcome.EXITED
    bench.cycle(40, HOLD)
    assert bench.cycle(45, BUY).reason.startswith("blocked: reducing: daily loss")
    (title,) = told(bench)
    assert title.startswith("spy should be reducing: daily loss")
