"""Orders and the hours of the exchange."""

# a Decimal equals an int of its value, which mypy does not believe inside tuples
# mypy: disable-error-code="comparison-overlap"

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.unit.exchange_core.world import DAY, D, at, bars, bracket, engine, flat, joined, order, weekdays
from ztrade.exchange.core.engine import Engine

TUESDAY = weekdays(DAY, 2)[1]


def two_days(first: float = 100, second: float = 100) -> Engine:
    """Return an engine over two flat days."""
    return engine({"X": joined(bars("X", flat(first)), bars("X", flat(second), at("09:30", TUESDAY)))})


def test_day_orders_expire_at_the_close() -> None:
    """What is left of a day order ends at its session's close."""
    market = two_days()
    market.advance(at("15:00"))
    rests = market.submit(order(type="limit", limit_price="90"))
    assert rests.expires_at == at("16:00")
    market.advance(at("15:59:59"))
    assert rests.status == "new"
    market.advance(at("16:00"))
    assert (rests.status, rests.expired_at) == ("expired", at("16:00"))


def test_gtc_orders_are_cancelled_after_ninety_days() -> None:
    """A gtc order lives over the close, and is cancelled at the close of the session ninety days later."""
    market = engine(flat(100), now=at("10:00"), days=100)
    rests = market.submit(order(type="limit", limit_price="90", time_in_force="gtc"))
    market.advance(at("16:00", TUESDAY))
    assert rests.status == "new"
    market.advance(at("10:00") + timedelta(days=92))
    assert rests.status == "canceled"


def test_orders_after_the_close_wait_for_the_next_session() -> None:
    """A day order given after the close is accepted, is new at the open, and is good for that day."""
    market = two_days(second=105)
    market.advance(at("17:00"))
    late = market.submit(order())
    assert (late.status, late.expires_at) == ("accepted", at("16:00", TUESDAY))
    market.advance(at("09:29:59", TUESDAY))
    assert late.status == "accepted"
    market.advance(at("09:30", TUESDAY))
    assert (late.status, late.filled_avg_price, late.filled_at) == ("filled", 105, at("09:30", TUESDAY))


def test_an_order_on_its_way_at_the_close_never_becomes_tomorrows() -> None:
    """A day order that has not reached the book at the close expires."""
    market = two_days()
    market.advance(at("15:59:59.9"))
    late = market.submit(order())
    market.advance(at("10:00", TUESDAY))
    assert (late.status, late.filled_qty) == ("expired", 0)


def test_early_close_on_demand() -> None:
    """A session cut short expires its day orders then, and nothing fills after it."""
    market = two_days()
    market.advance(at("12:00"))
    rests = market.submit(order(type="limit", limit_price="90"))
    market.close_early(at("13:00"))
    assert market.clock().next_close == at("13:00")
    market.advance(at("13:00"))
    assert (rests.status, market.clock().is_open) == ("expired", False)
    late = market.submit(order())
    market.advance(at("15:59"))
    assert late.status == "accepted"
    for wrong in ("12:30", "14:00"):
        with pytest.raises(ValueError):
            market.close_early(at(wrong))


def test_an_early_close_cuts_its_last_bar() -> None:
    """What a bar does after the close it straddles fills nothing."""
    market = engine([*flat(100, 6), (100, 100, 90, 95), *flat(95)], now=at("09:45"))
    rests = market.submit(order(type="limit", limit_price="91", time_in_force="gtc"))
    market.close_early(at("10:02"))
    market.advance(at("20:00"))
    assert rests.status == "new"


def test_clock_tells_the_next_open_and_close() -> None:
    """At the open the session is open and its close is next; at the close it is over."""
    market = two_days()
    assert (market.clock().is_open, market.clock().next_open) == (False, at("09:30"))
    market.advance(at("09:30"))
    assert (market.clock().is_open, market.clock().next_open) == (True, at("09:30", TUESDAY))
    market.advance(at("16:00"))
    assert (market.clock().is_open, market.clock().next_close) == (False, at("16:00", TUESDAY))


def test_the_clock_never_goes_back() -> None:
    """Going back, and a time without a zone, are errors of the caller."""
    market = two_days()
    for wrong in (at("09:24"), at("10:00").replace(tzinfo=None)):
        with pytest.raises(ValueError):
            market.advance(wrong)


def test_nothing_later_than_the_clock_is_shown() -> None:
    """Bars are complete by the clock, prices are of the clock or older, and news is published."""
    market = two_days()
    market.advance(at("09:34:59"))
    assert len(market.bars("X", at("09:00"), at("16:00"))) == 0
    market.advance(at("09:35"))
    shown = market.bars("X", at("09:00"), at("16:00"))
    assert (len(shown), shown.end_at(0)) == (1, at("09:35"))
    assert len(market.bars("X", at("09:31"), at("16:00"))) == 0
    assert market.last_trade("X").at == at("09:35")


def test_rejected_on_demand() -> None:
    """The next order of the symbol is taken and then rejected, with its legs; the one after it is not."""
    market = engine(flat(100), now=at("10:00"))
    market.reject_next_order("no", symbol="X")
    doomed, fine = market.submit(bracket("110", "90")), market.submit(bracket("110", "90"))
    market.advance(at("10:01"))
    assert (doomed.status, doomed.failed_at, fine.status) == ("rejected", at("10:00:00.3"), "filled")
    assert {leg.status for leg in market.legs(doomed)} == {"canceled"}


def test_partial_fill_on_demand() -> None:
    """The next fill takes its fraction, not a bar in which nothing fills; the rest follows in the next bar."""
    market = engine([*flat(100, 7, 0), *flat(100)], now=at("10:00"))
    market.force_partial_fill(D("0.35"))
    taken = market.submit(order())
    market.advance(at("10:09"))
    assert (taken.status, taken.filled_qty) == ("partially_filled", 3)
    market.advance(at("10:10"))
    assert (taken.status, taken.filled_at) == ("filled", at("10:10"))


def test_a_tape_may_grow() -> None:
    """Bars that arrive later (a live feed) move waiting orders once they are there."""
    tape = {"X": bars("X", flat(100, 7))}
    market = engine(tape, now=at("10:00"))
    rests = market.submit(order(type="limit", limit_price="95"))
    market.advance(at("10:10"))
    tape["X"] = bars("X", [*flat(100, 7), (100, 100, 94, 95), *flat(95)])
    market.refresh_tape()
    market.advance(at("10:11"))
    assert (rests.status, rests.filled_avg_price) == ("filled", 95)
