"""What every journal promises about cash, fills, holdings and round trips."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from tests.contract.journals import (
    ACCOUNT,
    CASH,
    KINDS,
    OPEN,
    AnyJournal,
    at,
    bracket,
    claim,
    fill,
    holding,
    intent,
    opened,
    send,
    sold,
)
from ztrade.domain.ledger import Holding, IntentState, RoundTrip
from ztrade.domain.types import Activity, Leg, OrderStatus
from ztrade.errors import DataError


@pytest.fixture(params=KINDS)
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyJournal]:
    """Give each journal in turn, with one open account."""
    yield from opened(request.param, tmp_path)


def cash(journal: AnyJournal, account: str = ACCOUNT) -> Decimal | None:
    """Return the account's cash."""
    return journal.account_state(account, OPEN).cash


# -- opening -----------------------------------------------------------------------------------------------------------
def test_an_account_has_no_cash_before_it_was_opened(journal: AnyJournal) -> None:
    """None is not zero: the journal does not know."""
    state = journal.account_state("live", OPEN)
    assert (state.account, state.cash, state.last_activity_at) == ("live", None, None)


def test_the_first_opening_counts(journal: AnyJournal) -> None:
    """Two workers may open the same account at once: the second changes nothing."""
    journal.open_account(ACCOUNT, Decimal(5), at(5), [fill("f1", "o1", 1)])
    assert cash(journal) == CASH
    assert len(journal.book(ACCOUNT, [fill("f1", "o1", 1)])) == 1


def test_seen_entries_are_in_the_opening_balance(journal: AnyJournal) -> None:
    """They are never booked again, and reading goes on behind them."""
    seen = [fill("f1", "o1", -60), Activity("c1", "CSD", at(-90), Decimal(1000))]
    journal.open_account("other", CASH, OPEN, seen)
    assert list(journal.book("other", [*seen, fill("f2", "o2", 1, "1", "100")])) != []
    assert cash(journal, "other") == CASH - 100
    assert [found.id for found in journal.fills()] == ["f2"]
    assert journal.account_state("other", OPEN).last_activity_at == at(1)
    assert list(journal.holdings()) == []


def test_booking_needs_an_open_account(journal: AnyJournal) -> None:
    """Without an opening balance cash would be wrong for ever."""
    with pytest.raises(ValueError, match="live was not opened"):
        journal.book("live", [fill("f1", "o1", 1)])


# -- booking -----------------------------------------------------------------------------------------------------------
def test_a_trade_from_entry_to_flat(journal: AnyJournal) -> None:
    """Cash, fills, holding, realized profit and the round trip, to the cent."""
    send(journal, "a", "o1")
    (bought,) = journal.book(ACCOUNT, [fill("f1", "o1", 6, "10", "400.10")])
    assert (bought.agent, bought.leg, bought.qty, bought.price) == ("spy", Leg.ENTRY, Decimal(10), Decimal("400.10"))
    assert holding(journal) == Holding("spy", "SPY", Decimal(10), Decimal("4001.00"), at(6))
    assert list(journal.holdings(ACCOUNT)) == [holding(journal)]
    (stopped,) = journal.book(ACCOUNT, [sold("f2", "o1-stop", 30, "10", "392.47")])
    assert (stopped.agent, stopped.leg) == ("spy", Leg.STOP)
    assert cash(journal) == CASH - Decimal("4001.00") + Decimal("3924.70")
    assert holding(journal) == Holding("spy", "SPY", realized=Decimal("-76.30"))
    assert list(journal.holdings()) == []
    assert list(journal.round_trips()) == [
        RoundTrip(
            "spy",
            "SPY",
            qty=Decimal(10),
            opened_at=at(6),
            closed_at=at(30),
            entry_price=Decimal("400.1"),
            exit_price=Decimal("392.47"),
            pnl=Decimal("-76.3"),
            exit_leg=Leg.STOP,
        )
    ]


