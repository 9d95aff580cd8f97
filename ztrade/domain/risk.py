"""Risk: may this decision become an order? Pure; every guard fails closed; exits are never blocked by limits.

Each rule is one function from the :class:`Check` to a reason, or None. All rules run, so a refusal names everything
that stands against the trade with the numbers on both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

from ztrade.domain import portfolio
from ztrade.domain.agent import AccountLimits, Agent
from ztrade.domain.decision import Action, Decision
from ztrade.domain.durations import format_duration
from ztrade.domain.ledger import AccountState, AgentState
from ztrade.domain.types import CENT, Account, Order, OrderRequest, Position, Quote, Side


@dataclass(frozen=True, slots=True)
class Check:
    """Everything the rules look at. ``orders`` are the account's open orders, ``at`` is exchange time."""

    agent: Agent
    account_limits: AccountLimits
    at: datetime
    decision: Decision
    quote: Quote
    account: Account
    positions: Sequence[Position]
    orders: Sequence[Order]
    state: AgentState
    account_state: AccountState
    last_close: Decimal

    @property
    def cost(self) -> Decimal:
        """What the entry would cost, in dollars."""
        return self.decision.qty * self.quote.ask

    @property
    def equity(self) -> Decimal:
        """The agent's own equity at the bid, open profit included."""
        return portfolio.equity(self.agent.capital, self.state.holding, self.quote.bid)


@dataclass(frozen=True, slots=True)
class Approved:
    decision: Decision


@dataclass(frozen=True, slots=True)
class Rejected:
    """``rules`` are the names of the entry rules behind the reasons; none for an exit."""

    reasons: tuple[str, ...]
    rules: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "; ".join(self.reasons)


Rule = Callable[[Check], str | None]

#: names of what refuses entries besides :data:`ENTRY_RULES`
NOT_A_NUMBER, REDUCING, DEPLOYED, OPEN_POSITIONS = "not_a_number", "reducing", "deployed", "open_positions"


def as_decimal(number: float) -> Decimal:
    """Return a bar's float as Decimal; NaN stays NaN, and is refused."""
    return Decimal(repr(number))


def check(asked: Check) -> Approved | Rejected:
    """Return Approved, or Rejected with every reason.

    A sell needs only to be a number of shares that the agent has: limits never keep a position open.
    """
    if asked.decision.action is Action.SELL:
        reasons = _exit_reasons(asked)
        return Rejected(reasons) if reasons else Approved(asked.decision)
    # rules compare numbers, which means nothing while one of them is NaN
    broken = tuple(_not_finite(asked))
    if broken:
        return Rejected(broken, (NOT_A_NUMBER,))
    found = {name: reason for name, rule in ENTRY_RULES.items() if (reason := rule(asked)) is not None}
    return Rejected(tuple(found.values()), tuple(found)) if found else Approved(asked.decision)


def _exit_reasons(asked: Check) -> tuple[str, ...]:
    qty, held = asked.decision.qty, asked.state.holding.qty
    if not qty.is_finite() or qty <= 0:
        return (f"exit of {qty} shares",)
    return (f"exit of {qty} shares with {held} held",) if qty > held else ()


def _not_finite(asked: Check) -> Iterator[str]:
    """Yield a reason for each number that is NaN or infinite: a comparison with NaN would let everything through."""
    decision = asked.decision
    for name, number in (("confidence", decision.confidence), ("score", decision.score)):
        if not Decimal(number).is_finite():
            yield f"{name} is {number}"
    owners = (decision, asked.quote, asked.account, asked.state, asked.state.holding, asked.account_state)
    for owner in (*owners, *asked.positions, *asked.orders):
        kind: Any = type(owner)
        for name in _decimal_fields(kind):
            value = getattr(owner, name)
            if isinstance(value, Decimal) and not value.is_finite():
                yield f"{name} is {value}"
    if not asked.last_close.is_finite():
        yield f"last close is {asked.last_close}"


@cache
def _decimal_fields(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind) if "Decimal" in str(field.type))


def _quantity(asked: Check) -> str | None:
    qty = asked.decision.qty
    return None if qty > 0 and qty == qty.to_integral_value() else f"entry of {qty} shares: must be whole and above 0"


