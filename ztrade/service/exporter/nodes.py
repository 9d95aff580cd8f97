"""One worker as its events show it: what it runs, and how many of its events never came."""

from __future__ import annotations

from dataclasses import dataclass, field

#: wall seconds without a sign, which come every two, after which it is believed to run nothing
SILENT = 15.0
#: ids of running tasks; a worker runs one
MOST = 100


@dataclass(slots=True)
class Life:
    """One process of a worker: how many tasks it has begun, by its own count and by the events that came.

    Args:
        base: what it had begun before it was first heard; None until it said so.
        said: its own count when it was heard last.
    """

    pid: int
    base: int | None = None
    seen: int = 0
    said: int = 0


@dataclass(slots=True)
class Node:
    """A worker by its node's name."""

    agent: str
    life: Life | None = None
    #: what runs, as an ordered set
    tasks: dict[str, None] = field(default_factory=dict)
    active: int = 0
    idle: int = 0
    heard: float = float("-inf")

    def began(self, task: str, pid: object, now: float) -> None:
        """Hear that a task began."""
        self.heard, self.idle = now, 0
        self.tasks[task] = None
        if len(self.tasks) > MOST:
            del self.tasks[next(iter(self.tasks))]
        if isinstance(pid, int):
            if self.life is None or self.life.pid != pid:
                self.life = Life(pid, base=None if self.life is None else 0)
            self.life.seen += 1

    def ended(self, task: str, now: float) -> None:
        """Hear that a task ended."""
        self.heard = now
        self.tasks.pop(task, None)
        self.active = 0

    def left(self) -> None:
        """Hear that the worker ends in order."""
        self.tasks.clear()
        self.active = 0

    def beat(self, pid: int, processed: int, active: int, now: float) -> int:
        """Hear a sign of life; returns how many events of tasks that began are missing since the last one.

        Args:
            processed: how many tasks the process has begun.
            active: how many run.
        """
        self.heard, self.active = now, active
        self._forget(active)
        if self.life is None or self.life.pid != pid:
            # one that was known before, and came back: all that it has begun since was for us to hear
            self.life = Life(pid, base=None if self.life is None else 0)
        life = self.life
        if life.base is None:
            life.base = processed - life.seen
            life.said = processed
        # by what it said before: events wait for their turn, signs of life do not
        missing = max(life.said - life.base - life.seen, 0)
        life.seen += missing
        life.said = processed
        return missing

    def _forget(self, active: int) -> None:
        """Forget tasks whose end was not heard: twice it said that nothing runs."""
        self.idle = 0 if active else self.idle + 1
        if self.idle > 1:
            self.tasks.clear()

    def in_flight(self, now: float) -> int:
        """Return how many tasks run."""
        if now - self.heard > SILENT:
            return 0
        return len(self.tasks) or self.active
