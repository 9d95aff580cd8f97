"""What every journal promises about intents, orders, and who owns them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from tests.contract.journals import KINDS, AnyJournal, at, bracket, claim, intent, make, order, request, send
from ztrade.domain.ledger import IntentState
from ztrade.domain.types import Leg, OrderClass, OrderStatus, OrderType, Side, TimeInForce
from ztrade.errors import AdoptionMismatch, NotFound, Rejected

S = IntentState


@pytest.fixture(params=KINDS)
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyJournal]:
    """Give each journal in turn, empty."""
    yield from make(request.param, tmp_path)


def planned(journal: AnyJournal, name: str = "a", leg: Leg = Leg.ENTRY) -> None:
    """Plan one intent."""
    held = claim(journal)
    journal.plan(held, intent(held, name, leg))


def state(journal: AnyJournal, name: str = "a") -> IntentState:
    """Return the intent's state."""
    found = journal.intent(name)
    assert found is not None
    return found.state


def test_an_intent_comes_back_as_it_was_planned(journal: AnyJournal) -> None:
    """Every field of the request, to the last digit; the state is planned whatever was said."""
    held = claim(journal)
    full = request(
        "zt.spy.1.entry",
        type=OrderType.STOP_LIMIT,
        time_in_force=TimeInForce.GTC,
        order_class=OrderClass.BRACKET,
        limit_price=Decimal("400.1234"),
        stop_price=Decimal("400.10"),
        take_profit=Decimal("416.00"),
        stop_loss=Decimal("392.5"),
    )
    wanted = intent(held, "zt.spy.1.entry", request=replace(full, qty=Decimal("0.123456789")))
    journal.plan(held, replace(wanted, state=S.SENT))
    assert journal.intent("zt.spy.1.entry") == wanted
    assert journal.intent("zt.spy.2.entry") is None


def test_an_intent_keeps_its_sender(journal: AnyJournal) -> None:
    """Whoever must be ended before the order counts as not sent."""
    held = claim(journal)
    journal.plan(held, intent(held, "e", sender="spy@host 1"))
    journal.resolve("e", S.UNKNOWN, reason="no answer")
    assert [one.sender for one in journal.intents(unfinished=True)] == ["spy@host 1"]


def test_planning_again_keeps_what_is_there(journal: AnyJournal) -> None:
    """A second attempt finds the intent with its state and its order."""
    send(journal, "a", "o1")
    before = journal.intent("a")
    held = claim(journal, 10)
    journal.plan(held, intent(held, "a", minutes=10))
    assert journal.intent("a") == before


@pytest.mark.parametrize("known", [S.NOT_SENT, S.REJECTED])
def test_planning_what_is_not_at_the_exchange_opens_the_question_again(journal: AnyJournal, known: S) -> None:
    """Whoever plans it is about to send it: killed after the POST, it must be found as unanswered."""
    planned(journal)
    journal.resolve("a", known, reason="refused")
    assert list(journal.intents(unfinished=True)) == []
    held = claim(journal, 10)
    journal.plan(held, intent(held, "a", minutes=10))
    (found,) = journal.intents(unfinished=True)
    assert (found.state, found.reason, found.cycle_id, found.wall_at) == (S.PLANNED, "", held.cycle_id, at(10))


@pytest.mark.parametrize(("first", "second"), [(Leg.EXIT, Leg.ENTRY), (Leg.ENTRY, Leg.EXIT)])
def test_planned_again_it_may_be_another_leg(journal: AnyJournal, first: Leg, second: Leg) -> None:
    """What was refused under an id leaves no trace of the leg it was."""
    held = claim(journal)
    journal.plan(held, intent(held, "a", first, request=request("a")))
    journal.resolve("a", S.REJECTED, reason="refused")
    later = claim(journal, 10)
    journal.plan(later, intent(later, "a", second, minutes=10, request=request("a")))
    assert [(found.leg, found.planned_at) for found in journal.intents()] == [(second, at(10))]


