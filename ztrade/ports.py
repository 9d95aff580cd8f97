"""One Protocol per outside thing. Each has a real adapter and an in-memory twin in ``ztrade.testing``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Protocol, TypeVar, runtime_checkable

from ztrade.domain.decision import SourceReading
from ztrade.domain.ledger import (
    AccountState,
    AgentState,
    Claim,
    CycleKind,
    CycleRecord,
    Fill,
    HaltRecord,
    Holding,
    Intent,
    IntentState,
    Observed,
    Outcome,
    Proposal,
    ProposalState,
    RoundTrip,
    Wish,
)
from ztrade.domain.messages import Message
from ztrade.domain.schedule import Session
from ztrade.domain.types import (
    Account,
    Activity,
    Bars,
    ExchangeClock,
    NewsItem,
    Order,
    OrderRequest,
    Position,
    Quote,
)

T = TypeVar("T")


def nobody_is_gone(_owner: str) -> bool:
    """Tell nothing of anybody: a claim then lapses with its lease alone."""
    return False


def all_in_this_process(_owner: str) -> bool:
    """Tell that every sender has ended its request: where there is but one process, whoever asks is not sending."""
    return True


class Clock(Protocol):
    """Two kinds of time, never mixed."""

    def now(self) -> datetime:
        """Exchange time, aware UTC: rules slots, sessions, staleness, cooldown, expiry of proposals."""
        ...

    def wall(self) -> datetime:
        """Wall time, aware UTC: rules timeouts, leases, lateness."""
        ...


class Calendar(Protocol):
    """The packaged exchange calendar (NYSE)."""

    def session(self, day: date) -> Session | None:
        """Return the session of one New York day, None when the exchange is closed all day."""
        ...

    def sessions(self, first: date, last: date) -> Sequence[Session]:
        """Return the sessions from ``first`` to ``last``, both included, in order."""
        ...


class Exchange(Protocol):
    """Orders and money at the exchange.

    Every method may raise :class:`~ztrade.errors.ExchangeUnavailable`, :class:`~ztrade.errors.RateLimited` or
    :class:`~ztrade.errors.AccessDenied`. An empty answer means "nothing there", an outage always raises.
    """

    def clock(self) -> ExchangeClock: ...

    def account(self) -> Account: ...

    def positions(self) -> Sequence[Position]: ...

    def orders(
        self, *, open_only: bool = False, after: datetime | None = None, symbol: str | None = None
    ) -> Sequence[Order]:
        """Return top-level orders with nested legs, oldest first, submitted later than ``after``; follows paging."""
        ...

    def order(self, order_id: str) -> Order:
        """Return one order, with its legs, by the exchange's id. Raises NotFound."""
        ...

    def order_by_client_id(self, client_order_id: str) -> Order:
        """Return one order, with its legs, by our id. Raises NotFound: the exchange has no such order (now)."""
        ...

    def submit(self, request: OrderRequest) -> Order:
        """Send the order once, never twice.

        Raises:
            Rejected: the exchange refused it (a subclass says why); it is not there.
            DuplicateOrderId: an order with this id is already there.
            ExchangeUnavailable: the request surely did not leave (connection refused, name not found).
            RateLimited: refused before it was read (429 or our own budget): not there.
            OutcomeUnknown: it may be there: timeout, reset, 5xx, an answer that cannot be read.
        """
        ...

    def cancel(self, order_id: str) -> None:
        """Ask for the order's end; returns when the exchange accepted that. Raises NotFound, NotCancelable."""
        ...

    def activities(self, *, after: datetime | None = None) -> Sequence[Activity]:
        """Return the account book's entries later than ``after``, oldest first; follows paging."""
        ...


class MarketData(Protocol):
    """Prices. Raises the same outage errors as :class:`Exchange`."""

    def bars(self, symbol: str, start: datetime, end: datetime) -> Bars:
        """Return the 5-minute bars of regular hours that begin in [start, end), oldest first; may be empty."""
        ...

    def quote(self, symbol: str) -> Quote:
        """Return the latest quote. Raises NotFound for a symbol that is not there."""
        ...


class News(Protocol):
    def news(self, symbol: str, start: datetime, end: datetime, limit: int = 50) -> Sequence[NewsItem]:
        """Return stories tagged with ``symbol`` published in [start, end], newest first."""
        ...


