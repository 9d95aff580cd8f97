"""What the credentials file holds: key pairs of accounts, and what other services want."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ztrade.errors import ConfigError

#: services besides Alpaca, and the keys of their sections
SERVICES: Mapping[str, Sequence[str]] = {
    "reddit": ("client_id", "client_secret"),
    "anthropic": ("api_key",),
    "openai": ("api_key",),
}


@dataclass(frozen=True, slots=True)
class Keys:
    """An Alpaca key pair; its repr shows nothing."""

    key_id: str = field(repr=False)
    secret_key: str = field(repr=False)


def key_pair(section: object, where: str) -> Keys:
    """Return an account's key pair. Raises ConfigError."""
    return Keys(*texts(section, ("key_id", "secret_key"), where))


def texts(section: object, names: Sequence[str], where: str) -> tuple[str, ...]:
    """Return a section's values for ``names``, which are all that it may have. Raises ConfigError."""
    if not isinstance(section, Mapping):
        raise ConfigError(where, f"must be a table with {' and '.join(names)}")
    for name in section:
        if name not in names:
            raise ConfigError(where, f"{name}: unknown key", fix=f"{' and '.join(names)} are all that is needed")
    return tuple(_text(section.get(name), names, where) for name in names)


def _text(value: object, names: Sequence[str], where: str) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[!-~]+", value):
        # they travel in a header; a blank or a line end comes from copying
        raise ConfigError(where, f"{' and '.join(names)} must be non-empty text, without blanks or accents")
    return value
