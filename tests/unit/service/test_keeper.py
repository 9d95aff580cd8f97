"""The keeper's duties over the real matching core: each alone, and none held back by another."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.unit.app.desks import BUY, CALENDAR, HOLD, OPEN, Bench
from ztrade.adapters.halts import FileHalts
from ztrade.app.desk import Desk
from ztrade.app.settle import settle
from ztrade.config import Config, load_config
from ztrade.domain.ledger import Outcome, Wish
from ztrade.domain.messages import Severity
from ztrade.errors import ExchangeUnavailable
from ztrade.exchange.inprocess import InProcess
from ztrade.ports import Calendar, Journal
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


class Channel:
    """A channel that keeps what it was given, or refuses."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.down = False

    def send(self, severity: str, title: str, text: str) -> None:
        if self.down:
            raise OSError("down")
        self.got.append(title)


def keeper(bench: Bench, *others: Desk, look: Look | None = None, channel: Channel | None = None) -> Keeper:
    """Return a keeper; ``look`` is what it sees of Redis, beat and workers whenever it looks."""

    def see(now: datetime) -> Look:
        return replace(look, at=now) if look else Look(now)

    return Keeper(
        Stand(bench, *others),
        Health(see),
        [channel] if channel else (),
        monotonic=Seconds(),
        pause=lambda _seconds: None,
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
    assert titles(bench) == ["spy: missed at 2022-08-22 14:05 UTC"]


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
    assert titles(bench) == ["spy: missed at 2022-08-22 14:05 UTC"]


# -- halts -------------------------------------------------------------------------------------------------------------
def test_a_halt_that_orders_to_flatten_is_obeyed_until_flat(tmp_path: Path) -> None:
    """Through the flag file alone; then nothing more is asked of the exchange."""
    bench = Bench()
    bench.desk = replace(bench.desk, halts=FileHalts(tmp_path))
    bench.cycle(30, BUY)
    bench.at(32)
    one = keeper(bench)
    FileHalts(tmp_path).halt("spy", "ann: stop", Wish("20220822T140200Z", flatten=True))
    one.obey_halts()
    bench.at(34)
    one.obey_halts()
    assert bench.market.positions() == []
    assert titles(bench)[-1] == "spy is flat"
    asked = len(bench.exchange.calls)
    one.obey_halts()
    assert len(bench.exchange.calls) == asked


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
    one = keeper(bench, aapl)
    one.obey_halts()
    bench.at(34)
    one.obey_halts()
    assert bench.market.positions() == []
    assert "aapl is not flat yet" in titles(bench)


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


def test_messages_wait_for_a_channel_that_is_down_and_go_out_in_order() -> None:
    """Nothing is lost, nothing sent twice."""
    bench = Bench()
    channel = Channel()
    one = keeper(bench, channel=channel)
    bench.halts.reduce("spy", "x")
    bench.cycle(30)
    bench.at(42)
    one.sweep()
    bench.at(47)
    one.sweep()
    one.tell_outcomes()
    channel.down = True
    one.send()
    assert channel.got == []
    channel.down = False
    for _ in range(2):
        one.send()
    assert channel.got == titles(bench)
    assert len(channel.got) == 2


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
    assert "1 entries, 0 exits" in message.text
