"""Faults in a live stack, seen by a real Prometheus, told by a real Alertmanager: the right words, once, and the end.

One stack and one morning for all of them, in the order of this file: agents run every 15 seconds. An alert is kept
for a minute after its cause has gone, while the next fault is on its way: the last test counts all messages.
"""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

import pytest

from tests.monitoring.live import AGENTS, EVERY, Live, live
from tests.monitoring.prometheus import Monitoring, Times, monitoring
from tests.waiting import wait_for
from ztrade.domain.ledger import CycleKind, Outcome

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("scenarios")]

#: wall seconds: a message comes within a minute of when the fault could first be seen; beat is called down after 30 s
TOLD = 60.0
#: the shipped rules keep some alerts for longer than this test lasts. A scrape has as long as it is from the next: one
#: that fails on a busy machine has the rules wait anew
TIMES = Times(scrape="4s", group_wait="8s", group_interval="8s", keep="1m")
ABSENT = "tsla is absent: its worker is down, or was never seen"
FULL = "Redis on ztrade is 9"
STALLED = "Beat stands on ztrade: no slot is sent to any agent"
DOWN = "Redis is down on ztrade: slots are missed"
HUNG = "The exchange of account embedded does not answer"


@dataclass
class World:
    """The stack, who watches it, and what was expected so far: how messages begin, marks left out."""

    stack: Live
    watch: Monitoring
    expected: list[str] = field(default_factory=list)

    @contextmanager
    def broken(
        self, fault: Callable[[], object], mend: Callable[[], object], begins: str, over: str = ""
    ) -> Iterator[None]:
        """Do it, wait for the one message of it, and mend it after the block; its end is expected too, some time."""
        self.expected += [begins, over or f"Over: {begins}"]
        fault()
        try:
            self.watch.wait(lambda _: any(title.startswith(begins) for title in self.titles()), TOLD, begins)
            yield
        finally:
            # whatever went wrong: the next fault meets a stack that is whole
            mend()

    def frozen(self, program: str, begins: str) -> AbstractContextManager[None]:
        """Let a program stand, as :meth:`broken` does it."""
        signal_it = self.stack.signal
        return self.broken(
            lambda: signal_it(program, signal.SIGSTOP), lambda: signal_it(program, signal.SIGCONT), begins
        )

    def titles(self) -> list[str]:
        """Return what was told so far, without the marks."""
        return [title.partition(" ")[2] for title in self.watch.titles()]

    def outcomes(self, agent: str) -> list[Outcome]:
        """Return the outcomes of the agent's slots, oldest first."""
        cycles = self.stack.journal.cycles(agent=agent, kind=CycleKind.SLOT)
        return [cycle.outcome for cycle in cycles if cycle.outcome is not None]

    def do_well(self) -> None:
        """Wait until each agent's newest slot went well."""
        wait_for(lambda: all(self.outcomes(agent)[-1] is Outcome.HELD for agent in AGENTS), TOLD, "all to do well")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Give a stack whose agents all had a slot, and a Prometheus that has seen them."""
    with (
        # a minute before the first slot, so that all are up by then
        live(start="2022-08-22T13:29:15Z", until="2022-08-22T14:30:00Z") as stack,
        monitoring(tmp_path_factory.mktemp("watch"), stack.target, times=TIMES) as watch,
    ):
        made = World(stack, watch)
        watch.wait(lambda _: all(made.outcomes(agent) for agent in AGENTS), 2 * TOLD, "the first slots")
        yield made


def test_a_morning_like_others_is_silent(world: World) -> None:
    """Two slots of each agent: nothing fires, nothing is pending, nobody is told."""
    time.sleep(2 * EVERY)
    assert world.watch.alerts() == []
    assert world.watch.titles() == []
    assert world.stack.told() == []


def test_a_redis_that_fills_is_told_before_it_is_full(world: World) -> None:
    """At 95 % of its limit; the agents go on."""
    client = world.stack.redis()
    before = len(world.outcomes("spy"))
    limit = str(client.config_get("maxmemory")["maxmemory"])

    def fill(to: float) -> None:
        client.config_set("maxmemory", int(client.info("memory")["used_memory"] / to))

    with world.broken(lambda: fill(0.95), lambda: client.config_set("maxmemory", limit), FULL):
        pass
    assert set(world.outcomes("spy")[before:]) <= {Outcome.HELD}


def test_a_worker_that_dies_comes_back_and_is_told_by_the_keeper_alone(world: World) -> None:
    """supervisord starts it again within seconds: one message of ztrade's own, and no alert for a slot at most."""
    world.stack.signal("worker-tsla", signal.SIGKILL)
    wait_for(lambda: any("worker-tsla" in words for words in world.stack.told()), TOLD, "the word of its end")
    time.sleep(EVERY)
    assert sum("worker-tsla" in words for words in world.stack.told()) == 1


