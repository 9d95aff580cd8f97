"""The demo's state directory: one demo at a time, each in a fresh ``current``, the one before kept as ``last``."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

from ztrade.config import Config, load_config
from ztrade.config_schema import MainFile
from ztrade.domain.agent import Agent
from ztrade.domain.durations import format_duration
from ztrade.errors import ConfigError
from ztrade.service.programs import check_state_path
from ztrade.service.supervisor import lock_file

MAIN = "ztrade.toml"
CURRENT = "current"
_HEADER = "# Written by `ztrade demo`; the next demo in this state directory replaces it.\n"
FLOWER_PORT = 5555


@contextmanager
def held(root: Path) -> Iterator[Path]:
    """Hold the state directory, with a stack's own lock, and give the folder of its current demo.

    Raises:
        ConfigError: another demo or stack holds it, or it cannot be written.
    """
    try:
        file = lock_file(root)
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = file.open("a+")
    except OSError as error:
        raise ConfigError(
            str(root), f"the state directory cannot be written: {error.strerror}",
            fix="name a directory of your own with --state",
        ) from None  # fmt: skip
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise ConfigError(
                str(root), f"another demo or stack runs here (process {lock.read().strip() or '?'})",
                fix="wait for it, stop it, or give another directory with --state",
            ) from None  # fmt: skip
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield root / CURRENT


def make_room(current: Path) -> None:
    """Keep the demo before as ``last``, in place of the one before that.

    Raises:
        ConfigError: what is there is no demo's, or cannot be moved.
    """
    last = current.with_name("last")
    for folder in (current, last):
        if folder.exists() and not (folder / MAIN).exists():
            raise ConfigError(str(folder), "is no folder of a demo", fix="move it away, or give another --state")
    try:
        if not current.exists():
            return
        if last.exists():
            shutil.rmtree(last)
        current.rename(last)
    except OSError as error:
        raise ConfigError(str(current), f"cannot be moved away: {error.strerror}") from None


def rehearse(source: Config, agents: Mapping[str, Agent], current: Path) -> None:
    """Make sure that the demo can be written and read back, without writing anything where it would stay.

    Raises:
        ConfigError: the path cannot work, or an environment variable turns the demo towards what is not its own.
    """
    check_state_path(current)
    with tempfile.TemporaryDirectory(prefix="ztrade-") as scratch:
        write_config(Path(scratch) / "current", source, agents)


def write_config(current: Path, source: Config, agents: Mapping[str, Agent]) -> Config:
    """Write a complete configuration into ``current`` and read it back as the services will.

    Args:
        current: a folder that is not there yet.
        source: the configuration whose agents, limits and weights are taken.
        agents: which of its agents.

    Raises:
        ConfigError: the folder cannot be written, or an environment variable is in the way.
    """
    exchange, flower = free_ports()
    try:
        (current / "agents").mkdir(parents=True)
        (current / MAIN).write_text(main_file(source.main, exchange, flower), encoding="utf-8")
        for name in agents:
            shutil.copyfile(agent_file(source, name), current / "agents" / f"{name}.toml")
    except OSError as error:
        raise ConfigError(str(current), f"cannot be written: {error.strerror}") from None
    config = load_config(current / MAIN).with_state(current)
    _check_own(config, exchange)
    return config


def agent_file(source: Config, name: str) -> Path:
    """Return the agent's file, in either spelling of its name."""
    folder = source.path.parent / source.main.agents_dir
    return next(path for path in (folder / f"{name}.toml", folder / f"agent_{name}.toml") if path.exists())


def main_file(source: MainFile, exchange: int, flower: int) -> str:
    """Return the text of the demo's main file: the source's limits, weights and accounts, everything else its own."""
    accounts = "".join(_section(f"accounts.{name}", {"kind": a.kind}) for name, a in source.accounts.items())
    return "".join(
        [
            _HEADER,
            'state_dir = "."\n',
            _section("exchange", {"url": f"http://127.0.0.1:{exchange}"}),
            _section("flower", {"port": flower}),
            _section("exporter", {"port": 0}),
            _section("limits", source.limits.model_dump()),
            _section("sentiment", source.sentiment.model_dump() | _offline(source)),
            accounts,
        ]
    )


def _offline(source: MainFile) -> dict[str, object]:
    """Return what keeps the demo to itself: today's filings are no news of the day that is played, and models cost."""
    scorer = "vader" if source.sentiment.scorer == "vader" else "ztrade"
    return {"contact": "", "stories": "", "scorer": scorer, "model": "", "model_url": ""}


def _section(name: str, values: Mapping[str, object]) -> str:
    return f"\n[{name}]\n" + "".join(f"{key} = {_value(value)}\n" for key, value in values.items())


def _value(value: object) -> str:
    if isinstance(value, timedelta):
        value = format_duration(value)
    return json.dumps(value) if isinstance(value, str | bool) else str(value)


def _check_own(config: Config, exchange: int) -> None:
    own = {
        "ZTRADE_REDIS__URL": config.main.redis.url == "",
        "ZTRADE_JOURNAL__URL": config.main.journal.url == "",
        "ZTRADE_EXCHANGE__URL": config.main.exchange.url == f"http://127.0.0.1:{exchange}",
        "ZTRADE_EXCHANGE__SOCKET": config.main.exchange.socket == "",
    }
    for name, kept in own.items():
        if not kept:
            raise ConfigError(f"environment variable {name}", "is set", "the demo runs its own", f"unset {name}")


def free_ports() -> tuple[int, int]:
    """Return a free port for the exchange, and one for Flower: at a terminal its usual one, where that is free."""
    with ExitStack() as stack:
        exchange = _bound(stack, 0)
        # its usual port is for people to remember; where nobody watches it only collides with another stack's
        usual = _bound(stack, FLOWER_PORT) if sys.stdout.isatty() else 0
        flower = usual or _bound(stack, 0)
    return exchange, flower


def _bound(stack: ExitStack, port: int) -> int:
    """Hold the port until the stack is left, and return it; 0 where it is taken."""
    listener = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        return 0
    bound: int = listener.getsockname()[1]
    return bound
