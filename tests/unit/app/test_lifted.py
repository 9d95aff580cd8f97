"""A halt's flag that is gone without a release."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.app.desks import OPEN, Bench
from ztrade.app.lifted import Lifted
from ztrade.domain.ledger import HaltRecord


def looks(bench: Bench, times: int, lifted: Lifted | None = None) -> list[str]:
    """Look so often; return what people were told, by title."""
    lifted = lifted or Lifted()
    for _ in range(times):
        lifted.look(bench.journal, bench.halts, bench.market)
    return [message.title for message in bench.journal.messages()]


@pytest.mark.parametrize(("agent", "who"), [("spy", "spy"), ("ALL", "all agents")])
def test_a_flag_that_vanished_is_told_once(agent: str, who: str) -> None:
    """The folder was emptied: nothing stops the agent, and nobody ordered that."""
    bench = Bench()
    bench.journal.record_halt(HaltRecord(agent, "earnings", "ann", OPEN))
    assert looks(bench, 3) == [f"{who}: a halt that nobody released holds no more"]
    (message,) = bench.journal.messages()
    assert "by ann: earnings" in message.text


@pytest.mark.parametrize("flag", ["spy", "ALL"])
def test_a_halt_that_stands_is_nobodys_business(flag: str) -> None:
    """Its own flag, or everybody's."""
    bench = Bench()
    bench.journal.record_halt(HaltRecord("spy", "earnings", "ann", OPEN))
    bench.halts.halt(flag, "earnings")
    assert looks(bench, 3) == []


def test_a_breakers_flag_counts() -> None:
    """What made an agent reducing is kept in the same table."""
    bench = Bench()
    bench.journal.record_halt(HaltRecord("spy", "daily loss", "keeper", OPEN))
    bench.halts.reduce("spy", "daily loss")
    assert looks(bench, 3) == []


def test_a_release_between_two_looks_is_no_loss() -> None:
    """It takes the flag away before it writes."""
    bench, lifted, record = Bench(), Lifted(), HaltRecord("spy", "earnings", "ann", OPEN)
    bench.journal.record_halt(record)
    assert looks(bench, 1, lifted) == []
    bench.journal.record_halt(replace(record, released_at=OPEN))
    assert looks(bench, 2, lifted) == []
