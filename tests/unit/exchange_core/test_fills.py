"""When and at what price orders fill."""

# a Decimal equals an int of its value, which mypy does not believe inside tuples
# mypy: disable-error-code="comparison-overlap"

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.exchange_core.world import DAY, FREE, D, at, bars, engine, flat, joined, order, weekdays
from ztrade.exchange.core.settings import Settings


def test_submit_never_answers_filled() -> None:
    """An order in market hours is pending_new, and fills only when the clock moves past the latency."""
    market = engine(flat(100))
    market.advance(at("10:00"))
    taken = market.submit(order())
    assert (taken.status, taken.filled_qty) == ("pending_new", 0)
    market.advance(at("10:00"))
    assert taken.status == "pending_new"
    market.advance(at("10:00:00.3"))
    assert (taken.status, taken.filled_avg_price, taken.filled_at) == ("filled", 100, at("10:00:00.3"))


def test_market_order_fills_at_the_path_of_its_instant() -> None:
    """Inside a bar the price is that of the path, not the bar's open or close."""
    slow = replace(FREE, latency=timedelta(seconds=50))
    market = engine([(100, 110, 90, 105), *flat(105)], now=at("09:30"), settings=slow)
    taken = market.submit(order())
    market.advance(at("09:40"))
    assert taken.filled_avg_price == 95


def test_spread_and_slippage_are_against_the_trader() -> None:
    """A buy pays, a sell receives, half a spread and the slippage of its share of the volume, rounded to the tick."""
    dear = Settings(half_spread_bps=D(10), impact_bps=D(100), participation=D("0.1"), fees=())
    market = engine(flat(100, volume=1000), now=at("10:00"), settings=dear)
    bought = market.submit(order(qty="50"))
    market.advance(at("10:01"))
    # 10 bps of spread, half of the permitted volume: 50 bps of slippage
    assert bought.filled_avg_price == D("100.60")
    market.advance(at("10:05"))
    sold = market.submit(order("sell", qty="50"))
    market.advance(at("10:06"))
    assert sold.filled_avg_price == D("99.40")


def test_quote_is_rounded_apart() -> None:
    """Bid and ask lie around the path and on the tick."""
    market = engine([(100.005, 101, 99, 100)], now=at("09:30"), settings=Settings(half_spread_bps=D(1)))
    quote = market.quote("X")
    assert (quote.bid, quote.ask, quote.at) == (D("99.99"), D("100.02"), at("09:30"))


def test_limit_order_waits_for_its_price_and_never_gets_worse() -> None:
    """A buy limit fills when the ask comes down to it, at the limit."""
    wide = Settings(half_spread_bps=D(100), impact_bps=D(50), fees=())
    shapes = [(100, 101, 99, 100.5), (100.5, 101, 90, 91), *flat(91)]
    market = engine(shapes, now=at("09:30"), settings=wide)
    taken = market.submit(order(type="limit", limit_price="95"))
    market.advance(at("09:34:59"))
    assert taken.status == "new"
    market.advance(at("09:40"))
    assert (taken.status, taken.filled_avg_price) == ("filled", 95)


def test_sell_limit_never_gets_worse() -> None:
    """A sell limit fills when the bid comes up to it, at the limit, slippage or not."""
    wide = Settings(half_spread_bps=D(100), impact_bps=D(50), fees=())
    market = engine([*flat(100, 2), (100, 110, 100, 110), *flat(110)], now=at("09:30"), settings=wide)
    market.submit(order())
    market.advance(at("09:35"))
    sold = market.submit(order("sell", type="limit", limit_price="105"))
    market.advance(at("09:50"))
    assert (sold.status, sold.filled_avg_price) == ("filled", 105)


def test_marketable_limit_gets_the_better_price() -> None:
    """A limit beyond the market fills at the market."""
    market = engine(flat(100), now=at("10:00"))
    taken = market.submit(order(type="limit", limit_price="120"))
    market.advance(at("10:01"))
    assert taken.filled_avg_price == 100


def test_stop_triggers_on_touch_and_fills_there() -> None:
    """A stop that the path touches fills at the stop (without spread)."""
    market = engine([*flat(100, 2), (100, 101, 94, 100), *flat(100)], now=at("09:30"))
    market.submit(order())
    market.advance(at("09:35"))
    stop = market.submit(order("sell", type="stop", stop_price="95"))
    market.advance(at("09:50"))
    assert (stop.status, stop.filled_avg_price) == ("filled", 95)
    assert stop.filled_at is not None
    assert at("09:40") < stop.filled_at < at("09:45")


def test_stop_that_is_gapped_through_fills_at_the_open() -> None:
    """Where the market opens below the stop, the fill is the open, worse than the stop."""
    days = weekdays(DAY, 2)
    tape = {"X": joined(bars("X", flat(100)), bars("X", flat(90), at("09:30", days[1])))}
    market = engine(tape, now=at("15:00"))
    market.submit(order())
    market.advance(at("15:10"))
    stop = market.submit(order("sell", type="stop", stop_price="95", time_in_force="gtc"))
    market.advance(at("10:00", days[1]))
    assert (stop.filled_avg_price, stop.filled_at) == (90, at("09:30", days[1]))


