"""Beat as a process: stepped days, running clocks, outages, two of them."""

from __future__ import annotations

import signal
import time
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest

from tests.integration.celery_stage import minutes, stage
from tests.waiting import wait_for

#: whole stacks share one of the test processes: two at once would measure each other
pytestmark = pytest.mark.xdist_group("stack")

DAY = [f"{13 + (35 + 5 * k) // 60:02}:{(35 + 5 * k) % 60:02}" for k in range(77)]


def test_a_stepped_day_through_real_processes(tmp_path: Path) -> None:
    """Every slot of a day gets one cycle, in order; from one cycle to the next it takes under 100 ms."""
    with stage(tmp_path, agents={"spy": "5m", "aapl": "1h"}) as two:
        two.clock.write(minutes(0), minutes(24 * 60), None)
        two.worker("spy")
        two.worker("aapl")
        beat = two.start("beat")
        wait_for(lambda: two.clock.status().finished, 60, "the day's end")
        assert [slot for agent, slot in two.ran() if agent == "spy"] == DAY
        assert len(two.ran()) == 77 + 6
        assert set(two.reasons().values()) == {"held: held: dry_run=True manual=False", "settled: settled"}
        starts = [wall for _, wall in two.journal.started_at()]
        assert median(later - earlier for earlier, later in pairwise(starts)) < 0.1
        beat.send_signal(signal.SIGTERM)
        assert beat.wait(90) == 0


@pytest.mark.slow
def test_two_beats_give_each_slot_one_cycle(tmp_path: Path) -> None:
    """Both send for two hours at 200 times the speed; each slot has one outcome, and none runs twice."""
    with stage(tmp_path) as one:
        one.worker()
        one.clock.write(minutes(0), minutes(122), 200)
        one.start("beat")
        one.start("beat")
        wait_for(lambda: one.clock.status().finished, 60)
        wait_for(lambda: len(one.reasons()) == 24, 10)
        assert len(one.ran()) == len(set(one.ran())) >= 20
        missed = [slot for (_, slot), why in one.reasons().items() if why.startswith("missed")]
        assert set(missed) <= set(DAY[:4]), "only those of the start-up may be missed"


@pytest.mark.slow
def test_redis_away_across_slots(tmp_path: Path) -> None:
    """Redis stops for some slots and comes back: those are missed with the cause, all others run, none twice."""
    with stage(tmp_path) as one:
        one.worker()
        one.clock.write(minutes(0), minutes(120), 100)  # a slot every 3 s
        one.start("beat")
        wait_for(lambda: len(one.ran()) >= 3, 30)
        one.redis.kill()
        time.sleep(8)
        one.redis.start()
        wait_for(lambda: one.clock.status().finished, 90)
        wait_for(lambda: len(one.reasons()) >= 23, 20)
        reasons = one.reasons()
        missed = [slot for (_, slot), why in reasons.items() if why.startswith("missed")]
        assert 1 <= len(missed) <= 8
        known = ("Redis at", "no worker", "beat was down")  # the last: before beat had started
        assert all(any(word in reasons["spy", slot] for word in known) for slot in missed), reasons
        assert any("Redis at" in reasons["spy", slot] for slot in missed)
        assert len(set(one.ran())) == len(one.ran())
        assert len(missed) + len(one.ran()) == len(reasons) - sum(w.startswith("settled") for w in reasons.values())


@pytest.mark.slow
def test_a_killed_beat_continues_where_the_journal_is(tmp_path: Path) -> None:
    """kill -9 of beat in mid-day, 6 slots of outage: the new one sends the present slot and closes the rest."""
    with stage(tmp_path) as one:
        one.worker()
        one.clock.write(minutes(0), minutes(120), 100)
        beat = one.start("beat")
        wait_for(lambda: len(one.ran()) >= 3, 30)
        beat.kill()
        beat.wait(5)
        had = len(one.ran())
        time.sleep(12)
        one.start("beat")
        wait_for(lambda: len(one.ran()) > had + 1, 30)
        missed = [slot for (_, slot), why in one.reasons().items() if why == "missed: missed: beat was down"]
        assert 2 <= len(missed) <= 6
        assert len(set(one.ran())) == len(one.ran())
