"""Prices at the clock: marks, quotes, and what one execution costs."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from ztrade.domain.types import CENT, TENTH_MILL, to_price
from ztrade.exchange.core.hours import Hours, instant
from ztrade.exchange.core.records import ZERO, OrderRecord, QuoteView, TradeView
from ztrade.exchange.core.refusal import missing
from ztrade.exchange.core.series import Series, Want
from ztrade.exchange.core.settings import Settings
from ztrade.exchange.core.state import Rescale
from ztrade.exchange.tape import Tape

ONE = Decimal(1)
#: shares shown on both sides of a quote: one round lot
LOT = Decimal(100)


def to_tick(price: Decimal, rounding: str) -> Decimal:
    """Round to the tick (a cent, below $1 a hundredth of it) in one direction; at least one tick."""
    tick = CENT if price >= 1 else TENTH_MILL
    return max(price.quantize(tick, rounding), tick)


class Market:
    """The tape as seen at one clock."""

    def __init__(self, tape: Tape, hours: Hours, settings: Settings) -> None:
        self.tape, self.hours, self.settings = tape, hours, settings
        self.rescales: list[Rescale] = []
        self.series: dict[str, Series] = {}
        self.refresh()

    def refresh(self) -> None:
        """Read the tape's bars anew, and scale those that splits on demand say."""
        self.series = {symbol: Series(self.tape.bars(symbol)) for symbol in self.tape.symbols()}
        for rescale in self.rescales:
            self._scale_tape(rescale)

    def rescale(self, rescale: Rescale) -> None:
        """Take note of a split."""
        self.rescales.append(rescale)
        self._scale_tape(rescale)

    def _scale_tape(self, rescale: Rescale) -> None:
        if rescale.tape:
            series = self.series[rescale.symbol]
            self.series[rescale.symbol] = series.scaled(rescale.at, float(rescale.factor))

    def price(self, symbol: str, at: int) -> tuple[float, int] | None:
        """Return the symbol's last price at ``at`` in that instant's terms, and when it was made."""
        found = self.series[symbol].price(at)
        if found is None or not self.rescales:
            return found
        return self._in_terms_of(symbol, *found, at), found[1]

    def _in_terms_of(self, symbol: str, price: float, made: int, at: int) -> float:
        for split in self.rescales:
            if split.symbol == symbol and made <= split.at <= at and made != at:
                price *= float(split.factor)
        return price

    def mark(self, symbol: str, at: int) -> Decimal:
        """Return the last price on the tick, zero before the first."""
        found = self.price(symbol, at)
        return ZERO if found is None else to_price(found[0])

    def lastday(self, symbol: str, at: int) -> Decimal:
        """Return the previous session's closing price, or the mark where there was none."""
        row = self.hours.serving(at, extended=True)
        closed = (len(self.hours) if row is None else row) - 1
        found = self.series[symbol].price(self.hours.close[closed]) if closed >= 0 else None
        if found is None:
            return self.mark(symbol, at)
        return to_price(self._in_terms_of(symbol, *found, at))

    def trade(self, symbol: str, at: int) -> TradeView:
        """Return the last price, or raise Refusal 404."""
        found = self.price(symbol, at) if symbol in self.series else None
        if found is None:
            raise missing(f"no price for symbol {symbol}")
        return TradeView(symbol, to_price(found[0]), instant(found[1]), LOT)

    def quote(self, symbol: str, at: int) -> QuoteView:
        """Return bid and ask around the path, rounded apart, or raise Refusal 404."""
        found = self.price(symbol, at) if symbol in self.series else None
        if found is None:
            raise missing(f"no price for symbol {symbol}")
        mid, half = Decimal(repr(found[0])), self.settings.half_spread(symbol)
        bid, ask = to_tick(mid * (ONE - half), ROUND_FLOOR), to_tick(mid * (ONE + half), ROUND_CEILING)
        return QuoteView(symbol, bid, ask, instant(found[1]), LOT, LOT)

    def want(self, order: OrderRecord) -> Want:
        """Return what the order waits for. Stops look at the path (trades), limits at bid or ask."""
        sells = order.side == "sell"
        if order.stop_price is not None and not order.triggered:
            return Want(float(order.stop_price), below=sells, extended=False)
        if order.limit_price is None:
            return Want(None, below=False, extended=False)
        half = float(self.settings.half_spread(order.symbol))
        level = float(order.limit_price) / (1 - half if sells else 1 + half)
        return Want(level, below=not sells, extended=order.extended_hours)

    def budget(self, symbol: str, row: int) -> Decimal:
        """Return the whole shares of a bar's volume that the account may have."""
        volume = self.series[symbol].volume[row]
        return Decimal(int(volume * float(self.settings.participation))) if volume > 0 else ZERO

    def execution_price(self, order: OrderRecord, mid: float, qty: Decimal, budget: Decimal) -> Decimal:
        """Return the price of one fill: half the spread and the slippage off the path, never beyond the limit."""
        share = min(qty / budget, ONE)
        off = self.settings.half_spread(order.symbol) + self.settings.impact_bps / 10_000 * share
        if order.side == "buy":
            price = to_tick(Decimal(repr(mid)) * (ONE + off), ROUND_CEILING)
            return price if order.limit_price is None else min(price, order.limit_price)
        price = to_tick(Decimal(repr(mid)) * (ONE - off), ROUND_FLOOR)
        return price if order.limit_price is None else max(price, order.limit_price)

    def halted(self, symbol: str, at: int) -> bool:
        """Tell whether the tape says that the symbol is halted."""
        return self.tape.halted(symbol, instant(at))

    def symbols(self) -> Iterable[str]:
        return sorted(self.series)
