"""``ztrade backtest``: the same cycles over past bars, in this process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ztrade.app.report import text
from ztrade.cli.books import JournalBooks, journal_record
from ztrade.cli.context import App, pass_app
from ztrade.cli.demo.plan import DEFAULT_DAY, DEFAULT_SEED, choose_agents, with_prices
from ztrade.cli.exchange import made_up
from ztrade.cli.options import NEW_YORK, PATH, Day
from ztrade.cli.output import Record, check_writable, columns_of, to_json, warn
from ztrade.config import EMBEDDED, Config, load_config
from ztrade.domain.agent import Agent
from ztrade.domain.ledger import CycleKind, agent_scope
from ztrade.domain.portfolio import drawdown, open_profit
from ztrade.domain.schedule import market_day
from ztrade.domain.types import Side
from ztrade.errors import ConfigError
from ztrade.ports import Calendar
from ztrade.service.share import share

if TYPE_CHECKING:
    from ztrade.bootstrap import Backtest
    from ztrade.exchange.tape import ListTape

#: sessions of a backtest on the synthetic market that names no days
SYNTHETIC_SPAN = timedelta(days=27)


@dataclass(frozen=True, slots=True)
class Result:
    """One agent's figures; money in dollars, ``drawdown`` a fraction of the peak of its own equity."""

    agent: str
    symbol: str
    slots: int
    entries: int
    exits: int
    pnl: Decimal
    drawdown: Decimal
    outcomes: dict[str, int]


@click.command()
@click.option("--bars", type=PATH, metavar="DIR", help="Recorded bars instead of the synthetic market.")
@click.option("--news", type=PATH, metavar="FILE", help="Recorded news.")
@click.option("--synthetic", type=click.IntRange(0, 2**31 - 1), metavar="SEED", help="Seed of the synthetic market; 7.")
@click.option("--from", "first", type=Day(), help="The first day; where the bars begin, unless said otherwise.")
@click.option("--to", "last", type=Day(), help="The last day; where the bars end, unless said otherwise.")
@click.option("--agent", "names", multiple=True, metavar="AGENT", help="Only this agent (repeatable).")
@click.option("--json", "json_file", type=PATH, metavar="FILE", help="Write slots, orders, fills and figures here.")
@pass_app
def backtest(
    app: App,
    bars: Path | None,
    news: Path | None,
    synthetic: int | None,
    first: date | None,
    last: date | None,
    names: Sequence[str],
    json_file: Path | None,
) -> None:
    """Run agents over past bars in this process: the same cycles and the same matching as the demo, without waiting.

    Without --config the three shipped agents are run.
    """
    from ztrade.bootstrap import run_backtest

    app.quiet()
    source = load_config(app.config_path or share("deploy/config") / "ztrade.toml")
    warn(source.warnings)
    if json_file is not None:
        check_writable(json_file)
    wanted = {source.agent(name).name: source.agent(name) for name in names} or dict(source.agents)
    calendar = app.calendar()
    tape, days = _tape(bars, news, synthetic, (first, last), wanted, calendar)
    # a backtest never trades anywhere, so an agent's own account does not matter
    candidates = choose_agents({name: replace(agent, dry_run=True) for name, agent in wanted.items()}, tape)
    chosen = with_prices(candidates, tape, days[1])
    _say_left_out(sorted(set(wanted) - set(chosen)), required=bool(names))
    done = run_backtest(source, tape, *days, agents=list(chosen))
    results = [_result(done, agent) for agent in done.agents]
    click.echo(_table(done, results, days))
    if json_file is not None:
        _write(json_file, _record(done, results, source))


def _say_left_out(names: Sequence[str], *, required: bool) -> None:
    if not names:
        return
    if required:
        what = "the bars lack its symbol, or begin later"
        raise ConfigError(f"--agent {names[0]}", what, fix="leave it out, or give other bars")
    click.echo(f"left out, because the bars lack their symbols, or begin later: {', '.join(names)}", err=True)


def _tape(
    bars: Path | None,
    news: Path | None,
    seed: int | None,
    days: tuple[date | None, date | None],
    agents: dict[str, Agent],
    calendar: Calendar,
) -> tuple[ListTape, tuple[date, date]]:
    """Return prices and news, and the days to run."""
    if bars is not None:
        if seed is not None:
            raise ConfigError("--synthetic", "excludes --bars", fix="give one of them")
        return _recorded(bars, news, days, calendar)
    if news is not None:
        raise ConfigError("--news", "goes with --bars", fix="leave it out: the synthetic market brings its own news")
    first = days[0] or DEFAULT_DAY
    last = days[1] or first + SYNTHETIC_SPAN
    _check_order(first, last)
    start, until = (datetime.combine(day, time(12), NEW_YORK) for day in (first, last))
    symbols = [agent.symbol for agent in agents.values()]
    tape = made_up(DEFAULT_SEED if seed is None else seed, calendar, start, until, symbols=symbols)
    return tape, (first, last)


