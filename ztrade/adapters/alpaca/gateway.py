"""The one way out: alpaca-py's clients, with the retries, timeouts and errors that we want instead of theirs."""

from __future__ import annotations

import json
import os
import random
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import TYPE_CHECKING

import urllib3

from ztrade.adapters.alpaca.fields import Drift
from ztrade.adapters.alpaca.plain_requests import requests
from ztrade.adapters.alpaca.settings import AlpacaSettings
from ztrade.adapters.alpaca.transport import DeadlineAdapter, HttpStats, NotSent
from ztrade.adapters.budget import PATIENCE, Budget, Purpose
from ztrade.domain.refusals import classify
from ztrade.errors import (
    AccessDenied,
    ExchangeUnavailable,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    TemporaryError,
    ZtradeError,
)
from ztrade.ports import Metrics

if TYPE_CHECKING:
    from alpaca.common.rest import RESTClient

ATTEMPTS = 3
BACKOFF_SECONDS = 0.3
LONGEST_RETRY_AFTER = timedelta(minutes=5)
#: how long an order waits for its place in the budget: a halt that comes meanwhile takes effect within a second
SUBMIT_PATIENCE = timedelta(seconds=0.5)
_NEVER_LEFT = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.NameResolutionError,
)


class Api(Enum):
    """Alpaca's three doors; each has its alpaca-py client."""

    TRADING = "trading"
    DATA = "data"
    NEWS = "news"


class _Unanswered(Exception):
    """No usable answer came; ``left`` tells whether the request may have arrived, ``odd`` that an answer did."""

    def __init__(self, message: str, *, left: bool, odd: bool = False) -> None:
        super().__init__(message)
        self.left, self.odd = left, odd


