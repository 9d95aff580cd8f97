"""A process that dies at any call to the exchange or the journal, before or after it: its successor puts it right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.app.desks import BUY, HOLD, LEAVE, MINUTE, OPEN, Bench
from ztrade.app.run_cycle import run_cycle
from ztrade.domain.ledger import UNRESOLVED, CycleKind
from ztrade.domain.types import Side

DAY = {30: BUY, 35: HOLD, 40: LEAVE, 45: BUY, 50: LEAVE, 55: HOLD, 60: HOLD}
JOURNAL = ("claim", "check", "plan", "resolve", "book", "open_account", "finish")
EXCHANGE = ("submit", "cancel", "order", "order_by_client_id", "positions", "account", "activities")


class Killed(BaseException):
    """The process is gone: nothing of it runs any more."""


class Mortal:
    """Counts the calls of a bench's day, and dies at the one with this number."""

    def __init__(self, bench: Bench, at: int, *, after: bool) -> None:
        self.count, self._at, self._after = 0, at, after
        for port, names in ((bench.journal, JOURNAL), (bench.market, EXCHANGE)):
            for name in names:
                setattr(port, name, self._wrapped(getattr(port, name)))

    def _wrapped(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def mortal(*args: Any, **options: Any) -> Any:
            self.count += 1
            here = self.count
            if here == self._at and not self._after:
                raise Killed
            found = call(*args, **options)
            if here == self._at and self._after:
                raise Killed
            return found

        return mortal


def live(at: int, *, after: bool) -> tuple[Bench, int]:
    """Run the day; the slot in which the process dies is taken over once its claim has lapsed."""
    bench = Bench()
    mortal = Mortal(bench, at, after=after)
    for minutes, say in DAY.items():
        bench.at(minutes)
        bench.strategy.say = say
        slot = OPEN + minutes * MINUTE
        try:
            run_cycle(bench.desk, slot=slot)
        except Killed:
            bench.wall_shift += timedelta(minutes=11)
            run_cycle(bench.desk, slot=slot)
    return bench, mortal.count


#: more than a day has: their number differs by the order in which a bracket's legs come, so it is no fixed parameter
MOST = 160


def test_the_day_has_fewer_calls_than_are_tried() -> None:
    """Otherwise some would never be died at."""
    assert 60 < live(0, after=False)[1] <= MOST


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("begin", range(1, MOST + 1, 10))
def test_dying_at_any_call_costs_no_money(begin: int, after: bool) -> None:
    """No leg twice, no order without an intent, nothing unanswered, books equal, one outcome for every slot."""
    for at in range(begin, begin + 10):
        bench, calls = live(at, after=after)
        if calls < at:
            break
        where = f"killed {'after' if after else 'before'} call {at}"
        orders = bench.orders()
        legs = Counter(order.client_order_id.rstrip("0123456789") for order in orders)
        assert max(legs.values(), default=1) == 1, where
        assert {order.client_order_id for order in orders} <= {
            intent.request.client_order_id for intent in bench.journal.intents()
        }, where
        assert [intent for intent in bench.journal.intents() if intent.state in UNRESOLVED] == [], where
        held = {position.symbol: position.qty for position in bench.market.positions()}
        assert {holding.symbol: holding.qty for holding in bench.journal.holdings()} == held, where
        cash = bench.journal.account_state("embedded", OPEN).cash
        assert cash == bench.market.account().cash, where
        ended = {r.slot: r.outcome for r in bench.journal.cycles(kind=CycleKind.SLOT)}
        assert list(ended) == [OPEN + minutes * MINUTE for minutes in DAY], where
        assert None not in ended.values(), where
        assert held == {} or orders[-1].side is Side.BUY, where
