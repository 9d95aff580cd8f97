"""Keeping the journal equal to the exchange: the account's opening, unanswered intents, orders, the account book."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from ztrade.app.desk import Desk
from ztrade.app.standing import States, states
from ztrade.app.tell import tell
from ztrade.domain import portfolio, risk
from ztrade.domain.decision import Sentiment
from ztrade.domain.ledger import UNRESOLVED, AgentState, Fill, Holding, Intent, IntentState, Observed, agent_scope
from ztrade.domain.messages import Severity
from ztrade.domain.orders import check_adoption, is_disowned, state_of
from ztrade.domain.reconcile import cancelled_by_hand
from ztrade.domain.types import Activity, Order, OrderStatus, Quote
from ztrade.errors import ExchangeUnavailable, NotFound
from ztrade.ports import Exchange

#: Alpaca books fees and dividends by date, not by instant, so reading resumes a day before the last entry;
#: the journal drops what it has
OVERLAP = timedelta(days=1)
#: after the close reading goes back further: fees and dividends may be booked days after the date they carry
SETTLE_OVERLAP = timedelta(days=14)
_MAX_REPLACEMENTS = 20
#: so many times the grace until an unanswered order of a sender on another host counts as not sent
FAR_SENDER = 10
#: wall seconds that a request may be under way whose sender was ended just now
ARRIVAL = 1.0
#: an order that was taken for not sent is asked for again for so long
LATE = timedelta(hours=1)


def catch_up(desk: Desk, session_open: datetime) -> tuple[States, Sequence[Intent]]:
    """Open the account at first contact, and ask the exchange for each intent whose outcome is unknown, by its id.

    Returns what the journal says then, and the intents that stay unknown.

    Raises:
        ExchangeUnavailable: the account moved while it was opened.
    """
    known = states(desk, session_open)
    if known.account.cash is None:
        _open_account(desk)
        known = states(desk, session_open)
    pending = [intent for intent in known.agent.open_intents if intent.state in UNRESOLVED]
    unknown = [intent for intent in pending if _ask(desk, intent) is IntentState.UNKNOWN]
    return states(desk, session_open) if pending else known, unknown


def _open_account(desk: Desk) -> None:
    """Write the account's opening balance; a book that moves while it is read would not fit it."""
    before = desk.exchange.activities()
    account = desk.exchange.account()
    seen = desk.exchange.activities()
    if [entry.id for entry in before] != [entry.id for entry in seen]:
        raise ExchangeUnavailable(f"account {desk.account} moved while it was opened in the journal")
    desk.journal.open_account(desk.account, account.cash, desk.clock.now(), seen)


def unfinished(desk: Desk) -> Sequence[Intent]:
    """Return the agent's unfinished intents of this account: another account's exchange knows nothing of them."""
    return desk.journal.intents(agent=desk.agent.name, account=desk.account, unfinished=True)


def _ask(desk: Desk, intent: Intent) -> IntentState:
    name = intent.request.client_order_id
    order = order_under(desk, name)
    # until the sender's timeouts have passed, the order may still arrive
    waited = desk.clock.wall() - intent.wall_at
    over = order is None and _surely_over(desk, intent, waited)
    if over:
        # it may have left between the question and its sender's end
        desk.pause(ARRIVAL)
        order = order_under(desk, name)
    if order is not None:
        return adopt(desk, intent, order)
    state = IntentState.NOT_SENT if over else IntentState.UNKNOWN
    reason = f"the exchange has no such order {waited.total_seconds():.0f} s later"
    desk.journal.resolve(name, state, reason=reason, wall=desk.clock.wall())
    return state


def order_under(desk: Desk, name: str) -> Order | None:
    """Return what the exchange has under an id of ours, None where it says that there is nothing."""
    try:
        return desk.exchange.order_by_client_id(name)
    except NotFound:
        return None


def ask_again(desk: Desk, now: datetime) -> Sequence[Intent]:
    """Ask once more for orders that were taken for not sent not long ago; return those that turned up after all.

    Something on the way may have kept a request for longer than anybody waits. What came of it is then the agent's, and
    not shares of nobody beside which it enters again.
    """
    planned = desk.journal.intents(agent=desk.agent.name, account=desk.account, since=now - LATE)
    newest = desk.clock.wall() - LATE
    given_up = [
        one for one in planned if one.state is IntentState.NOT_SENT and one.wall_at >= newest and not is_disowned(one)
    ]
    return [intent for intent in given_up if _turned_up(desk, intent)]


