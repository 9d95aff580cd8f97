"""A made-up market from a seed: the same on every machine and with every Python, today and in ten years.

How that is so: the only source of chance is ``random.Random(text).random()``, which Python promises never to change
(documentation of ``random``, "Notes on Reproducibility"), with one generator a symbol and day; and what is done with
its numbers is addition, multiplication, division and comparison, which IEEE 754 fixes to the last bit, never ``exp``
or ``log``. So a longer market begins with the shorter one, and another symbol changes nothing for the rest.

What it is like: 5-minute bars in regular sessions. A market factor moves every symbol (SPY is the factor), and each has
moves of its own; each of these walks passes through trends, swings round an anchor, and quiet hours. Volume and
volatility smile over the day. Nights bring gaps, some days a halt, and some stories a move after them
(:mod:`ztrade.exchange.bars.stories`).
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from ztrade.domain.schedule import Session
from ztrade.domain.types import Bars, NewsItem
from ztrade.errors import ConfigError
from ztrade.exchange.bars.source import SYMBOL
from ztrade.exchange.bars.stories import Story, tell_stories
from ztrade.exchange.bars.walks import Draw, Walk, smile
from ztrade.exchange.tape import ListTape
from ztrade.ports import Calendar

MARKET = "SPY"
SPAN = timedelta(minutes=5)
_STEP = 300
#: volatility of the market factor over 5 minutes, as a fraction
_MARKET_MOVE = 0.0009
#: share of days with a halt, and its length in bars
_HALTS, _MARKET_HALTS = 0.03, 0.005
_LOWEST_PRICE = 1.0


@dataclass(frozen=True, slots=True)
class Profile:
    """What one symbol is like: price in dollars, share in the market's moves, moves of its own over 5 minutes."""

    price: float
    beta: float
    own_move: float
    volume: float
    name: str


_KNOWN = {
    MARKET: Profile(440.0, 1.0, 0.0, 950_000.0, "The S&P 500"),
    "TSLA": Profile(250.0, 1.6, 0.0020, 1_300_000.0, "Tesla"),
    "AAPL": Profile(175.0, 1.1, 0.0010, 800_000.0, "Apple"),
}


def profile(symbol: str) -> Profile:
    """Return what a symbol is like; those not known get a level, a beta and a volume from their letters."""
    if symbol in _KNOWN:
        return _KNOWN[symbol]
    digest = hashlib.sha256(symbol.encode()).digest()
    price, beta, move, volume = (digest[place] / 255 for place in range(4))
    return Profile(
        float(round(20 + 380 * price)), 0.6 + beta, 0.0008 + 0.0014 * move, 40_000 + 400_000 * volume, symbol
    )


def synthetic(
    seed: int,
    first_day: date,
    days: int,
    symbols: Sequence[str],
    calendar: Calendar,
    history_days: int = 20,
) -> ListTape:
    """Return a market of ``days`` sessions from ``first_day`` on, and ``history_days`` sessions before it as history.

    Args:
        seed: any whole number; equal seeds give equal markets.
        first_day: a New York day; the first session on or after it is the first of ``days``.
        days: sessions, at least 1.
        symbols: at least one; the order does not matter.
        calendar: of the exchange; half days end early.
        history_days: sessions before ``first_day``, 0 or more.

    Raises:
        ConfigError: there is no symbol, or a bad one, too few days, or the calendar does not reach them.
    """
    _check(days, symbols, history_days)
    sessions = _sessions(calendar, first_day, days, history_days)
    market = _Series(seed, MARKET)
    market_days = [market.day(session) for session in sessions]
    made = {symbol: _symbol(seed, symbol, sessions, market_days) for symbol in sorted(set(symbols))}
    return ListTape(
        {symbol: one.bars for symbol, one in made.items()},
        sorted((item for one in made.values() for item in one.news), key=lambda item: (item.at, item.id)),
        {symbol: one.halts for symbol, one in made.items() if one.halts},
    )


def _check(days: int, symbols: Sequence[str], history_days: int) -> None:
    if days < 1 or history_days < 0:
        what = f"{days} days after {history_days} days of history"
        raise ConfigError("synthetic market", f"{what} cannot be made", fix="ask for at least 1 day, and 0 of history")
    wrong = [symbol for symbol in symbols if not SYMBOL.fullmatch(symbol)]
    if wrong or not symbols:
        what = f"{wrong[0]!r} is no symbol" if wrong else "there is no symbol"
        raise ConfigError("synthetic market", what, fix="give symbols in capitals, like SPY")


