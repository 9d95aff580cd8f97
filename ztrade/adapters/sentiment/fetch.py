"""Reading a page of somebody else's server: bounded in time and size, and every failure is an outage of the source."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import requests
from urllib3.exceptions import HTTPError

from ztrade.errors import AccessDenied, ExchangeUnavailable, RateLimited

LARGEST = 2_000_000
_CHUNK = 16_384


class Pages:
    """Fetches pages of one server.

    Args:
        name: the source's, for messages.
        patience: how long a page may take, from the first byte sent to the last one read.
    """

    def __init__(self, name: str, patience: timedelta) -> None:
        self._name, self._seconds = name, patience.total_seconds()
        self._session = requests.Session()

    def get(self, url: str, headers: Mapping[str, str], params: Mapping[str, str] | None = None) -> bytes:
        """Return the page's body.

        Raises:
            ExchangeUnavailable, RateLimited, AccessDenied: the server did not give it.
        """
        return self._ask("GET", url, headers=dict(headers), params=params)

    def post(self, url: str, headers: Mapping[str, str], form: Mapping[str, str], auth: tuple[str, str]) -> bytes:
        """Send a form and return the answer's body; raises as :meth:`get`."""
        return self._ask("POST", url, headers=dict(headers), data=dict(form), auth=auth)

    def send(self, url: str, headers: Mapping[str, str], question: object) -> bytes:
        """Send JSON and return the answer's body; raises as :meth:`get`."""
        return self._ask("POST", url, headers=dict(headers), json=question)

    def _ask(self, method: str, url: str, **options: Any) -> bytes:
        deadline = time.monotonic() + self._seconds
        try:
            with self._session.request(
                method, url, timeout=self._seconds, stream=True, allow_redirects=False, **options
            ) as answer:
                self._check(answer.status_code)
                return self._body(answer, deadline)
        except (requests.RequestException, HTTPError) as error:
            raise ExchangeUnavailable(f"{self._name}: {type(error).__name__}") from error

    def _check(self, status: int) -> None:
        if status == 429:
            raise RateLimited(f"{self._name}: too many requests")
        if status in (401, 403):
            raise AccessDenied(f"{self._name}: refused with {status}; look at its contact or credentials")
        if status != 200:
            raise ExchangeUnavailable(f"{self._name}: answered {status}")

    def _body(self, answer: requests.Response, deadline: float) -> bytes:
        body = b""
        # not iter_content: it waits for a whole piece, and a server that drips would never let it look at the clock
        while part := answer.raw.read1(_CHUNK, decode_content=True):
            body += part
            if len(body) > LARGEST:
                raise ExchangeUnavailable(f"{self._name}: more than {LARGEST} bytes")
            if time.monotonic() > deadline:
                raise ExchangeUnavailable(f"{self._name}: not all there within {self._seconds:g} s")
        return body