def test_partial_fills_average(journal: AnyJournal) -> None:
    """Entry and exit prices of a round trip are averages; realized profit comes with each partial exit."""
    send(journal, "a", "o1")
    journal.book(ACCOUNT, [fill("f1", "o1", 6, "4", "400"), fill("f2", "o1", 7, "6", "410")])
    assert holding(journal).avg_price == Decimal(406)
    journal.book(ACCOUNT, [sold("f3", "o1-target", 20, "5", "416")])
    assert (holding(journal).qty, holding(journal).realized) == (Decimal(5), Decimal(50))
    assert list(journal.round_trips()) == []
    journal.book(ACCOUNT, [sold("f4", "o1-target", 21, "5", "418")])
    (trip,) = journal.round_trips()
    assert (trip.qty, trip.entry_price, trip.exit_price, trip.pnl) == tuple(map(Decimal, (10, 406, 417, 110)))


def test_each_entry_is_booked_once(journal: AnyJournal) -> None:
    """Overlapping pages, repeats within a page, and a second reader change nothing."""
    send(journal, "a", "o1")
    page = [fill("f1", "o1", 6), fill("f1", "o1", 6)]
    assert len(journal.book(ACCOUNT, page)) == 1
    assert list(journal.book(ACCOUNT, page)) == []
    assert cash(journal) == CASH - 4000
    assert holding(journal).qty == 10


def test_accounts_have_books_of_their_own(journal: AnyJournal) -> None:
    """The same entry id in another account is another entry, and an order is its account's."""
    send(journal, "a", "o1")
    journal.open_account("live", Decimal(7), OPEN, [])
    journal.book(ACCOUNT, [fill("f1", "o1", 6)])
    (strange,) = journal.book("live", [fill("f1", "o1", 6)])
    assert strange.agent is None
    assert cash(journal, "live") == Decimal(7) - 4000
    assert list(journal.holdings("live")) == []
    assert [h.qty for h in journal.holdings(ACCOUNT)] == [10]
    assert journal.agent_state("spy", "live", "SPY", OPEN).holding == Holding("spy", "SPY")


def test_fees_dividends_and_transfers_change_cash_only(journal: AnyJournal) -> None:
    """Whatever their kind, known or not."""
    money = [("FEE", "-0.02"), ("DIV", "15.50"), ("CSD", "1000"), ("BRANDNEW", "-1")]
    entries = [Activity(f"c{n}", kind, at(n), Decimal(net), symbol="SPY") for n, (kind, net) in enumerate(money)]
    assert list(journal.book(ACCOUNT, entries)) == []
    assert cash(journal) == CASH + Decimal("1014.48")
    assert journal.account_state(ACCOUNT, OPEN).last_activity_at == at(3)


def test_a_fill_that_is_not_ours_is_foreign(journal: AnyJournal) -> None:
    """A person traded in the same account: the cash moved, no agent holds the shares."""
    (strange,) = journal.book(ACCOUNT, [fill("f1", "by-hand", 6)])
    assert (strange.agent, strange.leg, strange.problem) == (None, None, "")
    assert cash(journal) == CASH - 4000
    assert list(journal.holdings()) == []
    assert list(journal.fills(agent="spy")) == []
    assert list(journal.fills()) == [strange]


def test_a_fill_that_comes_before_its_order_is_given_to_the_agent_later(journal: AnyJournal) -> None:
    """Killed between the POST and writing the answer: the account book may be read before the order is found."""
    held = claim(journal)
    journal.plan(held, intent(held, "a"))
    (strange, also) = journal.book(ACCOUNT, [fill("f1", "o1", 6), sold("f2", "o1-stop", 8, "4", "390")])
    assert (strange.agent, also.agent) == (None, None)
    journal.resolve("a", IntentState.SENT, order=bracket("o1", "a"))
    assert [(f.agent, f.leg) for f in journal.fills()] == [("spy", Leg.ENTRY), ("spy", Leg.STOP)]
    assert holding(journal) == Holding("spy", "SPY", Decimal(6), Decimal(2400), at(6), Decimal(-40))
    assert cash(journal) == CASH - 4000 + 1560
    assert journal.agent_state("spy", ACCOUNT, "SPY", OPEN).last_stop_at == at(8)


