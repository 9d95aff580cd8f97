"""A person decides on an order that the exchange has otherwise than it was meant, or has not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace as changed
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.contract.journals import empty_sqlite
from tests.unit.app.desks import BUY, HOLD, LEAVE, MINUTE, OPEN, Bench, failing
from ztrade.adapters.journal import open_journal
from ztrade.app import books
from ztrade.app.flatten import flatten
from ztrade.app.reconcile import reconcile
from ztrade.app.recover import recover
from ztrade.app.resolve import Case, Choice, look, resolve
from ztrade.domain.identity import entry_id
from ztrade.domain.ledger import Intent, IntentState, Outcome, Wish
from ztrade.domain.messages import Message
from ztrade.domain.reconcile import Kind
from ztrade.domain.types import Order, OrderRequest, OrderStatus, OrderType, Side, TimeInForce
from ztrade.errors import ExchangeUnavailable, JournalUnavailable, NotFound, OutcomeUnknown, Rejected
from ztrade.testing.journal import MemoryJournal

D = Decimal
NAME = entry_id("spy", OPEN + 30 * MINUTE)
#: so far below the market that it stays there
RESTING: dict[str, Any] = {"type": OrderType.LIMIT, "limit_price": D(1), "time_in_force": TimeInForce.GTC}


def far(_sender: str) -> bool:
    return False


def near(_sender: str) -> bool:
    return True


def unanswered(bench: Bench, minutes: float = 30, *, landed: bool = True) -> None:
    """Enter at so many minutes; nobody hears what became of it."""
    lost = failing(OutcomeUnknown(entry_id("spy", OPEN + minutes * MINUTE), "timed out"))
    if landed:
        bench.exchange.after_submit = lost
    else:
        bench.exchange.before["submit"] = lost
    assert bench.cycle(minutes, BUY).outcome is Outcome.UNKNOWN
    bench.exchange.after_submit = None
    bench.exchange.before.clear()


def split(bench: Bench) -> None:
    """Split the stock two for one while the entry rests, which doubles its quantity."""
    bench.market.engine.split("SPY", D(2), D(1), scale_prices=True)


def mismatched(bench: Bench) -> None:
    """Let the agent meet its unanswered entry with another quantity, and halt itself."""
    unanswered(bench)
    split(bench)
    record = bench.cycle(35, HOLD)
    assert record.outcome is Outcome.HALTED
    assert f"`ztrade resolve {NAME}`" in record.reason


def foreign(bench: Bench, **more: object) -> Order:
    """Let somebody else's order stand under the id of an entry that never left."""
    unanswered(bench, landed=False)
    wanted = intent(bench).request
    if more.get("side") is Side.SELL:
        bench.market.submit(OrderRequest("by-hand", "SPY", Side.BUY, D(100)))
        bench.at(33)
    values: dict[str, Any] = {"symbol": "SPY", "side": Side.BUY, "qty": wanted.qty + 1} | more
    return bench.market.submit(OrderRequest(NAME, **values))


def say(bench: Bench, choice: Choice, name: str = NAME, may_live: Callable[[str], bool] = far) -> Case:
    return resolve(bench.desk, name, choice, by="ann", reason="looked at it", may_live=may_live)


def intent(bench: Bench) -> Intent:
    found = bench.journal.intent(NAME)
    assert found is not None
    return found


def kinds(bench: Bench) -> list[Kind]:
    return [difference.kind for difference in reconcile([bench.desk], OPEN, lambda _seconds: None).differences]


def told(bench: Bench) -> list[Message]:
    return [message for message in bench.journal.messages() if message.key.startswith("settled:")]


