"""The fold from the account book to holdings."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.contract.journals import at, fill
from ztrade.adapters.journal.booking import Book, Entry, Owner, check_entry, fold, moves_shares, needs_fold, post
from ztrade.domain.types import Activity, Leg, Side
from ztrade.errors import DataError

ENTRY, STOP = Owner("spy", Leg.ENTRY), Owner("spy", Leg.STOP)
BUY = Entry(fill("b", "o1", 5, "10", "400"), ENTRY)
SELL = Entry(fill("s", "o1-stop", 9, "10", "390", Side.SELL), STOP)


def test_folding_sorts_by_time_and_what_it_is_and_id() -> None:
    """Of one instant what was bought comes before what was sold, whatever their ids; two of a kind go by these."""
    same = replace(SELL, activity=replace(SELL.activity, at=BUY.activity.at, id="a-before-b"))
    book, postings = fold("SPY", [SELL, BUY])
    assert [posting.fill.id for posting in postings] == ["b", "s"]
    assert book.last == SELL.key
    _, postings = fold("SPY", [same, BUY])
    assert [(posting.fill.id, posting.fill.problem) for posting in postings] == [("b", ""), ("a-before-b", "")]
    again = replace(BUY, activity=replace(BUY.activity, id="a"))
    _, postings = fold("SPY", [BUY, again])
    assert [posting.fill.id for posting in postings] == ["a", "b"]


def test_an_entry_before_the_last_needs_fold() -> None:
    """It needs a new fold; one at the end does not, and an empty book knows no lateness."""
    book = Book("SPY")
    assert not needs_fold(book, [BUY])
    post(book, SELL)
    assert needs_fold(book, [BUY])
    assert needs_fold(book, [replace(BUY, activity=replace(BUY.activity, at=at(9), id="t"))])
    assert not needs_fold(book, [replace(SELL, activity=replace(SELL.activity, id="t"))])


def test_foreign_shares_are_counted_apart() -> None:
    """What nobody of us bought, sold or explained."""
    bought = Entry(fill("f1", "x", 1, "7"))
    sold = Entry(fill("f2", "x", 2, "2", side=Side.SELL))
    before = replace(bought, activity=replace(bought.activity, id="f0"), seen=True)
    book, postings = fold("SPY", [before, bought, sold, replace(SELL, owner=STOP)])
    assert book.foreign == Decimal(7 + 7 - 2 - 10)
    assert [posting.owner for posting in postings] == [None, None, STOP]
    assert book.lots == {}


@pytest.mark.parametrize(
    ("kind", "symbol", "qty", "moves"),
    [("FILL", "SPY", "1", True), ("SPLIT", "SPY", "1", True), ("SPLIT", None, "1", False), ("DIV", "SPY", "1", False)],
)
def test_which_entries_move_shares(kind: str, symbol: str | None, qty: str, moves: bool) -> None:
    """Fills and splits of a stock; the rest is money."""
    assert moves_shares(Activity("a", kind, at(0), Decimal(0), symbol=symbol, qty=Decimal(qty))) is moves


def test_an_unreadable_entry_is_named_with_its_account() -> None:
    """All that is wrong with it, at once."""
    broken = replace(BUY.activity, side=None, qty=Decimal(-1))
    with pytest.raises(DataError) as caught:
        check_entry("paper", broken)
    assert str(caught.value).startswith("account book of paper, FILL b: it has no side, -1 shares are no fill; why:")


def by_hand(minutes: int, qty: str, side: Side = Side.SELL) -> Entry:
    return Entry(fill(f"h{minutes}", "by-hand", minutes, qty, "380", side))


def test_a_sale_by_hand_takes_the_agents_shares() -> None:
    """What left the account is not claimed any more; the round trip ends, the fill stays a person's."""
    book, postings = fold("SPY", [BUY, by_hand(7, "4"), by_hand(8, "6")])
    assert [book.lots["spy"].holding.qty, book.foreign] == [0, 0]
    assert [(posting.owner, posting.fill.agent, posting.realized) for posting in postings[1:]] == [
        (None, None, Decimal(-80)),
        (None, None, Decimal(-120)),
    ]
    trip = postings[-1].trip
    assert trip is not None
    assert (trip.agent, trip.qty, trip.pnl, trip.exit_leg) == ("spy", Decimal(10), Decimal(-200), None)


def test_a_sale_by_hand_takes_nobodys_shares_first() -> None:
    """A person's own seven go first, the agent's make up the rest, and what nobody had is a short sale."""
    book, _ = fold("SPY", [by_hand(4, "7", Side.BUY), BUY, by_hand(7, "9")])
    assert [book.lots["spy"].holding.qty, book.foreign] == [8, 0]
    book, _ = fold("SPY", [by_hand(4, "7", Side.BUY), BUY, by_hand(7, "20")])
    assert [book.lots["spy"].holding.qty, book.foreign] == [0, -3]


def test_a_sale_by_hand_between_two_holders_is_nobodys() -> None:
    """Whose shares they were cannot be known: the difference stays for a person to see."""
    other = replace(BUY, activity=replace(BUY.activity, id="b2", order_id="o2"), owner=Owner("qqq", Leg.ENTRY))
    book, _ = fold("SPY", [BUY, other, by_hand(7, "5")])
    assert [book.lots["spy"].holding.qty, book.lots["qqq"].holding.qty, book.foreign] == [10, 10, -5]