def _turned_up(desk: Desk, intent: Intent) -> bool:
    name = intent.request.client_order_id
    order = order_under(desk, name)
    if order is None:
        return False
    adopt(desk, intent, order)
    text = f"{name} was taken for not sent, and is at the exchange ({order.status}): it is the agent's now"
    title = f"{intent.agent}: an order arrived late"
    tell(desk.journal, desk.clock, Severity.CRITICAL, f"late:{name}", title, text, intent.agent)
    return True


def _surely_over(desk: Desk, intent: Intent, waited: timedelta) -> bool:
    """Tell whether the request can no longer arrive: its timeouts have passed, and its sender has surely ended.

    A sender that was frozen would send when it is thawed, though another process has taken its cycle over since. Where
    nothing can be known of it (another host), only a much longer time will do.
    """
    if waited < desk.unknown_grace:
        return False
    # intents of a journal that is older than their senders' names
    sender = intent.sender or desk.journal.runner(intent.cycle_id) or ""
    return desk.end(sender) or waited >= FAR_SENDER * desk.unknown_grace


def adopt(desk: Desk, intent: Intent, order: Order) -> IntentState:
    """Take over what the exchange has under our id.

    Raises:
        AdoptionMismatch: it is not the order that was meant.
    """
    check_adoption(intent.request, order)
    return take(desk, intent, order)


def take(desk: Desk, intent: Intent, order: Order, *, reason: str = "", seen: Intent | None = None) -> IntentState:
    """Write the order down as the intent's, whatever was meant. ``seen`` as in the journal's ``resolve``."""
    name = intent.request.client_order_id
    last = current_order(desk.exchange, order.id, desk.account) if order.replaced_by else order
    state = state_of(last)
    # first the one that has our id: it is what the other replaces
    desk.journal.resolve(name, state, order=order, reason=reason, wall=desk.clock.wall(), seen=seen)
    if last.id != order.id:
        desk.journal.resolve(name, state, order=last, wall=desk.clock.wall())
    return state


def reads(desk: Desk, known: States, now: datetime, overlap: timedelta = OVERLAP) -> dict[str, Callable[[], object]]:
    """Return the calls that read what may have changed: each unfinished order with its legs, and the account book."""
    last = known.account.last_activity_at
    # an entry dated ahead must not hide what is booked until then
    since = min(last, now) if last is not None else None
    calls: dict[str, Callable[[], object]] = {
        f"order {intent.order.id}": partial(current_order, desk.exchange, intent.order.id, desk.account)
        for intent in known.agent.open_intents
        if intent.order is not None
    }
    calls["activities"] = partial(desk.exchange.activities, after=since - overlap if since else None)
    return calls


def current_order(exchange: Exchange, order_id: str, account: str) -> Order:
    """Return the order, or the one that replaced it last (a person may replace orders by hand).

    Raises:
        ExchangeUnavailable: it never ends, or it is not there any more, which no order of ours can be.
    """
    for _ in range(_MAX_REPLACEMENTS):
        order = _known_order(exchange, order_id, account)
        if order.status is not OrderStatus.REPLACED or order.replaced_by is None:
            return _with_heirs(exchange, order)
        order_id = order.replaced_by
    raise ExchangeUnavailable(f"order {order_id} was replaced more than {_MAX_REPLACEMENTS} times")


def _with_heirs(exchange: Exchange, order: Order) -> Order:
    """Return the order with what took the place of its legs, where it does not list that itself.

    A person moves a stop; and Alpaca's stop takes the place of the target when it is set off.
    """
    legs = {leg.id: leg for leg in order.legs}
    waiting = list(order.legs)
    while waiting and len(legs) <= _MAX_REPLACEMENTS:
        leg = waiting.pop()
        if leg.status is OrderStatus.REPLACED and leg.replaced_by is not None and leg.replaced_by not in legs:
            with contextlib.suppress(NotFound):
                legs[leg.replaced_by] = replace(exchange.order(leg.replaced_by), legs=())
                waiting.append(legs[leg.replaced_by])
    return order if len(legs) == len(order.legs) else replace(order, legs=tuple(legs.values()))