@pytest.fixture(params=["twin", "sqlite"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    """Give a bench over each journal."""
    return Bench(journal=open_journal(empty_sqlite(tmp_path)) if request.param == "sqlite" else MemoryJournal())


def test_an_entry_that_a_split_changed_is_taken_over_and_the_agent_trades_on(bench: Bench) -> None:
    """Halted at each cycle until a person decides; then its fills, legs and way out are the agent's, books equal."""
    mismatched(bench)
    meant = intent(bench).request.qty
    bench.halts.reasons.clear()
    assert bench.cycle(40, HOLD).outcome is Outcome.HALTED
    case = look(bench.desk, NAME, far)
    assert case.open
    assert set(case.against) == {Choice.NOT_SENT}
    say(bench, Choice.AS_IT_IS)
    bench.halts.reasons.clear()
    assert bench.cycle(45, HOLD).outcome is Outcome.HELD
    (holding,) = bench.journal.holdings("embedded")
    assert (holding.agent, holding.qty) == ("spy", meant * 2)
    assert kinds(bench) == []
    assert len(recover(bench.desk)) == 0
    assert bench.cycle(50, LEAVE).outcome is Outcome.EXITED
    bench.at(52)
    assert kinds(bench) == []
    assert not bench.journal.holdings("embedded")
    assert [trip.qty for trip in bench.journal.round_trips(agent="spy")] == [meant * 2]


def test_after_a_restart_the_taken_over_order_raises_nothing(tmp_path: Path) -> None:
    """Another process opens the journal and goes on with the order, its stop and its target."""
    url = empty_sqlite(tmp_path)
    bench = Bench(journal=open_journal(url))
    mismatched(bench)
    say(bench, Choice.AS_IT_IS)
    bench.halts.reasons.clear()
    bench.journal = open_journal(url)
    bench.desk = changed(bench.desk, journal=bench.journal)
    recover(bench.desk)
    assert bench.cycle(45, HOLD).outcome is Outcome.HELD
    assert kinds(bench) == []
    order = intent(bench).order
    assert order is not None
    assert [bench.journal.owner_of(leg.id) is not None for leg in order.legs] == [True, True]


def test_what_was_filled_before_the_decision_becomes_the_agents(bench: Bench) -> None:
    """The account book had it as nobody's shares."""
    order = foreign(bench)
    bench.at(34)
    assert bench.cycle(35, HOLD).outcome is Outcome.HALTED
    assert "qty 25 instead of 24" in str(reconcile([bench.desk], OPEN, lambda _seconds: None).odd)
    assert bench.journal.foreign("embedded") == {"SPY": order.qty}
    say(bench, Choice.AS_IT_IS)
    assert bench.journal.foreign("embedded") == {}
    assert [held.qty for held in bench.journal.holdings("embedded")] == [order.qty]


def test_an_order_of_somebody_else_is_foreign_and_never_touched(bench: Bench) -> None:
    """Its id is asked for no more, its shares are nobody's, and the agent enters beside it."""
    order = foreign(bench, **RESTING)
    assert bench.cycle(35, HOLD).outcome is Outcome.HALTED
    say(bench, Choice.NOT_OURS)
    assert intent(bench).state is IntentState.NOT_SENT
    bench.halts.reasons.clear()
    assert bench.cycle(40, BUY).outcome is Outcome.ENTERED
    bench.at(42)
    assert kinds(bench) == [Kind.FOREIGN_ORDER]
    assert bench.cycle(45, HOLD).outcome is Outcome.HELD
    assert bench.market.order(order.id).status is OrderStatus.NEW
    assert bench.journal.owner_of(order.id) is None


def test_shares_of_an_order_that_is_not_ours_are_nobodys(bench: Bench) -> None:
    """They are told of, and sold by no exit of the agent."""
    order = foreign(bench)
    bench.at(34)
    assert bench.cycle(35, HOLD).outcome is Outcome.HALTED
    say(bench, Choice.NOT_OURS)
    bench.halts.reasons.clear()
    assert bench.cycle(40, HOLD).outcome is Outcome.HELD
    assert kinds(bench) == [Kind.FOREIGN_POSITION]
    assert bench.journal.foreign("embedded") == {"SPY": order.qty}


@pytest.mark.parametrize("more", [{"symbol": "QQQ"}, {"side": Side.SELL}])
def test_another_symbol_or_side_can_only_be_somebody_elses(bench: Bench, more: dict[str, object]) -> None:
    """No agent holds what it does not trade, or sells what it meant to buy."""
    foreign(bench, **more)
    assert bench.cycle(35, HOLD).outcome is Outcome.HALTED
    with pytest.raises(Rejected, match="that can only be not ours"):
        say(bench, Choice.AS_IT_IS)
    assert intent(bench).state is IntentState.UNKNOWN
    say(bench, Choice.NOT_OURS)
    bench.halts.reasons.clear()
    assert bench.cycle(40, HOLD).outcome is Outcome.HELD


def test_what_was_meant_cannot_be_somebody_elses(bench: Bench) -> None:
    """Any process that asks takes it over; it needs no person."""
    unanswered(bench)
    bench.halts.halt("spy", "by hand")
    with pytest.raises(Rejected, match="is what was meant"):
        say(bench, Choice.NOT_OURS)
    say(bench, Choice.AS_IT_IS)
    assert intent(bench).state is IntentState.SENT


def test_an_agent_that_is_not_halted_is_not_decided_about(bench: Bench) -> None:
    """Looking is free; a decision beside a cycle that trades is refused, and changes nothing."""
    mismatched(bench)
    bench.halts.reasons.clear()
    before = intent(bench)
    assert look(bench.desk, NAME, far).halted is None
    with pytest.raises(Rejected, match="ztrade halt spy first"):
        say(bench, Choice.AS_IT_IS)
    assert intent(bench) == before
    assert told(bench) == []


def test_an_order_that_never_left_is_declared_so(bench: Bench) -> None:
    """Its sender's host is gone: nobody needs to wait ten times the grace."""
    unanswered(bench, landed=False)
    bench.halts.halt("spy", "by hand")
    bench.wall_shift += timedelta(minutes=2)
    say(bench, Choice.NOT_SENT)
    assert intent(bench).state is IntentState.NOT_SENT
    bench.halts.reasons.clear()
    assert bench.cycle(35, BUY).outcome is Outcome.ENTERED


def test_not_sent_is_refused_within_the_grace_and_beside_a_sender(bench: Bench) -> None:
    """It may still arrive, or be sent when a frozen process wakes up."""
    unanswered(bench, landed=False)
    bench.halts.halt("spy", "by hand")
    with pytest.raises(Rejected, match="may still arrive: ask again in 60 s"):
        say(bench, Choice.NOT_SENT)
    bench.wall_shift += timedelta(minutes=2)
    with pytest.raises(Rejected, match="may still live on this host"):
        say(bench, Choice.NOT_SENT, may_live=near)
    assert intent(bench).state is IntentState.UNKNOWN


def test_not_sent_is_refused_while_the_exchange_has_it(bench: Bench) -> None:
    """Also where it arrives between the question and the answer."""
    mismatched(bench)
    bench.wall_shift += timedelta(minutes=2)
    with pytest.raises(Rejected, match="the exchange has order"):
        say(bench, Choice.NOT_SENT)


def test_an_order_that_arrives_while_it_is_declared_not_sent_is_seen(bench: Bench) -> None:
    """The exchange is asked once more, a moment later."""
    unanswered(bench, landed=False)
    request = intent(bench).request
    bench.halts.halt("spy", "by hand")
    bench.wall_shift += timedelta(minutes=2)

    def arrive(_seconds: float) -> None:
        bench.market.submit(request)

    bench.desk = changed(bench.desk, pause=arrive)
    with pytest.raises(Rejected, match="arrived just now"):
        say(bench, Choice.NOT_SENT)
    assert intent(bench).state is IntentState.UNKNOWN


@pytest.mark.parametrize("choice", [Choice.AS_IT_IS, Choice.NOT_OURS])
def test_what_turns_up_otherwise_after_it_was_declared_not_sent_can_be_decided(bench: Bench, choice: Choice) -> None:
    """A late order is asked for for an hour, and halts the agent where it is not what was meant."""
    unanswered(bench, landed=False)
    bench.halts.halt("spy", "by hand")
    bench.wall_shift += timedelta(minutes=2)
    say(bench, Choice.NOT_SENT)
    bench.market.submit(OrderRequest(NAME, "SPY", Side.BUY, D(3), **RESTING))
    bench.halts.reasons.clear()
    assert bench.cycle(35, BUY).outcome is Outcome.HALTED
    with pytest.raises(Rejected, match="the exchange has order"):
        say(bench, Choice.NOT_SENT)
    say(bench, choice)
    bench.halts.reasons.clear()
    assert bench.cycle(40, HOLD).outcome is Outcome.HELD
    assert (bench.journal.owner_of(bench.orders()[0].id) is None) is (choice is Choice.NOT_OURS)


@pytest.mark.parametrize("choice", [Choice.AS_IT_IS, Choice.NOT_OURS])
def test_said_twice_it_changes_nothing_more_and_the_opposite_is_refused(bench: Bench, choice: Choice) -> None:
    """Whoever is late hears what was decided, by whom and why."""
    mismatched(bench)
    assert not say(bench, choice).again
    before = intent(bench)
    assert before.reason == f"settled by hand, {choice}: looked at it (by ann)"
    assert say(bench, choice).again
    assert intent(bench) == before
    for other in set(Choice) - {choice}:
        with pytest.raises(Rejected, match=r"resolved already, as .*looked at it \(by ann\)"):
            say(bench, other)
    (message,) = told(bench)
    assert "looked at it (by ann)" in message.text
    assert not look(bench.desk, NAME, far).open


def test_of_two_persons_one_wins(bench: Bench) -> None:
    """The other's decision rests on what is not so any more: it is refused, not written over the first."""
    mismatched(bench)
    seen = look(bench.desk, NAME, far).intent
    say(bench, Choice.NOT_OURS)
    order = bench.market.order_by_client_id(NAME)
    with pytest.raises(Rejected, match="changed meanwhile, it is not_sent now"):
        books.take(bench.desk, seen, order, reason="late", seen=seen)
    assert intent(bench).state is IntentState.NOT_SENT
    assert bench.journal.owner_of(order.id) is None


def test_an_outage_of_the_exchange_changes_nothing(bench: Bench) -> None:
    """No answer is not "no such order"."""
    unanswered(bench, landed=False)
    bench.halts.halt("spy", "by hand")
    bench.wall_shift += timedelta(minutes=2)
    before = intent(bench)
    bench.exchange.before["order_by_client_id"] = failing(ExchangeUnavailable("down"))
    for choice in Choice:
        with pytest.raises(ExchangeUnavailable):
            say(bench, choice)
    assert intent(bench) == before


def test_a_journal_that_cannot_be_written_changes_nothing() -> None:
    """Nothing is told that was not written."""
    bench = Bench()
    mismatched(bench)
    before = intent(bench)
    write = bench.journal.resolve
    bench.journal.resolve = lambda *_given, **_more: failing(JournalUnavailable("disk full"))()  # type: ignore[method-assign]
    with pytest.raises(JournalUnavailable):
        say(bench, Choice.AS_IT_IS)
    assert intent(bench) == before
    assert told(bench) == []
    bench.journal.resolve = write  # type: ignore[method-assign]
    assert not say(bench, Choice.AS_IT_IS).again


def test_an_order_of_nobody_and_of_another_account_is_refused() -> None:
    """The agent's exchange knows nothing of what was meant for another account."""
    bench = Bench()
    with pytest.raises(NotFound, match="the journal has no order"):
        say(bench, Choice.AS_IT_IS, "zt.spy.x")
    mismatched(bench)
    bench.desk = changed(bench.desk, account="paper")
    with pytest.raises(Rejected, match="meant for account embedded, and spy trades on paper"):
        say(bench, Choice.AS_IT_IS)


def test_a_flatten_goes_on_after_the_decision() -> None:
    """It stops at the mismatch, and says what a person has to do; then the taken over entry is ended or sold."""
    bench = Bench()
    mismatched(bench)
    wish = Wish("20220822T140700Z", flatten=True)
    assert f"ztrade resolve {NAME}" in flatten(bench.desk, wish, OPEN).why
    say(bench, Choice.AS_IT_IS)
    bench.at(37)
    for minutes in (38, 39):
        flatten(bench.desk, wish, OPEN)
        bench.at(minutes)
    assert flatten(bench.desk, wish, OPEN).flat
    assert kinds(bench) == []
    assert not bench.market.positions()


def test_a_taken_over_order_that_was_replaced_by_hand_is_followed(bench: Bench) -> None:
    """The agent has the order that took its place."""
    order = foreign(bench, **RESTING)
    bench.at(32)
    new = bench.market.engine.replace(order.id, qty=D(7))
    assert bench.cycle(35, HOLD).outcome is Outcome.HALTED
    say(bench, Choice.AS_IT_IS)
    current = intent(bench).order
    assert current is not None
    assert (current.id, current.qty) == (str(new.id), D(7))


def test_a_late_order_that_the_exchange_refused_is_nothing_to_take_over() -> None:
    """The journal has it as not sent, which is as good; it is only not asked for any more."""
    bench = Bench()
    refused = changed(foreign(bench), status=OrderStatus.REJECTED)
    bench.market.order_by_client_id = lambda client_order_id: refused  # type: ignore[method-assign]
    bench.journal.resolve(NAME, IntentState.NOT_SENT, reason="given up")
    bench.halts.halt("spy", "by hand")
    with pytest.raises(Rejected, match="the exchange refused it"):
        say(bench, Choice.AS_IT_IS)
    say(bench, Choice.NOT_OURS)
    assert not look(bench.desk, NAME, far).open


def test_a_message_that_cannot_be_kept_takes_no_decision_back() -> None:
    """Said again, it is told after all."""
    bench = Bench()
    mismatched(bench)
    post = bench.journal.post
    bench.journal.post = lambda message: failing(JournalUnavailable("disk full"))()  # type: ignore[method-assign]
    say(bench, Choice.AS_IT_IS)
    bench.journal.post = post  # type: ignore[method-assign]
    assert told(bench) == []
    assert say(bench, Choice.AS_IT_IS).again
    assert len(told(bench)) == 1
