"""What the journal holds: cycles and their claims, intents, holdings, round trips, proposals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from ztrade.domain.decision import Sentiment
from ztrade.domain.types import Leg, Order, OrderRequest, Side


class CycleKind(StrEnum):
    """SLOT fills a scheduled slot, EXTRA was asked for by a person, SETTLE takes over the books after the close."""

    SLOT = "slot"
    EXTRA = "extra"
    SETTLE = "settle"


class Outcome(StrEnum):
    """How a cycle ended. Each comes with a reason that a person can read."""

    HELD = "held"
    ENTERED = "entered"
    EXITED = "exited"
    BLOCKED = "blocked"
    PROPOSED = "proposed"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    HALTED = "halted"
    CLOSED = "closed"
    OBSERVED = "observed"
    SETTLED = "settled"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    MISSED = "missed"


#: cycles that ended so did not go well; every other outcome is the agent's answer to its slot
NOT_WELL = frozenset({Outcome.MISSED, Outcome.FAILED, Outcome.INTERRUPTED, Outcome.UNKNOWN})
#: in a cycle's ``timings``: wall seconds from the instant at which its slot was due to its start, and to its outcome;
#: absent where time moves in steps
LATE, DONE = "late", "done"
#: in a cycle's ``details``: the names of the rules that refused an entry
RULES = "rules"


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run one cycle. ``token`` is the fencing number: a later claim of the same slot has a higher one."""

    cycle_id: str
    agent: str
    slot: datetime
    kind: CycleKind
    token: int = 1


@dataclass(frozen=True, slots=True)
class CycleRecord:
    """One cycle as the journal has it; ``outcome`` is None while it runs.

    ``started_at`` and ``finished_at`` are exchange time. ``inputs`` is what the decision was made from, enough to make
    it again; ``details`` the numbers to show (score, confidence, limits); ``timings`` wall seconds per step.
    """

    cycle_id: str
    agent: str
    slot: datetime
    kind: CycleKind
    outcome: Outcome | None
    reason: str
    started_at: datetime
    finished_at: datetime | None = None
    token: int = 1
    order_ids: tuple[str, ...] = ()
    inputs: Mapping[str, object] = field(default_factory=dict)
    details: Mapping[str, object] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Observed:
    """What a cycle saw at ``at`` that is kept beside its outcome.

    ``equity`` holds points of equity curves, in dollars, by scope; ``sentiment`` is what was thought of ``symbol``;
    ``capitals`` says, by scope, which capital a point contains, for a person may change an agent's.

    Raises:
        ValueError: one of them is not a number: said here, because no outcome must fail for what is written with it.
    """

    at: datetime
    symbol: str
    equity: Mapping[str, Decimal] = field(default_factory=dict)
    sentiment: Sentiment | None = None
    capitals: Mapping[str, Decimal] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for scope, value in (*self.equity.items(), *self.capitals.items()):
            if not value.is_finite():
                raise ValueError(f"{scope}: {value} is no amount")
        if self.sentiment is not None and not all(map(math.isfinite, _numbers(self.sentiment))):
            raise ValueError(f"{self.symbol}: a number of {self.sentiment} is none")


def _numbers(found: Sentiment) -> list[float]:
    numbers = [found.score, found.confidence, found.agreement]
    for reading in found.readings:
        numbers += (reading.score, reading.confidence)
    return numbers


class IntentState(StrEnum):
    """PLANNED is in the journal before anything left; UNKNOWN is a state, not an error."""

    PLANNED = "planned"
    SENT = "sent"
    UNKNOWN = "unknown"
    NOT_SENT = "not_sent"
    REJECTED = "rejected"
    DONE = "done"


#: an intent in one of these still needs the exchange's word
UNRESOLVED = frozenset({IntentState.PLANNED, IntentState.UNKNOWN})
#: an intent in one of these is known not to be at the exchange
NOT_THERE = frozenset({IntentState.NOT_SENT, IntentState.REJECTED})


