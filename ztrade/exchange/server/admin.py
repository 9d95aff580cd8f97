"""``/admin/...``: the clock that others follow, faults on demand, health. Only for callers on this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import cast

from ztrade.domain.schedule import Session
from ztrade.exchange.core.engine import Engine
from ztrade.exchange.core.refusal import Refusal
from ztrade.exchange.faults import AT_ONCE, BadFault, Fault, FaultKind, FaultQueue, read_fault
from ztrade.exchange.server.clock import ClockRefused
from ztrade.exchange.server.http import ApiError, Call, Json, Reply, Route
from ztrade.exchange.server.stamps import NEW_YORK, new_york_day, read_instant
from ztrade.exchange.server.venue import Venue

CLOCK_WORDS = ("advance_to", "pause")


@dataclass(frozen=True, slots=True)
class Desk:
    """What the administration works on."""

    venue: Venue
    faults: FaultQueue


# -- clock -----------------------------------------------------------------------------------------------------------
def clock(desk: Desk, _call: Call) -> Reply:
    return Reply(200, _clock(desk.venue))


def _clock(venue: Venue) -> dict[str, Json]:
    clock, view = venue.clock, venue.clock_view()
    session = _session_of(venue, view.now)
    return {
        "now": view.now.isoformat(),
        "wall": clock.wall().isoformat(),
        "mode": clock.mode.value,
        "speed": clock.speed,
        "paused": clock.paused,
        "start": clock.start.isoformat(),
        "until": _text(clock.until),
        "finished": clock.finished,
        "is_open": view.is_open,
        "session": None if session is None else {"open": _text(session.open), "close": _text(session.close)},
        "next_open": _text(view.next_open),
        "next_close": _text(view.next_close),
    }


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _session_of(venue: Venue, now: datetime) -> Session | None:
    return venue.session(new_york_day(now))


def move_clock(desk: Desk, call: Call) -> Reply:
    body = call.body
    if not isinstance(body, dict) or len(body) != 1 or next(iter(body)) not in CLOCK_WORDS:
        raise ApiError(400, 'send {"advance_to": "2022-08-22T13:35:00Z"} or {"pause": true or false}')
    try:
        if "pause" in body:
            _pause(desk.venue, body["pause"])
        else:
            desk.venue.advance(_instant(body["advance_to"]))
    except ClockRefused as error:
        raise ApiError(409, str(error)) from None
    return Reply(200, _clock(desk.venue))


def _pause(venue: Venue, value: object) -> None:
    if not isinstance(value, bool):
        raise ApiError(400, f"pause must be true or false, not {value!r}")
    venue.clock.pause(value)
    venue.tick()


def _instant(value: object) -> datetime:
    try:
        return read_instant(value if isinstance(value, str) else repr(value))
    except ValueError as error:
        raise ApiError(400, f"advance_to: {error}; send an instant like 2022-08-22T13:35:00Z") from None


# -- faults ----------------------------------------------------------------------------------------------------------
def add_fault(desk: Desk, call: Call) -> Reply:
    try:
        fault = read_fault(call.body)
        if fault.kind in AT_ONCE:
            _NOW[fault.kind](desk.venue, fault.args)
            return Reply(200, {"kind": fault.kind.value, "done": True})
        return Reply(201, {"id": desk.faults.add(fault), "kind": fault.kind.value})
    except (BadFault, ValueError) as error:
        raise ApiError(400, str(error)) from None
    except Refusal as error:
        raise ApiError(400, error.message) from None


def list_faults(desk: Desk, _call: Call) -> Reply:
    return Reply(200, cast("Json", {"faults": desk.faults.listed(), "clock_skew": desk.venue.skew.total_seconds()}))


def clear_faults(desk: Desk, _call: Call) -> Reply:
    desk.venue.skew = timedelta(0)
    return Reply(200, {"cleared": desk.faults.clear()})


def _early_close(venue: Venue, args: Mapping[str, object]) -> None:
    day = new_york_day(venue.now)
    at = datetime.combine(day, time.fromisoformat(str(args["at"])), NEW_YORK).astimezone(venue.now.tzinfo)
    session = _session_of(venue, venue.now)
    if session is None or not session.open < at < session.close or at < venue.now:
        shown = "there is no session today" if session is None else f"today's session ends {session.close.isoformat()}"
        raise BadFault(f"early_close.at must lie between now ({venue.now.isoformat()}) and the close: {shown}")
    venue.act(lambda engine: engine.close_early(at))


def _clock_skew(venue: Venue, args: Mapping[str, object]) -> None:
    venue.skew = timedelta(seconds=float(str(args["seconds"])))


def _split(venue: Venue, args: Mapping[str, object]) -> None:
    symbol, ratio = str(args["symbol"]), Decimal(str(args["ratio"]))
    day = _ex_date(venue, args)
    venue.act(_corporate(symbol, lambda engine: engine.split(symbol, ratio, Decimal(1), day, scale_prices=True)))


def _dividend(venue: Venue, args: Mapping[str, object]) -> None:
    symbol, amount = str(args["symbol"]), Decimal(str(args["amount"]))
    day = _ex_date(venue, args)
    venue.act(_corporate(symbol, lambda engine: engine.dividend(symbol, amount, day)))


def _ex_date(venue: Venue, args: Mapping[str, object]) -> date | None:
    """Return the day before whose session it happens: the next one's where nothing is said, so overnight."""
    if args["ex_date"] is not None:
        return date.fromisoformat(str(args["ex_date"]))
    following = venue.clock_view().next_open
    return None if following is None else new_york_day(following)


def _corporate(symbol: str, action: Callable[[Engine], None]) -> Callable[[Engine], None]:
    def act(engine: Engine) -> None:
        engine.asset(symbol)
        action(engine)

    return act


_NOW: Mapping[FaultKind, Callable[[Venue, Mapping[str, object]], None]] = {
    FaultKind.EARLY_CLOSE: _early_close,
    FaultKind.CLOCK_SKEW: _clock_skew,
    FaultKind.SPLIT: _split,
    FaultKind.DIVIDEND: _dividend,
}


# -- health ----------------------------------------------------------------------------------------------------------
def health(desk: Desk, _call: Call) -> Reply:
    venue = desk.venue
    venue.check()
    symbols: list[Json] = list(venue.plan.tape.symbols())
    return Reply(200, {"status": "ok", "now": venue.now.isoformat(), "symbols": symbols})


ROUTES: tuple[Route[Desk], ...] = (
    Route("GET", "/admin/clock", clock),
    Route("POST", "/admin/clock", move_clock),
    Route("GET", "/admin/faults", list_faults),
    Route("POST", "/admin/faults", add_fault),
    Route("DELETE", "/admin/faults", clear_faults),
    Route("GET", "/admin/health", health),
)


def sick(reason: str) -> Reply:
    """Return the health of an exchange that cannot write its state."""
    return Reply(503, {"status": "state unavailable", "reason": reason})


def described_fault(fault: Fault) -> str:
    """Return a fault in a few words, for the log."""
    return f"{fault.kind.value} {dict(fault.args)}"
