"""Brackets, OCO and OTO: legs that wait, wake, and cancel one another."""

# a Decimal equals an int of its value, which mypy does not believe inside tuples
# mypy: disable-error-code="comparison-overlap"

from __future__ import annotations

import pytest

from tests.unit.exchange_core.world import D, Shape, at, bracket, engine, flat, order
from ztrade.exchange.core.engine import Engine
from ztrade.exchange.core.records import OrderRecord
from ztrade.exchange.core.refusal import Refusal


def entered(shapes: list[Shape], **fields: str) -> tuple[Engine, OrderRecord, OrderRecord, OrderRecord]:
    """Return an engine at 09:36 with a filled bracket over the bars from 09:40 on, its target at 110, stop at 90."""
    market = engine([*flat(100, 2), *shapes], now=at("09:35"))
    parent = market.submit(bracket("110", "90", **fields))
    target, stop = market.legs(parent)
    assert (target.status, stop.status, parent.status) == ("held", "held", "pending_new")
    market.advance(at("09:36"))
    return market, parent, target, stop


def test_legs_wake_when_the_entry_is_filled() -> None:
    """After the entry the target is new and the stop still shows held; both hold the shares, once."""
    market, parent, target, stop = entered(flat(100))
    assert (parent.status, target.status, stop.status) == ("filled", "new", "held")
    assert (target.type, target.limit_price, stop.type, stop.stop_price) == ("limit", 110, "stop", 90)
    assert {target.time_in_force, stop.time_in_force} == {"gtc"}
    assert {target.order_class, stop.order_class} == {"bracket"}
    assert market.position("X").qty_available == 0
    with pytest.raises(Refusal, match="insufficient qty"):
        market.close_position("X")


@pytest.mark.parametrize(
    ("bar", "winner", "price"),
    [((100, 111, 99, 110), "target", 110), ((100, 101, 89, 95), "stop", 90), ((85, 86, 84, 85), "stop", 85)],
)
def test_one_leg_cancels_the_other(bar: Shape, winner: str, price: int) -> None:
    """The leg that the path meets first fills, the other is cancelled."""
    market, _, target, stop = entered([bar, *flat(bar[3])])
    market.advance(at("09:50"))
    won, lost = (target, stop) if winner == "target" else (stop, target)
    assert (won.status, won.filled_avg_price, lost.status, lost.filled_qty) == ("filled", price, "canceled", 0)
    assert market.positions() == []


def test_a_target_filled_in_part_shrinks_the_stop() -> None:
    """The stop covers what the target has left, and no more."""
    market, _, target, stop = entered([(100, 111, 99, 110, 40), (110, 110, 89, 90, 1e6), *flat(90)])
    market.advance(at("09:44:59"))
    assert (target.status, target.filled_qty, stop.qty, stop.status) == ("partially_filled", 4, 6, "held")
    market.advance(at("09:45"))
    assert (target.filled_qty, stop.status) == (10, "canceled")


def test_a_stop_filled_in_part_cancels_the_target() -> None:
    """A stop that runs off is a market order: the target goes at its first fill, the stop takes the rest."""
    market, _, target, stop = entered([(100, 100, 89, 90, 40), *flat(90, 5, 40)])
    market.advance(at("09:44:59"))
    assert (stop.status, stop.filled_qty, target.status) == ("partially_filled", 4, "canceled")
    market.advance(at("10:30"))
    assert (stop.status, stop.filled_qty) == ("filled", 10)


def test_cancelling_the_filled_entry_cancels_both_legs() -> None:
    """The entry of a bracket answers to a cancel while its legs live, and then no more."""
    market, parent, target, stop = entered(flat(100))
    market.cancel(parent.id)
    assert (parent.status, target.status, stop.status) == ("filled", "canceled", "canceled")
    assert market.position("X").qty_available == 10
    with pytest.raises(Refusal, match='order is already in "filled" state'):
        market.cancel(parent.id)


def test_cancelling_one_leg_cancels_the_other() -> None:
    """If any order of a group is cancelled, what is open of it is cancelled."""
    market, _, target, stop = entered(flat(100))
    market.cancel(stop.id)
    assert (target.status, stop.status) == ("canceled", "canceled")


def test_cancelling_the_waiting_entry_cancels_everything() -> None:
    """Legs of an entry that never filled never hold or sell anything."""
    market = engine(flat(100), now=at("10:00"))
    parent = market.submit(bracket("110", "90", type="limit", limit_price="95"))
    market.advance(at("11:00"))
    market.cancel(parent.id)
    assert {entry.status for entry in market.orders(top_level=False)} == {"canceled"}


def test_day_legs_die_at_the_close_and_gtc_legs_live() -> None:
    """Legs inherit the entry's time in force: a day bracket leaves the position bare after the close."""
    for tif, status in (("day", "expired"), ("gtc", "held")):
        market, _, _, stop = entered(flat(100), time_in_force=tif)
        market.advance(at("16:00"))
        assert stop.status == status