@dataclass(frozen=True, slots=True)
class Intent:
    """An order we want to send, and what became of it.

    ``order`` is the last known state at the exchange, with its legs; ``wall_at`` is the wall-clock instant at which it
    was planned, which rules how long an unanswered submit stays unknown. ``sender`` is the process that sends it.
    ``answered`` is how many wall seconds after its planning somebody knew what became of it; None where nobody does, or
    it never left.
    """

    agent: str
    account: str
    cycle_id: str
    leg: Leg
    request: OrderRequest
    state: IntentState
    planned_at: datetime
    wall_at: datetime
    reason: str = ""
    order: Order | None = None
    sender: str = ""
    answered: float | None = None


@dataclass(frozen=True, slots=True)
class Holding:
    """One agent's own open position, from fills attributed by order id. ``cost`` is the sum paid for ``qty`` shares."""

    agent: str
    symbol: str
    qty: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)
    opened_at: datetime | None = None
    realized: Decimal = Decimal(0)

    @property
    def avg_price(self) -> Decimal | None:
        return self.cost / self.qty if self.qty else None


@dataclass(frozen=True, slots=True)
class Fill:
    """An execution of one of our orders; ``agent`` is None for an order that is not ours (foreign).

    ``problem`` says why a fill of ours is booked as foreign: it sells more than its agent holds.
    """

    id: str
    order_id: str
    agent: str | None
    leg: Leg | None
    symbol: str
    side: Side
    qty: Decimal
    price: Decimal
    at: datetime
    problem: str = ""


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """A position from its first entry fill to flat. ``pnl`` in dollars before fees; prices are averages per share."""

    agent: str
    symbol: str
    qty: Decimal
    opened_at: datetime
    closed_at: datetime
    entry_price: Decimal
    exit_price: Decimal
    pnl: Decimal
    exit_leg: Leg | None


@dataclass(frozen=True, slots=True)
class AgentState:
    """Everything the risk rules and the decision need to know about one agent, read from the journal in one call.

    ``realized_today`` and ``trades_today`` count from the session's start; ``day_open_equity`` is the agent's equity
    (capital + realized + open profit) as last recorded before this session, so that a gap over night counts, or as
    first recorded in it, None before the first; ``peak_equity`` the highest ever recorded, None before the first.
    ``capital`` is the one that its newest point was measured with, None where none says.
    """

    holding: Holding
    realized_today: Decimal = Decimal(0)
    trades_today: int = 0
    last_stop_at: datetime | None = None
    day_open_equity: Decimal | None = None
    peak_equity: Decimal | None = None
    open_intents: tuple[Intent, ...] = ()
    pending_proposal: bool = False
    capital: Decimal | None = None


@dataclass(frozen=True, slots=True)
class AccountState:
    """What the journal knows of one account: its cash, and where reading the exchange's account book stopped.

    ``cash`` is None until the account was opened in the journal (:meth:`ztrade.ports.Journal.open_account`).
    """

    account: str
    cash: Decimal | None = None
    last_activity_at: datetime | None = None
    day_open_equity: Decimal | None = None
    peak_equity: Decimal | None = None


def agent_scope(agent: str, account: str) -> str:
    """Return the name of the agent's equity curve on one account: dry runs and real money never share one."""
    return f"agent:{agent}@{account}"


class ProposalState(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A decision of a manual agent that waits for a person; ``expires_at`` is exchange time."""

    id: str
    agent: str
    cycle_id: str
    leg: Leg
    request: OrderRequest
    rationale: str
    confidence: float
    created_at: datetime
    expires_at: datetime
    state: ProposalState = ProposalState.PENDING
    #: what a share cost when it was proposed, in dollars; approving far from it is refused
    price: Decimal = Decimal(0)
    #: the journal's name of the account that it was made for; it is sent there or nowhere
    account: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a halt orders besides stopping: open entries cancelled, and with ``flatten`` the position closed.

    ``stamp`` names the halt, so that the orders of one flattening have ids of their own.
    """

    stamp: str
    flatten: bool = False


#: ends the reason of a halt that no person ordered: whoever looks at the flag alone must tell them apart
BY_ITSELF = "(by itself)"


@dataclass(frozen=True, slots=True)
class HaltRecord:
    """A person's (or a breaker's) stop; ``agent`` is ``ALL`` for everyone. ``released_at`` is None while it holds."""

    agent: str
    reason: str
    by: str
    at: datetime
    released_at: datetime | None = None
