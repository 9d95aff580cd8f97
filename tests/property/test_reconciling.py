"""Both books after anything that agent, person or network does to an account: equal, and each share somebody's."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import mkdtemp

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.contract.journals import AND_SLOW, make
from tests.unit.app.desks import AGENT, BUY, HOLD, LEAVE, OPEN, Bench
from ztrade.app.reconcile import reconcile
from ztrade.domain.agent import BreakerLimits
from ztrade.domain.decision import Signal
from ztrade.domain.identity import agent_of
from ztrade.domain.ledger import UNRESOLVED, IntentState
from ztrade.domain.orders import live_parts
from ztrade.domain.reconcile import Kind
from ztrade.domain.types import OrderRequest, OrderType, Side
from ztrade.errors import OutcomeUnknown, Rejected

ACCOUNT = "embedded"
#: a breaker that trips of its own is another test's matter
NEVER = BreakerLimits(loss_streak=1000, orders_per_hour=1000, unknown_outcomes=1000, troubled_cycles=1000)
#: how an order fares on its way
WAYS = st.sampled_from(["arrives"] * 5 + ["lost", "unanswered", "refused"])


class Accounts(RuleBasedStateMachine):
    """One agent, a person, and a network, on one account; the clock goes on by a slot with every cycle."""

    kind = "twin"

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(mkdtemp())
        self._made = make(self.kind, self.directory)
        self.journal = next(self._made)
        self.bench = Bench(replace(AGENT, breakers=NEVER), journal=self.journal)
        self.minutes = 25
        self.number = 0

    def teardown(self) -> None:
        """Look a last time, then remove the database."""
        self.look(later=True)
        next(self._made, None)
        shutil.rmtree(self.directory)

    # -- the agent -----------------------------------------------------------------------------------------------------
    @rule(say=st.sampled_from([BUY, HOLD, LEAVE]), way=WAYS)
    def cycle(self, say: Signal, way: str) -> None:
        """Run the next slot, in which an order may not get there, or its answer may not come back."""
        self.minutes += 5
        self.bench.exchange.before.pop("submit", None)
        self.bench.exchange.after_submit = None
        if way == "unanswered":
            self.bench.exchange.after_submit = _raise(OutcomeUnknown("?", "no answer"))
        elif way != "arrives":
            error = OutcomeUnknown("?", "no answer") if way == "lost" else Rejected("no")
            self.bench.exchange.before["submit"] = _raise(error)
        self.bench.cycle(self.minutes, say)
        self.minutes += 1
        self.bench.at(self.minutes)
        self.minutes += 4

    # -- a person ------------------------------------------------------------------------------------------------------
    @rule(symbol=st.sampled_from(["SPY", "SPY", "QQQ"]), side=st.sampled_from(Side), qty=st.sampled_from([1, 7]))
    def by_hand(self, symbol: str, side: Side, qty: int) -> None:
        """Trade as a person would; what is refused is refused."""
        self.number += 1
        if side is Side.SELL and self.there(symbol) < qty:
            return  # nobody here sells short
        try:
            self.bench.market.submit(OrderRequest(f"by-hand-{self.number}", symbol, side, Decimal(qty)))
        except Rejected:
            return  # stop and target hold the shares
        self.minutes += 1
        self.bench.at(self.minutes)
        self.minutes += 4

    @rule(buys=st.booleans())
    def stop_cancelled(self, buys: bool) -> None:
        """Cancel the stops that rest, and perhaps buy beside the position: with a stop, that would be refused."""
        for order in self.bench.orders():
            for leg in live_parts(order):
                if leg.type is OrderType.STOP:
                    self.bench.market.cancel(leg.id)
        if buys:
            self.by_hand("SPY", Side.BUY, 7)

    # -- the keeper ----------------------------------------------------------------------------------------------------
    @rule(later=st.booleans())
    def look(self, later: bool) -> None:
        """Reconcile; ``later`` is when the sender's timeouts have passed. A second look finds and tells nothing new."""
        if later:
            self.bench.wall_shift += timedelta(minutes=2)
        self.bench.exchange.before.clear()
        first = reconcile([self.bench.desk], OPEN, _no_wait)
        told = len(self.journal.messages())
        again = reconcile([self.bench.desk], OPEN, _no_wait)
        assert again.differences == first.differences
        assert len(self.journal.messages()) == told
        assert Kind.UNEXPLAINED not in {difference.kind for difference in first.differences}
        self._books_agree()
        if later:
            assert not [i for i in self.journal.intents() if i.state in UNRESOLVED]

    def _books_agree(self) -> None:
        ours: Counter[str] = Counter()
        for holding in self.journal.holdings(ACCOUNT):
            ours[holding.symbol] += holding.qty  # type: ignore[assignment]
        for symbol, qty in self.journal.foreign(ACCOUNT).items():
            ours[symbol] += qty  # type: ignore[assignment]
        assert {symbol: ours[symbol] for symbol in ("SPY", "QQQ")} == {s: self.there(s) for s in ("SPY", "QQQ")}
        assert self.journal.account_state(ACCOUNT, OPEN).cash == self.bench.market.account().cash

    # -- what always holds ---------------------------------------------------------------------------------------------
    def there(self, symbol: str) -> Decimal:
        """Return the shares that the exchange has."""
        return sum((p.qty for p in self.bench.market.positions() if p.symbol == symbol), Decimal(0))

    @invariant()
    def nobody_is_stopped(self) -> None:
        """Whatever is explained stops nobody."""
        assert self.bench.halts.reducing("spy") is None
        assert self.bench.halts.reason("spy") is None

    @invariant()
    def an_agent_sells_its_own_alone(self) -> None:
        """It never sold more than it bought, nor another symbol; and each slot sent one order of a side at most."""
        ours = [order for order in self.bench.orders() if agent_of(order.client_order_id) == "spy"]
        assert {order.symbol for order in ours} <= {"SPY"}
        filled = Counter[Side]()
        for order in ours:
            for part in (order, *order.legs):
                filled[part.side] += part.filled_qty  # type: ignore[assignment]
        assert filled[Side.SELL] <= filled[Side.BUY]
        names = Counter(order.client_order_id for order in ours)
        assert not names or max(names.values()) == 1

    @invariant()
    def every_order_of_ours_was_planned(self) -> None:
        """An intent before the POST, and none that is known not to be there for an order that is."""
        states = {intent.request.client_order_id: intent.state for intent in self.journal.intents()}
        for order in self.bench.orders():
            if agent_of(order.client_order_id):
                assert states[order.client_order_id] not in {IntentState.NOT_SENT, IntentState.REJECTED}


def _raise(error: Exception) -> Callable[[], None]:
    def call() -> None:
        raise error

    return call


def _no_wait(_seconds: float) -> None:
    pass


@pytest.mark.parametrize("kind", AND_SLOW)
def test_the_books_agree_whatever_happens(kind: str) -> None:
    """Orders lost on the way there and back, trades by hand, stops cancelled: explained, and taken over."""
    # not shrunk: on a database that takes minutes, and the story is short as it is
    options = settings(
        max_examples=100 if kind == "twin" else 20,
        stateful_step_count=15,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    machine = type("Accounts", (Accounts,), {"kind": kind})
    run_state_machine_as_test(machine, settings=options)
