"""The one Tornado handler: lets a request in, lets go wrong what shall go wrong, and sends the answer out."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import json
import logging
import socket
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from urllib.parse import parse_qs, unquote
from uuid import uuid4

from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, RequestHandler

from ztrade.exchange.core.refusal import Refusal
from ztrade.exchange.faults import LONGEST_HANG, Fault, FaultKind, FaultQueue, drifted
from ztrade.exchange.server import admin, calendars, marketdata, news, orders, portfolio, ticks, trading
from ztrade.exchange.server.http import ApiError, Call, Reply, Router
from ztrade.exchange.server.ratelimit import RateLimiter, TooMany, too_many
from ztrade.exchange.server.store import StateUnavailable
from ztrade.exchange.server.venue import Venue

log = logging.getLogger(__name__)

ADMIN = "/admin/"
DATA = ("/v2/stocks", "/v1beta1/")
#: what Tornado calls the other side of a unix socket
UNIX_PEER = "0.0.0.0"  # noqa: S104
MOST_FIELDS = 200
RESETS = frozenset({FaultKind.RESET_BEFORE, FaultKind.RESET_AFTER})

API: Router[Venue] = Router(
    [
        *orders.ROUTES,
        *trading.ROUTES,
        *calendars.ROUTES,
        *portfolio.ROUTES,
        *marketdata.ROUTES,
        *ticks.ROUTES,
        *news.ROUTES,
    ],
)
ADMINISTRATION: Router[admin.Desk] = Router(admin.ROUTES)


@dataclass(slots=True)
class Site:
    """What every request needs. ``keys`` maps key ids to secrets; where it is empty any pair is let in."""

    venue: Venue
    limiter: RateLimiter
    faults: FaultQueue
    keys: Mapping[str, str]


class Reset(Exception):
    """Tear the connection down without an answer."""


class Door(RequestHandler):
    """Every path and every method come through here."""

    site: Site

    def initialize(self, site: Site) -> None:
        self.site = site
        self._gone = asyncio.Event()

    def on_connection_close(self) -> None:
        self._gone.set()

    def compute_etag(self) -> None:
        """Alpaca sends none; with one, a client that sends If-None-Match would get a 304."""

    def set_default_headers(self) -> None:
        self.set_header("Content-Type", "application/json; charset=UTF-8")
        self.set_header("X-Request-ID", uuid4().hex)
        self.clear_header("Server")

    async def _any(self) -> None:
        try:
            self._send(await self._answer())
        except Reset:
            self._tear_down()

    get = post = put = patch = delete = head = options = _any

    async def _answer(self) -> Reply:
        try:
            if self.request.path.startswith(ADMIN):
                return self._administrate()
            return await self._serve()
        except ApiError as error:
            return error.reply()
        except Refusal as error:
            return Reply(error.status, json.loads(json.dumps(error.body())))
        except TooMany as error:
            return too_many(data_api=self._is_data(), headers=error.headers)
        except StateUnavailable as error:
            return Reply(500, {"code": 50010000, "message": f"internal server error: state cannot be written: {error}"})
        except Reset:
            raise
        except Exception:
            log.exception("exchange.request_failed: %s %s", self.request.method, self.request.path)
            return Reply(500, {"code": 50010000, "message": "internal server error occurred"})

    # -- administration ----------------------------------------------------------------------------------------------
    def _administrate(self) -> Reply:
        self._only_from_here()
        handler, parts = ADMINISTRATION.find(self._method(), self.request.path)
        call = self._call(parts)
        try:
            self.site.venue.tick()
            return handler(admin.Desk(self.site.venue, self.site.faults), call)
        except StateUnavailable as error:
            if self.request.path == "/admin/health":
                return admin.sick(str(error))
            raise

    def _only_from_here(self) -> None:
        """Refuse other machines, and pages in a browser on this one (they send Origin)."""
        peer = self.request.remote_ip or ""
        here = peer in {UNIX_PEER, "::1"} or peer.startswith("127.")
        if not here or "Origin" in self.request.headers:
            raise ApiError(403, "/admin is for programs on this machine only")

    # -- the API -----------------------------------------------------------------------------------------------------
    async def _serve(self) -> Reply:
        fault = self.site.faults.take(self._method(), self.request.path)
        if fault is not None:
            log.info(
                "exchange.fault: %s on %s %s", admin.described_fault(fault), self.request.method, self.request.path
            )
            early = await self._before(fault)
            if early is not None:
                return early
        headers = self._admit()
        reply = self._handle(fault)
        reply = reply if fault is None else self._after(fault, reply)
        return replace(reply, headers={**headers, **reply.headers})

    async def _before(self, fault: Fault) -> Reply | None:
        """Do what happens before the exchange hears of the request; an answer ends it there."""
        args = fault.args
        if fault.kind is FaultKind.LATENCY:
            await asyncio.sleep(float(str(args["seconds"])))
        if fault.kind is FaultKind.HANG:
            await self._hang(float(str(args["seconds"])))
            raise Reset
        if fault.kind is FaultKind.RESET_BEFORE:
            raise Reset
        if fault.kind is FaultKind.TOO_MANY:
            return self._too_many(with_headers=args["headers"] is True)
        if fault.kind is FaultKind.ERROR:
            body = args["body"] if args["body"] is not None else {"code": 50010000, "message": "internal server error"}
            return Reply(int(float(str(args["status"]))), body)  # type: ignore[arg-type]
        return None

    async def _hang(self, seconds: float) -> None:
        """Keep the caller waiting until it gives up."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._gone.wait(), min(seconds, LONGEST_HANG))

    def _too_many(self, *, with_headers: bool) -> Reply:
        limits = {"X-Ratelimit-Limit": "200", "X-Ratelimit-Remaining": "0", "Retry-After": "1"}
        limits["X-Ratelimit-Reset"] = str(int(self.site.venue.clock.wall().timestamp()) + 1)
        return replace(too_many(data_api=self._is_data()), headers=limits if with_headers else {})

    def _after(self, fault: Fault, reply: Reply) -> Reply:
        """Do what goes wrong after the exchange has dealt with the request."""
        if fault.kind is FaultKind.RESET_AFTER:
            raise Reset
        if fault.kind is FaultKind.LANDED_504:
            return Reply(504, {"code": 50410000, "message": "request timed out"})
        if fault.kind is FaultKind.SCHEMA_DRIFT:
            remove, values = fault.args["remove"], fault.args["set"]
            return replace(reply, body=drifted(reply.body, remove, values))  # type: ignore[arg-type]
        return reply

    def _handle(self, fault: Fault | None) -> Reply:
        handler, parts = API.find(self._method(), self.request.path)
        call = replace(self._call(parts), fault=fault)
        self.site.venue.tick()
        return handler(self.site.venue, call)

    def _admit(self) -> dict[str, str]:
        key = self._check_keys()
        return self.site.limiter.take(key, self.site.venue.clock.wall().timestamp())

    def _check_keys(self) -> str:
        """Return the key id of the caller.

        Raises:
            ApiError: 401 without keys or with a wrong secret, 403 with keys that are not of this exchange.
        """
        key, secret = self._credentials()
        if not key or not secret:
            raise ApiError(401, "unauthorized.")
        known = self.site.keys
        if known and key not in known:
            raise ApiError(403, "forbidden.")
        if known and not hmac.compare_digest(known[key].encode(), secret.encode("utf-8", "replace")):
            raise ApiError(401, "unauthorized.")
        return key

    def _credentials(self) -> tuple[str, str]:
        headers = self.request.headers
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic":
            return _basic(token)
        if scheme.lower() == "bearer":
            return token, token
        return headers.get("APCA-API-KEY-ID", ""), headers.get("APCA-API-SECRET-KEY", "")

    # -- reading and sending -----------------------------------------------------------------------------------------
    def _method(self) -> str:
        return self.request.method or ""

    def _is_data(self) -> bool:
        return self.request.path.startswith(DATA)

    def _call(self, parts: Mapping[str, str]) -> Call:
        plain = {name: unquote(part) for name, part in parts.items()}
        try:
            query = parse_qs(self.request.query, keep_blank_values=True, max_num_fields=MOST_FIELDS)
        except ValueError:
            raise ApiError(400, f"too many query parameters: at most {MOST_FIELDS}") from None
        return Call(self._method(), self.request.path, query, self._body(), plain)

    def _body(self) -> object:
        if self._method() not in {"POST", "PATCH", "PUT"}:
            return None
        try:
            return json.loads(self.request.body, parse_float=Decimal, parse_constant=_refuse)
        except (ValueError, RecursionError):
            raise ApiError(400, "request body format is invalid", 40010000) from None

    def _send(self, reply: Reply) -> None:
        self.set_status(reply.status)
        for name, value in reply.headers.items():
            self.set_header(name, value)
        if reply.body is None:
            self.clear_header("Content-Type")
            self.finish()
        elif isinstance(reply.body, str):
            self.set_header("Content-Type", "text/html")
            self.finish(reply.body)
        else:
            self.finish(json.dumps(reply.body, separators=(",", ":"), default=str))

    def _tear_down(self) -> None:
        """Close so that the other side sees a reset, not an end."""
        stream = self.detach()
        try:
            if stream.socket is not None:
                stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            stream.close()
        except (OSError, StreamClosedError):
            pass

    def write_error(self, status_code: int, **kwargs: object) -> None:  # noqa: ARG002
        """Answer what Tornado refuses itself (an unknown method, an unreadable request) as JSON too."""
        raised = kwargs.get("exc_info")
        error = raised[1] if isinstance(raised, tuple) else None
        reason = error.log_message if isinstance(error, HTTPError) and error.log_message else self._reason
        self.finish(json.dumps({"message": str(reason)}))


def _refuse(word: str) -> object:
    raise ValueError(word)


def _basic(token: str) -> tuple[str, str]:
    try:
        key, _, secret = base64.b64decode(token, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeError):
        return "", ""
    return key, secret
