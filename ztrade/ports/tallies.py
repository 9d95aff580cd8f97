"""What counts are made of: what is new in the journal, so that nobody reads years again to count one more."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from ztrade.domain.ledger import CycleRecord, IntentState
from ztrade.domain.types import Leg, OrderStatus, Side


@dataclass(frozen=True, slots=True)
class IntentRow:
    """An intent, as far as it is counted; ``wall_at`` and ``answered`` as :class:`ztrade.domain.ledger.Intent` says."""

    seq: int
    agent: str
    account: str
    state: IntentState
    wall_at: datetime
    answered: float | None


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order or leg at the exchange, as far as it is counted.

    Args:
        price: what was paid on average in dollars; None without a fill.
        decided: what the decision behind it counted on; None where the journal does not say.
        settled: its cycle has ended, so that ``decided`` is the last word.
    """

    seq: int
    agent: str
    leg: Leg
    status: OrderStatus
    price: Decimal | None
    decided: Decimal | None
    settled: bool


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A message on its way over a channel; ``state`` is waiting, sent or lost."""

    seq: int
    channel: str
    state: str


class Tallies(Protocol):
    """Rows by number: ``after`` is the highest number that was seen, ``also`` numbers of rows that may have changed.

    Rows come in the order of their numbers, at most ``limit`` of the new ones. Numbers come in the order of the
    commits, so that none turns up later below one that was seen.

    Every method may raise :class:`~ztrade.errors.JournalUnavailable`.
    """

    def cycles(self, after: int, limit: int) -> Sequence[tuple[int, CycleRecord]]:
        """Return cycles in the order in which they got their outcome, which they then keep; without their inputs."""
        ...

    def intents(self, after: int, also: Collection[int], limit: int) -> Sequence[IntentRow]: ...

    def orders(self, after: int, also: Collection[int], limit: int) -> Sequence[OrderRow]: ...

    def deliveries(self, after: int, also: Collection[int], limit: int) -> Sequence[DeliveryRow]:
        """Return deliveries; the number is the message's, whose deliveries come together: ``limit`` is of messages."""
        ...

    def fills(self) -> Mapping[tuple[str, Side], int]:
        """Return how many executions of its orders each agent had on each side, counted from an index.

        One that contradicts the holding is an execution, too.
        """
        ...