def test_oco_covers_a_position_once() -> None:
    """An OCO is its target with the stop as its leg; the shares are held once and one cancels the other."""
    market = engine([*flat(100, 6), (100, 100, 89, 90), *flat(90)], now=at("09:30"))
    market.submit(order())
    market.advance(at("09:35"))
    target = market.submit(
        order("sell", type="limit", order_class="oco", take_profit="110", stop_loss="90", time_in_force="gtc")
    )
    (stop,) = market.legs(target)
    market.advance(at("09:36"))
    assert (target.status, target.limit_price, stop.status) == ("new", 110, "held")
    assert market.position("X").qty_available == 0
    market.advance(at("10:05"))
    assert (target.status, stop.status, market.positions()) == ("canceled", "filled", [])


def test_oto_has_one_leg() -> None:
    """An OTO entry wakes its one leg."""
    market = engine(flat(100), now=at("10:00"))
    parent = market.submit(order(order_class="oto", stop_loss="90", time_in_force="gtc"))
    market.advance(at("10:01"))
    (stop,) = market.legs(parent)
    assert (parent.status, stop.status, stop.type, stop.qty) == ("filled", "new", "stop", 10)


def test_legs_never_cover_shares_that_another_order_holds() -> None:
    """Shares of a half filled entry that an OCO took over are not sold a second time by the entry's own legs."""
    market = engine([*flat(100, 6, 40), *flat(100, 2), (100, 100, 79, 80), *flat(80)], now=at("09:55"))
    parent = market.submit(bracket("110", "90"))
    market.advance(at("09:59"))
    assert parent.filled_qty == 4
    oco = market.submit(
        order("sell", qty="4", type="limit", order_class="oco", take_profit="120", stop_loss="85", time_in_force="gtc")
    )
    market.advance(at("10:01"))
    assert (parent.status, [leg.qty for leg in market.legs(parent)]) == ("filled", [6, 6])
    market.advance(at("12:00"))
    assert (market.positions(), market.legs(parent)[1].filled_qty, market.legs(oco)[0].filled_qty) == ([], 6, 4)


def test_replacing_a_leg_keeps_its_place() -> None:
    """A moved stop is a new order in the old one's place, held as before, and still cancels the target."""
    market, parent, target, stop = entered([(100, 100, 94, 95), *flat(95)])
    moved = market.replace(stop.id, stop_price=D(95))
    assert (stop.status, stop.replaced_by, moved.replaces) == ("replaced", moved.id, stop.id)
    assert (moved.status, [leg.id for leg in market.legs(parent)]) == ("held", [target.id, moved.id])
    assert market.position("X").qty_available == 0
    market.advance(at("09:50"))
    assert (moved.status, moved.filled_avg_price, target.status) == ("filled", 95, "canceled")


def test_what_cannot_be_replaced() -> None:
    """Orders not yet in the book, finished ones, and quantities of complex orders are not replaced."""
    market, parent, target, _ = entered(flat(100))
    fresh, three = market.submit(bracket("120", "70", type="limit", limit_price="80")), D(3)
    for order_id, change in (
        (fresh.id, {"limit_price": D(81)}),
        (parent.id, {"qty": three}),
        (target.id, {"qty": three}),
    ):
        with pytest.raises(Refusal) as caught:
            market.replace(order_id, qty=change.get("qty"), limit_price=change.get("limit_price"))
        assert (caught.value.status, caught.value.code) == (422, 42210000)


def test_replacing_counts_what_is_filled_already() -> None:
    """The wished quantity is the total: the new order is for the rest, so nothing is bought twice."""
    market = engine([*flat(100, 7, 40), *flat(105)], now=at("10:00"))
    old = market.submit(order(type="limit", limit_price="101"))
    market.advance(at("10:04"))
    assert old.filled_qty == 4
    new = market.replace(old.id, limit_price=D(106))
    market.advance(at("10:30"))
    assert (new.qty, new.status, old.status) == (6, "filled", "replaced")
    assert market.position("X").qty == 10


def test_a_triggered_stop_limit_stays_triggered() -> None:
    """Replacing the limit of a stop-limit that ran off leaves it a limit order in the book."""
    market = engine([*flat(100, 2), *flat(90, 2), *flat(97)], now=at("09:30"))
    market.submit(order())
    market.advance(at("09:35"))
    old = market.submit(order("sell", type="stop_limit", stop_price="95", limit_price="99"))
    market.advance(at("09:55"))
    assert (old.triggered, old.status) == (True, "new")
    new = market.replace(old.id, limit_price=D(96))
    market.advance(at("10:01"))
    assert (new.status, new.filled_avg_price) == ("filled", 97)


def test_replacing_beyond_the_buying_power_is_refused_and_changes_nothing() -> None:
    """The old order stays where the new one cannot be paid."""
    market = engine(flat(100), now=at("10:00"), cash="1000")
    old = market.submit(order(type="limit", limit_price="99"))
    market.advance(at("10:01"))
    before = market.snapshot()
    with pytest.raises(Refusal, match="insufficient buying power"):
        market.replace(old.id, qty=D(11))
    assert market.snapshot() == before
    assert market.replace(old.id, limit_price=D(100)).qty == 10
