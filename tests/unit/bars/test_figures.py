"""Numbers as files write them, and what makes them a bar."""

from __future__ import annotations

import pytest

from ztrade.exchange.bars.figures import Prices, decimal_comma, price_fault, read_number


@pytest.mark.parametrize(
    ("text", "comma", "value", "plain"),
    [
        ("439.92", False, 439.92, "439.92"),
        ("439,92", True, 439.92, "439.92"),
        ("1,234,567", False, 1234567.0, "1234567"),
        ("1.234.567,5", True, 1234567.5, "1234567.5"),
        ("1 234 567", False, 1234567.0, "1234567"),
        ("1'234.5", False, 1234.5, "1234.5"),
        ("309.393333333333", False, 309.393333333333, "309.393333333333"),
        ("2.13E+06", False, 2130000.0, "2.13E+06"),
        (".5", False, 0.5, ".5"),
    ],
)
def test_numbers_are_read_without_losing_a_digit(text: str, comma: bool, value: float, plain: str) -> None:
    """The value is the number meant, and the writing keeps its digits."""
    assert read_number(text, comma) == (value, plain)


@pytest.mark.parametrize("text", ["", "nan", "inf", "-inf", "1e400", "12,34,567", "1_000", "0x10", "--5", "1 2", "5%"])
def test_what_is_no_finite_number_is_refused(text: str) -> None:
    """NaN, infinity, odd groups and Python's own spellings are no prices."""
    with pytest.raises(ValueError, match=r"number|empty|large"):
        read_number(text)


@pytest.mark.parametrize(
    ("samples", "comma"),
    [
        (["439.92", "440"], False),
        (["439,92", "440"], True),
        (["1,234.50"], False),
        (["1.234,50"], True),
        (["1,234", "1,235"], None),
        (["1,234", "999.5"], False),
        (["439,1234"], True),
        (["439.920"], False),
        (["440"], False),
    ],
)
def test_the_decimal_mark_is_seen_from_the_file(samples: list[str], comma: bool | None) -> None:
    """Where every comma could stand between thousands or before decimals, nobody guesses."""
    assert decimal_comma(samples) is comma


@pytest.mark.parametrize(
    ("bar", "says"),
    [
        (Prices(100, 101, 99, 100.5, 0), ""),
        (Prices(100, 100, 100, 100, 5), ""),
        (Prices(100, 99, 98, 98.5, 5), "high"),
        (Prices(100, 101, 100.2, 100.5, 5), "low"),
        (Prices(0, 101, 99, 100, 5), "open 0 is not above zero"),
        (Prices(100, 101, -1, 100, 5), "low -1 is not above zero"),
        (Prices(100, 101, 99, 100, -5), "volume -5 is negative"),
    ],
)
def test_a_bar_that_contradicts_itself_is_named(bar: Prices, says: str) -> None:
    """Each contradiction says which of the five numbers is wrong."""
    assert says in price_fault(bar)
    assert bool(says) is bool(price_fault(bar))
