"""The rest of the trading API: account, positions, assets, the account book."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal, InvalidOperation

from ztrade.exchange.core.records import ZERO, ActivityRecord, Closing, PositionView
from ztrade.exchange.core.refusal import Refusal
from ztrade.exchange.server import wire
from ztrade.exchange.server.http import ApiError, Call, Json, Reply, Route, invalid, missing, unusable
from ztrade.exchange.server.params import Params
from ztrade.exchange.server.stamps import midnight, new_york_day
from ztrade.exchange.server.venue import CONFIGURATION, Venue
from ztrade.exchange.server.wire import Wire

#: Alpaca's activity types that stand for several
GROUPS = {"TRANS": ("CSD", "CSW")}
PERCENT = Decimal(100)


# -- account ---------------------------------------------------------------------------------------------------------
def account(venue: Venue, _call: Call) -> Reply:
    suspended = venue.configuration["suspend_trade"] is True
    return Reply(200, wire.account(venue.engine.account(), venue.now, suspended=suspended))


def configuration(venue: Venue, _call: Call) -> Reply:
    return Reply(200, _json(venue.configuration))


def configure(venue: Venue, call: Call) -> Reply:
    if not isinstance(call.body, dict):
        raise ApiError(400, "request body format is invalid", 40010000)
    known = {name: value for name, value in call.body.items() if name in CONFIGURATION and value is not None}
    for name, value in known.items():
        if type(value) is not type(CONFIGURATION[name]):
            raise invalid(f"cannot unmarshal {str(value)[:50]!r} into field {name}", 40010001)
    venue.configure(known)
    return Reply(200, _json(venue.configuration))


def _json(values: dict[str, object]) -> dict[str, Json]:
    return {name: value for name, value in values.items() if isinstance(value, bool | int | str)}


# -- positions -------------------------------------------------------------------------------------------------------
def positions(venue: Venue, _call: Call) -> Reply:
    return Reply(200, [_position(venue, view) for view in venue.engine.positions()])


def position(venue: Venue, call: Call) -> Reply:
    return Reply(200, _position(venue, venue.engine.position(_symbol(venue, call))))


def _symbol(venue: Venue, call: Call) -> str:
    try:
        return venue.engine.asset(_spelled(call.parts["symbol_or_id"])).symbol
    except Refusal:
        raise missing("position does not exist") from None


def _spelled(text: str) -> str:
    """Return a symbol in upper case, an id (36 characters) in lower case."""
    return text.lower() if len(text) == 36 else text.upper()


def _position(venue: Venue, view: PositionView) -> dict[str, Json]:
    return wire.position(view, venue.engine.asset(view.symbol), _intraday(venue, view))


def _intraday(venue: Venue, view: PositionView) -> Decimal:
    """Return today's part of the unrealized profit: from yesterday's close for shares held since before today."""
    today = midnight(new_york_day(venue.now)) - timedelta(microseconds=1)
    fills = venue.engine.activities(types=["FILL"], after=today)
    bought = sum((_signed(fill) for fill in fills if fill.symbol == view.symbol), ZERO)
    fresh = min(max(bought, ZERO), view.qty)
    since_entry = fresh * (view.current_price - view.avg_entry_price)
    return since_entry + (view.qty - fresh) * (view.current_price - view.lastday_price)


def _signed(fill: ActivityRecord) -> Decimal:
    qty = fill.qty or ZERO
    return qty if fill.side == "buy" else -qty


def close_position(venue: Venue, call: Call) -> Reply:
    params = Params(call, unusable)
    qty, percentage = _amount(params, "qty"), _amount(params, "percentage")
    if qty is not None and percentage is not None:
        raise invalid("qty and percentage cannot be used together", 40010001)
    if percentage is not None and percentage > PERCENT:
        raise invalid("percentage must be between 0 and 100", 40010001)
    symbol = _symbol(venue, call)
    order = venue.act(lambda engine: engine.close_position(symbol, qty=qty, percentage=percentage))
    return Reply(200, Wire(venue.skew).order(order))


def _amount(params: Params, name: str) -> Decimal | None:
    text = params.text(name)
    if text is None:
        return None
    try:
        amount = Decimal(text) if len(text) <= 30 and text.isascii() else Decimal("NaN")
    except InvalidOperation:
        amount = Decimal("NaN")
    if not (amount.is_finite() and Decimal("1e-9") <= amount <= Decimal("1e12") and amount == round(amount, 9)):
        raise params.refuse(name, f"{text[:50]!r} is not a positive number with at most 9 decimals")
    return amount


def close_all(venue: Venue, call: Call) -> Reply:
    cancel = Params(call, unusable).flag("cancel_orders")
    closings = venue.act(lambda engine: engine.close_all(cancel_orders=cancel))
    return Reply(207, [_closing(venue, closing) for closing in closings])


def _closing(venue: Venue, closing: Closing) -> dict[str, Json]:
    if closing.order is not None:
        body: Json = Wire(venue.skew).order(closing.order)
    else:
        body = {name: value for name, value in (closing.refusal or {}).items() if isinstance(value, str | int)}
    shown: dict[str, Json] = {"symbol": closing.symbol, "status": closing.status, "body": body}
    return shown if closing.order is None else {"order_id": closing.order.id, **shown}


# -- assets ----------------------------------------------------------------------------------------------------------
def assets(venue: Venue, call: Call) -> Reply:
    params = Params(call, unusable)
    status = params.choice("status", ("active", "inactive", "all"), "active")
    asset_class = params.text("asset_class") or "us_equity"
    if status == "inactive" or asset_class != "us_equity" or params.listed("attributes"):
        return Reply(200, [])
    exchange = params.text("exchange")
    found = [one for one in venue.engine.assets() if exchange in (None, one.exchange)]
    return Reply(200, [wire.asset(one) for one in found])


def asset(venue: Venue, call: Call) -> Reply:
    wanted = call.parts["symbol_or_id"]
    try:
        return Reply(200, wire.asset(venue.engine.asset(_spelled(wanted))))
    except Refusal:
        raise missing(f"asset not found for {wanted[:100]}") from None


# -- the account book ------------------------------------------------------------------------------------------------
def activities(venue: Venue, call: Call) -> Reply:
    params = Params(call, unusable)
    types = [one.upper() for one in params.listed("activity_types")]
    category = params.choice("category", ("trade_activity", "non_trade_activity"), "")
    if types and category:
        raise unusable("category", "it cannot be used with activity_types")
    rows = _book(venue, params, types or None)
    if category:
        rows = [row for row in rows if (row.type == "FILL") == (category == "trade_activity")]
    return _page(venue, params, rows)


def activities_of_type(venue: Venue, call: Call) -> Reply:
    params = Params(call, unusable)
    kind = call.parts["activity_type"].upper()
    if not (kind.isalpha() and kind.isascii() and len(kind) <= 10):
        raise invalid(f"invalid activity type: {kind[:50]!r}", 40010001)
    return _page(venue, params, _book(venue, params, [kind]))


def _book(venue: Venue, params: Params, types: list[str] | None) -> list[ActivityRecord]:
    wanted = None if types is None else [each for one in types for each in GROUPS.get(one, (one,))]
    after, until = params.when("after"), params.when("until")
    day = params.when("date")
    rows = venue.engine.activities(types=wanted, after=after, until=until, order_id=params.text("order_id"))
    return rows if day is None else [row for row in rows if new_york_day(row.at) == new_york_day(day)]


def _page(venue: Venue, params: Params, rows: list[ActivityRecord]) -> Reply:
    size = params.whole("page_size", 100, 1, 100)
    if params.choice("direction", ("asc", "desc"), "desc") == "desc":
        rows.reverse()
    token = params.text("page_token")
    if token is not None:
        rows = _after(venue, rows, token, params)
    return Reply(200, [Wire(venue.skew).activity(row) for row in rows[:size]])


def _after(venue: Venue, rows: list[ActivityRecord], token: str, params: Params) -> list[ActivityRecord]:
    """Return the rows that come after the entry ``token``, which may be one that this selection leaves out."""
    place = {entry.id: number for number, entry in enumerate(venue.engine.activities())}
    if token not in place:
        raise params.refuse("page_token", "it is not the id of an activity")
    descending = params.choice("direction", ("asc", "desc"), "desc") == "desc"
    return [row for row in rows if (place[row.id] < place[token]) is descending and row.id != token]


ROUTES: tuple[Route[Venue], ...] = (
    Route("GET", "/v2/account", account),
    Route("GET", "/v2/account/configurations", configuration),
    Route("PATCH", "/v2/account/configurations", configure),
    Route("GET", "/v2/account/activities", activities),
    Route("GET", "/v2/account/activities/{activity_type}", activities_of_type),
    Route("GET", "/v2/positions", positions),
    Route("DELETE", "/v2/positions", close_all),
    Route("GET", "/v2/positions/{symbol_or_id}", position),
    Route("DELETE", "/v2/positions/{symbol_or_id}", close_position),
    Route("GET", "/v2/assets", assets),
    Route("GET", "/v2/assets/{symbol_or_id}", asset),
)
