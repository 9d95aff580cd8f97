"""The report's page: complete, self-contained, escaped, and honest about the books."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest

from tests.unit.report.story import a_story, agent_story
from ztrade.app.report.data import AgentStory, Books, Story
from ztrade.app.report.page import render
from ztrade.domain.ledger import Holding
from ztrade.domain.types import bars_from_rows

HOSTILE = "</title><script>alert(1)</script>\"' onload=x & <svg>"


class Balanced(HTMLParser):
    """Collects every element and holds each end tag against the element that is open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag


def parsed(story: Story) -> Balanced:
    parser = Balanced()
    parser.feed(render(story))
    parser.close()
    assert parser.open == []
    return parser


def only(story: Story) -> AgentStory:
    (agent,) = story.agents
    return agent


@pytest.mark.parametrize("days", [1, 5])
def test_page_is_well_formed_and_has_a_part_for_every_agent(days: int) -> None:
    """Every element is closed, and each agent has a section that the overview links to."""
    page = parsed(a_story(days=days, agents=3))
    sections = {attributes.get("id") for name, attributes in page.seen if name == "section"}
    links = {attributes.get("href") for name, attributes in page.seen if name == "a"}
    assert {"spy", "tsla", "aapl", "books"} <= sections
    assert {"#spy", "#tsla", "#aapl", "#books"} == links


def test_page_loads_nothing_from_anywhere() -> None:
    """No script, no link, no image, no address of another host: the file can be mailed and opened offline."""
    page = parsed(a_story(days=5, agents=3))
    assert not {"script", "link", "img", "iframe", "object", "image", "use"} & {name for name, _ in page.seen}
    assert not any("src" in attributes for _, attributes in page.seen)
    assert not re.search(r"https?://|url\((?!#)", render(a_story()))


def test_every_slot_is_on_the_strip_and_in_the_table_with_its_reason() -> None:
    """77 slots make 77 boxes, each with outcome and reason on hover, and 77 rows."""
    html = render(a_story())
    boxes = re.findall(r'<rect [^>]*class="slot o-(\w+)"><title>([^<]+)</title>', html)
    assert len(boxes) == 77
    assert ("entered", "Mon 22 Aug 10:20 entered: score 0.44: RSI 61, above SMA 20") in boxes
    assert len(re.findall(r'<span class="why">', html)) == 77


def test_fills_stops_and_targets_are_on_the_chart() -> None:
    """Each fill has a marker and each protective leg a line that says its price."""
    html = render(a_story())
    assert html.count('class="fill buy"><title>entry 12 at') == 1
    assert html.count('class="fill sell"><title>exit 12 at') == 1
    assert html.count('class="rest stop"><title>stop ') == 1
    assert html.count('class="rest target"><title>target ') == 1


def test_text_from_outside_is_escaped_everywhere() -> None:
    """A hostile reason, title, source, note, difference and order id stay text."""
    story = a_story(books=Books(differences=(HOSTILE,)))
    agent = only(story)
    cycles = [replace(cycle, reason=HOSTILE, details={"score": HOSTILE}) for cycle in agent.cycles]
    orders = [replace(order, client_order_id=HOSTILE) for order in agent.orders]
    hostile = replace(agent, cycles=cycles, orders=orders)
    page = parsed(replace(story, title=HOSTILE, source=HOSTILE, notes=(HOSTILE,), agents=[hostile]))
    assert "script" not in {name for name, _ in page.seen}
    assert not any(key.startswith("on") for _, attributes in page.seen for key in attributes)


def test_differing_books_are_said_at_the_top_and_listed() -> None:
    """The verdict is not hidden: it stands in the header, and each difference is named."""
    html = render(a_story(books=Books(differences=("cash: journal 1.00, exchange 2.00",))))
    assert "Journal and exchange differ" in html
    assert "cash: journal 1.00, exchange 2.00" in html
    assert "agree" not in html


def test_an_agent_without_bars_orders_and_cycles_still_has_its_part() -> None:
    """Nothing happened is a story too."""
    story = a_story()
    agent = only(story)
    empty = replace(agent, bars=bars_from_rows("SPY", agent.bars.span, []), cycles=[], orders=[], fills=[], trips=[])
    html = render(replace(story, agents=[empty], equity=[]))
    assert "No orders." in html
    assert "No finished round trip." in html


def test_an_open_position_is_marked_to_the_end_with_its_open_profit() -> None:
    """What is still held is shaded to the close, and its profit counts as open."""
    story = a_story()
    agent = only(story)
    held = Holding("spy", "SPY", Decimal(10), Decimal(4000), opened_at=agent.cycles[40].slot)
    html = render(replace(story, agents=[replace(agent, holding=held, last_price=Decimal("401.25"))]))
    assert "<title>open: 10 at 400.00</title>" in html
    assert '<span class="gain">+$12.50</span>' in html


def test_pictures_are_valid_xml_with_finite_coordinates() -> None:
    """Each SVG parses, and no coordinate is NaN or infinite."""
    for svg in re.findall(r"<svg.*?</svg>", render(a_story(days=2, agents=2)), re.DOTALL):
        ET.fromstring(svg)
        assert not re.search(r"\b(nan|inf)\b", svg.lower())


def test_profit_of_an_agent_counts_trips_and_open_position() -> None:
    """Realized is what the holding carries, unrealized comes from the mark; without a mark it is 0."""
    agent = agent_story("spy", a_story().sessions)
    assert agent.realized == sum(trip.pnl for trip in agent.trips)
    held = Holding("spy", "SPY", Decimal(2), Decimal(800))
    assert replace(agent, holding=held).unrealized == 0
    assert replace(agent, holding=held, last_price=Decimal(405)).unrealized == 10
