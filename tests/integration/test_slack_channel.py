"""Slack's webhook against a server that misbehaves in every way that was seen."""

from __future__ import annotations

import socket
import time
from datetime import UTC, datetime, timedelta

import pytest

from ztrade.adapters.alerts.slack import LONGEST, SlackChannel, text_of
from ztrade.domain.messages import Message, Severity
from ztrade.errors import ChannelDown, MessageRefused
from ztrade.testing.scripted_server import Answer, Asked, in_turn, scripted

AT = datetime(2026, 11, 25, 15, 0, 7, tzinfo=UTC)
MESSAGE = Message("k", Severity.WARNING, "spy: missed at 14:55 UTC", "missed: Redis was down", AT, "spy")
OK = Answer(200, b"ok")


def sent(answer: Answer, message: Message = MESSAGE, timeout: float = 2) -> list[Asked]:
    with scripted(in_turn(answer)) as server:
        SlackChannel(f"{server.url}/services/T0/B0/x", timedelta(seconds=timeout)).send(message)
        return server.asked


def test_what_slack_gets() -> None:
    """One POST of JSON: the mark, the title, the text, when and where; formatting and previews are off."""
    (asked,) = sent(OK)
    assert (asked.method, asked.path) == ("POST", "/services/T0/B0/x")
    body = asked.body
    assert isinstance(body, dict)
    lines = body["text"].splitlines()
    assert lines[0] == "🟠 spy: missed at 14:55 UTC"
    assert lines[1] == "missed: Redis was down"
    assert lines[2] == f"2026-11-25 15:00:07 UTC, {socket.gethostname()}"
    assert (body["mrkdwn"], body["unfurl_links"]) == (False, False)


def test_control_characters_of_slack_are_spelled_out() -> None:
    """A reason that names everybody, or holds a link, is text; signs of formatting stay what they are."""
    odd = Message("k", Severity.INFO, "a<!channel>&*b*_c_", "<http://evil|click> `x` ~y~ > z", AT)
    (asked,) = sent(OK, odd)
    assert isinstance(asked.body, dict)
    text = asked.body["text"]
    assert "a&lt;!channel&gt;&amp;*b*_c_" in text
    assert "&lt;http://evil|click&gt; `x` ~y~ &gt; z" in text
    assert "<" not in text.replace("&lt;", "")


def test_a_text_without_end_is_cut() -> None:
    """The time is still below it."""
    text = text_of(Message("k", Severity.INFO, "t", "x" * 100_000, AT))
    assert len(text) < LONGEST + 200
    assert "x …\n2026-11-25" in text


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (Answer(404, b"no_service"), ChannelDown, "Slack answered 404 no_service"),
        (Answer(403, b"invalid_token"), ChannelDown, "Slack answered 403 invalid_token"),
        (Answer(410, b"channel_is_archived"), ChannelDown, "Slack answered 410 channel_is_archived"),
        (Answer(500, b""), ChannelDown, "Slack answered 500"),
        (Answer(400, b"invalid_payload"), MessageRefused, "Slack refused the message: 400 invalid_payload"),
        (Answer(200, b"invalid_payload"), MessageRefused, "Slack refused the message: 200 invalid_payload"),
        (Answer(200, b"no_service"), ChannelDown, "Slack answered 200 no_service"),
        (Answer(400, b"<html>plain HTTP to an HTTPS port"), ChannelDown, "Slack answered 400 <html>"),
        (
            Answer(200, b'{"ok": false, "error": "not_authed"}'),
            ChannelDown,
            "this is no incoming webhook: .*not_authed",
        ),
        (Answer(200, b"<!DOCTYPE html><p>sign in"), ChannelDown, "a web page answered instead of Slack"),
        (Answer(500, b"\xff\xfe", headers={"Content-Type": "text/plain; charset=utf-8"}), ChannelDown, "not reached"),
        (Answer(500, b"x", headers={"Content-Type": "text/plain; charset=nonsense"}), ChannelDown, "not reached"),
        (Answer(reset=True), ChannelDown, "Slack was not reached: Connection reset by peer"),
        (Answer(hang=True), ChannelDown, "Slack was not reached: timed out"),
    ],
    ids=[
        "404",
        "403",
        "410",
        "500",
        "400",
        "200",
        "200 gone",
        "proxy",
        "another interface",
        "page",
        "bytes",
        "charset",
        "reset",
        "hang",
    ],
)
def test_every_bad_answer_is_told_in_plain_words(answer: Answer, error: type[Exception], words: str) -> None:
    """Whether to try again depends on it."""
    with pytest.raises(error, match=words):
        sent(answer, timeout=1)


@pytest.mark.parametrize("status", [200, 400, 404, 502])
def test_an_answer_that_repeats_the_address_betrays_no_secret(status: int) -> None:
    """As many servers and proxies do with one that they do not know; the words go into the journal and to others."""
    secret = "xoWebhook4Hidden"
    echo = f'{{"ok":false,"url":"/services/T0/{secret}"}} {secret}'
    with scripted(in_turn(Answer(status, echo.encode()))) as server:
        channel = SlackChannel(f"{server.url}/services/T0/{secret}")
        with pytest.raises((ChannelDown, MessageRefused), match=r'"ok":false,"url":"\.\.\."') as raised:
            channel.send(MESSAGE)
    assert secret not in str(raised.value)


@pytest.mark.parametrize("call", ["@here", "@Channel", "@all", "@everyone"])
def test_no_words_call_everybody(call: str) -> None:
    """Mattermost and Discord read them in any text; an address of somebody stays what it is."""
    text = text_of(Message("k", Severity.INFO, f"{call} ann@example.com", f"rejected: {call}", AT))
    assert call not in text
    assert "ann@example.com" in text


def test_a_webhook_that_moved_is_not_taken_for_success() -> None:
    """A redirect turns the POST into a GET of some page."""

    def script(asked: Asked) -> Answer:
        return Answer(302, b"", headers={"Location": "/login"}) if asked.method == "POST" else Answer(200, b"<html>")

    with scripted(script) as server, pytest.raises(ChannelDown, match="a web page"):
        SlackChannel(f"{server.url}/x").send(MESSAGE)


def test_it_says_how_long_it_wants_to_be_left_alone() -> None:
    """429; nonsense there is nothing, and a month is an hour, however many digits it has."""
    hour = timedelta(hours=1)
    for said, rest in (("30", timedelta(seconds=30)), ("soon", None), ("9999999", hour), ("9" * 5000, hour)):
        with pytest.raises(ChannelDown) as raised:
            sent(Answer(429, b"rate_limited", headers={"Retry-After": said}))
        assert raised.value.retry_after == rest


def test_nobody_listens() -> None:
    """At once, not after a timeout."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.monotonic()
    with pytest.raises(ChannelDown, match="Slack was not reached: Connection refused"):
        SlackChannel(f"http://127.0.0.1:{port}/x").send(MESSAGE)
    assert time.monotonic() - began < 8


def test_a_host_that_is_not_there() -> None:
    """A name of a zone that never exists (RFC 2606)."""
    with pytest.raises(ChannelDown, match=r"Slack was not reached: its name is not known|timed out"):
        SlackChannel("https://hooks.invalid/services/x").send(MESSAGE)


def test_a_failure_is_tried_once() -> None:
    """Trying again is the outbox's, which knows the limit and survives a restart."""
    with scripted(in_turn(Answer(500, b""))) as server:
        with pytest.raises(ChannelDown):
            SlackChannel(f"{server.url}/x").send(MESSAGE)
        assert len(server.asked) == 1