class SentimentScorer(Protocol):
    """Turns texts into scores in [-1, 1], one per text, in order. Never raises for any text.

    A score beyond +/-0.05 has a direction. ``name`` holds the version: the journal keeps it with each score.
    """

    @property
    def name(self) -> str: ...

    def score(self, texts: Sequence[str], about: Sequence[str] = ()) -> Sequence[float]:
        """Score ``texts``; where one names several companies, what it says of the one that ``about`` names."""
        ...


@runtime_checkable
class GradingScorer(SentimentScorer, Protocol):
    """A scorer with another one behind it."""

    def graded(self, texts: Sequence[str], about: Sequence[str] = ()) -> Sequence[tuple[float, str]]:
        """Return for each text the score, and the name of the scorer that gave it."""
        ...


class SentimentSource(Protocol):
    """One place where opinion comes from (news, filings, a forum)."""

    name: str

    def read(self, symbol: str, aliases: Sequence[str], at: datetime) -> SourceReading | None:
        """Return the reading at ``at``, None where the source has nothing on the symbol.

        Raises:
            TemporaryError: the source is down; it then costs nothing but its weight.
        """
        ...


class Journal(Protocol):
    """The truth. Every method may raise :class:`~ztrade.errors.JournalUnavailable`; writes are atomic, one per call."""

    # -- cycles ------------------------------------------------------------------------------------------------------
    def claim(
        self,
        agent: str,
        slot: datetime,
        kind: CycleKind,
        *,
        owner: str,
        now: datetime,
        wall: datetime,
        lease: timedelta,
        gone: Callable[[str], bool] = nobody_is_gone,
    ) -> Claim | None:
        """Take the right to run a cycle by compare-and-set on (agent, slot, kind).

        Returns None when it is finished, or held by another whose lease (wall time) still runs and who is not surely
        gone; ``gone`` tells that of an owner. A lapsed claim is
        taken over once, with a higher token; after two attempts the cycle is closed as interrupted and None returned.
        """
        ...

    def finish(self, claim: Claim, record: CycleRecord, observed: Observed | None = None) -> None:
        """Write the cycle's one outcome, and what it saw; a later point of equity at one instant replaces the earlier.

        Raises ClaimLost when the claim's token is no longer the newest.
        """
        ...

    def check(self, claim: Claim) -> None:
        """Raise ClaimLost when the claim's token is no longer the newest, or its cycle is finished."""
        ...

    def close_slot(self, agent: str, slot: datetime, outcome: Outcome, reason: str, now: datetime) -> bool:
        """Give a slot that nobody claimed its outcome (missed); False when it was claimed or closed already."""
        ...

    def end_dead_extras(self, agent: str, now: datetime, wall: datetime) -> None:
        """Close extra cycles whose lease (wall time) has lapsed: nobody will ever claim their instant again."""
        ...

    def runner(self, cycle_id: str) -> str | None:
        """Return the owner of the cycle's newest claim, None where the journal has no such cycle."""
        ...

    def cycles(
        self,
        *,
        agent: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        kind: CycleKind | None = None,
        limit: int | None = None,
        with_inputs: bool = False,
    ) -> Sequence[CycleRecord]:
        """Return cycles whose slot is in [since, until], newest last; ``limit`` keeps the newest."""
        ...

    # -- intents and orders ------------------------------------------------------------------------------------------
    def plan(self, claim: Claim, intent: Intent) -> None:
        """Write the intent before its POST leaves. Raises ClaimLost; an intent with this id already there is kept."""
        ...

    def resolve(
        self, client_order_id: str, state: IntentState, *, order: Order | None = None, reason: str = ""
    ) -> None:
        """Write what became of an intent, with the order (and its legs) as the exchange has it."""
        ...

    def intents(
        self,
        *,
        agent: str | None = None,
        account: str | None = None,
        unfinished: bool = False,
        since: datetime | None = None,
    ) -> Sequence[Intent]:
        """Return intents, oldest first; ``unfinished`` keeps those that are unresolved or whose order is still live."""
        ...

    def intent(self, client_order_id: str) -> Intent | None: ...

    def owner_of(self, order_id: str) -> tuple[str, object] | None:
        """Return (agent, leg) of an order that the journal knows, a bracket's leg included; None for a foreign one."""
        ...

    def orders(self, *, agent: str | None = None, since: datetime | None = None) -> Sequence[tuple[str, Order]]:
        """Return (agent, order) of every order that the journal knows, legs as orders of their own, oldest first."""
        ...

    # -- the account book --------------------------------------------------------------------------------------------
    def open_account(self, account: str, cash: Decimal, at: datetime, seen: Sequence[Activity]) -> None:
        """Write the opening balance; ``seen`` activities are contained in it and never booked again."""
        ...

    def book(self, account: str, activities: Sequence[Activity]) -> Sequence[Fill]:
        """Book activities that are not there yet: cash, fills, holdings and round trips, in one transaction.

        Fills are attributed through :meth:`owner_of`. Returns the fills that were new.
        """
        ...

    def account_state(self, account: str, session_open: datetime) -> AccountState: ...

    def agent_state(self, agent: str, account: str, symbol: str, session_open: datetime) -> AgentState: ...

    def holdings(self, account: str | None = None) -> Sequence[Holding]:
        """Return holdings that are not flat."""
        ...

    def foreign(self, account: str) -> Mapping[str, Decimal]:
        """Return shares by symbol that the account holds and no agent owns, as far as its book says; without zeros."""
        ...

    def fills(self, *, agent: str | None = None, since: datetime | None = None) -> Sequence[Fill]: ...

    def round_trips(self, *, agent: str | None = None, since: datetime | None = None) -> Sequence[RoundTrip]: ...

    def equity(self, scope: str, since: datetime | None = None) -> Sequence[tuple[datetime, Decimal]]:
        """Return an equity curve, oldest first; ``scope`` is ``agent:NAME@ACCOUNT`` or ``account:NAME``."""
        ...

    def rebase(self, scope: str) -> None:
        """Let the peak of an equity curve begin anew at its newest point: a person has looked at the fall."""
        ...

    # -- proposals, halts --------------------------------------------------------------------------------------------
    def propose(self, claim: Claim, proposal: Proposal) -> None: ...

    def proposals(self, *, state: ProposalState | None = None) -> Sequence[Proposal]: ...

    def decide_proposal(self, proposal_id: str, state: ProposalState, *, by: str, now: datetime) -> Proposal:
        """Move a pending proposal on by compare-and-set.

        Raises:
            Rejected: it is not pending any more, or it expired; the message says which.
            NotFound: there is none with this id.
        """
        ...

    def record_halt(self, record: HaltRecord) -> None: ...

    def halts(self, *, active_only: bool = True) -> Sequence[HaltRecord]: ...

    def release(self, agent: str) -> None:
        """Note that a person released the agent: its breakers count from its newest cycle on."""
        ...

    def released_at(self, agent: str) -> datetime | None:
        """Return the exchange time of the agent's newest cycle when it was last released, None where it never was."""
        ...

    # -- messages for people -----------------------------------------------------------------------------------------
    def post(self, message: Message) -> bool:
        """Write a message to be sent; False, and nothing changed, where one with its key is there."""
        ...

    def messages(self, *, unsent: bool = False, limit: int = 100) -> Sequence[Message]:
        """Return the oldest messages, those that are not sent only where ``unsent``."""
        ...

    def mark_sent(self, key: str, at: datetime) -> None:
        """Note (wall time) that a message was sent; the first time counts."""
        ...


