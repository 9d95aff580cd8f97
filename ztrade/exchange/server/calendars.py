"""The exchange's clock and calendar: ``/v2/clock`` and ``/v2/calendar``, and their successors under ``/v3``."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta

from ztrade.domain.schedule import Session
from ztrade.exchange.server.http import ApiError, Call, Json, Reply, Route, bad_parameter, unusable
from ztrade.exchange.server.params import Params
from ztrade.exchange.server.stamps import NEW_YORK, eastern, eastern_nanos, new_york_day, read_day, seconds
from ztrade.exchange.server.venue import Venue

#: the days that Alpaca's calendar speaks of, as far as the packaged calendar knows them
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2040, 12, 31)
#: a trade settled three sessions later, from these days on two and one (SEC rule 15c6-1)
TWO_DAYS_SINCE, ONE_DAY_SINCE = date(2017, 9, 5), date(2024, 5, 28)
#: more days than any trade takes to settle
LONGEST_SETTLEMENT = timedelta(days=15)
#: what the markets of /v3 are called; both keep the hours of the one exchange that is here
MARKETS = {
    "NYSE": ("XNYS", "New York Stock Exchange"),
    "NASDAQ": ("XNAS", "National Association of Securities Dealers Automated Quotations"),
}
MICS = {mic: acronym for acronym, (mic, _name) in MARKETS.items()}
WEEK = timedelta(days=7)


# -- version 2 -------------------------------------------------------------------------------------------------------
def clock(venue: Venue, _call: Call) -> Reply:
    view = venue.clock_view()
    shown: dict[str, Json] = {
        "timestamp": eastern_nanos(view.now + venue.skew),
        "is_open": view.is_open,
        "next_open": None if view.next_open is None else eastern(view.next_open),
        "next_close": None if view.next_close is None else eastern(view.next_close),
    }
    return Reply(200, shown)


def calendar(venue: Venue, call: Call) -> Reply:
    params = Params(call, unusable)
    first, last = _day(params, "start") or FIRST_DAY, _day(params, "end") or LAST_DAY
    if first > last:
        raise unusable("start", "it must not be after end")
    first, last = max(first, FIRST_DAY), min(last, LAST_DAY)
    if params.choice("date_type", ("trading", "settlement"), "trading") == "trading":
        days = list(_settled(venue, first, last))
    else:
        before = max(first - LONGEST_SETTLEMENT, FIRST_DAY)
        days = [(session, day) for session, day in _settled(venue, before, last) if first <= day <= last]
    return Reply(200, [_calendar_day(session, settlement) for session, settlement in days])


def _day(params: Params, name: str) -> date | None:
    """Read a day; clients send a moment for it too (``2022-08-22T00:00:00Z``)."""
    text = params.text(name)
    try:
        return read_day(text[:10]) if text is not None else None
    except ValueError:
        raise params.refuse(name, f"{text!r} is not a day like 2022-08-22") from None


def _settled(venue: Venue, first: date, last: date) -> Iterator[tuple[Session, date]]:
    """Yield the sessions of a range, early closes on demand in them, and the days on which their trades settle."""
    if first > last:
        return
    beyond = min(last + LONGEST_SETTLEMENT, LAST_DAY)
    sessions = venue.plan.calendar.sessions(first, beyond)
    changed = {session.day: session for session in venue.engine.sessions()}
    for number, session in enumerate(sessions):
        if session.day <= last:
            settling = number + _days_to_settle(session.day)
            yield changed.get(session.day, session), sessions[settling].day if settling < len(sessions) else beyond


def _days_to_settle(day: date) -> int:
    return 3 - (day >= TWO_DAYS_SINCE) - (day >= ONE_DAY_SINCE)


def _calendar_day(session: Session, settlement: date) -> dict[str, Json]:
    return {
        "date": session.day.isoformat(),
        "open": _wall(session.open, "%H:%M"),
        "close": _wall(session.close, "%H:%M"),
        "session_open": _wall(session.pre_open, "%H%M"),
        "session_close": _wall(session.post_close, "%H%M"),
        "settlement_date": settlement.isoformat(),
    }


def _wall(at: datetime, form: str) -> str:
    return at.astimezone(NEW_YORK).strftime(form)


# -- version 3 -------------------------------------------------------------------------------------------------------
def clock_of_markets(venue: Venue, call: Call) -> Reply:
    params = Params(call, bad_parameter)
    names = [_market(name) for name in params.listed("markets")] or list(MARKETS)
    at = params.when("time")
    shown = _phase(venue.engine.sessions(), venue.now if at is None else at)
    shown["timestamp"] = eastern_nanos(venue.now + venue.skew) if at is None else eastern(at)
    clocks: list[Json] = [{"market": _named(name), **shown} for name in names]
    return Reply(200, {"clocks": clocks})


def _market(name: str) -> str:
    """Return a market's acronym. Raises ApiError for one that is not here."""
    spelled = MICS.get(name.upper(), name.upper())
    if spelled not in MARKETS:
        raise ApiError(400, f"invalid market: {name[:50]} (this exchange serves {', '.join(MARKETS)})")
    return spelled


