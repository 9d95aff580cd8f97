"""The conductor: every slot is rung for in its time, and gets exactly one outcome."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.unit.service.conftest import Stage, agent
from ztrade.domain.ledger import CycleKind, Outcome
from ztrade.service.planner import Job

OPEN = datetime(2022, 8, 22, 13, 30, tzinfo=UTC)
CLOSE = datetime(2022, 8, 22, 20, 0, tzinfo=UTC)


def at(minutes: float, day: int = 22) -> datetime:
    return OPEN.replace(day=day) + timedelta(minutes=minutes)


def finish(stage: Stage, job: Job) -> None:
    claim = stage.journal.claim(
        job.agent, job.slot, job.kind, owner="w", now=job.slot, wall=stage.clock.wall(), lease=timedelta(minutes=4)
    )
    if claim is None:
        return
    outcome = Outcome.SETTLED if job.kind is CycleKind.SETTLE else Outcome.HELD
    from ztrade.domain.ledger import CycleRecord

    record = CycleRecord(claim.cycle_id, job.agent, job.slot, job.kind, outcome, "ok", job.slot)
    stage.journal.finish(claim, record)


def test_a_stepped_day_runs_every_slot_once_and_settles(stage: Stage) -> None:
    """Two agents, one day: 77 and 6 slots and two settlements run, in order of time and name; then it is finished."""
    stage.clock.write(at(0), at(0, 23), None)
    stage.bell.work = lambda job: finish(stage, job)
    conductor = stage.conductor(agent("tsla"), agent("aapl", "1h"))
    for _ in range(1000):
        conductor.step()
        if conductor.finished:
            break
    ran = stage.journal.ran()
    assert len(ran) == len(set(ran)) == 77 + 6 + 2
    assert [job.due for job in stage.bell.rung] == sorted(job.due for job in stage.bell.rung)
    hour = [job.agent for job in stage.bell.rung if job.slot == at(60)]
    assert hour == ["aapl", "tsla"]
    assert conductor.finished


def test_a_slot_is_rung_for_once_within_its_window(stage: Stage) -> None:
    """Looking again and again before the outcome is there sends one message, void when the next slot begins."""
    conductor = stage.conductor(agent("spy"))
    stage.set(at(4))
    conductor.step()
    assert stage.bell.rung == []
    stage.set(at(6))
    for _ in range(5):
        conductor.step()
    assert [job.slot for job in stage.bell.rung] == [at(5)]
    assert 239 <= stage.bell.seconds[0] <= 240


def test_at_a_multiple_of_the_speed_windows_and_waits_are_in_wall_seconds(stage: Stage) -> None:
    """At 60 times the speed a slot's message is void after 5 s, and a slot 30 s ahead is half a second away."""
    slot = datetime(2022, 8, 22, 13, 35, tzinfo=UTC)
    stage.clock.write(slot, slot + timedelta(days=1), 60.0)
    stage.conductor(agent("spy")).step()
    assert [job.slot for job in stage.bell.rung] == [slot]
    assert 0 < stage.bell.seconds[0] <= 5
    stage.clock.write(slot - timedelta(seconds=30), slot + timedelta(days=1), 60.0)
    assert stage.conductor(agent("tsla")).step() <= 0.5


def test_delay_moves_the_due_moment_not_the_slot(stage: Stage) -> None:
    """With a delay of 90 s the slot of 13:35 is rung for at 13:36:30, under its own name."""
    conductor = stage.conductor(agent("spy", delay=90))
    stage.set(at(4))
    conductor.step()
    stage.set(at(6))
    conductor.step()
    assert stage.bell.rung == []
    stage.set(at(6.5))
    conductor.step()
    assert [job.slot for job in stage.bell.rung] == [at(5)]


def test_redis_down_across_slots_runs_the_latest_and_closes_the_older_as_missed(stage: Stage) -> None:
    """Publishing fails from 13:35 to 13:47: the slots of :35 and :40 are missed with the cause, :45 runs late."""
    conductor = stage.conductor(agent("spy"))
    stage.bell.work = lambda job: finish(stage, job)
    stage.set(at(4))
    conductor.step()
    stage.bell.trouble = "Redis at redis.sock does not answer: refused"
    for minute in range(5, 17):
        stage.set(at(minute))
        stage.wall.seconds += 60
        conductor.step()
    stage.bell.trouble = ""
    stage.set(at(17))
    stage.wall.seconds += 60
    conductor.step()
    assert stage.outcomes() == {
        ("spy", "22 13:35"): "missed: missed: Redis took no message: Redis at redis.sock does not answer: refused",
        ("spy", "22 13:40"): "missed: missed: Redis took no message: Redis at redis.sock does not answer: refused",
        ("spy", "22 13:45"): "held: ok",
    }


