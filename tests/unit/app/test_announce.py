"""What people are told of an agent: what it did, what it wants to do, what became of its slots."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from tests.unit.app.desks import AGENT, BUY, LEAVE, OPEN, Bench, failing
from ztrade.app.announce import BACK, Announcer
from ztrade.app.flatten import flatten
from ztrade.domain.ledger import CycleKind, Fill, IntentState, Outcome, ProposalState, Wish
from ztrade.domain.messages import Message, Severity
from ztrade.domain.types import OrderStatus
from ztrade.errors import AccessDenied, JournalUnavailable, Rejected


def told(bench: Bench, key: str = "") -> list[Message]:
    return [message for message in bench.journal.messages() if message.key.startswith(key)]


def announce(bench: Bench, minutes: float, announcer: Announcer | None = None) -> None:
    bench.at(minutes)
    (announcer or Announcer()).announce(bench.desk)


def test_a_trade_is_told_when_it_begins_and_when_it_ends() -> None:
    """What, how many, at which price, what it made; once, though two keepers look again and again."""
    bench = Bench()
    assert bench.cycle(30, BUY).outcome is Outcome.ENTERED
    bench.cycle(35)
    announcer = Announcer()
    announce(bench, 36, announcer)
    (entry,) = told(bench, "fill:")
    (fill,) = bench.journal.fills(agent="spy")
    assert entry.title == f"spy: bought {fill.qty.normalize():f} SPY at {fill.price:.2f} (dry run)"
    assert (entry.severity, entry.agent) == (Severity.INFO, "spy")
    assert "ztrade positions --agent spy" in entry.text
    assert bench.cycle(40, LEAVE).outcome is Outcome.EXITED
    bench.cycle(45)
    for one in (announcer, announcer, Announcer()):
        announce(bench, 46, one)
    (trip,) = bench.journal.round_trips(agent="spy")
    assert told(bench, "fill:")[1].title.endswith(f"at {trip.exit_price:.2f}: {trip.pnl:+.2f} dollars (dry run)")
    assert len(told(bench)) == 2


def test_a_sale_that_is_refused_at_each_try_of_a_flattening_is_one_message_an_hour() -> None:
    """It is tried every few seconds: what else is left is told by the flattening itself."""
    bench = Bench()
    bench.cycle(30, BUY)
    bench.cycle(35)
    bench.exchange.before["submit"] = failing(Rejected("this asset is not fractionable"))
    wish = Wish("20220822T143500Z", flatten=True)
    for minutes in (36, 36.1, 36.2, 100):
        bench.at(minutes)
        assert "not fractionable" in flatten(bench.desk, wish, OPEN).why
        announce(bench, minutes)
    assert [record.outcome for record in bench.journal.cycles(kind=CycleKind.EXTRA)] == [Outcome.REJECTED] * 4
    assert len(told(bench, "outcome:")) == 2


def test_slots_that_fail_one_after_another_are_told_once() -> None:
    """Keys that were revoked: nothing is missed, nothing is unknown, and nothing is done all day."""
    bench = Bench()
    for minutes in (30, 35, 40, 45, 50, 55, 60, 65, 70):
        bench.exchange.before["account"] = failing(AccessDenied("the keys were revoked"))
        if minutes in {30, 45}:
            del bench.exchange.before["account"]
        bench.cycle(minutes)
        announce(bench, minutes + 1)
    (message,) = told(bench)
    assert (message.severity, message.title) == (Severity.CRITICAL, "spy: 3 slots in a row failed (dry run)")
    assert "the keys were revoked" in message.text
    assert "ztrade doctor" in message.text


class InParts:
    """A journal whose one fill came in parts, so many seconds ago."""

    def __init__(self, bench: Bench, *seconds: float) -> None:
        self._journal, (self._fill,), self._now = bench.journal, bench.journal.fills(agent="spy"), bench.market.now()
        self.seconds = seconds

    def fills(self, *, since: datetime, **_which: object) -> list[Fill]:
        times = [self._now - timedelta(seconds=ago) for ago in self.seconds]
        part = replace(self._fill, qty=Decimal(2))
        parts = [replace(part, id=f"f{n}", price=Decimal(400 + n), at=at) for n, at in enumerate(times)]
        return [one for one in parts if one.at >= since]

    def __getattr__(self, name: str) -> object:
        return getattr(self._journal, name)


def test_fills_of_one_order_are_one_message() -> None:
    """An order of 100 shares may be filled in 100 parts: it is told with the average when they have come to rest."""
    bench = Bench()
    bench.cycle(30, BUY)
    bench.cycle(35)
    announcer = Announcer()
    for seconds, count in (((30, 20, 9), 0), ((31, 21, 10), 1), ((40, 30, 19), 1), ((60, 50, 39, 12), 2)):
        announcer.announce(replace(bench.desk, journal=InParts(bench, *seconds)))  # type: ignore[arg-type]
        assert len(told(bench, "fill:")) == count
    assert [message.title for message in told(bench)] == [
        "spy: bought 6 SPY at 401.00 (dry run)",
        "spy: bought 8 SPY at 401.50 (dry run)",
    ]


def test_an_order_whose_first_part_is_long_ago_is_not_told_again() -> None:
    """What is looked at moves on: the rest of an order must not look like a smaller one."""
    bench = Bench()
    bench.cycle(30, BUY)
    bench.cycle(35)
    back = BACK.total_seconds()
    for seconds in ((3600, 3594), (back + 3, back - 3), (back + 90, back + 84)):
        announcer = Announcer()  # one that was just started has told nothing
        announcer.announce(replace(bench.desk, journal=InParts(bench, *seconds)))  # type: ignore[arg-type]
    assert [message.title for message in told(bench)] == ["spy: bought 4 SPY at 400.50 (dry run)"]


def test_real_money_is_not_called_a_dry_run() -> None:
    """Else nobody knows what to get up for."""
    bench = Bench()
    bench.cycle(30, BUY)
    bench.cycle(35)
    bench.with_agent(dry_run=False)
    announce(bench, 36)
    (entry,) = told(bench, "fill:")
    assert "dry run" not in entry.title


def test_a_proposal_comes_with_the_command_that_approves_it() -> None:
    """On a phone: what, near which price, until when, and what to type."""
    bench = Bench(replace(AGENT, manual=True))
    assert bench.cycle(30, BUY).outcome is Outcome.PROPOSED
    announcer = Announcer()
    for _ in range(3):
        announcer.ask(bench.desk)
    (message,) = told(bench)
    (proposal,) = bench.journal.proposals(state=ProposalState.PENDING)
    request = proposal.request
    assert message.title.startswith(f"spy: may it buy {request.qty.normalize():f} SPY near {proposal.price:.2f}?")
    lines = message.text.splitlines()
    assert f"stop {request.stop_loss:.2f}, target {request.take_profit:.2f}" in lines[0]
    assert lines[1] == f"Before {proposal.expires_at:%H:%M:%S} UTC: ztrade approve {proposal.id}"
    assert lines[2] == f"Or: ztrade reject {proposal.id}"
    assert message.severity is Severity.WARNING


def test_a_proposal_of_another_account_is_not_this_ones() -> None:
    """Its agent was switched since."""
    bench = Bench(replace(AGENT, manual=True))
    bench.cycle(30, BUY)
    Announcer().ask(replace(bench.desk, account="live"))
    assert told(bench) == []


def test_a_proposal_that_nobody_answered_is_told_once_with_what_was_not_sent() -> None:
    """One that a person answered is not: they know."""
    bench = Bench(replace(AGENT, manual=True))
    bench.cycle(30, BUY)
    (proposal,) = bench.journal.proposals()
    announce(bench, 34.5)
    assert told(bench, "expired:") == []
    bench.cycle(35)
    for _ in range(2):
        announce(bench, 36)
    (message,) = told(bench, "expired:")
    qty = proposal.request.qty.normalize()
    assert message.title == f"spy: nobody answered: buy {qty:f} SPY was not sent (dry run)"
    assert f"It waited until {proposal.expires_at:%H:%M:%S} UTC" in message.text
    bench.cycle(40, BUY)
    answered = bench.journal.proposals(state=ProposalState.PENDING)[0]
    bench.journal.decide_proposal(answered.id, ProposalState.REJECTED, by="ada", now=bench.market.now())
    announce(bench, 50)
    assert len(told(bench, "expired:")) == 1


def test_an_order_that_was_taken_and_then_rejected_is_told_once() -> None:
    """Its cycle says that it entered."""
    bench = Bench()
    assert bench.cycle(30, BUY).outcome is Outcome.ENTERED
    (intent,) = bench.journal.intents(unfinished=True)
    assert intent.order is not None
    late = replace(intent.order, status=OrderStatus.REJECTED, id="x-late", client_order_id="late", legs=())
    claim = bench.journal.claim(
        "spy", OPEN, CycleKind.EXTRA, owner="t", now=OPEN, wall=OPEN, lease=timedelta(minutes=1)
    )
    assert claim is not None
    request = replace(intent.request, client_order_id="late")
    bench.journal.plan(claim, replace(intent, request=request, cycle_id=claim.cycle_id, order=None))
    bench.journal.resolve("late", IntentState.REJECTED, order=late)
    for _ in range(2):
        announce(bench, 36)
    (message,) = told(bench, "rejected:")
    assert message.title.startswith("spy: the exchange rejected its order: buy ")
    assert message.severity is Severity.WARNING
    assert "late" in message.text


@pytest.mark.parametrize(
    ("outcome", "severity", "command"),
    [
        (Outcome.MISSED, Severity.WARNING, "ztrade doctor"),
        (Outcome.INTERRUPTED, Severity.WARNING, "ztrade cycles --agent spy"),
        (Outcome.UNKNOWN, Severity.CRITICAL, "ztrade orders --agent spy"),
        (Outcome.REJECTED, Severity.WARNING, "ztrade cycles --agent spy"),
    ],
)
def test_a_bad_outcome_says_why_and_where_to_look(outcome: Outcome, severity: Severity, command: str) -> None:
    """The reason is the cycle's own."""
    bench = Bench()
    bench.at(36)
    bench.journal.close_slot("spy", OPEN + timedelta(minutes=30), outcome, "Redis was down", bench.market.now())
    announce(bench, 36)
    (message,) = told(bench)
    assert message.severity is severity
    assert message.title == f"spy: {outcome} at 2022-08-22 14:00 UTC (dry run)"
    assert message.text.endswith(f"Redis was down\nLook: {command}")