class Halts(Protocol):
    """The stop that works with everything else down: present or unreadable means halted."""

    def reason(self, agent: str) -> str | None:
        """Return why the agent (or everyone) is halted, None when it is not."""
        ...

    def reducing(self, agent: str) -> str | None:
        """Return why the agent's (or everyone's) entries are refused while exits run, None where they are not."""
        ...

    def halt(self, agent: str, reason: str, wish: Wish | None = None) -> None:
        """Stop the agent until a person releases it."""
        ...

    def reduce(self, agent: str, reason: str) -> bool:
        """Refuse the agent's entries until a person releases it; False where a reason stands, which is then kept."""
        ...

    def wish(self, agent: str) -> Wish | None:
        """Return what the halt of the agent (or of all) orders besides stopping."""
        ...


class AlertChannel(Protocol):
    def send(self, severity: str, title: str, text: str) -> None: ...


class Metrics(Protocol):
    """Counters and durations; never raises."""

    def count(self, name: str, value: float = 1, labels: Mapping[str, str] | None = None) -> None: ...


class Gather(Protocol):
    """Runs independent reads at once (threads) or one after another (backtests, tests)."""

    def __call__(self, calls: Mapping[str, Callable[[], object]]) -> Mapping[str, object | BaseException]:
        """Return each call's result, or the exception it raised, under its name."""
        ...
