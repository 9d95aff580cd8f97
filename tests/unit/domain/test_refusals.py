"""Alpaca's refusals become the errors that say what to do next."""

from __future__ import annotations

import pytest

from ztrade.domain.refusals import classify
from ztrade.errors import (
    AccessDenied,
    DuplicateOrderId,
    ExchangeUnavailable,
    InsufficientBuyingPower,
    InsufficientQuantity,
    InvalidOrder,
    NotCancelable,
    NotFound,
    RateLimited,
    Rejected,
    WashTrade,
    ZtradeError,
)


@pytest.mark.parametrize(
    ("status", "code", "message", "expected"),
    [
        (422, 40010001, "client_order_id must be unique", DuplicateOrderId),
        (422, 42210000, "client_order_id must be unique", DuplicateOrderId),
        (422, 40010001, "qty or notional is required", InvalidOrder),
        (422, 40010001, "client_order_id must be no more than 128 characters", InvalidOrder),
        (403, 40310000, "insufficient buying power", InsufficientBuyingPower),
        (403, 40310000, "insufficient qty available for order (requested: 2, available: 1)", InsufficientQuantity),
        (403, 40310000, "potential wash trade detected. use complex orders", WashTrade),
        (422, 42210000, "potential wash trade detected. use complex orders", WashTrade),
        (403, 40310000, 'asset "OCGN" is not fractionable', Rejected),
        (403, 40310100, "trade denied due to pattern day trading protection", Rejected),
        (403, None, "forbidden.", AccessDenied),
        (403, 40310000, "account not authorized to trade", AccessDenied),
        (403, None, "subscription does not permit querying recent SIP data", AccessDenied),
        (403, None, "<html>blocked</html>", AccessDenied),
        (401, None, "unauthorized.", AccessDenied),
        (401, 40110000, "request is not authorized", AccessDenied),
        (404, 40410000, "position does not exist", NotFound),
        (404, 40410000, "order not found for a wash trade", NotFound),
        (422, 42210000, 'order is already in "filled" state', NotCancelable),
        (422, 42210000, "The order status is not cancelable.", NotCancelable),
        (422, 42210000, 'asset "X" cannot be sold short', InvalidOrder),
        (400, None, "invalid symbol", InvalidOrder),
        (405, None, "method not allowed", Rejected),
        (429, 42910000, "rate limit exceeded", RateLimited),
        (429, None, "too many requests.", RateLimited),
        (500, None, "client_order_id must be unique", ExchangeUnavailable),
        (504, None, "<html>504</html>", ExchangeUnavailable),
        (408, None, "", ExchangeUnavailable),
        (302, None, "", ExchangeUnavailable),
    ],
)
def test_classify(status: int, code: int | None, message: str, expected: type[ZtradeError]) -> None:
    """Status first, then the message; the overloaded code decides nothing."""
    error = classify(status, code, message)
    assert type(error) is expected
    assert str(status) in str(error)
    if isinstance(error, Rejected):
        assert (error.status, error.code) == (status, code or 0)
