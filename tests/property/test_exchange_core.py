"""What holds at the embedded exchange whatever is traded on whatever bars."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.exchange_core.world import DAY, Shape, at, bars, joined, session, weekdays
from ztrade.domain.types import Bars
from ztrade.exchange.core.engine import Engine
from ztrade.exchange.core.records import LIVE, OrderSpec
from ztrade.exchange.core.refusal import Refusal
from ztrade.exchange.core.settings import Settings
from ztrade.exchange.tape import ListTape

DAYS = weekdays(DAY, 4)
SESSIONS = [session(day) for day in DAYS]
CASH = Decimal(50_000)
RULES = Settings(half_spread_bps=Decimal(3), impact_bps=Decimal(20))
BARS_A_DAY = 8

prices = st.integers(9_000, 11_000).map(lambda cents: cents / 100)


def cents(low: int, high: int) -> st.SearchStrategy[Decimal]:
    """Prices to the cent."""
    return st.integers(low, high).map(lambda number: Decimal(number) / 100)


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    """Any bar that is one, of any volume, none included."""
    first, last, one, two = (draw(prices) for _ in range(4))
    volume = draw(st.sampled_from([0.0, 30.0, 200.0, 1e6]))
    return first, max(first, last, one, two), min(first, last, one, two), last, volume


def series(symbol: str, rows: list[Shape]) -> Bars:
    """Spread the bars over the days, each from its open on."""
    parts = [rows[start : start + BARS_A_DAY] for start in range(0, len(rows), BARS_A_DAY)]
    return joined(*(bars(symbol, part, at("09:30", day)) for day, part in zip(DAYS, parts, strict=False) if part))


tapes = st.tuples(*(st.lists(shapes(), min_size=12, max_size=24) for _ in range(2))).map(
    lambda rows: ListTape({symbol: series(symbol, one) for symbol, one in zip(("AAA", "BBB"), rows, strict=True)})
)


@dataclass(frozen=True)
class Step:
    """One command after some time; ``pick`` chooses the order that a cancel or replace is about."""

    after: timedelta
    action: str
    spec: OrderSpec
    pick: int
    price: Decimal


@st.composite
def specs(draw: st.DrawFn) -> OrderSpec:
    """Orders of every class and type, sensible or not."""
    around, above, below = (cents(low, high) for low, high in ((9_200, 10_800), (10_000, 11_500), (8_500, 10_000)))
    kind = draw(st.sampled_from(["market", "limit", "stop", "stop_limit"]))
    group = draw(st.sampled_from(["", "", "bracket", "oco", "oto"]))
    shares = draw(st.sampled_from([Decimal(1), Decimal(7), Decimal(60), Decimal("2.5"), None]))
    return OrderSpec(
        symbol=draw(st.sampled_from(["AAA", "BBB"])),
        side="sell" if group == "oco" else draw(st.sampled_from(["buy", "buy", "sell"])),
        type="limit" if group == "oco" else kind,
        qty=shares,
        notional=Decimal(500) if shares is None else None,
        time_in_force=draw(st.sampled_from(["day", "gtc"])) if shares in (1, 7, 60) else "day",
        order_class=group,
        limit_price=draw(around) if kind in ("limit", "stop_limit") and group != "oco" else None,
        stop_price=draw(around) if kind in ("stop", "stop_limit") and group != "oco" else None,
        take_profit=draw(above) if group in ("bracket", "oco") else None,
        stop_loss=draw(below) if group else None,
    )


steps = st.builds(
    Step,
    after=st.sampled_from([0, 1, 59, 300, 301, 1200, 30_000]).map(lambda seconds: timedelta(seconds=seconds)),
    action=st.sampled_from(["submit", "submit", "submit", "submit", "cancel", "replace", "close", "split", "partial"]),
    spec=specs(),
    pick=st.integers(0, 50),
    price=cents(9_000, 11_000),
)
scripts = st.lists(steps, min_size=4, max_size=14)
thorough = settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def start(tape: ListTape) -> Engine:
    """Return an exchange before the first open, where some shares of each symbol are on order."""
    engine = Engine(tape, SESSIONS, now=at("09:29"), cash=CASH, settings=RULES)
    for symbol in ("AAA", "BBB"):
        engine.submit(OrderSpec(symbol=symbol, side="buy", qty=Decimal(20), type="limit", limit_price=Decimal(120)))
    return engine


def act(engine: Engine, step: Step) -> None:
    """Give one command; a refusal is an answer like any other."""
    orders = engine.orders(top_level=False)
    chosen = orders[step.pick % len(orders)].id if orders else ""
    actions: dict[str, Callable[[], object]] = {
        "submit": lambda: engine.submit(step.spec),
        "cancel": lambda: engine.cancel(chosen),
        "replace": lambda: engine.replace(chosen, limit_price=step.price),
        "close": lambda: engine.close_position(step.spec.symbol),
        "split": lambda: engine.split(step.spec.symbol, Decimal(3), Decimal(2), DAYS[1], scale_prices=True),
        "partial": lambda: engine.force_partial_fill(Decimal("0.3")),
    }
    with suppress(Refusal):
        actions[step.action]()


def play(engine: Engine, script: list[Step], stop_at: Callable[[datetime], list[datetime]] = lambda to: []) -> None:
    """Give the commands at their times, pausing at further instants in between."""
    for step in script:
        to = engine.now + step.after
        for pause in stop_at(to):
            if engine.now < pause < to:
                engine.advance(pause)
        engine.advance(to)
        act(engine, step)
    engine.advance(at("20:00", DAYS[-1]))


def book(engine: Engine) -> dict[str, object]:
    """Return everything that the exchange knows."""
    return json.loads(json.dumps(engine.snapshot()))  # type: ignore[no-any-return]


@thorough
@given(tapes, scripts)
def test_money_and_shares_add_up(tape: ListTape, script: list[Step]) -> None:
    """Cash is the opening cash and the book's entries; positions are its fills and splits; nothing is negative."""
    engine = start(tape)
    for step in script:
        engine.advance(engine.now + step.after)
        act(engine, step)
        _check_sums(engine)
    engine.advance(at("20:00", DAYS[-1]))
    _check_sums(engine)


