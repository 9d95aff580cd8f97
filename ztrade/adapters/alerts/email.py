"""E-mail over SMTP, with the standard library."""

from __future__ import annotations

import hashlib
import smtplib
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import EmailMessage
from email.policy import SMTP
from typing import Literal

from ztrade.adapters.alerts.words import failure, footer
from ztrade.domain.messages import Message
from ztrade.errors import ChannelDown, MessageRefused

#: of a subject; phones show less
LONGEST_SUBJECT = 150
#: characters of a text
LONGEST = 50_000


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in. ``user`` empty: no login; ``ca_file`` empty: the system's authorities."""

    host: str
    port: int
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""


class EmailChannel:
    """Mail from one address to some.

    Args:
        timeout: wall seconds that each step of the conversation may take.
    """

    def __init__(
        self, server: MailServer, sender: str, to: Sequence[str], timeout: timedelta = timedelta(seconds=10)
    ) -> None:
        self._server, self._sender, self._to = server, sender, tuple(to)
        self._timeout = timeout.total_seconds()

    def send(self, message: Message) -> Mapping[str, str]:
        """See :meth:`ztrade.ports.AlertChannel.send`; taken once the server took it for one of the receivers."""
        mail = mail_of(message, self._sender, self._to)
        with _plain_failures(), self._conversation() as server:
            refused = server.send_message(mail)
        return {address: f"{code} {_text(why)}" for address, (code, why) in refused.items()}

    @contextmanager
    def _conversation(self) -> Iterator[smtplib.SMTP]:
        server = self._connect()
        try:
            if self._server.security == "starttls":
                server.starttls(context=self._tls())
            if self._server.user:
                server.login(self._server.user, self._server.password)
            yield server
            # it was taken: whatever the goodbye meets
            with suppress(OSError, smtplib.SMTPException):
                server.quit()
        finally:
            server.close()

    def _connect(self) -> smtplib.SMTP:
        host, port = self._server.host, self._server.port
        if self._server.security == "tls":
            return smtplib.SMTP_SSL(host, port, timeout=self._timeout, context=self._tls())
        return smtplib.SMTP(host, port, timeout=self._timeout)

    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._server.ca_file or None)


def mail_of(message: Message, sender: str, to: Sequence[str]) -> EmailMessage:
    """Return the mail; sent twice, it has the same id, by which many servers and readers drop the second."""
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"] = sender, ", ".join(to)
    # a line end in a header would begin another header
    title = " ".join("".join(sign if sign.isprintable() else " " for sign in message.title).split())
    mail["Subject"] = f"[ztrade] {message.severity.upper()}: {title}"[:LONGEST_SUBJECT]
    mail["Date"] = message.at
    mail["Message-ID"] = f"<{hashlib.sha256(message.key.encode()).hexdigest()[:32]}@{sender.partition('@')[2]}>"
    # no holiday reply, please (RFC 3834)
    mail["Auto-Submitted"] = "auto-generated"
    if message.severity == "critical":
        mail["Importance"] = "high"
    mail.set_content(f"{message.title}\n\n{message.text[:LONGEST]}\n\n-- \n{footer(message)}\n", cte="quoted-printable")
    return mail


@contextmanager
def _plain_failures() -> Iterator[None]:
    """Turn what smtplib raises into our own words.

    Raises:
        ChannelDown: it was not taken, and may be another time, or after a person mended something.
        MessageRefused: the server will have none of this message.
    """
    try:
        yield
    except smtplib.SMTPDataError as error:
        words = f"the mail server refused the message: {_said(error)}"
        raise (MessageRefused if error.smtp_code >= 500 else ChannelDown)(words) from None
    except smtplib.SMTPRecipientsRefused as error:
        (code, why), *_ = error.recipients.values()
        raise ChannelDown(f"the mail server refused every receiver: {code} {_text(why)}") from None
    except smtplib.SMTPResponseException as error:
        raise ChannelDown(f"the mail server answered {_said(error)}") from None
    except ssl.SSLCertVerificationError as error:
        raise ChannelDown(f"the mail server's certificate is not good: {error.verify_message}") from None
    except smtplib.SMTPNotSupportedError as error:
        raise ChannelDown(f"the mail server cannot do this: {error}") from None
    except smtplib.SMTPServerDisconnected:
        # smtplib says so of a timeout, too
        raise ChannelDown("the mail server was not reached: it hung up or said nothing in time") from None
    except (OSError, smtplib.SMTPException, UnicodeError, ValueError) as error:
        raise ChannelDown(f"the mail server was not reached: {failure(error)}") from None


def _said(error: smtplib.SMTPResponseException) -> str:
    return f"{error.smtp_code} {_text(error.smtp_error)}"


def _text(said: bytes | str) -> str:
    words = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return " ".join(words.split())[:120]
