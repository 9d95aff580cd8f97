from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ztrade.domain.agent import Agent
from ztrade.errors import TemporaryError
from ztrade.service.conductor import Conductor
from ztrade.service.joined import Joined
from ztrade.service.planner import Job
from ztrade.testing.calendar import PlainCalendar
from ztrade.testing.runtime import FileClock, FileJournal

BEGIN = datetime(2022, 8, 22, 8, 0, tzinfo=UTC)


def agent(name: str, every: str = "5m", *, delay: int = 0) -> Agent:
    from ztrade.domain.durations import parse_duration

    return Agent(
        name, name.upper(), timedelta(minutes=5), parse_duration(every), "momentum", delay=timedelta(seconds=delay)
    )


class Wall:
    """Monotonic seconds that a test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class RecordingBell:
    """Runs each job at once through ``work``, or refuses while ``trouble`` is set."""

    def __init__(self) -> None:
        self.rung: list[Job] = []
        self.seconds: list[float] = []
        self.trouble = ""
        self.work: Callable[[Job], None] = lambda job: None

    def ring(self, job: Job, wall_seconds: float) -> None:
        if self.trouble:
            raise TemporaryError(self.trouble)
        self.rung.append(job)
        self.seconds.append(wall_seconds)
        self.work(job)


class Stage:
    """A conductor with everything around it in a test's hands."""

    def __init__(self, folder: Path) -> None:
        self.journal = FileJournal(folder / "journal.db")
        self.clock = FileClock(folder / "clock.json")
        self.wall, self.bell = Wall(), RecordingBell()
        (folder / "run").mkdir()
        self.joined = Joined(folder)

    def conductor(self, *agents: Agent, calendar: PlainCalendar | None = None) -> Conductor:
        return Conductor(
            agents,
            clock=self.clock,
            calendar=calendar or PlainCalendar(),
            journal=self.journal,  # type: ignore[arg-type]
            bell=self.bell,
            monotonic=self.wall,
            joined=self.joined,
        )

    def set(self, now: datetime, start: datetime = BEGIN) -> None:
        """Let exchange time stand at ``now``, as a running clock would be seen at one moment."""
        self.clock.write(start, now + timedelta(days=400), 0.0)
        state = json.loads(self.clock.path.read_text())
        self.clock.path.write_text(json.dumps({**state, "base": now.isoformat()}))

    def outcomes(self) -> dict[tuple[str, str], str]:
        return {
            (record.agent, f"{record.slot:%d %H:%M}"): f"{record.outcome}: {record.reason}"
            for record in self.journal.cycles()
        }


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)
