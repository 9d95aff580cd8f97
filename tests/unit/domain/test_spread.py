"""A histogram's buckets: upper bounds are included, and what is above them all is counted too."""

from __future__ import annotations

from ztrade.domain.spread import SLIPPAGE, Spread


def test_each_number_is_in_the_first_bucket_that_is_not_below_it() -> None:
    spread = Spread((0.1, 1.0))
    for value in (0.05, 0.1, 0.2, 7.0):
        spread.add(value)
    assert spread.cumulated == [("0.1", 2), ("1.0", 3), ("+Inf", 4)]
    assert spread.total == 7.35


def test_two_of_the_same_bounds_are_one() -> None:
    one, other = Spread(SLIPPAGE), Spread(SLIPPAGE)
    one.add(-0.01)
    other.add(0.02)
    one.add_all(other.counts, other.total)
    assert (one.cumulated[0], one.cumulated[-2], one.cumulated[-1]) == (("-0.005", 1), ("0.01", 1), ("+Inf", 2))
    assert one.total == 0.01
