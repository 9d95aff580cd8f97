"""What was up and what was down, looked at again and again, so that a missed slot can be given its cause."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ztrade.config import Config
from ztrade.domain.missed import Why
from ztrade.errors import TemporaryError
from ztrade.service import consuming, pulse
from ztrade.service.planner import Job

#: looks older than this explain nothing any more
KEPT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Look:
    """One look at exchange time ``at``: what was wrong, empty where nothing was; ``workers`` is by agent."""

    at: datetime
    redis: str = ""
    beat: str = ""
    workers: Mapping[str, str] = field(default_factory=dict)

    def trouble(self, agent: str) -> Iterator[str]:
        """Yield what stood between this agent's slot and its cycle, the first cause first."""
        if self.redis:
            yield f"{Why.REDIS_DOWN} ({self.redis})"
            return  # without Redis nobody can tell what the others did
        if self.beat:
            yield f"{Why.BEAT_DOWN}: it {self.beat}"
        worker = self.workers.get(agent)
        if worker:
            yield f"{Why.NOT_TAKEN}: {agent}'s {worker}"


class Health:
    """The looks of the last day.

    Args:
        look: takes one look at a given exchange time.
    """

    def __init__(self, look: Callable[[datetime], Look]) -> None:
        self._look = look
        self._kept: deque[Look] = deque()

    def sample(self, now: datetime) -> Look:
        """Look now."""
        seen = self._look(now)
        self._kept.append(seen)
        while self._kept[0].at < now - KEPT:
            self._kept.popleft()
        return seen

    def cause(self, job: Job) -> str:
        """Return why nobody ran the job, from what was seen while it was due."""
        seen = [look for look in self._kept if job.due <= look.at <= job.until]
        if not seen:
            return Why.UNSEEN
        found: dict[str, int] = {}
        for look in seen:
            for words in look.trouble(job.agent):
                found[words.partition(" (")[0]] = found.get(words.partition(" (")[0], 0) + 1
        if not found:
            return Why.UNEXPLAINED
        return max(found, key=lambda words: found[words])


def looker(config: Config) -> Callable[[datetime], Look]:
    """Return what looks at the real Redis, beat and workers of a configuration."""

    def look(now: datetime) -> Look:
        try:
            waiting = consuming.consuming(config, sorted(config.agents), looks=2)
        except TemporaryError as error:
            return Look(now, redis=str(error))
        workers = {name: f"worker {state.how}" for name, state in waiting.items() if not state.yes}
        return Look(now, beat=pulse.trouble(config.state_dir), workers=workers)

    return look
