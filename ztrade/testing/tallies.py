"""What is new, for whoever counts, in memory. Part of the journal's twin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from typing import TypeVar

from ztrade.adapters.journal.rules import decided_price
from ztrade.domain.ledger import CycleRecord, Intent
from ztrade.domain.types import Side
from ztrade.ports.tallies import DeliveryRow, IntentRow, OrderRow
from ztrade.testing.books import MemoryBooks
from ztrade.testing.cycles import MemoryCycles
from ztrade.testing.messages import MemoryMessages

R = TypeVar("R", IntentRow, OrderRow)


class MemoryTallies:
    """:class:`ztrade.ports.Tallies`; numbers are places in the order of writing."""

    def __init__(
        self, cycles: MemoryCycles, intents: Mapping[str, Intent], books: MemoryBooks, messages: MemoryMessages
    ) -> None:
        self._cycles, self._intents, self._books, self._messages = cycles, intents, books, messages

    def cycles(self, after: int, limit: int) -> Sequence[tuple[int, CycleRecord]]:
        return list(enumerate(self._cycles.ended()[after : after + limit], start=after + 1))

    def intents(self, after: int, also: Collection[int], limit: int) -> Sequence[IntentRow]:
        every = enumerate(self._intents.values(), start=1)
        rows = [IntentRow(n, one.agent, one.account, one.state, one.wall_at, one.answered) for n, one in every]
        return _chosen(rows, after, also, limit)

    def orders(self, after: int, also: Collection[int], limit: int) -> Sequence[OrderRow]:
        rows = []
        for number, row in enumerate(self._books.order_rows(), start=1):
            record = self._cycles.record(self._intents[row.intent_id].cycle_id)
            decided = decided_price(row.owner.leg, record.details if record else {})
            settled = record is not None and record.outcome is not None
            order, owner = row.order, row.owner
            rows.append(
                OrderRow(number, owner.agent, owner.leg, order.status, order.filled_avg_price, decided, settled)
            )
        return _chosen(rows, after, also, limit)

    def deliveries(self, after: int, also: Collection[int], limit: int) -> Sequence[DeliveryRow]:
        ways = self._messages.ways()
        new = set(islice((number for number, some in ways if number > after and some), limit))
        return [
            DeliveryRow(number, one.channel, one.state)
            for number, some in ways
            for one in some
            if number in also or number in new
        ]

    def fills(self) -> Mapping[tuple[str, Side], int]:
        known = ((posting.owner, posting.fill) for posting in self._books.postings())
        return Counter((owner.agent, fill.side) for owner, fill in known if owner is not None)


def _chosen(rows: Sequence[R], after: int, also: Collection[int], limit: int) -> Sequence[R]:
    known: list[R] = [row for row in rows if row.seq in also]
    known.extend(islice((row for row in rows if row.seq > after), limit))
    return known
