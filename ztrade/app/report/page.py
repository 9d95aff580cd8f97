"""The page around the pictures and tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from importlib.resources import files
from string import Template

from ztrade.app.report import tables, text
from ztrade.app.report.charts import equity_chart, price_chart
from ztrade.app.report.data import AgentStory, Books, Story
from ztrade.app.report.markup import Html, join, tag
from ztrade.domain.durations import format_duration
from ztrade.domain.ledger import CycleKind, CycleRecord, Outcome

#: the marks of the price chart: style class, word, path in a box of 18 by 14
_MARKS = (
    ("fill buy", "buy", "M9,2L3,12H15Z"),
    ("fill sell", "sell", "M9,12L3,2H15Z"),
    ("rest stop", "stop", "M0,7H18"),
    ("rest target", "target", "M0,7H18"),
)


def render(story: Story) -> str:
    """Return the whole page as HTML; every text that comes from outside is escaped."""
    folder = files("ztrade.app.report")
    body = join([_head(story), _equity(story), *(_agent(story, agent) for agent in story.agents), _books(story.books)])
    return Template(folder.joinpath("page.html").read_text(encoding="utf-8")).substitute(
        title=join([story.title]), style=folder.joinpath("style.css").read_text(encoding="utf-8"), body=body
    )


def _head(story: Story) -> Html:
    verdict = "Journal and exchange agree" if story.books.agree else "Journal and exchange differ"
    return tag(
        "header",
        tag("h1", story.title),
        tag("p", f"{story.source}. Times are New York's.", class_="source"),
        tag("p", tag("a", verdict, href="#books", class_=f"verdict {'good' if story.books.agree else 'bad'}")),
        *(tag("p", note, class_="note") for note in story.notes),
        _tiles(story),
    )


def _tiles(story: Story) -> Html:
    gain = story.end_equity - story.start_equity
    share = gain / story.start_equity if story.start_equity else Decimal(0)
    cycles = [cycle for agent in story.agents for cycle in agent.cycles if cycle.kind is CycleKind.SLOT]
    missed = sum(cycle.outcome in (None, Outcome.MISSED) for cycle in cycles)
    trips = [trip for agent in story.agents for trip in agent.trips]
    won = sum(trip.pnl > 0 for trip in trips)
    return tag(
        "div",
        _tile("P&L", tables.profit(gain), text.percent(share)),
        _tile("Equity", text.money(story.end_equity), f"from {text.money(story.start_equity)}"),
        _tile("Cash", text.money(story.cash), f"fees {text.money(story.fees)}"),
        _tile("Round trips", str(len(trips)), f"{won} won, {len(trips) - won} not"),
        _tile("Slots", str(len(cycles)), f"{missed} missed"),
        class_="tiles",
    )


def _tile(name: str, value: object, note: str) -> Html:
    return tag("div", tag("h3", name), tag("strong", value), tag("small", note), class_="tile")


def _equity(story: Story) -> Html:
    chart = equity_chart(story.sessions, story.equity, story.start_equity)
    return tag("section", tag("h2", "Equity"), chart, tables.agents_table(story))


def _agent(story: Story, agent: AgentStory) -> Html:
    of = agent.agent
    line = f"{of.symbol}, {of.strategy.replace('_', ' ')}, every {format_duration(of.every)}"
    return tag(
        "section",
        tag("h2", of.name, " ", tag("span", line, class_="quiet")),
        _counts(agent.cycles),
        price_chart(story.sessions, agent),
        _key(),
        tables.trips_table(agent.trips),
        _fold(f"Why each slot did what it did ({len(agent.cycles)})", tables.slots_table(agent.cycles)),
        _fold(f"Orders ({len(agent.orders)})", tables.orders_table(agent.orders)),
        _fold(f"Fills ({len(agent.fills)})", tables.fills_table(agent.fills)),
        id=of.name,
    )


def _counts(cycles: Sequence[CycleRecord]) -> Html:
    """Count the outcomes, most frequent first; this is the strip's legend too."""
    counts = Counter(_outcome(cycle) for cycle in cycles)
    badges = [tag("span", f"{outcome} {count}", class_=f"badge o-{outcome}") for outcome, count in counts.most_common()]
    return tag("p", join(badges, " "), class_="counts")


def _outcome(cycle: CycleRecord) -> str:
    return cycle.outcome or "running"


def _key() -> Html:
    """Explain the marks of the price chart."""
    items = [_mark(tag("path", d=path, class_=class_), word) for class_, word, path in _MARKS]
    held = tag("rect", width=18, height=14, class_="held gain")
    return tag("p", *items, _mark(held, "position held"), class_="key")


def _mark(shape: Html, word: str) -> Html:
    return tag("span", tag("svg", shape, viewBox="0 0 18 14", aria_hidden="true"), word)


def _fold(heading: str, content: Html) -> Html:
    return tag("details", tag("summary", heading), content)


def _books(books: Books) -> Html:
    if books.agree:
        said = tag("p", "The journal and the exchange say the same, to the cent, about:", class_="good")
        return tag("section", tag("h2", "Books"), said, _list(books.compared), id="books")
    said = tag("p", f"The journal and the exchange differ in {len(books.differences)} places:", class_="bad")
    return tag("section", tag("h2", "Books"), said, _list(books.differences), id="books")


def _list(lines: Sequence[str]) -> Html:
    return tag("ul", *(tag("li", line) for line in lines))
