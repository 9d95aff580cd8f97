"""Which orders Alpaca takes: the shape of one order, looked at alone. Money and shares are checked by the desk.

The messages are Alpaca's where recordings show them. ``base_price`` is the market's last price, or the entry's limit
price where the entry is a limit order (Alpaca's documentation, "Threshold on stop price of stop-loss orders").
"""

from __future__ import annotations

from decimal import Decimal

from ztrade.domain.types import CENT, TENTH_MILL
from ztrade.exchange.core.records import ZERO, Asset, OrderSpec, money_text
from ztrade.exchange.core.refusal import Refusal, forbidden, invalid, malformed

TYPES = ("market", "limit", "stop", "stop_limit")
CLASSES = ("", "bracket", "oco", "oto")
_NANO = Decimal("0.000000001")
_MOST = Decimal(10) ** 9


def check_shape(spec: OrderSpec) -> None:
    """Refuse an order whose fields are wrong or do not fit together."""
    _check_words(spec)
    _check_quantity(spec)
    _check_prices(spec)
    _check_class(spec)
    _check_hours(spec)


def check_asset(spec: OrderSpec, asset: Asset | None) -> Asset:
    """Return the asset, or refuse an unknown one, one not traded, or one not traded in fractions."""
    if asset is None:
        raise invalid(f'could not find asset "{spec.symbol}"')
    if not asset.tradable:
        raise invalid(f'asset "{spec.symbol}" is not tradable')
    if not asset.fractionable and is_fractional(spec):
        raise forbidden(f'asset "{spec.symbol}" is not fractionable')
    return asset


def is_fractional(spec: OrderSpec) -> bool:
    """Tell whether the order asks for parts of shares."""
    return spec.notional is not None or (spec.qty is not None and spec.qty != spec.qty.to_integral_value())


def _check_words(spec: OrderSpec) -> None:
    if spec.side not in ("buy", "sell"):
        raise malformed(f"invalid side: {spec.side}")
    if spec.type not in TYPES:
        raise invalid(f"order type {spec.type!r} is not supported here; use one of {', '.join(TYPES)}")
    if spec.time_in_force not in ("day", "gtc"):
        raise invalid(f"invalid time_in_force: {spec.time_in_force!r} is not supported here; use day or gtc")
    if spec.order_class not in CLASSES:
        raise malformed(f"invalid order_class: {spec.order_class}")
    if spec.client_order_id is not None and not 1 <= len(spec.client_order_id) <= 128:
        raise malformed("client_order_id must be no more than 128 characters")


def _check_quantity(spec: OrderSpec) -> None:
    if (spec.qty is None) == (spec.notional is None):
        raise malformed(
            "qty or notional is required" if spec.qty is None else "only one of qty or notional is accepted"
        )
    name, value = ("qty", spec.qty) if spec.qty is not None else ("notional", spec.notional)
    if value is None or not value.is_finite() or value > _MOST:
        raise malformed(f"{name} is out of range")
    if value <= 0:
        raise malformed(f"{name} must be > 0")
    if spec.notional is not None and (spec.notional < 1 or spec.notional != spec.notional.quantize(CENT)):
        raise invalid("notional amount must be >= 1.00 and limited to 2 decimal places")
    if value != value.quantize(_NANO):
        raise invalid(f"{name} is limited to 9 decimal places")
    if is_fractional(spec):
        _check_fraction(spec)


def _check_fraction(spec: OrderSpec) -> None:
    if spec.time_in_force != "day":
        raise invalid("fractional orders must be DAY orders")
    if spec.order_class:
        raise invalid("fractional orders must be simple orders")
    if spec.notional is not None and spec.type != "market":
        raise invalid("notional orders must be market orders")


