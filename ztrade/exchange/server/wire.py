"""The engine's records as the trading API's JSON. Numbers are strings, as Alpaca sends them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from ztrade.exchange.core.records import (
    AccountView,
    ActivityRecord,
    Asset,
    OrderRecord,
    PositionView,
    asset_id,
    money_text,
)
from ztrade.exchange.server.http import Json
from ztrade.exchange.server.orderbody import INTENTS
from ztrade.exchange.server.stamps import nanos, new_york_day

CENT = Decimal("0.01")
RATIO = Decimal("0.00001")


class Wire:
    """Renders records; ``skew`` is how wrong the exchange's reported time is (a fault on demand)."""

    def __init__(self, skew: timedelta = timedelta(0)) -> None:
        self._skew = skew

    def stamp(self, at: datetime | None) -> str | None:
        return None if at is None else nanos(at + self._skew)

    def order(self, order: OrderRecord, legs: Iterable[OrderRecord] | None = None) -> dict[str, Json]:
        """Render an order; ``legs`` of None is how Alpaca shows an order that is not asked for nested."""
        rolled = None if legs is None else [self.order(leg) for leg in legs]
        return {
            "id": order.id,
            "client_order_id": order.client_order_id,
            "created_at": self.stamp(order.created_at),
            "updated_at": self.stamp(order.updated_at),
            "submitted_at": self.stamp(order.submitted_at),
            "filled_at": self.stamp(order.filled_at),
            "expired_at": self.stamp(order.expired_at),
            "canceled_at": self.stamp(order.canceled_at),
            "failed_at": self.stamp(order.failed_at),
            "replaced_at": self.stamp(order.replaced_at),
            "replaced_by": order.replaced_by,
            "replaces": order.replaces,
            "asset_id": asset_id(order.symbol),
            "symbol": order.symbol,
            "asset_class": "us_equity",
            "notional": _text(order.notional),
            "qty": _text(order.qty),
            "filled_qty": money_text(order.filled_qty),
            "filled_avg_price": _text(order.filled_avg_price),
            "order_class": order.order_class,
            "order_type": order.type,
            "type": order.type,
            "side": order.side,
            "position_intent": INTENTS[order.side],
            "time_in_force": order.time_in_force,
            "limit_price": _text(order.limit_price),
            "stop_price": _text(order.stop_price),
            "status": order.status,
            "extended_hours": order.extended_hours,
            "legs": rolled or None,
            "trail_percent": None,
            "trail_price": None,
            "hwm": None,
            "subtag": None,
            "source": None,
            "expires_at": self.stamp(order.expires_at),
        }

    def activity(self, entry: ActivityRecord) -> dict[str, Json]:
        return self._fill(entry) if entry.type == "FILL" else self._entry(entry)

    def _fill(self, entry: ActivityRecord) -> dict[str, Json]:
        return {
            "id": entry.id,
            "activity_type": entry.type,
            "transaction_time": self.stamp(entry.at),
            "type": entry.fill_type,
            "price": _text(entry.price),
            "qty": _text(entry.qty),
            "side": entry.side,
            "symbol": entry.symbol,
            "leaves_qty": _text(entry.leaves_qty),
            "order_id": entry.order_id,
            "cum_qty": _text(entry.cum_qty),
            "order_status": entry.order_status,
        }

    def _entry(self, entry: ActivityRecord) -> dict[str, Json]:
        shown: dict[str, Json] = {
            "id": entry.id,
            "activity_type": entry.type,
            "date": new_york_day(entry.at).isoformat(),
            "created_at": self.stamp(entry.at),
            "net_amount": money_text(entry.net_amount),
            "description": entry.description,
            "status": "executed",
            "currency": "USD",
        }
        extra = {"symbol": entry.symbol, "qty": _text(entry.qty), "per_share_amount": _text(entry.per_share_amount)}
        return shown | {name: value for name, value in extra.items() if value is not None}


