"""The composition root of alerts: the channel behind each name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import structlog

from ztrade import ports
from ztrade.config import Config
from ztrade.errors import ChannelDown, ConfigError

if TYPE_CHECKING:
    from ztrade.domain.messages import Message

log = structlog.get_logger("ztrade.alerting")


class Off:
    """Stands for a channel that cannot be used as it is configured: what it should tell waits, and that is told.

    Args:
        why: what is wrong; the trouble of every try.
    """

    def __init__(self, why: str) -> None:
        self._why = why

    def send(self, message: Message) -> Mapping[str, str]:  # noqa: ARG002 whatever it is
        """See :meth:`ztrade.ports.AlertChannel.send`."""
        raise ChannelDown(self._why)


def channels(config: Config) -> Mapping[str, ports.AlertChannel]:
    """Return every configured channel by its name; nothing is connected yet.

    Raises:
        ConfigError: a secret is missing or malformed, or not for this user to read; a file is missing.
    """
    if config.main.alerts.channels:
        config.alert_secrets()
    return {name: _channel(config, name) for name in sorted(config.main.alerts.channels)}


def usable_channels(config: Config) -> Mapping[str, ports.AlertChannel]:
    """Return every configured channel, for who must go on: one that cannot be used holds back no other."""
    return {name: _channel_or_why(config, name) for name in sorted(config.main.alerts.channels)}


def _channel_or_why(config: Config, name: str) -> ports.AlertChannel:
    try:
        return _channel(config, name)
    except (ConfigError, OSError) as error:
        log.error("channel_off", channel=name, reason=str(error))
        return Off(str(error))


def _channel(config: Config, name: str) -> ports.AlertChannel:
    section, secret = config.main.alerts.channels[name], config.alert_secret(name)
    if section.kind == "slack":
        from ztrade.adapters.alerts.slack import SlackChannel

        return SlackChannel(secret)
    from ztrade.adapters.alerts.email import EmailChannel, MailServer

    authorities = config.ca_file(name)
    server = MailServer(section.host, section.mail_port, section.security, section.user, secret, authorities)
    return EmailChannel(server, section.sender, section.to)