def _check_sums(engine: Engine) -> None:
    entries = engine.activities()
    assert engine.account().cash == CASH + sum((entry.net_amount for entry in entries), Decimal(0))
    shares = {view.symbol: view.qty for view in engine.positions()}
    for symbol in ("AAA", "BBB"):
        moved = sum(
            (-1 if entry.side == "sell" else 1) * (entry.qty or 0)
            for entry in entries
            if entry.symbol == symbol and entry.type in ("FILL", "SPLIT")
        )
        assert shares.get(symbol, 0) == moved >= 0
    for view in engine.positions():
        assert 0 <= view.qty_available <= view.qty
    assert [entry.at for entry in entries] == sorted(entry.at for entry in entries)
    assert len({entry.id for entry in entries}) == len(entries)


@thorough
@given(tapes, scripts)
def test_fills_are_those_of_the_orders(tape: ListTape, script: list[Step]) -> None:
    """An order's filled_qty is the sum of its fills, never more than it asked for, never beyond its limit or money."""
    engine = start(tape)
    play(engine, [step for step in script if step.action != "split"])
    for order in engine.orders(top_level=False):
        fills = [entry for entry in engine.activities() if entry.order_id == order.id]
        assert order.filled_qty == sum((entry.qty or Decimal(0) for entry in fills), Decimal(0))
        assert (order.status == "filled") == (bool(fills) and fills[-1].fill_type == "fill")
        if order.qty is not None:
            assert 0 <= order.filled_qty <= order.qty
            assert (order.status == "filled") == (order.filled_qty == order.qty)
        elif order.notional is not None:
            assert order.filled_value <= order.notional
        for entry in fills:
            assert entry.price is not None
            assert entry.at > order.submitted_at
            if order.limit_price is not None and order.replaced_by is None:
                worse = entry.price > order.limit_price if order.side == "buy" else entry.price < order.limit_price
                assert not worse


