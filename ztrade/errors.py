"""Every error ztrade raises on purpose. The class says what the caller does next.

::

    ZtradeError
    |-- ConfigError                 a person mends the file; the process exits 2
    |   `-- DataError               a bars, news or database file is wrong: file, row, reason
    |-- TemporaryError              nothing was sent; try again at the next slot
    |   |-- ExchangeUnavailable     refused, timed out, 5xx, not JSON: an outage, never "no position"
    |   |-- RateLimited             the budget is used up, or the exchange said 429
    |   |-- JournalUnavailable      the database cannot be read or written: no order is sent
    |   `-- ChannelDown             an alert channel took nothing: the message waits
    |-- MessageRefused              an alert channel will never take this message: give it up
    |-- OutcomeUnknown              a submit may have landed: ask by client_order_id, never send again blind
    |-- Rejected                    the exchange read the request and refused it
    |   |-- InvalidOrder            422: a field is wrong
    |   |-- DuplicateOrderId        422: this client_order_id exists: read it and adopt it
    |   |-- InsufficientBuyingPower 403
    |   |-- InsufficientQuantity    403: the shares are not there, or resting orders hold them
    |   |-- WashTrade               403: an opposite order of the account rests
    |   |-- NotFound                404: no such order or position
    |   `-- NotCancelable           422: the order is already final
    `-- HaltError                   stop this agent until a person looks
        |-- AccessDenied            401/403: wrong keys, or keys of the other environment
        |-- AdoptionMismatch        our id, but not our order
        `-- ClaimLost               another process owns this cycle now
"""

from __future__ import annotations

from datetime import timedelta


class ZtradeError(Exception):
    """Base of all errors that ztrade raises on purpose."""


class ConfigError(ZtradeError):
    """A person must mend something before this can run.

    Args:
        where: file and key, environment variable, option, or row.
        what: what is wrong with it, with the value found.
        why: why that cannot work; may be empty where ``what`` says it.
        fix: what would be right.
    """

    def __init__(self, where: str, what: str, why: str = "", fix: str = "") -> None:
        self.where, self.what, self.why, self.fix = where, what, why, fix
        # all four, so that a copy made from ``args`` (a task's stored result) is the same error
        super().__init__(where, what, why, fix)

    def __str__(self) -> str:
        sentences = [f"{self.where}: {self.what}"]
        if self.why:
            sentences.append(f"why: {self.why}")
        if self.fix:
            sentences.append(f"fix: {self.fix}")
        return "; ".join(sentences)


class DataError(ConfigError):
    """A file of bars or news, or a database, cannot be used as it is."""


class TemporaryError(ZtradeError):
    """Nothing was sent and nothing is known: record it, try again at the next slot."""


class ExchangeUnavailable(TemporaryError):
    """The exchange did not give a usable answer to a read."""


class RateLimited(TemporaryError):
    """The request budget is used up, or the exchange answered 429."""

    def __init__(self, message: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class JournalUnavailable(TemporaryError):
    """The journal cannot be read or written; without it no order may be sent."""


class ChannelDown(TemporaryError):
    """An alert channel did not surely take a message; ``retry_after`` is how long it wants to be left alone."""

    def __init__(self, message: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class MessageRefused(ZtradeError):
    """An alert channel works, and will never take this message: trying again changes nothing."""


class OutcomeUnknown(ZtradeError):
    """A submit left, and no answer says whether it landed.

    Ask for ``client_order_id``; a 404 means "not sent" only once the sender is gone and its timeouts have passed.
    """

    def __init__(self, client_order_id: str, message: str) -> None:
        super().__init__(client_order_id, message)
        self.client_order_id, self.message = client_order_id, message

    def __str__(self) -> str:
        return self.message


class Rejected(ZtradeError):
    """The exchange understood the request and refused it; sending it again changes nothing."""

    def __init__(self, message: str, *, status: int = 0, code: int = 0) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class InvalidOrder(Rejected):
    """A field of the order is wrong (422)."""


class DuplicateOrderId(Rejected):
    """The client_order_id is taken (422): read that order and adopt it if it is ours."""


class InsufficientBuyingPower(Rejected):
    """The account cannot pay for the order (403)."""


class InsufficientQuantity(Rejected):
    """The shares are not held, or resting orders hold them (403)."""


class WashTrade(Rejected):
    """An opposite order of the same account rests (403)."""


class NotFound(Rejected):
    """The order or position does not exist (404)."""


class NotCancelable(Rejected):
    """The order is already final (422)."""


class HaltError(ZtradeError):
    """Going on would be guessing: stop this agent until a person looks."""


class AccessDenied(HaltError):
    """The keys are wrong, or belong to the other environment (401, 403)."""


class AdoptionMismatch(HaltError):
    """The exchange has an order under our id whose symbol, side, quantity or type differ from the intent."""


class ClaimLost(HaltError):
    """Another process took this cycle over; whatever this one still wants to write is refused."""
