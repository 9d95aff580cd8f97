"""What a keeper tells: the day, restarts, a halt that is gone; and that it lives."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.unit.app.desks import AGENT, BUY, HOLD, OPEN, Bench
from tests.unit.service.keeper_stand import Seconds, keeper, titles
from ztrade.app.proposals import approve
from ztrade.app.settle import settle
from ztrade.domain.ledger import HaltRecord, Outcome, Wish
from ztrade.domain.messages import Message, Severity
from ztrade.errors import JournalUnavailable
from ztrade.service.ended import Ended
from ztrade.testing.journal import MemoryJournal

D = Decimal


def test_the_day_is_told_once_after_everybody_settled() -> None:
    """What each agent made, traded, holds, and missed."""
    bench = Bench()
    one = keeper(bench)
    assert bench.cycle(30, BUY).outcome is Outcome.ENTERED
    bench.cycle(35, HOLD)
    bench.at(392)
    one.summarize()
    assert titles(bench) == []
    settle(bench.desk, OPEN + timedelta(minutes=390))
    for _ in range(2):
        one.summarize()
    (message,) = bench.journal.messages()
    assert message.severity is Severity.INFO
    assert message.title.startswith("embedded, 2022-08-22: ")
    assert "spy: " in message.text
    assert "1 buys, 0 sells" in message.text


def test_the_day_counts_what_a_person_approved_and_what_a_halt_sold() -> None:
    """No cycle tells of either: the summary counts orders that were filled."""
    bench = Bench(replace(AGENT, manual=True))
    bench.cycle(30, BUY)
    (proposal,) = bench.journal.proposals()
    approve(bench.desk, proposal.id, by="ann")
    bench.at(32)
    bench.cycle(35, HOLD)
    bench.halts.halt("spy", "stop", Wish("20220822T140600Z", flatten=True))
    seconds = Seconds()
    one = keeper(bench, seconds=seconds)
    for minutes in (36, 38):
        seconds.now += 10
        one.obey_halts()
        bench.at(minutes)
    assert bench.market.positions() == []
    one.reconcile()
    settle(bench.desk, OPEN + timedelta(minutes=390))
    bench.at(392)
    keeper(bench).summarize()
    (text,) = [message.text for message in bench.journal.messages() if message.key.startswith("summary:")]
    assert "1 buys, 1 sells, flat" in text


def test_a_day_that_nobody_settles_is_told_an_hour_after_the_close() -> None:
    """On the day on which a worker dies people need it most; it says whose figures may change."""
    bench = Bench()
    tsla = replace(bench.desk, agent=replace(AGENT, name="tsla"))
    one = keeper(bench, tsla)
    bench.cycle(30, BUY)
    settle(bench.desk, OPEN + timedelta(minutes=390))
    bench.at(449)
    one.summarize()
    assert titles(bench) == []
    bench.at(450)
    one.summarize()
    (message,) = bench.journal.messages()
    assert message.text.splitlines()[-1] == "not settled, so figures may change: tsla"


@pytest.mark.parametrize(("minutes", "told"), [(24 * 60 - 1, 1), (24 * 60, 0)], ids=["before the open", "at the open"])
def test_a_keeper_that_was_down_tells_the_day_before_the_next_opens(minutes: float, told: int) -> None:
    """Then its figures are mixed with the next day's."""
    bench = Bench()
    bench.cycle(30, BUY)
    settle(bench.desk, OPEN + timedelta(minutes=390))
    bench.at(minutes)
    keeper(bench).summarize()
    assert len(titles(bench)) == told


def test_a_day_before_anybody_traded_is_not_told() -> None:
    """The machine was set up in the evening."""
    bench = Bench()
    bench.at(600)
    keeper(bench).summarize()
    assert titles(bench) == []


# -- its own life ------------------------------------------------------------------------------------------------------
def test_restarts_are_told_and_a_storm_of_them_in_few_words() -> None:
    """The first of an hour, then when it goes on: a loop of restarts must not bury everything else."""
    bench = Bench()
    storm = [Ended("ztrade-worker@spy.service", "watchdog", "killed", "ABRT")] * 12
    once = [Ended("ztrade-beat.service", "signal", "killed", "KILL")]
    notes = [storm, once, []]
    one = keeper(bench, ended=lambda: notes.pop(0))
    for _ in range(3):
        one.tell_restarts()
    assert titles(bench) == [
        "ztrade-worker@spy.service ended: watchdog",
        "ztrade-worker@spy.service ended: watchdog, 3 times within the hour",
        "ztrade-worker@spy.service ended: watchdog, 10 times within the hour",
        "ztrade-beat.service ended: signal",
    ]
    assert "watchdog (killed ABRT)" in bench.journal.messages()[0].text


class Full(MemoryJournal):
    """A journal on a disk that is full for a while."""

    full = True

    def post(self, message: Message) -> bool:
        if self.full:
            raise JournalUnavailable("database or disk is full")
        return super().post(message)


def test_a_restart_that_cannot_be_written_down_is_told_afterwards() -> None:
    """Its note is taken from where it lay: a full disk ends programs, and is when nothing can be written."""
    journal = Full()
    bench = Bench(journal=journal)
    notes = [[Ended("ztrade-worker@spy.service", "signal")], [Ended("ztrade-beat.service", "signal")], []]
    one = keeper(bench, ended=lambda: notes.pop(0))
    for _ in range(2):
        with pytest.raises(JournalUnavailable):
            one.tell_restarts()
    assert titles(bench) == []
    journal.full = False
    one.tell_restarts()
    assert titles(bench) == ["ztrade-worker@spy.service ended: signal", "ztrade-beat.service ended: signal"]


def test_a_long_round_shows_signs_of_life() -> None:
    """After every agent's turn, and with what a duty waits for: the watchdog judges by them."""
    bench = Bench()
    signs: list[str] = []
    one = keeper(bench, alive=signs.append)
    one.step()
    assert len(signs) > len(one.duties)
    assert set(signs) == {"keeps"}
    one.duties[3].trouble = "the exchange does not answer"
    one.recover()
    assert signs[-1] == "waits: the exchange does not answer"


def test_a_halt_whose_flag_is_gone_is_told() -> None:
    """Seen in two looks, a minute apart."""
    bench, seconds = Bench(), Seconds()
    bench.journal.record_halt(HaltRecord("spy", "earnings", "ann", OPEN))
    keeping = keeper(bench, seconds=seconds)
    for _ in range(2):
        keeping.step()
        seconds.now += 61
    assert [one.title for one in bench.journal.messages() if one.key.startswith("lifted:")] == [
        "spy: a halt that nobody released holds no more"
    ]
