"""What JSON says of values that JSON does not know."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from ztrade.cli.output import to_json

LONG = "0.123456789123456789123456789123"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("148.40", "148.4"), ("148.4", "148.4"), ("400.460000", "400.46"), ("100.00", "100"), ("0.00", "0"),
        ("1E+3", "1000"), ("-0.5000", "-0.5"), ("1200", "1200"), (LONG, LONG),
    ],
)  # fmt: skip
def test_equal_decimals_are_equal_texts(value: str, text: str) -> None:
    """The journal's 148.40, the exchange's 148.4 and a backtest's 148.400000 are one price; no digit is lost."""
    assert json.loads(to_json({"price": Decimal(value)})) == {"price": text}
