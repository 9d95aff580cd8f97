"""How a cycle ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ztrade.domain.ledger import Outcome


@dataclass(frozen=True, slots=True)
class Ended:
    """The outcome, the reason that a person reads, the orders concerned (our ids), and the numbers behind it.

    ``rules`` names what refused an entry (:data:`ztrade.domain.risk.ENTRY_RULES`), for whoever counts.
    """

    outcome: Outcome
    reason: str
    order_ids: tuple[str, ...] = ()
    details: Mapping[str, object] = field(default_factory=dict)
    rules: tuple[str, ...] = ()