def test_fills_follow_replacements(journal: AnyJournal) -> None:
    """A stop that a person moved at the exchange closes the agent's position still."""
    send(journal, "a", "o1")
    journal.book(ACCOUNT, [fill("f1", "o1", 6)])
    moved = bracket("o1", "a", status=OrderStatus.FILLED, filled_qty=Decimal(10))
    stop, target = moved.legs
    stop = replace(stop, status=OrderStatus.REPLACED, replaced_by="new-stop")
    journal.resolve("a", IntentState.DONE, order=replace(moved, legs=(stop, target)))
    (closed,) = journal.book(ACCOUNT, [sold("f2", "new-stop", 9)])
    assert (closed.agent, closed.leg) == ("spy", Leg.STOP)
    assert list(journal.holdings()) == []


def test_the_order_of_arrival_does_not_matter(journal: AnyJournal) -> None:
    """Entries are booked in the order of time, also when an earlier one comes last."""
    send(journal, "a", "o1")
    send(journal, "b", "o2", 10)
    entries = [
        fill("f1", "o1", 6, "10", "400"),
        sold("f2", "o1-target", 8, "10", "416"),
        fill("f3", "o2", 11, "10", "410"),
        sold("f4", "o2-stop", 20, "10", "402"),
    ]
    outcomes = []
    for number, order_of_arrival in enumerate(permutations(entries)):
        account = f"{ACCOUNT}-{number}"
        name = f"{number}-"
        held = claim(journal, 60 + number)
        for a, o, minutes in (("a", "o1", 5), ("b", "o2", 10)):
            journal.plan(held, intent(held, name + a, minutes=minutes, account=account))
            journal.resolve(name + a, IntentState.SENT, order=bracket(name + o, name + a))
        journal.open_account(account, CASH, OPEN, [])
        for entry in order_of_arrival:
            journal.book(account, [replace(entry, id=name + entry.id, order_id=name + str(entry.order_id))])
        state = journal.agent_state("spy", account, "SPY", OPEN)
        outcomes.append((state.holding, state.realized_today, state.last_stop_at, cash(journal, account)))
    assert outcomes == [(Holding("spy", "SPY", realized=Decimal(80)), Decimal(80), at(20), CASH + 80)] * 24
    assert sorted(trip.pnl for trip in journal.round_trips()) == [Decimal(-80)] * 24 + [Decimal(160)] * 24


def test_selling_more_than_is_held_is_kept_but_not_explained(journal: AnyJournal) -> None:
    """The cash moved and the entry is there; the holding stays, so reconciliation finds it; the fill is foreign."""
    send(journal, "a", "o1")
    journal.book(ACCOUNT, [fill("f1", "o1", 6, "4")])
    (odd,) = journal.book(ACCOUNT, [sold("f2", "o1-stop", 8, "10", "390")])
    assert (odd.agent, odd.leg) == (None, None)
    assert odd.problem == "stop order: spy sold 10 SPY of 4 held (order o1-stop)"
    assert cash(journal) == CASH - 1600 + 3900
    assert holding(journal).qty == 4
    assert list(journal.fills(agent="spy")) != list(journal.fills())
    # the cooldown after a stop holds for it all the same
    assert journal.agent_state("spy", ACCOUNT, "SPY", OPEN).last_stop_at == at(8)


