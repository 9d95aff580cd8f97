"""The shipped agents over recorded and random bars: they enter and leave in nearly every week, without over-trading.

``pytest -s tests/integration/test_strategies_on_recorded_bars.py`` prints what docs/reference/strategies.md tells.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from tests.integration.strategy_walk import AGENTS, Walk, read_2019, read_2022, sessions_of, summary, weeks_of
from tests.unit.strategies.market import random_walk, week
from ztrade.domain.decision import Sentiment

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "bars"

#: a year of cycles takes ten seconds alone, and much longer beside other tests on a small machine
pytestmark = pytest.mark.timeout(600)

needs_bars = pytest.mark.skipif(not DATA.is_dir(), reason=f"recorded bars are not at {DATA}")


def _news(mean: float, deviation: float) -> Callable[[datetime], Sentiment]:
    """Return sentiment that changes every hour, the same in every run."""

    def at(moment: datetime) -> Sentiment:
        dice = random.Random(f"{moment:%Y%m%d%H}")
        score = min(max(dice.gauss(mean, deviation), -1.0), 1.0)
        return Sentiment(score, dice.uniform(0.2, 0.8), 1.0, (), {})

    return at


@pytest.mark.data
@needs_bars
@pytest.mark.parametrize("name", sorted(AGENTS))
def test_trades_in_nearly_every_recorded_week(name: str) -> None:
    """Each shipped agent has an entry and an exit in 95 % of the weeks, holds for bars, and does not over-trade."""
    agent = AGENTS[name]
    bars = read_2022(DATA, agent.symbol)
    walk = Walk(agent, bars, sessions_of(bars))
    found = summary(walk.run())
    print(f"\n{name}: {found}")
    assert found.active >= 0.95 * found.weeks
    assert found.entries <= 1.5 * len(walk.sessions)
    assert found.held_bars >= 2.5


@pytest.mark.data
@needs_bars
@pytest.mark.parametrize("news", [(0.0, 0.0), (0.1, 0.2)], ids=["neutral", "mild"])
@pytest.mark.parametrize("name", sorted(AGENTS))
def test_news_does_not_silence_an_agent(name: str, news: tuple[float, float]) -> None:
    """With news that says nothing, or a little, each agent still trades in nine weeks of ten."""
    bars = read_2022(DATA, AGENTS[name].symbol)
    found = summary(Walk(AGENTS[name], bars, sessions_of(bars)[:80], _news(*news)).run())
    print(f"\n{name}, news of mean {news[0]} and deviation {news[1]}: {found}")
    assert found.active >= 0.9 * found.weeks


@pytest.mark.data
@needs_bars
@pytest.mark.parametrize("name", sorted(AGENTS))
def test_trades_in_the_demonstration_week(name: str) -> None:
    """2022-08-22..26 has an entry and an exit of each agent, with the history before it."""
    bars = read_2022(DATA, AGENTS[name].symbol)
    days = [session for session in sessions_of(bars) if date(2022, 8, 1) <= session.day <= date(2022, 8, 26)]
    walk = Walk(AGENTS[name], bars, days).run()
    monday = datetime(2022, 8, 22, tzinfo=UTC)
    trades = [trade for trade in walk.trades if trade.entered >= monday]
    for trade in trades:
        print(f"\n{name} {trade.entered:%a %H:%M}: {trade.decision.rationale}\n  {trade.left or 'open'}: {trade.why}")
    assert [trade for trade in trades if trade.left]


@pytest.mark.data
@needs_bars
@pytest.mark.parametrize("name", sorted(AGENTS))
def test_trades_in_a_week_without_any_history(name: str) -> None:
    """2019-02-11..15 is all there is: after the warm-up each agent still enters and leaves."""
    bars = read_2019(DATA, AGENTS[name].symbol)
    found = summary(Walk(AGENTS[name], bars, sessions_of(bars)).run(), warm_up=False)
    print(f"\n{name} in 2019: {found}")
    assert found.active == found.weeks == 1


@pytest.mark.data
@needs_bars
@pytest.mark.parametrize("name", sorted(AGENTS))
def test_trades_in_weeks_without_history(name: str) -> None:
    """Each full week alone, without a bar before it: in most of them there is time for an entry and an exit."""
    bars = read_2022(DATA, AGENTS[name].symbol)
    starts = list(bars.start)
    found = []
    for days in weeks_of(sessions_of(bars)):
        first, last = (bisect_left(starts, at.timestamp()) for at in (days[0].open, days[-1].close))
        found.append(summary(Walk(AGENTS[name], bars.slice(first, last), days).run(), warm_up=False))
    active = sum(one.active for one in found)
    print(f"\n{name}: {active} of {len(found)} weeks with entry and exit when the week is all the history there is")
    assert active >= 0.85 * len(found)


@pytest.mark.data
@needs_bars
@pytest.mark.parametrize(("name", "symbol"), [("spy", "AAPL"), ("tsla", "SPY"), ("aapl", "TSLA"), ("aapl", "SPY")])
def test_thresholds_are_not_made_for_one_symbol(name: str, symbol: str) -> None:
    """Each agent also trades the others' symbols, which it was not calibrated on."""
    bars = read_2022(DATA, symbol)
    found = summary(Walk(replace(AGENTS[name], symbol=symbol), bars, sessions_of(bars)[:120]).run())
    print(f"\n{name} on {symbol}: {found}")
    assert found.active >= 0.9 * found.weeks


@pytest.mark.parametrize("sigma", [0.0003, 0.001, 0.003])
@pytest.mark.parametrize("name", sorted(AGENTS))
def test_trades_random_walks_of_any_volatility(name: str, sigma: float) -> None:
    """On bars without any pattern the agents enter and leave in most weeks, whatever the volatility."""
    found = []
    for seed in range(2):
        sessions = week(25)
        found.append(summary(Walk(AGENTS[name], random_walk(sessions, sigma, seed), sessions).run()))
        print(f"\n{name}, {sigma:.2%} per 5 minutes, seed {seed}: {found[-1]}")
    assert sum(one.active for one in found) >= 0.8 * sum(one.weeks for one in found)
    assert all(one.busiest_day <= AGENTS[name].limits.max_daily_trades for one in found)
