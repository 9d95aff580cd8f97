"""What splits do to the journal's side of an account; every journal alike."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.contract.journals import (
    ACCOUNT,
    CASH,
    KINDS,
    OPEN,
    AnyJournal,
    at,
    claim,
    fill,
    holding,
    intent,
    opened,
    order,
    send,
    sold,
)
from ztrade.domain.ledger import Holding, IntentState
from ztrade.domain.types import Activity


@pytest.fixture(params=KINDS)
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyJournal]:
    """Give each journal in turn, with one open account."""
    yield from opened(request.param, tmp_path)


def split(name: str, minutes: float, change: str) -> Activity:
    """Return a split of SPY that changes the account's quantity."""
    return Activity(name, "SPLIT", at(minutes), Decimal(0), symbol="SPY", qty=Decimal(change))


def test_a_split_changes_quantity_but_not_cost(journal: AnyJournal) -> None:
    """Four for one; the round trip's prices are per share as sold."""
    send(journal, "a", "o1")
    journal.book(ACCOUNT, [fill("f1", "o1", 6, "10", "400"), split("s1", 60, "30")])
    assert holding(journal) == Holding("spy", "SPY", Decimal(40), Decimal(4000), at(6))
    journal.book(ACCOUNT, [sold("f2", "o1-target", 90, "40", "104")])
    (trip,) = journal.round_trips()
    assert (trip.qty, trip.entry_price, trip.exit_price, trip.pnl) == tuple(map(Decimal, (40, 100, 104, 160)))


def test_a_reverse_split_leaves_fractions(journal: AnyJournal) -> None:
    """One for four of ten shares is two and a half."""
    send(journal, "a", "o1")
    journal.book(ACCOUNT, [fill("f1", "o1", 6), split("s1", 60, "-7.5")])
    assert (holding(journal).qty, holding(journal).cost) == (Decimal("2.5"), Decimal(4000))


def test_a_split_is_shared_out_among_the_holders(journal: AnyJournal) -> None:
    """Two agents and a person hold the same stock: each gets its part, to the last fraction of a share."""
    send(journal, "a", "o1")
    send(journal, "b", "o2", agent="tsla")
    journal.book(ACCOUNT, [fill("f1", "o1", 6, "3"), fill("f2", "o2", 7, "2"), fill("f3", "by-hand", 8, "5")])
    journal.book(ACCOUNT, [split("s1", 60, "5")])
    assert (holding(journal).qty, holding(journal, "tsla").qty) == (Decimal("4.5"), Decimal(3))


def test_a_split_without_foreign_shares_leaves_no_rest(journal: AnyJournal) -> None:
    """A third does not divide: the parts add up to the exchange's number all the same."""
    send(journal, "a", "o1")
    send(journal, "b", "o2", agent="tsla")
    journal.book(ACCOUNT, [fill("f1", "o1", 6, "1"), fill("f2", "o2", 7, "2"), split("s1", 60, "1")])
    assert sum(h.qty for h in journal.holdings()) == Decimal(4)


def test_a_split_of_shares_from_before_the_opening_is_not_the_agents(journal: AnyJournal) -> None:
    """Entries in the opening balance tell what was held before: those shares take their part of a split."""
    journal.open_account("old", CASH, OPEN, [fill("f0", "long-ago", -600, "10", "300")])
    held = claim(journal)
    journal.plan(held, intent(held, "a", account="old"))
    journal.resolve("a", IntentState.SENT, order=order("o1", "a"))
    journal.book("old", [fill("f1", "o1", 6, "10"), split("s1", 60, "20")])
    assert journal.agent_state("spy", "old", "SPY", OPEN).holding.qty == 20


def test_a_split_that_takes_more_than_is_held_changes_no_holding(journal: AnyJournal) -> None:
    """The book contradicts itself: keep the entry, touch no agent, let reconciliation find it."""
    send(journal, "a", "o1")
    journal.book(ACCOUNT, [fill("f1", "o1", 6), split("s1", 60, "-10")])
    assert holding(journal).qty == 10


