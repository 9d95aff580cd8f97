"""A real mail server for tests: aiosmtpd with TLS, logins, and refusals."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, Literal

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.integration.needs import needs

USER, PASSWORD = "ztrade@example.com", "correct horse 1"


@dataclass
class Mailbox:
    """What a server took, and what it refuses: the answer to RCPT by address, the answer to DATA."""

    got: list[EmailMessage] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    answer: str = "250 OK"
    hangs: float = 0.0
    port: int = 0
    ca_file: str = ""

    async def handle_RCPT(  # noqa: N802 aiosmtpd calls it so
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        await asyncio.sleep(self.hangs)
        if self.answer.startswith("250"):
            content = envelope.content
            assert isinstance(content, bytes)
            self.got.append(message_from_bytes(content, policy=default))
        return self.answer


class _Controller(Controller):
    """As aiosmtpd's, which connects to itself by the port that it was told: the free one that it got is another."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        super()._trigger_server()  # type: ignore[no-untyped-call]


def certificate(folder: Path, host: str = "localhost") -> tuple[Path, Path]:
    """Make a certificate for ``host`` that is its own authority; returns certificate and key."""
    needs("openssl")
    cert, key = folder / f"{host}.pem", folder / f"{host}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", key, "-out", cert, "-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host},IP:127.0.0.1"],
        check=True, capture_output=True, timeout=30,
    )  # fmt: skip
    return cert, key


def _login(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any) -> AuthResult:
    right = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=right, handled=False)


@contextmanager
def mail_server(folder: Path, security: Literal["starttls", "tls", "none"] = "starttls") -> Iterator[Mailbox]:
    """Run a server on a free port of 127.0.0.1; all but ``none`` wants a login, over TLS only."""
    box = Mailbox()
    more: dict[str, Any] = {}
    if security != "none":
        cert, key = certificate(folder)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(cert, key)
        box.ca_file = str(cert)
        more = {"authenticator": _login, "auth_required": True}
        more |= {"ssl_context": context, "auth_require_tls": False} if security == "tls" else {}
        more |= {"tls_context": context, "require_starttls": True} if security == "starttls" else {}
    with warnings.catch_warnings():
        # said for each connection; TLS from the start is TLS, too
        warnings.filterwarnings("ignore", "Requiring AUTH while not requiring TLS")
        controller = _Controller(box, hostname="127.0.0.1", port=0, **more)
        controller.start()
        box.port = controller.port
        try:
            yield box
        finally:
            controller.stop()
