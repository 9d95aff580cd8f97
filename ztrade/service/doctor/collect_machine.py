"""What the machine tells without asking anybody: files, disks, ports, time, the interpreter."""

from __future__ import annotations

import grp
import ipaddress
import os
import pwd
import socket
import struct
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from packaging.requirements import Requirement

from ztrade.adapters.calendar.nyse import LAST_DAY
from ztrade.config import Config
from ztrade.config_files import AGENT_FILES
from ztrade.errors import TemporaryError
from ztrade.service.doctor.evidence import DiskFacts, FileFacts, Listener, LogFacts, PythonFacts, TimeFacts
from ztrade.service.units import call

_LISTEN = "0A"
JOURNAL = Path("/var/log/journal")
LOGROTATE = Path("/etc/logrotate.d")


def files(config: Config) -> Sequence[FileFacts]:
    """Return the files that decide what is traded, and those that hold secrets; of others, nothing."""
    folder = config.path.parent
    plain = [config.path, folder, folder / config.main.agents_dir, *(folder / config.main.agents_dir).glob(AGENT_FILES)]
    plain += [config.state_dir, *config.state_dir.glob("journal.db*")]
    keys = folder / config.main.credentials
    secret = [keys, config.state_dir / "flower.auth"]
    if keys.parent != folder:
        secret.append(keys.parent)
        with suppress(OSError):
            secret += [path for path in keys.parent.iterdir() if path != keys]
    return [*_facts(plain, secret=False), *_facts(secret, secret=True)]


def _facts(paths: Sequence[Path], *, secret: bool) -> Iterator[FileFacts]:
    for path in paths:
        with suppress(OSError):
            status = path.stat()
            owner, group = _name(pwd.getpwuid, status.st_uid), _name(grp.getgrgid, status.st_gid)
            yield FileFacts(str(path), status.st_mode & 0o7777, owner, group, secret)


def _name(look: Any, number: int) -> str:
    try:
        return str(look(number)[0])
    except KeyError:
        return str(number)


def journal_sizes(url: str) -> Mapping[str, Any]:
    """Return path, size and the log's size of a journal in a file."""
    if not url.startswith("sqlite:///"):
        return {}
    path = Path(url.removeprefix("sqlite:///"))
    log = Path(f"{path}-wal")
    return {
        "path": str(path),
        "size": path.stat().st_size if path.exists() else 0,
        "log_size": log.stat().st_size if log.exists() else 0,
    }


def newest_backup(config: Config) -> datetime | None:
    """Return when the newest copy in the state directory's ``backups`` was written."""
    # one that is being made, or was ended half-way, has another name
    times = [path.stat().st_mtime for path in (config.state_dir / "backups").glob("journal-*.db")]
    return datetime.fromtimestamp(max(times), UTC) if times else None


def disks(config: Config) -> Sequence[DiskFacts]:
    """Return the file systems below the state and the logs, each once."""
    wanted = [config.state_dir, config.log_dir or JOURNAL]
    found: dict[int, DiskFacts] = {}
    for path in wanted:
        near = next((place for place in (path, *path.parents) if place.exists()), Path("/"))
        status = os.statvfs(near)
        disk = DiskFacts(
            str(near),
            status.f_bavail * status.f_frsize,
            status.f_blocks * status.f_frsize,
            status.f_favail,
            status.f_files,
        )
        found.setdefault(near.stat().st_dev, disk)
    return list(found.values())


def ports(config: Config) -> Mapping[int, str]:
    """Return what of ours listens on TCP, by port."""
    found = {config.main.flower.port: "Flower", config.main.exporter.port: "the exporter"}
    found[urlsplit(config.main.exchange.url).port or 80] = "the exchange"
    redis = urlsplit(config.redis_url)
    if redis.hostname in ("localhost", "127.0.0.1", "::1"):
        found[redis.port or 6379] = "Redis"
    return {port: what for port, what in found.items() if port}


def listening(proc: Path = Path("/proc/net")) -> Sequence[Listener]:
    """Return the TCP ports on which somebody listens."""
    found = []
    for name in ("tcp", "tcp6"):
        with suppress(OSError):
            rows = [line.split() for line in (proc / name).read_text().splitlines()[1:]]
            found += [_listener(row[1]) for row in rows if row[3] == _LISTEN]
    return found


def _listener(text: str) -> Listener:
    """Read the kernel's spelling: words of the address in the machine's byte order, then the port."""
    address, _, port = text.partition(":")
    words = [struct.pack("=I", int(address[at : at + 8], 16)) for at in range(0, len(address), 8)]
    family = socket.AF_INET if len(words) == 1 else socket.AF_INET6
    shown = socket.inet_ntop(family, b"".join(words))
    return Listener(shown, int(port, 16), ipaddress.ip_address(shown).is_loopback)


def time_facts(config: Config, now: datetime) -> TimeFacts:
    """Return what is known of time."""
    january, july = _new_york(now.year, 1), _new_york(now.year, 7)
    end = datetime(LAST_DAY.year, LAST_DAY.month, LAST_DAY.day, tzinfo=UTC)
    real = any(not agent.dry_run for agent in config.agents.values())
    return TimeFacts(now, real, _synchronised(), january, july, end)


def _new_york(year: int, month: int) -> timedelta:
    try:
        offset = datetime(year, month, 15, 12, tzinfo=ZoneInfo("America/New_York")).utcoffset()
    except ZoneInfoNotFoundError:
        offset = None
    return timedelta(0) if offset is None else offset


def _synchronised() -> bool | None:
    try:
        return call(["timedatectl", "show", "--property=NTPSynchronized", "--value"]).strip() == "yes"
    except TemporaryError:
        return None


def python_facts() -> PythonFacts:
    """Return the interpreter, and which of ztrade's requirements it does not meet."""
    broken = [text for text in map(_unmet, metadata.requires("ztrade") or ()) if text]
    return PythonFacts(sys.version_info[:2], sys.executable, broken)


def _unmet(line: str) -> str:
    requirement = Requirement(line)
    if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
        return ""
    try:
        found = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return f"{requirement.name} is missing"
    fits = requirement.specifier.contains(found, prereleases=True)
    return "" if fits else f"{requirement.name} is {found}, and {requirement.specifier} is needed"


def log_facts(config: Config, *, under_systemd: bool) -> LogFacts:
    """Return where lines go, and whether they stay."""
    directory = config.log_dir
    if directory is None:
        return LogFacts(None, journal_kept=JOURNAL.is_dir() if under_systemd else None)
    return LogFacts(str(directory), directory.is_dir() and os.access(directory, os.W_OK), _is_rotated(directory))


def _is_rotated(directory: Path) -> bool:
    texts = []
    for path in LOGROTATE.glob("*"):
        with suppress(OSError):
            texts.append(path.read_text(errors="replace"))
    return any(str(directory) in text for text in texts)
