"""The path inside a bar."""

# a Decimal equals an int of its value, which mypy does not believe inside tuples
# mypy: disable-error-code="comparison-overlap"

from __future__ import annotations

import pytest

from ztrade.exchange.core.path import Path, bar_path, first_touch, price_at

RISING = bar_path(0, 300, (10.0, 13.0, 9.0, 12.0))
FALLING = bar_path(0, 300, (10.0, 11.0, 7.0, 8.0))


def test_rising_bar_dips_before_it_peaks() -> None:
    """A bar that closes at or above its open goes open, low, high, close in equal times."""
    assert RISING == ((0, 10.0), (100, 9.0), (200, 13.0), (300, 12.0))


def test_falling_bar_peaks_before_it_dips() -> None:
    """A bar that closes below its open goes open, high, low, close."""
    assert FALLING == ((0, 10.0), (100, 11.0), (200, 7.0), (300, 8.0))


@pytest.mark.parametrize(("moment", "price"), [(-5, 10.0), (0, 10.0), (50, 9.5), (100, 9.0), (250, 12.5), (300, 12.0)])
def test_price_is_linear_between_the_corners(moment: int, price: float) -> None:
    """The price at the beginning is the open, at the end the close, and linear between the corners."""
    assert price_at(RISING, moment) == price


@pytest.mark.parametrize(
    ("path", "level", "below", "begin", "expected"),
    [
        (RISING, 9.5, True, 0, (50, 9.5)),
        (RISING, 9.0, True, 0, (100, 9.0)),
        (RISING, 12.0, False, 0, (175, 12.0)),
        (RISING, 10.0, True, 0, (0, 10.0)),
        (RISING, 9.5, True, 60, (60, 9.4)),
        (RISING, 8.99, True, 0, None),
        (RISING, 9.5, True, 113, None),
        (RISING, 12.5, False, 250, (250, 12.5)),
        (RISING, 12.5, False, 251, None),
        (FALLING, 11.0, False, 0, (100, 11.0)),
        (FALLING, 7.0, True, 0, (200, 7.0)),
    ],
)
def test_first_touch(path: Path, level: float, below: bool, begin: int, expected: tuple[int, float] | None) -> None:
    """The first instant from ``begin`` at which the level is reached, with the price then."""
    found = first_touch(path, level, below, begin, 300)
    assert found == expected or (found is not None and found == pytest.approx(expected))


def test_the_end_is_excluded() -> None:
    """A touch at the end of the watched time does not count: it belongs to what comes next."""
    assert first_touch(RISING, 9.0, True, 0, 100) is None
