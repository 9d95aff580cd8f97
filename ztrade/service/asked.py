"""What the keeper found when it asked the exchanges: noted by account, for the exporter, which has no network."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ztrade.adapters.halts import ALL
from ztrade.app.desk import Desk
from ztrade.domain.reconcile import Difference
from ztrade.errors import AccessDenied, ExchangeUnavailable, RateLimited

#: whose a difference is that no agent has
NOBODY = ALL


@dataclass(slots=True)
class Account:
    """What was last found; ``asked`` is monotonic wall seconds, ``skew`` our clock less the exchange's in seconds."""

    up: bool
    asked: float
    skew: float | None = None
    differences: Sequence[tuple[str, str, int]] = ()


class Asked:
    """The accounts that were asked."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._accounts: dict[str, Account] = {}

    @contextmanager
    def asking(self, account: str) -> Iterator[None]:
        """Note whether the exchange can be used; what the journal failed of says nothing of it."""
        try:
            yield
        except (ExchangeUnavailable, RateLimited, AccessDenied):
            self._accounts[account] = Account(False, self._monotonic())
            raise

    def answered(self, desk: Desk, differences: Sequence[Difference]) -> None:
        """Note what comparing the books of the desk's account left. Raises TemporaryError, HaltError."""
        counted = Counter((one.agent or NOBODY, str(one.kind)) for one in differences)
        found = [(agent, kind, count) for (agent, kind), count in sorted(counted.items())]
        self._accounts[desk.account] = Account(True, self._monotonic(), _skew(desk), found)

    def told(self) -> Mapping[str, Mapping[str, Any]]:
        """Return everything as JSON has it, by account; ``age`` is wall seconds since it was asked."""
        now = self._monotonic()
        return {
            name: {"up": one.up, "age": now - one.asked, "skew": one.skew, "differences": list(one.differences)}
            for name, one in self._accounts.items()
        }


def _skew(desk: Desk) -> float | None:
    """Return how far our clock is ahead of the exchange's; None for a dry run, whose time is no wall time."""
    if desk.agent.dry_run:
        return None
    before = desk.clock.wall()
    theirs = desk.exchange.clock().now
    return ((before + (desk.clock.wall() - before) / 2) - theirs).total_seconds()
