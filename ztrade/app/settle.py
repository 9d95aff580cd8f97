"""After the close: take the exchange's account book over, so that the journal's day ends equal to the exchange's."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import datetime

from ztrade.app import books, trade
from ztrade.app.desk import Desk
from ztrade.app.ended import Ended
from ztrade.app.run_cycle import Run, finish
from ztrade.app.standing import states
from ztrade.app.tell import tell
from ztrade.domain.ledger import CycleKind, CycleRecord, Intent, Outcome
from ztrade.domain.messages import Severity
from ztrade.domain.orders import FINAL
from ztrade.domain.schedule import market_day
from ztrade.domain.types import Leg, Order
from ztrade.errors import ExchangeUnavailable, HaltError, RateLimited, Rejected


def settle(desk: Desk, session_close: datetime) -> CycleRecord | None:
    """Close one agent's day: unanswered intents, orders that ended with the day, fills, fees, equity.

    Settling is a cycle of its own kind, claimed by compare-and-set, and sends nothing; it ends an entry that rests
    unfilled. Returns None when another process has or had it.

    Raises:
        JournalUnavailable: nothing can be recorded.
        TemporaryError: the exchange is down; nothing was claimed, so that it is tried again.
    """
    now = desk.clock.now()
    with contextlib.suppress(HaltError, Rejected):  # wrong keys stay wrong: that is the settlement's outcome
        desk.exchange.clock()
    claim = desk.journal.claim(
        desk.agent.name,
        session_close,
        CycleKind.SETTLE,
        owner=desk.owner,
        now=now,
        wall=desk.clock.wall(),
        lease=desk.lease,
        gone=desk.gone,
    )
    if claim is None:
        return None
    run = Run(desk, claim, now, desk.agent.manual, desk.calendar.session(market_day(session_close)))
    return finish(run, lambda: _settle(run, session_close))


def _settle(run: Run, session_close: datetime) -> Ended:
    desk = run.desk
    session_open = run.session.open if run.session is not None else session_close
    known, unknown = books.catch_up(desk, session_open)
    fills = books.refresh(desk, known, books.SETTLE_OVERLAP)
    ended = _end_unfilled(desk, session_open)
    holding = states(desk, session_open).agent.holding
    equity = desk.exchange.account().equity
    quote = desk.data.quote(desk.agent.symbol)
    books.tell_of_capital(desk, known.agent)
    run.observed = books.observed(desk, run.now, books.equity_points(desk, holding, quote, equity))
    reason = f"settled: {len(fills)} new fills, holds {holding.qty} {desk.agent.symbol}"
    if unknown:
        reason += f", unanswered: {', '.join(i.request.client_order_id for i in unknown)}"
    if ended:
        reason += f", ended what the day did not fill: {', '.join(ended)}"
    return Ended(Outcome.SETTLED, reason, details={"equity": str(equity), "price": str(quote.bid)})


def _end_unfilled(desk: Desk, session_open: datetime) -> Sequence[str]:
    """End entries of which nothing was filled; return their names. A person is told where one does not end.

    They are good till cancelled, for the sake of their stops, and would buy at the next open, whatever the price is
    then. A settlement that runs in the next session leaves its orders alone.
    """
    resting = [(intent, order) for intent in books.unfinished(desk) if (order := _unfilled(intent)) is not None]
    try:
        if not resting or desk.exchange.clock().is_open:
            return []
        for intent, order in resting:
            trade.cancel(desk, intent, order, "the close")
    except (ExchangeUnavailable, RateLimited, Rejected) as error:
        name = desk.agent.name
        key, title = f"over-night:{name}:{market_day(session_open)}", f"{name}: an entry rests over night"
        text = f"It buys at the next open, whatever the price is then. Cancel it by hand: {error}"
        tell(desk.journal, desk.clock, Severity.CRITICAL, key, title, text, name)
        return []
    books.refresh(desk, states(desk, session_open))
    return [intent.request.client_order_id for intent, _ in resting]


def _unfilled(intent: Intent) -> Order | None:
    order = intent.order
    alive = intent.leg is Leg.ENTRY and order is not None and order.status not in FINAL and not order.filled_qty
    return order if alive else None
