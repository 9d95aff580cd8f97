"""After the last slot: both books, their comparison, the JSON file and the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from ztrade.app.report.data import AgentStory, Books, Story
from ztrade.app.report.page import render
from ztrade.app.report.text import NEW_YORK
from ztrade.cli.books import ExchangeBooks, JournalBooks, differences, exchange_record, journal_record, summary
from ztrade.cli.demo.plan import Plan
from ztrade.cli.output import Record
from ztrade.config import EMBEDDED
from ztrade.domain.agent import Agent
from ztrade.domain.ledger import CycleKind, CycleRecord, Holding, Outcome
from ztrade.domain.schedule import Session
from ztrade.ports import Exchange, Journal, MarketData

FILL, FEE = "FILL", "FEE"


@dataclass(frozen=True, slots=True)
class Closing:
    """Everything that is known at the end; ``slots`` are the outcomes in order, ``start_cash`` the opening balance."""

    plan: Plan
    cycles: Sequence[CycleRecord]
    journal: JournalBooks
    exchange: ExchangeBooks
    differences: Sequence[str]
    equity: Sequence[tuple[datetime, Decimal]]
    start_cash: Decimal
    stories: Sequence[AgentStory]

    @property
    def missed(self) -> list[str]:
        """Return the slots that have no outcome, or the outcome missed."""
        known = {(c.slot, c.agent): c.outcome for c in self.cycles if c.kind is CycleKind.SLOT}
        return [
            f"{agent} {slot:%Y-%m-%d %H:%MZ}"
            for slot, agent in self.plan.slots()
            if known.get((slot, agent)) in (None, Outcome.MISSED)
        ]

    @property
    def missed_words(self) -> list[str]:
        """Return the missed slots, as one line per agent."""
        names = [slot.partition(" ") for slot in self.missed]
        by_agent = {agent: [rest for name, _, rest in names if name == agent] for agent, _, _ in names}
        return [f"missed: {agent}: {len(slots)} slots, the first {slots[0]}" for agent, slots in by_agent.items()]


def collect(plan: Plan, journal: Journal, exchange: Exchange, data: MarketData) -> Closing:
    """Read both books while nothing moves any more.

    Raises:
        JournalUnavailable, ExchangeUnavailable: one of them does not answer.
    """
    theirs = exchange_books(exchange)
    ours = journal_books(plan, journal, theirs)
    cycles = [cycle for cycle in journal.cycles(since=plan.start) if cycle.agent in plan.agents]
    points = [(at, value) for at, value in journal.equity(f"account:{EMBEDDED}", plan.start) if at >= plan.start]
    opening = theirs.cash - sum((a.net_amount for a in exchange.activities() if a.at >= plan.start), Decimal(0))
    return Closing(
        plan,
        cycles,
        ours,
        theirs,
        differences(ours, theirs),
        points,
        opening,
        [agent_story(plan, journal, theirs, agent, cycles, data) for agent in plan.agents.values()],
    )


def exchange_books(exchange: Exchange) -> ExchangeBooks:
    """Read the exchange's side. Raises ExchangeUnavailable."""
    account, entries = exchange.account(), exchange.activities()
    return ExchangeBooks(
        orders=exchange.orders(),
        fills=[entry for entry in entries if entry.kind == FILL],
        positions=exchange.positions(),
        cash=account.cash,
        equity=account.equity,
        fees=-sum((entry.net_amount for entry in entries if entry.kind == FEE), Decimal(0)),
    )


def journal_books(plan: Plan, journal: Journal, theirs: ExchangeBooks) -> JournalBooks:
    """Read the journal's side; what it holds is valued at the exchange's prices. Raises JournalUnavailable."""
    state = journal.account_state(EMBEDDED, plan.sessions[-1].open)
    holdings = journal.holdings(EMBEDDED)
    marks = {position.symbol: position.current_price for position in theirs.positions}
    equity = _worth(state.cash, holdings, marks)
    return JournalBooks(journal.orders(), journal.fills(), holdings, state.cash, equity)


def _worth(cash: Decimal | None, holdings: Sequence[Holding], marks: Mapping[str, Decimal | None]) -> Decimal | None:
    worth = cash
    for holding in holdings:
        mark = marks.get(holding.symbol)
        worth = None if worth is None or mark is None else worth + holding.qty * mark
    return worth


def agent_story(
    plan: Plan,
    journal: Journal,
    theirs: ExchangeBooks,
    agent: Agent,
    cycles: Sequence[CycleRecord],
    data: MarketData,
) -> AgentStory:
    """Gather what the report tells of one agent. Raises JournalUnavailable, ExchangeUnavailable."""
    return AgentStory(
        agent=agent,
        bars=data.bars(agent.symbol, plan.sessions[0].open, plan.sessions[-1].close),
        cycles=[cycle for cycle in cycles if cycle.agent == agent.name and cycle.kind is not CycleKind.SETTLE],
        orders=[order for _, order in journal.orders(agent=agent.name)],
        fills=journal.fills(agent=agent.name),
        trips=journal.round_trips(agent=agent.name),
        holding=journal.agent_state(agent.name, EMBEDDED, agent.symbol, plan.sessions[-1].open).holding,
        last_price=next((p.current_price for p in theirs.positions if p.symbol == agent.symbol), None),
    )


def report(closing: Closing, trouble: Sequence[str]) -> str:
    """Return the HTML page."""
    plan = closing.plan
    return render(
        Story(
            title=title(plan.sessions),
            source=plan.prices.words,
            sessions=plan.sessions,
            agents=closing.stories,
            equity=closing.equity,
            start_equity=closing.start_cash,
            end_equity=closing.exchange.equity,
            cash=closing.exchange.cash,
            fees=closing.exchange.fees,
            books=Books(summary(closing.journal), closing.differences),
            notes=[*trouble, *closing.missed_words],
        )
    )


def is_fine(closing: Closing, trouble: Sequence[str]) -> bool:
    """Tell whether the books agree, every slot was run, and no program kept dying."""
    return not (trouble or closing.differences or closing.missed)


def title(sessions: Sequence[Session]) -> str:
    """Return the report's title: the day, or the first and the last."""
    first, last = (session.open.astimezone(NEW_YORK) for session in (sessions[0], sessions[-1]))
    words = f"{first:%A} {first.day} {first:%B %Y}"
    if last - first > timedelta(days=1):
        words = f"{first.day} {first:%B %Y} to {last.day} {last:%B %Y}"
    return f"ztrade demo, {words}"


def record(closing: Closing, trouble: Sequence[str]) -> Record:
    """Return what ``--json`` writes: both sides with exact decimals, and where they differ."""
    return {
        "journal": journal_record(closing.cycles, closing.journal),
        "exchange": exchange_record(closing.exchange),
        "books_agree": not closing.differences,
        "differences": closing.differences,
        "missed": closing.missed,
        "trouble": trouble,
    }
