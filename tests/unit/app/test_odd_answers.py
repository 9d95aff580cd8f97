"""The exchange, or a person at it, answers what nobody asked for: nothing is believed that the id does not prove."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.unit.app.desks import BUY, HOLD, LEAVE, OPEN, Bench, failing
from ztrade.app.reconcile import reconcile
from ztrade.domain.ledger import IntentState, Outcome
from ztrade.domain.types import Leg, Order, OrderRequest, OrderType, Side
from ztrade.errors import AccessDenied, AdoptionMismatch, HaltError, OutcomeUnknown


def _garbled(bench: Bench, **changes: object) -> None:
    """Let the answer to the next order be about another one."""
    submit = bench.market.submit

    def odd(request: OrderRequest) -> Order:
        bench.market.submit = submit  # type: ignore[method-assign]
        return replace(submit(request), **changes)  # type: ignore[arg-type]

    bench.market.submit = odd  # type: ignore[method-assign]


@pytest.mark.parametrize("changes", [{"qty": Decimal(48)}, {"symbol": "QQQ"}, {"side": Side.SELL}])
def test_an_answer_about_another_order_is_no_answer(changes: dict[str, object]) -> None:
    """What is at the exchange is asked by our id, and taken over."""
    bench = Bench()
    _garbled(bench, **changes)
    record = bench.cycle(30, BUY)
    assert (record.outcome, "the answer is odd" in record.reason) == (Outcome.UNKNOWN, True)
    bench.cycle(35, HOLD)
    (intent,) = bench.journal.intents(agent="spy")
    assert intent.state is IntentState.SENT
    assert [held.qty for held in bench.journal.holdings("embedded")] == [intent.request.qty]
    assert len(bench.exchange.submitted) == 1


def test_an_unanswered_exit_that_a_person_replaced_is_followed() -> None:
    """What has our id is over, and what took its place still sells: the agent waits for that."""
    bench = Bench()
    bench.cycle(30, BUY)
    bench.cycle(35, HOLD)
    bench.market.engine.halt("SPY")

    def lost() -> None:
        raise OutcomeUnknown("zt.spy.20220822T141000Z.exit1", "no answer")

    bench.exchange.after_submit = lost
    assert bench.cycle(40, LEAVE).outcome is Outcome.UNKNOWN
    bench.exchange.after_submit = None
    bench.at(41)
    bench.market.engine.replace(bench.orders()[-1].id, qty=Decimal(3))
    bench.at(42)
    assert "is still at the exchange" in bench.cycle(45, HOLD).reason
    bench.market.engine.resume("SPY")
    bench.at(47)
    assert bench.cycle(50, HOLD).outcome is Outcome.EXITED
    bench.at(52)
    bench.cycle(55, HOLD)
    assert not bench.market.positions()
    assert not bench.journal.holdings("embedded")
    assert not bench.journal.foreign("embedded")


def _unlisted(bench: Bench, moved: str) -> None:
    """Let the entry list the leg that was replaced in the place of the one that replaced it."""
    order = bench.market.order

    def listed(order_id: str) -> Order:
        found = order(order_id)
        return replace(found, legs=tuple(order(moved) if leg.replaces == moved else leg for leg in found.legs))

    bench.market.order = listed  # type: ignore[method-assign]


def test_a_stop_that_a_person_moved_still_protects_though_the_entry_does_not_list_it() -> None:
    """The entry shows the old one, replaced; the new one holds the shares, and is the agent's stop when it sells."""
    bench = Bench()
    bench.cycle(30, BUY)
    bench.cycle(35, HOLD)
    (stop,) = [leg for order in bench.orders() for leg in order.legs if leg.type is OrderType.STOP]
    moved = bench.market.engine.replace(stop.id, stop_price=Decimal(190))
    _unlisted(bench, stop.id)
    assert bench.cycle(40, HOLD).outcome is Outcome.HELD
    assert reconcile([bench.desk], OPEN, lambda _seconds: None).differences == []
    assert bench.journal.owner_of(moved.id) == ("spy", Leg.STOP)
    assert bench.cycle(45, LEAVE).outcome is Outcome.EXITED
    bench.at(47)
    assert not bench.market.positions()
    assert not bench.market.orders(open_only=True)


def test_an_entry_that_arrives_late_is_not_entered_beside() -> None:
    """It was taken for not sent, and rests: no position shows yet, and no order of the journal's."""
    bench = Bench()

    def lost() -> None:
        raise OutcomeUnknown("zt.spy.20220822T140000Z.entry", "no answer")

    bench.exchange.before["submit"] = lost
    assert bench.cycle(30, BUY).outcome is Outcome.UNKNOWN
    bench.exchange.before.clear()
    bench.wall_shift += timedelta(minutes=5)
    bench.cycle(35, HOLD)
    late = bench.exchange.submitted[0]

    def lands() -> None:
        bench.exchange.before.clear()
        bench.market.submit(late)

    bench.exchange.before["order_by_client_id"] = lands
    record = bench.cycle(40, BUY)
    assert "arrived late" in record.reason
    assert len(bench.orders()) == 1
    bench.cycle(45, HOLD)
    assert [held.qty for held in bench.journal.holdings("embedded")] == [late.qty]


@pytest.mark.parametrize("error", [AccessDenied("403"), AdoptionMismatch("another order has its id")])
def test_an_entry_whose_last_look_fails_was_not_sent(error: HaltError) -> None:
    """An order of before is asked for, and a person must look: the new one is none whose sender has to be ended."""
    bench = Bench()
    bench.exchange.before["submit"] = failing(OutcomeUnknown("zt.spy.20220822T140000Z.entry", "no answer"))
    assert bench.cycle(30, BUY).outcome is Outcome.UNKNOWN
    bench.exchange.before.clear()
    bench.wall_shift += timedelta(minutes=5)
    bench.cycle(35, HOLD)
    bench.exchange.before["order_by_client_id"] = failing(error)
    bench.cycle(40, BUY)
    planned = {intent.request.client_order_id: intent for intent in bench.journal.intents(agent="spy")}
    assert [intent.state for intent in planned.values()] == [IntentState.NOT_SENT] * 2
    assert len(bench.exchange.submitted) == 1