def test_one_id_means_one_request(journal: AnyJournal) -> None:
    """Another quantity under the same id is refused, and the first is kept."""
    planned(journal)
    held = claim(journal, 10)
    with pytest.raises(AdoptionMismatch, match="intent a is in the journal"):
        journal.plan(held, intent(held, "a", request=request("a", qty=11)))
    assert journal.intent("a") is not None
    assert [found.request.qty for found in journal.intents()] == [Decimal(10)]


@pytest.mark.parametrize(
    ("first", "then", "stays"),
    [
        (S.PLANNED, S.UNKNOWN, S.UNKNOWN),
        (S.UNKNOWN, S.SENT, S.SENT),
        (S.UNKNOWN, S.NOT_SENT, S.NOT_SENT),
        (S.SENT, S.DONE, S.DONE),
        (S.NOT_SENT, S.SENT, S.SENT),
        (S.SENT, S.UNKNOWN, S.SENT),
        (S.SENT, S.NOT_SENT, S.SENT),
        (S.DONE, S.SENT, S.DONE),
        (S.DONE, S.UNKNOWN, S.DONE),
    ],
)
def test_an_intent_never_goes_backwards(journal: AnyJournal, first: S, then: S, stays: S) -> None:
    """A late answer changes nothing; a better one does."""
    planned(journal)
    if first is not S.PLANNED:
        journal.resolve("a", first)
    journal.resolve("a", then, reason="later")
    found = journal.intent("a")
    assert found is not None
    assert (found.state, found.reason) == (stays, "later" if stays is then else "")


def test_an_unknown_intent_cannot_be_resolved(journal: AnyJournal) -> None:
    """What was never planned is not ours."""
    with pytest.raises(NotFound, match="no intent nothing"):
        journal.resolve("nothing", S.SENT)


def test_an_order_is_kept_with_its_legs(journal: AnyJournal) -> None:
    """The intent carries the order as the exchange has it; the listing has the legs as orders of their own."""
    send(journal, "a", "o1")
    found = journal.intent("a")
    assert found is not None
    assert found.order == bracket("o1", "a")
    assert [(agent, part.id, part.legs) for agent, part in journal.orders()] == [
        ("spy", "o1", ()),
        ("spy", "o1-stop", ()),
        ("spy", "o1-target", ()),
    ]


def test_legs_belong_to_the_agent(journal: AnyJournal) -> None:
    """A stop protects, a limit takes the profit; an order that is not here is nobody's."""
    send(journal, "a", "o1")
    owners = [journal.owner_of(name) for name in ("o1", "o1-stop", "o1-target", "o2")]
    assert owners == [("spy", Leg.ENTRY), ("spy", Leg.STOP), ("spy", Leg.TARGET), None]


@pytest.mark.parametrize("kind", [OrderType.STOP_LIMIT, OrderType.OTHER, OrderType.MARKET])
def test_a_leg_of_any_other_type_counts_as_protection(journal: AnyJournal, kind: OrderType) -> None:
    """What is not known to take profits is taken for a stop: the cooldown after it is the careful choice."""
    planned(journal)
    leg = order("leg", type=kind, side=Side.SELL)
    journal.resolve("a", S.SENT, order=order("o1", "a", legs=(leg,)))
    assert journal.owner_of("leg") == ("spy", Leg.STOP)


def test_snapshots_that_come_late_change_nothing(journal: AnyJournal) -> None:
    """A filled order is not new again, and filled shares do not disappear."""
    send(journal, "a", "o1")
    filled = bracket("o1", "a", status=OrderStatus.FILLED, filled_qty=Decimal(10), filled_avg_price=Decimal(400))
    journal.resolve("a", S.SENT, order=filled)
    journal.resolve("a", S.SENT, order=bracket("o1", "a", status=OrderStatus.PARTIALLY_FILLED, filled_qty=Decimal(4)))
    found = journal.intent("a")
    assert found is not None
    assert found.order == filled


def test_legs_that_appear_later_are_added(journal: AnyJournal) -> None:
    """The answer to a submit may lack the legs; those once seen do not go away."""
    planned(journal)
    journal.resolve("a", S.SENT, order=order("o1", "a"))
    journal.resolve("a", S.SENT, order=bracket("o1", "a"))
    journal.resolve("a", S.SENT, order=order("o1", "a"))
    found = journal.intent("a")
    assert found is not None
    assert found.order is not None
    assert [leg.id for leg in found.order.legs] == ["o1-stop", "o1-target"]


