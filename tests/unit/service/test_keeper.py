"""The keeper's duties over the real matching core: each alone, and none held back by another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.unit.app.desks import AGENT, BUY, CALENDAR, HOLD, OPEN, Bench
from ztrade.adapters.halts import FileHalts
from ztrade.adapters.metrics import Counters
from ztrade.app.desk import Desk
from ztrade.app.proposals import approve
from ztrade.app.settle import settle
from ztrade.config import Config, load_config
from ztrade.domain.ledger import Outcome, Wish
from ztrade.domain.messages import Message, Severity
from ztrade.errors import ExchangeUnavailable, JournalUnavailable, OutcomeUnknown
from ztrade.exchange.inprocess import InProcess
from ztrade.ports import Calendar, Journal
from ztrade.service.ended import Ended
from ztrade.service.health import Health, Look
from ztrade.service.keeper import HALTS, Keeper
from ztrade.testing.journal import MemoryJournal

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


def test_the_day_is_told_once_after_everybody_settled() -> None:
    """What each agent made, traded, holds, and missed."""
    bench = Bench()
    one = keeper(bench)
    assert bench.cycle(30, BUY).outcome is Outcome.ENTERED
    bench.cycle(35, HOLD)
    bench.at(392)
    one.summarize()
    assert titles(bench) == []
    settle(bench.desk, OPEN + timedelta(minutes=390))
    for _ in range(2):
        one.summarize()
    (message,) = bench.journal.messages()
    assert message.severity is Severity.INFO
    assert message.title.startswith("embedded, 2022-08-22: ")
    assert "spy: " in message.text
    assert "1 buys, 0 sells" in message.text


def test_the_day_counts_what_a_person_approved_and_what_a_halt_sold() -> None:
    """No cycle tells of either: the summary counts orders that were filled."""
    bench = Bench(replace(AGENT, manual=True))
    bench.cycle(30, BUY)
    (proposal,) = bench.journal.proposals()
    approve(bench.desk, proposal.id, by="ann")
    bench.at(32)
    bench.cycle(35, HOLD)
    bench.halts.halt("spy", "stop", Wish("20220822T140600Z", flatten=True))
    seconds = Seconds()
    one = keeper(bench, seconds=seconds)
    for minutes in (36, 38):
        seconds.now += 10
        one.obey_halts()
        bench.at(minutes)
    assert bench.market.positions() == []
    one.reconcile()
    settle(bench.desk, OPEN + timedelta(minutes=390))
    bench.at(392)
    keeper(bench).summarize()
    (text,) = [message.text for message in bench.journal.messages() if message.key.startswith("summary:")]
    assert "1 buys, 1 sells, flat" in text


def test_a_day_that_nobody_settles_is_told_an_hour_after_the_close() -> None:
    """On the day on which a worker dies people need it most; it says whose figures may change."""
    bench = Bench()
    tsla = replace(bench.desk, agent=replace(AGENT, name="tsla"))
    one = keeper(bench, tsla)
    bench.cycle(30, BUY)
    settle(bench.desk, OPEN + timedelta(minutes=390))
    bench.at(449)
    one.summarize()
    assert titles(bench) == []
    bench.at(450)
    one.summarize()
    (message,) = bench.journal.messages()
    assert message.text.splitlines()[-1] == "not settled, so figures may change: tsla"


@pytest.mark.parametrize(("minutes", "told"), [(24 * 60 - 1, 1), (24 * 60, 0)], ids=["before the open", "at the open"])
def test_a_keeper_that_was_down_tells_the_day_before_the_next_opens(minutes: float, told: int) -> None:
    """Then its figures are mixed with the next day's."""
    bench = Bench()
    bench.cycle(30, BUY)
    settle(bench.desk, OPEN + timedelta(minutes=390))
    bench.at(minutes)
    keeper(bench).summarize()
    assert len(titles(bench)) == told


def test_a_day_before_anybody_traded_is_not_told() -> None:
    """The machine was set up in the evening."""
    bench = Bench()
    bench.at(600)
    keeper(bench).summarize()
    assert titles(bench) == []


# -- its own life ------------------------------------------------------------------------------------------------------
def test_restarts_are_told_and_a_storm_of_them_in_few_words() -> None:
    """The first of an hour, then when it goes on: a loop of restarts must not bury everything else."""
    bench = Bench()
    storm = [Ended("ztrade-worker@spy.service", "watchdog", "killed", "ABRT")] * 12
    once = [Ended("ztrade-beat.service", "signal", "killed", "KILL")]
    notes = [storm, once, []]
    one = keeper(bench, ended=lambda: notes.pop(0))
    for _ in range(3):
        one.tell_restarts()
    assert titles(bench) == [
        "ztrade-worker@spy.service ended: watchdog",
        "ztrade-worker@spy.service ended: watchdog, 3 times within the hour",
        "ztrade-worker@spy.service ended: watchdog, 10 times within the hour",
        "ztrade-beat.service ended: signal",
    ]
    assert "watchdog (killed ABRT)" in bench.journal.messages()[0].text


class Full(MemoryJournal):
    """A journal on a disk that is full for a while."""

    full = True

    def post(self, message: Message) -> bool:
        if self.full:
            raise JournalUnavailable("database or disk is full")
        return super().post(message)


def test_a_restart_that_cannot_be_written_down_is_told_afterwards() -> None:
    """Its note is taken from where it lay: a full disk ends programs, and is when nothing can be written."""
    journal = Full()
    bench = Bench(journal=journal)
    notes = [[Ended("ztrade-worker@spy.service", "signal")], [Ended("ztrade-beat.service", "signal")], []]
    one = keeper(bench, ended=lambda: notes.pop(0))
    for _ in range(2):
        with pytest.raises(JournalUnavailable):
            one.tell_restarts()
    assert titles(bench) == []
    journal.full = False
    one.tell_restarts()
    assert titles(bench) == ["ztrade-worker@spy.service ended: signal", "ztrade-beat.service ended: signal"]


def test_a_long_round_shows_signs_of_life() -> None:
    """After every agent's turn, and with what a duty waits for: the watchdog judges by them."""
    bench = Bench()
    signs: list[str] = []
    one = keeper(bench, alive=signs.append)
    one.step()
    assert len(signs) > len(one.duties)
    assert set(signs) == {"keeps"}
    one.duties[3].trouble = "the exchange does not answer"
    one.recover()
    assert signs[-1] == "waits: the exchange does not answer"
