"""The pictures, as inline SVG: equity curve, price with trades, strip of slots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby

from ztrade.app.report import text
from ztrade.app.report.axis import TimeAxis, ValueAxis, value_axis
from ztrade.app.report.data import AgentStory
from ztrade.app.report.markup import Html, join, tag
from ztrade.domain.ledger import CycleKind, CycleRecord, Fill, RoundTrip
from ztrade.domain.schedule import Session
from ztrade.domain.types import Bars, Order, OrderType, Side

WIDTH, LEFT, RIGHT = 960.0, 62.0, 948.0
TOP = 12.0
#: how far a stop or target may lie outside the prices and still stretch the picture, in heights of the price range
STRETCH = 0.6


def equity_chart(sessions: Sequence[Session], points: Sequence[tuple[datetime, Decimal]], start: Decimal) -> Html:
    """Draw the account's equity over the sessions, with the opening balance as a dashed line."""
    bottom = 190.0
    time = TimeAxis(sessions, LEFT, RIGHT)
    values = [float(value) for _, value in points]
    scale = value_axis([*values, float(start)], TOP, bottom)
    line = _points((time.x(at), scale.y(value)) for (at, _), value in zip(points, values, strict=True))
    base = scale.y(float(start))
    area = [
        tag("polyline", points=f"{time.x(points[0][0]):.1f},{base:.1f} {line} {time.x(points[-1][0]):.1f},{base:.1f}",
            class_="area"),
        tag("polyline", points=line, class_="equity"),
    ] if points else []  # fmt: skip
    return _figure(
        bottom + 24,
        _grid(scale, money_axis=True),
        _time_grid(time, bottom),
        tag("line", x1=LEFT, x2=RIGHT, y1=base, y2=base, class_="base"),
        *area,
        label="Equity of the account",
    )


def price_chart(sessions: Sequence[Session], story: AgentStory) -> Html:
    """Draw one agent's prices, positions, resting stops and targets, fills, and its slots underneath."""
    bottom, strip = 230.0, 256.0
    time = TimeAxis(sessions, LEFT, RIGHT)
    scale = value_axis(_price_range(story), TOP, bottom)
    clip = f"plot-{story.agent.name}"
    return _figure(
        strip + 44,
        tag("clipPath", tag("rect", x=LEFT, y=TOP, width=RIGHT - LEFT, height=bottom - TOP), id=clip),
        _grid(scale),
        _time_grid(time, bottom),
        tag(
            "g",
            *_held(time, story, bottom),
            *_prices(time, scale, story.bars),
            *_resting(time, scale, story.orders, sessions[-1].close),
            *(_marker(time, scale, fill) for fill in story.fills),
            clip_path=f"url(#{clip})",
        ),
        tag("text", "slots", x=LEFT - 8, y=strip + 14, class_="tick", text_anchor="end"),
        *_strip(time, story, strip),
        label=f"{story.agent.symbol} with the trades and slots of {story.agent.name}",
    )


def _figure(height: float, *content: object, label: str) -> Html:
    box = f"0 0 {WIDTH:g} {height:g}"
    return tag("div", tag("svg", *content, viewBox=box, role="img", aria_label=label), class_="figure")