def _position_value(asked: Check) -> str | None:
    limit = asked.agent.limits.max_position_value
    return f"position value {asked.cost:.2f} over {limit}" if asked.cost > limit else None


def _capital(asked: Check) -> str | None:
    return f"cost {asked.cost:.2f} over the agent's equity {asked.equity:.2f}" if asked.cost > asked.equity else None


def _trades_today(asked: Check) -> str | None:
    limit = asked.agent.limits.max_daily_trades
    done = asked.state.trades_today
    return f"{done} trades today of {limit}" if done >= limit else None


def _daily_loss(asked: Check) -> str | None:
    opened = asked.state.day_open_equity
    loss = (opened if opened is not None else asked.equity) - asked.equity
    limit = asked.agent.limits.max_daily_loss
    return f"daily loss {loss:.2f} of {limit}" if loss >= limit else None


def _drawdown(asked: Check) -> str | None:
    peak = asked.state.peak_equity
    fall = portfolio.drawdown(peak if peak is not None else asked.equity, asked.equity)
    limit = asked.agent.limits.max_drawdown
    return f"drawdown {fall:.2%} from peak {peak:.2f}, limit {limit:.2%}" if peak and fall >= limit else None


def _confidence(asked: Check) -> str | None:
    found, limit = asked.decision.confidence, asked.agent.limits.min_confidence
    return None if found >= limit else f"confidence {found:.2f} under {limit:.2f}"


def _stop(asked: Check) -> str | None:
    stop, price = asked.decision.stop, asked.decision.price
    if stop is None:
        return "no stop"
    if not 0 < stop < price:
        return f"stop {stop} is not below the price {price}"
    configured = price * (1 - asked.agent.limits.stop_loss)
    if abs(stop - configured) <= CENT:  # rounded to a tick
        return None
    word = "tighter" if stop > configured else "wider"
    return f"stop {stop} is {word} than {asked.agent.limits.stop_loss:.2%}"


def _target(asked: Check) -> str | None:
    target, price = asked.decision.target, asked.decision.price
    return f"target {target} is not above the price {price}" if target is None or target <= price else None


def _open_positions(asked: Check) -> str | None:
    held = asked.state.holding.qty
    if held:
        return f"already holds {held} {asked.agent.symbol}"
    if asked.state.open_intents:
        return f"order {asked.state.open_intents[0].request.client_order_id} is still open"
    return None if asked.agent.limits.max_open_positions else "max_open_positions is 0"


def _foreign_position(asked: Check) -> str | None:
    foreign = [p for p in asked.positions if p.symbol == asked.agent.symbol and p.qty != asked.state.holding.qty]
    return f"the account holds {foreign[0].qty} {asked.agent.symbol} that are not this agent's" if foreign else None


def _opposite_order(asked: Check) -> str | None:
    for order in asked.orders:
        if order.symbol == asked.agent.symbol and order.side is Side.SELL:
            return f"sell order {order.client_order_id} rests: a buy would be a wash trade"
    return None


def _cooldown(asked: Check) -> str | None:
    stopped, cooldown = asked.state.last_stop_at, asked.agent.limits.cooldown
    if stopped is None or asked.at >= stopped + cooldown:
        return None
    return f"cooldown {format_duration(cooldown)} after the stop at {stopped:%H:%M:%S}"


def _stale_quote(asked: Check) -> str | None:
    age, limit = asked.at - asked.quote.at, asked.agent.limits.max_quote_age
    if age < -limit:
        return f"quote is from {format_duration(-age)} ahead of the clock"
    return f"quote is {format_duration(age)} old, limit {format_duration(limit)}" if age > limit else None


def is_two_sided(quote: Quote, widest: Decimal) -> bool:
    """Tell whether the quote is a price at all: both sides there, not crossed, apart by at most ``widest`` (0.02)."""
    return 0 < quote.bid <= quote.ask and quote.ask - quote.bid <= widest * quote.bid