def test_after_an_outage_of_beat_only_the_latest_slot_is_sent(stage: Stage) -> None:
    """A new beat at 14:02 finds 13:40 done: it sends 14:00 and closes 13:45 to 13:55 as missed; no burst."""
    finish(stage, Job("spy", CycleKind.SLOT, at(10), at(10), at(15)))
    conductor = stage.conductor(agent("spy"))
    stage.set(at(32))
    conductor.step()
    assert [job.slot for job in stage.bell.rung] == [at(30)]
    missed = [slot for (_, slot), why in stage.outcomes().items() if why == "missed: missed: beat was down"]
    assert missed == ["22 13:45", "22 13:50", "22 13:55"]


def test_a_restarted_beat_does_not_fire_finished_slots_again(stage: Stage) -> None:
    """The journal knows that 13:35 is done: a second conductor sends nothing for it."""
    stage.bell.work = lambda job: finish(stage, job)
    stage.set(at(4))
    first = stage.conductor(agent("spy"))
    first.step()
    stage.set(at(6))
    first.step()
    stage.conductor(agent("spy")).step()
    assert len(stage.bell.rung) == 1


def test_the_first_slot_of_an_agent_that_joins_others_survives_a_restart(stage: Stage) -> None:
    """aapl has no record yet: down from 14:29 to 14:31 beat, and with it the keeper, would not know of its 14:30."""
    finish(stage, Job("spy", CycleKind.SLOT, at(5), at(5), at(10)))
    agents = (agent("spy"), agent("aapl", "1h"))
    for minute in (6, 61):
        stage.set(at(minute))
        stage.conductor(*agents).step()
    assert at(60) in [job.slot for job in stage.bell.rung if job.agent == "aapl"]


def test_two_conductors_give_each_slot_one_cycle(stage: Stage) -> None:
    """Both send, the claim lets one run."""
    stage.bell.work = lambda job: finish(stage, job)
    both = [stage.conductor(agent("spy")), stage.conductor(agent("spy"))]
    for minute in range(4, 62):
        stage.set(at(minute))
        for conductor in both:
            conductor.step()
    ran = stage.journal.ran()
    assert len(ran) == len(set(ran)) == 12


def test_an_exchange_whose_start_is_known_owes_every_slot_since(stage: Stage) -> None:
    """The first beat comes at 13:46 to an exchange that began at 08:00: 13:35 and :40 are missed, :45 is sent."""
    stage.set(at(16))
    stage.conductor(agent("spy")).step()
    assert [job.slot for job in stage.bell.rung] == [at(15)]
    assert sorted(slot for _, slot in stage.outcomes()) == ["22 13:35", "22 13:40"]


def test_a_slot_that_no_worker_takes_is_missed_when_its_window_ends(stage: Stage) -> None:
    """The message was sent and nobody claimed: the reason says that no worker took it."""
    conductor = stage.conductor(agent("spy"))
    for minute in (4, 6, 10):
        stage.set(at(minute))
        conductor.step()
    assert stage.outcomes() == {("spy", "22 13:35"): "missed: missed: no worker took it in its time"}


def test_nothing_is_due_before_the_exchange_began(stage: Stage) -> None:
    """An exchange that starts at 14:11 has no slot of 14:10, and a first beat calls none missed."""
    conductor = stage.conductor(agent("spy"), agent("aapl", "1h"))
    stage.set(at(42), start=at(41))
    conductor.step()
    assert stage.bell.rung == []
    assert stage.outcomes() == {}


def test_a_dead_cycle_is_rung_for_again_once_its_claim_has_lapsed(stage: Stage) -> None:
    """A worker died in the cycle of 13:35: after its lease a message goes out, so that the claim is taken over."""
    stage.set(at(4))
    conductor = stage.conductor(agent("spy"))
    conductor.step()
    stage.set(at(6))
    stage.bell.work = lambda job: None
    conductor.step()
    stage.journal.claim("spy", at(5), CycleKind.SLOT, owner="dead", now=at(6), wall=stage.clock.wall(),
                        lease=timedelta(seconds=0))  # fmt: skip
    stage.set(at(11))
    conductor.step()
    stage.wall.seconds += 300
    stage.bell.work = lambda job: finish(stage, job)
    for _ in range(3):
        conductor.step()
    assert [job.slot for job in stage.bell.rung].count(at(5)) >= 2


