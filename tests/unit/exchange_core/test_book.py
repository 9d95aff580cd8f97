"""Cash, fees, marks, splits, dividends, and the account book."""

# a Decimal equals an int of its value, which mypy does not believe inside tuples
# mypy: disable-error-code="comparison-overlap"

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from tests.unit.exchange_core.world import DAY, FREE, D, at, bars, bracket, engine, flat, joined, order, weekdays
from ztrade.exchange.core.engine import Engine
from ztrade.exchange.core.refusal import Refusal
from ztrade.exchange.core.settings import US_FEES, Settings

TUESDAY = weekdays(DAY, 2)[1]


def holding(qty: str = "10", second: float = 100, **fields: object) -> Engine:
    """Return an engine that holds X since Monday 10:01, over two days of flat bars."""
    tape = {"X": joined(bars("X", flat(100)), bars("X", flat(second), at("09:30", TUESDAY)))}
    market = engine(tape, now=at("10:00"), **fields)  # type: ignore[arg-type]
    market.submit(order(qty=qty))
    market.advance(at("10:01"))
    return market


def test_a_fill_is_in_the_book() -> None:
    """A FILL names order, price and quantity, starts with New York's time, and its amount is the change of cash."""
    market = holding()
    (fill,) = market.activities()
    assert fill.id.startswith("20220822100000300::")
    assert (fill.type, fill.fill_type, fill.side, fill.qty, fill.price) == ("FILL", "fill", "buy", 10, 100)
    assert (fill.net_amount, market.account().cash) == (-1000, 99000)


def test_fees_are_one_entry_a_day_rounded_up() -> None:
    """SEC and TAF fees of all sales of a day are booked once, at the close, up to the cent."""
    market = holding(settings=replace(FREE, fees=US_FEES))
    for _ in range(2):
        market.submit(order("sell", qty="5"))
    market.advance(at("15:59"))
    # 22.90 a million on 1,000 dollars and 0.000130 on ten shares
    assert market.account().accrued_fees == D("0.0229") + D("0.0013")
    market.advance(at("16:00", TUESDAY))
    (fee,) = market.activities(types=["FEE"])
    assert (fee.net_amount, fee.at, market.account().cash) == (D("-0.03"), at("16:00"), D("99999.97"))


@pytest.mark.parametrize(
    ("day", "sec"), [(date(2001, 1, 1), "13.00"), (date(2022, 5, 13), "5.10"), (date(2022, 5, 14), "22.90")]
)
def test_fee_rates_hold_from_their_day(day: date, sec: str) -> None:
    """The rate of a day is the last one announced for it; before the oldest known, the oldest."""
    assert Settings().fee_rate(day).sec == D(sec)


def test_equity_and_last_equity() -> None:
    """Equity marks at the last price; last_equity is that of the previous session's close."""
    market = holding(second=110)
    market.advance(at("16:00"))
    assert market.account().last_equity == 100000
    market.advance(at("10:00", TUESDAY))
    account = market.account()
    assert (account.equity, account.last_equity, account.long_market_value) == (100100, 100000, 1100)
    position = market.position("X")
    assert (position.current_price, position.lastday_price, position.unrealized_pl) == (110, 100, 100)


def test_multiplier_lends() -> None:
    """With a multiplier of 2 the buying power is twice the equity less what is invested."""
    market = holding(settings=replace(FREE, multiplier=D(2)))
    assert market.account().buying_power == 199000


def test_average_cost() -> None:
    """A buy adds at cost, a sell takes out at average cost."""
    market = holding(second=110)
    market.advance(at("09:30", TUESDAY))
    market.submit(order(qty="10"))
    market.advance(at("09:35", TUESDAY))
    market.submit(order("sell", qty="5"))
    market.advance(at("09:36", TUESDAY))
    position = market.position("X")
    assert (position.qty, position.avg_entry_price, position.cost_basis) == (15, 105, 1575)


def test_a_split_overnight_adjusts_everything() -> None:
    """Shares, cost per share, resting orders and the mark change; value and money do not; no stop fires by it."""
    market = holding(qty="10", second=25)
    market.advance(at("10:05"))
    entry = market.submit(bracket("120", "80", qty="2"))
    market.advance(at("10:06"))
    target, stop = market.legs(entry)
    market.split("X", D(4), D(1), TUESDAY)
    market.advance(at("05:00", TUESDAY))
    position = market.position("X")
    assert (position.qty, position.avg_entry_price, position.market_value) == (48, 25, 1200)
    assert (position.lastday_price, market.account().equity) == (25, 100000)
    assert (target.qty, target.limit_price, stop.qty, stop.stop_price) == (8, 30, 8, 20)
    market.advance(at("16:00", TUESDAY))
    assert (target.status, stop.status, market.account().equity) == ("new", "held", 100000)
    entries = market.activities(types=["SPLIT"])
    assert {(entry.qty, entry.net_amount, entry.at) for entry in entries} == {
        (-12, 0, at("04:00", TUESDAY)), (48, 0, at("04:00", TUESDAY))
    }  # fmt: skip


