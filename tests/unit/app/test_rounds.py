"""How long a cycle waits: round trips to the exchange that must follow one another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from tests.unit.app.desks import BUY, HOLD, Bench
from ztrade.domain.decision import Signal
from ztrade.domain.ledger import Outcome
from ztrade.testing.gather import InlineGather


class Rounds:
    """Counts what is waited for one after another: what is gathered is one round, however much it is."""

    def __init__(self, bench: Bench) -> None:
        self._bench, self.count, self._gathered = bench, 0, 0
        bench.desk = replace(bench.desk, gather=self.gather, clock=self)

    def gather(self, calls: Mapping[str, Callable[[], object]]) -> Mapping[str, object | BaseException]:
        before = len(self._bench.exchange.calls)
        answers = InlineGather()(calls)
        self._gathered += len(self._bench.exchange.calls) - before
        self.count += 1
        return answers

    def now(self) -> datetime:
        self.count += 1
        return self._bench.market.now()

    def wall(self) -> datetime:
        return self._bench.market.wall()

    def of(self, minutes: float, say: Signal, outcome: Outcome) -> int:
        """Return how many rounds the slot's cycle takes."""
        self.count = self._gathered = 0
        before = len(self._bench.exchange.calls)
        assert self._bench.cycle(minutes, say).outcome is outcome
        return self.count + len(self._bench.exchange.calls) - before - self._gathered


def test_a_hold_or_an_entry_waits_for_three_answers_at_most() -> None:
    """Slots of all agents begin at once: each round trip in a row is lateness. The first cycle opens the account."""
    bench = Bench()
    rounds = Rounds(bench)
    bench.cycle(25)
    assert rounds.of(30, HOLD, Outcome.HELD) <= 3
    assert rounds.of(35, BUY, Outcome.ENTERED) <= 3
    assert rounds.of(40, HOLD, Outcome.HELD) <= 3