def _known_order(exchange: Exchange, order_id: str, account: str) -> Order:
    try:
        return exchange.order(order_id)
    except NotFound as error:
        raise ExchangeUnavailable(
            f"order {order_id} is in the journal, and account {account} does not know it: was the account reset? "
            f"A new account needs a name, or a state directory, of its own ({error})"
        ) from error


def take_over(desk: Desk, intents: Sequence[Intent], answers: Mapping[str, object]) -> Sequence[Fill]:
    """Write the answers of :func:`reads` into the journal; return the fills that were new."""
    for intent in intents:
        order = answers.get(f"order {intent.order.id}") if intent.order is not None else None
        # most reads of a resting bracket say what the journal has: no transaction for that
        if isinstance(order, Order) and (order != intent.order or state_of(order) is not intent.state):
            desk.journal.resolve(intent.request.client_order_id, state_of(order), order=order)
            _tell_of_hands(desk, intent, order)
    activities = answers.get("activities")
    if not activities:
        return []
    return desk.journal.book(desk.account, [entry for entry in _list(activities) if isinstance(entry, Activity)])


def _tell_of_hands(desk: Desk, intent: Intent, order: Order) -> None:
    for found in cancelled_by_hand(intent, order):
        key = f"by-hand:{intent.request.client_order_id}:{found.ours}"
        title = f"{intent.agent}: an order was cancelled by hand"
        tell(desk.journal, desk.clock, Severity.WARNING, key, title, found.words, intent.agent)


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else []


def refresh(desk: Desk, known: States, overlap: timedelta = OVERLAP) -> Sequence[Fill]:
    """Read and take over at once everything of this agent that may have changed."""
    answers = required(desk.gather(reads(desk, known, desk.clock.now(), overlap)))
    return take_over(desk, known.agent.open_intents, answers)


def required(answers: Mapping[str, object | BaseException]) -> Mapping[str, object]:
    """Return the answers; the first failure among them is raised, for an outage is never "nothing there"."""
    for answer in answers.values():
        if isinstance(answer, BaseException):
            raise answer
    return answers


def equity_points(desk: Desk, holding: Holding, quote: Quote, account_equity: Decimal) -> dict[str, Decimal]:
    """Return this instant's points of the agent's and of the account's equity curve; the bid values the holding.

    A quote that is empty on one side, crossed, or far too wide values nothing: limits are measured from these points,
    and a bid of zero, or an account worth nothing, would make every later loss of the day look like a gain.
    """
    points = {f"account:{desk.account}": account_equity} if account_equity > 0 else {}
    if not holding.qty or risk.is_two_sided(quote, desk.agent.limits.price_collar):
        own = portfolio.equity(desk.agent.capital, holding, quote.bid)
        points[agent_scope(desk.agent.name, desk.account)] = own
    return points


def observed(desk: Desk, at: datetime, points: Mapping[str, Decimal], sentiment: Sentiment | None = None) -> Observed:
    """Return what is kept of :func:`equity_points`: with the capital that they contain, which a person may change."""
    capitals = {agent_scope(desk.agent.name, desk.account): desk.agent.capital}
    return Observed(at, desk.agent.symbol, points, sentiment, capitals)


def tell_of_capital(desk: Desk, state: AgentState) -> None:
    """Tell that the agent's capital is not what its newest point was measured with; points are compared all the same.

    Once a day and change: until all processes have read the new file, they measure with one or the other.
    """
    name, old, new = desk.agent.name, state.capital, desk.agent.capital
    if old is None or old == new:
        return
    key = f"capital:{name}@{desk.account}:{old:f}:{new:f}:{desk.clock.now():%Y-%m-%d}"
    text = (
        "Neither gain nor loss: equity, its peak and the day's opening are as if it had been so all along. "
        "max_drawdown is a share of that peak, so it is another sum of dollars now."
    )
    title = f"{name}: capital changed from {old:f} to {new:f}"
    tell(desk.journal, desk.clock, Severity.INFO, key, title, text, name)