class _Refusal(Exception):
    """An answer of 400 or more; ``json`` tells whether it is one of the exchange's own."""

    def __init__(
        self, status: int, code: int | None, message: str, *, json: bool, retry_after: timedelta | None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.json, self.retry_after = json, retry_after


class Gateway:
    """Sends requests for one account. Threads and forked children each get connections of their own, when first used.

    Args:
        settings: address, keys, patience.
        budget: grants every request; None where the exchange has no limit (the embedded one).
        metrics: counts requests and those without a usable answer, and what the exchange says differently from what we
            know.
    """

    def __init__(
        self,
        settings: AlpacaSettings,
        budget: Budget | None = None,
        metrics: Metrics | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.settings = settings
        self.stats = HttpStats()
        self.drift = Drift(metrics)
        self._metrics = metrics
        self._budget, self._sleep, self._jitter = budget, sleep, jitter
        self._local = threading.local()

    def get(self, api: Api, path: str, params: Mapping[str, object] | None = None) -> object:
        """Read, with bounded retries under the read deadline, and return the JSON.

        Raises:
            ExchangeUnavailable: no usable answer in time.
            RateLimited: our budget is used up, or the exchange says so.
            AccessDenied: the keys are wrong.
            Rejected: the exchange refused the question; NotFound only where it said so itself.
        """
        return self._repeat("GET", api, path, params)

    def delete(self, path: str) -> object:
        """Delete at the trading API. Repeating it does no harm, so it is retried like a read. Raises as :meth:`get`."""
        return self._repeat("DELETE", Api.TRADING, path, None)

    def post_once(self, path: str, body: Mapping[str, object], client_order_id: str) -> object:
        """Send to the trading API exactly once and return the JSON.

        Raises:
            ExchangeUnavailable: nothing left.
            RateLimited: our budget, or a 429: it was not read.
            OutcomeUnknown: it may have landed.
            Rejected, AccessDenied: it was read and refused.
        """
        deadline = self._deadline(Api.TRADING, self.settings.submit_deadline)
        self._take(Purpose.ORDER, deadline, SUBMIT_PATIENCE)
        try:
            return self._once("POST", Api.TRADING, path, body, deadline)
        except _Unanswered as failure:
            if failure.left:
                raise OutcomeUnknown(client_order_id, self._say("POST", path, failure)) from failure
            raise ExchangeUnavailable(self._say("POST", path, failure)) from failure
        except _Refusal as refusal:
            if refusal.status == 408 or refusal.status >= 500:
                raise OutcomeUnknown(client_order_id, self._say("POST", path, refusal)) from refusal
            raise self._error("POST", path, refusal) from refusal

    def close(self) -> None:
        """Close this thread's connections; the next request opens others."""
        for client, _ in getattr(self._local, "clients", {}).values():
            client._session.close()
        self._local.clients = {}

    # -- one request after another -----------------------------------------------------------------------------------

    def _repeat(self, method: str, api: Api, path: str, params: Mapping[str, object] | None) -> object:
        deadline = self._deadline(api, self.settings.read_deadline)
        purpose = Purpose.READ if method == "GET" else Purpose.ORDER
        for attempt in range(1, ATTEMPTS + 1):
            self._take(purpose, deadline)
            try:
                return self._once(method, api, path, params, deadline)
            except (_Unanswered, _Refusal) as failure:
                error = self._error(method, path, failure)
                wait = self._pause(attempt, error)
                if wait is None or time.monotonic() + wait >= deadline:
                    raise error from failure
                self._sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    def _pause(self, attempt: int, error: ZtradeError) -> float | None:
        """Return the seconds to wait before trying again, None when that is of no use."""
        if attempt >= ATTEMPTS or not isinstance(error, TemporaryError):
            return None
        if isinstance(error, RateLimited) and error.retry_after is not None:
            return error.retry_after.total_seconds() + self._jitter() * BACKOFF_SECONDS
        return BACKOFF_SECONDS * 2.0**attempt * (0.5 + self._jitter())

    def _deadline(self, api: Api, allowed: timedelta) -> float:
        # a process's first request loads alpaca-py: that second is not the exchange's
        self._client(api)
        return time.monotonic() + allowed.total_seconds()

    def _take(self, purpose: Purpose, deadline: float, patience: timedelta = PATIENCE) -> None:
        if self._budget is not None:
            left = timedelta(seconds=max(deadline - time.monotonic(), 0.0))
            try:
                self._budget.take(purpose, min(patience, left))
            except RateLimited:
                self._count("ztrade_exchange_errors_total", kind="throttled")
                raise

    def _count(self, name: str, **labels: str) -> None:
        if self._metrics is not None:
            self._metrics.count(name, labels={"account": self.settings.account, **labels})

    def _once(self, method: str, api: Api, path: str, payload: Mapping[str, object] | None, deadline: float) -> object:
        self._count("ztrade_exchange_requests_total")
        try:
            return self._request(method, api, path, payload, deadline)
        except (_Unanswered, _Refusal) as failure:
            kind = _kind(failure, self._error(method, path, failure))
            if kind:
                self._count("ztrade_exchange_errors_total", kind=kind)
            raise

    def _request(
        self, method: str, api: Api, path: str, payload: Mapping[str, object] | None, deadline: float
    ) -> object:
        from alpaca.common.exceptions import APIError

        client, adapter = self._client(api)
        adapter.deadline = deadline
        data = None if payload is None else dict(payload)
        try:
            return _send(client, method, path, data)
        except APIError as error:
            raise _refusal(error.response) from error
        except requests.JSONDecodeError as error:
            raise _Unanswered(f"the answer is not JSON: {error.doc[:120]!r}", left=True, odd=True) from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, RecursionError) as error:
            raise _Unanswered(_root(error), left=_may_have_left(error)) from error

    # -- clients -----------------------------------------------------------------------------------------------------

    def _client(self, api: Api) -> tuple[RESTClient, DeadlineAdapter]:
        if getattr(self._local, "pid", None) != os.getpid():
            # a forked child must not speak on its parent's connections
            self._local.pid, self._local.clients = os.getpid(), {}
        clients: dict[Api, tuple[RESTClient, DeadlineAdapter]] = self._local.clients
        if api not in clients:
            clients[api] = self._build(api)
        return clients[api]

    def _build(self, api: Api) -> tuple[RESTClient, DeadlineAdapter]:
        client = _new_client(api, self.settings)
        # alpaca-py repeats a POST after 429 and 504, three times, and an order that landed would be sent again
        client._retry, client._retry_wait, client._retry_codes = 0, 0, []
        adapter = DeadlineAdapter(
            self.settings.connect_timeout.total_seconds(), self.settings.read_timeout.total_seconds(), self.stats
        )
        session = client._session
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        # no proxy, no .netrc login, no CA file from the environment: the configuration alone says where requests go
        session.trust_env = False
        return client, adapter

    # -- errors ------------------------------------------------------------------------------------------------------

    def _error(self, method: str, path: str, failure: _Unanswered | _Refusal) -> ZtradeError:
        if isinstance(failure, _Unanswered):
            return ExchangeUnavailable(self._say(method, path, failure))
        if failure.status == 404 and not failure.json:
            # a proxy's or a wrong host's page: that is no word of the exchange on what exists
            return ExchangeUnavailable(self._say(method, path, failure))
        error = classify(failure.status, failure.code, failure.message)
        if isinstance(error, RateLimited):
            return RateLimited(self._say(method, path, failure), failure.retry_after)
        if isinstance(error, AccessDenied):
            return AccessDenied(self._denied(path, failure))
        return type(error)(self._say(method, path, failure)) if isinstance(error, TemporaryError) else error

    def _say(self, method: str, path: str, failure: _Unanswered | _Refusal) -> str:
        said = f"HTTP {failure.status}: {failure.message}" if isinstance(failure, _Refusal) else str(failure)
        return f"account {self.settings.account}: {method} {path} at {self._host(path)}: {said}"

    def _denied(self, path: str, refusal: _Refusal) -> str:
        said = f"account {self.settings.account}: {self._host(path)} refused access ({refusal.message})"
        if "subscription" in refusal.message.lower():
            return f"{said}; the account's data plan does not contain this feed: set feed to iex"
        kind = {"PK": " (this key id begins like a paper key)", "AK": " (this key id begins like a live key)"}
        hint = kind.get(self.settings.key_id[:2], "")
        return (
            f"{said}; check key_id and secret_key of account {self.settings.account}{hint}: "
            "paper keys open only paper-api.alpaca.markets, live keys only api.alpaca.markets, "
            "and resetting a paper account ends its keys"
        )

    def _host(self, path: str) -> str:
        data = path.startswith(("/stocks", "/news"))
        return self.settings.data_url if data else self.settings.trading_url


def _kind(failure: _Unanswered | _Refusal, error: ZtradeError) -> str:
    """Return what kind of failure to count; empty for the exchange's own word that there is no such thing."""
    if isinstance(error, NotFound):
        return ""
    if isinstance(error, RateLimited | AccessDenied):
        return "throttled" if isinstance(error, RateLimited) else "denied"
    if isinstance(error, TemporaryError):
        return "timeout" if isinstance(failure, _Unanswered) and not failure.odd else "server"
    return "refused"


def _send(client: RESTClient, method: str, path: str, data: dict[str, object] | None) -> object:
    if method == "POST":
        return client.post(path, data)
    return client.get(path, data) if method == "GET" else client.delete(path, data)


def _new_client(api: Api, settings: AlpacaSettings) -> RESTClient:
    # imported when first needed. alpaca-py's own base of all its clients: the clients over it add models, and pandas
    # with them, 30 MB that answers taken raw have no use for
    from alpaca.common.rest import RESTClient

    url = settings.trading_url if api is Api.TRADING else settings.data_url
    version = "v1beta1" if api is Api.NEWS else "v2"
    return RESTClient(url, settings.key_id, settings.secret_key, api_version=version, raw_data=True)


def _refusal(response: requests.Response) -> _Refusal:
    """Read an error's body, whatever it is."""
    text = response.text
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        body = None
    wait = _retry_after(response)
    if not isinstance(body, dict):
        return _Refusal(response.status_code, None, " ".join(text.split())[:200], json=False, retry_after=wait)
    code, message = body.get("code"), body.get("message")
    return _Refusal(
        response.status_code,
        code if isinstance(code, int) and not isinstance(code, bool) else None,
        message if isinstance(message, str) else text[:200],
        json=True,
        retry_after=wait,
    )


def _retry_after(response: requests.Response) -> timedelta | None:
    """Return how long the exchange asks to wait: Retry-After, or the rate limit's reset against the answer's date."""
    headers = response.headers
    try:
        if "Retry-After" in headers:
            seconds = float(headers["Retry-After"])
        else:
            seconds = float(headers["X-Ratelimit-Reset"]) - parsedate_to_datetime(headers["Date"]).timestamp()
        return timedelta(seconds=max(seconds, 0.0)) if seconds <= LONGEST_RETRY_AFTER.total_seconds() else None
    except (KeyError, ValueError, TypeError, OverflowError):
        return None


def _may_have_left(error: BaseException) -> bool:
    """Tell whether the request may have reached the exchange; only where it surely did not is the answer False."""
    if isinstance(error, NotSent | requests.ConnectTimeout | requests.exceptions.InvalidURL):
        return False
    reason = _reason(error)
    # a certificate is judged before the first byte of the request
    bad_certificate = any(isinstance(part, ssl.SSLCertVerificationError) for part in (reason, *reason.args))
    return not (bad_certificate or isinstance(reason, _NEVER_LEFT))


def _reason(error: BaseException) -> BaseException:
    """Return urllib3's own error from inside the wrappers of requests."""
    inner = error.args[0] if error.args else None
    if isinstance(inner, urllib3.exceptions.MaxRetryError) and inner.reason is not None:
        return inner.reason
    return inner if isinstance(inner, BaseException) else error


def _root(error: BaseException) -> str:
    reason = _reason(error)
    return f"{type(error).__name__}: {reason}" if str(reason) else type(error).__name__
