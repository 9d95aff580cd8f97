"""The keeper's duties over the real matching core: each alone, and none held back by another."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.unit.app.desks import AGENT, BUY, OPEN, Bench
from tests.unit.service.keeper_stand import Seconds, keeper, outcomes, titles
from ztrade.adapters.halts import FileHalts
from ztrade.app.proposals import approve
from ztrade.domain.ledger import Outcome, Wish
from ztrade.domain.messages import Message, Severity
from ztrade.errors import ExchangeUnavailable, OutcomeUnknown
from ztrade.service.health import Look
from ztrade.service.keeper import HALTS

D = Decimal


# -- missed slots ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("look", "cause"),
    [
        (Look(OPEN, redis="Redis at x does not answer"), "missed: Redis was down"),
        (Look(OPEN, beat="has not looked for 40 s"), "missed: beat was down: it has not looked for 40 s"),
        (Look(OPEN, workers={"spy": "worker does not take messages"}), "missed: no worker took it: spy's worker"),
        (Look(OPEN), "missed: everything was up, and nobody took it"),
    ],
)
def test_a_slot_that_nobody_ran_is_closed_with_its_cause(look: Look, cause: str) -> None:
    """From what was seen while it was due; once, with one message."""
    bench = Bench()
    bench.cycle(30)
    one = keeper(bench, look=look)
    for minutes in range(31, 42):
        bench.at(minutes)
        one.look()
        one.sweep()
    assert outcomes(bench)["14:05"].startswith(f"missed: {cause}")
    assert "14:10" not in outcomes(bench), "its window is not over"
    for _ in range(2):
        one.tell_outcomes()
    assert titles(bench) == ["spy: missed at 2022-08-22 14:05 UTC (dry run)"]


def test_a_slot_missed_while_the_keeper_slept_says_so() -> None:
    """It saw nothing of that time."""
    bench = Bench()
    bench.cycle(30)
    one = keeper(bench)
    one.sweep()
    bench.at(42)
    one.sweep()
    assert outcomes(bench)["14:05"] == "missed: missed: nothing ran, the keeper included"


def test_slots_that_ran_are_left_alone() -> None:
    """Also one that is late inside its window."""
    bench = Bench()
    one = keeper(bench)
    bench.at(29)
    one.sweep()
    for minutes in (30, 35, 40):
        bench.cycle(minutes)
        bench.at(minutes + 4.9)
        one.sweep()
    assert [outcome.partition(":")[0] for outcome in outcomes(bench).values()] == ["held"] * 3


def test_two_keepers_close_a_slot_once() -> None:
    """The journal's compare-and-set decides; the message has one key."""
    bench = Bench()
    bench.cycle(30)
    two = (keeper(bench), keeper(bench))
    bench.at(42)
    for one in (*two, *two):
        one.sweep()
        one.tell_outcomes()
    assert titles(bench) == ["spy: missed at 2022-08-22 14:05 UTC (dry run)"]


# -- halts -------------------------------------------------------------------------------------------------------------
def test_a_halt_that_orders_to_flatten_is_obeyed_until_flat(tmp_path: Path) -> None:
    """Through the flag file alone; then nothing more is asked of the exchange."""
    bench = Bench()
    bench.desk = replace(bench.desk, halts=FileHalts(tmp_path))
    bench.cycle(30, BUY)
    bench.at(32)
    seconds = Seconds()
    one = keeper(bench, seconds=seconds)
    FileHalts(tmp_path).halt("spy", "ann: stop", Wish("20220822T140200Z", flatten=True))
    one.obey_halts()
    bench.at(34)
    seconds.now += 1
    one.obey_halts()
    assert bench.market.positions() == []
    assert titles(bench)[-1] == "spy is flat"
    asked = len(bench.exchange.calls)
    seconds.now += 60
    one.obey_halts()
    assert len(bench.exchange.calls) == asked


def test_an_order_that_arrives_after_it_was_flat_is_flattened_too() -> None:
    """Something on the way kept the entry for minutes: the halt that was obeyed still stands."""
    bench = Bench()
    bench.exchange.before["submit"] = _cut
    bench.cycle(30, BUY)
    bench.exchange.before.clear()
    bench.wall_shift += timedelta(minutes=5)
    bench.halts.halt("spy", "stop", Wish("20220822T140200Z", flatten=True))
    seconds = Seconds()
    one = keeper(bench, seconds=seconds)
    one.obey_halts()
    assert titles(bench)[-1] == "spy is flat"
    (intent,) = bench.journal.intents(agent="spy")
    bench.market.submit(intent.request)
    bench.at(32)
    one.reconcile()
    assert [held.qty for held in bench.journal.holdings()] == [24]
    for minutes in (33, 35):
        seconds.now += 10
        one.obey_halts()
        bench.at(minutes)
    assert bench.market.positions() == []


def _cut() -> None:
    raise OutcomeUnknown("zt.spy.20220822T140000Z.entry", "no answer")