def test_unfinished_means_that_the_exchange_still_has_something_to_say(journal: AnyJournal) -> None:
    """Unanswered, sent, or done with a leg that lives; not what was refused or has ended as a whole."""
    over = {"status": OrderStatus.CANCELED}
    ended = bracket("o5", "e", **over)
    ended = replace(ended, legs=tuple(replace(leg, **over) for leg in ended.legs))  # type: ignore[arg-type]
    held = claim(journal)
    for name in "abcdefg":
        journal.plan(held, intent(held, name))
    journal.resolve("b", S.UNKNOWN)
    journal.resolve("c", S.SENT, order=order("o3", "c"))
    journal.resolve("d", S.DONE, order=bracket("o4", "d", status=OrderStatus.FILLED, filled_qty=Decimal(10)))
    journal.resolve("e", S.DONE, order=ended)
    journal.resolve("f", S.NOT_SENT)
    journal.resolve("g", S.REJECTED)
    names = [found.request.client_order_id for found in journal.intents(unfinished=True)]
    assert names == ["a", "b", "c", "d"]
    assert [i.request.client_order_id for i in journal.intents(agent="spy", unfinished=True)] == names


def test_intents_are_filtered_and_oldest_first(journal: AnyJournal) -> None:
    """By agent, by account, and by the instant of planning, which is included."""
    one, two = claim(journal), claim(journal, agent="tsla")
    for name, minutes in (("c", 15), ("a", 5), ("b", 10)):
        journal.plan(one, intent(one, name, minutes=minutes))
    journal.plan(two, intent(two, "t", minutes=7))
    assert [i.request.client_order_id for i in journal.intents()] == ["a", "t", "b", "c"]
    assert [i.request.client_order_id for i in journal.intents(agent="spy", since=at(10))] == ["b", "c"]
    journal.plan(two, intent(two, "live", minutes=9, account="live"))
    assert [i.request.client_order_id for i in journal.intents(account="live", unfinished=True)] == ["live"]


def test_orders_are_filtered_and_oldest_first(journal: AnyJournal) -> None:
    """By agent and by the instant at which the exchange took them."""
    send(journal, "late", "o2", 10)
    send(journal, "early", "o1", 5)
    send(journal, "other", "o3", 7, agent="tsla")
    assert [part.id for _, part in journal.orders() if part.type is OrderType.MARKET] == ["o1", "o3", "o2"]
    assert [part.id for _, part in journal.orders(agent="spy", since=at(10))] == ["o2", "o2-stop", "o2-target"]


def test_an_order_under_another_id_is_not_taken_for_ours(journal: AnyJournal) -> None:
    """The answer must carry the id that was asked for."""
    planned(journal)
    with pytest.raises(AdoptionMismatch, match="carries another id"):
        journal.resolve("a", S.SENT, order=order("o1", "b"))
    assert state(journal) is S.PLANNED
    assert journal.owner_of("o1") is None


def test_two_orders_under_one_id_are_a_contradiction(journal: AnyJournal) -> None:
    """The exchange's id of an order does not change, unless one replaced the other."""
    send(journal, "a", "o1")
    with pytest.raises(AdoptionMismatch, match="does not replace it"):
        journal.resolve("a", S.SENT, order=order("o9", "a"))
    assert journal.owner_of("o9") is None


def test_one_order_cannot_answer_two_intents(journal: AnyJournal) -> None:
    """A leg that the exchange says belongs to another intent's order is refused."""
    send(journal, "a", "o1")
    held = claim(journal, 10)
    journal.plan(held, intent(held, "b"))
    with pytest.raises(AdoptionMismatch, match="order o1-stop belongs to intent a"):
        journal.resolve("b", S.SENT, order=order("o2", "b", legs=(order("o1-stop", type=OrderType.STOP),)))
    assert state(journal, "b") is S.PLANNED