def test_an_explanation_that_comes_late_heals_the_book(journal: AnyJournal) -> None:
    """The rest of the entry arrives after the exit: everything fits, nothing is foreign any more."""
    send(journal, "a", "o1")
    journal.book(ACCOUNT, [fill("f1", "o1", 6, "4")])
    journal.book(ACCOUNT, [sold("f3", "o1-stop", 8, "10", "390")])
    journal.book(ACCOUNT, [fill("f2", "o1", 7, "6")])
    assert [(f.agent, f.problem) for f in journal.fills()] == [("spy", "")] * 3
    assert holding(journal) == Holding("spy", "SPY", realized=Decimal(-100))
    assert [trip.pnl for trip in journal.round_trips()] == [Decimal(-100)]


@pytest.mark.parametrize(
    "broken",
    [
        {"symbol": None},
        {"order_id": None},
        {"side": None},
        {"qty": None},
        {"price": None},
        {"qty": Decimal(0)},
        {"qty": Decimal(-1)},
        {"net_amount": Decimal("NaN")},
        {"price": Decimal("Infinity")},
        {"at": datetime(2022, 8, 22, 14)},  # noqa: DTZ001
    ],
)
def test_an_entry_that_cannot_be_read_stops_the_booking(journal: AnyJournal, broken: dict[str, Any]) -> None:
    """Nothing of the page is booked: a guess would be wrong from here on. A whole page is booked later."""
    send(journal, "a", "o1")
    good = fill("f1", "o1", 6)
    with pytest.raises(DataError, match="FILL f2"):
        journal.book(ACCOUNT, [good, replace(fill("f2", "o1", 7), **broken)])
    assert cash(journal) == CASH
    assert list(journal.fills()) == []
    assert [found.id for found in journal.book(ACCOUNT, [good])] == ["f1"]


# -- listing -----------------------------------------------------------------------------------------------------------
def test_fills_and_round_trips_are_filtered_and_oldest_first(journal: AnyJournal) -> None:
    """By agent, and from an instant on, which is included."""
    send(journal, "a", "o1")
    send(journal, "t", "o2", agent="tsla")
    journal.book(
        ACCOUNT, [fill("f2", "o2", 7), fill("f1", "o1", 6), sold("f4", "o1-stop", 9), sold("f3", "o2-stop", 8)]
    )
    assert [f.id for f in journal.fills()] == ["f1", "f2", "f3", "f4"]
    assert [f.id for f in journal.fills(agent="spy")] == ["f1", "f4"]
    assert [f.id for f in journal.fills(since=at(8))] == ["f3", "f4"]
    assert [t.agent for t in journal.round_trips()] == ["tsla", "spy"]
    assert [t.agent for t in journal.round_trips(since=at(9))] == ["spy"]
    assert [t.agent for t in journal.round_trips(agent="tsla")] == ["tsla"]


def test_digits_are_kept(journal: AnyJournal) -> None:
    """Fractions of shares and prices below a cent come back digit for digit, and add up exactly."""
    send(journal, "a", "o1")
    (found,) = journal.book(ACCOUNT, [fill("f1", "o1", 6, "0.123456789", "400.1234")])
    assert (str(found.qty), str(found.price)) == ("0.123456789", "400.1234")
    (stored,) = journal.fills()
    assert stored == found
    assert cash(journal) == CASH - Decimal("0.123456789") * Decimal("400.1234")


def test_shares_sold_by_hand_are_not_claimed_any_more(journal: AnyJournal) -> None:
    """A person closes the agent's position: the holding is gone, its result is there, the fill is a person's."""
    send(journal, "a", "o1")
    journal.book(ACCOUNT, [fill("f1", "o1", 6)])
    (strange,) = journal.book(ACCOUNT, [sold("f2", "by-hand", 8, "10", "390")])
    assert (strange.agent, strange.leg, strange.problem) == (None, None, "")
    assert holding(journal) == Holding("spy", "SPY", realized=Decimal(-100))
    assert [(trip.agent, trip.pnl, trip.exit_leg) for trip in journal.round_trips()] == [("spy", Decimal(-100), None)]
    assert cash(journal) == CASH - 100
    assert journal.agent_state("spy", ACCOUNT, "SPY", OPEN).last_stop_at is None
