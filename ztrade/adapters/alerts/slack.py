"""Slack's incoming webhooks, and whatever takes the same requests (Mattermost, Discord's /slack).

https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from datetime import timedelta
from http.client import HTTPException
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from ztrade.adapters.alerts.words import MARKS, failure, footer
from ztrade.domain.messages import Message
from ztrade.errors import ChannelDown, MessageRefused

if TYPE_CHECKING:
    from slack_sdk.webhook import WebhookClient, WebhookResponse

#: Slack cuts a text at 40,000 characters; nobody reads as many on a phone
LONGEST = 3_500
#: what calls everybody in Mattermost and Discord, wherever it stands: an exchange's words may hold it
_EVERYBODY = re.compile(r"@(?=(?:all|channel|everyone|here)\b)", re.IGNORECASE)
#: answers that mean this very message
_REFUSED = frozenset({400, 413, 422})
#: Slack's words for the same, and for what is wrong with the webhook; whatever the status beside them
_REFUSING = frozenset({"invalid_payload", "no_text", "invalid_blocks", "too_many_attachments", "msg_too_long"})
_WORDS = _REFUSING | {
    "action_prohibited", "channel_is_archived", "channel_not_found", "invalid_token", "no_active_hooks", "no_service",
    "no_service_id", "no_team", "posting_to_general_channel_denied", "rate_limited", "rollup_error", "team_disabled",
    "user_not_found",
}  # fmt: skip
#: a part of a webhook's path that is as long is kept from every text; shorter ones are words such as "services"
_SECRET = 9
#: what a server may ask for at most
_LONGEST_REST = timedelta(hours=1)


class SlackChannel:
    """One webhook, which is a secret: no error and no log line names it.

    Args:
        webhook: its URL.
        timeout: wall seconds that each step of a request may take.
    """

    def __init__(self, webhook: str, timeout: timedelta = timedelta(seconds=10)) -> None:
        self._webhook, self._timeout = webhook, timeout

    def send(self, message: Message) -> Mapping[str, str]:
        """See :meth:`ztrade.ports.AlertChannel.send`."""
        # mrkdwn off: an agent's name or an order's id is shown as it is, whatever signs are in it
        body = {"text": text_of(message), "mrkdwn": False, "unfurl_links": False, "unfurl_media": False}
        try:
            answer = self._client().send_dict(body)
        except (OSError, HTTPException, ValueError, LookupError) as error:
            # the library lets through what urllib, http.client, ssl and codecs raise
            raise ChannelDown(f"Slack was not reached: {failure(error)}") from None
        _judge(answer, self._webhook)
        return {}

    def _client(self) -> WebhookClient:
        from slack_sdk.webhook import WebhookClient

        # the outbox tries again, and knows when; the library's own log lines hold the URL
        return WebhookClient(self._webhook, _seconds(self._timeout), logger=_silent(), retry_handlers=[])


def _seconds(span: timedelta) -> int:
    return max(int(span.total_seconds()), 1)


def _silent() -> logging.Logger:
    logger = logging.getLogger("ztrade.slack")
    logger.propagate = False
    logger.setLevel(logging.CRITICAL + 1)
    return logger


def text_of(message: Message) -> str:
    """Return the message as Slack wants it: its three control characters are spelled out, and it calls nobody."""
    words = f"{MARKS[message.severity]} {message.title}\n{message.text}".rstrip()
    if len(words) > LONGEST:
        words = words[:LONGEST] + " …"
    words = _EVERYBODY.sub("@\u200b", f"{words}\n{footer(message)}")
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _judge(answer: WebhookResponse, webhook: str) -> None:
    """Return where the message was taken, raise where not."""
    status, said = answer.status_code, _without(webhook, str(answer.body))
    if 200 <= status < 300 and said not in _WORDS:
        if said.startswith("<"):
            # a proxy or a portal on the way, or a webhook that moved
            raise ChannelDown("a web page answered instead of Slack")
        if said.replace(" ", "").startswith('{"ok":false'):
            # Slack's other interface, which is no webhook, says no in this way
            raise ChannelDown(f"this is no incoming webhook: {said}")
        return
    # a page is a proxy's on the way, which has nothing against this very message
    if said in _REFUSING or (status in _REFUSED and not (status == 400 and said.startswith("<"))):
        raise MessageRefused(f"Slack refused the message: {status} {said}")
    raise ChannelDown(f"Slack answered {status} {said}".rstrip(), _rest(answer.headers))


def _without(webhook: str, body: str) -> str:
    """Return the beginning of an answer; who answers an address that it does not know often repeats it."""
    path = urlsplit(webhook).path
    secrets = (webhook, path, unquote(path), *(part for part in path.split("/") if len(part) >= _SECRET))
    for secret in secrets:
        if len(secret) >= _SECRET:
            body = body.replace(secret, "...")
    return " ".join(body.split())[:80]


def _rest(headers: object) -> timedelta | None:
    found = {str(key).lower(): value for key, value in getattr(headers, "items", dict)()}.get("retry-after", "")
    if not str(found).isdecimal():
        return None
    # of a number of many digits no time can be made: the first few are more than the longest rest already
    return min(timedelta(seconds=int(str(found)[:6])), _LONGEST_REST)
