"""A halt that orders to flatten: entries end, the position is closed, tried until nothing is left."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.unit.app.desks import BUY, OPEN, Bench, failing
from ztrade.app.flatten import Left, flatten, report
from ztrade.domain.ledger import Outcome, Wish
from ztrade.domain.messages import Severity
from ztrade.domain.types import OrderStatus, OrderType, Side
from ztrade.errors import ExchangeUnavailable, OutcomeUnknown, Rejected

D = Decimal
FLATTEN = Wish("20220822T143500Z", flatten=True)
CANCEL = Wish("20220822T143500Z")


def held(bench: Bench) -> Decimal:
    return sum((position.qty for position in bench.market.positions()), D(0))


def entered(bench: Bench, minutes: float = 30) -> None:
    """Enter with a stop and a target that this market does not reach."""
    bench.with_agent(limits=replace(bench.desk.agent.limits, stop_loss=D("0.5"), take_profit=D("0.5")))
    assert bench.cycle(minutes, BUY).outcome is Outcome.ENTERED
    bench.at(minutes + 1)


def run(bench: Bench, wish: Wish = FLATTEN) -> Left:
    """Order it, with the agent halted as it then is, and try once."""
    bench.halts.halt("spy", "stop", wish)
    return flatten(bench.desk, wish, OPEN)


def tried_again(bench: Bench, wish: Wish) -> Left:
    """Let the exchange work again, and the keeper come back three times; return what is left at the end."""
    bench.exchange.before.clear()
    for minutes in (33, 35, 37):
        bench.at(minutes)
        left = flatten(bench.desk, wish, OPEN)
    return left


def test_a_position_is_closed_though_the_agent_is_halted() -> None:
    """Stop and target end first, for they hold the shares; the exit carries the halt's name."""
    bench = Bench()
    entered(bench)
    run(bench)
    bench.at(32)
    assert flatten(bench.desk, FLATTEN, OPEN).flat
    assert held(bench) == 0
    assert bench.exchange.submitted[-1].client_order_id == "zt.spy.halt20220822T143500Z.exit1"
    assert not bench.market.orders(open_only=True)
    assert bench.journal.cycles(agent="spy")[-1].outcome is Outcome.EXITED


def test_cancelling_entries_leaves_the_position_and_its_stop() -> None:
    """Without --flatten nothing is sold."""
    bench = Bench()
    entered(bench)
    assert run(bench, CANCEL).flat
    assert held(bench) > 0
    assert [o.type for o in bench.market.orders(open_only=True)] == [OrderType.LIMIT]
    assert len(bench.exchange.submitted) == 1


def test_an_entry_that_rests_is_ended() -> None:
    """It was not filled yet: nothing is left to sell."""
    bench = Bench()
    assert bench.cycle(30, BUY).outcome is Outcome.ENTERED
    assert run(bench).flat
    (order,) = bench.orders()
    assert order.status is OrderStatus.CANCELED


def test_an_entry_that_fills_as_it_is_ended_leaves_no_bare_position() -> None:
    """The exchange ends a filled entry's legs with it: what it brought is sold, though nobody ordered to flatten."""
    bench = Bench()
    assert bench.cycle(30, BUY).outcome is Outcome.ENTERED
    cancelled = bench.market.cancel

    def late(order_id: str) -> None:
        bench.at(31)
        cancelled(order_id)

    bench.market.cancel = late  # type: ignore[method-assign]
    run(bench, CANCEL)
    bench.at(33)
    assert held(bench) == 0
    assert [request.side for request in bench.exchange.submitted] == [Side.BUY, Side.SELL]


@pytest.mark.parametrize("error", [ExchangeUnavailable("down"), Rejected("no"), OutcomeUnknown("x", "timed out")])
def test_what_such_an_entry_brought_is_sold_though_the_first_try_fails(error: Exception) -> None:
    """Nothing is left to end at the second try, and the position is as bare as before."""
    bench = Bench()
    assert bench.cycle(30, BUY).outcome is Outcome.ENTERED
    cancelled = bench.market.cancel

    def late(order_id: str) -> None:
        bench.at(31)
        cancelled(order_id)

    bench.market.cancel = late  # type: ignore[method-assign]
    bench.exchange.before["submit"] = failing(error)
    assert run(bench, CANCEL).why
    assert tried_again(bench, CANCEL).flat
    assert held(bench) == 0


def test_a_stop_that_a_person_cancelled_sells_nothing_where_only_entries_are_to_end() -> None:
    """Who took it away may be about to sell by hand."""
    bench = Bench()
    entered(bench)
    bench.cycle(35)
    for order in bench.market.orders(open_only=True):
        bench.market.cancel(order.id)
    assert run(bench, CANCEL).flat
    bench.at(37)
    assert held(bench) > 0