def test_stop_limit_that_is_gapped_through_rests() -> None:
    """After its trigger a stop-limit is a limit order and waits for its limit."""
    market = engine([*flat(100, 2), *flat(90, 2), (90, 97, 90, 96), *flat(96)], now=at("09:30"))
    market.submit(order())
    market.advance(at("09:35"))
    stop = market.submit(order("sell", type="stop_limit", stop_price="95", limit_price="94"))
    market.advance(at("09:45"))
    assert (stop.status, stop.triggered) == ("new", True)
    market.advance(at("10:00"))
    assert (stop.status, stop.filled_avg_price) == ("filled", 94)


def test_participation_makes_partial_fills() -> None:
    """An order gets at most its share of each bar's volume; the rest goes on in the next bar and never vanishes."""
    market = engine(flat(100, volume=50), now=at("10:00"))
    taken = market.submit(order(qty="12"))
    market.advance(at("10:04"))
    assert (taken.status, taken.filled_qty) == ("partially_filled", 5)
    market.advance(at("10:05"))
    assert taken.filled_qty == 10
    market.advance(at("10:11"))
    assert (taken.status, taken.filled_qty) == ("filled", 12)
    kinds = [(entry.fill_type, entry.qty, entry.cum_qty, entry.leaves_qty) for entry in market.activities()]
    assert kinds == [("partial_fill", 5, 5, 7), ("partial_fill", 5, 10, 2), ("fill", 2, 12, 0)]


def test_two_orders_share_one_bars_volume() -> None:
    """The share of the volume is the account's, not each order's."""
    market = engine(flat(100, volume=50), now=at("10:00"))
    first, second = market.submit(order(qty="4")), market.submit(order(qty="4"))
    market.advance(at("10:04"))
    assert (first.filled_qty, second.filled_qty) == (4, 1)


def test_nothing_fills_without_volume_or_bars() -> None:
    """A bar without volume and a hole in the bars fill nothing; the quote of a hole keeps its older stamp."""
    tape = {"X": joined(bars("X", [*flat(100, 2), (100, 100, 100, 100, 0)]), bars("X", flat(101), at("10:30")))}
    market = engine(tape, now=at("09:41"))
    taken = market.submit(order())
    market.advance(at("10:00"))
    assert (taken.status, market.quote("X").at) == ("new", at("09:45"))
    market.advance(at("10:31"))
    assert taken.filled_at == at("10:30")


def test_halted_symbols_do_not_fill() -> None:
    """A halt on the tape, or one on demand, keeps orders waiting."""
    market = engine(flat(100), now=at("10:00"), halts={"X": [(at("10:00"), at("10:30"))]})
    taken = market.submit(order())
    market.advance(at("10:29"))
    assert (taken.status, market.is_halted("X")) == ("new", True)
    market.halt("X")
    market.advance(at("10:59"))
    assert taken.status == "new"
    market.resume("X")
    market.advance(at("11:05"))
    assert taken.filled_at == at("11:00")


def test_notional_order_buys_for_the_money() -> None:
    """An order by notional has no qty, fills to nine decimals, and never spends more than its money."""
    market = engine(flat(300), now=at("10:00"))
    taken = market.submit(order(qty=None, notional="100"))
    market.advance(at("10:01"))
    assert (taken.qty, taken.status, taken.filled_qty) == (None, "filled", D("0.333333333"))
    assert market.account().cash == 100000 - D("0.333333333") * 300


def test_selling_by_notional_never_sells_more_than_is_held() -> None:
    """Where the price fell since the order, a sell by notional ends with the position."""
    market = engine([*flat(100, 7), *flat(50)], now=at("10:00"))
    market.submit(order(qty="1"))
    market.advance(at("10:04:59.9"))
    sold = market.submit(order("sell", qty=None, notional="100"))
    market.advance(at("10:06"))
    assert (sold.status, sold.filled_qty, market.positions()) == ("filled", 1, [])


@pytest.mark.parametrize("price", [0.5, 0.00011])
def test_prices_below_a_dollar_have_four_decimals(price: float) -> None:
    """Below $1 the tick is a hundredth of a cent, and a fill's price is at least one tick."""
    market = engine(flat(price), now=at("10:00"), settings=Settings(fees=()))
    taken = market.submit(order())
    market.advance(at("10:01"))
    assert taken.filled_avg_price is not None
    assert taken.filled_avg_price == taken.filled_avg_price.quantize(D("0.0001")) > 0


def test_extended_hours_limit_fills_before_the_open() -> None:
    """Only an order with the flag trades outside regular hours."""
    early = bars("X", flat(100), at("08:00"))
    market = engine({"X": early}, now=at("07:00"))
    plain = market.submit(order(type="limit", limit_price="101"))
    flagged = market.submit(order(type="limit", limit_price="101", extended_hours=True))
    lasting = market.submit(order(type="limit", limit_price="101", extended_hours=True, time_in_force="gtc"))
    market.advance(at("09:00"))
    assert (plain.status, flagged.status, flagged.filled_at) == ("accepted", "filled", at("08:00"))
    assert (lasting.status, lasting.filled_at) == ("filled", at("08:00"))


def test_settings_out_of_range_are_refused() -> None:
    """Settings that would let the exchange invent shares or time are refused."""
    for wrong in ({"participation": D(0)}, {"latency": timedelta(0)}, {"half_spread_bps": D(-1)}, {"multiplier": D(0)}):
        with pytest.raises(ValueError):
            replace(FREE, **wrong)
