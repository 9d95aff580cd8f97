"""After the close: take the exchange's account book over, so that the journal's day ends equal to the exchange's."""

from __future__ import annotations

import contextlib
from datetime import datetime

from ztrade.app import books
from ztrade.app.desk import Desk
from ztrade.app.ended import Ended
from ztrade.app.run_cycle import Run, finish
from ztrade.app.standing import states
from ztrade.domain.ledger import CycleKind, CycleRecord, Outcome
from ztrade.domain.schedule import market_day
from ztrade.errors import HaltError, Rejected


def settle(desk: Desk, session_close: datetime) -> CycleRecord | None:
    """Close one agent's day: unanswered intents, orders that ended with the day, fills, fees, equity.

    Settling is a cycle of its own kind, claimed by compare-and-set, and sends nothing. Returns None when another
    process has or had it.

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
    holding = states(desk, session_open).agent.holding
    equity = desk.exchange.account().equity
    quote = desk.data.quote(desk.agent.symbol)
    books.tell_of_capital(desk, known.agent)
    run.observed = books.observed(desk, run.now, books.equity_points(desk, holding, quote, equity))
    reason = f"settled: {len(fills)} new fills, holds {holding.qty} {desk.agent.symbol}"
    if unknown:
        reason += f", unanswered: {', '.join(i.request.client_order_id for i in unknown)}"
    return Ended(Outcome.SETTLED, reason, details={"equity": str(equity), "price": str(quote.bid)})
