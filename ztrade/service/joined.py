"""When an agent was first seen at work: from then on each of its slots is owed an outcome, whoever starts again.

The journal tells it by the agent's newest record. Until there is a first one, beat and keeper that start again, both,
as at an upgrade, would begin with the present: a slot that fell due meanwhile would have no outcome.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from ztrade.domain.agent import Agent

#: over a long weekend; an agent that was away for longer begins anew
LONGEST = timedelta(days=5)


class Joined:
    """Remembers it in a file for each agent; where that cannot be, an agent begins with the present.

    Args:
        state_dir: the services'.
    """

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / "run" / "joined"

    def __call__(self, agent: Agent, now: datetime) -> datetime:
        """Return since when the agent has been at work; ``now`` for one that is new, or whose clock began anew."""
        path = self._folder / (f"{agent.name}.dry" if agent.dry_run else agent.name)
        # a time without its zone cannot be compared
        with suppress(OSError, ValueError, TypeError):
            seen = datetime.fromisoformat(path.read_text(encoding="ascii").strip())
            if now - LONGEST <= seen <= now:
                return seen
        with suppress(OSError):
            self._folder.mkdir(exist_ok=True)
            scratch = path.with_name(f".{path.name}")
            scratch.write_text(f"{now.isoformat()}\n", encoding="ascii")
            scratch.replace(path)
        return now


def present(_agent: Agent, now: datetime) -> datetime:
    """Remember nothing."""
    return now
