"""E-mail through a real mail server: logins, TLS, refusals."""

from __future__ import annotations

import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.integration.mail_server import PASSWORD, USER, Mailbox, certificate, mail_server
from ztrade.adapters.alerts.email import EmailChannel, MailServer, mail_of
from ztrade.domain.messages import Message, Severity
from ztrade.errors import ChannelDown, MessageRefused

AT = datetime(2026, 11, 25, 15, 0, 7, tzinfo=UTC)
MESSAGE = Message("halted:1", Severity.CRITICAL, "spy halted itself", "why\nztrade release spy", AT, "spy")
TO = ["ann@example.com", "bob@example.com"]
SECOND = timedelta(seconds=1)


def channel(box: Mailbox, password: str = PASSWORD, **more: str) -> EmailChannel:
    values = {"host": "localhost", "ca_file": box.ca_file, "user": USER} | more
    server = MailServer(values["host"], box.port, "starttls", values["user"], password, values["ca_file"])
    return EmailChannel(server, USER, TO, 5 * SECOND)


def test_what_is_in_a_mail(tmp_path: Path) -> None:
    """Who, whom, how bad, what; and no holiday reply comes back."""
    with mail_server(tmp_path) as box:
        channel(box).send(MESSAGE)
        (mail,) = box.got
    assert (mail["from"], mail["to"]) == (USER, "ann@example.com, bob@example.com")
    assert mail["subject"] == "[ztrade] CRITICAL: spy halted itself"
    assert mail["auto-submitted"] == "auto-generated"
    assert mail["date"].datetime == AT
    assert (
        mail.get_content()
        .replace("\r", "")
        .startswith("spy halted itself\n\nwhy\nztrade release spy\n\n-- \n2026-11-25 15:00:07 UTC, ")
    )


def test_the_same_message_has_the_same_id() -> None:
    """Sent twice, a mail server or a reader may drop the second."""
    ids = [mail_of(message, USER, TO)["message-id"] for message in (MESSAGE, MESSAGE)]
    assert ids[0] == ids[1]
    assert ids[0].endswith("@example.com>")


def test_tls_from_the_start(tmp_path: Path) -> None:
    """As on port 465."""
    with mail_server(tmp_path, "tls") as box:
        server = MailServer("localhost", box.port, "tls", USER, PASSWORD, box.ca_file)
        EmailChannel(server, USER, TO).send(MESSAGE)
        assert len(box.got) == 1


def test_a_relay_of_this_machine_needs_neither_tls_nor_login(tmp_path: Path) -> None:
    """As a postfix beside it."""
    with mail_server(tmp_path, "none") as box:
        EmailChannel(MailServer("127.0.0.1", box.port, "none"), USER, TO).send(MESSAGE)
        assert len(box.got) == 1


def test_a_wrong_password_is_told_and_not_shown(tmp_path: Path) -> None:
    """The channel waits for a person."""
    with mail_server(tmp_path) as box, pytest.raises(ChannelDown, match="the mail server answered 535") as raised:
        channel(box, "wrongsecret").send(MESSAGE)
    assert "wrongsecret" not in str(raised.value)
    assert box.got == []


def test_a_certificate_of_somebody_else_is_refused(tmp_path: Path) -> None:
    """Before a password travels."""
    other, _ = certificate(tmp_path, "elsewhere")
    with mail_server(tmp_path) as box:
        for authorities in ("", str(other)):
            with pytest.raises(ChannelDown, match="certificate is not good: self-signed certificate"):
                channel(box, ca_file=authorities).send(MESSAGE)
        assert box.got == []


def test_a_server_without_tls_gets_no_password(tmp_path: Path) -> None:
    """Somebody on the way may have cut STARTTLS out of the greeting."""
    with mail_server(tmp_path, "none") as box, pytest.raises(ChannelDown, match="STARTTLS"):
        channel(box).send(MESSAGE)
    assert box.got == []


def test_one_receiver_of_two_is_refused(tmp_path: Path) -> None:
    """The other one has it: sending again would tell it twice. Who has not is told of, for good or for now."""
    with mail_server(tmp_path) as box:
        for number, why in enumerate(("550 5.1.1 no such user", "451 4.7.1 greylisted, come back later")):
            box.refused["bob@example.com"] = why
            assert channel(box).send(MESSAGE) == {"bob@example.com": why}
            assert len(box.got) == number + 1


def test_every_receiver_is_refused(tmp_path: Path) -> None:
    """A person has to mend the address: the message waits."""
    with mail_server(tmp_path) as box:
        box.refused = dict.fromkeys(TO, "550 5.1.1 no such user")
        with pytest.raises(ChannelDown, match=r"refused every receiver: 550 5\.1\.1 no such user"):
            channel(box).send(MESSAGE)


@pytest.mark.parametrize(("answer", "error"), [("552 too large", MessageRefused), ("452 disk full", ChannelDown)])
def test_the_content_is_refused(tmp_path: Path, answer: str, error: type[Exception]) -> None:
    """For good, or for now."""
    with mail_server(tmp_path) as box:
        box.answer = answer
        with pytest.raises(error, match=answer):
            channel(box).send(MESSAGE)


def test_nobody_listens() -> None:
    """At once."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ChannelDown, match="the mail server was not reached: Connection refused"):
        EmailChannel(MailServer("127.0.0.1", port), USER, TO).send(MESSAGE)


def test_a_server_that_says_nothing_is_left_after_the_timeout() -> None:
    """It takes the connection, and no more."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        began = time.monotonic()
        with pytest.raises(ChannelDown, match="the mail server was not reached: it hung up or said nothing in time"):
            EmailChannel(MailServer("127.0.0.1", mute.getsockname()[1]), USER, TO, SECOND).send(MESSAGE)
        assert time.monotonic() - began < 8


def test_something_else_answers() -> None:
    """A web server on the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(ChannelDown, match="mail server"):
            EmailChannel(MailServer("127.0.0.1", server.getsockname()[1]), USER, TO, SECOND).send(MESSAGE)
        thread.join(5)


@pytest.mark.parametrize(
    "title", ["a\r\nBcc: eve@example.com", "x\nSubject: y", "\x00\x1b[31m", "ü 🔴 日本", "x" * 5000, ""]
)
def test_no_title_makes_another_header(tmp_path: Path, title: str) -> None:
    """Names and reasons come from people and from the exchange."""
    with mail_server(tmp_path) as box:
        channel(box).send(Message("k", Severity.INFO, title, "ok\r\n.\r\nMAIL FROM:<x@y>\r\n" + "y" * 3000, AT))
        (mail,) = box.got
    assert mail["bcc"] is None
    assert len(mail.get_all("subject", [])) == 1
    assert len(mail["subject"]) <= 150
    assert "MAIL FROM:<x@y>" in mail.get_content()