def _named(acronym: str) -> dict[str, Json]:
    mic, name = MARKETS[acronym]
    return {"acronym": acronym, "mic": mic, "name": name, "timezone": str(NEW_YORK)}


def _phase(sessions: Sequence[Session], at: datetime) -> dict[str, Json]:
    """Return which part of the day it is, until when, and when the market opens and closes next."""
    opens, closes = ([getattr(session, name) for session in sessions] for name in ("open", "close"))
    steps = [step for session in sessions for step in _steps(session)]
    place = bisect_right(steps, at, key=lambda step: step[0])
    days = [session.day for session in sessions]
    today = bisect_left(days, new_york_day(at))
    return {
        "is_market_day": today < len(days) and days[today] == new_york_day(at),
        "next_market_open": _next(opens, at),
        "next_market_close": _next(closes, at),
        "phase": steps[place - 1][1] if place else "closed",
        "phase_until": _next([step[0] for step in steps], at),
    }


def _steps(session: Session) -> Iterator[tuple[datetime, str]]:
    yield session.pre_open, "pre"
    yield session.open, "core"
    yield session.close, "post"
    yield session.post_close, "closed"


def _next(moments: Sequence[datetime], at: datetime) -> str | None:
    return next((eastern(moment) for moment in moments if moment > at), None)


def calendar_of_market(venue: Venue, call: Call) -> Reply:
    params = Params(call, bad_parameter)
    market = _market(call.parts["market"])
    first = max(_day(params, "start") or new_york_day(venue.now), FIRST_DAY)
    last = _day(params, "end") or min(first, LAST_DAY) + WEEK
    if first > last:
        raise ApiError(400, "end should not be before start")
    utc = params.choice("timezone", ("utc",), "") == "utc"
    days: list[Json] = [
        _market_day(session, settlement, utc) for session, settlement in _settled(venue, first, min(last, LAST_DAY))
    ]
    return Reply(200, {"market": _named(market), "calendar": days})


def _market_day(session: Session, settlement: date, utc: bool) -> dict[str, Json]:
    stamp = seconds if utc else eastern
    return {
        "date": session.day.isoformat(),
        "pre_start": stamp(session.pre_open),
        "pre_end": stamp(session.open),
        "core_start": stamp(session.open),
        "core_end": stamp(session.close),
        "post_start": stamp(session.close),
        "post_end": stamp(session.post_close),
        "settlement_date": settlement.isoformat(),
    }


ROUTES: tuple[Route[Venue], ...] = (
    Route("GET", "/v2/clock", clock),
    Route("GET", "/v2/calendar", calendar),
    Route("GET", "/v3/clock", clock_of_markets),
    Route("GET", "/v3/calendar/{market}", calendar_of_market),
)
