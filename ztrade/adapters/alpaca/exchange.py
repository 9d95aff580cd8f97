"""Orders, positions and money at Alpaca, or at the embedded exchange."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from ztrade.adapters.alpaca import parsing
from ztrade.adapters.alpaca.fields import Row, UnreadableAnswer, rows
from ztrade.adapters.alpaca.gateway import Api, Gateway
from ztrade.domain.types import (
    Account,
    Activity,
    ExchangeClock,
    Order,
    OrderClass,
    OrderRequest,
    OrderType,
    Position,
    TimeInForce,
)
from ztrade.errors import ExchangeUnavailable, InvalidOrder, NotFound, OutcomeUnknown

ORDERS_PAGE = 500
ACTIVITIES_PAGE = 100
#: more pages than any account of ours fills; beyond it, paging goes in circles
MOST_PAGES = 1000
#: Alpaca's limit
LONGEST_CLIENT_ID = 128

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TICK = timedelta(microseconds=1)


class AlpacaExchange:
    """:class:`~ztrade.ports.Exchange` over Alpaca's trading API. Safe to share between threads."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway, self._drift = gateway, gateway.drift

    def clock(self) -> ExchangeClock:
        """Return the exchange's own word on the time."""
        return parsing.clock(self._gateway.get(Api.TRADING, "/clock"), self._drift)

    def account(self) -> Account:
        """Return the account's money."""
        return parsing.account(self._gateway.get(Api.TRADING, "/account"), self._drift)

    def positions(self) -> Sequence[Position]:
        """Return all open positions, also of other owners of the account."""
        raw = self._gateway.get(Api.TRADING, "/positions")
        return [parsing.position(row) for row in rows("position", raw, self._drift)]

    def orders(
        self, *, open_only: bool = False, after: datetime | None = None, symbol: str | None = None
    ) -> Sequence[Order]:
        """Return top-level orders with nested legs, oldest first, submitted later than ``after``.

        Once a bracket's entry is filled, the exchange lists its open legs at the top level when asked for open orders.
        """
        params: dict[str, object] = {
            "status": "open" if open_only else "all",
            "direction": "asc",
            "nested": "true",
            "limit": ORDERS_PAGE,
        }
        if symbol is not None:
            params["symbols"] = symbol
        found: dict[str, Order] = {}
        since = after
        for _ in range(MOST_PAGES):
            page = self._orders_page(params, since)
            new = [order for order in page if order.id not in found]
            found |= {order.id: order for order in new}
            # legs may count against the page's limit, so a page is surely the last only where it is far from it
            if not new or 2 * (len(page) + sum(len(order.legs) for order in page)) < ORDERS_PAGE:
                return [order for order in found.values() if _later(order, after)]
            since = _last_submitted(new) - _TICK
        raise UnreadableAnswer(f"orders: no end after {MOST_PAGES} pages")

    def _orders_page(self, params: Mapping[str, object], since: datetime | None) -> list[Order]:
        stamped = dict(params) if since is None else {**params, "after": _stamp(since)}
        return parsing.orders(self._gateway.get(Api.TRADING, "/orders", stamped), self._drift)

    def order(self, order_id: str) -> Order:
        """Return one order, with its legs, by the exchange's id. Raises NotFound."""
        path = f"/orders/{_checked(order_id)}"
        return self._read(self._lookup(path, {"nested": "true"}), order_id=order_id)

    def order_by_client_id(self, client_order_id: str) -> Order:
        """Return one order, with its legs, by our id. Raises NotFound: the exchange has no such order (now)."""
        _check_client_id(client_order_id)
        raw = self._lookup("/orders:by_client_order_id", {"client_order_id": client_order_id})
        found = self._read(raw, client_order_id=client_order_id)
        if found.order_class in (OrderClass.SIMPLE, OrderClass.OTHER) or found.legs:
            return found
        # this endpoint has no parameter for legs, and need not send them
        return self.order(found.id)

    def _lookup(self, path: str, params: Mapping[str, object]) -> object:
        try:
            return self._gateway.get(Api.TRADING, path, params)
        except NotFound as refusal:
            if "order not found" in str(refusal).lower():
                raise
            # "not sent" is concluded from this: a gateway's 404 or a wrong path must not look like it
            raise ExchangeUnavailable(f"{path} is not there: {refusal}") from refusal

    def _read(self, raw: object, *, order_id: str = "", client_order_id: str = "") -> Order:
        found = parsing.order(Row("order", raw, self._drift), self._drift)
        if order_id not in ("", found.id) or client_order_id not in ("", found.client_order_id):
            raise UnreadableAnswer(f"asked for order {order_id or client_order_id}, got {found.client_order_id}")
        return found

    def submit(self, request: OrderRequest) -> Order:
        """Send the order once, never twice; see the port for what each error says about whether it is there."""
        body = _body(request)
        raw = self._gateway.post_once("/orders", body, request.client_order_id)
        try:
            return self._read(raw, client_order_id=request.client_order_id)
        except UnreadableAnswer as error:
            raise OutcomeUnknown(request.client_order_id, f"accepted, but the answer is odd: {error}") from error

    def cancel(self, order_id: str) -> None:
        """Ask for the order's end. Raises NotFound, NotCancelable."""
        path = f"/orders/{_checked(order_id)}"
        try:
            self._gateway.delete(path)
        except NotFound as refusal:
            if "order not found" in str(refusal).lower():
                raise
            raise ExchangeUnavailable(f"{path} is not there: {refusal}") from refusal

    def activities(self, *, after: datetime | None = None) -> Sequence[Activity]:
        """Return the account book's entries later than ``after``, oldest first.

        Entries are filed by the instant at which they were booked: a dividend that is dated before ``after`` but was
        booked later is included.
        """
        params: dict[str, object] = {"direction": "asc", "page_size": ACTIVITIES_PAGE}
        if after is not None:
            # whole seconds are what the endpoint is documented to take; the rest is sorted out below
            params["after"] = _stamp(after.replace(microsecond=0) - timedelta(seconds=1))
        found: dict[str, Activity] = {}
        seen: set[str] = set()
        for _ in range(MOST_PAGES):
            page = rows("activity", self._gateway.get(Api.TRADING, "/account/activities", params), self._drift)
            new = {row.text("id"): row for row in page if row.text("id") not in seen}
            seen |= new.keys()
            found |= {name: parsing.activity(row) for name, row in new.items() if _booked_later(row, after)}
            if len(page) < ACTIVITIES_PAGE:
                return sorted(found.values(), key=lambda activity: activity.at)
            if not new:
                break
            params["page_token"] = page[-1].text("id")
        raise UnreadableAnswer(f"activities: paging goes in circles after {len(found)} entries")


