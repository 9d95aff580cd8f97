"""Flower behind a login, read-only. The login is made on first start and shown once."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import json
import os
import secrets
import signal
import stat
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import structlog

from ztrade.config import Config
from ztrade.errors import ConfigError

log = structlog.get_logger("ztrade.flower")

USER = "ztrade"


@dataclass(frozen=True, slots=True)
class Login:
    """What opens Flower, and what signs its cookies; the repr shows neither."""

    password: str = field(repr=False)
    cookie_secret: str = field(repr=False)


def login_file(state_dir: Path) -> Path:
    """Return where the login is kept."""
    return state_dir / "flower.auth"


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
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(str(path), "others can read Flower's password", fix=f"chmod 600 {path}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        password, cookie_secret = content["password"], content["cookie_secret"]
        if not (isinstance(password, str) and isinstance(cookie_secret, str) and len(password) >= 8):
            raise ValueError("no usable password")
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            str(path), f"is damaged: {error!r}", fix="remove it: the next start makes a new login"
        ) from None
    return Login(password, cookie_secret)


def run_flower(config: Config) -> None:
    """Serve until SIGTERM.

    Raises:
        ConfigError: the port is taken, or the login file is unusable.
    """
    from ztrade.service import logs
    from ztrade.service.app import context_of, create_app

    logs.configure(config.main.log.level)
    login, made = ensure_login(config.state_dir)
    app = create_app(config)
    context_of(app).role = "flower"
    server = make_server(app, config, login)
    port = listen(server, config)
    tell(config, login, made)
    log.info("flower_listens", host=config.main.flower.host, port=port)
    signal.signal(signal.SIGTERM, _end)
    with contextlib.suppress(KeyboardInterrupt, SystemExit):
        server.start()
    server.stop()


def _end(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def make_server(app: Any, config: Config, login: Login) -> Any:
    """Return Flower's application; its options are set here, so that neither ps nor the environment shows them."""
    import flower.options  # noqa: F401 defines the options
    from flower.app import Flower
    from flower.urls import settings
    from tornado.options import options

    section = config.main.flower
    options.address, options.port = section.host, section.port
    options.basic_auth = [f"{USER}:{login.password}"]
    options.cookie_secret = login.cookie_secret
    options.read_only = True
    options.persistent = False  # its file is a pickle, and the journal remembers better
    options.max_tasks = 10_000
    options.purge_offline_workers = 300
    server = Flower(capp=app, options=options, **{**settings, "cookie_secret": login.cookie_secret})
    if not is_loopback(section.host):
        hide_metrics(server)
    return server


def hide_metrics(server: Any) -> None:
    """Take /metrics away: Flower serves it without asking for the login."""
    rules = server.wildcard_router.rules
    rules[:] = [rule for rule in rules if "/metrics" not in getattr(rule.matcher, "_path", "")]


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(server: Any, config: Config) -> int:
    """Open the port and return its number. Raises ConfigError."""
    try:
        port: int = server.start_http_server()
    except OSError as error:
        raise port_error(config.main.flower.host, config.main.flower.port, "flower.port", error) from None
    return port


def port_error(host: str, port: int, key: str, error: OSError) -> ConfigError:
    """Return the error for a port that cannot be opened."""
    taken = error.errno == errno.EADDRINUSE
    what = f"{host}:{port} is taken" if taken else f"{host}:{port} cannot be opened: {error.strerror or error}"
    return ConfigError(key, what, fix=f"stop what listens there, or set another {key} in ztrade.toml")


def tell(config: Config, login: Login, made: bool) -> None:
    """Show a new password once, to a person only: a log would keep it."""
    if made and os.isatty(1):
        os.write(1, f"Flower: user {USER}, password {login.password} (shown once)\n".encode())
    elif made:
        log.info("flower_login_made", file=login_file(config.state_dir))
