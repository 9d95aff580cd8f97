"""Flower's login: the unit's credential, or made on first start and shown once."""

from __future__ import annotations

import json
import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path

from ztrade.config import credential
from ztrade.errors import ConfigError

USER, LOGIN = "ztrade", "flower.auth"
#: characters of a password, and of either: a browser sends both in one header
SHORTEST, LONGEST_USER, LONGEST = 8, 100, 1000


@dataclass(frozen=True, slots=True)
class Login:
    """What opens Flower, and what signs its cookies; the repr shows only the user."""

    user: str
    password: str = field(repr=False)
    cookie_secret: str = field(repr=False)


def check_login(user: str, password: str) -> None:
    """Refuse a login that nobody could log in with.

    Raises:
        ConfigError: no message shows the password.
    """
    for what, text, longest in (("Flower's user", user, LONGEST_USER), ("Flower's password", password, LONGEST)):
        if len(text) > longest:
            raise ConfigError(what, f"is longer than {longest} characters", fix="choose a shorter one")
        if not text.isprintable() or (text is user and ":" in user):
            raise ConfigError(what, "holds a colon or what no keyboard types", fix="choose another one")
    if len(password) < SHORTEST:
        raise ConfigError("Flower's password", f"is shorter than {SHORTEST} characters", fix="choose a longer one")


def login_file(state_dir: Path) -> Path:
    """Return where the login is kept."""
    return state_dir / LOGIN


def ensure_login(state_dir: Path) -> tuple[Login, bool]:
    """Return the login, and whether it was made just now.

    Raises:
        ConfigError: others can read the file, or it is damaged.
    """
    path = login_file(state_dir)
    state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = not path.exists() and _write_new(path)
    return _read(path), made


def _write_new(path: Path) -> bool:
    content = {"user": USER, "password": secrets.token_urlsafe(18), "cookie_secret": secrets.token_urlsafe(48)}
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(json.dumps(content))
        # a link, unlike a rename, never replaces what another process made meanwhile
        os.link(scratch, path)
    except FileExistsError:
        return False
    finally:
        scratch.unlink()
    return True


def _read(path: Path) -> Login:
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO) and path != credential(path.name):
        raise ConfigError(str(path), "others can read Flower's password", fix=f"chmod 600 {path}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        user, password, cookie_secret = content["user"], content["password"], content["cookie_secret"]
        if not all(isinstance(text, str) for text in (user, password, cookie_secret)) or len(password) < SHORTEST:
            raise ValueError("no usable password")
        if not user or ":" in user:
            raise ValueError("no usable user")
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            str(path), f"is damaged: {error!r}", fix="remove it: the next start makes a new login"
        ) from None
    return Login(user, password, cookie_secret)


def given_login(state_dir: Path) -> tuple[Login, bool]:
    """Return the login that the unit hands over, else the kept or new one, and whether it is new.

    Raises:
        ConfigError: as :func:`ensure_login`.
    """
    given = credential(LOGIN)
    # empty: the unit's stand-in for a login that nobody has set
    return (_read(given), False) if given and given.read_text().strip() else ensure_login(state_dir)
