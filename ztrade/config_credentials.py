"""What the credentials file holds: key pairs of accounts, and what other services want."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ztrade.config_files import parse_toml, read_toml
from ztrade.config_values import webhook_url
from ztrade.errors import ConfigError

#: services besides Alpaca, and the keys of their sections
SERVICES: Mapping[str, Sequence[str]] = {
    "reddit": ("client_id", "client_secret"),
    "anthropic": ("api_key",),
    "openai": ("api_key",),
}
#: the section with the secrets of alert channels, one table each
ALERTS = "alerts"


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


def alert_secrets(found: Mapping[str, Any], wanted: Mapping[str, str], where: str) -> Mapping[str, str]:
    """Return the secret of each alert channel.

    Args:
        found: the file's sections.
        wanted: by channel, the key of its secret, empty where it needs none.

    Raises:
        ConfigError: one is missing, malformed, or for no channel; no message shows a secret.
    """
    for name in _tables(found, where):
        if name not in wanted:
            fix = f"one of: {', '.join(wanted) or 'none'}, as under [alerts.channels] in ztrade.toml"
            raise ConfigError(f"{where}: {ALERTS}.{name}", "is no channel of ztrade.toml", fix=fix)
    return {name: alert_secret(found, name, key, where) for name, key in wanted.items()}


def alert_secret(found: Mapping[str, Any], channel: str, key: str, where: str) -> str:
    """Return the secret of one alert channel, whatever is wrong with others'. Raises ConfigError."""
    return _secret(_tables(found, where).get(channel, {}), key, f"{where}: [{ALERTS}.{channel}]")


def _tables(found: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    tables = found.get(ALERTS, {})
    if not isinstance(tables, Mapping):
        raise ConfigError(f"{where}: {ALERTS}", "must be tables, one per channel: [alerts.NAME]")
    return tables


def _secret(section: object, key: str, where: str) -> str:
    if not isinstance(section, Mapping):
        raise ConfigError(where, f"must be a table with {key}")
    for name in section:
        if name != key:
            raise ConfigError(where, f"{name}: unknown key", fix=f"{key} is all that is needed" if key else "remove it")
    if not key:
        return ""
    if key not in section:
        raise ConfigError(where, f"{key} is missing", fix=_FIXES[key])
    try:
        return _checked(key, section[key])
    except ValueError as error:
        raise ConfigError(f"{where} {key}", str(error), fix=_FIXES[key]) from None


_FIXES: Mapping[str, str] = {
    "webhook": "the URL that Slack gives for an incoming webhook: https://hooks.slack.com/services/...",
    "password": "the mail server's password for the channel's user, or take the user out of ztrade.toml",
}


def _checked(key: str, value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[!-~]([ -~]*[!-~])?", value):
        raise ValueError("must be text, without accents, line ends, or blanks around it")
    return webhook_url(value) if key == "webhook" else value


class Unreadable(ConfigError):
    """The keys are there, and not for this user: who only looks or halts does without them."""


def read_credentials(path: Path, accounts: Container[str], *, guarded: bool) -> Mapping[str, Any]:
    """Return the file's sections, none where there is no file.

    Args:
        guarded: systemd handed it over, and guards it by other means than its mode.

    Raises:
        Unreadable: this user may not look.
        ConfigError: others can read it, it is malformed, or it has a section that nobody wants.
    """
    try:
        found = _content(path, guarded)
    except PermissionError:
        raise Unreadable(str(path), "cannot be read by this user", fix="only the services need the keys") from None
    for name in found:
        if name not in accounts and name not in SERVICES and name != ALERTS:
            raise ConfigError(f"{path}: {name}", "is no account of ztrade.toml", fix="name it as under [accounts]")
    return found


def _content(path: Path, guarded: bool) -> Mapping[str, Any]:
    if not path.exists():
        return _sealed_content(path)
    if not os.access(path, os.R_OK):
        raise PermissionError
    if not path.is_file():
        raise ConfigError(str(path), "is not a file", fix="set credentials to the file with the keys")
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO) and not guarded:
        raise ConfigError(str(path), "others can read the keys", fix=f"chmod 600 {path}")
    return read_toml(path)


def _sealed_content(path: Path) -> Mapping[str, Any]:
    there = sealed(path)
    if not there.exists():
        return {}
    if not os.access(there, os.R_OK):
        raise PermissionError
    return parse_toml(unseal(path), there)


def sealed(path: Path) -> Path:
    """Return where a file of keys is kept encrypted with this machine's own key (systemd-creds(1))."""
    return path.with_name(f"{path.name}.cred")


def unseal(path: Path) -> str:
    """Return what the encrypted copy of a file holds. Raises ConfigError."""
    there = sealed(path)
    try:
        return _systemd_creds("decrypt", f"--name={path.name}", str(there), "-")
    except (OSError, subprocess.SubprocessError):
        what, why = "cannot be decrypted", "it was encrypted on another machine, or was changed"
        fix = f"remove it, and give the keys again: ztrade setup --encrypt; systemd-creds decrypt {there} - says more"
        raise ConfigError(str(there), what, why, fix) from None


def seal(text: str, name: str) -> str:
    """Return ``text`` as this machine alone can read it, and systemd under that name only. Raises ConfigError."""
    try:
        return _systemd_creds("encrypt", f"--name={name}", "-", "-", given=text)
    except (OSError, subprocess.SubprocessError) as error:
        raise ConfigError("--encrypt", f"systemd-creds does not do it: {error}", fix="leave --encrypt out") from None


def _systemd_creds(*words: str, given: str = "") -> str:
    command = ["systemd-creds", *words]
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=30, check=True)  # noqa: S603
    return done.stdout


@dataclass(frozen=True, slots=True)
class Login:
    """A user of Redis and its password; the repr shows neither."""

    user: str = field(repr=False)
    password: str = field(repr=False)

    @property
    def pair(self) -> tuple[str, str]:
        """User and password as Redis' clients take them."""
        return self.user, self.password


def login_in(file: Path, url: str = "") -> Login | None:
    """Return the login from a file that holds a Redis' URL with a login in it.

    None where there is no such file for this user, or it is for another Redis than the one at ``url``, or that URL has
    a login itself.
    """
    try:
        given = urlsplit(file.read_text(encoding="utf-8").strip())
    except (OSError, ValueError):
        return None
    wanted, host = urlsplit(url), given.netloc.rpartition("@")[2]
    other = (wanted.scheme, wanted.netloc, wanted.path) != (given.scheme, host, given.path)
    if not given.password or (url and other):
        return None
    return Login(unquote(given.username or ""), unquote(given.password))
