"""One look at the world: everything that a decision needs, read at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import cast

from ztrade.app import books
from ztrade.app.desk import Desk
from ztrade.app.standing import States, states
from ztrade.domain.decision import Sentiment, SourceReading
from ztrade.domain.ledger import AgentState
from ztrade.domain.schedule import Session
from ztrade.domain.sentiment import combine
from ztrade.domain.types import Account, Bars, ExchangeClock, Order, Position, Quote
from ztrade.errors import NotFound, TemporaryError

_SESSION = timedelta(hours=6, minutes=30)
_SENTIMENT = "sentiment "


@dataclass(frozen=True, slots=True)
class Seen:
    """What one cycle saw, from ``wall`` (wall time) on.

    ``sessions`` are those that ``bars`` cover, the current one last; ``down`` says why a source of sentiment failed.
    """

    wall: datetime
    clock: ExchangeClock
    account: Account
    positions: Sequence[Position]
    orders: Sequence[Order]
    quote: Quote
    bars: Bars
    sessions: Sequence[Session]
    sentiment: Sentiment | None
    down: Mapping[str, str]


def observe(desk: Desk, session: Session, now: datetime, known: States) -> tuple[Seen, States]:
    """Read everything concurrently and take over what changed in the books; ``known`` is what the journal says before.

    Returns the rest of what was read, and what the journal says then.

    Raises:
        TemporaryError, HaltError: something that the decision cannot do without did not answer.
    """
    wall = desk.clock.wall()
    sessions = sessions_behind(desk, session)
    own = books.reads(desk, known, now) if _may_have_changed(known.agent) else {}
    answers = desk.gather(_market_calls(desk, sessions, now) | own | _source_calls(desk, now))
    _check_prices(desk, answers)
    needed = books.required({name: found for name, found in answers.items() if not name.startswith(_SENTIMENT)})
    if own:
        books.take_over(desk, known.agent.open_intents, needed)
        known = states(desk, session.open)
    down = _down(desk, answers)
    seen = Seen(
        wall=wall,
        clock=cast("ExchangeClock", needed["clock"]),
        account=cast("Account", needed["account"]),
        positions=cast("Sequence[Position]", needed["positions"]),
        orders=cast("Sequence[Order]", needed["orders"]),
        quote=cast("Quote", needed["quote"]),
        bars=cast("Bars", needed["bars"]),
        sessions=sessions,
        sentiment=_sentiment(desk, answers, down),
        down=down,
    )
    return seen, known


def _check_prices(desk: Desk, answers: Mapping[str, object | BaseException]) -> None:
    """Raise TemporaryError where the symbol has no price (yet): no order was refused, there is nothing to see."""
    if any(isinstance(answers[name], NotFound) for name in ("quote", "bars")):
        raise TemporaryError(f"there is no price of {desk.agent.symbol}")


def sessions_behind(desk: Desk, session: Session) -> Sequence[Session]:
    """Return as many sessions as the strategy's bars reach back, and two for holidays' sake, ``session`` last."""
    wanted = math.ceil(desk.strategy.lookback * desk.agent.timeframe / _SESSION) + 2
    # five sessions a week, and a week more for holidays
    first = session.day - timedelta(days=wanted * 7 // 5 + 7)
    return desk.calendar.sessions(first, session.day)[-wanted:]


def _market_calls(desk: Desk, sessions: Sequence[Session], now: datetime) -> dict[str, Callable[[], object]]:
    symbol = desk.agent.symbol
    return {
        # the longest answer first: it is read while the others are still under way
        "bars": partial(desk.data.bars, symbol, sessions[0].open, now),
        "clock": desk.exchange.clock,
        "account": desk.exchange.account,
        "positions": desk.exchange.positions,
        "orders": partial(desk.exchange.orders, open_only=True),
        "quote": partial(desk.data.quote, symbol),
    }


def _may_have_changed(state: AgentState) -> bool:
    """Tell whether the account book can hold anything of this agent since its last cycle; the close reads it anyway."""
    return bool(state.open_intents) or bool(state.holding.qty)


def _source_calls(desk: Desk, now: datetime) -> dict[str, Callable[[], object]]:
    agent = desk.agent
    return {_SENTIMENT + source.name: partial(source.read, agent.symbol, agent.aliases, now) for source in desk.sources}


def _down(desk: Desk, answers: Mapping[str, object | BaseException]) -> Mapping[str, str]:
    failed = ((source.name, answers[_SENTIMENT + source.name]) for source in desk.sources)
    return {name: f"{type(why).__name__}: {why}" for name, why in failed if isinstance(why, BaseException)}


def _sentiment(desk: Desk, answers: Mapping[str, object | BaseException], down: Mapping[str, str]) -> Sentiment | None:
    """Combine what the sources said; one that is down costs nothing but its weight."""
    readings = {
        source.name: None if source.name in down else cast("SourceReading | None", answers[_SENTIMENT + source.name])
        for source in desk.sources
    }
    return combine(readings, desk.source_weights, down)