def _recorded(
    bars: Path, news: Path | None, days: tuple[date | None, date | None], calendar: Calendar
) -> tuple[ListTape, tuple[date, date]]:
    from ztrade.exchange.bars import load_directory, load_news

    tape = load_directory(bars, calendar=calendar)
    if news is not None:
        tape = replace(tape, stories=load_news(news))
    series = [tape.bars(symbol) for symbol in tape.symbols()]
    begin = market_day(min(one.start_at(0) for one in series))
    end = market_day(max(one.start_at(len(one) - 1) for one in series))
    first, last = days[0] or begin, days[1] or end
    if first > end:
        raise ConfigError("--from", f"{first} lies after the last bar, of {end}", fix="name an earlier day")
    if last < begin:
        raise ConfigError("--to", f"{last} lies before the first bar, of {begin}", fix="name a later day")
    _check_order(first, last)
    return tape, (first, last)


def _check_order(first: date, last: date) -> None:
    if last < first:
        raise ConfigError("--to", f"{last} lies before the first day {first}", fix="name a later day")


def _result(done: Backtest, agent: Agent) -> Result:
    slots = [c for c in done.records if c.agent == agent.name and c.kind is CycleKind.SLOT]
    fills = done.journal.fills(agent=agent.name)
    curve = done.journal.equity(agent_scope(agent.name, EMBEDDED), capital=agent.capital)
    return Result(
        agent=agent.name,
        symbol=agent.symbol,
        slots=len(slots),
        entries=len({fill.order_id for fill in fills if fill.side is Side.BUY}),
        exits=len({fill.order_id for fill in fills if fill.side is Side.SELL}),
        pnl=_profit(done, agent),
        drawdown=deepest(curve),
        outcomes=dict(Counter(str(cycle.outcome) for cycle in slots).most_common()),
    )


def _profit(done: Backtest, agent: Agent) -> Decimal:
    """Return what the agent realized and what its position has gained so far, in dollars before fees."""
    holding = done.journal.agent_state(agent.name, EMBEDDED, agent.symbol, done.exchange.now()).holding
    marks = {position.symbol: position.current_price for position in done.exchange.positions()}
    mark = marks.get(agent.symbol)
    return holding.realized + (Decimal(0) if mark is None else open_profit(holding, mark))


def deepest(curve: Sequence[tuple[datetime, Decimal]]) -> Decimal:
    """Return the deepest fall of an equity curve from its peak so far, as a fraction of that peak."""
    peak = worst = Decimal(0)
    for _, value in curve:
        peak = max(peak, value)
        worst = max(worst, drawdown(peak, value))
    return worst


def _table(done: Backtest, results: Sequence[Result], days: tuple[date, date]) -> str:
    heads = ("agent", "symbol", "slots", "entries", "exits", "P&L", "drawdown", "outcomes")
    account = done.exchange.account()
    lines = [f"{days[0]} to {days[1]}", columns_of([heads, *map(_cells, results)])]
    lines.append(f"cash {text.money(account.cash)}, equity {text.money(account.equity)}")
    return "\n".join(lines)


def _cells(one: Result) -> Sequence[str]:
    outcomes = ", ".join(f"{name} {count}" for name, count in one.outcomes.items())
    counts = (str(one.slots), str(one.entries), str(one.exits))
    return (one.agent, one.symbol, *counts, text.signed(one.pnl), f"{one.drawdown * 100:.2f}%", outcomes)


def _record(done: Backtest, results: Sequence[Result], source: Config) -> Record:
    account = done.exchange.account()
    books = JournalBooks(
        done.journal.orders(),
        done.journal.fills(),
        done.journal.holdings(EMBEDDED),
        account.cash,
        account.equity,
    )
    agents = [{name: getattr(one, name) for name in Result.__dataclass_fields__} for one in results]
    return {"config": str(source.path), "agents": agents, **journal_record(done.records, books)}


def _write(path: Path, record: Record) -> None:
    try:
        path.write_text(to_json(record) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(str(path), f"cannot be written: {error.strerror}") from None
