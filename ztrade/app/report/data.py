"""What the report is made from: plain records of the journal, the bars, and the comparison of the books."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from ztrade.domain.agent import Agent
from ztrade.domain.ledger import CycleRecord, Fill, Holding, RoundTrip
from ztrade.domain.schedule import Session
from ztrade.domain.types import Bars, Order


@dataclass(frozen=True, slots=True)
class AgentStory:
    """One agent's part, everything oldest first.

    ``bars`` are the 5-minute bars of the reported sessions, ``orders`` include the legs of brackets, ``holding``
    carries the profit realized so far even when flat, ``last_price`` is the mark for what is held (None: no mark).
    """

    agent: Agent
    bars: Bars
    cycles: Sequence[CycleRecord]
    orders: Sequence[Order]
    fills: Sequence[Fill]
    trips: Sequence[RoundTrip]
    holding: Holding
    last_price: Decimal | None = None

    @property
    def realized(self) -> Decimal:
        """Return the profit of everything sold in dollars, before fees."""
        return self.holding.realized

    @property
    def unrealized(self) -> Decimal:
        """Return the open profit in dollars; 0 when flat or without a mark."""
        if self.last_price is None or not self.holding.qty:
            return Decimal(0)
        return self.holding.qty * self.last_price - self.holding.cost


@dataclass(frozen=True, slots=True)
class Books:
    """Whether journal and exchange say the same, to the cent; each difference is one sentence."""

    compared: Sequence[str] = ()
    differences: Sequence[str] = ()

    @property
    def agree(self) -> bool:
        return not self.differences


@dataclass(frozen=True, slots=True)
class Story:
    """The whole report.

    ``equity`` are the account's points in time order, ``start_equity`` the opening balance, ``fees`` what the exchange
    charged beside the fills' prices (positive: paid), all in dollars. ``source`` says where the prices come from.
    """

    title: str
    source: str
    sessions: Sequence[Session]
    agents: Sequence[AgentStory]
    equity: Sequence[tuple[datetime, Decimal]]
    start_equity: Decimal
    end_equity: Decimal
    cash: Decimal
    fees: Decimal
    books: Books
    notes: Sequence[str] = ()
