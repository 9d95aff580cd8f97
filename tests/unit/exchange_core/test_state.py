"""What is written down, and what comes back of it."""

# a Decimal equals an int of its value, which mypy does not believe inside tuples
# mypy: disable-error-code="comparison-overlap"

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.exchange_core.world import FREE, D, at, bars, bracket, engine, flat, order
from ztrade.exchange.core.engine import Engine
from ztrade.exchange.tape import ListTape

TAPE = ListTape({"X": bars("X", flat(100))})


def again(market: Engine) -> Engine:
    """Return the engine after a restart."""
    state = json.loads(json.dumps(market.snapshot()))
    return Engine.restore(TAPE, engine(flat(1)).sessions(), state, settings=FREE)


def test_changes_are_only_what_changed() -> None:
    """A drain holds the orders touched since the last, the new entries, and the small rest; then nothing."""
    market = engine(flat(100), now=at("10:00"))
    assert market.drain_changes().meta is not None
    assert not market.drain_changes()
    first, second = market.submit(order()), market.submit(order(type="limit", limit_price="90"))
    assert set(market.drain_changes().orders) == {first.id, second.id}
    market.advance(at("10:00:00.1"))
    assert not market.drain_changes()
    market.advance(at("10:01"))
    changes = market.drain_changes()
    assert set(changes.orders) == {first.id, second.id}
    assert [entry["order_id"] for entry in changes.activities] == [first.id]
    market.cancel(second.id)
    assert set(market.drain_changes().orders) == {second.id}


def test_every_kind_of_change_is_noted() -> None:
    """Whatever a caller can do to an engine makes something to write."""
    market = engine(flat(100), now=at("10:00"))
    market.submit(order(type="limit", limit_price="101"))
    market.advance(at("10:01"))
    market.drain_changes()
    acts: list[Any] = [
        lambda: market.halt("X"),
        lambda: market.resume("X"),
        lambda: market.force_partial_fill(D("0.5")),
        lambda: market.reject_next_order(),
        lambda: market.close_early(at("15:00")),
        lambda: market.split("X", D(2), D(1)),
        lambda: market.split("X", D(2), D(1), at("12:00").date().replace(day=25)),
        lambda: market.dividend("X", D(1)),
        lambda: market.cash_transfer(D(1)),
    ]
    for act in acts:
        act()
        assert market.drain_changes().meta is not None
        assert not market.drain_changes()


def test_a_restart_keeps_faults_and_hours() -> None:
    """Halts, early closes, waiting actions and faults on demand survive a restart."""
    market = engine(flat(100), now=at("10:00"))
    market.halt("X")
    market.close_early(at("13:00"))
    market.reject_next_order("no")
    market.force_partial_fill(D("0.5"))
    market.dividend("X", D(1), at("12:00").date().replace(day=25))
    market.submit(bracket("110", "90"))
    other = again(market)
    assert other.snapshot() == market.snapshot()
    assert (other.is_halted("X"), other.clock().next_close) == (True, at("13:00"))
    for one in (market, other):
        one.advance(at("16:00"))
    assert other.snapshot() == market.snapshot()


def test_a_restart_keeps_what_was_taken_of_a_bar() -> None:
    """The share of the running bar's volume that was used up before a restart stays used up."""
    thin = ListTape({"X": bars("X", flat(100, volume=50))})
    market = engine({"X": thin.bars("X")}, now=at("10:00"))
    market.submit(order(qty="4"))
    market.advance(at("10:01"))
    other = Engine.restore(thin, market.sessions(), market.snapshot(), settings=FREE)
    late = other.submit(order(qty="4"))
    other.advance(at("10:04"))
    assert late.filled_qty == 1


def test_a_restarted_engine_has_nothing_to_write() -> None:
    """What was read is not written again."""
    assert not again(engine(flat(100), now=at("10:00"))).drain_changes()


@pytest.mark.parametrize(
    ("part", "value"), [("format", 2), ("cash", "much"), ("stakes", {"X": ["1"]}), ("now", None), ("closes", {"x": 1})]
)
def test_a_broken_state_is_refused(part: str, value: object) -> None:
    """A state that is not one is an error, not an empty account."""
    state: dict[str, Any] = engine(flat(100)).snapshot()
    state["meta"][part] = value
    with pytest.raises(ValueError):
        Engine.restore(TAPE, engine(flat(1)).sessions(), state).advance(at("10:00"))


def test_orders_in_symbols_that_the_tape_lacks_are_refused() -> None:
    """An account restarted on another tape says which symbols are missing."""
    market = engine(flat(100), now=at("10:00"))
    market.submit(order())
    with pytest.raises(ValueError, match="X"):
        Engine.restore(ListTape({}), market.sessions(), market.snapshot())