def _text(value: Decimal | None) -> str | None:
    return None if value is None else money_text(value)


def _cents(value: Decimal) -> str:
    return money_text(value.quantize(CENT))


def account(view: AccountView, now: datetime, *, suspended: bool) -> dict[str, Json]:
    """Render the account. What left Alpaca's account in July 2026 (pattern day trading) is not here either."""
    value = _cents(view.long_market_value)
    return {
        "id": view.id,
        "admin_configurations": {},
        "user_configurations": None,
        "account_number": view.account_number,
        "status": view.status,
        "crypto_status": "INACTIVE",
        "options_approved_level": 0,
        "options_trading_level": 0,
        "currency": "USD",
        "buying_power": _cents(view.buying_power),
        "regt_buying_power": _cents(view.buying_power),
        "options_buying_power": "0",
        "effective_buying_power": _cents(view.buying_power),
        "non_marginable_buying_power": _cents(min(view.cash, view.buying_power)),
        "cash": _cents(view.cash),
        "accrued_fees": _cents(view.accrued_fees),
        "pending_reg_taf_fees": "0",
        "portfolio_value": _cents(view.equity),
        "equity": _cents(view.equity),
        "last_equity": _cents(view.last_equity),
        "trading_blocked": False,
        "transfers_blocked": False,
        "account_blocked": False,
        "trade_suspended_by_user": suspended,
        "created_at": nanos(view.created_at),
        "balance_asof": new_york_day(now - timedelta(days=1)).isoformat(),
        "multiplier": money_text(view.multiplier),
        "shorting_enabled": False,
        "long_market_value": value,
        "short_market_value": "0",
        "position_market_value": value,
        "initial_margin": value,
        "maintenance_margin": value,
        "last_maintenance_margin": "0",
        "sma": "0",
        "intraday_adjustments": "0",
    }


def position(view: PositionView, asset: Asset, intraday: Decimal) -> dict[str, Json]:
    """Render a position; ``intraday`` is the part of the unrealized profit that was made today."""
    day_value = view.qty * view.lastday_price
    return {
        "asset_id": asset.id,
        "symbol": view.symbol,
        "exchange": asset.exchange,
        "asset_class": "us_equity",
        "asset_marginable": False,
        "qty": money_text(view.qty),
        "qty_available": money_text(view.qty_available),
        "avg_entry_price": _rounded(view.avg_entry_price),
        "side": "long" if view.qty >= 0 else "short",
        "market_value": _rounded(view.market_value),
        "cost_basis": _rounded(view.cost_basis),
        "unrealized_pl": _rounded(view.unrealized_pl),
        "unrealized_plpc": _ratio(view.unrealized_pl, view.cost_basis),
        "unrealized_intraday_pl": _rounded(intraday),
        "unrealized_intraday_plpc": _ratio(intraday, day_value),
        "current_price": money_text(view.current_price),
        "lastday_price": money_text(view.lastday_price),
        "change_today": _ratio(view.current_price - view.lastday_price, view.lastday_price),
    }


def _rounded(value: Decimal) -> str:
    """Return an amount with at most nine decimals, which is as fine as Alpaca's quantities are."""
    return money_text(round(value, 9))


def _ratio(part: Decimal, whole: Decimal) -> str:
    return money_text((part / whole).quantize(RATIO)) if whole else "0"


def asset(view: Asset) -> dict[str, Json]:
    return {
        "id": view.id,
        "class": "us_equity",
        "exchange": view.exchange,
        "symbol": view.symbol,
        "name": view.name or view.symbol,
        "status": "active",
        "tradable": view.tradable,
        "marginable": False,
        "maintenance_margin_requirement": 100,
        "margin_requirement_long": "100",
        "margin_requirement_short": "100",
        "shortable": False,
        "easy_to_borrow": False,
        "borrow_status": "hard_to_borrow",
        "fractionable": view.fractionable,
        "attributes": [],
    }
