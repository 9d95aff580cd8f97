"""What a cycle writes for whoever counts: how late it was, which rules refused, when an order was known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.unit.app.desks import BUY, OPEN, Bench
from ztrade.app.run_cycle import run_cycle
from ztrade.domain.ledger import DONE, LATE, RULES, Outcome
from ztrade.domain.risk import DEPLOYED, ENTRY_RULES, REDUCING
from ztrade.errors import ExchangeUnavailable, OutcomeUnknown


def ticking() -> Iterator[float]:
    at = 0.0
    while True:
        yield at
        at += 0.25


def test_lateness_is_in_wall_seconds_from_when_the_slot_was_due() -> None:
    """At 60 times the speed 90 exchange seconds are 1.5; the agent's delay is not late."""
    bench = Bench()
    bench.with_agent(delay=timedelta(seconds=30))
    ticks = ticking()
    bench.desk = replace(bench.desk, speed=lambda: 60.0, timer=lambda: next(ticks))
    bench.at(7)
    record = run_cycle(bench.desk, slot=OPEN + timedelta(minutes=5))
    assert record is not None
    assert record.timings[LATE] == 1.5
    assert record.timings[DONE] > record.timings[LATE] + 0.25


def test_where_time_moves_in_steps_nothing_is_late() -> None:
    assert LATE not in Bench().cycle(5).timings


def test_a_clock_that_is_away_says_nothing_of_lateness() -> None:
    bench = Bench()

    def away() -> None:
        raise ExchangeUnavailable("refused")

    class Away:
        now = staticmethod(away)
        wall = staticmethod(bench.market.wall)

    bench.desk = replace(bench.desk, speed=lambda: 1.0, clock=Away())  # type: ignore[arg-type]
    record = run_cycle(bench.desk, slot=bench.at(5))
    assert record is not None
    assert (record.outcome, LATE in record.timings) == (Outcome.FAILED, False)


def test_refusals_are_written_by_the_name_of_their_rule() -> None:
    """All that stand against the entry, beside the decision itself."""
    bench = Bench()
    bench.with_agent(limits=replace(bench.desk.agent.limits, max_daily_trades=0, max_open_positions=0))
    record = bench.cycle(30, BUY)
    assert record.outcome is Outcome.BLOCKED
    assert record.details[RULES] == ["trades_today", "open_positions"]
    assert record.details["action"] == "buy"


def test_a_tripped_breaker_is_a_rule_too() -> None:
    bench = Bench()
    bench.halts.reduce("spy", "daily loss")
    assert bench.cycle(30, BUY).details[RULES] == [REDUCING]
    assert DEPLOYED in ENTRY_RULES, "room that others take meanwhile is the same limit"


def test_an_order_is_known_when_the_exchange_answers() -> None:
    bench = Bench()
    assert bench.cycle(30, BUY).outcome is Outcome.ENTERED
    (intent,) = bench.journal.intents()
    assert intent.answered == 0.0
    assert Decimal(str(bench.journal.cycles()[-1].details["price"])) > 0


@pytest.mark.parametrize("there", [True, False])
def test_an_order_without_an_answer_is_known_when_it_was_asked_for(there: bool) -> None:
    """Its wall time, whatever the exchange's is."""
    bench = Bench()

    def lost() -> None:
        raise OutcomeUnknown("x", "timed out")

    if there:
        bench.exchange.after_submit = lost
    else:
        bench.exchange.before["submit"] = lost
    assert bench.cycle(30, BUY).outcome is Outcome.UNKNOWN
    (intent,) = bench.journal.intents()
    assert intent.answered is None
    bench.exchange.after_submit = None
    bench.exchange.before.clear()
    bench.cycle(35)
    (intent,) = bench.journal.intents()
    assert intent.answered == 300.0