@thorough
@given(tapes, scripts)
def test_legs_never_sell_more_than_their_entry_bought(tape: ListTape, script: list[Step]) -> None:
    """Both legs of a bracket together sell at most what its entry bought; with one filled the other is not live."""
    engine = start(tape)
    play(engine, [step for step in script if step.action not in ("split", "replace")])
    for order in engine.orders():
        legs = engine.legs(order)
        if order.order_class in ("bracket", "oto"):
            assert sum((leg.filled_qty for leg in legs), Decimal(0)) <= order.filled_qty
            assert order.status == "filled" or not any(leg.filled_qty for leg in legs)
        pair = legs if order.order_class == "bracket" else [order, *legs] if order.order_class == "oco" else []
        if any(member.status == "filled" for member in pair):
            assert sum(member.status == "filled" for member in pair) == 1
            assert not any(member.status in LIVE for member in pair)


@thorough
@given(tapes, scripts, st.lists(st.integers(0, 100_000), max_size=30))
def test_where_the_clock_stops_does_not_matter(tape: ListTape, script: list[Step], seconds: list[int]) -> None:
    """advance(a), advance(b) is advance(b): pauses between commands change nothing."""
    pauses = sorted(at("09:29") + timedelta(seconds=number, microseconds=number * 7919 % 10**6) for number in seconds)
    straight, halting = start(tape), start(tape)
    play(straight, script)
    play(halting, script, lambda to: pauses)
    assert book(straight) == book(halting)


@thorough
@given(tapes, scripts, st.integers(0, 14))
def test_a_restart_does_not_matter(tape: ListTape, script: list[Step], when: int) -> None:
    """An engine made again from its drained changes goes on as if nothing had happened."""
    straight, first = start(tape), start(tape)
    play(straight, script)
    rows: dict[str, object] = {"orders": {}, "activities": [], "meta": None}
    for step in script[:when]:
        first.advance(first.now + step.after)
        act(first, step)
        _write(rows, first)
    if when == 0:
        _write(rows, first)
    second = Engine.restore(tape, SESSIONS, json.loads(json.dumps(rows)), settings=RULES)
    assert (not script[:when]) or book(second)["orders"] == book(first)["orders"]
    second.advance(first.now)
    play(second, script[when:])
    assert book(straight) == book(second)


def _write(rows: dict[str, object], engine: Engine) -> None:
    changes = engine.drain_changes()
    rows["orders"].update(changes.orders)  # type: ignore[attr-defined]
    rows["activities"].extend(changes.activities)  # type: ignore[attr-defined]
    rows["meta"] = changes.meta or rows["meta"]


@thorough
@given(tapes, st.lists(specs(), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_the_order_of_arrival_between_symbols_does_not_matter(tape: ListTape, wanted: list[OrderSpec], random) -> None:  # type: ignore[no-untyped-def]
    """At one instant of the clock the agents' turns come in any order: the book is the same to the cent."""
    rich = [replace(spec, qty=Decimal(1), notional=None) for spec in wanted]
    of_a, of_b = ([spec for spec in rich if spec.symbol == symbol] for symbol in ("AAA", "BBB"))
    mixed = _shuffled_together(of_a, of_b, random)
    one, two = start(tape), start(tape)
    for engine, specs_in_order in ((one, of_a + of_b), (two, mixed)):
        engine.advance(at("09:31"))
        for spec in specs_in_order:
            with suppress(Refusal):
                engine.submit(spec)
        engine.advance(at("20:00", DAYS[-1]))
    assert book(one)["activities"] == book(two)["activities"]
    assert book(one)["orders"] == book(two)["orders"]
    assert one.account() == two.account()


def _shuffled_together(one: list[OrderSpec], two: list[OrderSpec], random) -> list[OrderSpec]:  # type: ignore[no-untyped-def]
    mixed, left, right = [], list(one), list(two)
    while left or right:
        mixed.append((left if left and (not right or random.random() < 0.5) else right).pop(0))
    return mixed
