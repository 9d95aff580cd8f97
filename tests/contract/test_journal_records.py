"""What every journal promises about sentiment, proposals and halts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from tests.contract.journals import ACCOUNT, KINDS, LEASE, OPEN, AnyJournal, at, claim, make, record, request
from ztrade.domain.decision import Sentiment, SourceReading
from ztrade.domain.ledger import Claim, CycleKind, HaltRecord, Observed, Proposal, ProposalState
from ztrade.domain.types import Leg, OrderClass
from ztrade.errors import ClaimLost, NotFound, Rejected

P = ProposalState


@pytest.fixture(params=KINDS)
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyJournal]:
    """Give each journal in turn, empty."""
    yield from make(request.param, tmp_path)


def proposal(held: Claim, name: str = "p1", minutes: float = 5) -> Proposal:
    """Return a proposal that expires five minutes after it was made."""
    return Proposal(
        id=name,
        agent=held.agent,
        cycle_id=held.cycle_id,
        leg=Leg.ENTRY,
        request=request("zt.spy.1.entry", order_class=OrderClass.BRACKET, stop_loss=Decimal("392.50")),
        rationale="score 0.44 over 0.30",
        confidence=0.8125,
        created_at=at(minutes),
        expires_at=at(minutes + 5),
        price=Decimal("400.10"),
        account="paper",
    )


def proposed(journal: AnyJournal) -> Proposal:
    """Write one proposal."""
    held = claim(journal)
    journal.propose(held, proposal(held))
    return proposal(held)


def taken_over(journal: AnyJournal) -> Claim:
    """Return a claim that somebody else has taken over."""
    held = claim(journal)
    assert journal.claim("spy", at(5), CycleKind.SLOT, owner="w2", now=at(15), wall=at(15), lease=LEASE)
    return held


# -- sentiment ---------------------------------------------------------------------------------------------------------
READING = SourceReading("news", 0.25, 0.5, ({"headline": "Up – «again»", "score": 0.25, "n": 3},))
FOUND = Sentiment(
    0.2, 0.6, 1.0, (READING, SourceReading("filings", -0.1, 0.9)), {"news": 0.7, "filings": 0.3}, {"x": "down"}
)


def test_sentiment_comes_back_with_its_breakdown(journal: AnyJournal) -> None:
    """Per source, in order, with the items it was made from, the weights, and what was missing."""
    held = claim(journal)
    journal.finish(held, record(held), Observed(at(5), "SPY", sentiment=FOUND))
    assert [tuple(row) for row in journal.sentiments()] == [(held.cycle_id, "spy", "SPY", at(5), FOUND)]


def test_what_was_seen_is_written_with_the_outcome_or_not_at_all(journal: AnyJournal) -> None:
    """A second finish is refused as a whole: neither its sentiment nor its equity stays."""
    held = claim(journal)
    journal.finish(held, record(held), Observed(at(5), "SPY", {"account:paper": Decimal(1)}, FOUND))
    again = Observed(at(6), "SPY", {"account:paper": Decimal(2)}, replace(FOUND, score=-0.5))
    with pytest.raises(ClaimLost):
        journal.finish(held, record(held), again)
    assert [row.sentiment for row in journal.sentiments()] == [FOUND]
    assert journal.equity("account:paper") == [(at(5), Decimal(1))]


def test_sentiment_is_filtered_and_oldest_first(journal: AnyJournal) -> None:
    """By agent, and from an instant on."""
    for minutes, agent in ((15, "spy"), (5, "spy"), (10, "tsla")):
        held = claim(journal, minutes, agent=agent)
        journal.finish(held, record(held), Observed(at(minutes), agent.upper(), sentiment=FOUND))
    assert [row.at for row in journal.sentiments()] == [at(5), at(10), at(15)]
    assert [row.at for row in journal.sentiments(agent="spy", since=at(6))] == [at(15)]
    assert all(row.sentiment == FOUND for row in journal.sentiments())


@pytest.mark.parametrize(
    "broken",
    [
        replace(FOUND, score=float("nan")),
        replace(FOUND, agreement=float("nan")),
        replace(FOUND, readings=(replace(READING, score=float("inf")),)),
    ],
)
def test_sentiment_must_be_numbers(broken: Sentiment) -> None:
    """NaN from a source is refused where it is handed over: later it would cost the cycle its outcome."""
    with pytest.raises(ValueError, match="SPY: a number of"):
        Observed(at(5), "SPY", sentiment=broken)


def test_sentiment_needs_the_newest_claim(journal: AnyJournal) -> None:
    """As every write of a cycle."""
    taken = taken_over(journal)
    with pytest.raises(ClaimLost):
        journal.finish(taken, record(taken), Observed(at(5), "SPY", sentiment=FOUND))
    assert list(journal.sentiments()) == []


# -- proposals ---------------------------------------------------------------------------------------------------------
def test_a_proposal_comes_back(journal: AnyJournal) -> None:
    """Every field, and the agent has one pending."""
    wanted = proposed(journal)
    assert list(journal.proposals()) == [wanted]
    assert list(journal.proposals(state=P.PENDING)) == [wanted]
    assert list(journal.proposals(state=P.EXPIRED)) == []
    assert list(journal.proposals(since=wanted.created_at)) == [wanted]
    assert list(journal.proposals(state=P.PENDING, since=wanted.expires_at)) == []
    assert journal.agent_state("spy", ACCOUNT, "SPY", OPEN).pending_proposal
    assert not journal.agent_state("tsla", ACCOUNT, "SPY", OPEN).pending_proposal
    assert not journal.agent_state("spy", "embedded", "SPY", OPEN).pending_proposal


def test_proposing_again_keeps_the_first(journal: AnyJournal) -> None:
    """A person may be looking at it, or have decided it."""
    wanted = proposed(journal)
    journal.decide_proposal("p1", P.REJECTED, by="ada", now=at(6))
    held = claim(journal, 10)
    journal.propose(held, proposal(held, minutes=10))
    assert list(journal.proposals()) == [replace(wanted, state=P.REJECTED)]


def test_proposing_needs_the_newest_claim(journal: AnyJournal) -> None:
    """As every write of a cycle, a finished one included."""
    lost = taken_over(journal)
    with pytest.raises(ClaimLost):
        journal.propose(lost, proposal(lost))
    done = claim(journal, 10)
    journal.finish(done, record(done))
    with pytest.raises(ClaimLost):
        journal.propose(done, proposal(done))
    assert list(journal.proposals()) == []


@pytest.mark.parametrize("state", [P.APPROVED, P.REJECTED, P.EXPIRED])
def test_a_proposal_is_decided_once(journal: AnyJournal, state: P) -> None:
    """Whoever comes second is told what the first decided."""
    wanted = proposed(journal)
    assert journal.decide_proposal("p1", state, by="ada", now=at(6)) == replace(wanted, state=state)
    for late in (P.APPROVED, P.REJECTED, P.EXPIRED):
        with pytest.raises(Rejected, match=f"p1 is {state} already"):
            journal.decide_proposal("p1", late, by="bob", now=at(7))
    assert [found.state for found in journal.proposals()] == [state]
    assert not journal.agent_state("spy", ACCOUNT, "SPY", OPEN).pending_proposal


@pytest.mark.parametrize("late", [P.APPROVED, P.REJECTED])
def test_a_proposal_cannot_be_decided_after_its_time(journal: AnyJournal, late: P) -> None:
    """From the instant of its expiry on it can only expire."""
    proposed(journal)
    with pytest.raises(Rejected, match="p1 expired at 2022-08-22 13:40:00 UTC"):
        journal.decide_proposal("p1", late, by="ada", now=at(10))
    assert journal.decide_proposal("p1", P.EXPIRED, by="keeper", now=at(10)).state is P.EXPIRED


def test_a_proposal_that_is_not_there(journal: AnyJournal) -> None:
    """It cannot be decided."""
    with pytest.raises(NotFound, match="no proposal 'p9'"):
        journal.decide_proposal("p9", P.APPROVED, by="ada", now=at(6))


def test_pending_is_no_decision(journal: AnyJournal) -> None:
    """A proposal cannot be put back."""
    proposed(journal)
    with pytest.raises(ValueError, match="not a decision"):
        journal.decide_proposal("p1", P.PENDING, by="ada", now=at(6))


def test_a_proposals_confidence_is_a_number(journal: AnyJournal) -> None:
    """NaN is refused, and nothing is written."""
    held = claim(journal)
    with pytest.raises(ValueError, match="is no ratio"):
        journal.propose(held, replace(proposal(held), confidence=float("nan")))
    assert list(journal.proposals()) == []


# -- halts -------------------------------------------------------------------------------------------------------------
def test_a_halt_holds_until_it_is_released(journal: AnyJournal) -> None:
    """The same record with the instant of its release ends it; it stays in the history."""
    halt = HaltRecord("spy", "daily loss 512 of 500", "breaker", at(5))
    journal.record_halt(halt)
    journal.record_halt(halt)
    assert list(journal.halts()) == [halt]
    released = replace(halt, released_at=at(60))
    journal.record_halt(released)
    assert list(journal.halts()) == []
    assert list(journal.halts(active_only=False)) == [released]


def test_a_release_is_for_good_and_for_one_halt(journal: AnyJournal) -> None:
    """Another halt of the same agent and instant goes on; a late repeat of the released one changes nothing."""
    loss, drawdown = (HaltRecord("spy", reason, "breaker", at(5)) for reason in ("loss", "drawdown"))
    for halt in (loss, drawdown, replace(loss, released_at=at(6)), loss, replace(loss, released_at=at(9))):
        journal.record_halt(halt)
    assert list(journal.halts()) == [drawdown]
    assert list(journal.halts(active_only=False)) == [replace(loss, released_at=at(6)), drawdown]


def test_halts_are_oldest_first(journal: AnyJournal) -> None:
    """For all agents together."""
    for minutes, agent in ((9, "spy"), (5, "ALL"), (7, "tsla")):
        journal.record_halt(HaltRecord(agent, "because", "ada", at(minutes)))
    assert [halt.agent for halt in journal.halts()] == ["ALL", "tsla", "spy"]
