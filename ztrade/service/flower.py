"""Flower behind a login, and read-only unless the operator says otherwise."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
from datetime import timedelta
from types import FrameType
from typing import Any

import structlog

from ztrade.config import Config, Supervision, supervision
from ztrade.errors import ConfigError
from ztrade.service.flower_login import Login, given_login, login_file
from ztrade.service.watchdog import Pace, patience, watch

log = structlog.get_logger("ztrade.flower")

#: what it remembers: 60 MB of 140, and 2 MB on disk; a day of three agents has 170 tasks
MAX_TASKS, MAX_WORKERS = 10_000, 200
#: between two writes of the history
SAVE = timedelta(minutes=5)
#: the descriptor of the first socket that a service manager hands over (sd_listen_fds(3))
FIRST_HANDED = 3


def run_flower(config: Config) -> None:
    """Serve until SIGTERM.

    Raises:
        ConfigError: the port is taken, or the login file is unusable.
    """
    from ztrade.service import logs
    from ztrade.service.app import context_of, create_app

    logs.start(config, "flower")
    told = supervision()
    login, made = given_login(config.state_dir)
    app = create_app(config)
    context_of(app).role = "flower"
    server = make_server(app, config, login)
    where = adopt(server, told.sockets) if told.sockets else f"{config.main.flower.host}:{listen(server, config)}"
    tell(config, login, made)
    log.info("flower_listens", at=where)
    _watch(server, told, where)
    signal.signal(signal.SIGTERM, _end)
    with contextlib.suppress(KeyboardInterrupt, SystemExit):
        server.start()
    server.stop()


def _watch(server: Any, told: Supervision, where: str) -> None:
    from tornado.ioloop import PeriodicCallback

    pace = Pace(patience(told))
    PeriodicCallback(lambda: pace.tick(f"serves {where}"), 1000).start()
    server.io_loop.add_callback(pace.tick, f"serves {where}")
    watch(told, pace.judge)


def adopt(server: Any, count: int) -> str:
    """Serve on sockets that the service manager opened, and return the first one's name.

    They listen on a network that this process need not have.
    """
    from tornado.httpserver import HTTPServer

    sockets = [socket.socket(fileno=FIRST_HANDED + number) for number in range(count)]
    for one in sockets:
        one.setblocking(False)
    HTTPServer(server, xheaders=server.options.xheaders).add_sockets(sockets)
    return str(sockets[0].getsockname())


def _end(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def make_server(app: Any, config: Config, login: Login) -> Any:
    """Return Flower's application; its options are set here, so that neither ps nor the environment shows them."""
    import flower.options  # noqa: F401 defines the options
    from flower.urls import settings
    from tornado.options import options

    from ztrade.service.flower_app import LockedFlower, use_given_login

    section = config.main.flower
    options.address, options.port, options.url_prefix = section.host, section.port, section.url_prefix
    # behind a proxy its headers tell the log who asked
    options.xheaders = bool(section.url_prefix)
    options.basic_auth = [f"{login.user}:{login.password}"]
    options.cookie_secret = login.cookie_secret
    options.read_only = not section.control
    options.max_tasks, options.max_workers = MAX_TASKS, MAX_WORKERS
    # a shelf of pickles, which run what they say when they are read: in a directory where nobody else writes
    options.persistent, options.db = True, str(config.state_dir / "flower")
    options.state_save_interval = int(SAVE / timedelta(milliseconds=1))
    options.purge_offline_workers = 300
    under = {key: _under(section.url_prefix, settings[key]) for key in ("login_url", "static_url_prefix")}
    use_given_login()
    return LockedFlower(capp=app, options=options, **{**settings, **under, "cookie_secret": login.cookie_secret})


def _under(prefix: str, path: str) -> str:
    return f"/{prefix}{path}" if prefix else path


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
        os.write(1, f"Flower: user {login.user}, password {login.password} (shown once)\n".encode())
    elif made:
        log.info("flower_login_made", file=login_file(config.state_dir))