def test_settlement_is_retried_until_done(stage: Stage) -> None:
    """A refused settlement is sent again until the next session has closed; then the next one replaces it."""
    conductor = stage.conductor(agent("spy", "1h"))
    begin = CLOSE - timedelta(minutes=2)
    stage.set(CLOSE - timedelta(minutes=1), start=begin)
    conductor.step()
    stage.bell.trouble = "down"
    stage.set(CLOSE + timedelta(minutes=2), start=begin)
    conductor.step()
    stage.bell.trouble = ""
    stage.wall.seconds += 5
    conductor.step()
    assert [(job.kind, job.slot) for job in stage.bell.rung] == [(CycleKind.SETTLE, CLOSE)]


def test_a_journal_that_is_down_stops_nothing_for_good(stage: Stage) -> None:
    """An unreadable journal costs waiting, not a crash; the slot is sent when it is back."""
    conductor = stage.conductor(agent("spy"))
    stage.set(at(4))
    conductor.step()
    stage.journal.broken = True
    stage.set(at(6))
    assert conductor.step() > 0
    stage.journal.broken = False
    conductor.step()
    assert [job.slot for job in stage.bell.rung] == [at(5)]


def test_stepped_time_goes_on_when_no_worker_answers(stage: Stage) -> None:
    """After the bounded wait the slot is closed as missed, with that bound in the reason."""
    stage.clock.write(at(0), at(30), None)
    conductor = stage.conductor(agent("spy"))
    while not stage.bell.rung:
        conductor.step()
    conductor.step()
    stage.wall.seconds += 61
    conductor.step()
    assert stage.outcomes() == {("spy", "22 13:35"): "missed: missed: no outcome within 60 s"}


def test_stepped_time_rings_again_for_a_message_that_died_with_its_worker(stage: Stage) -> None:
    """A worker killed between taking the message and claiming the slot leaves nothing behind: it is sent again."""
    stage.clock.write(at(0), at(30), None)
    conductor = stage.conductor(agent("spy"))
    while not stage.bell.rung:
        conductor.step()
    stage.wall.seconds += 4
    conductor.step()
    assert len(stage.bell.rung) == 1
    stage.wall.seconds += 2
    conductor.step()
    assert [job.slot for job in stage.bell.rung] == [at(5), at(5)]
    assert stage.clock.now() == at(5)


def test_stepped_time_waits_for_a_claim_in_progress(stage: Stage) -> None:
    """A cycle that runs for longer than the wait is waited for: time does not move under it."""
    stage.clock.write(at(0), at(30), None)
    stage.bell.work = lambda job: None
    conductor = stage.conductor(agent("spy"))
    while not stage.bell.rung:
        conductor.step()
    stage.journal.claim("spy", at(5), CycleKind.SLOT, owner="slow", now=at(5), wall=stage.clock.wall(),
                        lease=timedelta(minutes=4))  # fmt: skip
    stage.wall.seconds += 61
    conductor.step()
    assert stage.clock.now() == at(5)
    assert stage.outcomes() == {("spy", "22 13:35"): "None: "}


def test_slots_that_passed_while_the_journal_was_away_say_so(stage: Stage) -> None:
    """Not beat's fault: it looked all the time. One whose window is still open runs."""
    conductor = stage.conductor(agent("spy"))
    stage.bell.work = lambda job: finish(stage, job)
    stage.bell.work = lambda _job: None
    for minute in (4, 5.1):
        stage.set(at(minute))
        conductor.step()
    stage.bell.work = lambda job: finish(stage, job)
    assert len(stage.bell.rung) == 1, "and its worker could do nothing with it"
    stage.journal.broken = True
    for minute in (6, 9, 12):
        stage.set(at(minute))
        conductor.step()
    stage.journal.broken = False
    stage.set(at(16))
    conductor.step()
    away = "missed: missed: the journal did not answer: the database is locked"
    assert stage.outcomes() == {
        ("spy", "22 13:35"): away,
        ("spy", "22 13:40"): away,
        ("spy", "22 13:45"): "held: ok",
    }
