"""``[alerts]`` of ``ztrade.toml``: who is told what, and over which channel. Its secrets are in the credentials."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from ztrade.config_values import Address, Count, Host, PathText, Section, Span
from ztrade.domain.agent import canonical_name
from ztrade.domain.messages import Route, Severity

#: the names of channels are keys of the journal and of both files
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}", re.ASCII)
_PORTS: Mapping[str, int] = {"starttls": 587, "tls": 465, "none": 25}
#: keys that a channel of kind email has besides those of all channels
_EMAIL = ("host", "port", "security", "user", "from", "to", "ca_file")


class ChannelSection(Section):
    """One channel; ``agents`` empty: all of them. ``user`` empty: no login at the mail server."""

    kind: Literal["slack", "email"]
    severities: Annotated[tuple[Severity, ...], Field(min_length=1)] = tuple(Severity)
    agents: tuple[str, ...] = ()
    max_in_10_minutes: Annotated[Count, Field(ge=2, le=600)] = 20
    host: Host = ""
    port: Annotated[Count, Field(ge=1, le=65535)] | None = None
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: Annotated[str, Field(max_length=254, pattern=r"^[!-~]*$")] = ""
    sender: Annotated[Address, Field(alias="from")] = ""
    to: tuple[Address, ...] = ()
    ca_file: PathText = ""

    @field_validator("agents")
    @classmethod
    def _canonical(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(canonical_name, value))

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.kind == "slack":
            for key in _EMAIL:
                if ("sender" if key == "from" else key) in self.model_fields_set:
                    raise ValueError(f'{key} is for kind = "email"')
            return self
        for key, value in (("host", self.host), ("from", self.sender), ("to", self.to)):
            if not value:
                raise ValueError(f"{key} is missing: an email channel needs host, from and to")
        if self.user and self.security == "none":
            raise ValueError('a password would travel in the clear: use security = "starttls" or "tls", or no user')
        return self

    @property
    def secret(self) -> str:
        """What the credentials must hold for the channel, empty where nothing."""
        return "webhook" if self.kind == "slack" else "password" if self.user else ""

    @property
    def mail_port(self) -> int:
        return self.port or _PORTS[self.security]

    def route(self, name: str) -> Route:
        """Return what the channel is for."""
        return Route(name, frozenset(self.severities), frozenset(self.agents), self.max_in_10_minutes)


class AlertsSection(Section):
    """``channels`` empty: what people should know is in the log, and in `ztrade alerts list`."""

    give_up_after: Span = timedelta(hours=24)
    channels: Mapping[str, ChannelSection] = Field(default_factory=dict)

    @field_validator("channels")
    @classmethod
    def _names(cls, value: Mapping[str, ChannelSection]) -> Mapping[str, ChannelSection]:
        for name in value:
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a channel: lower-case letters, digits, - and _, at most 32")
        return value

    def routes(self) -> list[Route]:
        """Return what each channel is for, by name."""
        return [channel.route(name) for name, channel in sorted(self.channels.items())]

    def strangers(self, agents: Collection[str]) -> Iterator[tuple[str, str]]:
        """Yield key and name of each agent that a channel names, and nobody knows."""
        for name, channel in self.channels.items():
            for agent in channel.agents:
                if agent not in agents:
                    yield f"alerts.channels.{name}.agents", agent

    def unheard(self, agents: Collection[str]) -> Iterator[str]:
        """Yield whose critical messages no channel takes, where there are channels at all."""
        critical = [channel for channel in self.channels.values() if Severity.CRITICAL in channel.severities]
        if not self.channels:
            return
        if not critical:
            yield "no channel takes critical messages"
        elif all(channel.agents for channel in critical):
            heard = {agent for channel in critical for agent in channel.agents}
            yield from (f"no channel takes critical messages of {name}" for name in sorted(agents) if name not in heard)