def test_slots_of_one_minute_are_told_apart() -> None:
    """An agent every 15 seconds: two messages that read the same would look like one told twice."""
    bench = Bench()
    bench.at(36)
    for seconds in (0, 15):
        slot = OPEN + timedelta(minutes=30, seconds=seconds)
        bench.journal.close_slot("spy", slot, Outcome.MISSED, "Redis was down", bench.market.now())
    announce(bench, 36)
    assert [message.title for message in told(bench)] == [
        "spy: missed at 2022-08-22 14:00 UTC (dry run)",
        "spy: missed at 2022-08-22 14:00:15 UTC (dry run)",
    ]


def test_what_was_not_kept_is_told_again() -> None:
    """A journal that cannot be written for a moment loses no message."""
    bench = Bench()
    bench.journal.close_slot("spy", OPEN + timedelta(minutes=30), Outcome.MISSED, "x", bench.market.now())
    announcer = Announcer()
    locked = Locked(bench)
    bench.at(36)
    with pytest.raises(JournalUnavailable):
        announcer.announce(replace(bench.desk, journal=locked))  # type: ignore[arg-type]
    announcer.announce(bench.desk)
    assert len(told(bench)) == 1


class Locked:
    """A journal that can be read, and not be written."""

    def __init__(self, bench: Bench) -> None:
        self._journal = bench.journal

    def post(self, _message: Message) -> bool:
        raise JournalUnavailable("database is locked")

    def __getattr__(self, name: str) -> object:
        return getattr(self._journal, name)
