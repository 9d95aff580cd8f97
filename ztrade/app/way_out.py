"""What an exit needs besides a market: the orders that hold its shares, and that the sale will be taken."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from decimal import Decimal
from functools import partial
from typing import cast

from ztrade.app import books
from ztrade.app.desk import Desk
from ztrade.app.tell import tell
from ztrade.domain.ledger import Intent
from ztrade.domain.messages import Severity
from ztrade.domain.orders import FINAL, live_parts
from ztrade.domain.schedule import market_day
from ztrade.domain.types import Account, Leg, Order, Position, Side
from ztrade.errors import Rejected, WashTrade


def check_way(desk: Desk) -> bool:
    """Make sure that the sale will be taken before the stop is ended for it; else the position would lie bare.

    Returns whether the exchange has any of the symbol's shares, or an order of the agent that may still buy some. Where
    not, stop or target were faster, and the account book lags behind; or the shares go by another name since: nothing
    can be sold then, and only the stop still protects them.

    Raises:
        Rejected: the account may not trade.
        WashTrade: an order by hand rests that the exchange refuses a sale beside, until a person cancels it.
    """
    calls: dict[str, Callable[[], object]] = {
        "account": desk.exchange.account,
        "orders": partial(desk.exchange.orders, open_only=True, symbol=desk.agent.symbol),
        "positions": desk.exchange.positions,
    }
    found = books.required(desk.gather(calls))
    mine = [order for _, order in holding_orders(desk)]
    _check_account(desk, cast("Account", found["account"]))
    _check_orders(desk, cast("Sequence[Order]", found["orders"]), {order.id for order in mine})
    there = _of_symbol(desk, cast("Sequence[Position]", found["positions"]))
    return there > 0 or any(order.side is Side.BUY for order in mine)


def _check_account(desk: Desk, account: Account) -> None:
    if account.trading_blocked:
        text = f"account {desk.account} is blocked: the exchange refuses every sale; the stop rests meanwhile"
        key = f"blocked:{desk.account}:{desk.agent.name}:{market_day(desk.clock.now())}"
        _tell_in_the_way(desk, key, "its account is blocked", f"{text}.")
        raise Rejected(text)


def _check_orders(desk: Desk, resting: Iterable[Order], ours: Container[str]) -> None:
    for order in resting:
        if order.side is Side.BUY and order.status not in FINAL and order.id not in ours:
            what = f"buy order {order.client_order_id or order.id} of {order.qty} {order.symbol} rests"
            text = f"{what}, and is not the agent's: the exchange refuses a sale beside it; the stop rests meanwhile"
            key = f"in-the-way:{desk.agent.name}:{order.id}"
            _tell_in_the_way(desk, key, "an order by hand is in the way of its exit", f"{text}. Cancel it.")
            raise WashTrade(text)


def _tell_in_the_way(desk: Desk, key: str, title: str, text: str) -> None:
    name = desk.agent.name
    tell(desk.journal, desk.clock, Severity.CRITICAL, key, f"{name}: {title}", text, name)


def shares_there(desk: Desk) -> Decimal:
    """Return how many shares of the symbol the exchange has on the account, whosever they are."""
    return _of_symbol(desk, desk.exchange.positions())


def _of_symbol(desk: Desk, positions: Iterable[Position]) -> Decimal:
    return sum((position.qty for position in positions if position.symbol == desk.agent.symbol), Decimal(0))


def holding_orders(desk: Desk) -> Iterator[tuple[Intent, Order]]:
    """Yield the agent's entries, and their legs, that live: they hold the shares, or may still buy some."""
    for intent in books.unfinished(desk):
        if intent.order is not None and intent.leg is Leg.ENTRY:
            yield from ((intent, part) for part in live_parts(intent.order))