@pytest.mark.parametrize("pages", ["f0 f1 s1 s2", "f0 f1, s1, s2", "f0 f1, s2, s1", "s1, f1 f0, s2"])
@pytest.mark.parametrize(("gone", "came", "mine"), [("-15", "45", "30"), ("-15", "0.75", "0.5")])
def test_a_split_in_two_entries_is_one(journal: AnyJournal, pages: str, gone: str, came: str, mine: str) -> None:
    """Alpaca takes all old shares away, and brings the new ones minutes later: a person's five take their part."""
    send(journal, "a", "o1")
    entries = {
        "f0": fill("f0", "by-hand", 5, "5", "400"),
        "f1": fill("f1", "o1", 6, "10", "400"),
        "s1": split("s1", 60, gone),
        "s2": split("s2", 63, came),
    }
    for page in pages.split(","):
        journal.book(ACCOUNT, [entries[name] for name in page.split()])
    assert (holding(journal).qty, holding(journal).cost) == (Decimal(mine), Decimal(4000))
    assert journal.foreign(ACCOUNT) == {"SPY": Decimal(mine) / 2}


def test_between_the_two_entries_of_a_split_nothing_is_the_agents_or_lost(journal: AnyJournal) -> None:
    """The exchange shows no shares then: that is explained, and no holding is touched."""
    send(journal, "a", "o1")
    journal.book(ACCOUNT, [fill("f1", "o1", 6, "10", "400"), split("s1", 60, "-10")])
    assert holding(journal).qty == 10
    assert journal.foreign(ACCOUNT) == {"SPY": Decimal(-10)}


def test_a_split_that_comes_late_is_put_in_its_place(journal: AnyJournal) -> None:
    """The exchange books it by date, and it may be read after the day's first fills."""
    send(journal, "a", "o1")
    journal.book(ACCOUNT, [fill("f1", "o1", 6)])
    (odd,) = journal.book(ACCOUNT, [sold("f2", "o1-target", 90, "20", "205")])
    assert odd.agent is None
    journal.book(ACCOUNT, [split("s1", 60, "10")])
    assert [trip.pnl for trip in journal.round_trips()] == [Decimal(100)]
    assert holding(journal).realized == 100


@pytest.mark.parametrize("pages", [["f2", "s1"], ["s1", "f2"], ["f2 s1"]])
def test_a_split_comes_before_what_is_sold_at_its_instant(journal: AnyJournal, pages: list[str]) -> None:
    """A stop that it sets off sells new shares, whatever the ids say, and in whichever order they are read."""
    send(journal, "a", "o1")
    journal.book(ACCOUNT, [fill("f1", "o1", 6)])
    entries = {"f2": sold("f2", "o1-target", 60, "20", "205"), "s1": split("s1", 60, "10")}
    for page in pages:
        journal.book(ACCOUNT, [entries[name] for name in page.split()])
    assert [trip.pnl for trip in journal.round_trips()] == [Decimal(100)]
    assert not journal.holdings()
    assert not journal.foreign(ACCOUNT)


def test_a_split_comes_after_what_was_bought_at_its_instant(journal: AnyJournal) -> None:
    """Half of twenty are ten, of which ten were bought just then: taken from what was there before, nothing is left."""
    send(journal, "a", "o1")
    bought = [fill("z1", "o1", 6, "9"), fill("z2", "o1", 60, "11")]
    journal.book(ACCOUNT, [*bought, split("s1", 60, "-10")])
    assert holding(journal).qty == 10
    assert not journal.foreign(ACCOUNT)


@pytest.mark.parametrize("pages", [["f0", "f1"], ["f1", "f0"], ["f0 f1"]])
def test_what_is_bought_and_sold_at_one_instant_is_bought_first(journal: AnyJournal, pages: list[str]) -> None:
    """The price has reached the target before the entry is filled, and the sale's id sorts before the purchase's."""
    send(journal, "a", "o1")
    entries = {"f1": fill("f1", "o1", 6, "10", "400"), "f0": sold("f0", "o1-target", 6, "10", "401")}
    for page in pages:
        journal.book(ACCOUNT, [entries[name] for name in page.split()])
    assert [trip.pnl for trip in journal.round_trips()] == [Decimal(10)]
    assert not journal.holdings()
    assert not journal.foreign(ACCOUNT)
