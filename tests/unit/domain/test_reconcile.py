"""What differs between the two books, and what it means."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from ztrade.domain.ledger import Holding, Intent, IntentState
from ztrade.domain.reconcile import (
    ENDING,
    ExchangeSide,
    JournalSide,
    Kind,
    cancelled_by_hand,
    differences,
)
from ztrade.domain.types import (
    Leg,
    Order,
    OrderClass,
    OrderRequest,
    OrderStatus,
    OrderType,
    Position,
    Side,
    TimeInForce,
)

D = Decimal
S = OrderStatus
AT = datetime(2022, 8, 22, 15, 0, tzinfo=UTC)


def order(
    name: str,
    type_: OrderType,
    status: OrderStatus,
    *,
    filled: int = 0,
    side: Side = Side.SELL,
    legs: tuple[Order, ...] = (),
) -> Order:
    return Order(
        id=name, client_order_id=f"c-{name}", symbol="SPY", side=side, type=type_, order_class=OrderClass.BRACKET,
        time_in_force=TimeInForce.GTC, qty=D(10), filled_qty=D(filled), status=status, legs=legs,
    )  # fmt: skip


def bracket(
    stop: OrderStatus = S.HELD, target: OrderStatus = S.NEW, *, entry: OrderStatus = S.FILLED, target_filled: int = 0
) -> Order:
    legs = (
        order("t", OrderType.LIMIT, target, filled=target_filled),
        order("s", OrderType.STOP, stop),
    )
    filled = 10 if entry is S.FILLED else 0
    return order("e", OrderType.MARKET, entry, filled=filled, side=Side.BUY, legs=legs)


def intent(of: Order | None, *, agent: str = "spy", leg: Leg = Leg.ENTRY, reason: str = "") -> Intent:
    request = OrderRequest(of.client_order_id if of else "c-x", "SPY", Side.BUY, D(10))
    return Intent(agent, "embedded", "cycle", leg, request, IntentState.SENT, AT, AT, reason, of)


def sides(
    *, holding: int = 10, position: int = 10, foreign: int = 0, top: Order | None = None, cash: str = "1000"
) -> tuple[JournalSide, ExchangeSide]:
    top = top or bracket()
    holdings = [Holding("spy", "SPY", D(holding), D(4000))] if holding else []
    positions = [Position("SPY", D(position), D(400))] if position else []
    ours = JournalSide(D("1000"), holdings, {"SPY": D(foreign)} if foreign else {}, [intent(top)])
    return ours, ExchangeSide(D(cash), positions, [leg for leg in top.legs if leg.status in {S.NEW, S.HELD}])


def kinds(sides_: tuple[JournalSide, ExchangeSide]) -> list[Kind]:
    return [difference.kind for difference in differences(*sides_)]


def test_equal_books_have_no_differences() -> None:
    """A protected position, the same cash, the bracket's own legs at the exchange."""
    assert kinds(sides()) == []


@pytest.mark.parametrize("position", [0, 9, 11, -10])
def test_shares_that_nothing_explains_are_unexplained(position: int) -> None:
    """Both sides are in the words, and the agent that holds the symbol is named."""
    (difference,) = differences(*sides(position=position))
    assert (difference.kind, difference.agent) == (Kind.UNEXPLAINED, "spy")
    assert difference.words == f"unexplained: SPY: journal 10 shares, exchange {position} shares"


def test_shares_bought_by_hand_are_foreign_and_nobodys() -> None:
    """The account book explains them: told, never traded, nobody is stopped."""
    (difference,) = differences(*sides(position=15, foreign=5))
    assert (difference.kind, difference.agent) == (Kind.FOREIGN_POSITION, None)


def test_a_cent_of_cash_is_a_difference() -> None:
    """To the cent; less is rounding."""
    assert kinds(sides(cash="1000.01")) == [Kind.UNEXPLAINED]
    assert kinds(sides(cash="1000.009")) == []


def test_an_account_that_was_not_opened_has_no_cash_to_compare() -> None:
    """Before the first contact the journal says nothing about cash."""
    ours, theirs = sides(cash="5")
    assert differences(replace(ours, cash=None), theirs) == []