def test_after_a_rejected_order_a_new_one_may_carry_the_id(journal: AnyJournal) -> None:
    """The first never had an effect; what is at the exchange now is the intent's order."""
    planned(journal)
    journal.resolve("a", S.REJECTED, order=order("o1", "a", status=OrderStatus.REJECTED))
    journal.resolve("a", S.SENT, order=order("o2", "a"))
    found = journal.intent("a")
    assert found is not None
    assert found.order is not None
    assert (found.order.id, found.state) == ("o2", S.SENT)


def test_a_replacement_becomes_the_intents_order(journal: AnyJournal) -> None:
    """A person may replace an order at the exchange: the new one has ids of its own, and is the agent's still."""
    planned(journal)
    journal.resolve("a", S.SENT, order=order("o1", "a"))
    journal.resolve("a", S.SENT, order=order("o2", "by-hand", replaces="o1", submitted_at=at(9)))
    found = journal.intent("a")
    assert found is not None
    assert found.order is not None
    assert found.order.id == "o2"
    old = {part.id: part for _, part in journal.orders()}["o1"]
    assert (old.status, old.replaced_by) == (OrderStatus.REPLACED, "o2")
    # a late look at the old one does not bring it back
    journal.resolve("a", S.SENT, order=order("o1", "a"))
    again = journal.intent("a")
    assert again is not None
    assert again.order == found.order


def test_owners_are_found_across_replacements(journal: AnyJournal) -> None:
    """The order before and the one after belong to whoever owns the one between."""
    planned(journal)
    journal.resolve("a", S.SENT, order=order("o1", "a", replaced_by="o2", status=OrderStatus.REPLACED))
    assert journal.owner_of("o2") == ("spy", Leg.ENTRY)
    journal.resolve("a", S.SENT, order=order("o4", "by-hand", replaces="o3"))
    assert journal.owner_of("o3") == ("spy", Leg.ENTRY)


def test_a_replacement_of_another_symbol_is_refused(journal: AnyJournal) -> None:
    """It says that it replaces something, but it is not our order."""
    planned(journal)
    journal.resolve("a", S.SENT, order=order("o1", "a"))
    with pytest.raises(AdoptionMismatch):
        journal.resolve("a", S.SENT, order=order("o2", "x", replaces="o1", symbol="TSLA"))


@pytest.mark.parametrize("qty", [5, 20])
def test_an_order_of_another_quantity_is_the_intents_once_somebody_says_so(journal: AnyJournal, qty: int) -> None:
    """Later reads of it, its legs and its end go on from there; the reason stays."""
    planned(journal)
    seen = journal.intent("a")
    found = replace(bracket("o1", "a"), qty=Decimal(qty))
    journal.resolve("a", S.SENT, order=found, reason="by hand", seen=seen)
    assert journal.owner_of("o1-stop") == ("spy", Leg.STOP)
    filled = replace(found, status=OrderStatus.FILLED, filled_qty=Decimal(qty))
    journal.resolve("a", S.SENT, order=filled)
    after = journal.intent("a")
    assert after is not None
    assert (after.reason, after.order) == ("by hand", filled)


def test_a_decision_counts_only_on_what_its_maker_has_seen(journal: AnyJournal) -> None:
    """Of two persons one wins, and nothing of the other's is written: state, reason, order."""
    planned(journal)
    seen = journal.intent("a")
    journal.resolve("a", S.NOT_SENT, reason="ann", seen=seen)
    before = journal.intent("a")
    with pytest.raises(Rejected, match="order a changed meanwhile, it is not_sent now"):
        journal.resolve("a", S.SENT, order=order("o1", "a"), reason="bob", seen=seen)
    with pytest.raises(Rejected, match="changed meanwhile"):
        journal.resolve("a", S.NOT_SENT, reason="bob", seen=seen)
    assert journal.intent("a") == before
    assert journal.owner_of("o1") is None
    journal.resolve("a", S.SENT, order=order("o1", "a"), seen=before)
    assert state(journal) is S.SENT


def test_not_a_number_is_no_quantity(journal: AnyJournal) -> None:
    """It is refused before anything is written."""
    held = claim(journal)
    wanted = replace(request("a"), qty=Decimal("NaN"))
    with pytest.raises(ValueError, match="NaN is no amount"):
        journal.plan(held, intent(held, "a", request=wanted))
    assert list(journal.intents()) == []