def _collar(asked: Check) -> str | None:
    bid, ask, limit = asked.quote.bid, asked.quote.ask, asked.agent.limits.price_collar
    if not 0 < bid <= ask:
        return f"quote {bid} / {ask} is crossed or empty"
    if not is_two_sided(asked.quote, limit):
        return f"spread {(ask - bid) / bid:.2%} over {limit:.2%}"
    for name, reference in (("decision's price", asked.decision.price), ("last close", asked.last_close)):
        if reference <= 0 or abs(ask - reference) > limit * reference:
            return f"ask {ask} is more than {limit:.2%} from the {name} {reference:.2f}"
    return None


def _account_ready(asked: Check) -> str | None:
    account = asked.account
    if account.trading_blocked or account.status.upper() != "ACTIVE":
        return f"account is {account.status}{', trading blocked' if account.trading_blocked else ''}"
    if asked.cost > account.buying_power:
        return f"cost {asked.cost:.2f} over buying power {account.buying_power:.2f}"
    return None


def _deployed(asked: Check) -> str | None:
    return crowded(asked, ())


def crowded(asked: Check, planned: Iterable[OrderRequest]) -> str | None:
    """Return why the entry is too much for the account, with the entries that other agents ``planned`` meanwhile.

    Those that show in the account's orders or positions already are counted once.
    """
    equity, limit = asked.account.equity, asked.account_limits.max_deployed
    if equity <= 0:
        return f"account equity is {equity}"
    share = asked.cost + sum(abs(_value(position)) for position in asked.positions)
    for name, qty, price in (*_open_buys(asked), *_unseen(asked, planned)):
        if price is None:
            return f"open order {name} has no price, so what is deployed is unknown"
        share += qty * price
    return None if share <= limit * equity else f"{share / equity:.1%} of the account deployed, limit {limit:.1%}"


def _open_buys(asked: Check) -> Iterator[tuple[str, Decimal, Decimal | None]]:
    for order in asked.orders:
        if order.side is Side.BUY:
            yield order.client_order_id, order.qty - order.filled_qty, _highest_price(order)


def _unseen(asked: Check, planned: Iterable[OrderRequest]) -> Iterator[tuple[str, Decimal, Decimal | None]]:
    names = {order.client_order_id for order in asked.orders}
    held = {position.symbol for position in asked.positions}
    for request in planned:
        if request.client_order_id not in names and request.symbol not in held:
            yield request.client_order_id, request.qty, request.take_profit


def _value(position: Position) -> Decimal:
    return position.market_value if position.market_value is not None else position.qty * position.avg_entry_price


def _highest_price(order: Order) -> Decimal | None:
    """Return a bound for what a share of an open buy costs; an entry bracket stays under its own target."""
    targets = [leg.limit_price for leg in order.legs if leg.limit_price is not None]
    return order.limit_price or order.stop_price or (targets[0] if targets else None)


def _account_daily_loss(asked: Check) -> str | None:
    opened = asked.account_state.day_open_equity
    loss = (opened if opened is not None else asked.account.equity) - asked.account.equity
    limit = asked.account_limits.max_daily_loss
    return f"account's daily loss {loss:.2f} of {limit}" if loss >= limit else None


def _account_drawdown(asked: Check) -> str | None:
    peak, limit = asked.account_state.peak_equity, asked.account_limits.max_drawdown
    fall = portfolio.drawdown(peak, asked.account.equity) if peak is not None else Decimal(0)
    return f"account's drawdown {fall:.2%}, limit {limit:.2%}" if fall >= limit else None


#: by the short name under which refusals are counted; :data:`REFUSALS` has all names
ENTRY_RULES: Mapping[str, Rule] = {
    "quantity": _quantity,
    "position_value": _position_value,
    "capital": _capital,
    "trades_today": _trades_today,
    "daily_loss": _daily_loss,
    "drawdown": _drawdown,
    "confidence": _confidence,
    "stop": _stop,
    "target": _target,
    "open_positions": _open_positions,
    "foreign_position": _foreign_position,
    "opposite_order": _opposite_order,
    "cooldown": _cooldown,
    "stale_quote": _stale_quote,
    "collar": _collar,
    "account_ready": _account_ready,
    "deployed": _deployed,
    "account_daily_loss": _account_daily_loss,
    "account_drawdown": _account_drawdown,
}
#: every name under which an entry may be refused
REFUSALS = (*ENTRY_RULES, NOT_A_NUMBER, REDUCING)
