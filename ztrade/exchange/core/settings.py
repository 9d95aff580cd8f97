"""How the embedded exchange fills and charges. Every number is a parameter; the defaults are for liquid US stocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class FeeRate:
    """Regulatory fees on sales from one day on.

    ``sec``: dollars per million dollars sold; ``taf``: dollars per share sold, at most ``taf_cap`` for one execution.
    """

    since: date
    sec: Decimal
    taf: Decimal
    taf_cap: Decimal


def _rate(since: date, sec: str, taf: str, cap: str) -> FeeRate:
    return FeeRate(since, Decimal(sec), Decimal(taf), Decimal(cap))


#: SEC section 31 fee (the SEC's fee rate advisories) and FINRA trading activity fee (FINRA by-laws, schedule A), by the
#: day from which they hold. The last line was compared with brokers' published price lists of September 2026.
US_FEES = (
    _rate(date(2018, 5, 22), "13.00", "0.000119", "5.95"),
    _rate(date(2019, 4, 16), "20.70", "0.000119", "5.95"),
    _rate(date(2020, 2, 18), "22.10", "0.000119", "5.95"),
    _rate(date(2021, 2, 25), "5.10", "0.000119", "5.95"),
    _rate(date(2022, 1, 1), "5.10", "0.000130", "6.49"),
    _rate(date(2022, 5, 14), "22.90", "0.000130", "6.49"),
    _rate(date(2023, 1, 1), "22.90", "0.000145", "7.27"),
    _rate(date(2023, 2, 27), "8.00", "0.000145", "7.27"),
    _rate(date(2024, 1, 1), "8.00", "0.000166", "8.30"),
    _rate(date(2024, 5, 22), "27.80", "0.000166", "8.30"),
    _rate(date(2025, 5, 14), "0.00", "0.000166", "8.30"),
    _rate(date(2026, 1, 1), "0.00", "0.000195", "9.79"),
    _rate(date(2026, 4, 4), "20.60", "0.000195", "9.79"),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """The exchange's parameters.

    ``account``: name from which all ids are derived. ``half_spread_bps``: distance of bid and ask from the path, in
    hundredths of a percent; ``spreads`` overrides it per symbol. ``impact_bps``: slippage of an order that takes all
    the volume it may have, less in proportion. ``participation``: largest share of a bar's volume that the account may
    have. ``latency``: exchange time from submit to the book. ``collar`` and ``collar_under_50``: what a market or stop
    buy reserves above the ask or stop, as a fraction (Alpaca: 2.5 %, and 4 % below $50). ``multiplier``: buying power
    per dollar of equity. ``gtc_life``: age at which gtc orders are cancelled (Alpaca: 90 days). ``fees``: by date.

    Raises:
        ValueError: a number is out of range.
    """

    account: str = "embedded"
    half_spread_bps: Decimal = Decimal(1)
    spreads: Mapping[str, Decimal] = field(default_factory=dict)
    impact_bps: Decimal = Decimal(5)
    participation: Decimal = Decimal("0.1")
    latency: timedelta = timedelta(milliseconds=300)
    collar: Decimal = Decimal("0.025")
    collar_under_50: Decimal = Decimal("0.04")
    multiplier: Decimal = Decimal(1)
    gtc_life: timedelta = timedelta(days=90)
    fees: tuple[FeeRate, ...] = US_FEES

    def __post_init__(self) -> None:
        spreads = (self.half_spread_bps, *self.spreads.values())
        if not all(0 <= bps < 5000 for bps in (*spreads, self.impact_bps)):
            raise ValueError("half spreads and impact are between 0 and 5000 bps")
        if not 0 < self.participation <= 1:
            raise ValueError(f"participation is a share of the volume in (0, 1], not {self.participation}")
        if self.latency <= timedelta(0) or self.gtc_life <= timedelta(0):
            raise ValueError("latency and gtc_life are longer than nothing: a fill never comes before its order")
        if self.multiplier < 1 or self.collar < 0 or self.collar_under_50 < 0:
            raise ValueError("the multiplier is at least 1 and collars are not negative")

    def half_spread(self, symbol: str) -> Decimal:
        """Return the symbol's half spread as a fraction."""
        return self.spreads.get(symbol, self.half_spread_bps) / 10_000

    def fee_rate(self, day: date) -> FeeRate:
        """Return the rates in force on ``day``; the oldest known ones before that."""
        rate = self.fees[0] if self.fees else _rate(day, "0", "0", "0")
        for candidate in self.fees:
            if candidate.since <= day:
                rate = candidate
        return rate