def test_while_the_exchange_is_closed_the_stop_rests() -> None:
    """Ended before the open, it would leave the position bare over night; then it is tried again, and told."""
    bench = Bench()
    entered(bench)
    bench.at(60 * 7)
    left = run(bench)
    report(bench.desk, FLATTEN, left)
    assert left.qty == held(bench)
    assert "closed until 2022-08-23 13:30" in left.why
    assert any(leg.type is OrderType.STOP and leg.status is OrderStatus.HELD for o in bench.orders() for leg in o.legs)
    bench.at(60 * 24 + 5)
    flatten(bench.desk, FLATTEN, OPEN)
    bench.at(60 * 24 + 7)
    assert flatten(bench.desk, FLATTEN, OPEN).flat
    assert held(bench) == 0


@pytest.mark.parametrize("error", [ExchangeUnavailable("down"), Rejected("no"), OutcomeUnknown("x", "timed out")])
def test_it_is_tried_again_until_it_is_flat(error: Exception) -> None:
    """Down, refused, without an answer: said, and the next try goes on from there."""
    bench = Bench()
    entered(bench)

    bench.exchange.before["submit"] = failing(error)
    left = run(bench)
    assert left.qty == held(bench) > 0
    assert left.why
    assert tried_again(bench, FLATTEN).flat
    assert held(bench) == 0


def test_two_who_flatten_sell_once() -> None:
    """Each reads the journal and the exchange before it sells."""
    bench = Bench()
    entered(bench)
    bench.exchange.after_submit = None
    run(bench)
    run(bench)
    bench.at(35)
    run(bench)
    assert held(bench) == 0
    assert len(bench.exchange.submitted) == 2


def test_it_is_not_flat_before_the_journal_has_seen_the_end_of_the_exit() -> None:
    """Order and account book are read one after the other: a fill between the two is booked, its order still open."""
    bench = Bench()
    entered(bench)

    def fills() -> None:
        bench.at(33)

    bench.exchange.after_submit = lambda: bench.exchange.before.update(activities=fills)
    left = run(bench)
    assert left == Left(D(0), "", selling=True)
    assert not left.flat
    report(bench.desk, FLATTEN, left)
    assert not bench.journal.messages()
    left = flatten(bench.desk, FLATTEN, OPEN)
    assert left.flat
    assert not bench.journal.intents(agent="spy", unfinished=True)


def test_an_exit_that_rests_is_waited_for_without_a_trace() -> None:
    """A trading halt of the symbol may last for hours: no cycle, no intent and no message for each look at it."""
    bench = Bench()
    entered(bench)
    for _ in range(4):
        report(bench.desk, FLATTEN, run(bench))
    assert len(bench.exchange.submitted) == len(bench.journal.intents(agent="spy")) == 2
    assert len(bench.journal.cycles(agent="spy")) == 2
    assert len(bench.journal.messages()) == 1
    bench.at(35)
    assert flatten(bench.desk, FLATTEN, OPEN).flat


def test_shares_that_the_exchange_has_under_no_such_name_keep_their_stop() -> None:
    """A symbol that was renamed: nothing can be sold under the old name, and the stop is all that protects it."""
    bench = Bench()
    entered(bench)
    bench.cycle(35)
    bench.market.positions = list  # type: ignore[method-assign]
    for _ in range(3):
        left = run(bench)
    assert "the exchange has no SPY: was it renamed?" in left.why
    assert bench.market.orders(open_only=True)
    assert len(bench.journal.cycles(agent="spy")) == 2


def test_how_far_it_is_is_told_once_each() -> None:
    """What is left whenever that changes, and the end."""
    bench = Bench()
    entered(bench)
    for _ in range(2):
        report(bench.desk, FLATTEN, Left(D(12), "the exchange is closed"))
        report(bench.desk, FLATTEN, Left(D(0), ""))
    told = [(message.severity, message.title) for message in bench.journal.messages()]
    assert told == [(Severity.WARNING, "spy is not flat yet"), (Severity.INFO, "spy is flat")]


def test_a_halt_that_ends_entries_does_not_say_that_the_position_is_gone() -> None:
    """It rests with its stop: a person who reads "flat" would sell nothing, and sleep."""
    bench = Bench()
    entered(bench)
    report(bench.desk, CANCEL, Left(D(0), "the exchange is down"))
    report(bench.desk, CANCEL, run(bench, CANCEL))
    waits, done = bench.journal.messages()
    assert held(bench) > 0
    assert (waits.title, waits.text) == ("spy: an entry may still rest", "the exchange is down")
    assert done.title == "spy: no entry rests"
    assert "flat" not in done.text
