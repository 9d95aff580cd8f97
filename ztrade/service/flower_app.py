"""Flower's application as ztrade runs it: nothing of it without the login, and at Redis with the login of its role."""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import Any

import flower.utils.broker
from flower.app import Flower
from flower.utils.broker import RedisSocket
from redis.asyncio import Redis
from tornado.httputil import HTTPServerRequest
from tornado.web import RequestHandler

from ztrade.service import broker


class Refusal(RequestHandler):
    """Answers 401 to every method."""

    def check_xsrf_cookie(self) -> None:
        """Do not look: nothing is changed, and the answer is the same."""

    def prepare(self) -> None:
        """Answer before anything is read."""
        self.set_status(401)
        self.set_header("WWW-Authenticate", 'Basic realm="flower"')
        self.finish("Access denied\n")


class LockedFlower(Flower):
    """Asks for the login on every path: Flower itself shows metrics, health, its files and OPTIONS to anybody."""

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        """Return what answers the request."""
        if not self._knows_login(request.headers.get("Authorization", "")):
            return self.get_handler_delegate(request, Refusal)
        return super().find_handler(request, **kwargs)

    def _knows_login(self, header: str) -> bool:
        scheme, _, word = header.partition(" ")
        try:
            given = base64.b64decode(word.strip(), validate=True)
        except (binascii.Error, ValueError):
            return False
        known = [hmac.compare_digest(given, login.encode()) for login in self.options.basic_auth]
        return scheme.lower() == "basic" and any(known)


class GivenSocket(RedisSocket):
    """Asks Redis for the lengths of queues with the login of this process; Flower's own knows no user."""

    def __init__(self, url: str, *args: Any, **options: Any) -> None:
        super().__init__(url, *args, **options)
        if broker.is_given(url):
            path = broker.socket_path(url)
            self.redis = Redis(
                unix_socket_path=path, credential_provider=broker.GivenLogin(), socket_timeout=self.socket_timeout
            )


def use_given_login() -> None:
    """Let Flower's factory of broker clients make ours for a unix socket."""
    flower.utils.broker.RedisSocket = GivenSocket
