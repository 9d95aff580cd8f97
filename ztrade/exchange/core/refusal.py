"""The one exception of the core: a refusal in the words of Alpaca's REST API."""

from __future__ import annotations

from collections.abc import Mapping

MALFORMED = 40010001
FORBIDDEN = 40310000
MISSING = 40410000
INVALID = 42210000


class Refusal(Exception):
    """A request that the exchange refuses.

    Args:
        status: the HTTP status of the answer.
        code: Alpaca's code in the body.
        message: Alpaca's message in the body.
        extra: further fields of the body, numbers as strings as Alpaca sends them.
    """

    def __init__(self, status: int, code: int, message: str, extra: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.extra: dict[str, str] = dict(extra or {})

    def body(self) -> dict[str, object]:
        """Return the JSON body of the answer."""
        return {"code": self.code, "message": self.message, **self.extra}


def invalid(message: str) -> Refusal:
    """Return the refusal of an order that breaks a rule."""
    return Refusal(422, INVALID, message)


def malformed(message: str) -> Refusal:
    """Return the refusal of a request whose fields do not fit together."""
    return Refusal(422, MALFORMED, message)


def forbidden(message: str, extra: Mapping[str, str] | None = None) -> Refusal:
    """Return the refusal of an order that the account may not place."""
    return Refusal(403, FORBIDDEN, message, extra)


def missing(message: str) -> Refusal:
    """Return the refusal of a question about something that is not there."""
    return Refusal(404, MISSING, message)