def test_an_order_of_somebody_else_is_told() -> None:
    """A resting order that no intent and no bracket of ours brought."""
    ours, theirs = sides()
    other = replace(order("x", OrderType.LIMIT, S.NEW, side=Side.BUY), symbol="QQQ", client_order_id="by-hand")
    (difference,) = differences(ours, replace(theirs, orders=[*theirs.orders, other]))
    assert (difference.kind, difference.symbol) == (Kind.FOREIGN_ORDER, "QQQ")
    assert "by-hand" in difference.theirs


def test_an_order_whose_answer_is_awaited_is_not_foreign() -> None:
    """It is at the exchange under an id of ours, though the journal has no order for it yet."""
    ours, theirs = sides()
    waiting = intent(None)
    there = replace(order("n", OrderType.MARKET, S.NEW), client_order_id=waiting.request.client_order_id)
    assert kinds((replace(ours, intents=[*ours.intents, waiting]), replace(theirs, orders=[there]))) == []


def test_a_leg_replaced_by_hand_is_not_foreign() -> None:
    """A person moved the stop: its successor names the one that it replaces."""
    ours, theirs = sides()
    moved = replace(order("s2", OrderType.STOP, S.NEW), replaces="s")
    assert kinds((ours, replace(theirs, orders=[*theirs.orders, moved]))) == []


def test_a_position_whose_stop_is_gone_is_unprotected() -> None:
    """The target alone protects nothing."""
    assert kinds(sides(top=bracket(stop=S.CANCELED))) == [Kind.UNPROTECTED]


def test_a_stop_for_fewer_shares_than_held_is_not_enough() -> None:
    """After a split of the shares, or a stop changed by hand."""
    ours, theirs = sides(holding=20, position=20)
    (difference,) = differences(ours, theirs)
    assert (difference.kind, difference.theirs) == (Kind.UNPROTECTED, "stops for 10")


def test_a_position_that_is_being_left_needs_no_stop() -> None:
    """The exit's order is under way: its legs were ended on purpose."""
    ours, theirs = sides(top=bracket(stop=S.CANCELED, target=S.CANCELED))
    leaving = intent(order("out", OrderType.MARKET, S.NEW), leg=Leg.EXIT)
    assert kinds((replace(ours, intents=[*ours.intents, leaving]), theirs)) == []


def test_a_stop_cancelled_by_hand_is_found() -> None:
    """It lived in the journal, the exchange says cancelled, and nobody of us asked for that."""
    (difference,) = cancelled_by_hand(intent(bracket()), bracket(stop=S.CANCELED))
    assert (difference.kind, difference.agent) == (Kind.CANCELLED_BY_HAND, "spy")
    assert "sell 10 stop" in difference.ours


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (intent(bracket(), reason=f"{ENDING}: exit"), bracket(stop=S.CANCELED, target=S.CANCELED)),
        (intent(bracket()), bracket(stop=S.CANCELED, target=S.FILLED, target_filled=10)),
        (intent(bracket(stop=S.CANCELED)), bracket(stop=S.CANCELED)),
        (intent(bracket(entry=S.NEW)), bracket(stop=S.EXPIRED, target=S.EXPIRED, entry=S.EXPIRED)),
        (intent(None), bracket(stop=S.CANCELED)),
    ],
    ids=["we asked", "its sibling filled", "known already", "expired", "first answer"],
)
def test_what_ended_for_a_reason_was_not_cancelled_by_hand(before: Intent, now: Order) -> None:
    """Our own exits, the exchange's one-cancels-other, and the end of the day are no hand."""
    assert list(cancelled_by_hand(before, now)) == []


def test_an_entry_cancelled_by_hand_is_one_difference() -> None:
    """Its legs never woke: they end with it."""
    now = bracket(stop=S.CANCELED, target=S.CANCELED, entry=S.CANCELED)
    (difference,) = cancelled_by_hand(intent(bracket(entry=S.NEW)), now)
    assert difference.ours == "buy 10 market"


def test_the_worst_comes_first() -> None:
    """What stops entries stands before what is only told."""
    ours, theirs = sides(position=15, foreign=5, top=bracket(stop=S.CANCELED), cash="1")
    assert kinds((ours, theirs))[0] is Kind.UNEXPLAINED