@pytest.mark.parametrize("error", [ExchangeUnavailable("down"), KeyError("a defect")])
def test_what_one_agent_meets_keeps_no_other_from_its_halt(error: Exception) -> None:
    """Whatever it is: a defect that only one agent's orders bring out must not leave the others' positions open."""
    bench = Bench()
    bench.cycle(30, BUY)
    bench.at(32)

    class Odd:
        def __getattr__(self, name: str) -> object:
            def fail(*_: object, **__: object) -> object:
                raise error

            return fail

    aapl = replace(bench.desk, agent=replace(bench.desk.agent, name="aapl", symbol="AAPL"), exchange=Odd())  # type: ignore[arg-type]
    bench.halts.halt("ALL", "stop", Wish("20220822T140200Z", flatten=True))
    seconds = Seconds()
    one = keeper(bench, aapl, seconds=seconds)
    for minutes in (33, 34):
        seconds.now += 1
        with suppress(KeyError):
            one.obey_halts()
        bench.at(minutes)
    assert bench.market.positions() == []


def test_an_agent_whose_exchange_is_down_delays_no_other() -> None:
    """Both are ordered to flatten; one cannot be reached."""
    bench = Bench()
    bench.cycle(30, BUY)
    bench.at(32)

    class Down:
        def __getattr__(self, name: str) -> object:
            def fail(*_: object, **__: object) -> object:
                raise ExchangeUnavailable("down")

            return fail

    aapl = replace(bench.desk, agent=replace(bench.desk.agent, name="aapl", symbol="AAPL"), exchange=Down())  # type: ignore[arg-type]
    bench.halts.halt("ALL", "stop", Wish("20220822T140200Z", flatten=True))
    seconds = Seconds()
    one = keeper(bench, aapl, seconds=seconds)
    one.obey_halts()
    bench.at(34)
    seconds.now += 1
    one.obey_halts()
    assert bench.market.positions() == []
    assert "aapl is not flat yet" in titles(bench)


def test_a_halt_that_cannot_be_obeyed_yet_leaves_the_accounts_requests_to_the_others() -> None:
    """Its position waits for the open all night: reads are 160 a minute for all agents of an account."""
    bench = Bench()
    bench.cycle(30, BUY)
    bench.at(60 * 8)
    bench.halts.halt("spy", "stop", Wish("20220822T213000Z", flatten=True))
    seconds = Seconds()
    one = keeper(bench, seconds=seconds)
    one.obey_halts()
    asked = len(bench.exchange.calls)
    assert asked, "a halt is obeyed at once"
    for _ in range(120):
        seconds.now += HALTS
        one.obey_halts()
    assert len(bench.exchange.calls) - asked <= 30
    bench.at(60 * 24 + 1)
    for half in range(40):
        seconds.now += HALTS
        bench.at(60 * 24 + 1 + half * HALTS / 60)
        one.obey_halts()
    assert bench.market.positions() == [], "within seconds after the open"
    assert titles(bench)[-1] == "spy is flat"
    asked = len(bench.exchange.calls)
    bench.halts.halt("spy", "stop", Wish("20220823T133200Z", flatten=True))
    one.obey_halts()
    assert len(bench.exchange.calls) > asked, "another halt waits for nothing"


# -- the rest ----------------------------------------------------------------------------------------------------------
def test_a_duty_that_fails_holds_none_back() -> None:
    """Its trouble is kept, and forgotten when it works again."""
    bench = Bench()
    one = keeper(bench)

    def fail() -> None:
        raise ValueError("a bug")

    broken = one.duties[0]
    works, broken.run = broken.run, fail
    one.step()
    assert broken.trouble == "ValueError: a bug"
    assert all(duty.due > 0 for duty in one.duties)
    broken.run, broken.due = works, 0.0
    one.step()
    assert broken.trouble == ""


def test_a_breaker_trips_though_no_cycle_runs() -> None:
    """The newest point of the curve is the account's; the agent's worker is down."""
    bench = Bench()
    bench.cycle(30)
    bench.was_worth("account:embedded", OPEN - timedelta(hours=17), D(103_000))
    keeper(bench).watch()
    assert (bench.halts.reducing("spy") or "").startswith("account's daily loss 3000.00 of 2000")


def test_people_are_asked_and_told_in_its_rounds() -> None:
    """A proposal with what approves it; once approved and filled, the fill."""
    bench = Bench(replace(AGENT, manual=True))
    assert bench.cycle(30, BUY).outcome is Outcome.PROPOSED
    one = keeper(bench)
    one.step()
    (proposal,) = bench.journal.proposals()
    assert [f"ztrade approve {proposal.id}" in message.text for message in bench.journal.messages()] == [True]
    approve(bench.desk, proposal.id, by="ann")
    bench.at(32)
    keeper(bench).step()
    assert titles(bench)[-1].startswith("spy: bought ")


def test_without_a_channel_no_message_waits() -> None:
    """What people should know is in the log; a channel that is named later does not begin with a flood of the past."""
    bench = Bench()
    bench.journal.post(Message("k", Severity.CRITICAL, "title", "text", OPEN))
    keeper(bench).route()
    assert bench.journal.messages(unsent=True) == []