def check_tick(name: str, price: Decimal | None) -> None:
    """Refuse a price that is no price, or not on the tick."""
    if price is None:
        return
    if not price.is_finite() or not 0 < price <= _MOST:
        raise invalid(f"{name} must be > 0")
    if price != price.quantize(CENT if price >= 1 else TENTH_MILL):
        raise invalid(
            f"invalid {name} {money_text(price)}. sub-penny increment does not fulfill minimum pricing criteria"
        )


def _check_prices(spec: OrderSpec) -> None:
    check_tick("limit_price", spec.limit_price)
    check_tick("stop_price", spec.stop_price)
    check_tick("take_profit.limit_price", spec.take_profit)
    check_tick("stop_loss.stop_price", spec.stop_loss)
    check_tick("stop_loss.limit_price", spec.stop_loss_limit)
    if spec.order_class == "oco":
        return
    for name, price, wanted in (
        ("limit", spec.limit_price, spec.type in ("limit", "stop_limit")),
        ("stop", spec.stop_price, spec.type in ("stop", "stop_limit")),
    ):
        if wanted and price is None:
            raise malformed(f"{spec.type} orders require {name} price")
        if not wanted and price is not None:
            raise malformed(f"{spec.type} orders require no {name} price")


def _check_class(spec: OrderSpec) -> None:
    target, stop = spec.take_profit, spec.stop_loss
    if spec.stop_loss_limit is not None and stop is None:
        raise malformed("stop_loss.stop_price is required")
    if not spec.order_class:
        if target is not None or stop is not None:
            raise malformed("simple orders take no take_profit and no stop_loss; set order_class")
        return
    if spec.order_class == "oto":
        if (target is None) == (stop is None):
            raise malformed("oto orders require exactly one of take_profit and stop_loss")
    elif target is None or stop is None:
        name = "take_profit.limit_price" if target is None else "stop_loss.stop_price"
        raise malformed(f"{spec.order_class} orders require {name}")
    if spec.order_class == "oco":
        _check_oco(spec)
    elif spec.side == "sell":
        raise invalid(
            f'{spec.order_class} orders enter a long position here: asset "{spec.symbol}" cannot be sold short'
        )
    _check_pair(target, stop, spec.stop_loss_limit)


def _check_oco(spec: OrderSpec) -> None:
    if spec.type != "limit":
        raise malformed("oco orders must be limit orders")
    if spec.side != "sell":
        raise invalid("oco orders must be exit orders")
    if spec.limit_price not in (None, spec.take_profit) or spec.stop_price is not None:
        raise malformed("oco orders take their prices from take_profit and stop_loss")


def _check_pair(target: Decimal | None, stop: Decimal | None, stop_limit: Decimal | None) -> None:
    if target is not None and stop is not None and target <= stop:
        raise invalid("take_profit.limit_price must be > stop_loss.stop_price")
    if stop is not None and stop_limit is not None and stop_limit > stop:
        raise invalid("stop_loss.limit_price must be <= stop_loss.stop_price")


def _check_hours(spec: OrderSpec) -> None:
    if not spec.extended_hours:
        return
    if spec.type != "limit" or spec.order_class:
        raise invalid("extended hours order must be DAY or GTC limit orders")


def check_base(spec: OrderSpec, last: Decimal) -> None:
    """Refuse legs that the market, or the entry's own price, has passed already."""
    if spec.order_class == "oco":
        ceiling = min(spec.take_profit or last, last)
        floor = ZERO
    else:
        entry = spec.limit_price if spec.limit_price is not None else max(last, spec.stop_price or last)
        ceiling, floor = min(entry, last) if spec.type == "limit" else entry, entry
    if spec.take_profit is not None and spec.take_profit < floor + CENT:
        raise _too_near("take_profit.limit_price must be >= base_price + 0.01", floor)
    if spec.stop_loss is not None and spec.stop_loss > ceiling - CENT:
        raise _too_near("stop_loss.stop_price must be <= base_price - 0.01", ceiling)


def _too_near(message: str, base: Decimal) -> Refusal:
    return Refusal(422, 42210000, message, {"base_price": money_text(base)})