def _sessions(calendar: Calendar, first_day: date, days: int, history_days: int) -> list[Session]:
    # the exchange has never closed for two weeks in a row, and trades on 5 of 7 days less some 10 holidays a year
    before = calendar.sessions(first_day - timedelta(days=history_days * 3 // 2 + 14), first_day - timedelta(days=1))
    after = calendar.sessions(first_day, first_day + timedelta(days=days * 3 // 2 + 14))
    return [*before[len(before) - history_days :], *after[:days]]


@dataclass(slots=True)
class _Day:
    """One day of one walk: the move over the night, the move of each bar, the stories told about it."""

    gap: float
    moves: list[float]
    stories: list[Story]


class _Series:
    """A walk with its stories, day after day."""

    def __init__(self, seed: int, name: str) -> None:
        self._seed, self._name = seed, name
        what = profile(name)
        self._move = what.own_move or _MARKET_MOVE
        self._felt = what.own_move + what.beta * _MARKET_MOVE
        self._walk = Walk(self._move)

    def day(self, session: Session) -> _Day:
        draw = Draw(f"walk:{self._seed}:{self._name}:{session.day}")
        bars = bars_in(session)
        gap, moves = self._walk.night(draw), [self._walk.step(draw, smile(bar, bars)) for bar in range(bars)]
        stories = tell_stories(Draw(f"news:{self._seed}:{self._name}:{session.day}"), session, bars, SPAN)
        for story in stories:
            for bar, share in story.pushes:
                moves[bar] += share * self._felt
        return _Day(gap, moves, stories)


def bars_in(session: Session) -> int:
    """Return how many 5-minute bars a session has: 78, or 42 on a half day."""
    return (session.close - session.open) // SPAN


@dataclass(slots=True)
class _Made:
    bars: Bars
    news: list[NewsItem] = field(default_factory=list)
    halts: list[tuple[datetime, datetime]] = field(default_factory=list)


def _symbol(seed: int, symbol: str, sessions: Sequence[Session], market: Sequence[_Day]) -> _Made:
    columns = [array("d") for _ in range(5)]
    made = _Made(Bars(symbol, SPAN, array("q"), *columns))
    writer = _Writer(symbol, profile(symbol), made)
    own = _Series(seed, symbol) if symbol != MARKET else None
    for session, factor in zip(sessions, market, strict=True):
        writer.day(Draw(f"bars:{seed}:{symbol}:{session.day}"), session, factor, own.day(session) if own else None)
    return made


class _Writer:
    """Turns moves into bars, stories and halts of one symbol."""

    def __init__(self, symbol: str, what: Profile, made: _Made) -> None:
        self._symbol, self._what, self._made = symbol, what, made
        self._price = what.price
        self._typical = what.beta * _MARKET_MOVE + what.own_move

    def day(self, draw: Draw, session: Session, factor: _Day, own: _Day | None) -> None:
        """Add one session."""
        bars = len(factor.moves)
        halt = self._halt(draw, session, bars)
        self._move(self._what.beta * factor.gap + (own.gap if own else 0.0))
        for bar in range(bars):
            move = self._what.beta * factor.moves[bar] + (own.moves[bar] if own else 0.0)
            start = int(session.open.timestamp()) + bar * _STEP
            self._bar(draw, start, move, smile(bar, bars), bar == bars - 1, bar in halt)
        for story in (own or factor).stories:
            self._made.news.append(story.item(self._symbol, self._what.name))

    def _halt(self, draw: Draw, session: Session, bars: int) -> range:
        """Return the bars without trading, mostly none; the first and last half hour always trade."""
        likely = _MARKET_HALTS if self._symbol == MARKET else _HALTS
        if draw.uniform() >= likely:
            return range(0)
        first, length = draw.whole(6, bars - 10), draw.whole(1, 3)
        begin = session.open + first * SPAN
        self._made.halts.append((begin, begin + length * SPAN))
        return range(first, first + length)

    def _move(self, move: float) -> None:
        self._price = max(_LOWEST_PRICE, self._price * (1 + move))

    def _bar(self, draw: Draw, start: int, move: float, level: float, is_last: bool, is_halted: bool) -> None:
        first = self._price
        self._move(move)
        # drawn even when halted, so that a halt changes nothing but its own bars
        up, down, noise = draw.uniform(), draw.uniform(), draw.uniform()
        if is_halted:
            return
        wick = self._typical * level * 0.8
        high = max(first, self._price) * (1 + wick * up)
        low = min(first, self._price) * (1 - wick * down)
        volume = self._what.volume * level * (0.6 + 0.8 * noise) * (1 + 0.3 * abs(move) / self._typical)
        self._add(start, first, high, low, volume * (1.8 if is_last else 1.0))

    def _add(self, start: int, first: float, high: float, low: float, volume: float) -> None:
        bars = self._made.bars
        bars.start.append(start)  # type: ignore[union-attr]
        values = (cents(first), cents(high), cents(low), cents(self._price), float(int(volume)))
        for column, value in zip((bars.open, bars.high, bars.low, bars.close, bars.volume), values, strict=True):
            column.append(value)  # type: ignore[union-attr]


def cents(price: float) -> float:
    """Return the price in whole cents; whole numbers divided by 100 are the same everywhere."""
    return round(price * 100) / 100
