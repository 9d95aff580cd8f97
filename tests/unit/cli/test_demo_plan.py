"""What the demo decides before it writes anything."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.app.desks import AGENT, CALENDAR
from ztrade.cli.demo.plan import DEFAULT_DAY, Prices, make_plan, read_prices
from ztrade.domain.agent import Agent, SessionKind
from ztrade.domain.types import bars_from_rows, rows_of
from ztrade.errors import ConfigError
from ztrade.testing.tapes import wave_tape

AGENTS = {
    "spy": AGENT,
    "aapl": replace(AGENT, name="aapl", symbol="AAPL", every=timedelta(hours=1)),
    "gme": replace(AGENT, name="gme", symbol="GME"),
}
RECORDED = Prices("Recorded", ("--bars", "/bars"), wave_tape(CALENDAR, ("AAPL", "SPY"), last=date(2022, 8, 26)))
MADE_UP = Prices("Synthetic", ("--synthetic", "7"))
MONDAY = (date(2022, 8, 22), date(2022, 8, 22))


def test_agents_without_prices_are_left_out() -> None:
    """They are named, so that the person can be told."""
    plan = make_plan(AGENTS, RECORDED, MONDAY, "max", CALENDAR)
    assert list(plan.agents) == ["aapl", "spy"]
    assert plan.left_out == ["gme"]


def test_the_synthetic_market_has_every_symbol() -> None:
    """Nobody is left out, and a demo that names no day gets the documented one."""
    plan = make_plan(AGENTS, MADE_UP, None, "max", CALENDAR)
    assert plan.left_out == []
    assert [session.day for session in plan.sessions] == [DEFAULT_DAY]


def test_recorded_bars_without_a_day_give_the_last_common_one() -> None:
    """The last day that every agent's bars reach."""
    plan = make_plan({"spy": AGENT}, RECORDED, None, "max", CALENDAR)
    assert [session.day for session in plan.sessions] == [date(2022, 8, 26)]


def test_slots_of_a_day_are_complete_and_in_order() -> None:
    """77 of five minutes and 6 of an hour; a half day has 41 and 3."""
    plan = make_plan(AGENTS, RECORDED, MONDAY, "max", CALENDAR)
    slots = plan.slots()
    assert slots == sorted(slots)
    assert [sum(agent == name for _, agent in slots) for name in ("spy", "aapl")] == [77, 6]
    half = make_plan(AGENTS, MADE_UP, (date(2022, 11, 25), date(2022, 11, 25)), "max", CALENDAR)
    assert [sum(agent == name for _, agent in half.slots()) for name in ("spy", "aapl")] == [41, 3]


def test_the_exchange_is_told_the_same_days_and_symbols() -> None:
    """It begins before the first open and ends after the last close, so that the day can be settled."""
    plan = make_plan(AGENTS, RECORDED, (date(2022, 8, 22), date(2022, 8, 26)), "30", CALENDAR)
    assert plan.exchange_arguments == [
        "--bars", "/bars", "--symbols", "AAPL,SPY", "--speed", "30",
        "--start", "2022-08-22T13:29:00Z", "--until", "2022-08-26T20:02:00Z",
    ]  # fmt: skip
    assert plan.start == datetime(2022, 8, 22, 13, 29, tzinfo=UTC)


def test_a_demo_is_as_long_as_its_extended_sessions() -> None:
    """It begins before the pre-market's first slot, and ends when the last slot of late trading was due."""
    agent = replace(AGENT, every=timedelta(minutes=30), delay=timedelta(minutes=4), sessions=tuple(SessionKind))
    plan = make_plan({"spy": agent}, RECORDED, MONDAY, "max", CALENDAR)
    assert plan.start == datetime(2022, 8, 22, 8, 29, tzinfo=UTC)
    assert plan.until == datetime(2022, 8, 22, 23, 36, tzinfo=UTC)
    assert {"2022-08-22T08:29:00Z", "2022-08-22T23:36:00Z"} <= set(plan.exchange_arguments)


def test_an_agent_whose_bars_begin_later_is_left_out() -> None:
    """It would find no price in any slot; one whose bars begin on the last day takes part."""
    aapl = wave_tape(CALENDAR, ("AAPL",)).bars("AAPL")
    spy = wave_tape(CALENDAR, ("SPY",), first=date(2022, 8, 24)).bars("SPY")
    late = replace(wave_tape(CALENDAR), by_symbol={"AAPL": aapl, "SPY": spy})
    prices = replace(RECORDED, tape=late)
    assert make_plan(AGENTS, prices, MONDAY, "max", CALENDAR).left_out == ["gme", "spy"]
    last = (date(2022, 8, 22), date(2022, 8, 24))
    assert make_plan(AGENTS, prices, last, "max", CALENDAR).left_out == ["gme"]


def test_a_day_without_bars_between_others_is_run() -> None:
    """Recorded sets lack days: the agents hold through them. The first and the last day need bars."""
    whole = wave_tape(CALENDAR, ("SPY",)).bars("SPY")
    rows = [row for row in rows_of(whole) if row[0].date() != date(2022, 8, 23)]
    tape = replace(wave_tape(CALENDAR, ("SPY",)), by_symbol={"SPY": bars_from_rows("SPY", whole.span, rows)})
    plan = make_plan(
        {"spy": AGENT}, replace(RECORDED, tape=tape), (date(2022, 8, 22), date(2022, 8, 24)), "max", CALENDAR
    )
    assert [session.day.day for session in plan.sessions] == [22, 23, 24]
    with pytest.raises(ConfigError, match="2022-08-23: there are no bars"):
        make_plan({"spy": AGENT}, replace(RECORDED, tape=tape), (date(2022, 8, 22), date(2022, 8, 23)), "max", CALENDAR)


@pytest.mark.parametrize(
    ("agents", "days", "said"),
    [
        ({"gme": AGENTS["gme"]}, MONDAY, "no agent trades one of AAPL, SPY"),
        ({}, MONDAY, "the agents are: none"),
        ({"spy": replace(AGENT, dry_run=False)}, MONDAY, "has dry_run = false"),
        (AGENTS, (date(2022, 8, 20), date(2022, 8, 21)), "the exchange is closed"),
        (AGENTS, (date(2022, 7, 4), date(2022, 7, 4)), "closed; fix: name a day of trading, like 2022-07-01"),
        (AGENTS, (date(2022, 9, 1), date(2022, 9, 1)), "the bars reach from 2022-08-01 to 2022-08-26"),
        (AGENTS, (date(2022, 8, 26), date(2022, 8, 29)), "day 2022-08-29: there are no bars for it"),
        (AGENTS, (date(1999, 8, 26), date(1999, 8, 26)), "1999-08-26"),
    ],
)
def test_what_cannot_be_traded_is_refused(agents: dict[str, Agent], days: tuple[date, date], said: str) -> None:
    """One message, before anything is written."""
    with pytest.raises(ConfigError) as caught:
        make_plan(agents, RECORDED, days, "max", CALENDAR)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("bars", "news", "seed", "said"),
    [
        (Path("/bars"), None, 7, "excludes --bars"),
        (None, Path("/news.json"), None, "goes with --bars"),
        (Path("/nowhere/at/all"), None, None, "/nowhere/at/all"),
    ],
)
def test_sources_that_contradict_or_are_not_there_are_refused(
    bars: Path | None, news: Path | None, seed: int | None, said: str
) -> None:
    """The message names the option or the path."""
    with pytest.raises(ConfigError) as caught:
        read_prices(bars, news, seed, CALENDAR)
    assert said in str(caught.value)
