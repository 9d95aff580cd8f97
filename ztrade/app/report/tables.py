"""The tables of the report: slots with their why, orders, fills, round trips."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from ztrade.app.report import text
from ztrade.app.report.data import AgentStory, Story
from ztrade.app.report.markup import Html, tag
from ztrade.domain.ledger import CycleKind, CycleRecord, Fill, RoundTrip
from ztrade.domain.types import Order, Side


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str, numbers: int = 0) -> Html:
    """Build a table; the last ``numbers`` columns are set flush right. Without rows it is the sentence ``empty``."""
    first_number = len(headings) - numbers
    body = [_row("td", row, first_number) for row in rows]
    if not body:
        return tag("p", empty, class_="empty")
    head = tag("thead", _row("th", headings, first_number))
    return tag("div", tag("table", head, tag("tbody", *body)), class_="scroll")


def _row(name: str, cells: Sequence[object], first_number: int) -> Html:
    return tag("tr", *(tag(name, cell, class_="n" if at >= first_number else None) for at, cell in enumerate(cells)))


def agents_table(story: Story) -> Html:
    """Build the overview: one line per agent."""
    heads = ("Agent", "Symbol", "Slots", "Entries", "Exits", "Trips won", "Position", "Realized", "Open", "P&L")
    return table(heads, map(_agent_row, story.agents), empty="No agents.", numbers=8)


def _agent_row(story: AgentStory) -> Sequence[object]:
    agent = story.agent
    slots = sum(cycle.kind is CycleKind.SLOT for cycle in story.cycles)
    won = sum(trip.pnl > 0 for trip in story.trips)
    total = story.realized + story.unrealized
    return (
        tag("a", agent.name, href=f"#{agent.name}"),
        agent.symbol,
        slots,
        len({fill.order_id for fill in story.fills if fill.side is Side.BUY}),
        len({fill.order_id for fill in story.fills if fill.side is Side.SELL}),
        f"{won} of {len(story.trips)}",
        text.quantity(story.holding.qty),
        profit(story.realized),
        profit(story.unrealized),
        profit(total),
    )


def profit(amount: Decimal) -> Html:
    """Write a profit or loss in its colour, with its sign: colour never stands alone."""
    return tag("span", text.signed(amount), class_=text.tone(amount))


def trips_table(trips: Sequence[RoundTrip]) -> Html:
    heads = ("Opened", "Closed", "Closed by", "Shares", "Entry", "Exit", "P&L")
    rows = (
        (
            text.stamp(trip.opened_at),
            text.stamp(trip.closed_at),
            trip.exit_leg or "–",
            text.quantity(trip.qty),
            text.price(trip.entry_price),
            text.price(trip.exit_price),
            profit(trip.pnl),
        )
        for trip in trips
    )
    return table(heads, rows, empty="No finished round trip.", numbers=4)


def orders_table(orders: Sequence[Order]) -> Html:
    heads = ("Sent", "Order", "Side", "Type", "Status", "Shares", "Filled", "Limit", "Stop", "Average")
    rows = (
        (
            text.stamp(order.submitted_at),
            tag("code", order.client_order_id or order.id),
            order.side,
            order.type,
            order.status,
            text.quantity(order.qty),
            text.quantity(order.filled_qty),
            text.price(order.limit_price),
            text.price(order.stop_price),
            text.price(order.filled_avg_price),
        )
        for order in orders
    )
    return table(heads, rows, empty="No orders.", numbers=5)


def fills_table(fills: Sequence[Fill]) -> Html:
    heads = ("At", "Leg", "Side", "Shares", "Price", "Amount")
    rows = (
        (
            text.stamp(fill.at),
            fill.leg or "–",
            fill.side,
            text.quantity(fill.qty),
            text.price(fill.price),
            text.money(fill.qty * fill.price),
        )
        for fill in fills
    )
    return table(heads, rows, empty="No fills.", numbers=3)


def slots_table(cycles: Sequence[CycleRecord]) -> Html:
    heads = ("Slot", "Outcome", "Why", "Score", "Confidence")
    return table(heads, map(_slot_row, cycles), empty="No slots.", numbers=2)


def _slot_row(cycle: CycleRecord) -> Sequence[object]:
    outcome = cycle.outcome or "running"
    kind = "" if cycle.kind is CycleKind.SLOT else f" ({cycle.kind})"
    badge = tag("span", f"{outcome}{kind}", class_=f"badge o-{outcome}")
    why = tag("span", text.why(cycle), class_="why")
    return text.stamp(cycle.slot), badge, why, _detail(cycle, "score", "+"), _detail(cycle, "confidence")


def _detail(cycle: CycleRecord, key: str, sign: str = "-") -> str:
    details: Mapping[str, object] = cycle.details
    value = details.get(key)
    if not isinstance(value, int | float | str):
        return "–"
    try:
        return f"{float(value):{sign}.2f}".replace("-", "−")
    except ValueError:
        return "–"