def _booked_later(row: Row, after: datetime | None) -> bool:
    booked = parsing.booked_at(row)
    return after is None or booked is None or booked > after


def _later(order: Order, after: datetime | None) -> bool:
    return after is None or order.submitted_at is None or order.submitted_at > after


def _last_submitted(page: Sequence[Order]) -> datetime:
    last = max((order.submitted_at for order in page if order.submitted_at), default=None)
    if last is None:
        raise UnreadableAnswer("orders: a full page without a submitted_at, so the next cannot be asked for")
    return last


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _checked(order_id: str) -> str:
    """Refuse what is no id: an empty one would make the path of *all* orders, and deleting that cancels them."""
    if not _ID.fullmatch(order_id):
        raise InvalidOrder(f"{order_id!r} is not an order id of the exchange")
    return order_id


def _check_client_id(client_order_id: str) -> None:
    if not 0 < len(client_order_id) <= LONGEST_CLIENT_ID or not client_order_id.isprintable():
        raise InvalidOrder(
            f"{client_order_id!r} is not a client_order_id: 1 to {LONGEST_CLIENT_ID} printable characters"
        )


def _body(request: OrderRequest) -> dict[str, object]:
    """Write the order as the API wants it.

    Raises:
        InvalidOrder: it cannot be written; nothing was sent.
    """
    _check_client_id(request.client_order_id)
    kinds = (request.type, request.order_class, request.time_in_force)
    if any(kind in (OrderType.OTHER, OrderClass.OTHER, TimeInForce.OTHER) for kind in kinds):
        raise InvalidOrder(f"{request.client_order_id}: OTHER is what we read, never what we send")
    body: dict[str, object] = {
        "symbol": request.symbol,
        "qty": _amount(request, "qty", request.qty),
        "side": request.side.value,
        "type": request.type.value,
        "time_in_force": request.time_in_force.value,
        "client_order_id": request.client_order_id,
    }
    if request.order_class is not OrderClass.SIMPLE:
        body["order_class"] = request.order_class.value
    for name in ("limit_price", "stop_price"):
        price = getattr(request, name)
        if price is not None:
            body[name] = _amount(request, name, price)
    if request.take_profit is not None:
        body["take_profit"] = {"limit_price": _amount(request, "take_profit", request.take_profit)}
    if request.stop_loss is not None:
        body["stop_loss"] = {"stop_price": _amount(request, "stop_loss", request.stop_loss)}
    return body


def _amount(request: OrderRequest, name: str, value: Decimal) -> str:
    if not value.is_finite() or value <= 0:
        raise InvalidOrder(f"{request.client_order_id}: {name} is {value}")
    return format(value, "f")
