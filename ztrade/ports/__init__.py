"""One Protocol per outside thing. Each has a real adapter and an in-memory twin in ``ztrade.testing``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Protocol

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
from ztrade.ports.metrics import Metrics as Metrics
from ztrade.ports.outbox import Outbox as Outbox
from ztrade.ports.sentiment import GradingScorer as GradingScorer
from ztrade.ports.sentiment import SentimentScorer as SentimentScorer
from ztrade.ports.sentiment import SentimentSource as SentimentSource
from ztrade.ports.tallies import Tallies as Tallies


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
        self,
        client_order_id: str,
        state: IntentState,
        *,
        order: Order | None = None,
        reason: str = "",
        wall: datetime | None = None,
        seen: Intent | None = None,
    ) -> None:
        """Write what became of an intent, with the order (and its legs) as the exchange has it.

        ``wall`` is given where that is the word on an order that left, or may have. ``seen`` is the intent as whoever
        decides on it has read it: raises Rejected where it is another by now, and nothing is written.
        """
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

    def agent_state(
        self, agent: str, account: str, symbol: str, session_open: datetime, capital: Decimal | None = None
    ) -> AgentState:
        """Return the agent's state, its equity as if ``capital`` had been its capital all along (:meth:`equity`)."""
        ...

    def holdings(self, account: str | None = None) -> Sequence[Holding]:
        """Return holdings that are not flat."""
        ...

    def foreign(self, account: str) -> Mapping[str, Decimal]:
        """Return shares by symbol that the account holds and no agent owns, as far as its book says; without zeros."""
        ...

    def fills(self, *, agent: str | None = None, since: datetime | None = None) -> Sequence[Fill]: ...

    def round_trips(self, *, agent: str | None = None, since: datetime | None = None) -> Sequence[RoundTrip]: ...

    def equity(
        self, scope: str, since: datetime | None = None, capital: Decimal | None = None
    ) -> Sequence[tuple[datetime, Decimal]]:
        """Return an equity curve, oldest first; ``scope`` is ``agent:NAME@ACCOUNT`` or ``account:NAME``.

        A change of an agent's capital is neither gain nor loss, so whoever compares points says with which ``capital``
        he wants all of them; without it they are as the journal keeps them, with the first one that it saw.
        """
        ...

    def rebase(self, scope: str) -> None:
        """Let the peak of an equity curve begin anew at its newest point: a person has looked at the fall."""
        ...

    # -- proposals, halts --------------------------------------------------------------------------------------------
    def propose(self, claim: Claim, proposal: Proposal) -> None: ...

    def proposals(self, *, state: ProposalState | None = None, since: datetime | None = None) -> Sequence[Proposal]:
        """Return proposals made at ``since`` or later, oldest first."""
        ...

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
        """Return the oldest messages; where ``unsent``, those only that wait for a channel, or for the keeper."""
        ...

    @property
    def outbox(self) -> Outbox:
        """What became of the messages on each channel."""
        ...

    @property
    def tallies(self) -> Tallies:
        """What is new, for whoever counts."""
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
    """One way to reach people. It may be slow: nothing that trades waits for one."""

    def send(self, message: Message) -> Mapping[str, str]:
        """Hand the message in, once; returns when it was taken: whom of its receivers it will not reach, and why.

        Raises:
            ChannelDown: it was not surely taken: try again later.
            MessageRefused: it will never be taken.
        """
        ...


class Gather(Protocol):
    """Runs independent reads at once (threads) or one after another (backtests, tests)."""

    def __call__(self, calls: Mapping[str, Callable[[], object]]) -> Mapping[str, object | BaseException]:
        """Return each call's result, or the exception it raised, under its name."""
        ...
