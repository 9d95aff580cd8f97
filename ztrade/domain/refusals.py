"""Alpaca's refusals, sorted into our error tree.

Codes do not tell enough: 403 40310000 is used for missing money, missing shares, wash trades and more, and 422 40010001
for a taken id as well as for plain validation. So a refusal is sorted by status first and message second; the code is
kept on the error but decides nothing. The messages are those recorded from paper accounts in 2025 and 2026.
"""

from __future__ import annotations

from ztrade.errors import (
    AccessDenied,
    DuplicateOrderId,
    ExchangeUnavailable,
    HaltError,
    InsufficientBuyingPower,
    InsufficientQuantity,
    InvalidOrder,
    NotCancelable,
    NotFound,
    RateLimited,
    Rejected,
    TemporaryError,
    WashTrade,
)

#: parts of a message (lower case) that name what was refused, whatever the status and code around it
_BY_MESSAGE: tuple[tuple[str, type[Rejected]], ...] = (
    ("insufficient buying power", InsufficientBuyingPower),
    ("insufficient day trading buying power", InsufficientBuyingPower),
    ("insufficient balance", InsufficientBuyingPower),
    ("insufficient qty", InsufficientQuantity),
    ("wash trade", WashTrade),
    ("client_order_id must be unique", DuplicateOrderId),
    ("cancelable", NotCancelable),
    ("cancellable", NotCancelable),
    ("order is already in", NotCancelable),
)
_BY_STATUS: dict[int, type[Rejected]] = {400: InvalidOrder, 404: NotFound, 422: InvalidOrder}
_DENIED = ("forbidden", "unauthorized", "not authorized", "access key", "subscription does not permit")


def classify(status: int, code: int | None, message: str) -> Rejected | TemporaryError | HaltError:
    """Return (not raise) the error that says what to do about a refused request.

    Args:
        status: HTTP status of the answer.
        code: Alpaca's own code, None where the body had none.
        message: Alpaca's message, or the raw body where it was not JSON.

    A 408 or 5xx answer to a *submit* may have landed: whoever sent one raises OutcomeUnknown instead. A status
    below 400 has no business here (a redirect, a success that could not be read) and counts as no usable answer.
    """
    said = f"{message or 'no message'} (HTTP {status}{'' if code is None else f', code {code}'})"
    if status == 429:
        return RateLimited(said)
    if status < 400 or status == 408 or status >= 500:
        return ExchangeUnavailable(said)
    kind = _refusal(status, message.lower())
    if kind is None or (kind is Rejected and _is_denial(status, code, message.lower())):
        return AccessDenied(said)
    return kind(said, status=status, code=code or 0)


def _refusal(status: int, text: str) -> type[Rejected] | None:
    """Return the kind of refusal, None where the keys are what is wrong."""
    if status == 401:
        return None
    if status == 404:
        return NotFound
    for part, kind in _BY_MESSAGE:
        if part in text:
            return kind
    return _BY_STATUS.get(status, Rejected)


def _is_denial(status: int, code: int | None, text: str) -> bool:
    """A 403 without a code, or with a denial's words, is about the keys and not about the order."""
    return status == 403 and (not code or any(part in text for part in _DENIED))
