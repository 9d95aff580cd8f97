"""``/v2/account/portfolio/history``: equity over time, worked out from the account book and the bars."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from ztrade.domain.schedule import Session
from ztrade.exchange.core.records import ZERO, ActivityRecord
from ztrade.exchange.core.refusal import Refusal
from ztrade.exchange.server.http import Call, Json, Reply, Route, unusable
from ztrade.exchange.server.params import Params
from ztrade.exchange.server.stamps import midnight, new_york_day
from ztrade.exchange.server.venue import Venue

STEPS = {"1Min": 1, "5Min": 5, "15Min": 15, "1H": 60, "1D": 0}
_DAYS = {"D": 1, "W": 7, "M": 31, "A": 366, "Y": 366}
_PERIOD = re.compile(r"(\d{1,3})([DWMAY])\Z", re.ASCII)
MOST_POINTS = 20_000
INTRADAY_DAYS = 31
LOOK_BACK = timedelta(days=12)


@dataclass(frozen=True, slots=True)
class Window:
    """One element of the answer: ``label`` is where it begins, ``end`` the moment whose equity it shows."""

    label: datetime
    end: datetime


@dataclass(slots=True)
class Holdings:
    """Cash and shares, walked back from now through the account book."""

    cash: Decimal
    shares: dict[str, Decimal] = field(default_factory=lambda: defaultdict(lambda: ZERO))

    def undo(self, entry: ActivityRecord) -> None:
        self.cash -= entry.net_amount
        if entry.symbol is not None and entry.qty is not None and entry.type in {"FILL", "SPLIT"}:
            self.shares[entry.symbol] -= -entry.qty if entry.side == "sell" else entry.qty


def history(venue: Venue, call: Call) -> Reply:
    params = Params(call, unusable)
    start, end = _range(venue, params)
    timeframe = _timeframe(params, end - start)
    windows = list(_windows(venue, start, end, STEPS[timeframe]))
    if len(windows) > MOST_POINTS:
        raise unusable("timeframe", f"{len(windows)} points are too many: at most {MOST_POINTS}")
    present = venue.engine.account().equity
    moments = [*(window.label for window in windows[:1]), *(window.end for window in windows)]
    base, *equity = _equity(venue, moments) or [present]
    if windows and windows[-1].end >= venue.now:
        # the price now may be younger than the last complete bar
        equity[-1] = present
    return Reply(200, _shown(windows, equity, base, timeframe))


def _range(venue: Venue, params: Params) -> tuple[datetime, datetime]:
    start, end = params.when("start"), params.when("end", end_of_day=True) or params.when("date_end", end_of_day=True)
    end = min(end or venue.now, venue.now)
    text = params.text("period")
    match = _PERIOD.match(text or "1M")
    if match is None or int(match[1]) == 0:
        raise params.refuse("period", f"{text!r} is not a number and one of D, W, M, A")
    start = start or end - timedelta(days=int(match[1]) * _DAYS[match[2]])
    if start > end:
        raise params.refuse("start", "it must not be after end")
    return max(start, midnight(new_york_day(venue.engine.account().created_at))), end


def _timeframe(params: Params, span: timedelta) -> str:
    default = "1Min" if span < timedelta(days=7) else "15Min" if span < timedelta(days=30) else "1D"
    text = params.text("timeframe") or default
    if text not in STEPS:
        raise params.refuse("timeframe", f"{text[:50]!r} is not one of {', '.join(STEPS)}")
    if text != "1D" and span > timedelta(days=INTRADAY_DAYS):
        raise params.refuse("timeframe", "more than 30 days are served with 1D only")
    return text


def _windows(venue: Venue, start: datetime, end: datetime, minutes: int) -> Iterator[Window]:
    """Yield the windows in market hours that begin in the range."""
    for session in venue.engine.sessions():
        if session.open <= end and session.close >= start:
            yield from _of_session(session, start, end, minutes)


def _of_session(session: Session, start: datetime, end: datetime, minutes: int) -> Iterator[Window]:
    if not minutes:
        yield Window(midnight(session.day), min(session.close, end))
        return
    label = session.open
    while label < session.close and label <= end:
        if label >= start:
            yield Window(label, min(label + timedelta(minutes=minutes), session.close, end))
        label += timedelta(minutes=minutes)


def _equity(venue: Venue, moments: Sequence[datetime]) -> list[Decimal]:
    """Return the account's worth at each moment, oldest first."""
    engine = venue.engine
    held = Holdings(engine.account().cash)
    for position in engine.positions():
        held.shares[position.symbol] = position.qty
    book = engine.activities()
    prices = {symbol: _prices(venue, symbol, moments) for symbol in _symbols(book, held)}
    worth: list[Decimal] = []
    for moment in reversed(moments):
        while book and book[-1].at > moment:
            held.undo(book.pop())
        worth.append(held.cash + sum((qty * prices[name](moment) for name, qty in held.shares.items() if qty), ZERO))
    return worth[::-1]


def _symbols(book: Sequence[ActivityRecord], held: Holdings) -> set[str]:
    return {entry.symbol for entry in book if entry.symbol is not None} | set(held.shares)


class _Marks:
    """One symbol's last close at any moment of a range."""

    def __init__(self, ends: Sequence[int], closes: Sequence[float]) -> None:
        self._ends, self._closes = ends, closes

    def __call__(self, moment: datetime) -> Decimal:
        row = bisect_right(self._ends, int(moment.timestamp())) - 1
        return ZERO if row < 0 else Decimal(repr(self._closes[row]))


def _prices(venue: Venue, symbol: str, moments: Sequence[datetime]) -> _Marks:
    if not moments:
        return _Marks([], [])
    try:
        bars = venue.bars(symbol, moments[0] - LOOK_BACK, moments[-1] + timedelta(seconds=1))
    except (Refusal, KeyError):
        return _Marks([], [])
    span = int(bars.span.total_seconds())
    return _Marks([start + span for start in bars.start], list(bars.close))


def _shown(windows: Sequence[Window], equity: Sequence[Decimal], base: Decimal, timeframe: str) -> dict[str, Json]:
    return {
        "timestamp": [int(window.label.timestamp()) for window in windows],
        "equity": [float(round(value, 2)) for value in equity],
        "profit_loss": [float(round(value - base, 2)) for value in equity],
        "profit_loss_pct": [float(round((value - base) / base, 6)) if base else 0.0 for value in equity],
        "base_value": float(round(base, 2)),
        "timeframe": timeframe,
        "cashflow": {},
    }


ROUTES: tuple[Route[Venue], ...] = (Route("GET", "/v2/account/portfolio/history", history),)
