"""What a seed chooses: when which fault strikes whom. Pure, so that a seed is a test."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ztrade.domain.schedule import Session

#: faults a session, at least and at most
FEW, MANY = 2, 6
#: share of faults that wait for an order: most of a day nothing is at stake
AIMED = 0.5


@dataclass(frozen=True, slots=True)
class Blow:
    """One fault: at which exchange time, of which kind, and which agent it concerns where it concerns one."""

    at: datetime
    kind: str
    agent: str
    #: the seed of its own waits and choices
    seed: str
    #: wait for the next order from then on, and strike while it is on its way
    aimed: bool

    def __str__(self) -> str:
        when = " at the next order" if self.aimed else ""
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.kind} ({self.agent}){when}"


def blows(seed: int, sessions: Sequence[Session], agents: Sequence[str], kinds: Sequence[str]) -> list[Blow]:
    """Return what strikes in these sessions, in order; a longer soak begins with the shorter one."""
    chance = random.Random(f"soak {seed}")
    found: list[Blow] = []
    for session in sessions:
        length = session.close - session.open
        at = sorted(session.open + chance.random() * length for _ in range(chance.randint(FEW, MANY)))
        for one in at:
            found.append(
                Blow(one, chance.choice(kinds), chance.choice(agents), f"{seed} {len(found)}", chance.random() < AIMED)
            )
    return found
