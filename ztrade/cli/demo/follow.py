"""Follows a running stack until every slot has its outcome, or it is clear that some never will."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from ztrade.cli.demo.plan import Plan
from ztrade.cli.demo.progress import Look, Progress
from ztrade.cli.demo.view import View
from ztrade.config import hard_time_limit
from ztrade.errors import TemporaryError
from ztrade.service.states import ProgramStatus

LOOK_SECONDS = 0.2
CHECK_SECONDS = 10.0
#: a dead worker's slot waits until its claim has lapsed, and may be rung for three times until somebody has it
CLAIMS, MARGIN = 3, timedelta(seconds=60)
#: what supervisor calls a program that it has given up
DEAD = frozenset({"FATAL", "EXITED", "UNKNOWN"})


class Time(Protocol):
    """What :meth:`ztrade.adapters.clock.EmbeddedClock.status` answers, as far as it is used here."""

    @property
    def now(self) -> datetime: ...

    @property
    def stands(self) -> bool: ...

    @property
    def finished(self) -> bool: ...


@dataclass(slots=True)
class Followed:
    """How it ended: ``trouble`` is empty where every slot has its outcome and every day is settled."""

    look: Look
    trouble: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Follower:
    """Looks, shows, decides when to stop looking.

    Args:
        progress: reads the journal.
        clock: asks the exchange for its clock. Raises TemporaryError while it does not answer.
        programs: asks the stack for its programs.
        advance: moves the exchange's time forward, over closed hours.
        plan: days and agents.
        tick: monotonic wall seconds.
        sleep: waits wall seconds.
    """

    progress: Progress
    plan: Plan
    clock: Callable[[], Time]
    programs: Callable[[], Sequence[ProgramStatus]]
    advance: Callable[[datetime], object]
    tick: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _moved: float = 0.0
    _checked: float = 0.0

    def follow(self, view: View) -> Followed:
        """Look until the run is complete, stalls, or a program is given up."""
        self._moved = self._checked = self.tick()
        while True:
            now, waiting = self._time()
            look = self.progress.look(now)
            view.show(look)
            if look.complete:
                return Followed(look)
            trouble = self._stalled(look, waiting) or self._dead()
            if trouble:
                return Followed(look, trouble)
            self._skip_night(look)
            self.sleep(LOOK_SECONDS)

    def _time(self) -> tuple[datetime | None, bool]:
        """Return exchange time, and whether outcomes are owed now: time stands, has ended, or cannot be asked."""
        try:
            seen = self.clock()
        except TemporaryError:
            return None, True
        return seen.now, seen.stands or seen.finished

    @property
    def patience(self) -> float:
        """Return the wall seconds without any outcome, while one is owed, after which none will come."""
        longest = max(hard_time_limit(agent.every) for agent in self.plan.agents.values())
        return (CLAIMS * (longest + MARGIN)).total_seconds()

    def _stalled(self, look: Look, waiting: bool) -> list[str]:
        if look.fresh or not waiting:
            self._moved = self.tick()
        if self.tick() - self._moved < self.patience:
            return []
        left = look.total - look.done
        words = f"{left} slots without an outcome" if left else "a day not settled"
        return [f"nothing happened for {self.patience:.0f} s, with {words}"]

    def _dead(self) -> list[str]:
        if self.tick() - self._checked < CHECK_SECONDS:
            return []
        self._checked = self.tick()
        dead = [program for program in self.programs() if program.state in DEAD]
        return [f"{program.name} kept dying ({program.state}): {program.detail or 'see its log'}" for program in dead]

    def _skip_night(self, look: Look) -> None:
        """Go on to the next day once this one is settled: closed hours are not worth watching."""
        if look.now is None:
            return
        for before, after in zip(self.plan.sessions, self.plan.sessions[1:], strict=False):
            morning = self.plan.begin_of(after)
            if before.close < look.now < morning and self.progress.over(before):
                self.advance(morning)