def test_a_split_leaves_what_open_buys_reserve() -> None:
    """An open buy after a split wants more shares at less, for the same money."""
    market = holding()
    market.submit(order(type="limit", limit_price="50", time_in_force="gtc"))
    before = market.account().buying_power
    market.split("X", D(2), D(1))
    assert (before, market.account().buying_power) == (98500, 98500)


def test_a_split_scales_stale_prices_only() -> None:
    """A price that the tape makes after the split is in new terms already; one made before is brought into them."""
    market = engine(flat(100, 7), now=at("10:02"))
    market.split("X", D(2), D(1))
    assert market.last_trade("X").price == 100
    late = engine(flat(100, 7), now=at("10:06"))
    late.split("X", D(2), D(1))
    assert late.last_trade("X").price == 50


def test_a_split_may_scale_a_tape_that_has_none() -> None:
    """With scale_prices the bars after the split are shown in new terms, also after a restart."""
    market = holding()
    market.split("X", D(2), D(1), TUESDAY, scale_prices=True)
    market.advance(at("10:00", TUESDAY))
    assert (market.last_trade("X").price, market.account().equity) == (50, 100000)
    shown = market.bars("X", at("09:30"), at("16:00", TUESDAY))
    assert (shown.close[0], shown.close[-1], shown.volume[-1]) == (100, 50, 2e6)
    again = Engine.restore(market._tape, market.sessions(), market.snapshot(), settings=FREE)
    assert again.last_trade("X").price == 50


def test_a_reverse_split_ends_orders_of_less_than_a_share() -> None:
    """Orders in whole shares stay whole; what would be less than one is cancelled."""
    market = holding(qty="10", second=1000)
    rests = market.submit(order("sell", qty="9", type="limit", limit_price="150", time_in_force="gtc"))
    tiny = market.submit(order("sell", qty="1", type="limit", limit_price="150", time_in_force="gtc"))
    market.split("X", D(1), D(4))
    assert (rests.qty, rests.limit_price, tiny.status) == (2, 600, "canceled")
    assert market.position("X").qty == D("2.5")


def test_dividends() -> None:
    """A dividend is paid on the shares held before the session of its day, and to nobody else."""
    market = holding()
    market.dividend("X", D("0.125"), TUESDAY)
    market.advance(at("16:00", TUESDAY))
    (paid,) = market.activities(types=["DIV"])
    assert (paid.net_amount, paid.qty, paid.per_share_amount, market.account().cash) == (
        D("1.25"), 10, D("0.125"), D("99001.25"),
    )  # fmt: skip
    empty = engine(flat(100), now=at("10:00"))
    empty.dividend("X", D(1))
    assert empty.activities() == []


def test_cash_goes_in_and_out() -> None:
    """Deposits and withdrawals are booked; more than there is does not go out, and fractions of cents do not exist."""
    market = engine(flat(100), cash="100")
    assert market.cash_transfer(D("50.25")).type == "CSD"
    assert market.cash_transfer(D("-150.25")).type == "CSW"
    assert market.cash_transfer(D("1"), kind="JNLC").type == "JNLC"
    for amount in ("-2", "0", "0.001", "NaN"):
        with pytest.raises(Refusal):
            market.cash_transfer(D(amount))
    assert market.account().cash == 1


def test_closing_positions() -> None:
    """A position is closed in whole, by shares or by percentage; whole shares stay whole."""
    market = holding(qty="9")
    for wrong in ({"percentage": D(0)}, {"percentage": D(101)}, {"qty": D(1), "percentage": D(1)}, {"qty": D(10)}):
        with pytest.raises(Refusal):
            market.close_position("X", **wrong)
    assert market.close_position("X", percentage=D(50)).qty == 4
    assert market.close_position("X", qty=D(2)).qty == 2
    market.advance(at("10:02"))
    (closing,) = market.close_all()
    assert (closing.status, closing.order is not None and closing.order.qty) == (200, 3)
    market.advance(at("10:03"))
    assert market.positions() == []
    with pytest.raises(Refusal, match="position does not exist"):
        market.close_position("X")


def test_close_all_says_which_could_not() -> None:
    """Shares that orders hold make a 403 of that position, unless the orders are cancelled first."""
    market = holding()
    market.submit(order("sell", type="limit", limit_price="200"))
    (closing,) = market.close_all()
    assert (closing.status, closing.order) == (403, None)
    (closing,) = market.close_all(cancel_orders=True)
    assert closing.status == 200


@pytest.mark.parametrize("ratio", ["0", "-1", "NaN"])
def test_nonsense_actions_are_errors(ratio: str) -> None:
    """Splits and dividends of nothing, and of unknown symbols, are errors of the caller."""
    market = holding()
    with pytest.raises(ValueError):
        market.split("X", D(ratio), D(1))
    with pytest.raises(ValueError):
        market.dividend("X", D(ratio))
    with pytest.raises(ValueError):
        market.split("NOPE", D(2), D(1))