def test_a_worker_that_stays_away_is_told_once_while_its_neighbours_trade(world: World) -> None:
    """Its slots are missed, which the same message explains: no second one says that the agent is silent."""
    before = len(world.outcomes("spy"))
    stack = world.stack
    with world.broken(lambda: stack.end("worker-tsla"), lambda: stack.begin("worker-tsla"), ABSENT):
        wait_for(lambda: Outcome.MISSED in world.outcomes("tsla"), TOLD, "a missed slot")
    assert set(world.outcomes("spy")[before:]) == {Outcome.HELD}
    world.do_well()


def test_a_beat_that_stands_is_told_once(world: World) -> None:
    """Frozen, not dead: supervisord does not see it. That no agent has slots follows from it."""
    with world.frozen("beat", STALLED):
        pass
    world.do_well()


def test_redis_away_for_two_slots_is_one_message(world: World) -> None:
    """Its consequences (silent agents, deaf workers, rotting queues, the blind exporter) are silenced."""
    with world.broken(lambda: world.stack.end("redis"), lambda: world.stack.begin("redis"), DOWN):
        time.sleep(EVERY)
    world.do_well()


def test_breakers_that_trip_together_are_one_message(world: World) -> None:
    """The exchange's clock is ten minutes off: each agent refuses its entries from its second slot on, and says so."""
    ask = world.stack.ask
    skew = {"kind": "clock_skew", "args": {"seconds": 600}}
    told, over = "AgentReducing: 3", "Over: AgentReducing of 3"
    with world.broken(lambda: ask("POST", "/admin/faults", skew), lambda: ask("DELETE", "/admin/faults"), told, over):
        pass
    wait_for(lambda: sum("is reducing" in one for one in world.stack.told()) == len(AGENTS), TOLD, "its own words")
    with ThreadPoolExecutor(len(AGENTS)) as people:
        list(people.map(lambda agent: world.stack.ztrade("release", agent), AGENTS))
    world.do_well()


def test_an_exchange_that_hangs_is_one_message(world: World) -> None:
    """Frozen: cycles fail or wait, and the same message explains it."""
    with world.frozen("exchange", HUNG):
        pass
    world.do_well()


def test_prometheus_and_the_journal_agree_on_the_objectives(world: World) -> None:
    """After all these faults: what `ztrade sla` counts in the journal is what Prometheus has, event by event."""

    def agree() -> bool:
        scraped = _objectives(world.watch)
        return scraped == world.stack.objectives() == _objectives(world.watch)

    assert _objectives(world.watch)["not_missed"][1] > 0, "the faults above cost slots"
    # a slot that ends between two looks is known to one side alone for a moment
    wait_for(agree, TOLD, "both to say the same")


def _objectives(watch: Monitoring) -> dict[str, tuple[int, int]]:
    """Return events and bad ones of all agents, by objective."""
    events, bad = (
        {labels["objective"]: int(value) for labels, value in watch.query(f"sum by (objective) ({name})")}
        for name in ("ztrade_sla_events_total", "ztrade_sla_bad_total")
    )
    return {objective: (count, bad[objective]) for objective, count in events.items()}


def test_in_the_end_each_fault_was_told_once_and_so_was_its_end(world: World) -> None:
    """And nothing else: every message is one of those that a fault above is known by."""
    world.watch.wait(lambda watch: not watch.firing(), 2 * TOLD, "calm")
    world.watch.wait(lambda _: len(world.titles()) >= len(world.expected), TOLD, "the last ends")
    known = Counter(next((one for one in world.expected if title.startswith(one)), title) for title in world.titles())
    assert known == Counter(world.expected)
    assert len(set(world.stack.told())) == len(world.stack.told())
