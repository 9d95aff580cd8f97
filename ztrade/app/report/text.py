"""How numbers and instants are written for people."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from ztrade.domain.ledger import CycleRecord

NEW_YORK = ZoneInfo("America/New_York")
CENT = Decimal("0.01")


def money(amount: Decimal) -> str:
    """Return dollars and cents, ``-$12.30`` with a real minus sign."""
    cents: Decimal = amount.quantize(CENT)
    return f"{'−' if cents < 0 else ''}${abs(cents):,.2f}"


def signed(amount: Decimal) -> str:
    """Return a profit or loss, always with its sign except for zero."""
    cents: Decimal = amount.quantize(CENT)
    return money(cents) if cents <= 0 else f"+{money(cents)}"


def price(value: Decimal | float | None) -> str:
    """Return a price: cents, or a hundredth of a cent below $1; a dash where there is none."""
    if value is None:
        return "–"
    return f"{value:,.2f}" if not -1 < value < 1 else f"{value:,.4f}"


def quantity(qty: Decimal) -> str:
    """Return shares without trailing zeros."""
    return f"{qty.normalize():f}" if qty else "0"


def percent(share: Decimal) -> str:
    return f"{share * 100:+.2f}%".replace("-", "−")


def clock(at: datetime | None) -> str:
    """Return New York hours and minutes."""
    return "–" if at is None else f"{at.astimezone(NEW_YORK):%H:%M}"


def stamp(at: datetime | None) -> str:
    """Return New York weekday, date, hours and minutes."""
    return "–" if at is None else f"{at.astimezone(NEW_YORK):%a %d %b %H:%M}"


def tone(amount: Decimal) -> str:
    """Return the style class of a profit or loss."""
    cents = amount.quantize(CENT)
    return "gain" if cents > 0 else "loss" if cents < 0 else "flat"


def why(cycle: CycleRecord) -> str:
    """Return the reason without the outcome's own word before it: the outcome stands beside it."""
    return cycle.reason.removeprefix(f"{cycle.outcome}: ")
