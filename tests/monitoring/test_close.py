"""The market closes over a live stack: slots end, people get the day's summary, and no alert thinks of silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.monitoring.live import AGENTS, live
from tests.monitoring.prometheus import monitoring
from tests.waiting import wait_for
from ztrade.domain.ledger import CycleKind, Outcome

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("scenarios")]


def test_after_the_close_nobody_is_silent(tmp_path: Path) -> None:
    """Every slot up to the close is held, the books are taken over a minute later, nothing fires in that time."""
    with (
        live(start="2022-08-22T19:58:30Z", until="2022-08-22T20:10:00Z") as stack,
        monitoring(tmp_path, stack.target) as watch,
    ):

        def settled() -> bool:
            cycles = stack.journal.cycles(kind=CycleKind.SETTLE)
            return {one.agent for one in cycles if one.outcome is Outcome.SETTLED} == set(AGENTS)

        wait_for(settled, 240, "the settlement")
        wait_for(lambda: any("2022-08-22" in words for words in stack.told()), 90, "the day's summary")
        assert [value for _, value in watch.query("ztrade_agent_market_open")] == [0.0] * len(AGENTS)
        slots = stack.journal.cycles(kind=CycleKind.SLOT)
        assert max(one.slot for one in slots).strftime("%H:%M:%S") == "19:59:45"
        assert watch.query('count_over_time(ALERTS{alertstate="firing",severity!="none"}[10m])') == []
        assert watch.titles() == []
