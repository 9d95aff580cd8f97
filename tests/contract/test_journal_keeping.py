"""What every journal promises to the keeper: messages, foreign shares, a peak that begins anew, who ran a cycle."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from tests.contract.journals import ACCOUNT, KINDS, LEASE, OPEN, AnyJournal, at, claim, fill, make, see_equity, send
from ztrade.domain.ledger import CycleKind
from ztrade.domain.messages import Message, Severity
from ztrade.domain.types import Activity, Side

D = Decimal
FIRST = Message("missed:spy:1", Severity.WARNING, "spy missed a slot", "missed: beat was down", at(1), "spy")
SECOND = Message("summary:1", Severity.INFO, "Summary", "“all” fine", at(2))


@pytest.fixture(params=KINDS)
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyJournal]:
    """Give each journal in turn, empty."""
    yield from make(request.param, tmp_path)


# -- messages ----------------------------------------------------------------------------------------------------------
def test_messages_come_back_in_the_order_in_which_they_were_written(journal: AnyJournal) -> None:
    """Oldest first, as they were."""
    assert journal.post(SECOND)
    assert journal.post(FIRST)
    assert list(journal.messages()) == [SECOND, FIRST]
    assert list(journal.messages(limit=1)) == [SECOND]


def test_an_event_is_told_once(journal: AnyJournal) -> None:
    """Two keepers find the same thing: the first message stands, also after it was sent."""
    assert journal.post(FIRST)
    assert not journal.post(replace(FIRST, text="found again"))
    journal.outbox.route({FIRST.key: []}, at(3))
    assert not journal.post(FIRST)
    assert list(journal.messages()) == [FIRST]


def test_a_message_for_nobody_waits_no_more(journal: AnyJournal) -> None:
    """It stays in the journal; a key that is not there changes nothing."""
    for message in (FIRST, SECOND):
        journal.post(message)
    journal.outbox.route({FIRST.key: [], "unknown": ["ops"]}, at(3))
    assert list(journal.messages(unsent=True)) == [SECOND]
    assert len(journal.messages()) == 2


# -- foreign shares ----------------------------------------------------------------------------------------------------
def test_shares_bought_by_hand_are_foreign(journal: AnyJournal) -> None:
    """A fill of an order that no agent sent; when they are sold again, nothing is left to tell."""
    journal.open_account(ACCOUNT, D(100_000), OPEN, [])
    assert journal.foreign(ACCOUNT) == {}
    journal.book(ACCOUNT, [fill("f1", "by-hand", 6, qty="5")])
    assert journal.foreign(ACCOUNT) == {"SPY": D(5)}
    assert journal.foreign("another") == {}
    journal.book(ACCOUNT, [fill("f2", "by-hand-2", 7, qty="5", side=Side.SELL)])
    assert journal.foreign(ACCOUNT) == {}


def test_shares_of_an_agent_are_not_foreign(journal: AnyJournal) -> None:
    """Its order brought them."""
    journal.open_account(ACCOUNT, D(100_000), OPEN, [])
    send(journal, "zt.spy.1.entry", "o1")
    journal.book(ACCOUNT, [fill("f1", "o1", 6)])
    assert journal.foreign(ACCOUNT) == {}


def test_shares_that_were_there_before_are_foreign(journal: AnyJournal) -> None:
    """The account was opened in the journal with a position in it."""
    seen = Activity("f0", "FILL", at(-60), D(-4000), "SPY", "old", Side.BUY, D(10), D(400))
    journal.open_account(ACCOUNT, D(96_000), OPEN, [seen])
    assert journal.foreign(ACCOUNT) == {"SPY": D(10)}


# -- the peak of an equity curve ---------------------------------------------------------------------------------------
def test_a_peak_begins_anew_at_the_newest_point(journal: AnyJournal) -> None:
    """A person looked at the fall: what is measured from now on starts where the curve is."""
    for minutes, value in ((5, 10_000), (10, 12_000), (15, 9_000)):
        see_equity(journal, f"account:{ACCOUNT}", minutes, value)
    journal.rebase(f"account:{ACCOUNT}")
    assert journal.account_state(ACCOUNT, OPEN).peak_equity == D(9_000)
    see_equity(journal, f"account:{ACCOUNT}", 20, 9_500)
    assert journal.account_state(ACCOUNT, OPEN).peak_equity == D(9_500)


def test_a_curve_without_points_has_no_peak(journal: AnyJournal) -> None:
    """Releasing an agent that never ran changes nothing."""
    journal.rebase(f"account:{ACCOUNT}")
    assert journal.account_state(ACCOUNT, OPEN).peak_equity is None


# -- who ran a cycle ---------------------------------------------------------------------------------------------------
def test_the_runner_is_the_newest_claims_owner(journal: AnyJournal) -> None:
    """After a take-over it is the successor; an unknown cycle has none."""
    held = claim(journal, owner="first")
    assert journal.runner(held.cycle_id) == "first"
    journal.claim("spy", at(5), CycleKind.SLOT, owner="second", now=at(15), wall=at(15), lease=LEASE)
    assert journal.runner(held.cycle_id) == "second"
    assert journal.runner("nothing") is None


# -- when a person released an agent -----------------------------------------------------------------------------------
def test_a_release_stands_at_the_agents_newest_cycle(journal: AnyJournal) -> None:
    """Exchange time, which a person's clock does not know; the newest release counts."""
    assert journal.released_at("spy") is None
    claim(journal, 5)
    claim(journal, 5, agent="tsla")
    journal.release("spy")
    assert journal.released_at("spy") == at(5)
    claim(journal, 10)
    journal.release("spy")
    assert (journal.released_at("spy"), journal.released_at("tsla")) == (at(10), None)


def test_releasing_an_agent_that_never_ran_changes_nothing(journal: AnyJournal) -> None:
    """There is nothing to measure anew."""
    journal.release("spy")
    assert journal.released_at("spy") is None