def _points(pairs: Iterator[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in pairs)


def _grid(scale: ValueAxis, *, money_axis: bool = False) -> Html:
    ticks = scale.ticks()
    digits = 0 if ticks and all(tick == int(tick) for tick in ticks) else 2
    parts = []
    for tick in ticks:
        y = scale.y(tick)
        label = f"{'$' if money_axis else ''}{tick:,.{digits}f}"
        parts.append(tag("line", x1=LEFT, x2=RIGHT, y1=y, y2=y, class_="grid"))
        parts.append(tag("text", label, x=LEFT - 8, y=y + 4, class_="tick", text_anchor="end"))
    return join(parts)


def _time_grid(time: TimeAxis, bottom: float) -> Html:
    several = len(time.sessions) > 1
    lines = [
        tag("line", x1=time.x(session.open), x2=time.x(session.open), y1=TOP, y2=bottom, class_="day")
        for session in time.sessions[1:]
    ]
    labels = [
        tag("text", label, x=time.x(at) + (4 if several else 0), y=bottom + 17, class_="tick",
            text_anchor="start" if several else "middle")
        for at, label in time.ticks()
    ]  # fmt: skip
    return join([*lines, *labels])


def _price_range(story: AgentStory) -> list[float]:
    values = [*story.bars.low, *story.bars.high, *(float(fill.price) for fill in story.fills)]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    reach = (high - low) * STRETCH
    levels = [float(level) for order in story.orders if (level := _level(order)) is not None]
    return [low, high, *(level for level in levels if low - reach <= level <= high + reach)]


def _prices(time: TimeAxis, scale: ValueAxis, bars: Bars) -> Iterator[Html]:
    """Yield one line of closes per session, over thin lines from low to high."""
    rows = [(bars.start_at(row), row) for row in range(len(bars))]
    spans = (
        f"M{time.x(at + bars.span / 2):.1f},{scale.y(bars.low[row]):.1f}V{scale.y(bars.high[row]):.1f}"
        for at, row in rows
    )
    yield tag("path", d="".join(spans) or None, class_="range")
    for _, day in groupby(rows, key=lambda pair: pair[0].date()):
        line = _points((time.x(at + bars.span), scale.y(bars.close[row])) for at, row in day)
        yield tag("polyline", points=line, class_="close")


def _held(time: TimeAxis, story: AgentStory, bottom: float) -> Iterator[Html]:
    """Yield a shade behind the time of each position; the open one reaches to the end."""
    for trip in story.trips:
        yield _shade(time, trip.opened_at, trip.closed_at, bottom, text.tone(trip.pnl), _trip_title(trip))
    if story.holding.qty and story.holding.opened_at:
        words = f"open: {text.quantity(story.holding.qty)} at {text.price(story.holding.avg_price)}"
        tone = text.tone(story.unrealized)
        yield _shade(time, story.holding.opened_at, time.sessions[-1].close, bottom, tone, words)


def _shade(time: TimeAxis, begin: datetime, end: datetime, bottom: float, tone: str, title: str) -> Html:
    x = time.x(begin)
    width = max(time.x(end) - x, 2.0)
    box = {"x": x, "y": TOP, "width": width, "height": bottom - TOP}
    return tag("rect", tag("title", title), class_=f"held {tone}", **box)


def _trip_title(trip: RoundTrip) -> str:
    prices = f"{text.price(trip.entry_price)} to {text.price(trip.exit_price)}"
    return f"{text.quantity(trip.qty)} {trip.symbol}, {prices}: {text.signed(trip.pnl)}"


def _level(order: Order) -> Decimal | None:
    """Return the price at which a protective order waits; None for an order that does not wait."""
    if order.side is Side.BUY or not order.submitted_at:
        return None
    return order.stop_price if order.type in (OrderType.STOP, OrderType.STOP_LIMIT) else order.limit_price


def _resting(time: TimeAxis, scale: ValueAxis, orders: Sequence[Order], end: datetime) -> Iterator[Html]:
    """Yield stops and targets as dashed lines over the time in which they rested."""
    for order in orders:
        level = _level(order)
        if level is None or order.submitted_at is None:
            continue
        kind = "stop" if order.stop_price is not None else "target"
        last = order.filled_at or order.ended_at or end
        y = scale.y(float(level))
        title = tag("title", f"{kind} {text.price(level)}, {order.status}")
        yield tag("line", title, x1=time.x(order.submitted_at), x2=time.x(last), y1=y, y2=y, class_=f"rest {kind}")


def _marker(time: TimeAxis, scale: ValueAxis, fill: Fill) -> Html:
    """Draw a triangle whose point touches the price: upwards for a buy, downwards for a sell."""
    x, y = time.x(fill.at), scale.y(float(fill.price))
    foot = y + 13 if fill.side is Side.BUY else y - 13
    words = f"{fill.leg or fill.side} {text.quantity(fill.qty)} at {text.price(fill.price)}, {text.stamp(fill.at)}"
    path = f"M{x:.1f},{y:.1f}L{x - 6.5:.1f},{foot:.1f}H{x + 6.5:.1f}Z"
    return tag("path", tag("title", words), d=path, class_=f"fill {fill.side}")


def _strip(time: TimeAxis, story: AgentStory, top: float) -> Iterator[Html]:
    """Yield one box per slot, as wide as the time until the next, coloured by outcome."""
    every = story.agent.every
    for cycle in story.cycles:
        if cycle.kind is CycleKind.SLOT:
            yield _box(time, cycle, every, top)


def _box(time: TimeAxis, cycle: CycleRecord, every: timedelta, top: float) -> Html:
    x = time.x(cycle.slot)
    width = max(time.x(cycle.slot + every) - x, 1.6)
    outcome = cycle.outcome or "running"
    title = tag("title", f"{text.stamp(cycle.slot)} {outcome}: {text.why(cycle)}")
    gap = 0.8 if width > 3 else 0.0
    return tag("rect", title, x=x, y=top, width=width - gap, height=22.0, rx=1.5, class_=f"slot o-{outcome}")
