"""What an exit needs besides a market: the orders that hold its shares, and that the sale will be taken."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from ztrade.app import books
from ztrade.app.desk import Desk
from ztrade.app.tell import tell
from ztrade.domain.ledger import Intent
from ztrade.domain.messages import Severity
from ztrade.domain.orders import FINAL, live_parts
from ztrade.domain.schedule import market_day
from ztrade.domain.types import Leg, Order, Side
from ztrade.errors import Rejected, WashTrade


def check_way(desk: Desk) -> None:
    """Make sure that the sale will be taken before the stop is ended for it; else the position would lie bare.

    Raises:
        Rejected: the account may not trade.
        WashTrade: an order by hand rests that the exchange refuses a sale beside, until a person cancels it.
    """
    if desk.exchange.account().trading_blocked:
        text = f"account {desk.account} is blocked: the exchange refuses every sale; the stop rests meanwhile"
        day = market_day(desk.clock.now())
        _tell_in_the_way(desk, f"blocked:{desk.account}:{desk.agent.name}:{day}", "its account is blocked", f"{text}.")
        raise Rejected(text)
    ours = {order.id for _, order in holding_orders(desk)}
    for order in desk.exchange.orders(open_only=True, symbol=desk.agent.symbol):
        if order.side is Side.BUY and order.status not in FINAL and order.id not in ours:
            what = f"buy order {order.client_order_id or order.id} of {order.qty} {order.symbol} rests"
            text = f"{what}, and is not the agent's: the exchange refuses a sale beside it; the stop rests meanwhile"
            key = f"in-the-way:{desk.agent.name}:{order.id}"
            _tell_in_the_way(desk, key, "an order by hand is in the way of its exit", f"{text}. Cancel it.")
            raise WashTrade(text)


def _tell_in_the_way(desk: Desk, key: str, title: str, text: str) -> None:
    name = desk.agent.name
    tell(desk.journal, desk.clock, Severity.CRITICAL, key, f"{name}: {title}", text, name)


def is_gone(desk: Desk) -> bool:
    """Tell whether the exchange has none of the symbol's shares, and no order of the agent that may still buy some.

    Stop or target were faster, and the account book lags behind; or the shares go by another name since. Nothing can
    be sold then, and in the second case only the stop still protects them.
    """
    return shares_there(desk) <= 0 and all(order.side is Side.SELL for _, order in holding_orders(desk))


def shares_there(desk: Desk) -> Decimal:
    """Return how many shares of the symbol the exchange has on the account, whosever they are."""
    mine = (position.qty for position in desk.exchange.positions() if position.symbol == desk.agent.symbol)
    return sum(mine, Decimal(0))


def holding_orders(desk: Desk) -> Iterator[tuple[Intent, Order]]:
    for intent in books.unfinished(desk):
        if intent.order is not None and intent.leg is Leg.ENTRY:
            yield from ((intent, part) for part in live_parts(intent.order))
