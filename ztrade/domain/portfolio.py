"""Positions and profit from fills, in Decimal. Average cost, as Alpaca computes ``avg_entry_price``."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from ztrade.domain.ledger import Fill, Holding
from ztrade.domain.types import Side

ZERO = Decimal(0)


def cash_change(side: Side, qty: Decimal, price: Decimal) -> Decimal:
    """Return what a fill does to cash, in dollars: negative for a buy."""
    return -qty * price if side is Side.BUY else qty * price


def apply_fill(holding: Holding, fill: Fill) -> Holding:
    """Return the holding after one of the agent's own fills.

    A buy adds shares at cost; a sell takes them out at average cost and books the difference as realized profit.

    Raises:
        ValueError: the sell is larger than the holding: agents are long only, so the book contradicts itself.
    """
    if fill.side is Side.BUY:
        return replace(
            holding,
            qty=holding.qty + fill.qty,
            cost=holding.cost + fill.qty * fill.price,
            opened_at=holding.opened_at or fill.at,
        )
    if fill.qty > holding.qty:
        raise ValueError(f"{fill.agent} sold {fill.qty} {fill.symbol} of {holding.qty} held (order {fill.order_id})")
    left = holding.qty - fill.qty
    cost_out = holding.cost if left == 0 else holding.cost * fill.qty / holding.qty
    return replace(
        holding,
        qty=left,
        cost=ZERO if left == 0 else holding.cost - cost_out,
        opened_at=holding.opened_at if left else None,
        realized=holding.realized + fill.qty * fill.price - cost_out,
    )


def apply_split(holding: Holding, change: Decimal) -> Holding:
    """Return the holding after a split added ``change`` shares (negative for a reverse split) at no cost."""
    return replace(holding, qty=holding.qty + change)


def open_profit(holding: Holding, price: Decimal) -> Decimal:
    """Return the unrealized profit of the holding at ``price``, in dollars."""
    return holding.qty * price - holding.cost


def equity(capital: Decimal, holding: Holding, price: Decimal) -> Decimal:
    """Return an agent's own equity: its capital, what it realized, and its open profit at ``price``."""
    return capital + holding.realized + open_profit(holding, price)


def drawdown(peak: Decimal, now: Decimal) -> Decimal:
    """Return the fall from the peak as a fraction of the peak (0.2 is 20 %); 0 when there is no peak above zero."""
    if peak <= 0 or now >= peak:
        return ZERO
    return (peak - now) / peak
